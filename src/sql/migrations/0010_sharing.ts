/**
 * For several managers on one database, which only PostgreSQL can be: each write of a row gets the next number (`seq`), so that
 * every manager can read what was written since it looked last.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const sharing = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const numbered = (table: string) => [
    sql`ALTER TABLE ${sql(table)} ADD COLUMN seq BIGINT NOT NULL DEFAULT nextval('mtx_writes')`,
    sql`CREATE INDEX ON ${sql(table)} (seq)`
  ]
  yield* sql.onDialectOrElse({
    pg: () =>
      Effect.all(
        [
          sql`CREATE SEQUENCE mtx_writes`,
          ...[
            "playback_jobs",
            "nodes",
            "node_commands",
            "revoked_tokens",
            "token_sessions",
            "node_configs",
            "rollout_state"
          ].flatMap(numbered),
          // What is gone can't be read: the nodes that were removed, until all managers have heard of it.
          sql`CREATE TABLE removed_nodes (
            id TEXT PRIMARY KEY NOT NULL, seq BIGINT NOT NULL DEFAULT nextval('mtx_writes'), removed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
          )`,
          sql`CREATE INDEX ON removed_nodes (seq)`,
          // What workers have told of the recordings on their nodes: which rows other managers are to read again.
          sql`CREATE TABLE recording_reports (
            node TEXT NOT NULL,
            path TEXT NOT NULL,
            seq BIGINT NOT NULL DEFAULT nextval('mtx_writes'),
            at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            teller TEXT NOT NULL,
            PRIMARY KEY (node, path)
          )`,
          sql`CREATE INDEX ON recording_reports (seq)`
        ],
        { discard: true }
      ),
    orElse: () => Effect.void
  })
})
