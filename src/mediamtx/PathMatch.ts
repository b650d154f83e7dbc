/**
 * Which entry of `paths` a name of a stream belongs to.
 *
 * @since 0.1.0
 */
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { staticPathNameProblem } from "./PathName.js"
import { compileRe2, type Re2 } from "./Re2.js"

/**
 * The entry that a name belongs to.
 *
 * @since 0.1.0
 * @category models
 */
export interface PathMatch {
  /** The key in `paths`. */
  readonly key: string
  /** What `$G1`, `$G2` ... stand for; empty for a plain name. */
  readonly groups: ReadonlyArray<string>
}

/**
 * Finds entries of one `paths`.
 *
 * @since 0.1.0
 * @category models
 */
export type PathMatcher = (name: string) => PathMatch | undefined

const isLast = (key: string) => key === "all" || key === "all_others"

/**
 * Prepares the search in a set of keys, for many names. In order: the exact name, then regular expressions in byte order of
 * their text, then `all_others` or `all`. The catch-all when written as `~^.*$` has no special place.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePathMatcher = (keys: Iterable<string>): PathMatcher => {
  const exact = new Set<string>()
  const patterns: Array<readonly [key: string, pattern: Re2]> = []
  let last: string | undefined
  for (const key of keys) {
    exact.add(key)
    if (isLast(key)) last = key
    else if (key.startsWith("~")) {
      const pattern = compileRe2(key.slice(1))
      if (typeof pattern !== "string") patterns.push([key, pattern])
    }
  }
  patterns.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return (name) => {
    if (exact.has(name)) return { key: name, groups: [] }
    if (staticPathNameProblem(name) !== undefined) return undefined
    for (const [key, pattern] of patterns) {
      const match = pattern.match(name)
      if (match !== undefined) return { key, groups: match.slice(1) }
    }
    return last === undefined ? undefined : { key: last, groups: [] }
  }
}

/**
 * The entry of a config that a name of a stream belongs to, or `undefined` when MediaMTX would refuse the name. For many
 * names prepare {@link makePathMatcher}.
 *
 * @example
 * import { matchPath } from "@livecams/mtx-manager"
 *
 * matchPath({ paths: { "~^cam(.*)$": {}, all_others: {} } }, "cam7") // { key: "~^cam(.*)$", groups: ["7"] }
 *
 * @since 0.1.0
 * @category conversions
 */
export const matchPath = (config: MediaMTXConfig, name: string): PathMatch | undefined =>
  makePathMatcher(Object.keys(config.paths ?? {}))(name)
