/**
 * What a running MediaMTX will do when its config changes: which streams go on, which are dropped, and why.
 *
 * The rules are those of MediaMTX's own reload, tried on the real server field by field for 1.20, and read off the source of
 * each older release:
 *
 * - some global fields close listeners, or everything (`ReloadCascade`);
 * - a path is compared by its effective config. Equal: untouched. If only fields differ that can be changed in place, it
 *   goes on; a changed recording setting closes the running segment. Else it is closed and opened anew;
 * - a live path whose name belongs to another entry now (a regular expression that gave way to a plain name, or took over)
 *   is judged by the two entries' effective configs;
 * - a live path that no entry matches any more is closed.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { diffConfigs, type FieldChange, FieldChange as FieldChangeSchema, pathDifferences } from "./ConfigDiff.js"
import { currentVersion, type GlobalReload, type MediaMTXVersion } from "./ConfigField.js"
import { formatField } from "./ConfigIssue.js"
import { type EffectivePath, effectivePath } from "./EffectivePath.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { isBefore } from "./MediaMTXVersion.js"
import { makePathMatcher } from "./PathMatch.js"
import { isRegexPathName } from "./PathName.js"
import { closedBy, listenerOf, listeners, listens, type ServerPart } from "./ReloadCascade.js"

/**
 * A publisher or reader, as MediaMTX lists it with a path. What the node pulls itself is a publisher, its type ends in
 * `Source`.
 *
 * @since 0.1.0
 * @category models
 */
export const LiveSession = Schema.Struct({
  path: Schema.String,
  /** `rtspSession`, `rtmpConn`, `srtConn`, `webRTCSession`, `hlsSession`, `rtspSource`, ... */
  type: Schema.String,
  id: Schema.String
}).annotations({ identifier: "LiveSession" })
/**
 * @since 0.1.0
 * @category models
 */
export type LiveSession = typeof LiveSession.Type

/**
 * What is going on on one node. A FleetState's snapshot, cut down to one node, fits.
 *
 * @since 0.1.0
 * @category models
 */
export interface LiveState {
  readonly paths: ReadonlyArray<{ readonly path: string; readonly available: boolean }>
  readonly publishers: ReadonlyArray<LiveSession>
  readonly readers: ReadonlyArray<LiveSession>
  readonly connections: ReadonlyArray<{ readonly type: string; readonly id: string }>
}

/**
 * What becomes of a path, the worst first.
 *
 * - `closed`: no entry matches it any more; publisher and readers drop, and can't come back
 * - `recreated`: closed and opened anew; publisher and readers drop
 * - `publisher-dropped`: the path stays, its publisher's listener restarts; the readers lose the stream, unless it is
 *   `alwaysAvailable`
 * - `readers-dropped`: the stream goes on, the listener of some readers restarts
 * - `recording-stopped`, `recording-restarted` (a new segment, so a gap in playback), `recording-started`: in place
 * - `updated`: in place, nobody notices
 * - `untouched`
 *
 * @since 0.1.0
 * @category models
 */
export const PathOutcome = Schema.Literal(
  "closed",
  "recreated",
  "publisher-dropped",
  "readers-dropped",
  "recording-stopped",
  "recording-restarted",
  "recording-started",
  "updated",
  "untouched"
)
/**
 * @since 0.1.0
 * @category models
 */
export type PathOutcome = typeof PathOutcome.Type

/**
 * @since 0.1.0
 * @category models
 */
export const PathImpact = Schema.Struct({
  path: Schema.String,
  /** The entry of `paths` that it belongs to now, and then; null for none. */
  entryBefore: Schema.NullOr(Schema.String),
  entryAfter: Schema.NullOr(Schema.String),
  outcome: PathOutcome,
  /** The fields that do it. */
  because: Schema.Array(Schema.String),
  /** It had a stream, which is interrupted. */
  dropsStream: Schema.Boolean,
  /** Who loses the path; empty where nobody was there. */
  droppedPublishers: Schema.Array(LiveSession),
  droppedReaders: Schema.Array(LiveSession),
  keptReaders: Schema.NonNegativeInt,
  /** The node pulls the stream itself, or starts what publishes it: it comes back without anybody's help. */
  returnsByItself: Schema.Boolean
}).annotations({ identifier: "PathImpact" })
/**
 * @since 0.1.0
 * @category models
 */
