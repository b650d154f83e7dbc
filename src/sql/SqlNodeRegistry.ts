/**
 * NodeRegistry on a SQL database: nodes, their status and what they reported survive a restart of the manager.
 *
 * Answers come from memory, as in the memory layer, so this process must be the only writer of the table, or all writers
 * must have a `Sharing`. New nodes, changes and removals are written at once, those of one moment in one commit; the time of
 * the last call is written behind.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeStatus } from "../services/NodeEvent.js"
import { NodeId } from "../services/NodeId.js"
import * as NodeRegistry from "../services/NodeRegistry.js"
import { Sharing } from "./Sharing.js"
import { type Columns, toJson, upsertInto } from "./SqlBatch.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))
const Text = Schema.NullOr(Schema.String)

const Row = Schema.Struct({
  id: NodeId,
  status: NodeStatus,
  status_since: Integer,
  first_seen: Integer,
  last_seen: Integer,
  last_seen_by: NodeRegistry.SignOfLife,
  due_at: Schema.NullOr(Integer),
  address: Text,
  instance: Text,
  mediamtx_version: Text,
  started_at: Schema.NullOr(Integer),
  applied_hash: Text,
  error: Text,
  disk_free: Schema.NullOr(Schema.Number),
  disk_total: Schema.NullOr(Schema.Number),
  promised_interval: Schema.NullOr(Integer),
  reported_at: Schema.NullOr(Integer),
  server_down: Integer
})
const decodeSeq = Schema.decodeUnknown(Schema.Array(Schema.Struct({ seq: Integer })))
const isRemoval = Schema.is(Schema.Struct({ gone: Schema.Literal(1), id: NodeId }))
const decodeRow = Schema.decodeUnknownEither(Row)

const fromRow = (row: typeof Row.Type): NodeRegistry.StoredNode => ({
  record: {
    id: row.id,
    status: row.status,
    statusSince: row.status_since,
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
    lastSeenBy: row.last_seen_by,
    dueAt: row.due_at,
    address: row.address,
    instance: row.instance,
    mediamtxVersion: row.mediamtx_version,
    startedAt: row.started_at,
    appliedHash: row.applied_hash,
    error: row.error,
    disk: row.disk_free === null || row.disk_total === null ? null : { free: row.disk_free, total: row.disk_total }
  },
  interval: row.promised_interval,
  reportedAt: row.reported_at,
  serverDown: row.server_down !== 0
})

/** In the order of `columns`. */
const toValues = ({
  interval,
  record,
  reportedAt,
  serverDown
}: NodeRegistry.StoredNode): ReadonlyArray<string | number | null> => [
  record.id,
  record.status,
  record.statusSince,
  record.firstSeen,
  record.lastSeen,
  record.lastSeenBy,
  record.dueAt,
  record.address,
  record.instance,
  record.mediamtxVersion,
  record.startedAt,
  record.appliedHash,
  record.error,
  record.disk?.free ?? null,
  record.disk?.total ?? null,
  interval,
  reportedAt,
  serverDown ? 1 : 0
]

const columns: Columns = [
  ["id", "text"],
  ["status", "text"],
  ["status_since", "bigint"],
  ["first_seen", "bigint"],
  ["last_seen", "bigint"],
  ["last_seen_by", "text"],
  ["due_at", "bigint"],
  ["address", "text"],
  ["instance", "text"],
  ["mediamtx_version", "text"],
  ["started_at", "bigint"],
  ["applied_hash", "text"],
  ["error", "text"],
  ["disk_free", "double precision"],
  ["disk_total", "double precision"],
  ["promised_interval", "bigint"],
  ["reported_at", "bigint"],
  ["server_down", "integer"]
]

const storageError = (message: string) => (cause: unknown) =>
  new NodeRegistry.NodeRegistryError({ reason: "Storage", message, cause })

