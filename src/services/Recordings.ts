/**
 * Recordings: which node holds what of which path.
 *
 * The index is fed by the segment hooks ({@link pump}) and corrected by what workers read from MediaMTX's own `/list`
 * ({@link RecordingsShape.reconcile}), which is the truth. Segments that follow each other are one span; what is being
 * written grows until it is overdue. It is a hint all the same: a worker asks its node before it cuts.
 *
 * It answers from memory. The SQL layer keeps it over a restart, together with the position in the HookBus that it stands
 * for; the memory layer is made anew from what the bus still holds.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Cursor, HookBus, type HookBusError, type HookRecord } from "./HookBus.js"
import * as intervals from "./internal/intervals.js"
import * as internal from "./internal/recordings.js"
import { NodeId } from "./NodeId.js"
import type { RecordSettings } from "./RecordSettings.js"
import { Timestamp } from "./Timestamp.js"

/** A stretch of time without a gap. `end` is the first moment that is not in it. */
export const RecordedSpan = Schema.Struct({
  start: Timestamp,
  end: Timestamp,
  /** It is being written: `end` is the time of the answer. */
  open: Schema.Boolean
}).annotations({ identifier: "RecordedSpan" })
export type RecordedSpan = typeof RecordedSpan.Type

/** What one node holds. */
export const NodeSpans = Schema.Struct({ node: NodeId, spans: Schema.Array(RecordedSpan) }).annotations({
  identifier: "NodeSpans"
})
export type NodeSpans = typeof NodeSpans.Type

export const RecordingGap = Schema.Struct({ start: Timestamp, end: Timestamp }).annotations({
  identifier: "RecordingGap",
  description: "Time of which no node holds a recording"
})
export type RecordingGap = typeof RecordingGap.Type

/** What the fleet holds of a path. Lists of times are in their order, lists of nodes in order of their ids. */
export const RecordingTimeline = Schema.Struct({
  path: Schema.String,
  /** The time that the answer is about; null when it was not limited and there is nothing. */
  from: Schema.NullOr(Timestamp),
  to: Schema.NullOr(Timestamp),
  /** The union over all nodes; `nodes` hold at least a part of the span. */
  spans: Schema.Array(Schema.Struct({ ...RecordedSpan.fields, nodes: Schema.Array(NodeId) })),
  /** What is missing between `from` and `to`. The future is no gap. */
  gaps: Schema.Array(RecordingGap),
  nodes: Schema.Array(NodeSpans)
}).annotations({ identifier: "RecordingTimeline" })
export type RecordingTimeline = typeof RecordingTimeline.Type

/** A path of which there are recordings. */
export const RecordedPath = Schema.Struct({
  path: Schema.String,
  nodes: Schema.Array(NodeId),
  /** Start of the oldest and end of the newest span. */
  start: Timestamp,
  end: Timestamp,
  open: Schema.Boolean
}).annotations({ identifier: "RecordedPath" })
export type RecordedPath = typeof RecordedPath.Type

/** How much of a window a node holds. */
export interface Coverage {
  readonly node: NodeId
  /** Milliseconds. */
  readonly covered: number
  /** It holds all of it, but for less than the tolerance. */
  readonly complete: boolean
}