export type PathImpact = typeof PathImpact.Type

/**
 * A listener that closes or opens. `restarted`: closed and opened again, on a new address perhaps; if that is taken, the
 * server ends.
 *
 * @since 0.1.0
 * @category models
 */
export const ListenerImpact = Schema.Struct({
  listener: Schema.Literal(...listeners),
  outcome: Schema.Literal("restarted", "stopped", "started"),
  because: Schema.Array(Schema.String),
  /** How many publishers and readers are on it. */
  sessions: Schema.NonNegativeInt,
  /** Open connections of its kind (RTSP, RTMP, SRT), those of the sessions among them. */
  connections: Schema.NonNegativeInt
}).annotations({ identifier: "ListenerImpact" })
/**
 * @since 0.1.0
 * @category models
 */
export type ListenerImpact = typeof ListenerImpact.Type

/**
 * What happens to an entry of `paths`, whoever is on it: the prediction without a live state.
 *
 * @since 0.1.0
 * @category models
 */
export const EntryImpact = Schema.Struct({
  entry: Schema.String,
  outcome: Schema.Literal("removed", "recreate", "recorder", "hot", "added"),
  because: Schema.Array(Schema.String)
}).annotations({ identifier: "EntryImpact" })
/**
 * @since 0.1.0
 * @category models
 */
export type EntryImpact = typeof EntryImpact.Type

/**
 * @since 0.1.0
 * @category models
 */
export const ReloadImpact = Schema.Struct({
  changes: Schema.Array(FieldChangeSchema),
  /**
   * How far it reaches: `none` (equal to MediaMTX), `nothing-drops`, `paths` (single paths), `listeners`, `node` (every
   * path and every session).
   */
  scope: Schema.Literal("none", "nothing-drops", "paths", "listeners", "node"),
  /** Entries that differ. Those that only stand on the same defaults are not listed. */
  entries: Schema.Array(EntryImpact),
  listeners: Schema.Array(ListenerImpact),
  /** Every live path, the worst first. */
  paths: Schema.Array(PathImpact),
  /** Fields that MediaMTX does not look at on reload: they wait until something else restarts RTSPS. */
  deferred: Schema.Array(Schema.String),
  /**
   * The server itself may end: while hooks of ending sessions start, a listener may find its own address in use when it
   * opens again, which MediaMTX takes for fatal. With hooks, 27 of 120 reloads that closed everything ended so on a busy
   * machine, without hooks none of 140. A supervisor must start it again whatever its exit code, which is 0.
   */
  mayEnd: Schema.Boolean,
  drops: Schema.Struct({
    streams: Schema.NonNegativeInt,
    readers: Schema.NonNegativeInt,
    /** Connections that are closed with their listener. */
    connections: Schema.NonNegativeInt
  })
}).annotations({ identifier: "ReloadImpact" })
/**
 * @since 0.1.0
 * @category models
 */
export type ReloadImpact = typeof ReloadImpact.Type

const isGlobalReload = (reload: string): reload is GlobalReload => Object.hasOwn(closedBy, reload)
/** For a kind that is missing in the table: the worst. */
const globalReload = (reload: string): GlobalReload => (isGlobalReload(reload) ? reload : "everything")

/** What the comparison of two entries says. */
type EntryVerdict = {
  readonly kind: "same" | "hot" | "recorder" | "recreate"
  readonly because: ReadonlyArray<string>
}

/**
 * Two configs compared once, for any number of nodes that make the same change.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigComparison {
  readonly changes: ReadonlyArray<FieldChange>
  readonly impactOn: (live: LiveState) => ReloadImpact
}

/** Fields of a second picture of a Raspberry Pi's camera that MediaMTX copies into the path of the first. */
const secondaryPicture = ["rpiCameraWidth", "rpiCameraHeight", "rpiCameraFPS", "rpiCameraMJPEGQuality"] as const
/** From 1.19.2 on these as well. */
const secondaryFields = [
  ...secondaryPicture,
  "rpiCameraCodec",
  "rpiCameraIDRPeriod",
  "rpiCameraBitrate",
  "rpiCameraH264Profile",
  "rpiCameraH264Level"
] as const

