/**
 * Topology: how the nodes of a fleet stand to each other: where each is reached, who reads from whom, and who acts for
 * whom right now.
 *
 * When a node goes offline that others read from, the next of its group takes its place; when it is back for long enough, it
 * gets it back. Only nodes that follow in this group get another config by that, and of that config only the group's paths
 * change, which is all that MediaMTX then starts anew.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ConfigIssue, InvalidConfig } from "../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { AuthDecision, AuthPolicy, type AuthRequest } from "./AuthPolicy.js"
import { ConfigSource } from "./ConfigSource.js"
import { Credentials } from "./Credentials.js"
import type { FleetConfig } from "./FleetConfig.js"
import { decodeGroups, type FleetGroup, type FleetGroupInput, sourcesOf } from "./FleetGroups.js"
import { mergeParts, partsOf } from "./internal/configLayers.js"
import { decide } from "./internal/failover.js"
import { type GroupOverlay, groupOverlay, isFollower, mayPull, takesName } from "./internal/groupPaths.js"
import { adopt } from "./internal/mergeConfig.js"
import { decodeLocator, defaultLocator, type LocatorInput, type LocatorSettings } from "./LocatorSettings.js"
import { type AddressRules, decodeAddresses, type NodeAddress } from "./NodeDirectory.js"
import { isNodeId, NodeId } from "./NodeId.js"
import { type Labels, labelsOf } from "./NodeLabels.js"
import { type NodeRecord, NodeRegistry, type NodeRegistryError } from "./NodeRegistry.js"
import { Timestamp } from "./Timestamp.js"

/** What is stated of a fleet. */
export interface FleetTopology {
  readonly addresses: AddressRules
  readonly groups: ReadonlyArray<FleetGroup>
  readonly locator: LocatorSettings
}

/** The same as it is written, in `manager.yml` or as options. */
export interface TopologyInput {
  /** Where nodes are reached, by id or by a pattern of ids; a text is the address alone. */
  readonly addresses?: Readonly<Record<string, NodeAddress | string>> | undefined
  readonly groups?: ReadonlyArray<FleetGroupInput> | undefined
  readonly locator?: LocatorInput | undefined
}

/** Nothing stated. */
export const none: FleetTopology = { addresses: {}, groups: [], locator: defaultLocator }

/** Reads what is stated from plain data, or says all that is wrong with it. */
export const decode = (
  value: { readonly [K in keyof TopologyInput]: unknown },
  defaults: Pick<FleetTopology, "locator"> = none
): Either.Either<FleetTopology, InvalidConfig> => {
  const addresses = decodeAddresses(value.addresses)
  // Groups need addresses: with bad ones, only their own errors are of use.
  const groups = Either.isLeft(addresses) ? Either.right([]) : decodeGroups(value.groups, addresses.right)
  const locator = decodeLocator(value.locator, defaults.locator)
  const issues: Array<ConfigIssue> = []
  if (Either.isLeft(addresses)) issues.push(...addresses.left)
  if (Either.isLeft(groups)) issues.push(...groups.left)
  if (Either.isLeft(locator)) issues.push(...locator.left)
  return Either.isRight(addresses) && Either.isRight(groups) && Either.isRight(locator)
    ? Either.right({ addresses: addresses.right, groups: groups.right, locator: locator.right })
    : Either.left(new InvalidConfig({ issues }))
}

/** Who acts in a group, and since when. */
export const GroupState = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literal("mirror", "edges"),
  /** In order of preference. */
  sources: Schema.Array(NodeId),
  /** The one that others read from now. */
  acting: NodeId,
  /** Since when, as far as this manager remembers. */
  since: Timestamp
}).annotations({ identifier: "GroupState" })
export type GroupState = typeof GroupState.Type

/** What the groups that a node follows in make of its paths, or why it can't be said. */
export type Overlay = Either.Either<GroupOverlay, InvalidConfig>

