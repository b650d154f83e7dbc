/** At most so many, none of them long: paths come from clients. */
const REMEMBERED_PATHS = 4096
const LONGEST_PATH = 256

/**
 * What was found for a path is found again without a search.
 *
 * @internal
 */
export const rememberedByPath = <A extends boolean | object>(find: (path: string) => A): ((path: string) => A) => {
  const remembered = new Map<string, A>()
  return (path) => {
    const known = remembered.get(path)
    if (known !== undefined) return known
    const found = find(path)
    if (path.length <= LONGEST_PATH) {
      if (remembered.size >= REMEMBERED_PATHS) remembered.clear()
      remembered.set(path, found)
    }
    return found
  }
}
