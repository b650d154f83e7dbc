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
/** The raw query string of the client's URL. May hold credentials: see `redactQuery`. */
const query = { query: Schema.String }
const party = { type: Schema.String, id: Schema.String }

export const ConnectEvent = Schema.Struct({ event: Schema.Literal("connect", "disconnect"), ...connection })
export const InitEvent = Schema.Struct({ event: Schema.Literal("init"), ...path })
export const DemandEvent = Schema.Struct({ event: Schema.Literal("demand", "undemand"), ...path, ...query })
/** `type` and `id` are those of the source: the publisher's session, or the static source. */
export const SourceEvent = Schema.Struct({
  event: Schema.Literal("available", "unavailable", "online", "offline"),
  ...path,
  ...query,
  ...party
})
/** `type` and `id` are those of the reader's session. */
export const ReadEvent = Schema.Struct({ event: Schema.Literal("read", "unread"), ...path, ...query, ...party })
export const SegmentCreateEvent = Schema.Struct({
  event: Schema.Literal("record_segment_create"),
  ...path,
  /** Absolute path of the file on the node. */
  segmentPath: Schema.String
})
export const SegmentCompleteEvent = Schema.Struct({
  event: Schema.Literal("record_segment_complete"),
  ...path,
  segmentPath: Schema.String,
  /** Seconds. */
  segmentDuration: Schema.Number.pipe(Schema.finite(), Schema.nonNegative())
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
