/**
 * `backup FILE`: everything that a server needs to go on, in one tar archive, while it runs. `restore FILE` is the way back.
 *
 * The database is copied by SQLite in one read transaction: what was acknowledged before is in it, the server writes on
 * meanwhile, and however much it writes does not hold the copy up.
 */
import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ConfigFolder from "../../adapters/node/ConfigFolder.js"
import { type DataFolderError, KEY_FILE, PREVIOUS_KEY_FILE } from "../../adapters/node/DataFolder.js"
import { settingsOf } from "../Access.js"
import { type CliError, failed } from "../CliError.js"
import { Output } from "../Output.js"
import type { Flags } from "../Settings.js"
import { writeTar } from "../Tar.js"

export interface BackupOptions extends Flags {
  readonly file: string
  readonly withoutKey: boolean
  readonly force: boolean
}

/** Names in the archive. */
export const names = {
  database: "manager.db",
  key: "key",
  previousKey: "key.previous",
  manager: "manager.yml",
  file: "config.yml",
  folder: "config/"
}

const reason = (cause: unknown): string =>
  cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause)

const isFile = (file: string): Promise<boolean> =>
  stat(file).then(
    (info) => info.isFile(),
    () => false
  )

/** Opens a database that is there, runs a statement, and closes it. */
const onDatabase = <A>(
  filename: string,
  use: (sql: SqliteClient.SqliteClient) => Effect.Effect<A, { readonly message: string }>
) =>
  SqliteClient.make({ filename, disableWAL: true }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.flatMap(use),
    Effect.catchAllDefect((cause) => Effect.fail(cause)),
    Effect.mapError(reason),
    Effect.scoped
  )

/** Fails with what SQLite finds wrong with the file. */
export const checkDatabase = (filename: string) =>
  onDatabase(filename, (sql) => sql.unsafe("PRAGMA quick_check").values).pipe(
    Effect.flatMap((rows) => (rows[0]?.[0] === "ok" ? Effect.void : Effect.fail(String(rows[0]?.[0] ?? "no answer"))))
  )

const configEntries = async (places: ConfigFolder.ConfigPlaces) => {
  const entries: Array<{ name: string; file: string }> = []
  if (places.kind === "file") {
    entries.push({ name: names.file, file: places.path }, { name: names.manager, file: places.manager })
  } else {
    const found = await readdir(places.path, { recursive: true, withFileTypes: true }).catch(() => [])
    for (const entry of found.filter((each) => each.isFile() && /\.ya?ml$/.test(each.name))) {
      const file = join(entry.parentPath, entry.name)
      const inside = file.slice(places.path.length + 1).replaceAll("\\", "/")
      entries.push({ name: `${names.folder}${inside}`, file })
    }
  }
  return entries
}

export const backup = (
  options: BackupOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const settings = yield* settingsOf(options)
    const archive = resolve(options.file)
    const cant = (cause: unknown) => failed(`Can't make the backup ${options.file}: ${reason(cause)}`)
    const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: cant })
    if (settings.database === ":memory:") return yield* failed("a database in memory can't be backed up")
    if (/^postgres(?:ql)?:/.test(settings.database)) {
      return yield* failed("PostgreSQL has tools of its own for this: pg_dump and pg_restore")
    }
    if (!(yield* attempt(() => isFile(settings.database)))) {
      return yield* failed(`there is no database ${settings.database} to back up: name its data folder by --data`)
    }
    if (!options.force && (yield* attempt(() => isFile(archive)))) {
      return yield* failed(`${options.file} is there already: take another name, or --force`)
    }
    const places = yield* ConfigFolder.locate(settings.config, settings.data)
    // Beside the archive: it has to fit there anyway.
    const folder = yield* Effect.acquireRelease(
      attempt(() => mkdtemp(join(dirname(archive), `.${basename(archive)}-`))),
      (made) => Effect.ignore(Effect.tryPromise(() => rm(made, { recursive: true, force: true })))
    )
    const copy = join(folder, names.database)
    yield* onDatabase(settings.database, (sql) => sql`VACUUM INTO ${copy}`).pipe(
      Effect.zipRight(checkDatabase(copy)),
      Effect.mapError((problem) => failed(`Can't back up the database ${settings.database}: ${problem}`))
    )
    const config = yield* attempt(() => configEntries(places))
    const key = { name: names.key, file: join(settings.data, KEY_FILE) }
    const previousKey = { name: names.previousKey, file: join(settings.data, PREVIOUS_KEY_FILE) }
    const entries: Array<{ name: string; file: string }> = [{ name: names.database, file: copy }]
    for (const entry of [...(options.withoutKey ? [] : [key, previousKey]), ...config]) {
      if (yield* attempt(() => isFile(entry.file))) entries.push(entry)
    }
    const part = join(folder, "archive")
    const now = yield* Clock.currentTimeMillis
    yield* attempt(() => writeTar(part, entries, now))
    yield* attempt(() => rename(part, archive))
    const { size } = yield* attempt(() => stat(archive))
    const hasKey = entries.includes(key)
    yield* output.line(`${options.file}: ${entries.length} files, ${size} bytes${hasKey ? ", the key among them" : ""}`)
    if (!hasKey) yield* output.note("the key is not in it: keep it elsewhere, nodes need the same one after a restore")
  }).pipe(Effect.scoped)
