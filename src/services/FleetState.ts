/**
 * FleetState: one picture of nodes, paths, publishers, readers and connections.
 *
 * Derived idempotently from the HookBus (hooks are unordered hints) and corrected by the path lists that heartbeats
 * carry (the truth). Nodes come from the NodeRegistry.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { Cursor } from "./HookBus.js"
import { NodeId } from "./NodeId.js"
import { NodeRecord, type ReportedPath } from "./NodeRegistry.js"
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

/** A publisher or reader of a path; ids are MediaMTX's session ids, the same that auth requests carry. */
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

export const FleetSnapshot = Schema.Struct({
  /** Every event up to this cursor is in. */
  cursor: Cursor,
  at: Timestamp,
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
  /** The picture now. The same object as long as nothing changed, so that selectors can compare by identity. */
  readonly snapshot: Effect.Effect<FleetSnapshot, FleetStateError>
  /** The picture now and after each change; a slow subscriber skips to the newest. */
  readonly changes: Stream.Stream<FleetSnapshot, FleetStateError>
  /** A heartbeat's path list: opens and closes what hooks missed on that node. */
  readonly reconcile: (node: NodeId, paths: ReadonlyArray<ReportedPath>) => Effect.Effect<void, FleetStateError>
  /** Waits until every event up to `cursor` is in the picture. */
  readonly settled: (cursor: Cursor) => Effect.Effect<void, FleetStateError>
}

export class FleetState extends Context.Tag("mtx-manager/FleetState")<FleetState, FleetStateShape>() {}
