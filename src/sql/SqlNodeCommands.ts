/**
 * NodeCommands on a SQL database: a command that was given survives a restart of the manager. Answers come from memory, so
 * this process must be the only writer of the table, or all writers must have a `Sharing`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeCommands from "../services/NodeCommands.js"
import { NodeId } from "../services/NodeId.js"
import { Sharing } from "./Sharing.js"
import * as SqlBatch from "./SqlBatch.js"

const Row = Schema.Struct({
  id: Schema.String,
  node: NodeId,
  command: Schema.parseJson(NodeCommands.NodeCommand),
  reason: Schema.String,
  state: NodeCommands.CommandState,
  created_at: SqlBatch.Integer,
  expires_at: SqlBatch.Integer,
  ended_at: Schema.NullOr(SqlBatch.Integer),
  message: Schema.NullOr(Schema.String)
})
const decodeRow = Schema.decodeUnknownOption(Row)

const fromRow = (row: typeof Row.Type): NodeCommands.CommandRecord => ({
  id: row.id,
  node: row.node,
  command: row.command,
  reason: row.reason,
  state: row.state,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  endedAt: row.ended_at,
  message: row.message
})

const columns: SqlBatch.Columns = [
  ["id", "text"],
  ["node", "text"],
  ["command", "text"],
  ["reason", "text"],
  ["state", "text"],
  ["created_at", "bigint"],
  ["expires_at", "bigint"],
  ["ended_at", "bigint"],
  ["message", "text"]
]

const storage = (message: string) => (cause: unknown) =>
  new NodeCommands.NodeCommandsError({ reason: "Storage", message, cause })

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const batch = SqlBatch.make(sql, "node_commands", columns, yield* Effect.serviceOption(Sharing))
  const { shared } = batch
  const unwritten = storage("A command could not be written (is the disk full, or the database locked?)")
  const read = (rows: typeof batch.all) =>
    rows.pipe(
      Effect.mapError(storage("The commands to nodes could not be read from the database")),
      // A kind of command that this version does not know was given by a newer one: it expires there.
      Effect.map((rows) =>
        rows.flatMap((row) => decodeRow(row).pipe((found) => (found._tag === "Some" ? [fromRow(found.value)] : [])))
      )
    )
  const store: NodeCommands.CommandStore = {
    shared:
      shared === undefined
        ? undefined
        : {
            alone: (turn) => Effect.catchTag(shared.alone(turn), "SqlError", unwritten),
            news: read(shared.news),
            changes: shared.changes
          },
    load: read(batch.all),
    write: (upsert, remove) =>
      Effect.mapError(
        batch.write(
          upsert.map((record) => [
            record.id,
            record.node,
            JSON.stringify(record.command),
            record.reason,
            record.state,
            record.createdAt,
            record.expiresAt,
            record.endedAt,
            record.message
          ]),
          remove
        ),
        unwritten
      )
  }
  return store
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: NodeCommands.NodeCommandsOptions = {}) =>
  Effect.flatMap(makeStore, (store) => NodeCommands.make({ ...options, store }))

/**
 * @example
 * ```ts
 * const Commands = SqlNodeCommands.layer().pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer = (
  options?: NodeCommands.NodeCommandsOptions
): Layer.Layer<NodeCommands.NodeCommands, NodeCommands.NodeCommandsError, SqlClient.SqlClient> =>
  Layer.scoped(NodeCommands.NodeCommands, make(options))
