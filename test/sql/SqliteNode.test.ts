import { chmodSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { migrations, migrationsTable } from "../../src/sql/Migrations.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import { pragmas } from "../../src/sql/SqliteTuning.js"
import { tempFolder } from "./support/TempDatabase.js"

const pragma = (name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.map(sql.unsafe(`PRAGMA ${name}`).values, (rows) => rows[0]?.[0]))

describe("SqliteNode", () => {
  it.scoped("creates folder and file for the owner only, the write-ahead log too", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "data", "deep", "manager.sqlite")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`SELECT 1`
        for (const suffix of ["", "-wal", "-shm"]) {
          assert.strictEqual(statSync(filename + suffix).mode & 0o777, 0o600, suffix)
        }
        assert.strictEqual(statSync(join(filename, "..")).mode & 0o777, 0o700)
      }).pipe(Effect.provide(SqliteNode.layer({ filename })))
    })
  )

  it.scoped("tightens the mode of a file that is already there", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "manager.sqlite")
      writeFileSync(filename, "")
      chmodSync(filename, 0o644)
      yield* Effect.provide(Effect.void, SqliteNode.layer({ filename }))
      assert.strictEqual(statSync(filename).mode & 0o777, 0o600)
    })
  )

  it.scoped("every PRAGMA is in force, FULL by default", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "manager.sqlite")
      yield* Effect.gen(function* () {
        for (const { name, expected } of pragmas()) assert.strictEqual(yield* pragma(name), expected, name)
        assert.strictEqual(yield* pragma("synchronous"), 2)
        assert.strictEqual(yield* pragma("journal_mode"), "wal")
      }).pipe(Effect.provide(SqliteNode.layer({ filename })))
    })
  )

  it.scoped("takes another tuning", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "manager.sqlite")
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* pragma("synchronous"), 1)
        assert.strictEqual(yield* pragma("busy_timeout"), 250)
        assert.strictEqual(yield* pragma("cache_size"), -1024)
      }).pipe(
        Effect.provide(SqliteNode.layer({ filename, synchronous: "NORMAL", busyTimeout: "250 millis", cacheKiB: 1024 }))
      )
    })
  )

  it.scoped("runs every migration once; a second start runs none", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "manager.sqlite")
      const steps = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql`SELECT migration_id, name, created_at FROM ${sql(migrationsTable)} ORDER BY migration_id`
          .values
      }).pipe(Effect.provide(SqliteNode.layer({ filename })))
      const first = yield* steps
      assert.deepStrictEqual(
        first.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`),
        Object.keys(migrations)
      )
      assert.deepStrictEqual(yield* steps, first)
    })
  )

  it.scoped("in memory", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT count(*) FROM hook_log`.values, [[0]])
    }).pipe(Effect.provide(SqliteNode.layer({ filename: ":memory:" })))
  )

  it.scoped("a database of a newer version is refused and says so", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempFolder, "manager.sqlite")
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO ${sql(migrationsTable)} (migration_id, name) VALUES (9999, 'from_the_future')`
      }).pipe(Effect.provide(SqliteNode.layer({ filename })))
      const error = yield* Effect.flip(Effect.provide(Effect.void, SqliteNode.layer({ filename })))
      assert.strictEqual(error._tag, "SqliteNodeError")
      assert.include(error.message, filename)
      assert.include(error.message, "newer version")
      assert.include(error.message, "9999_from_the_future")
    })
  )

  it.scoped("a file that is no database, and a folder that can't be made, fail with the path and the reason", () =>
    Effect.gen(function* () {
      const base = yield* tempFolder
      const garbage = join(base, "garbage.sqlite")
      writeFileSync(garbage, "this is not a database, and long enough to be taken for one if nobody looks\n".repeat(20))
      for (const filename of [garbage, join(garbage, "below", "a.sqlite"), base]) {
        const exit = yield* Effect.exit(Effect.provide(Effect.void, SqliteNode.layer({ filename })))
        assert.isTrue(Exit.isFailure(exit), filename)
        const error = yield* Effect.flip(exit)
        assert.strictEqual(error._tag, "SqliteNodeError")
        assert.include(error.message, filename)
      }
    })
  )
})