/** What a path of a Raspberry Pi's camera has from its partner, field by field; nothing for all other paths. */
const partnerOf = (
  config: MediaMTXConfig,
  key: string,
  effective: (key: string) => EffectivePath | undefined,
  version: MediaMTXVersion
): ReadonlyMap<string, unknown> => {
  const path = effective(key)
  if (path === undefined || path.source !== "rpiCamera") return none
  for (const other of Object.keys(config.paths ?? {})) {
    const found = other === key ? undefined : effective(other)
    if (
      found === undefined ||
      found.source !== "rpiCamera" ||
      found.rpiCameraCamID !== path.rpiCameraCamID ||
      found.rpiCameraSecondary === path.rpiCameraSecondary
    ) {
      continue
    }
    return path.rpiCameraSecondary
      ? new Map([["rpiCameraSecondary", other]])
      : new Map<string, unknown>(
          (isBefore(version, "1.19.2") ? secondaryPicture : secondaryFields).map(
            (name) => [formatField(["paths", other, name]), found[name]] as const
          )
        )
  }
  return none
}
const none: ReadonlyMap<string, unknown> = new Map()

/** Whether any command is started when sessions or paths end. */
const hasHooks = (config: MediaMTXConfig): boolean =>
  [config, config.pathDefaults, ...Object.values(config.paths ?? {})].some((part) =>
    Object.entries(part ?? {}).some(
      ([name, value]) => name.startsWith("runOn") && typeof value === "string" && value !== ""
    )
  )

const bySeverity: ReadonlyArray<PathOutcome> = PathOutcome.literals

const union = (lists: Iterable<ReadonlyArray<string>>): ReadonlyArray<string> => [...new Set([...lists].flat())]

