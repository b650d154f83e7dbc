/**
 * The keys that sign tokens. Times are in epoch milliseconds. `private_jwk` is what its name says, in plain text: whoever
 * can read the database can sign tokens, which is why the file of the embedded database has mode 0600.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const jwtKeys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite. One key can follow another: of two managers that rotate at once, one wins.
  yield* sql`CREATE TABLE jwt_keys (
    id TEXT PRIMARY KEY NOT NULL,
    follows TEXT NOT NULL UNIQUE,
    published_at BIGINT NOT NULL,
    active_at BIGINT NOT NULL,
    private_jwk TEXT NOT NULL
  )`
})
