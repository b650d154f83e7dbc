/** What the manager may want of a node's updater, and what the updater says to it, as they go over the wire. */
import * as Schema from "effect/Schema"
import { SessionKind } from "../mediamtx/SessionKind.js"

const refresh = { type: Schema.Literal("refresh") }
const kick = {
  type: Schema.Literal("kick"),
  session: SessionKind,
  /** The session's id, as MediaMTX has it. */
  id: Schema.NonEmptyString.pipe(Schema.maxLength(200))
}

/** Something that an updater can do. `refresh`: poll for the config now. `kick`: end a session. */
export const NodeCommand = Schema.Union(Schema.Struct(refresh), Schema.Struct(kick)).annotations({
  identifier: "NodeCommand"
})
export type NodeCommand = typeof NodeCommand.Type

const command = {
  /** Id of the command, by which the updater confirms it. */
  command: Schema.String
}

/** A command as it goes out with the answer to a heartbeat. Updaters skip what they don't know. */
export const DeliveredCommand = Schema.Union(
  Schema.Struct({ ...refresh, ...command }),
  Schema.Struct({ ...kick, ...command })
).annotations({ identifier: "DeliveredCommand" })
export type DeliveredCommand = typeof DeliveredCommand.Type

/** What an updater says of a command that it was given. */
export const CommandResult = Schema.Struct({
  command: Schema.String.pipe(Schema.maxLength(100)),
  /** `done`; `gone`: there was nothing to do (any more), as for a session that is over; `failed`: `message` says why. */
  outcome: Schema.Literal("done", "gone", "failed"),
  message: Schema.optional(Schema.String)
}).annotations({ identifier: "CommandResult" })
export type CommandResult = typeof CommandResult.Type
