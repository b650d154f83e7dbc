/** The configuration of a whole fleet, and the error for what can't become one. */
import * as Schema from "effect/Schema"
import type { ConfigIssue, InvalidConfig } from "../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import type { ConfigOverlay } from "./FleetDocument.js"
import type { NodeId } from "./NodeId.js"
import type { LabelRules } from "./NodeLabels.js"

/** A validated configuration of the whole fleet. */
export interface FleetConfig {
  /** Rises with every accepted change. */
  readonly revision: number
  /** What every node gets. */
  readonly base: MediaMTXConfig
  /** Labels of nodes, see `NodeLabels.labelsOf`. Absent: none but each node's id. */
  readonly labels?: LabelRules | undefined
  /** What goes over the base of the nodes that each selects, in this order and below `nodes`. Absent: nothing. */
  readonly overlays?: ReadonlyArray<ConfigOverlay> | undefined
  /**
   * What single nodes get on top: fields replace those of the base, `pathDefaults` and each of `paths` merge field by
   * field, lists are replaced whole.
   */
  readonly nodes: ReadonlyMap<NodeId, MediaMTXConfig>
  /**
   * Nodes that have an overlay of which no version is valid with the base. They are not given the base alone: it may lack
   * what the overlay was to forbid. Absent: none.
   */
  readonly refused?: ReadonlyMap<NodeId, ConfigSourceError | InvalidConfig> | undefined
  readonly warnings: ReadonlyArray<ConfigIssue>
}

/** The source could not be read, or its first content does not validate, so that there is nothing to serve. */
export class ConfigSourceError extends Schema.TaggedError<ConfigSourceError>()("ConfigSourceError", {
  /** File or other origin. */
  origin: Schema.String,
  /** Compiler-style text: file:line:col, what is wrong, what would be right. */
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}
