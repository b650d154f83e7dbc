/**
 * FleetState: one picture of nodes, paths, publishers, readers and connections.
 *
 * Derived idempotently from the HookBus (hooks are unordered hints) and corrected by the path lists that heartbeats
 * carry (the truth). Nodes come from the NodeRegistry.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Cursor, HookBus } from "./HookBus.js"
import * as internal from "./internal/fleetState.js"
import { NodeId } from "./NodeId.js"
import { NodeRecord, NodeRegistry, type ReportedPath } from "./NodeRegistry.js"
import { Timestamp } from "./Timestamp.js"

/** A path that exists on a node right now. */
export const PathState = Schema.Struct({
  node: NodeId,
  path: Schema.String,
  /** Its stream can be read. */
  available: Schema.Boolean,
  /** Its real source is present (differs from `available` only with `alwaysAvailable`). */
  online: Schema.Boolean,
  since: Timestamp,
  readers: Schema.NonNegativeInt
}).annotations({ identifier: "PathState" })
export type PathState = typeof PathState.Type

/**
 * A publisher or reader of a path; ids are MediaMTX's session ids, the same that auth requests carry. A static source
 * (`rtspSource`, `hlsSource`, …) is a publisher with an empty id.
 */
export const SessionState = Schema.Struct({
  node: NodeId,
  path: Schema.String,
  type: Schema.String,
  id: Schema.String,
  since: Timestamp
}).annotations({ identifier: "SessionState" })
export type SessionState = typeof SessionState.Type

/** A connection (RTSP(S), RTMP(S), SRT); RTSP connections can't be joined with their session by hooks alone. */
export const ConnectionState = Schema.Struct({
  node: NodeId,
  type: Schema.String,
  id: Schema.String,
  since: Timestamp
}).annotations({ identifier: "ConnectionState" })
export type ConnectionState = typeof ConnectionState.Type

/** One consistent picture. The lists of sessions and paths are in no particular order; nodes are in order of their ids. */
export const FleetSnapshot = Schema.Struct({
  /** Every event up to this cursor is in; later ones may be, if they changed nothing that is shown. */
  cursor: Cursor,
  /** When the picture was put together. */
  at: Timestamp,
  /**
   * The registry's records. What changes with every call of a node (`lastSeen`, `lastSeenBy`, `dueAt`, `address`) does not
   * count as a change: it is as of `at`. Ask the NodeRegistry when it matters.
   */
  nodes: Schema.Array(NodeRecord),
  paths: Schema.Array(PathState),
  publishers: Schema.Array(SessionState),
  readers: Schema.Array(SessionState),
  connections: Schema.Array(ConnectionState)
}).annotations({ identifier: "FleetSnapshot" })
export type FleetSnapshot = typeof FleetSnapshot.Type

