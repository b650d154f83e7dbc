/**
 * NodeRegistry: who is alive, what they run, what they report.
 *
 * A node only ever calls out. Each call (config fetch, hook, auth, heartbeat) is a sign of life; a heartbeat or a config
 * poll also says when the next one is due. Silence is not death until a promised sign is overdue: a node without
 * clients, and without a refresh loop or updater, rightly says nothing for days.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
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
  /** Why the last config could not be applied. */
  error: Schema.optional(Schema.String),
  /** Absent: not known. An empty list: no path exists. */
  paths: Schema.optional(Schema.Array(ReportedPath)),
  disk: Schema.optional(DiskUsage),
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
}

/** When silence counts: one policy for the whole fleet. */
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

export class NodeRegistryError extends Schema.TaggedError<NodeRegistryError>()("NodeRegistryError", {
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
}

export interface NodeRegistryShape {
  /** Notes a sign of life. Cheap: called by every hot route. A node never heard of before is added. */
  readonly observe: (node: NodeId, observation: Observation) => Effect.Effect<void, NodeRegistryError>
  /** Notes an updater's report; implies `observe`. */
  readonly heartbeat: (
    node: NodeId,
    heartbeat: Heartbeat,
    from?: { readonly address?: string | undefined }
  ) => Effect.Effect<NodeRecord, NodeRegistryError>
  readonly get: (node: NodeId) => Effect.Effect<Option.Option<NodeRecord>, NodeRegistryError>
  /** All nodes, by id. */
  readonly list: Effect.Effect<ReadonlyArray<NodeRecord>, NodeRegistryError>
  /** Forgets a node. It comes back as new with its next call. */
  readonly remove: (node: NodeId) => Effect.Effect<void, NodeNotFound | NodeRegistryError>
  /** Changes from now on, in order; each subscriber has its own buffer and never holds up the registry. */
  readonly changes: Stream.Stream<NodeChange>
}

export class NodeRegistry extends Context.Tag("mtx-manager/NodeRegistry")<NodeRegistry, NodeRegistryShape>() {}
