/**
 * Patterns over names with `/`: exact, glob or regular expression. Every pattern matches in time linear in the name, so
 * a hostile path can't hold up the answers to others.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { compileRe2 } from "../../mediamtx/Re2.js"

/**
 * @since 0.1.0
 * @category models
 */
export type PathPattern =
  | { readonly _tag: "Exact"; readonly path: string }
  | { readonly _tag: "Pattern"; readonly matches: (path: string) => boolean }

const special = /[\\^$.|?+()[\]{}]/g

/** `**` between slashes is any number of segments, none included; elsewhere any text. `*` is any text without a slash. */
const globToRe2 = (glob: string): string => {
  let out = "(?s)^"
  let index = 0
  while (index < glob.length) {
    if (glob.startsWith("**/", index) && (index === 0 || glob[index - 1] === "/")) {
      out += "(?:.*/)?"
      index += 3
    } else if (glob.startsWith("**", index)) {
      out += index + 2 === glob.length && index > 0 && glob[index - 1] === "/" ? ".+" : ".*"
      index += 2
      while (glob[index] === "*") index++
    } else if (glob[index] === "*") {
      out += "[^/]*"
      index++
    } else {
      out += (glob[index] ?? "").replace(special, "\\$&")
      index++
    }
  }
  return `${out}$`
}

const forbidden = /[^A-Za-z0-9_\-/.*]/

const glob = (text: string): Either.Either<PathPattern, string> => {
  // The usual shapes need no engine.
  if (text === "**") return Either.right({ _tag: "Pattern", matches: () => true })
  const head = text.slice(0, text.indexOf("*"))
  if (text === `${head}*`) {
    return Either.right({
      _tag: "Pattern",
      matches: (path) => path.startsWith(head) && path.indexOf("/", head.length) === -1
    })
  }
  if (text === `${head}**`) {
    const least = head.endsWith("/") ? head.length + 1 : head.length
    return Either.right({ _tag: "Pattern", matches: (path) => path.length >= least && path.startsWith(head) })
  }
  const regex = compileRe2(globToRe2(text))
  return typeof regex === "string"
    ? Either.left(regex)
    : Either.right({ _tag: "Pattern", matches: (path) => regex.match(path) !== undefined })
}

/**
 * Reads a pattern, or says what is wrong with it:
 *
 * - `cams/front` that path
 * - `cams/*`, `*-hd` a star stands for any text within one segment
 * - `cams/**`, `**\/front` two stars stand for any number of segments
 * - `~^cam[0-9]+$` RE2, not anchored unless it says so, as in MediaMTX
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<PathPattern, string> => {
  if (text.startsWith("~")) {
    const regex = compileRe2(text.slice(1))
    return typeof regex === "string"
      ? Either.left(`is not a regular expression in RE2 syntax: ${regex}`)
      : Either.right({ _tag: "Pattern", matches: (path) => regex.match(path) !== undefined })
  }
  if (text === "") return Either.left("is empty")
  const character = forbidden.exec(text)?.[0]
  if (character !== undefined) {
    return Either.left(`has ${JSON.stringify(character)}, which no path has; a regular expression starts with ~`)
  }
  if (text.startsWith("/") || text.endsWith("/")) return Either.left("starts or ends with a slash, which no path does")
  return text.includes("*") ? glob(text) : Either.right({ _tag: "Exact", path: text })
}

/**
 * Whether the pattern takes the path.
 *
 * @since 0.1.0
 * @category predicates
 */
export const matches = (pattern: PathPattern, path: string): boolean =>
  pattern._tag === "Exact" ? pattern.path === path : pattern.matches(path)