/** The index could not be read or written. In memory it is right; the write is tried again. */
export class RecordingsError extends Schema.TaggedError<RecordingsError>()("RecordingsError", {
  reason: Schema.Literal("ReadFailed", "WriteFailed"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** What is recorded of this path on this node has changed. */
export interface RecordingChange {
  readonly node: NodeId
  readonly path: string
}

export interface RecordingsShape {
  /** What the fleet holds of a path, between `from` and `to` (epoch milliseconds; absent: from the first, to the last). */
  readonly timeline: (
    path: string,
    window?: { readonly from?: Timestamp | undefined; readonly to?: Timestamp | undefined }
  ) => Effect.Effect<RecordingTimeline>
  /** All paths that there are recordings of, by name. */
  readonly paths: Effect.Effect<ReadonlyArray<RecordedPath>>
  /** The nodes that hold some of `[start, end)`, the ones that hold most of it first. */
  readonly coverage: (path: string, start: Timestamp, end: Timestamp) => Effect.Effect<ReadonlyArray<Coverage>>
  /**
   * What a worker read from its node's `/list`: the whole truth about the path on that node, or about `within` when it asked
   * for a part. What is indexed and not listed is removed, except for what ended less than two seconds ago. Returns when it
   * is durable.
   */
  readonly reconcile: (
    node: NodeId,
    path: string,
    spans: ReadonlyArray<{ readonly start: Timestamp; readonly end: Timestamp }>,
    options?: { readonly within?: { readonly from: Timestamp; readonly to: Timestamp } | undefined }
  ) => Effect.Effect<void, RecordingsError>
  /**
   * Takes records of the HookBus, in order. Those that are not newer than {@link RecordingsShape.cursor} were taken before
   * and change nothing. When this returns, what they changed and the cursor are durable together; after a failure take the
   * same records again.
   */
  readonly ingest: (records: ReadonlyArray<HookRecord>) => Effect.Effect<void, RecordingsError>
  /** Every record up to this one was taken. */
  readonly cursor: Effect.Effect<Cursor>
  /** The log is another one than before, or lost its records: its cursors count anew from `cursor`. */
  readonly rewind: (cursor: Cursor) => Effect.Effect<void>
  /** Waits until the record of this cursor was taken. */
  readonly settled: (cursor: Cursor) => Effect.Effect<void>
  /**
   * Changes from now on. Each subscriber has its own buffer of 10,000; one that does not keep up loses the oldest. Closing
   * the scope, or the layer's, ends the mailbox.
   */
  readonly subscribe: Effect.Effect<Mailbox.ReadonlyMailbox<RecordingChange>, never, Scope.Scope>
}

export class Recordings extends Context.Tag("mtx-manager/Recordings")<Recordings, RecordingsShape>() {}

/** One row as a store keeps it: a span (`file` is null), or a segment that is being written, with its planned end. */
export interface StoredRecording {
  readonly node: NodeId
  readonly path: string
  readonly start: number
  readonly end: number
  readonly file: string | null
}

/** Where an index that outlives its process is kept. It is read once, at the start. */
export interface RecordingsStore {
  readonly load: Effect.Effect<
    { readonly rows: ReadonlyArray<StoredRecording>; readonly cursor: Cursor },
    RecordingsError
  >
  /**
   * Removes rows, then writes others, and the cursor that they stand for: all or nothing. `behind`: another manager has
   * written for a later cursor, so nothing was written; it is tried again when this one has read as far.
   */
  readonly write: (
    upsert: ReadonlyArray<StoredRecording>,
    remove: ReadonlyArray<StoredRecording>,
    cursor: Cursor
  ) => Effect.Effect<"written" | "behind", RecordingsError>
  /** With several managers: what a worker told one of them, all know. */
  readonly shared?: SharedRecordings | undefined
}

export interface SharedRecordings {
  /** What is written of these was told by a worker just now. */
  readonly reported: (
    of: ReadonlyArray<{ readonly node: NodeId; readonly path: string }>
  ) => Effect.Effect<void, RecordingsError>
  /** All rows of what workers have told other managers since this was last asked. */
  readonly news: Effect.Effect<
    ReadonlyArray<{ readonly node: NodeId; readonly path: string; readonly rows: ReadonlyArray<StoredRecording> }>,
    RecordingsError
  >
  /** Emits when there may be news, in bounded time. */
  readonly changes: Stream.Stream<void>
}

export interface RecordingsOptions {
  /**
   * How a node records a path: see `recordSettings`. Without settings the time of a segment is taken from when its hooks
   * arrive, which is right to a second or so, and nothing is removed for its age.
   */
  readonly settings?: ((node: NodeId, path: string) => Effect.Effect<RecordSettings | undefined>) | undefined
  /** Two segments of one node that are closer than this are one span (default 1 second). */
  readonly tolerance?: Duration.DurationInput | undefined
  /** How often old spans are removed and overdue segments closed (default 1 minute). */
  readonly sweepEvery?: Duration.DurationInput | undefined
}

const toSettings = (settings: RecordSettings | undefined): internal.Settings | undefined =>
  settings === undefined
    ? undefined
    : {
        startOf: (file, path) => settings.recordPath.parse(file, path)?.start,
        segment: Duration.toMillis(settings.segmentDuration),
        part: Duration.toMillis(settings.partDuration),
        keep: settings.deleteAfter === undefined ? undefined : Duration.toMillis(settings.deleteAfter)
      }

/** A cursor that only moved on is written down after this many records: reading them again would change nothing. */
const CURSOR_LAG = 10_000
const SUBSCRIBER_BUFFER = 10_000

const byId = (a: { readonly node: NodeId }, b: { readonly node: NodeId }): number =>
  a.node < b.node ? -1 : a.node > b.node ? 1 : 0

/** An index that answers from memory; with a `store`, one that outlives its process. */
export const make = Effect.fnUntraced(function* (
  options: RecordingsOptions & { readonly store?: RecordingsStore | undefined } = {}
): Effect.fn.Return<RecordingsShape, RecordingsError, Scope.Scope> {
  const { store } = options
  const clock = yield* Effect.clock
  const tolerance = Duration.toMillis(options.tolerance ?? "1 second")
  const state = internal.make(tolerance, store !== undefined)
  let stored = 0
  if (store !== undefined) {
    const { cursor, rows } = yield* store.load
    for (const row of rows) internal.restore(state, row)
    state.cursor = stored = cursor
  }

  const settingsOf = (node: NodeId, path: string): Effect.Effect<internal.Settings | undefined> =>
    options.settings === undefined ? Effect.succeed(undefined) : Effect.map(options.settings(node, path), toSettings)

  const subscribers = new Set<Mailbox.Mailbox<RecordingChange>>()
  const waiting = new Set<{ readonly cursor: Cursor; readonly reached: Deferred.Deferred<void> }>()
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const mailbox of subscribers) mailbox.unsafeDone(Exit.void)
      subscribers.clear()
    })
  )
  const announce = (): void => {
    for (const change of state.changed.values()) {
      for (const mailbox of subscribers) mailbox.unsafeOffer(change)
    }
    state.changed.clear()
    for (const waiter of waiting) {
      if (waiter.cursor <= state.cursor) Deferred.unsafeDone(waiter.reached, Effect.void)
    }
  }

  /** What workers have told and others have not been told yet. */
  const told = new Map<string, { readonly node: NodeId; readonly path: string }>()
  /** What workers have told here while news were read: it is the newer. */
  const newer = new Set<string>()
  const lock = yield* Effect.makeSemaphore(1)
  const flushWhen = (force: boolean) =>
    Effect.suspend(() => {
      const { cursor, dirty } = state
      if (store === undefined || dirty === undefined) return Effect.void
      if (dirty.size === 0 && (force ? cursor === stored : cursor - stored < CURSOR_LAG)) return Effect.void
      state.dirty = new Map()
      const upsert: Array<StoredRecording> = []
      const remove: Array<StoredRecording> = []
      for (const { gone, row } of dirty.values()) (gone ? remove : upsert).push(row)
      const putBack = () => {
        // What changed again meanwhile is newer.
        for (const [key, change] of state.dirty ?? []) dirty.set(key, change)
        state.dirty = dirty
      }
      return store.write(upsert, remove, cursor).pipe(
        Effect.tapErrorCause(() => Effect.sync(putBack)),
        Effect.flatMap((outcome) => {
          if (outcome === "behind") {
            putBack()
            return Effect.void
          }
          stored = cursor
          const of = [...told.values()]
          told.clear()
          return store.shared === undefined || of.length === 0 ? Effect.void : store.shared.reported(of)
        })
      )
    }).pipe(lock.withPermits(1), Effect.uninterruptible)
  const flush = flushWhen(false)
  if (store !== undefined) {
    yield* Effect.addFinalizer(() =>
      Effect.catchAll(flushWhen(true), (error) =>
        Effect.logError("The index of recordings could not be written at its end", error)
      )
    )
  }

  const sweep = Effect.gen(function* () {
    const tracks = [...state.tracks.values()].flatMap((nodes) => [...nodes.values()])
    for (const track of tracks) {
      const settings = yield* settingsOf(track.node, track.path)
      internal.age(state, track, clock.unsafeCurrentTimeMillis(), settings)
    }
    announce()
    yield* flush
  }).pipe(
    Effect.catchAll((error) => Effect.logWarning("The index of recordings could not be written, will try again", error))
  )
  // At once as well: where the platform wakes the manager for a moment only, there may be no minute later.
  yield* sweep.pipe(Effect.repeat(Schedule.spaced(options.sweepEvery ?? "1 minute")), Effect.forkScoped)

  if (store?.shared !== undefined) {
    const { changes, news } = store.shared
    const hear = Effect.gen(function* () {
      newer.clear()
      for (const { node, path, rows } of yield* news) {
        const settings = yield* settingsOf(node, path)
        if (newer.has(`${node}\n${path}`)) continue
        const spans = rows.filter(({ file }) => file === null)
        const now = clock.unsafeCurrentTimeMillis()
        internal.reconcile(state, node, path, spans, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, now, settings)
      }
      announce()
    }).pipe(
      Effect.catchAll((error) =>
        Effect.logWarning("What workers have told other managers could not be read, will try again", error)
      )
    )
    yield* Effect.forkScoped(Stream.runForEach(changes, () => hear))
  }

  const viewsOf = (path: string, from: number, to: number, now: number): ReadonlyArray<NodeSpans> =>
    [...(state.tracks.get(path)?.values() ?? [])]
      .map((track) => ({ node: track.node, spans: internal.view(track, from, to, now, tolerance) }))
      .filter(({ spans }) => spans.length > 0)
      .sort(byId)

  const timeline: RecordingsShape["timeline"] = (path, window = {}) =>
    Effect.sync(() => {
      const now = clock.unsafeCurrentTimeMillis()
      const nodes = viewsOf(path, window.from ?? Number.NEGATIVE_INFINITY, window.to ?? Number.POSITIVE_INFINITY, now)
      const union: Array<intervals.Interval> = []
      for (const { spans } of nodes) for (const span of spans) intervals.add(union, span, tolerance)
      const from = window.from ?? union[0]?.start ?? null
      const to = window.to ?? union[union.length - 1]?.end ?? null
      const gaps: Array<RecordingGap> = []
      if (from !== null && to !== null) {
        const until = Math.min(to, Math.max(now, union[union.length - 1]?.end ?? now))
        let position = from
        for (const { end, start } of union) {
          if (start - position > tolerance) gaps.push({ start: position, end: start })
          position = end
        }
        if (until - position > tolerance) gaps.push({ start: position, end: until })
      }
      return {
        path,
        from,
        to,
        spans: union.map(({ end, start }) => {
          const holders = nodes.filter(({ spans }) => intervals.within(spans, start, end).length > 0)
          return {
            start,
            end,
            open: holders.some(({ spans }) => spans.some((span) => span.open && span.end === end)),
            nodes: holders.map(({ node }) => node)
          }
        }),
        gaps,
        nodes
      }
    })

  const coverage: RecordingsShape["coverage"] = (path, start, end) =>
    Effect.sync(() => {
      const now = clock.unsafeCurrentTimeMillis()
      const wanted = end - start
      const found: Array<Coverage> = []
      for (const track of state.tracks.get(path)?.values() ?? []) {
        const covered = internal.covered(track, start, end, now, tolerance)
        if (covered > 0) {
          found.push({ node: track.node, covered, complete: wanted - covered <= Math.min(tolerance, wanted / 2) })
        }
      }
      return found.sort((a, b) => b.covered - a.covered || byId(a, b))
    })

  const paths = Effect.sync(() => {
    const now = clock.unsafeCurrentTimeMillis()
    return [...state.tracks.keys()].sort().flatMap((path): ReadonlyArray<RecordedPath> => {
      const nodes = viewsOf(path, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, now)
      const spans = nodes.flatMap(({ spans }) => [spans[0], spans[spans.length - 1]])
      let start = Number.POSITIVE_INFINITY
      let end = Number.NEGATIVE_INFINITY
      for (const span of spans) {
        start = Math.min(start, span?.start ?? start)
        end = Math.max(end, span?.end ?? end)
      }
      return nodes.length === 0
        ? []
        : [{ path, nodes: nodes.map(({ node }) => node), start, end, open: spans.some((span) => span?.open === true) }]
    })
  })

  return Recordings.of({
    timeline,
    coverage,
    paths,
    reconcile: Effect.fnUntraced(function* (node, path, spans, { within } = {}) {
      const settings = yield* settingsOf(node, path)
      internal.reconcile(
        state,
        node,
        path,
        spans,
        within?.from ?? Number.NEGATIVE_INFINITY,
        within?.to ?? Number.POSITIVE_INFINITY,
        clock.unsafeCurrentTimeMillis(),
        settings
      )
      announce()
      if (store?.shared !== undefined) {
        told.set(`${node}\n${path}`, { node, path })
        newer.add(`${node}\n${path}`)
      }
      yield* flush
    }),
    ingest: Effect.fnUntraced(function* (records) {
      // Applied in one go, so that nobody sees, or writes, a state between two records.
      const prepared: Array<readonly [HookRecord, internal.Settings | undefined]> = []
      for (const record of records) {
        if (record.cursor <= state.cursor) continue
        const settings = internal.concerns(record) ? yield* settingsOf(record.node, record.event.path) : undefined
        prepared.push([record, settings])
      }
      for (const [record, settings] of prepared) internal.apply(state, record, settings)
      announce()
      yield* flush
    }),
    cursor: Effect.sync(() => state.cursor),
    rewind: (cursor) =>
      Effect.sync(() => {
        state.cursor = cursor
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
      }),
    subscribe: Effect.acquireRelease(
      Effect.tap(Mailbox.make<RecordingChange>({ capacity: SUBSCRIBER_BUFFER, strategy: "sliding" }), (mailbox) =>
        closed ? mailbox.end : Effect.sync(() => subscribers.add(mailbox))
      ),
      (mailbox) =>
        Effect.zipRight(
          Effect.sync(() => subscribers.delete(mailbox)),
          mailbox.end
        )
    )
  })
})

