/**
 * The embedded database of the Node server: a SQLite file, tuned and migrated, as a `SqlClient`.
 */
import { chmod, mkdir, open } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { migrate } from "./Migrations.js"
import { apply, type SqliteTuning } from "./SqliteTuning.js"

/** The database can't be used: which file, and why. */
export class SqliteNodeError extends Schema.TaggedError<SqliteNodeError>()("SqliteNodeError", {
  filename: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export interface SqliteNodeOptions extends SqliteTuning {
  /** Path of the database file, created with its folder when absent; `:memory:` for one that is gone with the process. */
  readonly filename: string
}

const explain = (filename: string, what: string) => (cause: unknown) =>
  new SqliteNodeError({
    filename,
    message: `${what} ${filename}: ${cause instanceof Error ? describe(cause) : String(cause)}`,
    cause
  })

/** SqlError's message only says which step failed; its cause says why. */
const describe = (error: Error): string =>
  error.cause instanceof Error ? `${error.message.trim()}: ${error.cause.message}` : error.message

/**
 * The file is created before SQLite opens it, so that nobody else can read it at any moment: SQLite gives its `-wal` and
 * `-shm` files the mode of the database.
 */
const createFile = (filename: string) =>
  Effect.tryPromise({
    try: async () => {
      await mkdir(dirname(filename), { recursive: true, mode: 0o700 })
      const file = await open(filename, "a", 0o600)
      await file.close()
      await chmod(filename, 0o600)
    },
    catch: explain(filename, "Can't create the database")
  })

/** Opens, tunes and migrates the database; closed with the scope. */
export const make = Effect.fn("SqliteNode.make")(function* (options: SqliteNodeOptions) {
  const inMemory = options.filename === ":memory:"
  const filename = inMemory ? options.filename : resolve(options.filename)
  if (!inMemory) yield* createFile(filename)
  const client = yield* SqliteClient.make({ filename }).pipe(
    // The constructor of the driver throws: a defect there, an expected failure of the start for us.
    Effect.catchAllDefect((cause) => Effect.fail(explain(filename, "Can't open the database")(cause)))
  )
  yield* apply(options).pipe(
    Effect.zipRight(migrate),
    Effect.provideService(SqlClient.SqlClient, client),
    Effect.mapError((error) => explain(filename, "Can't set up the database")(error))
  )
  return client
})

/**
 * @example
 * ```ts
 * const Database = SqliteNode.layer({ filename: "data/manager.sqlite" })
 * ```
 */
export const layer = (
  options: SqliteNodeOptions
): Layer.Layer<SqlClient.SqlClient | SqliteClient.SqliteClient, SqliteNodeError> =>
  Layer.scopedContext(
    Effect.map(make(options), (client) =>
      Context.make(SqlClient.SqlClient, client).pipe(Context.add(SqliteClient.SqliteClient, client))
    )
  ).pipe(Layer.provide(Reactivity.layer))