export interface TopologyShape {
  /** What is stated. */
  readonly current: () => FleetTopology
  /** Rises whenever `overlay` may give something else for the same fleet. */
  readonly unsafeVersion: () => number
  /** States something else from now on. */
  readonly set: (topology: FleetTopology) => Effect.Effect<void>
  /** Who acts in each group. */
  readonly groups: Effect.Effect<ReadonlyArray<GroupState>>
  /** Whenever who acts, or what is stated, has changed. */
  readonly changes: Stream.Stream<void>
  /** For the node in this fleet; undefined when it follows in no group. The same object as long as it says the same. */
  readonly overlay: (fleet: FleetConfig, node: NodeId) => Effect.Effect<Overlay | undefined>
  /** The node's config in force, with all but the manager's own parts. */
  readonly configOf: (node: NodeId) => Effect.Effect<MediaMTXConfig>
  /** The same at once, when it is known; for those who look at thousands of nodes. */
  readonly unsafeConfigOf: (node: NodeId) => MediaMTXConfig | undefined
  /** The node's labels. */
  readonly labelsOf: (node: NodeId) => Effect.Effect<Labels>
  /**
   * Decides on nodes that read from each other: those that say so by their user name, `mtx-manager.ID`. Undefined for all
   * others.
   */
  readonly decideLink: (
    request: Pick<AuthRequest, "node" | "action" | "path" | "protocol" | "user">,
    password: () => string
  ) => Effect.Effect<AuthDecision> | undefined
}

export class Topology extends Context.Tag("mtx-manager/Topology")<Topology, TopologyShape>() {}

/** What user names of nodes begin with that read from each other. */
export const LINK_USER = "mtx-manager."

/** How many overlays are remembered. Beyond it the oldest are made again: a bound against invented node ids. */
const REMEMBERED = 20_000
/** How soon it is looked again when the registry could not be read. */
const AFTER_FAILURE = 5_000

interface Acting {
  readonly node: NodeId
  readonly since: number
}

interface Known {
  readonly fleet: FleetConfig
  readonly version: number
  /** Its links are of the key before. */
  readonly behind: boolean
  readonly overlay: Overlay | undefined
}

interface KnownConfig {
  readonly fleet: FleetConfig
  readonly version: number
  readonly overlay: Overlay | undefined
  readonly config: MediaMTXConfig
}

const remember = <V>(map: Map<NodeId, V>, node: NodeId, value: V): void => {
  if (map.size >= REMEMBERED && !map.has(node)) {
    for (const oldest of map.keys()) {
      map.delete(oldest)
      break
    }
  }
  map.set(node, value)
}

const why = (record: NodeRecord | undefined): string =>
  record === undefined ? "which has not called" : `which is ${record.status}`

const denied = (reason: string): Effect.Effect<AuthDecision> => Effect.succeed(AuthDecision.Deny({ reason }))

