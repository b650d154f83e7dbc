/**
 * NodeConfigs: what became of the config on each node: which one it should run, and what it said of it.
 *
 * A node acknowledges by the hash that it reports: an updater with its heartbeats (and there also why a config could not be
 * applied), the refresh loop with its polls (`If-None-Match`). A node that does neither is `unknown`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { HookBus } from "./HookBus.js"
import { inOrderOfNodes } from "./internal/inOrderOfNodes.js"
import { makeWriteBehind } from "./internal/writeBehind.js"
import { ConfigStatus } from "./NodeEvent.js"
import type { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

export { ConfigStatus } from "./NodeEvent.js"

/** Where a node stands with its config. */
export const NodeConfig = Schema.Struct({
  configStatus: ConfigStatus,
  /** Since when it has this status. */
  configSince: Timestamp,
  /** SHA-256 (hex) of the config that the node should run now; null when none can be rendered, or it has not been asked for. */
  wantedHash: Schema.NullOr(Schema.String),
  /** Since when the node should run it. */
  wantedSince: Schema.NullOr(Timestamp)
}).annotations({ identifier: "NodeConfig" })
export type NodeConfig = typeof NodeConfig.Type

/** What a node said in one call. `undefined`: nothing about it. */
export interface ConfigReport {
  /** The hash of what it runs. */
  readonly applied: string | undefined
  /** Why it could not apply a config; null: it has no complaint. */
  readonly error: string | null | undefined
}

