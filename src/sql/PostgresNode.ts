/**
 * A PostgreSQL database, which several managers may share, as a migrated `SqlClient` and its `Sharing`.
 *
 * Needs the packages `@effect/sql-pg` and `pg`, which are loaded only when a layer is built.
 *
 * - A manager that hangs while it has its turn as the writer loses it after `patience`: the server ends its transaction.
 * - Announcements (LISTEN and NOTIFY) need a session, so connect to PostgreSQL itself, or through a pooler in session mode.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Client } from "pg"
import { migrate, migrationsTable } from "./Migrations.js"
import { Sharing, type SharingShape } from "./Sharing.js"

/** The database can't be used: which one (without its password), and why. */
export class PostgresNodeError extends Schema.TaggedError<PostgresNodeError>()("PostgresNodeError", {
  /** `postgres://HOST:PORT/NAME` */
  database: Schema.String,
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export interface PostgresNodeOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=...` */
  readonly url: Redacted.Redacted
  /** The schema in which the tables are, created when absent (default: the user's, which is `public`). */
  readonly schema?: string | undefined
  /** How many connections one manager has at most, beside the one that listens (default 10). */
  readonly maxConnections?: number | undefined
  /**
   * How long a write waits for its turn, and a manager that hangs may keep it (default 10 seconds).
   */
  readonly patience?: Duration.DurationInput | undefined
}

/** All announcements go through one channel: their payload is a name. */
const CHANNEL = "mtx_manager"
/** The first key of our advisory locks; the second is the hash of a name. */
const LOCKS = 0x6d7478
/** At least this often, whatever becomes of the announcements. */
const POLL = Duration.seconds(1)
/** How often a manager checks that it still hears announcements: a connection may be dead without anybody being told. */
const CHECK = Duration.seconds(5)

/** Where the database is, without credentials and parameters. */
const nameOf = (url: Redacted.Redacted): string => {
  try {
    const { host, pathname } = new URL(Redacted.value(url))
    return `postgres://${host}${pathname}`
  } catch {
    return "postgres://?"
  }
}

/** SqlError's message only says which step failed; its causes say why. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const inner =
    error instanceof AggregateError ? error.errors[0] : error.cause instanceof Error ? error.cause : undefined
  return inner === undefined ? error.message : `${error.message.trim()}: ${describe(inner)}`
}

/**
 * Parsers for the types that we read. Integers of 64 bits would be given as text otherwise: ours are times, cursors and
 * counters, far below 2^53.
 */
const parsers = new Map<number, (text: string) => unknown>([
  [16, (text) => text === "t"],
  [20, Number],
  [21, Number],
  [23, Number],
  [700, Number],
  [701, Number]
])
const asText = (text: string): unknown => text
const types = { getTypeParser: (oid: number) => parsers.get(oid) ?? asText }

const connectionString = (options: PostgresNodeOptions): string => {
  const url = new URL(Redacted.value(options.url))
  const patience = String(Math.ceil(Duration.toMillis(options.patience ?? "10 seconds")))
  for (const [name, value] of [
    ["idle_in_transaction_session_timeout", patience],
    ["lock_timeout", patience],
    ["application_name", "mtx-manager"]
  ] as const) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, value)
  }
  if (options.schema !== undefined) {
    const given = url.searchParams.get("options")
    url.searchParams.set("options", `${given === null ? "" : `${given} `}-c search_path=${options.schema}`)
  }
  return url.toString()
}

/** Of managers that start at the same moment, one makes the table that the others then wait for. */
const prepare = (options: PostgresNodeOptions) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`SELECT pg_advisory_xact_lock(${LOCKS}::int, hashtext('migrations'))`
    if (options.schema !== undefined) yield* sql`CREATE SCHEMA IF NOT EXISTS ${sql(options.schema)}`
    // As Migrator would make it: it finds out whether it is there by a statement that fails, and that isn't one for a race.
    yield* sql`CREATE TABLE IF NOT EXISTS ${sql(migrationsTable)} (
      migration_id INTEGER PRIMARY KEY,
      created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      name TEXT NOT NULL
    )`
  })

/** The other side of a connection does not go by the clock of a test. */
const realTime = Effect.withClock(Clock.make())

/** Closes what may have broken already; what is not closed within a second is left to the other side. */
const close = (end: () => Promise<void>): Effect.Effect<void> =>
  Effect.tryPromise(end).pipe(Effect.interruptible, Effect.timeoutOption("1 second"), Effect.ignore, realTime)

/**
 * What is announced, over a connection of its own, until that breaks. Not by `PgClient.listen`: its connection is without a
 * listener for errors while it opens and while it closes, and an error that nobody hears ends the process.
 */
const announcements = (connect: () => Client): Stream.Stream<string, SqlError> =>
  Stream.asyncPush<string, SqlError>(
    Effect.fnUntraced(function* (emit) {
      const connection = yield* Effect.acquireRelease(Effect.sync(connect), (opened) => close(() => opened.end()))
      connection.on("error", (cause) => {
        emit.fail(new SqlError({ cause, message: "Announcements are not heard any more" }))
      })
      connection.on("notification", ({ payload }) => {
        if (payload !== undefined) emit.single(payload)
      })
      yield* Effect.tryPromise({
        try: async () => {
          await connection.connect()
          await connection.query(`LISTEN ${CHANNEL}`)
        },
        catch: (cause) => new SqlError({ cause, message: "Failed to listen" })
      })
    })
  )

