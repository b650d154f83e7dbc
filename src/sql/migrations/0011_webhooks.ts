/**
 * Webhooks and their outboxes. `settings` and `secrets` are JSON; the secrets stand in it in plain text, like the keys of
 * tokens. `lease_owner` is the manager that looks after the outbox, until `lease_until`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const webhooks = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // BIGINT has the affinity of INTEGER in SQLite.
  yield* sql`CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    settings TEXT NOT NULL,
    secrets TEXT NOT NULL,
    skip BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    version BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT
  )`
  yield* sql`CREATE TABLE webhook_deliveries (
    webhook TEXT NOT NULL,
    cursor BIGINT NOT NULL,
    id TEXT NOT NULL,
    stream TEXT NOT NULL,
    type TEXT NOT NULL,
    node TEXT NOT NULL,
    path TEXT,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt BIGINT,
    last_attempt BIGINT,
    ended_at BIGINT,
    status INTEGER,
    error TEXT,
    PRIMARY KEY (webhook, cursor)
  )`
  yield* sql`CREATE INDEX webhook_deliveries_state ON webhook_deliveries (webhook, state, cursor)`
})
