/**
 * HookBus: the durable, ordered log of what nodes report and what the manager notices about them.
 *
 * A published event is on disk (SQL layers) when `publish` returns. Every record gets the next cursor: strictly rising,
 * never reused, so that a subscriber can resume after a restart of either side. The log is bounded by count and age.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { HookEvent } from "../mediamtx/HookEvent.js"
import { Feed } from "./internal/hookBusFeed.js"
import { Deliveries, LastEvents, rememberEnded, subjectOf } from "./internal/hookBusSubject.js"
import { RecordWindow } from "./internal/hookBusWindow.js"
import { NodeEvent } from "./NodeEvent.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/** What can be on the bus: MediaMTX's own hooks, and the manager's events about nodes. */
export const BusEvent = Schema.Union(HookEvent, NodeEvent).annotations({ identifier: "BusEvent" })
export type BusEvent = typeof BusEvent.Type

/** Position in the log: a positive integer. 0 is before the first record. */
export const Cursor = Schema.Int.pipe(Schema.nonNegative(), Schema.annotations({ identifier: "Cursor" }))
export type Cursor = typeof Cursor.Type

export const HookRecord = Schema.Struct({
  cursor: Cursor,
  node: NodeId,
  /** When the manager received it. */
  at: Timestamp,
  event: BusEvent
}).annotations({ identifier: "HookRecord" })
export type HookRecord = typeof HookRecord.Type

/**
 * The log could not be read or written; nothing was acknowledged.
 * - `WriteFailed`: the storage refused (disk full, say). The bus goes on: the next event may be recorded again.
 * - `ReadFailed`: the storage could not be read.
 * - `Overloaded`: more events are waiting to be written than the bus holds. Nothing was queued; try again later.
 * - `Closed`: the bus was shut down.
 */
export class HookBusError extends Schema.TaggedError<HookBusError>()("HookBusError", {
  reason: Schema.Literal("WriteFailed", "ReadFailed", "Overloaded", "Closed"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/**
 * What became of a published event.
 * - `cursor`: where it is. For a duplicate, where the first one is.
 * - `duplicate`: the same hook of the same connection, source, reader or segment was the last thing heard of it (a
 *   `Restart` hook that posts again, a repeated delivery), or a relay repeats what it has delivered: nothing new was
 *   recorded.
 */
export interface Published {
  readonly cursor: Cursor
  readonly duplicate: boolean
}

export interface HookBusShape {
  /** Records one event. Its `query`, if any, must already be redacted. Returns when it is durable. */
  readonly publish: (node: NodeId, event: BusEvent) => Effect.Effect<Published, HookBusError>
  /**
   * Records after `after`, oldest first, then live ones without a gap or a repeat. Without `after`: live ones only.
   * When records after `after` were already trimmed away, it goes on with the oldest that is left: compare cursors.
   * A slow subscriber reads from the log, so it never holds up a publisher and never loses a record that is still kept.
   */
  readonly subscribe: (options?: { readonly after?: Cursor }) => Stream.Stream<HookRecord, HookBusError>
  /** Up to `limit` records after `after`, oldest first. */
  readonly read: (options: {
    readonly after: Cursor
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<HookRecord>, HookBusError>
  /** The newest cursor given out; 0 when the log has never held anything. */
  readonly latest: Effect.Effect<Cursor, HookBusError>
}

export class HookBus extends Context.Tag("mtx-manager/HookBus")<HookBus, HookBusShape>() {}

/** How much a HookBus keeps. Older records are trimmed by a schedule. */
export interface HookRetention {
  /** At most this many records (default 200,000). */
  readonly maxRecords?: number
  /** Nothing older than this (default 7 days). */
  readonly maxAge?: Duration.DurationInput
}
export const defaultHookRetention: Required<HookRetention> = { maxRecords: 200_000, maxAge: Duration.days(7) }

/** How often records that are too many or too old are trimmed. */
export const trimInterval: Duration.Duration = Duration.seconds(30)

/**
 * A log in memory, gone with the process: for tests, and for a manager that needs no history. It costs some 300 bytes a
 * record, so think of `maxRecords`; it holds that bound at any moment, and the age by a schedule.
 *
 * @example
 * ```ts
 * const Bus = HookBus.layerMemory({ maxRecords: 10_000, maxAge: "1 day" })
 * ```
 */
export const layerMemory = (retention: HookRetention = {}): Layer.Layer<HookBus> =>
  Layer.scoped(HookBus, makeMemory(retention))

const makeMemory = Effect.fnUntraced(function* (retention: HookRetention) {
  const maxAge = Duration.toMillis(retention.maxAge ?? defaultHookRetention.maxAge)
  const clock = yield* Effect.clock
  const log = new RecordWindow(retention.maxRecords ?? defaultHookRetention.maxRecords)
  const lastEvents = new LastEvents()
  const deliveries = new Deliveries()
  let closed = false

  const feed: Feed = new Feed(0, (after, limit) =>
    Effect.sync(() => {
      const records = log.after(after, limit)
      return { records, next: records[records.length - 1]?.cursor ?? feed.latest }
    })
  )
  yield* Effect.addFinalizer(() => {
    closed = true
    return feed.end(Effect.yieldNow())
  })

  yield* Effect.sync(() => {
    const now = clock.unsafeCurrentTimeMillis()
    log.trimWhile((record) => record.at < now - maxAge)
    lastEvents.forgetEnded(now - rememberEnded)
  }).pipe(Effect.schedule(Schedule.spaced(trimInterval)), Effect.forkScoped)

  const publish = (node: NodeId, event: BusEvent) =>
    Effect.suspend(() => {
      if (closed) return Effect.fail(closedError())
      const at = clock.unsafeCurrentTimeMillis()
      const delivered = deliveries.repeats(node, event)
      if (delivered !== undefined) return Effect.succeed<Published>({ cursor: delivered, duplicate: true })
      const subject = subjectOf(node, event)
      const last = subject === undefined ? undefined : lastEvents.repeats(subject, event.event, at)
      if (last !== undefined) return Effect.succeed<Published>({ cursor: last.cursor, duplicate: true })
      const cursor = feed.latest + 1
      log.push({ cursor, node, at, event })
      if (subject !== undefined) lastEvents.set(subject, event.event, cursor, at)
      deliveries.set(node, event, cursor)
      feed.advance(cursor)
      return Effect.succeed<Published>({ cursor, duplicate: false })
    })

  return HookBus.of({
    publish,
    subscribe: (options) => feed.subscribe(options),
    read: ({ after, limit }) => Effect.sync(() => log.after(after, limit)),
    latest: Effect.sync(() => feed.latest)
  })
})

/** What a publisher is told after the bus was shut down. */
export const closedError = (): HookBusError =>
  new HookBusError({ reason: "Closed", message: "The hook bus was shut down: nothing more is recorded" })
