/**
 * ConfigRevisions on a SQL database. Configs stand in it with their secrets, in plain text: the file of the embedded database
 * is readable by its owner only (mode 0600, see SqliteNode), and a backup of it deserves the same care.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as ConfigRevisions from "../services/ConfigRevisions.js"
import type { ConfigSourceError } from "../services/FleetConfig.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

const Row = Schema.Struct({
  revision: Integer,
  made_at: Integer,
  author: Schema.String,
  note: Schema.String,
  origin: ConfigRevisions.RevisionInfo.fields.origin,
  restores: Schema.NullOr(Integer),
  hash: Schema.String,
  changes: Schema.parseJson(ConfigRevisions.RevisionInfo.fields.changes)
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))
const decodeParts = Schema.decodeUnknown(Schema.Array(Schema.Struct({ content: Schema.String })))

const fromRow = ({ made_at, ...row }: typeof Row.Type): ConfigRevisions.RevisionInfo => ({ ...row, at: made_at })

/** D1 and Durable Objects take parameters of up to 2 MB, and a character may be three bytes of it. */
const PART = 512 * 1024

/** A pair of surrogates is not torn apart: half of one is no text to a database. */
const partsOf = (text: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + PART, text.length)
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? "")) end--
    parts.push(text.slice(at, end))
    at = end
  }
  return parts
}

const readFailed = (cause: unknown) =>
  new ConfigRevisions.ConfigRevisionsError({
    reason: "ReadFailed",
    message: "The revisions of the config could not be read from the database",
    cause
  })

/** The driver's error could quote the statement's parameters, with the config's secrets: its message only. */
const writeFailed = (cause: { readonly message: string }) =>
  new ConfigRevisions.ConfigRevisionsError({
    reason: "WriteFailed",
    message: "The revision could not be written (is the disk full, or the database locked?)",
    cause: new Error(cause.message)
  })

export const makeStore: Effect.Effect<ConfigRevisions.RevisionStoreShape, never, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const columns = sql.literal("revision, made_at, author, note, origin, restores, hash, changes")

    const read = (rows: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
      rows.pipe(
        Effect.flatMap(decodeRows),
        Effect.mapBoth({ onFailure: readFailed, onSuccess: (decoded) => decoded.map(fromRow) })
      )
    const get = (revision: number) =>
      Effect.map(
        read(sql`SELECT ${columns} FROM config_revisions WHERE revision = ${revision}`.withoutTransform),
        (rows) => rows[0]
      )

    return {
      newest: Effect.map(
        read(sql`SELECT ${columns} FROM config_revisions ORDER BY revision DESC LIMIT 1`.withoutTransform),
        (rows) => rows[0]
      ),
      get,
      list: (before, limit) =>
        read(
          sql`SELECT ${columns} FROM config_revisions WHERE revision < ${before} ORDER BY revision DESC LIMIT ${limit}`
            .withoutTransform
        ),
      config: (hash) =>
        sql`SELECT content FROM config_documents WHERE hash = ${hash} ORDER BY part`.withoutTransform.pipe(
          Effect.flatMap(decodeParts),
          Effect.mapBoth({
            onFailure: readFailed,
            onSuccess: (parts) => (parts.length === 0 ? undefined : parts.map(({ content }) => content).join(""))
          })
        ),
      insert: (info, config, oldest) => {
        const row = {
          revision: info.revision,
          made_at: info.at,
          author: info.author,
          note: info.note,
          origin: info.origin,
          restores: info.restores,
          hash: info.hash,
          changes: JSON.stringify(info.changes)
        }
        return Effect.gen(function* () {
          // First, as it is the one that fails when there is such a revision.
          yield* sql`INSERT INTO config_revisions ${sql.insert(row)}`.withoutTransform
          for (const [part, content] of partsOf(config).entries()) {
            yield* sql`
              INSERT INTO config_documents (hash, part, content) VALUES (${info.hash}, ${part}, ${content})
              ON CONFLICT DO NOTHING`.withoutTransform
          }
          yield* sql`DELETE FROM config_revisions WHERE revision < ${oldest}`.withoutTransform
          yield* sql`DELETE FROM config_documents WHERE hash NOT IN (SELECT hash FROM config_revisions)`
            .withoutTransform
        }).pipe(
          sql.withTransaction,
          Effect.as(true),
          // D1 can't say in a transaction that a row was not inserted: whether it is there is seen afterwards.
          Effect.catchAll((cause) =>
            Effect.flatMap(get(info.revision), (taken) =>
              taken === undefined ? Effect.fail(writeFailed(cause)) : Effect.succeed(false)
            )
          )
        )
      }
    }
  }
)

/** Where revisions are kept: the database of the SqlClient, whose migrations must have been run. */
export const layerStore: Layer.Layer<ConfigRevisions.RevisionStore, never, SqlClient.SqlClient> = Layer.effect(
  ConfigRevisions.RevisionStore,
  makeStore
)

/**
 * The service over it.
 *
 * @example
 * ```ts
 * const Revisions = SqlConfigRevisions.layer().pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer = (
  options?: ConfigRevisions.ConfigRevisionsOptions
): Layer.Layer<
  ConfigRevisions.ConfigRevisions,
  ConfigRevisions.ConfigRevisionsError | ConfigSourceError,
  SqlClient.SqlClient
> => Layer.provide(ConfigRevisions.layer(options), layerStore)