export class NodeConfigsError extends Schema.TaggedError<NodeConfigsError>()("NodeConfigsError", {
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** A change of a node's status, as it was made. */
export interface ConfigChange {
  readonly node: NodeId
  readonly config: NodeConfig
  readonly error: string | null
}

export interface NodeConfigsShape {
  /**
   * Notes which config the node should run (null: none can be rendered), and what the node said along with asking. At once
   * and in memory, since every poll and heartbeat does it.
   */
  readonly unsafeNote: (node: NodeId, wanted: string | null, report?: ConfigReport) => void
  /** Undefined for a node of which nothing was noted. */
  readonly unsafeGet: (node: NodeId) => NodeConfig | undefined
  /** The last error that the node reported and has not taken back. */
  readonly unsafeError: (node: NodeId) => string | null
  readonly forget: (node: NodeId) => Effect.Effect<void>
  /** Changes of status from now on. A subscriber that is 10,000 behind loses the oldest. */
  readonly changes: Stream.Stream<ConfigChange>
}

export class NodeConfigs extends Context.Tag("mtx-manager/NodeConfigs")<NodeConfigs, NodeConfigsShape>() {}

/** A node's state as a store keeps it. Times in epoch milliseconds. */
export interface StoredConfig {
  readonly node: NodeId
  readonly status: ConfigStatus
  readonly since: number
  readonly wanted: string | null
  readonly wantedSince: number | null
  readonly applied: string | null
  /** It has reported the wanted hash since that is wanted. */
  readonly appliedSinceWanted: boolean
  readonly error: string | null
  /** What it said when another config became the wanted one: said again, it is no answer to that one yet. */
  readonly errorBefore: string | null
}

export interface NodeConfigStore {
  readonly load: Effect.Effect<ReadonlyArray<StoredConfig>, NodeConfigsError>
  readonly write: (
    upsert: ReadonlyArray<StoredConfig>,
    remove: ReadonlyArray<NodeId>
  ) => Effect.Effect<void, NodeConfigsError>
  /** With several managers, each hears what others were told by a node. */
  readonly shared?:
    | {
        /** What was written, by anybody, since this was last asked. */
        readonly news: NodeConfigStore["load"]
        /** Emits when there may be news, in bounded time. */
        readonly changes: Stream.Stream<void>
      }
    | undefined
}

export interface NodeConfigsOptions {
  /**
   * A node that still reports another hash this long after it should run a config, without an error, has drifted
   * (default 2 minutes): something else writes its file, or nothing does.
   */
  readonly grace?: Duration.DurationInput | undefined
  /** How long after a change a store is written (default 1 second). */
  readonly writeBehind?: Duration.DurationInput | undefined
  /** How many nodes are known (default 50,000). */
  readonly maxNodes?: number | undefined
}

/** What the facts amount to. */
export const statusOf = (
  facts: Pick<StoredConfig, "wanted" | "wantedSince" | "applied" | "appliedSinceWanted" | "error" | "errorBefore">,
  reportedAt: number,
  grace: number
): ConfigStatus => {
  const { applied, appliedSinceWanted, error, errorBefore, wanted, wantedSince } = facts
  if (wanted !== null && applied === wanted) return "applied"
  // A part of what it said before is no news: one of two complaints was settled.
  const news = error !== null && errorBefore?.includes(error) !== true
  const late = reportedAt - (wantedSince ?? reportedAt) > grace
  if (error !== null && (late || news)) return "failed"
  if (wanted === null || applied === null) return "unknown"
  // It ran the wanted config, and now it runs another one.
  return appliedSinceWanted || late ? "drifted" : "wanted"
}

/** In memory; with a `store`, it goes on where it was after a restart. Changes of status are published on the HookBus. */
export const make = (
  options: NodeConfigsOptions & { readonly store?: NodeConfigStore | undefined } = {}
): Effect.Effect<NodeConfigsShape, NodeConfigsError, HookBus | Scope.Scope> =>
  Effect.gen(function* () {
    const bus = yield* HookBus
    const clock = yield* Effect.clock
    const grace = Duration.toMillis(options.grace ?? Duration.minutes(2))
    const maxNodes = options.maxNodes ?? 50_000
    const { store } = options

    const nodes = new Map<NodeId, StoredConfig>()
    if (store !== undefined) for (const stored of yield* store.load) nodes.set(stored.node, stored)
    const writer =
      store === undefined
        ? undefined
        : yield* makeWriteBehind<NodeId, NodeConfigsError>({
            every: options.writeBehind ?? "1 second",
            what: "the configs of nodes",
            write: (ids) =>
              store.write(
                ids.flatMap((id) => nodes.get(id) ?? []),
                ids.filter((id) => !nodes.has(id))
              )
          })

    const subscribers = new Set<Mailbox.Mailbox<ConfigChange>>()
    yield* Effect.addFinalizer(() => Effect.forEach(subscribers, (mailbox) => mailbox.end, { discard: true }))
    const subscribe = Effect.acquireRelease(
      Effect.tap(Mailbox.make<ConfigChange>({ capacity: 10_000, strategy: "sliding" }), (mailbox) =>
        Effect.sync(() => subscribers.add(mailbox))
      ),
      (mailbox) =>
        Effect.zipRight(
          Effect.sync(() => subscribers.delete(mailbox)),
          mailbox.end
        )
    )

    const shown = (stored: StoredConfig): NodeConfig => ({
      configStatus: stored.status,
      configSince: stored.since,
      wantedHash: stored.wanted,
      wantedSince: stored.wantedSince
    })

    if (store?.shared !== undefined) {
      const { changes, news } = store.shared
      const hear = Effect.map(news, (heard) => {
        for (const after of heard) {
          const before = nodes.get(after.node)
          // What was noted here and is not written yet will be the newest.
          if (before !== undefined && before.since > after.since) continue
          nodes.set(after.node, after)
          if (before?.status === after.status) continue
          const change: ConfigChange = { node: after.node, config: shown(after), error: after.error }
          for (const mailbox of subscribers) mailbox.unsafeOffer(change)
        }
      }).pipe(
        Effect.catchAll((error) =>
          Effect.logWarning("What nodes have told other managers could not be read, will try again", error)
        )
      )
      yield* Effect.forkScoped(Stream.runForEach(changes, () => hear))
    }

    // Statuses that changed while the log was slow: the oldest are lost then, and the newest tells where the node stands.
    const news = yield* Mailbox.make<{
      readonly node: NodeId
      readonly before: ConfigStatus
      readonly now: StoredConfig
    }>({
      capacity: 10_000,
      strategy: "sliding"
    })
    yield* inOrderOfNodes(news, ({ before, node, now }) =>
      Effect.catchAll(
        Effect.asVoid(
          bus.publish(node, {
            event: "node_config",
            status: now.status,
            previous: before,
            wanted: now.wanted,
            applied: now.applied,
            ...(now.error === null ? {} : { error: now.error })
          })
        ),
        (error) => Effect.logWarning(`the config status of node "${node}" could not be logged`, error)
      )
    ).pipe(Effect.forkScoped)

    return NodeConfigs.of({
      unsafeNote: (node, wanted, report) => {
        const before = nodes.get(node)
        if (
          before !== undefined &&
          before.wanted === wanted &&
          (report === undefined ||
            ((report.applied === undefined || report.applied === before.applied) &&
              (report.error === undefined || report.error === before.error))) &&
          // Only one who is on the way can have been for too long.
          before.status !== "wanted"
        ) {
          return
        }
        if (before === undefined && nodes.size >= maxNodes) return
        const now = clock.unsafeCurrentTimeMillis()
        const same = before !== undefined && before.wanted === wanted
        const applied = report?.applied ?? before?.applied ?? null
        const facts = {
          wanted,
          wantedSince: same ? before.wantedSince : wanted === null ? null : now,
          applied,
          appliedSinceWanted: (same && before.appliedSinceWanted) || (wanted !== null && applied === wanted),
          error: report?.error === undefined ? (before?.error ?? null) : report.error,
          errorBefore: same ? before.errorBefore : (before?.error ?? null)
        }
        const status =
          report === undefined && same && before.status === "wanted"
            ? before.status
            : statusOf(facts, report === undefined ? Number.NEGATIVE_INFINITY : now, grace)
        if (same && before.status === status && before.applied === facts.applied && before.error === facts.error) {
          return
        }
        const changed = before?.status !== status
        const next: StoredConfig = { node, status, since: changed ? now : before.since, ...facts }
        nodes.set(node, next)
        writer?.changed(node)
        if (!changed) return
        // That nothing is known of a new node is no news.
        if (before !== undefined || status !== "unknown") {
          news.unsafeOffer({ node, before: before?.status ?? "unknown", now: next })
        }
        const change: ConfigChange = { node, config: shown(next), error: next.error }
        for (const mailbox of subscribers) mailbox.unsafeOffer(change)
      },
      unsafeGet: (node) => {
        const stored = nodes.get(node)
        return stored === undefined ? undefined : shown(stored)
      },
      unsafeError: (node) => nodes.get(node)?.error ?? null,
      forget: (node) =>
        Effect.sync(() => {
          if (nodes.delete(node)) writer?.changed(node)
        }),
      changes: Stream.unwrapScoped(Effect.map(subscribe, (mailbox) => Mailbox.toStream(mailbox)))
    })
  })

/** After a restart, each node has to say again what it runs. */
export const layerMemory = (options?: NodeConfigsOptions): Layer.Layer<NodeConfigs, never, HookBus> =>
  // Only a store can fail.
  Layer.scoped(NodeConfigs, Effect.orDie(make(options)))
