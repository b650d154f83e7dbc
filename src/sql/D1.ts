/**
 * A Cloudflare D1 database as a `SqlClient`, migrated.
 *
 * D1 has no transactions that wait for the program, only batches that are sent at once, all or nothing. So a transaction
 * here collects its writes and sends them as one batch when it ends. What it reads could not be what it has written, and
 * nothing keeps others from writing meanwhile: a statement that gives rows is refused inside a transaction.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { migrations, migrationsTable, newerDatabase, newest } from "./Migrations.js"

/** What is used of a D1 binding, in the shape that Cloudflare gives it. */
export interface D1Database {
  prepare(query: string): D1Statement
  batch(statements: Array<D1Statement>): Promise<Array<unknown>>
}

export interface D1Statement {
  bind(...values: Array<unknown>): D1Statement
  all(): Promise<{ readonly results: Array<Record<string, unknown>> }>
  raw(): Promise<Array<Array<unknown>>>
}

/** What D1 takes as it is; it refuses undefined and bigints. */
const toBinding = (value: unknown): unknown => {
  if (value === undefined) return null
  if (typeof value !== "bigint") return value
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} has more digits than D1 keeps exactly`)
  return number
}

const failed = (cause: unknown) => new SqlError({ cause, message: "Failed to execute statement" })

const prepare = (db: D1Database, text: string, params: ReadonlyArray<unknown>): D1Statement =>
  db.prepare(text).bind(...params.map(toBinding))

const makeConnection = (db: D1Database): Connection => {
  const execute: Connection["execute"] = (text, params, transformRows) => {
    const rows = Effect.tryPromise({
      try: async () => (await prepare(db, text, params).all()).results,
      catch: failed
    })
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }
  return {
    execute,
    executeRaw: (text, params) =>
      Effect.tryPromise({ try: async () => prepare(db, text, params).all(), catch: failed }),
    executeValues: (text, params) =>
      Effect.tryPromise({ try: async () => prepare(db, text, params).raw(), catch: failed }),
    executeUnprepared: execute,
    executeStream: (text, params, transformRows) => Stream.fromIterableEffect(execute(text, params, transformRows))
  }
}

const givesRows = /^\s*(?:SELECT|WITH|VALUES|PRAGMA|EXPLAIN)\b|\bRETURNING\b/i

/** Takes writes instead of sending them. */
class Collector implements Connection {
  readonly #db: D1Database
  #collected: Array<D1Statement> = []
  constructor(db: D1Database) {
    this.#db = db
  }
  get size(): number {
    return this.#collected.length
  }
  /** Forgets what was collected beyond the first `size`. */
  cutTo(size: number): void {
    this.#collected.length = size
  }
  readonly send: Effect.Effect<void, SqlError> = Effect.suspend(() =>
    this.#collected.length === 0
      ? Effect.void
      : Effect.asVoid(Effect.tryPromise({ try: () => this.#db.batch(this.#collected), catch: failed }))
  )
  readonly #collect = (text: string, params: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<never>, SqlError> =>
    givesRows.test(text)
      ? Effect.fail(
          new SqlError({
            cause: undefined,
            message: "D1 can't read in a transaction: read before it, and only write in it"
          })
        )
      : Effect.try({
          try: () => {
            this.#collected.push(prepare(this.#db, text, params))
            return []
          },
          catch: failed
        })
  readonly execute: Connection["execute"] = this.#collect
  readonly executeRaw: Connection["executeRaw"] = this.#collect
  readonly executeValues: Connection["executeValues"] = this.#collect
  readonly executeUnprepared: Connection["executeUnprepared"] = (text, params) => this.#collect(text, params)
  readonly executeStream: Connection["executeStream"] = (text, params) =>
    Stream.fromIterableEffect(this.#collect(text, params))
}

/** A client over the binding; the database is as it is, without our tables. */
export const makeClient = (db: D1Database): Effect.Effect<SqlClient.SqlClient, never, Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const client = yield* SqlClient.make({
      acquirer: Effect.succeed(makeConnection(db)),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
    const collect = <A, E, R>(effect: Effect.Effect<A, E, R>, into: Collector, depth: number) =>
      Effect.provideService(effect, SqlClient.TransactionConnection, [into, depth])

    const withTransaction: SqlClient.SqlClient["withTransaction"] = <R, E, A>(effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(
        Effect.serviceOption(SqlClient.TransactionConnection),
        (open): Effect.Effect<A, E | SqlError, R> => {
          const outer = Option.isSome(open) ? open.value[0] : undefined
          if (Option.isSome(open) && outer instanceof Collector) {
            const before = outer.size
            return Effect.onExit(collect(effect, outer, open.value[1] + 1), (exit) =>
              Effect.sync(() => {
                if (Exit.isFailure(exit)) outer.cutTo(before)
              })
            )
          }
          const collector = new Collector(db)
          // Once it is sent, it is waited for: an interruption must not leave open whether it was kept.
          return Effect.zipLeft(collect(effect, collector, 0), Effect.uninterruptible(collector.send))
        }
      )
    return Object.assign(client, { withTransaction })
  })

const decodeDone = Schema.decodeUnknown(Schema.Array(Schema.Struct({ migration_id: Schema.Int, name: Schema.String })))

const stepOf = (key: string): readonly [id: number, name: string] => {
  const id = Number.parseInt(key, 10)
  return [id, key.slice(key.indexOf("_") + 1)]
}

/**
 * Brings the database up to this version: all steps that are missing in one batch. Steps that another one has run at the
 * same moment make it fail, and nothing of it is kept.
 */
const migrate: Effect.Effect<void, Migrator.MigrationError | SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = sql(migrationsTable)
  // The same table as Migrator's, so that a database can be moved.
  yield* sql`CREATE TABLE IF NOT EXISTS ${table} (
    migration_id integer PRIMARY KEY NOT NULL,
    created_at datetime NOT NULL DEFAULT current_timestamp,
    name VARCHAR(255) NOT NULL
  )`
  const done = yield* Effect.flatMap(
    sql`SELECT migration_id, name FROM ${table} ORDER BY migration_id DESC LIMIT 1`.withoutTransform,
    decodeDone
  ).pipe(Effect.catchTag("ParseError", (cause) => new SqlError({ cause, message: "The table of steps is not ours" })))
  const last = done[0]
  if (last !== undefined && last.migration_id > newest) return yield* newerDatabase(last.migration_id, last.name)
  const missing = Object.entries(migrations).filter(([key]) => stepOf(key)[0] > (last?.migration_id ?? 0))
  if (missing.length === 0) return
  yield* Effect.forEach(
    missing,
    ([key, step]) => {
      const [id, name] = stepOf(key)
      return Effect.zipRight(
        // First: of two that begin at once, one fails with this.
        sql`INSERT INTO ${table} (migration_id, name) VALUES (${id}, ${name})`,
        Effect.mapError(
          step,
          (cause) => new Migrator.MigrationError({ reason: "failed", cause, message: `Migration ${key} failed` })
        )
      )
    },
    { discard: true }
  ).pipe(sql.withTransaction)
})

/** A client over the binding, with our tables brought up to this version. */
export const make = Effect.fn("D1.make")(function* (db: D1Database) {
  const client = yield* makeClient(db)
  yield* Effect.provideService(migrate, SqlClient.SqlClient, client)
  return client
})

/**
 * @example
 * ```ts
 * const Database = D1.layer(env.DB)
 * ```
 */
export const layer = (db: D1Database): Layer.Layer<SqlClient.SqlClient, Migrator.MigrationError | SqlError> =>
  Layer.provide(Layer.effect(SqlClient.SqlClient, make(db)), Reactivity.layer)
