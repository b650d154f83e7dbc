/**
 * Keeps two servers off one data folder: two that write to one log, answer for one fleet and expire one another's nodes.
 *
 * The lock is SQLite's own on a file made for it, so it is the operating system that holds it: it ends with the process,
 * however that ends, and it holds between containers, where a process id means nothing.
 */
import { chmod, mkdir, open, readFile, rm, writeFile } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname, join, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { DataFolderError } from "./DataFolder.js"

/** Who holds a lock: only to say it, never to decide by it. */
const Holder = Schema.parseJson(Schema.Struct({ pid: Schema.Int, host: Schema.String, since: Schema.String }))
const decodeHolder = Schema.decodeUnknown(Holder)
const encodeHolder = Schema.encodeSync(Holder)

/** A server that is told to stop and started again at once may still be about to end. */
const PATIENCE = Schedule.spaced("100 millis").pipe(Schedule.upTo("1 second"))

const codeOf = (error: unknown): string => {
  for (let at = error; typeof at === "object" && at !== null; at = "cause" in at ? at.cause : undefined) {
    if ("code" in at && typeof at.code === "string") return at.code
  }
  return ""
}

/** Held as long as the scope is open. `what` is the folder or file that is locked, as the error names it. */
const hold = (file: string, what: string): Effect.Effect<void, DataFolderError, Scope> =>
  Effect.gen(function* () {
    const holderFile = `${file}.holder`
    const cant = (cause: unknown) =>
      new DataFolderError({
        path: file,
        message: `Can't lock ${what}: ${cause instanceof Error ? cause.message : String(cause)}`
      })
    yield* Effect.tryPromise({
      try: async () => {
        await mkdir(dirname(file), { recursive: true, mode: 0o700 })
        await (await open(file, "a", 0o600)).close()
        await chmod(file, 0o600)
      },
      catch: cant
    })
    const lock = yield* SqliteClient.make({ filename: file, disableWAL: true }).pipe(
      Effect.provide(Reactivity.layer),
      Effect.catchAllDefect((cause) => Effect.fail(cant(cause)))
    )
    const inUse = Effect.gen(function* () {
      const holder = yield* Effect.tryPromise(() => readFile(holderFile, "utf8")).pipe(
        Effect.flatMap(decodeHolder),
        Effect.map(({ host, pid, since }) => ` (process ${pid} on ${host}, since ${since})`),
        Effect.orElseSucceed(() => "")
      )
      return yield* new DataFolderError({
        path: file,
        message: `Another mtx-manager${holder} uses ${what}: stop it first, or take another folder by --data`
      })
    })
    yield* Effect.mapError(lock.unsafe("PRAGMA busy_timeout = 0").withoutTransform, cant)
    yield* lock.unsafe("BEGIN EXCLUSIVE").withoutTransform.pipe(
      Effect.retry({ schedule: PATIENCE, while: (error) => codeOf(error).startsWith("SQLITE_BUSY") }),
      Effect.catchAll((error) => (codeOf(error).startsWith("SQLITE_BUSY") ? inUse : cant(error)))
    )
    const since = new Date(yield* Clock.currentTimeMillis).toISOString()
    yield* Effect.acquireRelease(
      Effect.ignore(
        Effect.tryPromise(() =>
          writeFile(holderFile, encodeHolder({ pid: process.pid, host: hostname(), since }), { mode: 0o600 })
        )
      ),
      () => Effect.ignore(Effect.tryPromise(() => rm(holderFile, { force: true })))
    )
  })

/**
 * Locks the data folder and the database until the scope closes. Fails within about a second when
 * another process has them, and says which.
 */
export const acquire = (options: {
  readonly data: string
  /** SQLite file; `:memory:` and `postgres://...` are not locked. */
  readonly database: string
}): Effect.Effect<void, DataFolderError, Scope> =>
  Effect.gen(function* () {
    yield* hold(join(resolve(options.data), ".lock"), `the data folder ${options.data}`)
    // A server of its own knows how to be used by several.
    if (options.database === ":memory:" || /^postgres(?:ql)?:/.test(options.database)) return
    // Another data folder may name this database.
    yield* hold(`${resolve(options.database)}.lock`, `the database ${options.database}`)
  })
