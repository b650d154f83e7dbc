/**
 * TokenSessions on a SQL database: a revoked token stays revoked, and sessions end with their tokens, over a restart of the
 * manager. Answers come from memory, so this process must be the only writer of the tables, or all writers must
 * have a `Sharing`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { NodeId } from "../services/NodeId.js"
import * as TokenSessions from "../services/TokenSessions.js"
import { Sharing } from "./Sharing.js"
import * as SqlBatch from "./SqlBatch.js"

const RevokedRow = Schema.Struct({
  id: TokenSessions.TokenId,
  revoked_at: SqlBatch.Integer,
  until_at: SqlBatch.Integer
})
const SessionRow = Schema.Struct({
  session: Schema.String,
  node: NodeId,
  token: TokenSessions.TokenId,
  expires_at: Schema.NullOr(SqlBatch.Integer),
  seen_at: SqlBatch.Integer
})
const decodeRevoked = Schema.decodeUnknown(Schema.Array(RevokedRow))
const decodeSessions = Schema.decodeUnknown(Schema.Array(SessionRow))

const failed = (message: string) => (cause: unknown) =>
  new TokenSessions.TokenSessionsError({ reason: "Storage", message, cause })
const unreadable = failed("The revoked tokens could not be read from the database")
const unwritten = failed("The revoked tokens could not be written (is the disk full, or the database locked?)")

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sharing = yield* Effect.serviceOption(Sharing)
  const revoked = SqlBatch.make(
    sql,
    "revoked_tokens",
    [
      ["id", "text"],
      ["revoked_at", "bigint"],
      ["until_at", "bigint"]
    ],
    sharing
  )
  const sessions = SqlBatch.make(
    sql,
    "token_sessions",
    [
      ["session", "text"],
      ["node", "text"],
      ["token", "text"],
      ["expires_at", "bigint"],
      ["seen_at", "bigint"]
    ],
    sharing
  )
  const read = (revokedRows: typeof revoked.all, sessionRows: typeof sessions.all) =>
    Effect.all({
      revoked: Effect.map(Effect.flatMap(revokedRows, decodeRevoked), (rows) =>
        rows.map((row) => ({ id: row.id, revokedAt: row.revoked_at, until: row.until_at }))
      ),
      sessions: Effect.map(Effect.flatMap(sessionRows, decodeSessions), (rows) =>
        rows.map(({ expires_at, node, seen_at, session, token }) => ({
          session,
          node,
          token,
          expiresAt: expires_at,
          seenAt: seen_at
        }))
      )
    }).pipe(Effect.mapError(unreadable))
  const store: TokenSessions.TokenSessionStore = {
    load: read(revoked.all, sessions.all),
    shared:
      revoked.shared === undefined || sessions.shared === undefined
        ? undefined
        : {
            news: read(revoked.shared.news, sessions.shared.news),
            changes: Stream.merge(revoked.shared.changes, sessions.shared.changes)
          },
    writeRevoked: (upsert, remove) =>
      Effect.mapError(
        revoked.write(
          upsert.map(({ id, revokedAt, until }) => [id, revokedAt, until]),
          remove
        ),
        unwritten
      ),
    writeSessions: (upsert, remove) =>
      Effect.mapError(
        sessions.write(
          upsert.map(({ expiresAt, node, seenAt, session, token }) => [session, node, token, expiresAt, seenAt]),
          remove
        ),
        unwritten
      )
  }
  return store
})

/** Over the database of the SqlClient, whose migrations must have been run. */
export const make = (options: TokenSessions.TokenSessionsOptions = {}) =>
  Effect.flatMap(makeStore, (store) => TokenSessions.make({ ...options, store }))

export const layer = (
  options?: TokenSessions.TokenSessionsOptions
): Layer.Layer<TokenSessions.TokenSessions, TokenSessions.TokenSessionsError, SqlClient.SqlClient> =>
  Layer.scoped(TokenSessions.TokenSessions, make(options))