const makeSharing = Effect.fnUntraced(function* (
  client: PgClient.PgClient,
  connect: () => Client
): Effect.fn.Return<SharingShape, never, Scope.Scope> {
  const sql: SqlClient.SqlClient = client
  /** Who is to be woken, by name. */
  const listeners = new Map<string, Set<Effect.Latch>>()
  const wake = (name: string) => {
    for (const latch of listeners.get(name) ?? []) latch.unsafeOpen()
  }
  const wakeAll = () => {
    for (const name of listeners.keys()) wake(name)
  }
  const announce = (name: string) => Effect.asVoid(sql`SELECT pg_notify(${CHANNEL}, ${name})`.withoutTransform)

  // A connection can be dead without anybody being told, so we talk to ourselves over it.
  const self = `self ${yield* Effect.sync(() => globalThis.crypto.randomUUID())}`
  let heard = true
  const deaf = new SqlError({ cause: undefined, message: "Announcements are not heard any more" })
  const check = Effect.gen(function* () {
    heard = false
    yield* announce(self)
    yield* Effect.sleep(CHECK)
    if (!heard) return yield* deaf
  }).pipe(Effect.forever)
  yield* Stream.runForEach(announcements(connect), (name) =>
    Effect.sync(() => {
      heard = true
      wake(name)
    })
  ).pipe(
    Effect.raceFirst(check),
    Effect.tapErrorCause((cause) =>
      Effect.logDebug("Announcements of other managers are not heard, trying again", cause)
    ),
    // What was announced meanwhile.
    Effect.ensuring(Effect.sync(wakeAll)),
    Effect.retry(Schedule.jittered(Schedule.spaced("1 second"))),
    realTime,
    Effect.forkScoped
  )

  return {
    announce,
    alone: (name, body) =>
      sql.withTransaction(
        Effect.zipRight(sql`SELECT pg_advisory_xact_lock(${LOCKS}::int, hashtext(${name}))`.withoutTransform, body)
      ),
    changes: (name) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const latch = Effect.unsafeMakeLatch(false)
          const latches = listeners.get(name) ?? new Set()
          listeners.set(name, latches.add(latch))
          return latch
        }),
        (latch) => Effect.sync(() => listeners.get(name)?.delete(latch))
      ).pipe(
        Effect.map((latch) =>
          Stream.repeatEffect(Effect.zipRight(realTime(Effect.timeoutOption(latch.await, POLL)), latch.close))
        ),
        Stream.unwrapScoped
      )
  }
})

/** Connects and migrates; closed with the scope. */
export const make = Effect.fn("PostgresNode.make")(function* (options: PostgresNodeOptions) {
  const database = nameOf(options.url)
  const explain = (what: string) => (cause: unknown) =>
    new PostgresNodeError({ database, message: `${what} ${database}: ${describe(cause)}`, cause })
  const { Client, PgClient, Pool } = yield* Effect.tryPromise({
    try: async () => {
      const [pg, PgClient] = await Promise.all([import("pg"), import("@effect/sql-pg/PgClient")])
      return { Client: pg.default.Client, PgClient, Pool: pg.default.Pool }
    },
    catch: (cause) =>
      new PostgresNodeError({
        database,
        message: `The database ${database} needs two packages beside this one: npm install @effect/sql-pg@0.53 pg@8`,
        cause
      })
  })
  const url = yield* Effect.try({
    try: () => connectionString(options),
    catch: () => new PostgresNodeError({ database, message: "The URL of the PostgreSQL database can't be read" })
  })
  const acquire = Effect.acquireRelease(
    Effect.sync(() => {
      const pool = new Pool({
        connectionString: url,
        max: options.maxConnections ?? 10,
        connectionTimeoutMillis: 5_000,
        types
      })
      // A connection can break more than once, and while nobody holds it: an error that nobody hears ends the process.
      // Whoever uses the connection is told by the statement.
      pool.on("error", () => {})
      pool.on("connect", (connection) => void connection.on("error", () => {}))
      return pool
    }),
    (pool) =>
      Effect.ignore(
        Effect.interruptible(
          Effect.timeoutOption(
            Effect.promise(() => pool.end()),
            "1 second"
          )
        )
      )
  )
  const client = yield* PgClient.fromPool({ acquire }).pipe(
    Effect.tap((sql) => sql`SELECT 1`),
    Effect.mapError(explain("Can't connect to the database"))
  )
  yield* sqlTransaction(client, prepare(options)).pipe(
    Effect.zipRight(migrate),
    Effect.provideService(SqlClient.SqlClient, client),
    Effect.mapError(explain("Can't set up the database"))
  )
  return Context.make(SqlClient.SqlClient, client as SqlClient.SqlClient).pipe(
    Context.add(
      Sharing,
      yield* makeSharing(client, () => new Client({ connectionString: url, connectionTimeoutMillis: 5_000 }))
    )
  )
})

const sqlTransaction = <A, E, R>(sql: SqlClient.SqlClient, body: Effect.Effect<A, E, R>) => sql.withTransaction(body)

/**
 * @example
 * ```ts
 * const Database = PostgresNode.layer({ url: Redacted.make("postgres://manager:secret@db.example.com/manager") })
 * ```
 */
export const layer = (options: PostgresNodeOptions): Layer.Layer<SqlClient.SqlClient | Sharing, PostgresNodeError> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
