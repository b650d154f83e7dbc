/**
 * JwtKeys on a SQL database. The private keys stand in it in plain text: the file of the embedded database is readable by
 * its owner only (mode 0600, see SqliteNode), and a backup of it deserves the same care.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type JwtKey, JwtKeys, JwtKeysError, type JwtKeysShape } from "../services/JwtKeys.js"

/** Some drivers give integers of 64 bits as text. */
const Integer = Schema.Union(Schema.Int, Schema.NumberFromString.pipe(Schema.int()))

const Row = Schema.Struct({
  id: Schema.String,
  follows: Schema.String,
  published_at: Integer,
  active_at: Integer,
  private_jwk: Schema.Redacted(Schema.String)
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

const fromRow = (row: typeof Row.Type): JwtKey => ({
  id: row.id,
  follows: row.follows,
  publishedAt: row.published_at,
  activeAt: row.active_at,
  privateJwk: row.private_jwk
})
const encodeRow = Schema.encodeSync(Row)

const readFailed = (cause: unknown) =>
  new JwtKeysError({ reason: "ReadFailed", message: "The JWT keys could not be read from the database", cause })

/** The driver's error could quote the statement's parameters, a private key among them: its message only. */
const writeFailed = (cause: { readonly message: string }) =>
  new JwtKeysError({
    reason: "WriteFailed",
    message: "The JWT keys could not be written (is the disk full, or the database locked?)",
    cause: new Error(cause.message)
  })

export const make: Effect.Effect<JwtKeysShape, never, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return {
    list: sql`SELECT id, follows, published_at, active_at, private_jwk FROM jwt_keys ORDER BY active_at`.withoutTransform.pipe(
      Effect.mapError(readFailed),
      Effect.flatMap((rows) =>
        Effect.mapError(
          decodeRows(rows),
          // A parse error shows what did not fit, which may be a key.
          () =>
            new JwtKeysError({
              reason: "ReadFailed",
              message: "The table jwt_keys has a row that is no key: remove it, or restore the database"
            })
        )
      ),
      Effect.map((rows) => rows.map(fromRow))
    ),
    add: (key) => {
      const row = encodeRow({
        id: key.id,
        follows: key.follows,
        published_at: key.publishedAt,
        active_at: key.activeAt,
        private_jwk: key.privateJwk
      })
      return sql`INSERT INTO jwt_keys ${sql.insert({ ...row })} ON CONFLICT DO NOTHING RETURNING id`.withoutTransform.pipe(
        Effect.mapError(writeFailed),
        Effect.map((rows) => rows.length === 1)
      )
    },
    remove: (ids) =>
      ids.length === 0
        ? Effect.void
        : Effect.asVoid(
            Effect.mapError(sql`DELETE FROM jwt_keys WHERE ${sql.in("id", ids)}`.withoutTransform, writeFailed)
          )
  }
})

/**
 * Over the database of the SqlClient, whose migrations must have been run.
 *
 * @example
 * ```ts
 * const Keys = SqlJwtKeys.layer.pipe(Layer.provide(SqliteNode.layer({ filename: "data/manager.sqlite" })))
 * ```
 */
export const layer: Layer.Layer<JwtKeys, never, SqlClient.SqlClient> = Layer.effect(JwtKeys, make)