/** Begins with what is stated, and watches the registry until the scope closes. */
export const make = (
  initial: FleetTopology = none
): Effect.Effect<TopologyShape, NodeRegistryError, NodeRegistry | ConfigSource | Credentials | Scope.Scope> =>
  Effect.gen(function* () {
    const registry = yield* NodeRegistry
    const source = yield* ConfigSource
    const credentials = yield* Credentials
    const listeningSince = yield* Clock.currentTimeMillis

    let topology = initial
    let version = 0
    /** By the names of the groups. */
    let acting = new Map<string, Acting>()
    let watched = new Set<NodeId>()
    const watch = () => {
      watched = new Set(topology.groups.flatMap(sourcesOf))
    }
    watch()
    // A subscriber that is 16 changes behind loses the oldest: they all say the same.
    const changes = yield* PubSub.sliding<void>(16)
    const wake = yield* Effect.makeLatch(false)

    /** Looks who acts. Returns when to look again. */
    const look = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const records = new Map<NodeId, NodeRecord>()
      for (const node of watched) {
        const found = yield* registry.get(node)
        if (Option.isSome(found)) records.set(node, found.value)
      }
      const record = (node: NodeId) => records.get(node)
      const next = new Map<string, Acting>()
      let lookAt: number | undefined
      let changed = false
      for (const group of topology.groups) {
        const before = acting.get(group.name)
        const verdict = decide(group, before?.node, { record, now, listeningSince })
        if (verdict === undefined) continue
        if (verdict.lookAt !== undefined) lookAt = Math.min(lookAt ?? verdict.lookAt, verdict.lookAt)
        if (before?.node === verdict.acting) {
          next.set(group.name, before)
          continue
        }
        changed = true
        next.set(group.name, { node: verdict.acting, since: now })
        if (before === undefined) continue
        const isBack = sourcesOf(group).indexOf(verdict.acting) < sourcesOf(group).indexOf(before.node)
        yield* isBack
          ? Effect.logInfo(
              `group ${group.name}: node ${verdict.acting} is back and acts again, instead of ${before.node}`
            )
          : Effect.logWarning(
              `group ${group.name}: node ${verdict.acting} acts for ${before.node}, ${why(record(before.node))}`
            )
      }
      acting = next
      if (changed) {
        version++
        yield* PubSub.publish(changes, undefined)
      }
      return lookAt
    })

    const subscription = yield* registry.subscribe
    yield* look

    yield* Mailbox.toStream(subscription).pipe(
      Stream.filter(({ node }) => watched.has(node)),
      Stream.runForEach(() => wake.open),
      Effect.forkScoped
    )
    yield* Effect.gen(function* () {
      const lookAt = yield* Effect.catchAll(look, (error) =>
        Effect.zipRight(
          Effect.logWarning("the node registry can't be read: who acts in a group stays as it is", error),
          Effect.map(Clock.currentTimeMillis, (now): number | undefined => now + AFTER_FAILURE)
        )
      )
      const now = yield* Clock.currentTimeMillis
      yield* lookAt === undefined
        ? wake.await
        : Effect.raceFirst(wake.await, Effect.sleep(Duration.millis(Math.max(0, lookAt - now))))
      yield* wake.close
    }).pipe(
      // A bug must not leave the fleet without anybody who looks.
      Effect.catchAllDefect((defect) =>
        Effect.zipRight(
          Effect.logError("who acts in a group could not be decided", Cause.die(defect)),
          Effect.sleep(AFTER_FAILURE)
        )
      ),
      Effect.forever,
      Effect.forkScoped
    )

    const actingIn = (group: FleetGroup): NodeId =>
      acting.get(group.name)?.node ??
      (group.kind === "edges" ? (group.origins[0] ?? NodeId.make("none")) : group.primary)

    const isBehind = (node: NodeId): boolean => credentials.rotation?.isBehind(node) === true

    /** The tokens of links that have been asked for; the others are noted. */
    const tokens = new Map<string, string>()

    const compute = (fleet: FleetConfig, node: NodeId, missing: Map<string, readonly [NodeId, NodeId]>) => {
      const overlayOf = (of: NodeId, visiting: ReadonlyArray<NodeId>): Overlay | undefined =>
        groupOverlay({
          node: of,
          groups: topology.groups,
          addresses: topology.addresses,
          labels: labelsOf(fleet.labels, of),
          acting: actingIn,
          configOf: (other) => composed(other, [...visiting, of]),
          linkTo: (to) => {
            // Of the key that the reader goes by.
            const name = `${of} ${to}${isBehind(of) ? " behind" : ""}`
            const token = tokens.get(name)
            if (token === undefined) missing.set(name, [of, to])
            return { user: `${LINK_USER}${of}`, token: token ?? "" }
          }
        })
      const composed = (of: NodeId, visiting: ReadonlyArray<NodeId>): MediaMTXConfig => {
        // Nodes that follow each other see each other as they are without that.
        const overlay = visiting.includes(of) ? undefined : overlayOf(of, visiting)
        return mergeParts(
          fleet.base,
          partsOf(fleet, of, overlay === undefined ? undefined : Either.getOrUndefined(overlay))
        )
      }
      return overlayOf(node, [])
    }

    const overlays = new Map<NodeId, Known>()
    const overlay: TopologyShape["overlay"] = (fleet, node) => {
      if (topology.groups.length === 0) return Effect.succeed(undefined)
      const known = overlays.get(node)
      return known !== undefined &&
        known.fleet === fleet &&
        known.version === version &&
        known.behind === isBehind(node)
        ? Effect.succeed(known.overlay)
        : makeOverlay(fleet, node)
    }
    const makeOverlay = Effect.fnUntraced(function* (fleet: FleetConfig, node: NodeId) {
      const asOf = version
      const behind = isBehind(node)
      const missing = new Map<string, readonly [NodeId, NodeId]>()
      let made = compute(fleet, node, missing)
      while (missing.size > 0) {
        for (const [name, [reader, to]] of missing) {
          if (tokens.size >= REMEMBERED) tokens.clear()
          tokens.set(name, Redacted.value(yield* credentials.linkToken(reader, to, name.endsWith(" behind"))))
        }
        missing.clear()
        made = compute(fleet, node, missing)
      }
      const before = overlays.get(node)?.overlay
      if (made !== undefined) {
        if (before !== undefined && Either.isRight(before) && Either.isRight(made)) {
          const same = adopt(before.right, made.right)
          // What comes back is equal to what went in, made of the same kind of data.
          made = same === before.right ? before : Either.right(same as GroupOverlay)
        } else if (before !== undefined && Either.isLeft(before) && Either.isLeft(made)) {
          if (before.left.message === made.left.message) made = before
        }
      }
      remember(overlays, node, { fleet, version: asOf, behind, overlay: made })
      return made
    })

    const configs = new Map<NodeId, KnownConfig>()
    const configOf: TopologyShape["configOf"] = Effect.fnUntraced(function* (node) {
      const fleet = yield* source.current
      const asOf = version
      const made = yield* overlay(fleet, node)
      const known = configs.get(node)
      if (known !== undefined && known.fleet === fleet && known.overlay === made) {
        remember(configs, node, { ...known, version: asOf })
        return known.config
      }
      const groups = made === undefined ? undefined : Either.getOrUndefined(made)
      const config = mergeParts(fleet.base, partsOf(fleet, node, groups))
      remember(configs, node, { fleet, version: asOf, overlay: made, config })
      return config
    })
    const unsafeConfigOf: TopologyShape["unsafeConfigOf"] = (node) => {
      const known = configs.get(node)
      return known !== undefined && known.version === version && known.fleet === source.unsafeCurrent?.()
        ? known.config
        : undefined
    }

    const decideLink: TopologyShape["decideLink"] = (request, password) => {
      if (topology.groups.length === 0 || !request.user.startsWith(LINK_USER)) return undefined
      const reader = request.user.slice(LINK_USER.length)
      const to = request.node
      if (to === undefined || !isNodeId(reader)) return denied("this user name is for nodes of the manager")
      if (request.action !== "read" || request.protocol !== "rtsp") {
        return denied(`node ${reader} may read from node ${to} by RTSP, and nothing else`)
      }
      return Effect.flatMap(source.current, (fleet) => {
        const labels = labelsOf(fleet.labels, reader)
        const mine = topology.groups.filter((group) => isFollower(group, reader, labels) && mayPull(group, reader, to))
        const [first] = mine
        if (first === undefined) return denied(`node ${reader} is in no group that reads from node ${to}`)
        return Effect.flatMap(credentials.verifyLink(reader, to, password()), (fits) => {
          if (!fits) {
            return denied(`this is not what node ${reader} shows to node ${to}`)
          }
          const group = mine.find((each) => takesName(each, request.path))
          return group === undefined
            ? denied(`group ${first.name} has no such path`)
            : Effect.succeed(
                AuthDecision.Allow({ reason: `node ${reader} reads from node ${to}: group ${group.name}` })
              )
        })
      })
    }

    return Topology.of({
      current: () => topology,
      unsafeVersion: () => version,
      set: (next) =>
        Effect.suspend(() => {
          if (next === topology) return Effect.void
          topology = next
          version++
          watch()
          return Effect.zipRight(PubSub.publish(changes, undefined), wake.open)
        }),
      groups: Effect.sync(() =>
        topology.groups.map((group) => ({
          name: group.name,
          kind: group.kind,
          sources: sourcesOf(group),
          acting: actingIn(group),
          since: acting.get(group.name)?.since ?? listeningSince
        }))
      ),
      changes: Stream.fromPubSub(changes),
      overlay,
      configOf,
      unsafeConfigOf,
      labelsOf: (node) => Effect.map(source.current, (fleet) => labelsOf(fleet.labels, node)),
      decideLink
    })
  })

/** A topology that is stated once. */
export const layer = (
  topology: FleetTopology = none
): Layer.Layer<Topology, NodeRegistryError, NodeRegistry | ConfigSource | Credentials> =>
  Layer.scoped(Topology, make(topology))

/**
 * Puts the rule for nodes that read from each other before a policy: it answers for them alone, and what it refuses is not
 * asked of the policy.
 */
export const guard: Layer.Layer<AuthPolicy, never, AuthPolicy | Topology> = Layer.effect(
  AuthPolicy,
  Effect.gen(function* () {
    const policy = yield* AuthPolicy
    const topology = yield* Topology
    const { unsafeDecide } = policy
    return AuthPolicy.of({
      rules: policy.rules,
      decide: (request) =>
        topology.decideLink(request, () => Redacted.value(request.password)) ?? policy.decide(request),
      unsafeDecide:
        unsafeDecide === undefined
          ? undefined
          : (request) => topology.decideLink(request, () => request.password) ?? unsafeDecide(request)
    })
  })
)
