/**
 * The index of recordings: spans that are on a node's disk (`file` is empty), and segments that are being written (`file` is
 * its name there, `end_at` its planned end); and the cursor of the hook log that the index stands for. Times are in epoch
 * milliseconds.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const recordings = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(`
    node TEXT NOT NULL,
    path TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    file TEXT NOT NULL,
    end_at BIGINT NOT NULL,
    PRIMARY KEY (node, path, start_at, file)
  `)
  yield* sql.onDialectOrElse({
    // The key is most of the row: keep it once.
    sqlite: () => sql`CREATE TABLE recordings (${columns}) WITHOUT ROWID`,
    orElse: () => sql`CREATE TABLE recordings (${columns})`
  })
  // One row, with id 1.
  yield* sql`CREATE TABLE recordings_cursor (id INTEGER PRIMARY KEY NOT NULL, cursor BIGINT NOT NULL)`
})