/**
 * Compares two validated configs: only live names, no nulls but for whole paths. `version` is the MediaMTX that reloads.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compareConfigs = (
  before: MediaMTXConfig,
  after: MediaMTXConfig,
  version: MediaMTXVersion = currentVersion
): ConfigComparison => {
  const changes = diffConfigs(before, after, version)
  const globals = changes.flatMap(({ field, reload }) =>
    Object.hasOwn(globalFields, field) ? [{ field, reload: globalReload(reload) }] : []
  )

  const memo = (config: MediaMTXConfig) => {
    const known = new Map<string, EffectivePath | undefined>()
    return (key: string) => {
      if (!known.has(key)) known.set(key, effectivePath(config, key))
      return known.get(key)
    }
  }
  const effectiveBefore = memo(before)
  const effectiveAfter = memo(after)
  const matchBefore = makePathMatcher(Object.keys(before.paths ?? {}))
  const matchAfter = makePathMatcher(Object.keys(after.paths ?? {}))

  /** Which fields close a part. */
  const causes = new Map<ServerPart, Array<string>>()
  for (const { field, reload } of globals) {
    for (const part of closedBy[reload]) {
      const fields = causes.get(part)
      if (fields === undefined) causes.set(part, [field])
      else fields.push(field)
    }
  }

  const changed = new Set(changes.map(({ field }) => field))
  /** Where a difference of a path comes from: what it says itself, else the defaults. */
  const nameOf = (key: string, name: string): string => {
    const own = formatField(["paths", key, name])
    const inherited = `pathDefaults.${name}`
    return !changed.has(own) && changed.has(inherited) ? inherited : own
  }

  const verdicts = new Map<string, EntryVerdict>()
  const compareEntries = (from: string, to: string): EntryVerdict => {
    const id = JSON.stringify([from, to])
    const known = verdicts.get(id)
    if (known !== undefined) return known
    const a = effectiveBefore(from)
    const b = effectiveAfter(to)
    let verdict: EntryVerdict = { kind: "recreate", because: [] }
    if (a !== undefined && b !== undefined) {
      const differences = pathDifferences(a, b, version)
      const partnerBefore = partnerOf(before, from, effectiveBefore, version)
      const partnerAfter = partnerOf(after, to, effectiveAfter, version)
      const fromPartner = [...new Set([...partnerBefore.keys(), ...partnerAfter.keys()])].filter(
        (name) => partnerBefore.get(name) !== partnerAfter.get(name)
      )
      const of = (reload: string) =>
        differences.filter((found) => found.reload === reload).map((found) => nameOf(to, found.name))
      const recreate = [...of("recreate"), ...fromPartner]
      const recorder = of("recorder")
      const hot = of("hot")
      verdict =
        recreate.length > 0
          ? { kind: "recreate", because: recreate }
          : recorder.length > 0
            ? { kind: "recorder", because: recorder }
            : { kind: hot.length > 0 ? "hot" : "same", because: hot }
    }
    verdicts.set(id, verdict)
    return verdict
  }

  const entries: Array<EntryImpact> = []
  const keysAfter = new Set(Object.keys(after.paths ?? {}))
  for (const key of Object.keys(before.paths ?? {})) {
    if (!keysAfter.has(key)) {
      // A plain name goes on under a regular expression that matches it.
      const heir = isRegexPathName(key) ? undefined : matchAfter(key)
      const verdict = heir === undefined ? undefined : compareEntries(key, heir.key)
      entries.push({
        entry: key,
        outcome: verdict === undefined ? "removed" : verdict.kind === "same" ? "hot" : verdict.kind,
        because: [formatField(["paths", key]), ...(verdict?.because ?? [])]
      })
      continue
    }
    const { because, kind } = compareEntries(key, key)
    if (kind !== "same") entries.push({ entry: key, outcome: kind, because })
  }
  for (const key of keysAfter) {
    if (before.paths === undefined || !Object.hasOwn(before.paths, key)) {
      entries.push({ entry: key, outcome: "added", because: [formatField(["paths", key])] })
    }
  }

  const pathsCause = causes.get("paths")
  const hooked = hasHooks(before)

  const judgePath = (
    path: string,
    available: boolean,
    publishers: ReadonlyArray<LiveSession>,
    readers: ReadonlyArray<LiveSession>
  ): PathImpact => {
    const from = matchBefore(path)?.key
    const to = matchAfter(path)?.key
    const was = from === undefined ? undefined : effectiveBefore(from)
    const is = to === undefined ? undefined : effectiveAfter(to)
    const stream = available || publishers.length > 0 || readers.length > 0
    const result = (
      outcome: PathOutcome,
      because: ReadonlyArray<string>,
      dropped?: Partial<PathImpact>
    ): PathImpact => ({
      path,
      entryBefore: from ?? null,
      entryAfter: to ?? null,
      outcome,
      because,
      dropsStream: false,
      droppedPublishers: [],
      droppedReaders: [],
      keptReaders: readers.length - (dropped?.droppedReaders?.length ?? 0),
      returnsByItself:
        is !== undefined && is.source !== "redirect" && (is.source !== "publisher" || is.runOnDemand !== ""),
      ...dropped
    })
    const all = { dropsStream: stream, droppedPublishers: publishers, droppedReaders: readers }
    if (to === undefined) {
      return result("closed", union([from === undefined ? [] : [formatField(["paths", from])], pathsCause ?? []]), all)
    }
    // A path that lives outside of what we know of the old config is judged as if it had nothing to do with it.
    const verdict: EntryVerdict = from === undefined ? { kind: "same", because: [] } : compareEntries(from, to)
    if (pathsCause !== undefined) return result("recreated", pathsCause, all)
    if (verdict.kind === "recreate") return result("recreated", verdict.because, all)

    const causeOf = (session: LiveSession): ReadonlyArray<string> | undefined => {
      const listener = listenerOf(session.type)
      return listener === undefined ? undefined : causes.get(listener)
    }
    const droppedPublishers = publishers.filter((session) => causeOf(session) !== undefined)
    if (droppedPublishers.length > 0) {
      const stays = is?.alwaysAvailable === true
      const droppedReaders = stays ? readers.filter((session) => causeOf(session) !== undefined) : readers
      return result("publisher-dropped", union(droppedPublishers.map((session) => causeOf(session) ?? [])), {
        dropsStream: true,
        droppedPublishers,
        droppedReaders
      })
    }
    const droppedReaders = readers.filter((session) => causeOf(session) !== undefined)
    if (droppedReaders.length > 0) {
      return result("readers-dropped", union(droppedReaders.map((session) => causeOf(session) ?? [])), {
        droppedReaders
      })
    }
    if (verdict.kind === "recorder") {
      const recorded = available && was?.record === true
      const records = available && is?.record === true
      if (recorded || records) {
        const outcome = !recorded ? "recording-started" : records ? "recording-restarted" : "recording-stopped"
        return result(outcome, verdict.because)
      }
    }
    const moved = from !== undefined && from !== to
    return verdict.kind === "same" && !moved
      ? result("untouched", [])
      : result("updated", verdict.because.length > 0 ? verdict.because : [formatField(["paths", to])])
  }

  const impactOn = (live: LiveState): ReloadImpact => {
    interface OnPath {
      available: boolean
      readonly publishers: Array<LiveSession>
      readonly readers: Array<LiveSession>
    }
    const byPath = new Map<string, OnPath>()
    const on = (path: string): OnPath => {
      let found = byPath.get(path)
      if (found === undefined) {
        found = { available: false, publishers: [], readers: [] }
        byPath.set(path, found)
      }
      return found
    }
    const plain = ({ id, path, type }: LiveSession): LiveSession => ({ path, type, id })
    for (const { available, path } of live.paths) on(path).available = available
    for (const session of live.publishers) on(session.path).publishers.push(plain(session))
    for (const session of live.readers) on(session.path).readers.push(plain(session))

    const paths = [...byPath]
      .map(([path, { available, publishers, readers }]) => judgePath(path, available, publishers, readers))
      .sort(
        (a, b) =>
          Number(b.dropsStream) - Number(a.dropsStream) ||
          bySeverity.indexOf(a.outcome) - bySeverity.indexOf(b.outcome) ||
          b.droppedReaders.length - a.droppedReaders.length ||
          (a.path < b.path ? -1 : 1)
      )

    const shown: Array<ListenerImpact> = []
    let connections = 0
    for (const listener of listeners) {
      const because = causes.get(listener)
      const ran = listens(before, listener, version)
      const runs = listens(after, listener, version)
      if (because === undefined || (!ran && !runs)) continue
      const isOn = ({ type }: { readonly type: string }) => listenerOf(type) === listener
      const open = live.connections.filter(isOn).length
      connections += open
      shown.push({
        listener,
        outcome: !ran ? "started" : runs ? "restarted" : "stopped",
        because,
        sessions: live.publishers.filter(isOn).length + live.readers.filter(isOn).length,
        connections: open
      })
    }
    const carriesMedia = shown.some(
      ({ listener, outcome }) => outcome !== "started" && !["api", "metrics", "pprof", "playback"].includes(listener)
    )
    const harmful = entries.some(({ outcome }) => outcome === "removed" || outcome === "recreate")
    const rtspsRestarts = causes.has("rtsps")
    return {
      changes,
      scope:
        changes.length === 0
          ? "none"
          : pathsCause !== undefined
            ? "node"
            : carriesMedia
              ? "listeners"
              : harmful || paths.some(({ dropsStream }) => dropsStream)
                ? "paths"
                : "nothing-drops",
      entries,
      listeners: shown,
      paths,
      deferred: rtspsRestarts ? [] : globals.filter(({ reload }) => reload === "deferred").map(({ field }) => field),
      mayEnd: hooked && shown.some(({ outcome }) => outcome === "restarted"),
      drops: {
        streams: paths.filter(({ dropsStream }) => dropsStream).length,
        readers: paths.reduce((sum, { droppedReaders }) => sum + droppedReaders.length, 0),
        connections
      }
    }
  }
  return { changes, impactOn }
}

/**
 * What a node will do when its config changes from one to another, given what is going on on it. Both configs validated,
 * and exactly as the node has them: with hooks, addresses and all.
 *
 * @example
 * ```ts
 * const impact = reloadImpact(
 *   { paths: { cam: {} } },
 *   { paths: { cam: { maxReaders: 5 } } },
 *   { paths: [{ path: "cam", available: true }], publishers: [], readers: [], connections: [] }
 * )
 * impact.paths[0]?.outcome // "recreated"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const reloadImpact = (
  before: MediaMTXConfig,
  after: MediaMTXConfig,
  live: LiveState,
  version: MediaMTXVersion = currentVersion
): ReloadImpact => compareConfigs(before, after, version).impactOn(live)

/**
 * Whether anybody loses anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const dropsAnything = (impact: ReloadImpact): boolean =>
  impact.drops.streams > 0 || impact.drops.readers > 0 || impact.drops.connections > 0