/** The name under which managers take turns. */
const NAME = "nodes"

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)

  const names = sql.literal(columns.map(([name]) => name).join(", "))
  const upsertRows = upsertInto(sql, "nodes", columns)
  const deleteRows = sql.onDialectOrElse({
    pg: () => (batch: string) =>
      sql`WITH gone AS (DELETE FROM nodes WHERE id IN (SELECT value FROM json_array_elements_text(${batch}::json))),
      heard AS (DELETE FROM removed_nodes WHERE removed_at < now() - interval '7 days')
      INSERT INTO removed_nodes (id) SELECT value FROM json_array_elements_text(${batch}::json)
      ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, removed_at = excluded.removed_at`,
    orElse: () => (batch: string) => sql`DELETE FROM nodes WHERE id IN (SELECT value FROM json_each(${batch}))`
  })

  /** Numbers are given out in turns, so nothing below the highest that we have seen is still to come. */
  let seen = 0
  const news = (since: Effect.Effect<number>) =>
    Effect.flatMap(
      since,
      (since) =>
        sql`
        SELECT 0 AS gone, seq, ${names} FROM nodes WHERE seq > ${since}
        UNION ALL
        SELECT 1, seq, id, ${sql.literal(
          columns
            .slice(1)
            .map(() => "NULL")
            .join(", ")
        )}
        FROM removed_nodes WHERE seq > ${since}
        ORDER BY seq`.withoutTransform
    ).pipe(
      Effect.tap((rows) =>
        Effect.map(decodeSeq(rows.slice(-1)), ([last]) => {
          if (last !== undefined) seen = last.seq
        })
      ),
      Effect.map((rows) =>
        rows.flatMap(
          (row): ReadonlyArray<{ readonly id: NodeId; readonly node: NodeRegistry.StoredNode | undefined }> => {
            if (isRemoval(row)) return [{ id: row.id, node: undefined }]
            const decoded = decodeRow(row)
            return Either.isRight(decoded) ? [{ id: decoded.right.id, node: fromRow(decoded.right) }] : []
          }
        )
      ),
      Effect.mapError(storageError("The nodes could not be read from the database")),
      Effect.withTracerEnabled(false)
    )
  const announce = Option.match(sharing, { onNone: () => Effect.void, onSome: ({ announce }) => announce(NAME) })

  const store: NodeRegistry.NodeStore = {
    ...Option.match(sharing, {
      onNone: () => ({}),
      onSome: ({ alone, changes }) => ({
        shared: {
          alone: <A>(turn: Effect.Effect<A, NodeRegistry.NodeRegistryError>) =>
            Effect.withTracerEnabled(
              Effect.catchTag(alone(NAME, turn), "SqlError", storageError("The nodes could not be written")),
              false
            ),
          news: news(Effect.sync(() => seen)),
          changes: changes(NAME)
        }
      })
    }),
    load: sql`SELECT ${names} FROM nodes`.withoutTransform.pipe(
      Effect.mapError(storageError("The nodes could not be read from the database")),
      Effect.flatMap((rows) => {
        const [bad, good] = partition(rows)
        return bad.length === 0
          ? Effect.succeed(good)
          : Effect.as(Effect.logWarning(`Skipped ${bad.length} rows of nodes that do not decode`, bad[0]), good)
      })
    ),
    write: (upsert, remove) => {
      const write = upsert.length === 0 ? Effect.void : upsertRows(toJson(upsert.map(toValues))).withoutTransform
      const both =
        remove.length === 0
          ? write
          : upsert.length === 0
            ? deleteRows(toJson(remove)).withoutTransform
            : sql.withTransaction(Effect.zipRight(deleteRows(toJson(remove)).withoutTransform, write))
      return Effect.asVoid(
        Effect.mapError(
          upsert.length + remove.length === 0 ? Effect.void : Effect.zipLeft(both, announce),
          storageError("The nodes could not be written (is the disk full, or the database locked?)")
        )
      )
    }
  }
  return store
})

const partition = (rows: ReadonlyArray<unknown>) => {
  const bad: Array<string> = []
  const good: Array<NodeRegistry.StoredNode> = []
  for (const row of rows) {
    const decoded = decodeRow(row)
    if (Either.isRight(decoded)) good.push(fromRow(decoded.right))
    else bad.push(decoded.left.message)
  }
  return [bad, good] as const
}

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: NodeRegistry.NodeRegistryOptions = {}) =>
  Effect.flatMap(makeStore, (store) => NodeRegistry.make({ ...options, store }))

/**
 * @example
 * ```ts
 * const Nodes = SqlNodeRegistry.layer().pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer = (
  options?: NodeRegistry.NodeRegistryOptions
): Layer.Layer<NodeRegistry.NodeRegistry, NodeRegistry.NodeRegistryError, SqlClient.SqlClient> =>
  Layer.scoped(NodeRegistry.NodeRegistry, make(options))
