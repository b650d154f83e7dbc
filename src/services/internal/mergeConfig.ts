/** How a node's overlay goes over the base. */
import type { MediaMTXConfig, PathConfig } from "../../mediamtx/MediaMTXConfig.js"

/** Results for pairs of paths that have been merged before, so that equal input gives the very same object. */
const merged = new WeakMap<PathConfig, WeakMap<PathConfig, PathConfig>>()

/** Fields of the overlay replace those of the base. Equal input gives the very same object. */
export const mergePath = (base: PathConfig, overlay: PathConfig): PathConfig => {
  let known = merged.get(base)
  if (known === undefined) {
    known = new WeakMap()
    merged.set(base, known)
  }
  let result = known.get(overlay)
  if (result === undefined) {
    result = Object.freeze({ ...base, ...overlay })
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
 * A frozen copy of `next`, in which every part that equals the same part of `previous` is that part: after an edit of
 * one path all other paths are the objects they were, and whatever is cached by object stays valid.
 *
 * What is frozen already is taken as it is, so nothing is copied twice; nothing of the caller's is frozen.
 */
export const adopt = (previous: unknown, next: unknown): unknown => {
  if (Object.is(previous, next)) return previous
  if (Array.isArray(next)) {
    const before = Array.isArray(previous) ? previous : []
    const items = next.map((item, index) => adopt(before[index], item))
    if (Array.isArray(previous) && sameItems(items, previous)) return previous
    return Object.isFrozen(next) && sameItems(items, next) ? next : Object.freeze(items)
  }
  if (!isObject(next)) return next
  const before = isObject(previous) ? previous : undefined
  // Side by side as lists: to look each of a thousand fields up by its name takes ten times as long.
  const keys = Object.keys(next)
  const values = Object.values(next)
  // The order of fields is part of the rendered text.
  const keysBefore = before === undefined ? [] : Object.keys(before)
  const valuesBefore = before === undefined ? [] : Object.values(before)
  let same = before !== undefined && keys.length === keysBefore.length
  let replaced: Array<[string, unknown]> | undefined
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] ?? ""
    const given = values[index]
    const samePlace = keysBefore[index] === key
    const was = samePlace
      ? valuesBefore[index]
      : before !== undefined && Object.hasOwn(before, key)
        ? before[key]
        : undefined
    if (samePlace && Object.is(was, given)) continue
    const value = adopt(was, given)
    if (!samePlace || !Object.is(value, was)) same = false
    if (!Object.is(value, given)) {
      replaced ??= []
      replaced.push([key, value])
    }
  }
  if (same) return previous
  if (replaced === undefined) return Object.isFrozen(next) ? next : Object.freeze({ ...next })
  const out = { ...next }
  for (const [key, value] of replaced) Object.defineProperty(out, key, { value })
  return Object.freeze(out)
}

const sameItems = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): boolean =>
  a.length === b.length && a.every((item, index) => Object.is(item, b[index]))
