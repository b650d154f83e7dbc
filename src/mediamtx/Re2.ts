/**
 * Go's regular expressions. The one module that knows the engine, so that it can be replaced.
 *
 * JavaScript's own engine is no substitute: it takes look-around that MediaMTX refuses, refuses `(?i)` inside a pattern
 * that MediaMTX takes, and can be made to hang by a hostile path name, where RE2 is linear. The engine is our own because a
 * complete one, with tables of Unicode, is a fifth of a Worker; tests compare it with one.
 *
 * @since 0.1.0
 */
import { type FieldType, problem, textWith } from "./FieldType.js"
import { makeMatcher } from "./Re2Program.js"
import { parseRe2, Re2SyntaxError } from "./Re2Syntax.js"

/**
 * A compiled pattern.
 *
 * @since 0.1.0
 * @category models
 */
export interface Re2 {
  readonly source: string
  /** The match and its groups (a group that took no part is ""), or `undefined`. Not anchored, as in MediaMTX. */
  readonly match: (text: string) => ReadonlyArray<string> | undefined
}

const compile = (source: string): Re2 | string => {
  try {
    const { groups, root } = parseRe2(source)
    // Most patterns are only checked.
    let matcher: Re2["match"] | undefined
    return {
      source,
      match: (text: string) => {
        matcher ??= makeMatcher(root, groups)
        return matcher(text)
      }
    }
  } catch (cause) {
    if (cause instanceof Re2SyntaxError) return cause.message
    throw cause
  }
}

// Patterns are few and long-lived, but come from users: bounded.
const compiled = new Map<string, Re2 | string>()

/**
 * Compiles a pattern, or says in a text why RE2 refuses it. Remembers the last 1,024 patterns.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compileRe2 = (source: string): Re2 | string => {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const fresh = compile(source)
  if (compiled.size >= 1024) compiled.clear()
  compiled.set(source, fresh)
  return fresh
}

const expected = "a regular expression in RE2 syntax (no look-around, no back-references)"

/**
 * What RE2 has against a pattern, if anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const re2Problem = (source: string): { readonly message: string; readonly expected: string } | undefined => {
  const result = compileRe2(source)
  return typeof result === "string" ? { message: `${JSON.stringify(source)}: ${result}`, expected } : undefined
}

/**
 * A regular expression in RE2 syntax.
 *
 * @since 0.1.0
 * @category types
 */
export const Re2Pattern: FieldType<string> = textWith({
  name: "RE2 pattern",
  expected,
  check: (value) => {
    const found = re2Problem(value)
    return found === undefined ? undefined : problem("invalid-regex", found.message, found.expected)
  }
})
