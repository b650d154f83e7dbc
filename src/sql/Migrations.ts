/**
 * The schema of the manager's database, as numbered steps. A step that was released is never edited: add the next one.
 *
 * They are imported statically, so that they survive bundling, and hold only SQL that every dialect we mean to support
 * understands, or branch by `sql.onDialectOrElse`.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { hookLog } from "./migrations/0001_hook_log.js"
import { nodes } from "./migrations/0002_nodes.js"
import { fleetState } from "./migrations/0003_fleet_state.js"
import { jwtKeys } from "./migrations/0004_jwt_keys.js"
import { recordings } from "./migrations/0005_recordings.js"
import { playbackJobs } from "./migrations/0006_playback_jobs.js"
import { configRevisions } from "./migrations/0007_config_revisions.js"
import { nodeControl } from "./migrations/0008_node_control.js"
import { rollouts } from "./migrations/0009_rollouts.js"
import { sharing } from "./migrations/0010_sharing.js"
import { webhooks } from "./migrations/0011_webhooks.js"
import { serverDown } from "./migrations/0015_server_down.js"

/** Name of the table that says which steps were run. */
export const migrationsTable = "mtx_manager_migrations"

/** Every step by `NUMBER_name`, in order. */
export const migrations: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>> = {
  "0001_hook_log": hookLog,
  "0002_nodes": nodes,
  "0003_fleet_state": fleetState,
  "0004_jwt_keys": jwtKeys,
  "0005_recordings": recordings,
  "0006_playback_jobs": playbackJobs,
  "0007_config_revisions": configRevisions,
  "0008_node_control": nodeControl,
  "0009_rollouts": rollouts,
  "0010_sharing": sharing,
  "0011_webhooks": webhooks,
  "0015_server_down": serverDown
}

/** Number of the last step. */
export const newest = Math.max(...Object.keys(migrations).map((name) => Number.parseInt(name, 10)))

/** The database was made by a newer version: its tables may not mean what this version believes. */
export const newerDatabase = (id: number, name: string): Migrator.MigrationError =>
  new Migrator.MigrationError({
    reason: "bad-state",
    message:
      `The database was made by a newer version of mtx-manager (it has step ${id}_${name}, ` +
      `this version ends at step ${newest}): run that version, or give this one another database`
  })

/**
 * Brings the database up to this version, in one transaction. Returns the steps that were run now.
 *
 * Fails when a step fails (nothing of this run is kept then), and when the database was made by a newer version: its tables
 * may not mean what this version believes.
 */
export const migrate: Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | SqlError,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const done = yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: migrationsTable }).pipe(
    // The migrator dies of a failed step; a database that can't be upgraded is an expected failure of the start.
    Effect.catchAllDefect((defect) =>
      Effect.fail(
        defect instanceof Migrator.MigrationError
          ? defect
          : new Migrator.MigrationError({ reason: "failed", cause: defect, message: "Migration failed" })
      )
    )
  )
  const ahead = yield* sql<{ migration_id: number; name: string }>`
    SELECT migration_id, name FROM ${sql(migrationsTable)} WHERE migration_id > ${newest} ORDER BY migration_id
  `.withoutTransform
  const first = ahead[0]
  if (first !== undefined) return yield* newerDatabase(first.migration_id, first.name)
  return done
}).pipe(Effect.withSpan("Migrations.migrate", { captureStackTrace: false }))

/** Runs `migrate` when the layer is built. */
export const layer: Layer.Layer<never, Migrator.MigrationError | SqlError, SqlClient.SqlClient> =
  Layer.effectDiscard(migrate)
