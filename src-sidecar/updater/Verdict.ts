/** What is said about a config before a node is given it. Plain data: it goes from one process to another. */
import * as Schema from "effect/Schema"

/** A value in the config in force, as the control API has it, that tells the new config from the old one. */
export const Probe = Schema.Struct({
  /** Below the control API's `/v3/config/`: `global/get`, `pathdefaults/get` or `paths/get/NAME`. */
  get: Schema.String,
  /** Undefined: whether the path is there at all. */
  field: Schema.optional(Schema.String),
  was: Schema.Union(Schema.String, Schema.Number, Schema.Boolean),
  now: Schema.Union(Schema.String, Schema.Number, Schema.Boolean)
})
export type Probe = typeof Probe.Type

export const Verdict = Schema.Struct({
  /** Nothing in it is known to end the server. */
  accepted: Schema.Boolean,
  /** Why not, a line each. Never holds a secret. */
  problems: Schema.Array(Schema.String),
  warnings: Schema.Array(Schema.String),
  /** The control API can be reached as before when this config is in force, as far as the config decides that. */
  apiStays: Schema.Boolean,
  /** At most a few; none when no simple value differs. */
  probes: Schema.Array(Probe)
})
export type Verdict = typeof Verdict.Type

export const Question = Schema.Struct({
  text: Schema.String,
  /** The config in place, which this one follows. */
  previous: Schema.optional(Schema.String),
  /** As MediaMTX says it, such as `v1.20.1`. */
  serverVersion: Schema.optional(Schema.String)
})
export type Question = typeof Question.Type
