/**
 * Names of static paths (`cam/1`): apart from the other kinds, which need an engine for regular expressions.
 *
 * @since 0.1.0
 */
const characters = /^[0-9a-zA-Z_\-/.]+$/

/**
 * Why MediaMTX would refuse a static name, or `undefined` when it takes it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const staticPathNameProblem = (name: string): string | undefined => {
  if (name === "") return "is empty"
  if (name.startsWith("/")) return "begins with a slash"
  if (name.endsWith("/")) return "ends with a slash"
  if (!characters.test(name)) return "has characters other than letters, digits, _ - . /"
  // Most names have no dot at all.
  if (name.includes(".") && name.split("/").some((segment) => segment === "." || segment === "..")) {
    return "has a . or .. segment"
  }
  return undefined
}
