/**
 * NodeConfigs on a SQL database: where each node stands with its config survives a restart of the manager. Answers come from
 * memory, so this process must be the only writer of the table. It is written behind: a crash loses the last second, which
 * the nodes' next reports bring again.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { HookBus } from "../services/HookBus.js"
import * as NodeConfigs from "../services/NodeConfigs.js"
import { NodeId } from "../services/NodeId.js"
import { Sharing } from "./Sharing.js"
import * as SqlBatch from "./SqlBatch.js"

const Text = Schema.NullOr(Schema.String)
const Row = Schema.Struct({
  node: NodeId,
  status: NodeConfigs.ConfigStatus,
  since: SqlBatch.Integer,
  wanted: Text,
  wanted_since: Schema.NullOr(SqlBatch.Integer),
  applied: Text,
  applied_since_wanted: SqlBatch.Integer,
  error: Text,
  error_before: Text
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

const fromRow = (row: typeof Row.Type): NodeConfigs.StoredConfig => ({
  node: row.node,
  status: row.status,
  since: row.since,
  wanted: row.wanted,
  wantedSince: row.wanted_since,
  applied: row.applied,
  appliedSinceWanted: row.applied_since_wanted !== 0,
  error: row.error,
  errorBefore: row.error_before
})

const columns: SqlBatch.Columns = [
  ["node", "text"],
  ["status", "text"],
  ["since", "bigint"],
  ["wanted", "text"],
  ["wanted_since", "bigint"],
  ["applied", "text"],
  ["applied_since_wanted", "integer"],
  ["error", "text"],
  ["error_before", "text"]
]

const failed = (message: string) => (cause: unknown) => new NodeConfigs.NodeConfigsError({ message, cause })

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const batch = SqlBatch.make(sql, "node_configs", columns, yield* Effect.serviceOption(Sharing))
  const read = (rows: typeof batch.all) =>
    rows.pipe(
      Effect.flatMap(decodeRows),
      Effect.mapBoth({
        onFailure: failed("The configs of nodes could not be read from the database"),
        onSuccess: (rows) => rows.map(fromRow)
      })
    )
  const store: NodeConfigs.NodeConfigStore = {
    shared: batch.shared === undefined ? undefined : { news: read(batch.shared.news), changes: batch.shared.changes },
    load: read(batch.all),
    write: (upsert, remove) =>
      Effect.mapError(
        batch.write(
          upsert.map((stored) => [
            stored.node,
            stored.status,
            stored.since,
            stored.wanted,
            stored.wantedSince,
            stored.applied,
            stored.appliedSinceWanted ? 1 : 0,
            stored.error,
            stored.errorBefore
          ]),
          remove
        ),
        failed("The configs of nodes could not be written (is the disk full, or the database locked?)")
      )
  }
  return store
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: NodeConfigs.NodeConfigsOptions = {}) =>
  Effect.flatMap(makeStore, (store) => NodeConfigs.make({ ...options, store }))

export const layer = (
  options?: NodeConfigs.NodeConfigsOptions
): Layer.Layer<NodeConfigs.NodeConfigs, NodeConfigs.NodeConfigsError, SqlClient.SqlClient | HookBus> =>
  Layer.scoped(NodeConfigs.NodeConfigs, make(options))
