/**
 * HookBus: the durable, ordered log of what nodes report and what the manager notices about them.
 *
 * A published event is on disk (SQL layers) when `publish` returns. Every record gets the next cursor: strictly rising,
 * never reused, so that a subscriber can resume after a restart of either side. The log is bounded by count and age.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { HookEvent } from "../mediamtx/HookEvent.js"
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

/** The log could not be read or written; nothing was acknowledged. */
export class HookBusError extends Schema.TaggedError<HookBusError>()("HookBusError", {
  reason: Schema.Literal("WriteFailed", "ReadFailed", "Overloaded"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/**
 * What became of a published event.
 * - `cursor`: where it is. For a duplicate, where the first one is.
 * - `duplicate`: the same hook of the same connection, source, reader or segment was the last thing heard of it (a
 *   `Restart` hook that posts again, a repeated delivery): nothing new was recorded.
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
