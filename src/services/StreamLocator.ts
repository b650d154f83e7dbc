/**
 * StreamLocator: which node a viewer of a stream is best sent to.
 *
 * Nodes that have the stream come first, those that would get it when somebody reads after them. Where edges read from an
 * origin, the origin is for edges: viewers are only sent there when no edge is left.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { makePathMatcher, type PathMatcher } from "../mediamtx/PathMatch.js"
import type { FleetSnapshot, FleetStateError, FleetStateShape, PathState } from "./FleetState.js"
import { isFollower, takesName } from "./internal/groupPaths.js"
import { baseUrl, startsOnDemand, streamUrl } from "./internal/nodeUrls.js"
import { addressOf, type ViewerProtocol } from "./NodeDirectory.js"
import { NodeId } from "./NodeId.js"
import { type Labels, parseSelector } from "./NodeLabels.js"
import type { NodeRecord, NodeRegistryError, NodeRegistryShape } from "./NodeRegistry.js"
import type { TopologyShape } from "./Topology.js"

/** What a viewer wants. */
export interface StreamQuery {
  readonly path: string
  readonly protocol: ViewerProtocol
  /** Where the viewer is, best first: values of labels, or selectors: `["eu-west", "region=eu"]`. */
  readonly near: ReadonlyArray<string>
  /** The viewer's own query, as it came. It goes into the URLs. */
  readonly query: string
  /** Also those that would have it on demand when others have it already. */
  readonly all?: boolean | undefined
}

/** A node that a viewer can be sent to. */
export const LocatedStream = Schema.Struct({
  node: NodeId,
  url: Schema.String,
  /** `ready`: it has the stream. `onDemand`: it gets it when somebody reads. */
  state: Schema.Literal("ready", "onDemand"),
  readers: Schema.NonNegativeInt
}).annotations({ identifier: "LocatedStream" })
export type LocatedStream = typeof LocatedStream.Type

/** What was found. */
export interface Located {
  /** The best first. */
  readonly streams: ReadonlyArray<LocatedStream>
  /** Some node has it in its config or has it right now. */
  readonly exists: boolean
  /** Live nodes have it, but offer it by another protocol only, or nothing says where they are reached. */
  readonly unreachable: boolean
}

const matchers = new WeakMap<MediaMTXConfig, PathMatcher>()
const matcherOf = (config: MediaMTXConfig): PathMatcher => {
  let known = matchers.get(config)
  if (known === undefined) {
    known = makePathMatcher(Object.keys(config.paths ?? {}))
    matchers.set(config, known)
  }
  return known
}

/** The paths of a snapshot by their names: made once for each snapshot that somebody asks about. */
const indexes = new WeakMap<FleetSnapshot, ReadonlyMap<string, ReadonlyArray<PathState>>>()
const indexOf = (snapshot: FleetSnapshot): ReadonlyMap<string, ReadonlyArray<PathState>> => {
  const known = indexes.get(snapshot)
  if (known !== undefined) return known
  const made = new Map<string, Array<PathState>>()
  for (const path of snapshot.paths) {
    const found = made.get(path.path)
    if (found === undefined) made.set(path.path, [path])
    else found.push(path)
  }
  indexes.set(snapshot, made)
  return made
}

const nearness = (near: ReadonlyArray<string>): ((labels: Labels) => number) => {
  const terms = near.map((term) => {
    if (term.includes("=")) {
      const read = parseSelector(term)
      if (Either.isRight(read)) return read.right.matches
    }
    const wanted = term.toLowerCase()
    return (labels: Labels) => Object.values(labels).some((value) => value.toLowerCase() === wanted)
  })
  return (labels) => {
    const place = terms.findIndex((matches) => matches(labels))
    return place === -1 ? terms.length : place
  }
}

