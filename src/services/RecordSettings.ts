/**
 * How a node records a path, as far as the manager needs to know it: taken from the node's effective config.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { effectivePath } from "../mediamtx/EffectivePath.js"
import { goDurationToDuration } from "../mediamtx/GoDuration.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { makePathMatcher } from "../mediamtx/PathMatch.js"
import { type RecordPath, type RecordPathError, recordPath } from "../mediamtx/RecordPath.js"

export interface RecordSettings {
  /** Reads the names of the segments' files. */
  readonly recordPath: RecordPath
  /** `recordSegmentDuration`: the least length of a segment. */
  readonly segmentDuration: Duration.Duration
  /** `recordPartDuration`: how much of an open segment may not be on disk yet. */
  readonly partDuration: Duration.Duration
  /** `recordDeleteAfter`; undefined keeps recordings for good. */
  readonly deleteAfter: Duration.Duration | undefined
}

/** Names of paths that one config's settings are remembered for. */
const MAX_REMEMBERED = 10_000

/**
 * Prepares the look-up in one config, which should have been validated. The function gives `undefined` for a name that the
 * config has no path for. Whether the path records now does not matter: it may have recorded before.
 *
 * Fails when the time zone is not known.
 *
 * @example
 * ```ts
 * const settings = Either.getOrThrow(recordSettings(config, { timeZone: "Europe/Berlin" }))
 * settings("cam")?.deleteAfter // Duration.days(14)
 * ```
 */
export const recordSettings = (
  config: MediaMTXConfig,
  options: { readonly timeZone?: string | undefined } = {}
): Either.Either<(path: string) => RecordSettings | undefined, RecordPathError> => {
  const match = makePathMatcher(Object.keys(config.paths ?? {}))
  // Many paths share one template. Bounded by the number of entries in `paths`.
  const templates = new Map<string, RecordPath | undefined>()
  const remembered = new Map<string, RecordSettings | undefined>()
  const find = (path: string): RecordSettings | undefined => {
    const key = match(path)?.key
    const effective = key === undefined ? undefined : effectivePath(config, key)
    if (effective === undefined) return undefined
    const format = effective.recordFormat === "mpegts" ? "mpegts" : "fmp4"
    const name = `${format} ${effective.recordPath}`
    if (!templates.has(name)) {
      const made = recordPath(effective.recordPath, { format, timeZone: options.timeZone })
      // A validated config has no bad template.
      templates.set(name, Either.getOrUndefined(made))
    }
    const template = templates.get(name)
    if (template === undefined) return undefined
    const deleteAfter = goDurationToDuration(effective.recordDeleteAfter)
    return {
      recordPath: template,
      segmentDuration: goDurationToDuration(effective.recordSegmentDuration) ?? Duration.hours(1),
      partDuration: goDurationToDuration(effective.recordPartDuration) ?? Duration.seconds(1),
      deleteAfter: deleteAfter === undefined || Duration.toMillis(deleteAfter) === 0 ? undefined : deleteAfter
    }
  }
  // The zone is the same for all templates: let it fail here.
  return Either.map(recordPath("%path/%s", { timeZone: options.timeZone }), () => (path: string) => {
    if (remembered.has(path)) return remembered.get(path)
    const found = find(path)
    if (remembered.size >= MAX_REMEMBERED) remembered.clear()
    remembered.set(path, found)
    return found
  })
}
