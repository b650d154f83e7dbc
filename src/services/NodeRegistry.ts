/**
 * NodeRegistry: who is alive, what they run, what they report.
 *
 * A node only ever calls out. Each call (config fetch, hook, auth, heartbeat) is a sign of life; a heartbeat or a config
 * poll also says when the next one is due. Silence is not death until a promised sign is overdue: a node without
 * clients, and without a refresh loop or updater, rightly says nothing for days.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Pace } from "./internal/gather.js"
import * as internal from "./internal/nodeRegistry.js"
import * as sharedNodes from "./internal/sharedNodes.js"
import { CommandResult } from "./NodeCommand.js"
import type { NodeEvent } from "./NodeEvent.js"
import { NodeStatus } from "./NodeEvent.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

export const SignOfLife = Schema.Literal("config", "hook", "auth", "heartbeat").annotations({
  identifier: "SignOfLife",
  description: "Which kind of call a node was last heard by"
})
export type SignOfLife = typeof SignOfLife.Type

/** One path as a node's updater read it from MediaMTX's `/v3/paths/list`: the truth that hooks are checked against. */
export const ReportedPath = Schema.Struct({
  name: Schema.String,
  available: Schema.Boolean,
  online: Schema.Boolean,
  source: Schema.NullOr(Schema.Struct({ type: Schema.String, id: Schema.String })),
  readers: Schema.Array(Schema.Struct({ type: Schema.String, id: Schema.String })),
  bytesReceived: Schema.optional(Schema.NonNegative),
  bytesSent: Schema.optional(Schema.NonNegative)
}).annotations({ identifier: "ReportedPath" })
export type ReportedPath = typeof ReportedPath.Type

/** Free and total bytes of the volume that recordings go to. */
export const DiskUsage = Schema.Struct({ free: Schema.NonNegative, total: Schema.NonNegative }).annotations({
  identifier: "DiskUsage"
})

/** The body of `POST /nodes/ID/heartbeat`. */
export const Heartbeat = Schema.Struct({
  /** Identifies the reporting process: another value is another process. */
  instance: Schema.NonEmptyTrimmedString,
  mediamtxVersion: Schema.optional(Schema.String),
  /** When MediaMTX was started: a later value means that it was restarted. */
  startedAt: Schema.optional(Timestamp),
  /** SHA-256 (hex) of the config file in force. */
  appliedHash: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))),
  status: Schema.Literal("ok", "failed"),
  /**
   * False: the updater is there, and MediaMTX is not. That is no sign of life of the node, if its MediaMTX was ever reported:
   * until it is back, the node is as silent as if all of it were gone. Absent: it is there, or that can't be told.
   */
  serving: Schema.optional(Schema.Boolean),
  /** What is wrong: why the last config could not be applied, or anything else. */
  error: Schema.optional(Schema.String),
  /** The part of it that keeps the wanted config from being in force; null: nothing. Absent: all of `error` may be that. */
  configError: Schema.optional(Schema.NullOr(Schema.String)),
  /** Absent: not known. An empty list: no path exists. */
  paths: Schema.optional(Schema.Array(ReportedPath)),
  disk: Schema.optional(DiskUsage),
  /** What became of commands that came with earlier answers. */
  commands: Schema.optional(Schema.Array(CommandResult).pipe(Schema.maxItems(1000))),
  /** Seconds until the next heartbeat, as the updater is set up; the manager's own policy applies when absent. */
  every: Schema.optional(Schema.Positive)
}).annotations({ identifier: "Heartbeat" })
export type Heartbeat = typeof Heartbeat.Type