/** Spreads what is equal otherwise over the nodes, each path in another way but always the same. */
const spread = (path: string, node: string): number => {
  let hash = 0x811c9dc5
  for (const char of `${path} ${node}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  return hash >>> 0
}

interface Ranked extends LocatedStream {
  readonly rank: ReadonlyArray<number>
}

const byRank = (a: Ranked, b: Ranked): number => {
  for (const [index, value] of a.rank.entries()) {
    const difference = value - (b.rank[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** A node that may serve the stream, before it is known by which URL. */
interface Holder {
  readonly record: NodeRecord
  readonly config: MediaMTXConfig
  readonly key: string | undefined
  readonly has: PathState | undefined
  readonly labels: Labels
}

/** Looks where a stream is. */
export const locate = (
  services: {
    readonly topology: TopologyShape
    readonly registry: Pick<NodeRegistryShape, "list">
    readonly fleet: Pick<FleetStateShape, "snapshot">
  },
  wanted: StreamQuery
): Effect.Effect<Located, NodeRegistryError | FleetStateError> =>
  Effect.gen(function* () {
    const { fleet, registry, topology } = services
    const snapshot = yield* fleet.snapshot
    const live = new Map((indexOf(snapshot).get(wanted.path) ?? []).map((path) => [path.node, path]))
    const { addresses, groups, locator } = topology.current()
    const edgeGroups = groups.filter((group) => group.kind === "edges" && takesName(group, wanted.path))
    // Of a large fleet, only those that have the stream are looked at, when that is enough.
    const someHave = [...live.values()].some(({ available }) => available)
    const narrow = wanted.all !== true && edgeGroups.length === 0 && someHave
    const holders: Array<Holder> = []
    for (const record of yield* registry.list) {
      if (narrow && !live.has(record.id)) continue
      const config = topology.unsafeConfigOf(record.id) ?? (yield* topology.configOf(record.id))
      const key = matcherOf(config)(wanted.path)?.key
      const has = record.status === "offline" ? undefined : live.get(record.id)
      if (key === undefined && has === undefined) continue
      holders.push({ record, config, key, has, labels: yield* topology.labelsOf(record.id) })
    }
    const isEdge = ({ labels, record }: Holder) => edgeGroups.some((group) => isFollower(group, record.id, labels))
    const isOrigin = ({ record }: Holder) =>
      edgeGroups.some((group) => group.kind === "edges" && group.origins.includes(record.id))
    const streams = holders.some(({ has }) => has?.available === true)
    const starts = ({ config, key }: Holder) => key !== undefined && startsOnDemand(config, key)
    // What edges could get, if somebody read it from them.
    const behindEdges =
      streams || holders.some((holder) => holder.record.status !== "offline" && !isEdge(holder) && starts(holder))
    const rankNear = nearness(wanted.near)

    const found: Array<Ranked> = []
    let unreachable = false
    for (const holder of holders) {
      const { config, has, labels, record } = holder
      if (record.status === "offline") continue
      const ready = has?.available === true
      const edge = isEdge(holder)
      if (!ready && !(starts(holder) && (!edge || behindEdges))) continue
      // An edge has whatever its origin has: getting it takes a moment.
      const place = edge && (ready || streams) ? 0 : ready ? 1 : 2
      const base = baseUrl(config, addressOf(addresses, record.id), wanted.protocol)
      if (base === undefined) {
        unreachable = true
        continue
      }
      const readers = has?.readers ?? 0
      const near = rankNear(labels)
      found.push({
        node: record.id,
        url: streamUrl(base, wanted.protocol, wanted.path, wanted.query),
        state: ready ? "ready" : "onDemand",
        readers,
        rank: [
          record.status === "online" ? 0 : 1,
          !edge && isOrigin(holder) ? place + 2 : place,
          ...(locator.prefer === "near" ? [near, readers] : [readers, near]),
          spread(wanted.path, record.id)
        ]
      })
    }
    found.sort(byRank)
    return {
      streams: found.map(({ node, readers, state, url }) => ({ node, url, state, readers })),
      exists: holders.length > 0,
      unreachable: unreachable && found.length === 0
    }
  })
