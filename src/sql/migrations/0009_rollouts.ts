/**
 * Rollouts, the configs that they are between, and what is in force. A `record` is a RolloutRecord in JSON. A config is kept
 * by its hash, in parts: databases have limits for one value. It holds whatever secrets the config holds.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const rollouts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite.
  yield* sql`CREATE TABLE rollouts (id BIGINT PRIMARY KEY NOT NULL, record TEXT NOT NULL)`
  yield* sql`CREATE TABLE rollout_configs (
    hash TEXT NOT NULL,
    part INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (hash, part)
  )`
  // One row, with id 1. `stack` is a list of ids in JSON, the newest last.
  yield* sql`CREATE TABLE rollout_state (id INTEGER PRIMARY KEY NOT NULL, settled TEXT, stack TEXT NOT NULL)`
})
