/** How a node's overlay goes over the base. */
import type { MediaMTXConfig, PathConfig } from "../../mediamtx/MediaMTXConfig.js"

/** Results for pairs of paths that have been merged before, so that equal input gives the very same object. */
const merged = new WeakMap<PathConfig, WeakMap<PathConfig, PathConfig>>()

const mergePath = (base: PathConfig, overlay: PathConfig): PathConfig => {
  let known = merged.get(base)
  if (known === undefined) {
    known = new WeakMap()
    merged.set(base, known)
  }
  let result = known.get(overlay)
  if (result === undefined) {
    result = { ...base, ...overlay }
    known.set(overlay, result)
  }
  return result
}

/**
 * Fields of the overlay replace those of the base. `pathDefaults` and each of `paths` merge field by field, lists are
 * replaced whole. Paths that the overlay doesn't mention stay the same objects, which keeps caches warm.
 */
export const mergeConfig = (base: MediaMTXConfig, overlay: MediaMTXConfig | undefined): MediaMTXConfig => {
  if (overlay === undefined) return base
  const { pathDefaults, paths, ...rest } = overlay
  const out: { -readonly [K in keyof MediaMTXConfig]: MediaMTXConfig[K] } = { ...base, ...rest }
  if (pathDefaults !== undefined) {
    out.pathDefaults = base.pathDefaults === undefined ? pathDefaults : mergePath(base.pathDefaults, pathDefaults)
  }
  if (paths !== undefined) {
    const all: Record<string, PathConfig | null> = { ...base.paths }
    for (const [name, path] of Object.entries(paths)) {
      const below = all[name]
      all[name] = below === undefined || below === null ? path : path === null ? below : mergePath(below, path)
    }
    out.paths = all
  }
  return out
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * `next`, but with every part that equals the same part of `previous` replaced by that part: after an edit of one path
 * all other paths are the objects they were, and whatever is cached by object stays valid.
 */
export const reuse = (previous: unknown, next: unknown): unknown => {
  if (Object.is(previous, next)) return previous
  if (Array.isArray(previous) && Array.isArray(next)) {
    const items = next.map((item, index) => reuse(previous[index], item))
    return items.length === previous.length && items.every((item, index) => Object.is(item, previous[index]))
      ? previous
      : items
  }
  if (!isObject(previous) || !isObject(next)) return next
  const keys = Object.keys(next)
  const before = Object.keys(previous)
  // The order of fields is part of the rendered text.
  let same = keys.length === before.length
  const out: Record<string, unknown> = {}
  for (const [index, key] of keys.entries()) {
    const value = Object.hasOwn(previous, key) ? reuse(previous[key], next[key]) : next[key]
    if (same && (before[index] !== key || !Object.is(value, previous[key]))) same = false
    Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true })
  }
  return same ? previous : out
}
