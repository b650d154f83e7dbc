/**
 * The config's revisions, and the documents that they hold. Times are in epoch milliseconds. A document is kept once, by the
 * SHA-256 of its text, in parts: databases have limits for one value. It holds whatever secrets the config holds.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const configRevisions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite. Of two managers that make the same revision, the key lets one win.
  yield* sql`CREATE TABLE config_revisions (
    revision BIGINT PRIMARY KEY NOT NULL,
    made_at BIGINT NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    origin TEXT NOT NULL,
    restores BIGINT,
    hash TEXT NOT NULL,
    changes TEXT NOT NULL
  )`
  yield* sql`CREATE TABLE config_documents (
    hash TEXT NOT NULL,
    part INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash, part)
  )`
})