export class FleetStateError extends Schema.TaggedError<FleetStateError>()("FleetStateError", {
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export interface FleetStateShape {
  /**
   * The picture now. The same object as long as nothing changed, so that selectors can compare by identity. Put together
   * when it is asked for after a change, and only for the nodes that changed.
   */
  readonly snapshot: Effect.Effect<FleetSnapshot, FleetStateError>
  /**
   * The picture now and after each change, at most once per `pace` (default 50 ms): changes in between come as one. A slow
   * subscriber skips to the newest. Ends when the layer's scope closes.
   */
  readonly changes: Stream.Stream<FleetSnapshot, FleetStateError>
  /**
   * A heartbeat's path list: opens and closes what hooks missed on that node. What a hook said less than two seconds ago
   * may be newer than the list, and stands. Returns when it is in the picture; it is kept with the next batch, and after a
   * crash the node's next heartbeat brings it again.
   */
  readonly reconcile: (node: NodeId, paths: ReadonlyArray<ReportedPath>) => Effect.Effect<void, FleetStateError>
  /** Waits until every event up to `cursor` is in the picture. */
  readonly settled: (cursor: Cursor) => Effect.Effect<void, FleetStateError>
  /**
   * Tells of every publisher and reader that is there, then of each one that comes or goes, at once and while the picture
   * changes, until the function that it returns is called. Optional: who counts sessions takes it where it is there, since
   * that costs nothing per snapshot. Unsafe because the watcher must neither throw nor take long.
   */
  readonly unsafeWatch?: ((watcher: SessionWatcher) => () => void) | undefined
}

/** Publishers and readers as they come and go; each that is closed was opened before, as the same object. */
export interface SessionWatcher {
  readonly opened: (kind: "publisher" | "reader", session: SessionState) => void
  readonly closed: (kind: "publisher" | "reader", session: SessionState) => void
}

export class FleetState extends Context.Tag("mtx-manager/FleetState")<FleetState, FleetStateShape>() {}

/** What can be open on a node; see `StoredRow`. */
export const RowKind = Schema.Literal("path", "always", "source", "reader", "connection")
export type RowKind = typeof RowKind.Type

/** One thing that is open on a node, or the memory that it ended, as a store keeps it. Times in epoch milliseconds. */
export interface StoredRow {
  readonly node: NodeId
  readonly kind: RowKind
  readonly path: string
  readonly type: string
  readonly id: string
  readonly since: number
  readonly seen: number
  readonly cursor: Cursor
  /** When it ended; null while it is open. */
  readonly ended: number | null
}

/** Where a FleetState that outlives its process keeps its picture. It is read once, at the start. */
export interface FleetStore {
  /** Rows in any order, and the cursor that they stand for (0 when there is none yet). */
  readonly load: Effect.Effect<{ readonly rows: ReadonlyArray<StoredRow>; readonly cursor: Cursor }, FleetStateError>
  /**
   * Writes rows and the cursor that they stand for, all or nothing: that is what makes a crash harmless. `behind`: another
   * manager has written for a later cursor, so nothing was written; it is tried again when this one has read as far.
   */
  readonly write: (
    upsert: ReadonlyArray<StoredRow>,
    remove: ReadonlyArray<StoredRow>,
    cursor: Cursor
  ) => Effect.Effect<"written" | "behind", FleetStateError>
}

export interface FleetStateOptions {
  /** Shortest time between two elements of `changes` (default 50 ms). */
  readonly pace?: Duration.DurationInput | undefined
  /** How long after a change a store is written (default 100 ms). What is not yet written is read from the bus again. */
  readonly writeBehind?: Duration.DurationInput | undefined
}

const failed = (what: string) => (cause: { readonly message: string }) =>
  new FleetStateError({ message: `${what}: ${cause.message}`, cause })

/** What of a record counts as a change of the picture. */
const sameNode = (a: NodeRecord, b: NodeRecord): boolean =>
  a === b ||
  (a.id === b.id &&
    a.status === b.status &&
    a.statusSince === b.statusSince &&
    a.firstSeen === b.firstSeen &&
    a.instance === b.instance &&
    a.mediamtxVersion === b.mediamtxVersion &&
    a.startedAt === b.startedAt &&
    a.appliedHash === b.appliedHash &&
    a.error === b.error &&
    a.disk?.free === b.disk?.free &&
    a.disk?.total === b.disk?.total)

const sameNodes = (a: ReadonlyArray<NodeRecord>, b: ReadonlyArray<NodeRecord>): boolean =>
  a.length === b.length &&
  a.every((node, i) => {
    const other = b[i]
    return other !== undefined && sameNode(node, other)
  })

/** Reading the bus failed: tried again for as long as the layer lives. */
const retryPolicy = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/**
 * A picture in memory, fed by the HookBus; with a `store`, one that goes on where it was after a restart or a crash.
 *
 * The store gets, in one transaction, the rows that changed and the cursor up to which the bus was read, so that whatever
 * is lost with the process is read from the bus again, and nothing is applied twice. Without a store, everything that the
 * bus still holds is read again.
 *
 * Where the bus has been trimmed beyond our cursor, it goes on with the oldest record left: ends that were lost with the
 * gap are made up for by the nodes' path lists.
 *
 * When this returns, all that was on the bus is in the picture, and what was open on nodes that the registry does not know
 * or knows to be offline is closed.
 */
export const make = (
  options: FleetStateOptions & { readonly store?: FleetStore | undefined } = {}
): Effect.Effect<FleetStateShape, FleetStateError, HookBus | NodeRegistry | Scope.Scope> =>
  Effect.gen(function* () {
    const bus = yield* HookBus
    const registry = yield* NodeRegistry
    const clock = yield* Effect.clock
    const { store } = options
    const pace = options.pace ?? "50 millis"

    const state = internal.make(store !== undefined)
    /** The cursor that the store has. */
    let stored = 0

    /** Those who wait for a cursor, and those who wait for a change. Each entry is removed by its own scope or fiber. */
    const waiting = new Set<{ readonly cursor: Cursor; readonly reached: Deferred.Deferred<void> }>()
    const watchers = new Set<Effect.Latch>()
    let announced = 0
    const unwritten = yield* Effect.makeLatch(false)
    const announce = (): void => {
      unwritten.unsafeOpen()
      if (state.version !== announced) {
        announced = state.version
        for (const latch of watchers) latch.unsafeOpen()
      }
      for (const waiter of waiting) {
        if (waiter.cursor <= state.cursor) Deferred.unsafeDone(waiter.reached, Effect.void)
      }
    }

    const flush = Effect.suspend(() => {
      if (store === undefined || state.dirty === undefined) return Effect.void
      const { cursor, dirty } = state
      if (dirty.size === 0 && cursor === stored) return Effect.void
      state.dirty = new Map()
      const upsert: Array<StoredRow> = []
      const remove: Array<StoredRow> = []
      // Copied: rows go on changing while they are written.
      for (const row of dirty.values()) (row.gone ? remove : upsert).push({ ...row })
      const putBack = () => {
        // What changed again meanwhile is newer.
        for (const [key, row] of state.dirty ?? []) dirty.set(key, row)
        state.dirty = dirty
      }
      return store.write(upsert, remove, cursor).pipe(
        Effect.flatMap((outcome) => {
          if (outcome === "behind") {
            putBack()
            return unwritten.open
          }
          stored = cursor
          return Effect.void
        }),
        Effect.tapError(() => Effect.sync(putBack))
      )
    }).pipe(Effect.uninterruptible)

    if (store !== undefined) {
      const { cursor, rows } = yield* store.load
      for (const row of [...rows].sort((a, b) => (a.ended ?? 0) - (b.ended ?? 0))) {
        internal.restore(state, internal.row(row))
      }
      state.cursor = stored = cursor
    }
    const latest = yield* Effect.mapError(bus.latest, failed("The hook log can't be read"))
    // Another log than the one the store was made from, or one that was lost: what it brings is new.
    if (state.cursor > latest) state.cursor = 0

    // Whatever is on the bus now is in the picture before anybody sees it. It ends early only where records were trimmed.
    while (state.cursor < latest) {
      const records = yield* Effect.mapError(
        bus.read({ after: state.cursor, limit: 1000 }),
        failed("The hook log can't be read")
      )
      if (records.length === 0) state.cursor = latest
      for (const record of records) internal.apply(state, record)
      yield* Effect.yieldNow()
    }
    const known = new Map<NodeId, NodeRecord>()
    for (const node of yield* Effect.mapError(registry.list, failed("The nodes can't be listed")))
      known.set(node.id, node)
    for (const node of [...state.nodes.keys()]) {
      const status = known.get(node)?.status
      if (status === undefined || status === "offline") internal.closeAll(state, node)
    }

    if (store !== undefined) {
      yield* Effect.addFinalizer(() =>
        Effect.catchAll(flush, (error) => Effect.logError("The fleet's state could not be written at its end", error))
      )
      yield* flush
      // Only while there is something to write: a quiet fleet wakes nobody.
      yield* unwritten.await.pipe(
        Effect.zipRight(unwritten.close),
        Effect.zipRight(Effect.delay(flush, options.writeBehind ?? "100 millis")),
        Effect.catchAll((error) =>
          Effect.zipRight(
            unwritten.open,
            Effect.logWarning("The fleet's state could not be written, will try again", error)
          )
        ),
        Effect.forever,
        Effect.forkScoped
      )
    }

    yield* Stream.suspend(() => bus.subscribe({ after: state.cursor })).pipe(
      Stream.runForEachChunk((records) =>
        Effect.sync(() => {
          for (const record of records) internal.apply(state, record)
          announce()
        })
      ),
      Effect.tapError((error) => Effect.logWarning("The hook log can't be read, will try again", error)),
      Effect.retry(retryPolicy),
      Effect.forkScoped
    )

    const closed = yield* Deferred.make<void>()
    yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))

    let cached: FleetSnapshot | undefined
    let cachedVersion = -1
    const snapshot: Effect.Effect<FleetSnapshot, FleetStateError> = registry.list.pipe(
      Effect.mapError(failed("The nodes can't be listed")),
      Effect.map((nodes) => {
        if (cached !== undefined && cachedVersion === state.version && sameNodes(cached.nodes, nodes)) return cached
        const paths: Array<PathState> = []
        const publishers: Array<SessionState> = []
        const readers: Array<SessionState> = []
        const connections: Array<ConnectionState> = []
        for (const [node, rows] of state.nodes) {
          const view = internal.view(node, rows)
          for (const path of view.paths) paths.push(path)
          for (const publisher of view.publishers) publishers.push(publisher)
          for (const reader of view.readers) readers.push(reader)
          for (const connection of view.connections) connections.push(connection)
        }
        cachedVersion = state.version
        cached = {
          cursor: state.cursor,
          at: clock.unsafeCurrentTimeMillis(),
          nodes,
          paths,
          publishers,
          readers,
          connections
        }
        return cached
      })
    )

    const unsafeWatch = (watcher: SessionWatcher): (() => void) => {
      const tell = (say: SessionWatcher["opened"]) => (row: internal.Row) => {
        if (row.kind === "reader") say("reader", row)
        else if (row.kind === "source") say("publisher", row)
      }
      const rows = { opened: tell(watcher.opened), closed: tell(watcher.closed) }
      for (const node of state.nodes.values()) for (const row of internal.allRows(node)) rows.opened(row)
      state.watchers.add(rows)
      return () => state.watchers.delete(rows)
    }

    return FleetState.of({
      unsafeWatch,
      snapshot,
      changes: Stream.unwrapScoped(
        Effect.map(
          Effect.acquireRelease(
            Effect.tap(Effect.makeLatch(true), (latch) => Effect.sync(() => watchers.add(latch))),
            (latch) => Effect.sync(() => watchers.delete(latch))
          ),
          (latch) =>
            Stream.repeatEffectWithSchedule(
              Effect.zipRight(Effect.zipRight(latch.await, latch.close), snapshot),
              Schedule.spaced(pace)
            ).pipe(
              Stream.changesWith((a, b) => a === b),
              Stream.interruptWhenDeferred(closed)
            )
        )
      ),
      reconcile: (node, paths) =>
        Effect.sync(() => {
          internal.reconcile(state, node, paths, clock.unsafeCurrentTimeMillis())
          announce()
        }),
      settled: (cursor) =>
        Effect.suspend(() => {
          if (cursor <= state.cursor) return Effect.void
          const waiter = { cursor, reached: Deferred.unsafeMake<void>(FiberId.none) }
          waiting.add(waiter)
          return Effect.ensuring(
            Deferred.await(waiter.reached),
            Effect.sync(() => waiting.delete(waiter))
          )
        })
    })
  })

/** Keeps the picture in memory: after a restart it is made anew from what the bus still holds. */
export const layerMemory = (
  options?: FleetStateOptions
): Layer.Layer<FleetState, FleetStateError, HookBus | NodeRegistry> => Layer.scoped(FleetState, make(options))
