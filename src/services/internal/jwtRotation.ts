/**
 * When which key is published, signs, and goes.
 *
 *     published ......... signs ............................ no longer needed
 *     |<------ lead ----->|<---- period ---->|<--- keep --->|
 *                          next: |<- lead -->|<---- period ----> ...
 *
 * A node fetches the keys at most once an hour and refuses tokens of a key that it has not seen. So a key is published for
 * longer than that hour before its first token; and kept, after the next one took over, for as long as its last token
 * lives and a copy of the JWKS may be used.
 */
import type { JwtKey } from "../JwtKeys.js"

/** In milliseconds. */
export interface RotationTimes {
  readonly lead: number
  readonly period: number
  readonly keep: number
}

/** The key that signs now. With a clock that was set back, or a first key of the future, the first. */
export const signing = <Key extends Pick<JwtKey, "activeAt">>(keys: ReadonlyArray<Key>, now: number): Key | undefined =>
  keys.filter(({ activeAt }) => activeAt <= now).at(-1) ?? keys[0]

export interface RotationPlan {
  /** A key to be made. */
  readonly create: { readonly follows: string; readonly activeAt: number } | undefined
  /** Ids of keys that nothing needs any more. */
  readonly remove: ReadonlyArray<string>
}

/** `keys` are in the order of `activeAt`. With `early`, the next key is made now even if it is not time yet. */
export const plan = (
  keys: ReadonlyArray<Pick<JwtKey, "id" | "activeAt">>,
  now: number,
  { keep, lead, period }: RotationTimes,
  early = false
): RotationPlan => {
  const last = keys.at(-1)
  // No node can know a key yet, so there is nothing to wait for.
  if (last === undefined) return { create: { follows: "", activeAt: now }, remove: [] }
  const due = last.activeAt + period
  const wanted = last.activeAt <= now && (early || now >= due - lead)
  return {
    // Late (the manager was away): the old key signs on until nodes can know the new one.
    create: wanted ? { follows: last.id, activeAt: early ? now + lead : Math.max(due, now + lead) } : undefined,
    remove: keys
      .filter((_, index) => {
        const next = keys[index + 1]
        return next !== undefined && next.activeAt + keep <= now
      })
      .map(({ id }) => id)
  }
}
