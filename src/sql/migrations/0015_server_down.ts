/** Nodes whose updater goes on calling for a MediaMTX that is gone: 1. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const serverDown = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE nodes ADD COLUMN server_down INTEGER NOT NULL DEFAULT 0`
})
