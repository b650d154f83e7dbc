/** What our SQL layers ask of a database: all or nothing, whatever the way. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { migrations, migrationsTable } from "../../../../src/sql/Migrations.js"

export interface SqlClientSuiteOptions<E> {
  /** An empty database, migrated. */
  readonly fresh: Layer.Layer<SqlClient.SqlClient, E>
  /** The same database, once more. */
  readonly again: Layer.Layer<SqlClient.SqlClient, E>
  /** Whether a transaction can read what it has written. */
  readonly interactive: boolean
}

export const sqlClientSuite = <E>(name: string, { again, fresh, interactive }: SqlClientSuiteOptions<E>): void => {
  const withTable = <A, E2>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E2>) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.zipRight(sql`CREATE TABLE t (x INTEGER PRIMARY KEY NOT NULL, note TEXT)`, use(sql))
    ).pipe(Effect.provide(fresh))
  const all = (sql: SqlClient.SqlClient) =>
    Effect.map(sql`SELECT x FROM t ORDER BY x`.values, (rows) => rows.map(([x]) => x))

  describe(`${name} as a SqlClient`, () => {
    it.effect("a transaction is kept as a whole, over turns of the event loop", () =>
      withTable((sql) =>
        Effect.gen(function* () {
          const result = yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`INSERT INTO t (x) VALUES (1)`
              yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
              yield* sql`INSERT INTO t (x, note) VALUES (${2n}, ${true})`
              return "done"
            })
          )
          assert.strictEqual(result, "done")
          assert.deepStrictEqual(yield* all(sql), [1, 2])
        })
      )
    )

    it.effect("a failure, a defect, an interruption and a refused statement undo all of it", () =>
      withTable((sql) =>
        Effect.gen(function* () {
          const insert = sql`INSERT INTO t (x) VALUES (1)`
          assert.strictEqual(yield* Effect.flip(sql.withTransaction(Effect.zipRight(insert, Effect.fail("no")))), "no")
          yield* Effect.exit(sql.withTransaction(Effect.zipRight(insert, Effect.die("a bug"))))
          const inside = yield* Deferred.make<void>()
          const fiber = yield* Effect.fork(
            sql.withTransaction(
              insert.pipe(Effect.zipRight(Deferred.succeed(inside, undefined)), Effect.zipRight(Effect.never))
            )
          )
          yield* Deferred.await(inside)
          yield* Fiber.interrupt(fiber)
          const refused = yield* Effect.either(sql.withTransaction(Effect.zipRight(insert, insert)))
          assert.strictEqual(Either.isLeft(refused) ? refused.left._tag : "kept", "SqlError")
          assert.deepStrictEqual(yield* all(sql), [])
          yield* sql.withTransaction(insert)
          assert.deepStrictEqual(yield* all(sql), [1])
        })
      )
    )

    it.effect("an inner transaction is undone alone, and with the outer one", () =>
      withTable((sql) =>
        Effect.gen(function* () {
          const insert = (x: number) => sql`INSERT INTO t (x) VALUES (${x})`
          const inner = (x: number, fails: boolean) =>
            Effect.ignore(sql.withTransaction(Effect.zipRight(insert(x), fails ? Effect.fail("no") : Effect.void)))
          yield* sql.withTransaction(Effect.all([insert(1), inner(2, true), inner(3, false), insert(4)]))
          assert.deepStrictEqual(yield* all(sql), [1, 3, 4])
          yield* Effect.exit(sql.withTransaction(Effect.all([insert(5), inner(6, false), Effect.fail("no")])))
          assert.deepStrictEqual(yield* all(sql), [1, 3, 4])
        })
      )
    )

    it.effect("what others write meanwhile is not undone with a transaction", () =>
      withTable((sql) =>
        Effect.gen(function* () {
          const inside = yield* Deferred.make<void>()
          const end = yield* Deferred.make<void>()
          const fiber = yield* Effect.fork(
            sql.withTransaction(
              sql`INSERT INTO t (x) VALUES (1)`.pipe(
                Effect.zipRight(Deferred.succeed(inside, undefined)),
                Effect.zipRight(Deferred.await(end)),
                Effect.zipRight(Effect.fail("no"))
              )
            )
          )
          yield* Deferred.await(inside)
          const other = yield* Effect.fork(sql`INSERT INTO t (x) VALUES (2)`)
          yield* Effect.yieldNow()
          yield* Deferred.succeed(end, undefined)
          yield* Fiber.await(fiber)
          yield* Fiber.join(other)
          assert.deepStrictEqual(yield* all(sql), [2])
        })
      )
    )

    it.effect(
      interactive
        ? "a transaction reads what it has written"
        : "a statement that gives rows is refused in a transaction",
      () =>
        withTable((sql) =>
          Effect.gen(function* () {
            const read = yield* Effect.either(
              sql.withTransaction(Effect.zipRight(sql`INSERT INTO t (x) VALUES (1)`, all(sql)))
            )
            if (interactive) assert.deepStrictEqual(read, Either.right([1]))
            else assert.include(Either.isLeft(read) ? read.left.message : "", "read before it")
            const returning = sql`INSERT INTO t (x) VALUES (2) RETURNING x`
            const returned = yield* Effect.either(sql.withTransaction(returning))
            assert.strictEqual(Either.isRight(returned), interactive)
            assert.deepStrictEqual(yield* all(sql), interactive ? [1, 2] : [])
          })
        )
    )

    it.effect("migrations are run once, and a newer database is refused", () =>
      Effect.gen(function* () {
        const steps = Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`SELECT migration_id FROM ${sql(migrationsTable)}`.values
        )
        const count = Object.keys(migrations).length
        assert.strictEqual((yield* Effect.provide(steps, fresh)).length, count)
        yield* Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`INSERT INTO hook_log (node, at, event) VALUES ('n', 1, '{}')`
        ).pipe(Effect.provide(again))
        assert.strictEqual((yield* Effect.provide(steps, again)).length, count)
        yield* Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`INSERT INTO ${sql(migrationsTable)} (migration_id, name) VALUES (9000, 'from_the_future')`
        ).pipe(Effect.provide(again))
        const refused = yield* Effect.either(Effect.provide(steps, again))
        assert.include(Either.isLeft(refused) ? String(refused.left) : "", "newer version")
      })
    )
  })
}
