/**
 * The database of a Cloudflare Durable Object (`ctx.storage.sql`) as a `SqlClient`, migrated.
 *
 * Statements are synchronous. The runtime holds back every answer of the object until what was written before it is
 * durable, so what was acknowledged is kept. A transaction is one of `ctx.storage.transaction`, since `BEGIN` is refused
 * there; while it is open, other statements wait for its end.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import type * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { migrate } from "./Migrations.js"

/** What is used of `ctx.storage`, in the shape that Cloudflare gives it. */
export interface DurableObjectSqliteStorage {
  readonly sql: {
    exec(
      query: string,
      ...bindings: Array<unknown>
    ): {
      toArray(): Array<Record<string, unknown>>
      raw(): Iterable<ReadonlyArray<unknown>>
    }
  }
  transaction<A>(closure: () => Promise<A>): Promise<A>
}

/** What the storage takes as it is; it would make text of a boolean and refuses a bigint. */
const toBinding = (value: unknown): unknown => {
  if (typeof value === "boolean") return value ? 1 : 0
  if (value === undefined) return null
  if (typeof value !== "bigint") return value
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} has more digits than this database keeps exactly`)
  return number
}

const attempt = <A>(run: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({ try: run, catch: (cause) => new SqlError({ cause, message: "Failed to execute statement" }) })

const makeConnection = ({ sql }: DurableObjectSqliteStorage): Connection => {
  const exec = (text: string, params: ReadonlyArray<unknown>) => sql.exec(text, ...params.map(toBinding))
  const execute: Connection["execute"] = (text, params, transformRows) => {
    const rows = attempt(() => exec(text, params).toArray())
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }
  return {
    execute,
    executeRaw: (text, params) => attempt(() => exec(text, params).toArray()),
    executeValues: (text, params) => attempt(() => [...exec(text, params).raw()]),
    executeUnprepared: execute,
    // A cursor does not survive another statement, so it can't be read bit by bit.
    executeStream: (text, params, transformRows) => Stream.fromIterableEffect(execute(text, params, transformRows))
  }
}

/** Makes the storage undo what was written. Nobody sees it. */
class Rollback extends Error {}

interface OpenTransaction {
  /** Ends it; undone unless `keep`. */
  readonly end: (keep: boolean) => Effect.Effect<void, SqlError>
}

const transactionFailed = (cause: unknown) => new SqlError({ cause, message: "The transaction failed" })

/** Opens a transaction of the storage, inside the one that is open already if there is one. */
const beginTransaction = (storage: DurableObjectSqliteStorage): Effect.Effect<OpenTransaction, SqlError> =>
  Effect.async((resume) => {
    let settle: ((keep: boolean) => void) | undefined
    let outcome: Promise<Exit.Exit<void, SqlError>> = Promise.resolve(Exit.void)
    const end = (keep: boolean) =>
      Effect.suspend(() => {
        settle?.(keep)
        return Effect.flatten(Effect.promise(() => outcome))
      })
    const ended = storage.transaction(
      () =>
        new Promise<void>((resolve, reject) => {
          settle = (keep) => (keep ? resolve() : reject(new Rollback()))
          resume(Effect.succeed({ end }))
        })
    )
    outcome = ended.then(
      () => Exit.void,
      (cause) => {
        const exit = cause instanceof Rollback ? Exit.void : Exit.fail(transactionFailed(cause))
        // Where it could not even be opened, nobody will ever end it.
        if (settle === undefined) resume(Effect.fail(transactionFailed(cause)))
        return exit
      }
    )
  })

/** A client over the storage; the database is as it is, without our tables. */
export const makeClient = (
  storage: DurableObjectSqliteStorage
): Effect.Effect<SqlClient.SqlClient, never, Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const connection = makeConnection(storage)
    const lock = yield* Effect.makeSemaphore(1)
    const client = yield* SqlClient.make({
      acquirer: lock.withPermits(1)(Effect.succeed(connection)),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
    const inTransaction = <A, E, R>(depth: number, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(beginTransaction(storage), (transaction) =>
          restore(Effect.provideService(effect, SqlClient.TransactionConnection, [connection, depth])).pipe(
            Effect.exit,
            Effect.flatMap((exit) => Effect.zipRight(transaction.end(Exit.isSuccess(exit)), exit))
          )
        )
      )
    const withTransaction: SqlClient.SqlClient["withTransaction"] = (effect) =>
      Effect.flatMap(Effect.serviceOption(SqlClient.TransactionConnection), (open) =>
        Option.isSome(open) ? inTransaction(open.value[1] + 1, effect) : lock.withPermits(1)(inTransaction(0, effect))
      )
    return Object.assign(client, { withTransaction })
  })

/** A client over the storage, with our tables brought up to this version. */
export const make = Effect.fn("DurableObjectSqlite.make")(function* (storage: DurableObjectSqliteStorage) {
  const client = yield* makeClient(storage)
  yield* Effect.provideService(migrate, SqlClient.SqlClient, client)
  return client
})

/**
 * @example
 * ```ts
 * const Database = DurableObjectSqlite.layer(ctx.storage)
 * ```
 */
export const layer = (
  storage: DurableObjectSqliteStorage
): Layer.Layer<SqlClient.SqlClient, Migrator.MigrationError | SqlError> =>
  Layer.provide(Layer.effect(SqlClient.SqlClient, make(storage)), Reactivity.layer)
