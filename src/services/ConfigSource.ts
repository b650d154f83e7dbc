/**
 * ConfigSource: where the fleet's configuration comes from. Every snapshot it gives has been validated; an edit that
 * does not validate keeps the last good snapshot in force and shows up as `rejected`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { ConfigIssue, InvalidConfig } from "../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import type { NodeId } from "./NodeId.js"

/** A validated configuration of the whole fleet. */
export interface FleetConfig {
  /** Rises with every accepted change. */
  readonly revision: number
  /** What every node gets. */
  readonly base: MediaMTXConfig
  /** What single nodes get on top: fields replace those of the base, `paths` and `pathDefaults` merge by key. */
  readonly nodes: ReadonlyMap<NodeId, MediaMTXConfig>
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

export interface ConfigSourceShape {
  readonly current: Effect.Effect<FleetConfig>
  /** Each accepted change, from now on. */
  readonly changes: Stream.Stream<FleetConfig>
  /** The edit that was refused last, while it stands: the config in force is an older one. */
  readonly rejected: Effect.Effect<ConfigSourceError | InvalidConfig | undefined>
}

export class ConfigSource extends Context.Tag("mtx-manager/ConfigSource")<ConfigSource, ConfigSourceShape>() {}
