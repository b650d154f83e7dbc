/**
 * What the manager asks of nodes and hears about it. Times are in epoch milliseconds.
 *
 * - `node_commands`: commands to updaters; `command` is JSON.
 * - `revoked_tokens`: ids of tokens that count no more, until they would have expired anyway.
 * - `token_sessions`: which session was let in by which token.
 * - `node_configs`: which config each node should run, and what it said of it; `applied_since_wanted` is 0 or 1,
 *   `error_before` is what it said when another config became the wanted one.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const nodeControl = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite.
  yield* sql`CREATE TABLE node_commands (
    id TEXT PRIMARY KEY NOT NULL,
    node TEXT NOT NULL,
    command TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    message TEXT
  )`
  yield* sql`CREATE TABLE revoked_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    revoked_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
  )`
  yield* sql`CREATE TABLE token_sessions (
    session TEXT PRIMARY KEY NOT NULL,
    node TEXT NOT NULL,
    token TEXT NOT NULL,
    expires_at BIGINT,
    seen_at BIGINT NOT NULL
  )`
  yield* sql`CREATE TABLE node_configs (
    node TEXT PRIMARY KEY NOT NULL,
    status TEXT NOT NULL,
    since BIGINT NOT NULL,
    wanted TEXT,
    wanted_since BIGINT,
    applied TEXT,
    applied_since_wanted INTEGER NOT NULL,
    error TEXT,
    error_before TEXT
  )`
})
