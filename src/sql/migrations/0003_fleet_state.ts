/**
 * The FleetState's picture: what is open on each node, what ended a moment ago (`ended` is not null), and the cursor of the
 * hook log up to which both are true. Times are in epoch milliseconds.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const fleetState = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(`
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    since BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    ended BIGINT,
    PRIMARY KEY (node, kind, path, type, id)
  `)
  yield* sql.onDialectOrElse({
    // The key is most of the row: keep it once.
    sqlite: () => sql`CREATE TABLE fleet_rows (${columns}) WITHOUT ROWID`,
    orElse: () => sql`CREATE TABLE fleet_rows (${columns})`
  })
  // One row, with id 1.
  yield* sql`CREATE TABLE fleet_cursor (id INTEGER PRIMARY KEY NOT NULL, cursor BIGINT NOT NULL)`
})