export const NodeRecord = Schema.Struct({
  id: NodeId,
  status: NodeStatus,
  /** Since when it has this status. */
  statusSince: Timestamp,
  firstSeen: Timestamp,
  lastSeen: Timestamp,
  lastSeenBy: SignOfLife,
  /** When the next sign of life was promised; null when none was, and silence then means nothing. */
  dueAt: Schema.NullOr(Timestamp),
  /** Address the last call came from, as the manager saw it (behind NAT: the gateway's). */
  address: Schema.NullOr(Schema.String),
  instance: Schema.NullOr(Schema.String),
  mediamtxVersion: Schema.NullOr(Schema.String),
  startedAt: Schema.NullOr(Timestamp),
  /** SHA-256 (hex) of the config that the node says it runs. */
  appliedHash: Schema.NullOr(Schema.String),
  /** Why it could not apply the last config; null when it could. */
  error: Schema.NullOr(Schema.String),
  disk: Schema.NullOr(DiskUsage)
}).annotations({ identifier: "NodeRecord" })
export type NodeRecord = typeof NodeRecord.Type

/** What is known from one call of a node. */
export interface Observation {
  readonly via: SignOfLife
  readonly address?: string | undefined
  /** The caller promises its next call within this many milliseconds (a refresh loop's or updater's interval). */
  readonly nextWithin?: number | undefined
  /** SHA-256 (hex) of the config that the caller says it has (`If-None-Match`). */
  readonly appliedHash?: string | undefined
  /** The MediaMTX process is being started right now: what was open on the node has ended. */
  readonly boot?: boolean | undefined
  /** The release of MediaMTX that the caller says it runs. */
  readonly mediamtxVersion?: string | undefined
}

/**
 * When silence counts: one policy for the whole fleet.
 *
 * A node is held to what it promised last: to call again within some interval (a config poll's `every`, a heartbeat's
 * `every`, or `interval` for a heartbeat that names none). Any call of the node proves that it is alive now, so each one
 * moves the deadlines, also a hook or an auth request, which promise nothing themselves. Counted from the last call, a
 * node is stale after `staleAfter` intervals plus `tolerance`, offline after `offlineAfter` intervals plus `tolerance`:
 * by default after 22 and 42 seconds. A node that promised nothing is never stale. A boot voids the promise, as the
 * process that made it is gone.
 *
 * Silence counts only while somebody listens: from the start of the manager, or from when it came back after it had itself
 * been suspended for longer than `tolerance`.
 */
export interface HeartbeatPolicy {
  /** The interval that a caller is held to when it promises none (default 10 s). Applies to heartbeats only. */
  readonly interval: Duration.DurationInput
  /** Stale after this many missed intervals (default 2). */
  readonly staleAfter: number
  /** Offline after this many missed intervals (default 4). */
  readonly offlineAfter: number
  /** Added to every deadline: network and scheduling jitter (default 2 s). */
  readonly tolerance: Duration.DurationInput
}
export const defaultHeartbeatPolicy: HeartbeatPolicy = {
  interval: Duration.seconds(10),
  staleAfter: 2,
  offlineAfter: 4,
  tolerance: Duration.seconds(2)
}

export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", {
  node: NodeId,
  message: Schema.String
}) {}

/**
 * - `Full`: the registry holds as many nodes as it may; ids that it does not know yet are refused until one is removed.
 * - `Storage`: what is kept could not be read or written. The registry goes on in memory and tries again.
 */
