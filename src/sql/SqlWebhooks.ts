/**
 * WebhookStore on a SQL database. The secrets stand in it in plain text: the file of the embedded database is readable by its
 * owner only (mode 0600, see SqliteNode), and a backup of it deserves the same care.
 *
 * On PostgreSQL, with a `Sharing`, a manager claims webhooks for a while, by the database's clock, and what it writes counts
 * only while they are its own.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../services/NodeId.js"
import {
  type NewDelivery,
  type Settlement,
  type StoredWebhook,
  type WebhookConfig,
  WebhookStore,
  type WebhookStoreShape
} from "../services/WebhookStore.js"
import { type WebhookDelivery, WebhookId, WebhookSettings, WebhooksError } from "../services/Webhooks.js"
import { Sharing } from "./Sharing.js"
import { Integer, toJson } from "./SqlBatch.js"

/** The name under which managers take turns and hear of changes. */
const NAME = "webhooks"

const Secrets = Schema.parseJson(
  Schema.Array(Schema.Struct({ secret: Schema.Redacted(Schema.String), until: Schema.NullOr(Schema.Int) }))
)
const Settings = Schema.parseJson(WebhookSettings)
const encodeSettings = Schema.encodeSync(Settings)
const encodeSecrets = Schema.encodeSync(Secrets)

const nullable = Schema.NullOr(Integer)

const WebhookRow = Schema.Struct({
  settings: Settings,
  secrets: Secrets,
  skip: Integer,
  cursor: Integer,
  missed: Integer,
  version: Integer
})
const decodeWebhooks = Schema.decodeUnknown(Schema.Array(WebhookRow))

const CountRow = Schema.Struct({
  webhook: WebhookId,
  state: Schema.String,
  number: Integer,
  first: nullable,
  last: nullable
})
const decodeCounts = Schema.decodeUnknown(Schema.Array(CountRow))

const shown = {
  id: Schema.String,
  cursor: Integer,
  type: Schema.String,
  node: NodeId,
  path: Schema.NullOr(Schema.String),
  state: Schema.Literal("pending", "delivered", "dead"),
  created_at: Integer,
  deadline: Integer,
  attempts: Integer,
  next_attempt: nullable,
  last_attempt: nullable,
  ended_at: nullable,
  status: nullable,
  error: Schema.NullOr(Schema.String)
}
const columns = Object.keys(shown).join(", ")
const DeliveryRow = Schema.Struct(shown)
const decodeDeliveries = Schema.decodeUnknown(Schema.Array(DeliveryRow))
const StoredRow = Schema.Struct({ ...shown, stream: Schema.String, body: Schema.String })
const decodeStored = Schema.decodeUnknown(Schema.Array(StoredRow))
const PendingRow = Schema.Struct({
  cursor: Integer,
  stream: Schema.String,
  created_at: Integer,
  attempts: Integer,
  next_attempt: nullable
})
const decodePending = Schema.decodeUnknown(Schema.Array(PendingRow))

const delivery = (row: typeof DeliveryRow.Type): WebhookDelivery => ({
  id: row.id,
  cursor: row.cursor,
  type: row.type,
  node: row.node,
  path: row.path,
  state: row.state,
  createdAt: row.created_at,
  deadline: row.deadline,
  attempts: row.attempts,
  nextAttempt: row.next_attempt,
  lastAttempt: row.last_attempt,
  endedAt: row.ended_at,
  status: row.status,
  error: row.error
})

/** The driver's error could quote the statement's parameters, and a parse error the row, secrets among them. */
const unreadable = () =>
  new WebhooksError({ reason: "Storage", message: "The webhooks could not be read from the database" })
const unwritten = (cause: { readonly message: string }) =>
  new WebhooksError({
    reason: "Storage",
    message: "The webhooks could not be written (is the disk full, or the database locked?)",
    cause: new Error(cause.message)
  })
const failed = (error: SqlError | WebhooksError): WebhooksError =>
  error._tag === "WebhooksError" ? error : unwritten(error)

/** In the order of the columns of the insert. */
const values = (webhook: WebhookId, row: NewDelivery) => [
  webhook,
  row.cursor,
  row.id,
  row.stream,
  row.type,
  row.node,
  row.path,
  row.body,
  row.at,
  row.createdAt,
  row.deadline
]

