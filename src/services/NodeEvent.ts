/**
 * What the manager notices about a node, as opposed to what the node's hooks report.
 */
import * as Schema from "effect/Schema"

export const NodeStatus = Schema.Literal("online", "stale", "offline").annotations({
  identifier: "NodeStatus",
  description:
    "online: heard in time. stale: a heartbeat is overdue. offline: overdue for so long that it counts as gone."
})
export type NodeStatus = typeof NodeStatus.Type

export const NodeEvent = Schema.Union(
  /** First contact with this node id. */
  Schema.Struct({ event: Schema.Literal("node_discovered") }),
  /** The status changed. */
  Schema.Struct({
    event: Schema.Literal("node_online", "node_stale", "node_offline"),
    previous: NodeStatus
  }),
  /** The MediaMTX process was started anew: everything that was open on it has ended. */
  Schema.Struct({ event: Schema.Literal("node_restarted") }),
  /** It reported another config hash as applied. */
  Schema.Struct({ event: Schema.Literal("node_config_applied"), hash: Schema.String }),
  /** It reported that it could not apply a config. */
  Schema.Struct({ event: Schema.Literal("node_config_failed"), error: Schema.String }),
  /** An operator removed it from the registry. */
  Schema.Struct({ event: Schema.Literal("node_removed") })
).annotations({ identifier: "NodeEvent" })
export type NodeEvent = typeof NodeEvent.Type
