/** What a manager may ask for in its answer to a heartbeat. */
import * as Schema from "effect/Schema"
import { NodeCommand } from "../../src/services/NodeCommand.js"

/** Older managers give no ids, and want no confirmation. */
export const Command = Schema.extend(NodeCommand, Schema.Struct({ command: Schema.optional(Schema.String) }))
export type Command = typeof Command.Type

/** None for what this updater does not know: a newer manager's. */
export const readCommand = Schema.decodeUnknownOption(Command)