const settlement = (row: Settlement) => [
  row.cursor,
  row.state,
  row.attempts,
  row.nextAttempt,
  row.lastAttempt,
  row.endedAt,
  row.status,
  row.error
]

export const make: Effect.Effect<WebhookStoreShape, never, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = Option.getOrUndefined(yield* Effect.serviceOption(Sharing))
  /** This manager, since its start. */
  const owner = yield* Effect.sync(() => crypto.randomUUID())

  /** Several statements, all or nothing; what they read is what they write on. */
  const together = <A, E>(body: Effect.Effect<A, E | SqlError>): Effect.Effect<A, E | SqlError> =>
    Effect.withTracerEnabled(sharing === undefined ? sql.withTransaction(body) : sharing.alone(NAME, body), false)
  const announce = sharing === undefined ? Effect.void : sharing.announce(NAME)
  /** The rows of this manager's webhook: nothing, when it is not. */
  const own = (id: WebhookId) =>
    sql`EXISTS (SELECT 1 FROM webhooks AS own WHERE own.id = ${id} AND own.lease_owner = ${owner})`

  const webhooks = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    rows.pipe(
      Effect.mapError(unreadable),
      Effect.flatMap((found) => Effect.mapError(decodeWebhooks(found), unreadable)),
      Effect.map(
        (found): ReadonlyArray<StoredWebhook> => [...found].sort((a, b) => (a.settings.id < b.settings.id ? -1 : 1))
      ),
      Effect.withTracerEnabled(false)
    )
  const read = (id?: WebhookId) =>
    webhooks(
      sql`SELECT settings, secrets, skip, cursor, missed, version FROM webhooks
        ${id === undefined ? sql`` : sql`WHERE id = ${id}`}`.withoutTransform
    )

  const insertAll = sql.onDialectOrElse({
    pg: () => (rows: string) =>
      sql`INSERT INTO webhook_deliveries
        (webhook, cursor, id, stream, type, node, path, body, at, created_at, deadline, state, attempts, next_attempt)
        SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
          value ->> 7, (value ->> 8)::bigint, (value ->> 9)::bigint, (value ->> 10)::bigint, 'pending', 0,
          (value ->> 9)::bigint
        FROM json_array_elements(${rows}::json) ON CONFLICT (webhook, cursor) DO NOTHING`,
    // Without a WHERE, SQLite would read ON CONFLICT as the ON of a join.
    orElse: () => (rows: string) =>
      sql`INSERT INTO webhook_deliveries
        (webhook, cursor, id, stream, type, node, path, body, at, created_at, deadline, state, attempts, next_attempt)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
          value ->> 8, value ->> 9, value ->> 10, 'pending', 0, value ->> 9
        FROM json_each(${rows}) WHERE TRUE ON CONFLICT (webhook, cursor) DO NOTHING`
  })
  const settleAll = sql.onDialectOrElse({
    pg: () => (id: WebhookId, rows: string) =>
      sql`UPDATE webhook_deliveries SET state = value ->> 1, attempts = (value ->> 2)::int,
          next_attempt = (value ->> 3)::bigint, last_attempt = (value ->> 4)::bigint, ended_at = (value ->> 5)::bigint,
          status = (value ->> 6)::int, error = value ->> 7
        FROM json_array_elements(${rows}::json)
        WHERE webhook = ${id} AND cursor = (value ->> 0)::bigint AND state = 'pending' AND ${own(id)}`,
    orElse: () => (id: WebhookId, rows: string) =>
      sql`UPDATE webhook_deliveries SET state = value ->> 1, attempts = value ->> 2, next_attempt = value ->> 3,
          last_attempt = value ->> 4, ended_at = value ->> 5, status = value ->> 6, error = value ->> 7
        FROM json_each(${rows})
        WHERE webhook = ${id} AND cursor = value ->> 0 AND state = 'pending' AND ${own(id)}`
  })
  const claimAll = sql.onDialectOrElse({
    pg: () => (millis: number) => {
      const now = sql`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`
      return sharing === undefined
        ? sql`UPDATE webhooks SET lease_owner = ${owner}`
        : sql`UPDATE webhooks SET lease_owner = ${owner}, lease_until = ${now} + ${Math.ceil(millis)}::bigint
            WHERE lease_owner IS NULL OR lease_owner = ${owner} OR lease_until < ${now}`
    },
    // The only user of its database.
    orElse: () => () => sql`UPDATE webhooks SET lease_owner = ${owner} WHERE lease_owner IS NOT ${owner}`
  })

  const write = (webhook: WebhookConfig) => ({
    settings: encodeSettings(webhook.settings),
    secrets: encodeSecrets(webhook.secrets),
    skip: webhook.skip
  })
  const counted = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    Effect.map(statement, (rows) => rows.length)
  const changeOf = (id: WebhookId) => sql`UPDATE webhooks SET version = version + 1 WHERE id = ${id}`

  return WebhookStore.of({
    changes: sharing?.changes(NAME),
    list: Effect.gen(function* () {
      const found = yield* read()
      const counts = yield* sql`SELECT webhook, state, COUNT(*) AS number, MIN(created_at) AS first,
          MAX(ended_at) AS last FROM webhook_deliveries GROUP BY webhook, state`.withoutTransform.pipe(
        Effect.flatMap(decodeCounts),
        Effect.mapError(unreadable)
      )
      const of = (id: WebhookId, state: string) => counts.find((count) => count.webhook === id && count.state === state)
      return found.map((webhook) => {
        const { id } = webhook.settings
        const pending = of(id, "pending")
        return [
          webhook,
          {
            pending: pending?.number ?? 0,
            oldestPending: pending?.first ?? null,
            dead: of(id, "dead")?.number ?? 0,
            lastDelivered: of(id, "delivered")?.last ?? null
          }
        ] as const
      })
    }).pipe(Effect.withTracerEnabled(false)),
    insert: (webhook) => {
      const row = { id: webhook.settings.id, ...write(webhook), cursor: webhook.cursor, missed: 0, version: 1 }
      return together(Effect.zipRight(sql`INSERT INTO webhooks ${sql.insert(row)}`.withoutTransform, announce)).pipe(
        Effect.mapError(unwritten)
      )
    },
    change: (id, change) =>
      together(
        Effect.gen(function* () {
          const [found] = yield* read(id)
          if (found === undefined) return Option.none()
          const { secrets, settings, skip } = change(found)
          const row = write({ secrets, settings, skip })
          yield* sql`UPDATE webhooks SET settings = ${row.settings}, secrets = ${row.secrets}, skip = ${skip},
            version = version + 1 WHERE id = ${id}`.withoutTransform
          yield* announce
          return Option.some<StoredWebhook>({ ...found, secrets, settings, skip, version: found.version + 1 })
        })
      ).pipe(Effect.mapError(failed)),
    remove: (id) =>
      together(
        Effect.gen(function* () {
          const gone = yield* counted(sql`DELETE FROM webhooks WHERE id = ${id} RETURNING id`.withoutTransform)
          yield* sql`DELETE FROM webhook_deliveries WHERE webhook = ${id}`.withoutTransform
          yield* announce
          return gone > 0
        })
      ).pipe(Effect.mapError(unwritten)),
    claim: (millis) =>
      claimAll(millis).withoutTransform.pipe(
        Effect.mapError(unwritten),
        Effect.withTracerEnabled(false),
        Effect.zipRight(
          webhooks(
            sql`SELECT settings, secrets, skip, cursor, missed, version FROM webhooks
              WHERE lease_owner = ${owner}`.withoutTransform
          )
        )
      ),
    release: Effect.zipRight(
      sql`UPDATE webhooks SET lease_owner = NULL WHERE lease_owner = ${owner}`.withoutTransform,
      announce
    ).pipe(Effect.mapError(unwritten)),
    enqueue: (id, cursor, deliveries, missed) => {
      const move = counted(
        sql`UPDATE webhooks SET cursor = ${cursor}, missed = missed + ${missed}
          WHERE id = ${id} AND lease_owner = ${owner} RETURNING id`.withoutTransform
      )
      const rows = deliveries.map((row) => values(id, row))
      return (
        rows.length === 0
          ? move
          : sql.withTransaction(
              Effect.tap(move, (moved) => (moved === 0 ? Effect.void : insertAll(toJson(rows)).withoutTransform))
            )
      ).pipe(Effect.mapBoth({ onFailure: unwritten, onSuccess: (moved) => moved > 0 }), Effect.withTracerEnabled(false))
    },
    pending: (id) =>
      sql`SELECT cursor, stream, created_at, attempts, next_attempt FROM webhook_deliveries
        WHERE webhook = ${id} AND state = 'pending' ORDER BY cursor`.withoutTransform.pipe(
        Effect.flatMap(decodePending),
        Effect.mapBoth({
          onFailure: unreadable,
          onSuccess: (rows) =>
            rows.map(({ attempts, created_at, cursor, next_attempt, stream }) => ({
              cursor,
              stream,
              createdAt: created_at,
              attempts,
              nextAttempt: next_attempt ?? created_at
            }))
        }),
        Effect.withTracerEnabled(false)
      ),
    delivery: (id, cursor) =>
      sql`SELECT ${sql.literal(columns)}, stream, body FROM webhook_deliveries
        WHERE webhook = ${id} AND cursor = ${cursor}`.withoutTransform.pipe(
        Effect.flatMap(decodeStored),
        Effect.mapBoth({
          onFailure: unreadable,
          onSuccess: ([row]) =>
            row === undefined ? Option.none() : Option.some({ ...delivery(row), stream: row.stream, body: row.body })
        }),
        Effect.withTracerEnabled(false)
      ),
    settle: (id, settled) =>
      settled.length === 0
        ? Effect.void
        : settleAll(id, toJson(settled.map(settlement))).withoutTransform.pipe(
            Effect.mapError(unwritten),
            Effect.asVoid,
            Effect.withTracerEnabled(false)
          ),
    deliveries: (id, { before, limit = 100, state }) =>
      sql`SELECT ${sql.literal(columns)} FROM webhook_deliveries WHERE ${sql.and([
        sql`webhook = ${id}`,
        ...(state === undefined ? [] : [sql`state = ${state}`]),
        ...(before === undefined ? [] : [sql`cursor < ${before}`])
      ])} ORDER BY cursor DESC LIMIT ${limit}`.withoutTransform.pipe(
        Effect.flatMap(decodeDeliveries),
        Effect.mapBoth({ onFailure: unreadable, onSuccess: (rows) => rows.map(delivery) })
      ),
    replay: (id, selection, now, deadline) => {
      const which = sql.and([
        sql`webhook = ${id}`,
        ...(selection.id !== undefined
          ? [sql`id = ${selection.id}`, sql`state <> 'pending'`]
          : [
              selection.delivered === true ? sql`state <> 'pending'` : sql`state = 'dead'`,
              ...(selection.from === undefined ? [] : [sql`at >= ${selection.from}`]),
              ...(selection.to === undefined ? [] : [sql`at < ${selection.to}`])
            ])
      ])
      return together(
        Effect.gen(function* () {
          const again = yield* counted(
            sql`UPDATE webhook_deliveries SET state = 'pending', created_at = ${now}, deadline = ${deadline}, attempts = 0,
              next_attempt = ${now}, ended_at = NULL WHERE ${which} RETURNING cursor`.withoutTransform
          )
          if (again > 0) {
            yield* changeOf(id).withoutTransform
            yield* announce
          }
          return again
        })
      ).pipe(Effect.mapError(unwritten))
    },
    prune: (id, { dead, deadSince, delivered, deliveredSince }) => {
      const drop = (state: "delivered" | "dead", keep: number, since: number) =>
        counted(
          sql`DELETE FROM webhook_deliveries WHERE webhook = ${id} AND state = ${state} AND (ended_at < ${since} OR cursor <=
            (SELECT cursor FROM webhook_deliveries WHERE webhook = ${id} AND state = ${state}
              ORDER BY cursor DESC LIMIT 1 OFFSET ${keep}))
            RETURNING cursor`.withoutTransform
        )
      return Effect.zipRight(drop("delivered", delivered, deliveredSince), drop("dead", dead, deadSince)).pipe(
        Effect.mapError(unwritten),
        Effect.withTracerEnabled(false)
      )
    },
    dead: (id) =>
      sql`SELECT COUNT(*) AS number FROM webhook_deliveries WHERE webhook = ${id} AND state = 'dead'`.withoutTransform.pipe(
        Effect.flatMap(decodeNumber),
        Effect.mapBoth({ onFailure: unreadable, onSuccess: ([row]) => row?.number ?? 0 })
      )
  })
})
const decodeNumber = Schema.decodeUnknown(Schema.Array(Schema.Struct({ number: Integer })))

/**
 * Over the database of the SqlClient, whose migrations must have been run.
 *
 * @example
 * ```ts
 * const Store = SqlWebhooks.layer.pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer: Layer.Layer<WebhookStore, never, SqlClient.SqlClient> = Layer.effect(WebhookStore, make)
