/**
 * The NodeRegistry's nodes. Times are in epoch milliseconds, `promised_interval` in milliseconds.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const nodes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite.
  yield* sql`CREATE TABLE nodes (
    id TEXT PRIMARY KEY NOT NULL,
    status TEXT NOT NULL,
    status_since BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    last_seen_by TEXT NOT NULL,
    due_at BIGINT,
    address TEXT,
    instance TEXT,
    mediamtx_version TEXT,
    started_at BIGINT,
    applied_hash TEXT,
    error TEXT,
    disk_free DOUBLE PRECISION,
    disk_total DOUBLE PRECISION,
    promised_interval BIGINT,
    reported_at BIGINT
  )`
})