export class NodeRegistryError extends Schema.TaggedError<NodeRegistryError>()("NodeRegistryError", {
  reason: Schema.Literal("Full", "Storage").pipe(
    Schema.propertySignature,
    Schema.withConstructorDefault((): "Full" | "Storage" => "Storage")
  ),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** A change of a node, in the order in which the registry made them. */
export interface NodeChange {
  readonly node: NodeId
  readonly at: Timestamp
  readonly event: NodeEvent
  /** The record after the change; undefined after `node_removed`. */
  readonly record: NodeRecord | undefined
  /** With several managers: another one has made and logged it. */
  readonly byOther?: boolean | undefined
}

export interface NodeRegistryShape {
  /**
   * Notes a sign of life. Called by every hot route, so it only updates memory; what is new is written down right after.
   * A node never heard of before is added, unless the registry is full.
   */
  readonly observe: (node: NodeId, observation: Observation) => Effect.Effect<void, NodeRegistryError>
  /**
   * The same at once and without an effect, for registries that answer from memory; false where it takes `observe` (a new
   * node, or news of one that several managers look after). Thousands of polls a second are then noted without a fiber each.
   */
  readonly unsafeObserve?: ((node: NodeId, observation: Observation) => boolean) | undefined
  /** What is known of a node, at once, for registries that answer from memory. */
  readonly unsafeGet?: ((node: NodeId) => NodeRecord | undefined) | undefined
  /** Notes an updater's report; implies `observe`. What is new in it has been written down when this returns. */
  readonly heartbeat: (
    node: NodeId,
    heartbeat: Heartbeat,
    from?: { readonly address?: string | undefined }
  ) => Effect.Effect<NodeRecord, NodeRegistryError>
  readonly get: (node: NodeId) => Effect.Effect<Option.Option<NodeRecord>, NodeRegistryError>
  /** All nodes, by id. */
  readonly list: Effect.Effect<ReadonlyArray<NodeRecord>, NodeRegistryError>
  /**
   * Forgets a node. It comes back as new with its next call. When the removal can't be written down (`Storage`), the node is
   * forgotten in memory all the same and the write is tried again.
   */
  readonly remove: (node: NodeId) => Effect.Effect<void, NodeNotFound | NodeRegistryError>
  /**
   * Changes from now on, in order; each subscriber has its own buffer and never holds up the registry. The buffer holds
   * `changesBuffer` changes (default 100,000); beyond it, a subscriber that does not keep up loses the oldest. The stream
   * ends with the registry's scope.
   */
  readonly changes: Stream.Stream<NodeChange>
  /**
   * The same as `changes`, but the subscription exists when the effect returns, not when a stream is first pulled.
   * Closing the scope ends the mailbox; what is in it can still be taken.
   */
  readonly subscribe: Effect.Effect<Mailbox.ReadonlyMailbox<NodeChange>, never, Scope.Scope>
}

export class NodeRegistry extends Context.Tag("mtx-manager/NodeRegistry")<NodeRegistry, NodeRegistryShape>() {}

/** A node as the registry keeps it: the record, and what only the state machine needs. Times in epoch milliseconds. */
export interface StoredNode {
  readonly record: NodeRecord
  /** The promised interval in milliseconds; null when nothing was promised. */
  readonly interval: number | null
  /** When the MediaMTX process that runs was last reported by a heartbeat. */
  readonly reportedAt: number | null
  /** Its updater goes on calling for a MediaMTX that is gone. */
  readonly serverDown: boolean
}

/**
 * Where a registry that outlives its process keeps its nodes. The registry answers from memory and is the only writer: it
 * reads once, at the start. With `shared`, several take turns.
 */
export interface NodeStore {
  readonly load: Effect.Effect<ReadonlyArray<StoredNode>, NodeRegistryError>
  /** Writes whole rows and deletes others, all or nothing. Returns when it is durable. */
  readonly write: (
    upsert: ReadonlyArray<StoredNode>,
    remove: ReadonlyArray<NodeId>
  ) => Effect.Effect<void, NodeRegistryError>
  readonly shared?: SharedNodeStore | undefined
}

/** How the registries of several managers take turns on one store. */
export interface SharedNodeStore {
  /** Runs `turn` as the only one of all managers that writes; what it wrote is kept whole or not at all. */
  readonly alone: <A>(turn: Effect.Effect<A, NodeRegistryError>) => Effect.Effect<A, NodeRegistryError>
  /** What was written, in order, by anybody, since `load` or since this was last asked. Without a node: it was removed. */
  readonly news: Effect.Effect<
    ReadonlyArray<{ readonly id: NodeId; readonly node: StoredNode | undefined }>,
    NodeRegistryError
  >
  /** Emits when there may be news, in bounded time. */
  readonly changes: Stream.Stream<void>
}

export interface NodeRegistryOptions {
  /** Fields that are absent have the default policy's value. */
  readonly policy?: Partial<HeartbeatPolicy> | undefined
  /** How many nodes are kept (default 50,000): a bound against invented node ids. */
  readonly maxNodes?: number | undefined
  /** How many changes one subscriber may lag behind (default 100,000). */
  readonly changesBuffer?: number | undefined
  /** How often the times of the last calls, which nobody waits for, are written down (default 2 seconds). */
  readonly writeBehind?: Duration.DurationInput | undefined
  /** For a manager that doesn't run all the time, because its platform wakes it when there is something to do. */
  readonly wakeups?: Wakeups | undefined
}

/**
 * What a registry needs where the process may be gone when a deadline comes (a Durable Object that is woken by an alarm):
 * calls of nodes are heard at any time, so silence counts although nobody was in memory.
 */
export interface Wakeups {
  /** Since when calls have been heard, in epoch milliseconds; silence before that does not count. */
  readonly since: number
  /** Nodes expire from when this returns: whoever is to hear of it is there by then. */
  readonly ready: Effect.Effect<void>
  /** Told after each look at the deadlines when the next is due, in epoch milliseconds: infinity when no promise stands. */
  readonly plan: (at: number, now: number) => void
}

const resolvePolicy = (policy: Partial<HeartbeatPolicy> = {}): internal.Policy => {
  const { interval, offlineAfter, staleAfter, tolerance } = { ...defaultHeartbeatPolicy, ...policy }
  return {
    interval: Duration.toMillis(interval),
    staleAfter,
    offlineAfter: Math.max(offlineAfter, staleAfter),
    tolerance: Duration.toMillis(tolerance)
  }
}

/** Bounds of the pause between two looks at the deadlines: the first collects what comes due together, the second fits a timer. */
const SHORTEST_PAUSE = 50
const LONGEST_PAUSE = 60 * 60 * 1000
/** A timer that is this late has not just been busy: the process was suspended, or the clock was set forward. */
const SUSPENDED = 1000
/** Until a node is looked at again whose expiry could not be written. */
const LOOK_AGAIN = 1000
/** Rows that go to the store in one write: each is one statement, and the event loop waits for it. */
const WRITE_AT_ONCE = 200

/**
 * Writes down what a registry has changed, without holding it up.
 *
 * Two sets of node ids, each at most as large as the registry: `urgent` is written as soon as the writer is free and nothing
 * more comes along (a commit costs more than to wait for the calls that the event loop has in hand), `lazy` some time after
 * the first of them came up. A failed write goes back to `lazy`. At the end of the scope everything that is left is written.
 */
const makeWriter = Effect.fnUntraced(function* (
  store: NodeStore,
  nodes: ReadonlyMap<NodeId, StoredNode>,
  every: Duration.DurationInput
) {
  const urgent = new Set<NodeId>()
  const lazy = new Set<NodeId>()
  let waiting: Array<Deferred.Deferred<void, NodeRegistryError>> = []
  const wake = yield* Effect.makeLatch(false)
  const wakeLazy = yield* Effect.makeLatch(false)
  const lock = yield* Effect.makeSemaphore(1)
  const pace = new Pace()

  const write = (ids: ReadonlyArray<NodeId>) => {
    const upsert: Array<StoredNode> = []
    const remove: Array<NodeId> = []
    for (const id of ids) {
      const node = nodes.get(id)
      if (node === undefined) remove.push(id)
      else upsert.push(node)
    }
    return Effect.tapError(pace.paced(store.write(upsert, remove)), () =>
      Effect.sync(() => {
        for (const id of ids) lazy.add(id)
        wakeLazy.unsafeOpen()
      })
    )
  }

  /** Takes `ids` in slices, and lets others run between them. */
  const drain = (ids: Set<NodeId>) =>
    Effect.gen(function* () {
      const all = [...ids]
      ids.clear()
      for (let i = 0; i < all.length; i += WRITE_AT_ONCE) {
        const exit = yield* Effect.exit(write(all.slice(i, i + WRITE_AT_ONCE)))
        if (Exit.isFailure(exit)) {
          for (const id of all.slice(i + WRITE_AT_ONCE)) lazy.add(id)
          return yield* exit
        }
        yield* Effect.yieldNow()
      }
    })

  const flushUrgent = Effect.suspend(() => {
    const acknowledge = waiting
    waiting = []
    return Effect.tap(Effect.exit(drain(urgent)), (exit) =>
      Effect.sync(() => {
        for (const deferred of acknowledge) Deferred.unsafeDone(deferred, exit)
      })
    )
  }).pipe(lock.withPermits(1), Effect.uninterruptible)

  const flushLazy = drain(lazy).pipe(
    Effect.catchAll((error) => Effect.logWarning("The node registry could not be written, will try again", error)),
    lock.withPermits(1),
    Effect.uninterruptible
  )

  yield* Effect.addFinalizer(() =>
    Effect.zipRight(
      flushUrgent,
      Effect.catchAll(lock.withPermits(1)(drain(lazy)), (error) =>
        Effect.logError("The node registry could not be written at its end", error)
      )
    )
  )
  yield* wake.await.pipe(
    Effect.zipRight(pace.gathered(() => urgent.size + waiting.length, WRITE_AT_ONCE)),
    Effect.zipRight(wake.close),
    Effect.zipRight(flushUrgent),
    Effect.forever,
    Effect.forkScoped
  )
  // Only while there is something to write: a quiet registry wakes nobody.
  yield* wakeLazy.await.pipe(
    Effect.zipRight(wakeLazy.close),
    Effect.zipRight(Effect.delay(flushLazy, every)),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    changed: (id: NodeId, now: boolean): void => {
      if (now) {
        urgent.add(id)
        lazy.delete(id)
        wake.unsafeOpen()
      } else if (!urgent.has(id)) {
        lazy.add(id)
        wakeLazy.unsafeOpen()
      }
    },
    /** Waits until what was changed before is durable. */
    written: Effect.suspend(() => {
      const deferred = Deferred.unsafeMake<void, NodeRegistryError>(FiberId.none)
      waiting.push(deferred)
      wake.unsafeOpen()
      return Deferred.await(deferred)
    })
  }
})

/**
 * A registry that answers from memory; with a `store`, one that outlives its process.
 *
 * One fiber lets nodes expire: it looks at all deadlines when the earliest one comes, or when a promise is made that comes
 * due before. That is one plain pass over the nodes, well below a millisecond for 10,000, and with nodes that keep their
 * promises it is needed about once per interval.
 */
export const make = (
  options: NodeRegistryOptions & { readonly store?: NodeStore | undefined } = {}
): Effect.Effect<NodeRegistryShape, NodeRegistryError, Scope.Scope> =>
  Effect.gen(function* () {
    const policy = resolvePolicy(options.policy)
    const maxNodes = options.maxNodes ?? 50_000
    const capacity = options.changesBuffer ?? 100_000
    const clock = yield* Effect.clock

    const nodes = new Map<NodeId, StoredNode>()
    if (options.store !== undefined) {
      for (const node of yield* options.store.load) nodes.set(node.record.id, node)
    }
    const writer =
      options.store === undefined || options.store.shared !== undefined
        ? undefined
        : yield* makeWriter(options.store, nodes, options.writeBehind ?? "2 seconds")

    /** Subscribers, each with its own buffer; shut by the finalizer that follows. */
    const subscribers = new Set<Mailbox.Mailbox<NodeChange>>()
    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        for (const mailbox of subscribers) mailbox.unsafeDone(Exit.void)
        subscribers.clear()
      })
    )

    // The next look is planned `pause` after the last one, or when `nearer` opens.
    const { wakeups } = options
    let lookedAt = clock.unsafeCurrentTimeMillis()
    let floor = wakeups?.since ?? lookedAt
    let pause = 0
    const nearer = yield* Effect.makeLatch(false)

    /** Ids in order; undefined when one was added or removed since. */
    let sorted: ReadonlyArray<NodeId> | undefined

    const emit = (node: NodeId, at: number, events: ReadonlyArray<NodeEvent>, record: NodeRecord | undefined): void => {
      for (const event of events) {
        const change: NodeChange = { node, at, event, record }
        for (const mailbox of subscribers) mailbox.unsafeOffer(change)
      }
    }
    const commit = (id: NodeId, step: internal.Step, now: number): void => {
      nodes.set(id, step.node)
      writer?.changed(id, step.urgent)
      if (internal.deadline(step.node, policy, floor) < lookedAt + pause) nearer.unsafeOpen()
      if (step.events.length > 0) emit(id, now, step.events, step.node.record)
    }
    const several =
      options.store?.shared === undefined
        ? undefined
        : yield* sharedNodes.make({
            store: options.store,
            shared: options.store.shared,
            nodes,
            set: (id, node) => {
              if (node === undefined ? nodes.delete(id) : !nodes.has(id)) sorted = undefined
              if (node === undefined) return
              nodes.set(id, node)
              if (internal.deadline(node, policy, floor) < lookedAt + pause) nearer.unsafeOpen()
            },
            emit: (id, step) => {
              const now = clock.unsafeCurrentTimeMillis()
              if (step === undefined) emit(id, now, [{ event: "node_removed", since: now }], undefined)
              else if (step.events.length > 0) emit(id, now, step.events, step.node.record)
            },
            heard: (id, before, after) => {
              const event = sharedNodes.eventOf(before, after)
              if (event === undefined) return
              const at = clock.unsafeCurrentTimeMillis()
              const change: NodeChange = { node: id, at, event, record: after?.record, byOther: true }
              for (const mailbox of subscribers) mailbox.unsafeOffer(change)
            }
          })
    /** Those whose expiry waits for its turn. */
    const expiring = new Set<NodeId>()
    const full = (node: NodeId): NodeRegistryError =>
      new NodeRegistryError({
        reason: "Full",
        message: `The registry holds ${nodes.size} nodes and takes no new ones, so "${node}" is refused: remove nodes that are gone, or raise maxNodes`
      })

    /** One look at all deadlines. Returns the pause until the next, in milliseconds. */
    const look = Effect.sync(() => {
      const now = clock.unsafeCurrentTimeMillis()
      if (now < lookedAt) {
        // The clock was set back: start counting anew from the time that holds now.
        floor = now
        for (const [id, node] of nodes) nodes.set(id, internal.rebase(node, now))
      } else if (now - (lookedAt + pause) > Math.max(policy.tolerance, SUSPENDED)) {
        // We were suspended, or the clock was set forward: nobody could be heard, so nobody was silent.
        floor = now
      }
      let earliest = Number.POSITIVE_INFINITY
      for (const [id, node] of nodes) {
        const due = internal.deadline(node, policy, floor)
        if (due <= now && several !== undefined) {
          // It may have called another manager: that is known in the turn.
          earliest = Math.min(earliest, now + LOOK_AGAIN)
          if (expiring.has(id)) continue
          expiring.add(id)
          several.unsafeChange(
            id,
            (previous) => {
              expiring.delete(id)
              const time = clock.unsafeCurrentTimeMillis()
              return previous === undefined || internal.deadline(previous, policy, floor) > time
                ? null
                : internal.expire(previous, time, policy, floor)
            },
            false
          )
        } else if (due <= now) {
          const step = internal.expire(node, now, policy, floor)
          commit(id, step, now)
          earliest = Math.min(earliest, internal.deadline(step.node, policy, floor))
        } else if (due < earliest) {
          earliest = due
        }
      }
      lookedAt = now
      pause = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, earliest - now))
      wakeups?.plan(earliest, now)
      return pause
    })
    const begin =
      wakeups === undefined
        ? Effect.void
        : Effect.map(wakeups.ready, () => {
            lookedAt = clock.unsafeCurrentTimeMillis()
          })
    yield* look.pipe(
      Effect.flatMap((millis) => Effect.timeoutOption(nearer.await, millis)),
      Effect.zipRight(nearer.close),
      Effect.forever,
      (expiry) => Effect.zipRight(begin, expiry),
      Effect.forkScoped
    )

    const subscribe = Effect.acquireRelease(
      Effect.tap(Mailbox.make<NodeChange>({ capacity, strategy: "sliding" }), (mailbox) =>
        closed ? mailbox.end : Effect.sync(() => subscribers.add(mailbox))
      ),
      (mailbox) =>
        Effect.zipRight(
          Effect.sync(() => subscribers.delete(mailbox)),
          mailbox.end
        )
    )

    /** With several managers: what was asked of this one is done. What others have written comes by itself, moments later. */
    const settled = several?.settled ?? Effect.void
    const upToDate = several?.upToDate ?? Effect.void
    return NodeRegistry.of({
      unsafeObserve: (id, observation) => {
        const previous = nodes.get(id)
        if (previous === undefined) return false
        const now = clock.unsafeCurrentTimeMillis()
        const step = internal.observe(previous, id, observation, now)
        if (several !== undefined && step.urgent) return false
        commit(id, step, now)
        several?.noted(id)
        return true
      },
      unsafeGet: (id) => nodes.get(id)?.record,
      observe: (id, observation) =>
        Effect.suspend(() => {
          const previous = nodes.get(id)
          if (previous === undefined) {
            if (nodes.size >= maxNodes) return full(id)
            sorted = undefined
          }
          const now = clock.unsafeCurrentTimeMillis()
          const step = internal.observe(previous, id, observation, now)
          if (several !== undefined && step.urgent) {
            // In memory it is noted in any case, and written later.
            return Effect.ignore(several.change(id, (node) => internal.observe(node, id, observation, now), true))
          }
          commit(id, step, now)
          several?.noted(id)
          return Effect.void
        }),
      heartbeat: (id, heartbeat, from) =>
        Effect.suspend(() => {
          const previous = nodes.get(id)
          if (previous === undefined) {
            if (nodes.size >= maxNodes) return full(id)
            sorted = undefined
          }
          const now = clock.unsafeCurrentTimeMillis()
          const step = internal.report(previous, id, heartbeat, from?.address, now, policy)
          if (several !== undefined && step.urgent) {
            return Effect.map(
              several.change(id, (node) => internal.report(node, id, heartbeat, from?.address, now, policy), true),
              (node) => node?.record ?? step.node.record
            )
          }
          commit(id, step, now)
          several?.noted(id)
          return writer !== undefined && step.urgent
            ? Effect.as(writer.written, step.node.record)
            : Effect.succeed(step.node.record)
        }),
      get: (id) =>
        Effect.map(
          Effect.suspend(() => (nodes.has(id) ? settled : upToDate)),
          () => Option.map(Option.fromNullable(nodes.get(id)), (node) => node.record)
        ),
      list: Effect.map(settled, () => {
        sorted ??= [...nodes.keys()].sort()
        const records: Array<NodeRecord> = []
        for (const id of sorted) {
          const node = nodes.get(id)
          if (node !== undefined) records.push(node.record)
        }
        return records
      }),
      remove: (id) =>
        Effect.flatMap(upToDate, (): Effect.Effect<void, NodeNotFound | NodeRegistryError> => {
          if (several !== undefined && nodes.has(id)) return Effect.asVoid(several.change(id, () => undefined, true))
          if (!nodes.delete(id)) {
            return new NodeNotFound({ node: id, message: `No node "${id}" is known: GET /nodes lists those that are` })
          }
          sorted = undefined
          const now = clock.unsafeCurrentTimeMillis()
          writer?.changed(id, true)
          emit(id, now, [{ event: "node_removed", since: now }], undefined)
          return writer?.written ?? Effect.void
        }),
      changes: Stream.unwrapScoped(Effect.map(subscribe, (mailbox) => Mailbox.toStream(mailbox))),
      subscribe
    })
  })

/** Keeps everything in memory: after a restart each node is discovered anew. */
export const layerMemory = (options?: NodeRegistryOptions): Layer.Layer<NodeRegistry> =>
  // Only loading from a store can fail.
  Layer.scoped(NodeRegistry, Effect.orDie(make(options)))
