/**
 * What MediaMTX reports by its lifecycle hooks (`runOn*`), as one tagged union on `event`.
 *
 * Hooks are hints: they come unordered, start hooks are killed when their event ends, none is ever retried.
 * An end without its start is normal.
 */
import * as Schema from "effect/Schema"

/** Events that concern a connection, before its path is known. RTSP(S), RTMP(S) and SRT only. */
const connection = {
  /** MediaMTX's name for the kind of connection: `rtspConn`, `rtmpConn`, `srtConn`, ... */
  type: Schema.String,
  id: Schema.String
}
const path = { path: Schema.String }

/**
 * What a relay beside the node adds, which keeps reports while the manager can't be reached. Both are absent where nothing
 * lies between the node and the manager.
 */
const relayed = {
  /** When the relay heard of it, by the node's clock: ISO 8601 in UTC. The record's own time is when the manager did. */
  occurredAt: Schema.optionalWith(
    Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/)),
    { exact: true }
  ),
  /**
   * `RUN.NUMBER`: which delivery of the node this is. Within a run, numbers rise from one report to the next, so that a
   * delivery which is repeated because its answer was lost is known again.
   */
  delivery: Schema.optionalWith(Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{8,64}\.[1-9]\d{0,14}$/)), {
    exact: true
  })
}
/** The raw query string of the client's URL. May hold credentials: see `redactQuery`. */
const query = { query: Schema.String }
const party = { type: Schema.String, id: Schema.String }

export const ConnectEvent = Schema.Struct({ event: Schema.Literal("connect", "disconnect"), ...connection, ...relayed })
export const InitEvent = Schema.Struct({ event: Schema.Literal("init"), ...path, ...relayed })
export const DemandEvent = Schema.Struct({ event: Schema.Literal("demand", "undemand"), ...path, ...query, ...relayed })
/** `type` and `id` are those of the source: the publisher's session, or the static source. */
export const SourceEvent = Schema.Struct({
  event: Schema.Literal("available", "unavailable", "online", "offline"),
  ...path,
  ...query,
  ...party,
  ...relayed
})
/** `type` and `id` are those of the reader's session. */
export const ReadEvent = Schema.Struct({
  event: Schema.Literal("read", "unread"),
  ...path,
  ...query,
  ...party,
  ...relayed
})
export const SegmentCreateEvent = Schema.Struct({
  event: Schema.Literal("record_segment_create"),
  ...path,
  /** Absolute path of the file on the node. */
  segmentPath: Schema.String,
  ...relayed
})
export const SegmentCompleteEvent = Schema.Struct({
  event: Schema.Literal("record_segment_complete"),
  ...path,
  segmentPath: Schema.String,
  /** Seconds. */
  segmentDuration: Schema.Number.pipe(Schema.finite(), Schema.nonNegative()),
  ...relayed
})

export const HookEvent = Schema.Union(
  ConnectEvent,
  InitEvent,
  DemandEvent,
  SourceEvent,
  ReadEvent,
  SegmentCreateEvent,
  SegmentCompleteEvent
).annotations({ identifier: "HookEvent" })
export type HookEvent = typeof HookEvent.Type
export type HookEventName = HookEvent["event"]

/** Every event name, in the order of MediaMTX's documentation. */
export const hookEventNames = [
  "connect",
  "disconnect",
  "init",
  "demand",
  "undemand",
  "available",
  "unavailable",
  "online",
  "offline",
  "read",
  "unread",
  "record_segment_create",
  "record_segment_complete"
] as const satisfies ReadonlyArray<HookEventName>

/** `global` for connect and disconnect, which know no path yet; `path` for all others. */
export type HookScope = "global" | "path"
export const hookScope = (event: HookEventName): HookScope =>
  event === "connect" || event === "disconnect" ? "global" : "path"
