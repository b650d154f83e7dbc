/**
 * Names of paths: static (`cam/1`), by regular expression (`~^cam(.*)$`), or the catch-all (`all_others`, `all`).
 *
 * @since 0.1.0
 */
import { type FieldType, type Problem, problem, textWith } from "./FieldType.js"
import { re2Problem } from "./Re2.js"
import { staticPathNameProblem } from "./StaticPathName.js"

export { staticPathNameProblem }

/**
 * The catch-all has three spellings, of which a config may use one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isCatchAll = (name: string): boolean => name === "all_others" || name === "all" || name === "~^.*$"

/**
 * Many paths may stand behind this entry: it is a regular expression or the catch-all.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isRegexPathName = (name: string): boolean =>
  name.startsWith("~") || name === "all_others" || name === "all"

const expected =
  "letters, digits, _ - . and inner slashes, no . or .. segment; or ~ and an RE2 regular expression; or all_others"

/**
 * What is wrong with a key of `paths`, if anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const pathNameProblem = (name: string): Problem | undefined => {
  if (name.startsWith("~")) {
    const found = re2Problem(name.slice(1))
    return found === undefined
      ? undefined
      : { at: [], rule: "path-name-regex", message: found.message, expected: found.expected }
  }
  const why = staticPathNameProblem(name)
  if (why === undefined) return undefined
  const tidied = name.trim().replace(/^\/+|\/+$/g, "")
  return {
    at: [],
    rule: "path-name",
    message: `the path name ${JSON.stringify(name.slice(0, 80))} ${why}`,
    expected,
    suggestion: tidied !== name && staticPathNameProblem(tidied) === undefined ? JSON.stringify(tidied) : undefined
  }
}

/**
 * A key of `paths`.
 *
 * @since 0.1.0
 * @category types
 */
export const PathName: FieldType<string> = textWith({
  name: "path name",
  expected,
  check: (value) => {
    const found = pathNameProblem(value)
    return found === undefined ? undefined : problem(found.rule, found.message, found.expected, found.suggestion)
  }
})
