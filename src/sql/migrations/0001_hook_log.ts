/**
 * The log behind HookBus: one row a record, in the order of their cursors.
 *
 * Cursors must never be given out twice, not even after every row was trimmed: hence AUTOINCREMENT (SQLite remembers the
 * highest value in `sqlite_sequence`), or an identity column where that is not SQLite.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const hookLog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({
    pg: () => sql`CREATE TABLE hook_log (
      cursor BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      node TEXT NOT NULL,
      at BIGINT NOT NULL,
      event TEXT NOT NULL
    )`,
    // `at` is in epoch milliseconds, `event` is the JSON of a BusEvent.
    orElse: () => sql`CREATE TABLE hook_log (
      cursor INTEGER PRIMARY KEY AUTOINCREMENT,
      node TEXT NOT NULL,
      at INTEGER NOT NULL,
      event TEXT NOT NULL
    )`
  })
})
