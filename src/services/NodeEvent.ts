/**
 * What the manager notices about a node, as opposed to what the node's hooks report.
 */
import * as Schema from "effect/Schema"
import { Timestamp } from "./Timestamp.js"

export const NodeStatus = Schema.Literal("online", "stale", "offline").annotations({
  identifier: "NodeStatus",
  description:
    "online: heard in time. stale: a heartbeat is overdue. offline: overdue for so long that it counts as gone."
})
export type NodeStatus = typeof NodeStatus.Type

export const ConfigStatus = Schema.Literal("applied", "wanted", "failed", "drifted", "unknown").annotations({
  identifier: "ConfigStatus",
  description:
    "applied: the node runs the config that it should. wanted: it has yet to take it. failed: it could not apply it. drifted: it runs another one, and nothing says why. unknown: it has not said what it runs."
})
export type ConfigStatus = typeof ConfigStatus.Type

/**
 * When it came about, as the registry knows it; the record that carries the event says when it was written to the log,
 * which may be later. What the node opened before this time has ended; what it opened after it has not.
 */
const since = { since: Schema.optional(Timestamp) }

export const NodeEvent = Schema.Union(
  /** First contact with this node id. */
  Schema.Struct({ event: Schema.Literal("node_discovered") }),
  /** The status changed. */
  Schema.Struct({
    event: Schema.Literal("node_online", "node_stale", "node_offline"),
    previous: NodeStatus,
    ...since
  }),
  /** The MediaMTX process was started anew: everything that was open on it has ended. */
  Schema.Struct({ event: Schema.Literal("node_restarted"), ...since }),
  /** It reported another config hash as applied. */
  Schema.Struct({ event: Schema.Literal("node_config_applied"), hash: Schema.String }),
  /** It reported that it could not apply a config. */
  Schema.Struct({ event: Schema.Literal("node_config_failed"), error: Schema.String }),
  /** Where it stands with its config changed. Hashes are null when they are not known. */
  Schema.Struct({
    event: Schema.Literal("node_config"),
    status: ConfigStatus,
    previous: ConfigStatus,
    wanted: Schema.NullOr(Schema.String),
    applied: Schema.NullOr(Schema.String),
    /** What the node said. */
    error: Schema.optional(Schema.String)
  }),
  /** An operator removed it from the registry. */
  Schema.Struct({ event: Schema.Literal("node_removed"), ...since })
).annotations({ identifier: "NodeEvent" })
export type NodeEvent = typeof NodeEvent.Type
