/**
 * The jobs of the PlaybackQueue. `job` is the whole job in JSON, with times in epoch milliseconds; the other columns are what
 * the database itself has to know. `version` rises with each write; `slot` is what only one job may have at a time.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const playbackJobs = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite. Any number of rows may have no slot.
  yield* sql`CREATE TABLE playback_jobs (
    id TEXT PRIMARY KEY NOT NULL,
    version BIGINT NOT NULL,
    slot TEXT UNIQUE,
    state TEXT NOT NULL,
    swept INTEGER NOT NULL,
    job TEXT NOT NULL
  )`
})