/** Kept in memory: after a restart it is made anew from what the bus still holds and from what workers report. */
export const layerMemory = (options?: RecordingsOptions): Layer.Layer<Recordings> =>
  // Only a store can fail.
  Layer.scoped(Recordings, Effect.orDie(make(options)))

const retryPolicy = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/**
 * Feeds the index from the HookBus, each record exactly once, from where it was before. When the layer is built, all that
 * was on the bus is in the index. Where the bus was trimmed beyond that, it goes on with the oldest record left; what is
 * missed comes with the workers' reports.
 *
 * @example
 * ```ts
 * const Index = Recordings.pump.pipe(Layer.provideMerge(Recordings.layerMemory({ settings })), Layer.provide(Bus))
 * ```
 */
export const pump: Layer.Layer<never, RecordingsError | HookBusError, Recordings | HookBus> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const bus = yield* HookBus
    const recordings = yield* Recordings
    const latest = yield* bus.latest
    let cursor = yield* recordings.cursor
    // Another log than the one that the index was made from: what it brings is new.
    if (cursor > latest) {
      cursor = 0
      yield* recordings.rewind(cursor)
    }
    while (cursor < latest) {
      const records = yield* bus.read({ after: cursor, limit: 1000 })
      yield* recordings.ingest(records)
      cursor = records[records.length - 1]?.cursor ?? latest
      yield* Effect.yieldNow()
    }
    // After a failure, first what could not be written.
    yield* recordings.ingest([]).pipe(
      Effect.zipRight(recordings.cursor),
      Effect.flatMap((after) =>
        Stream.runForEachChunk(bus.subscribe({ after }), (records) => recordings.ingest([...records]))
      ),
      Effect.tapError((error) => Effect.logWarning("The index of recordings could not be fed, will try again", error)),
      Effect.retry(retryPolicy),
      Effect.forkScoped
    )
  })
)
