/**
 * `restore FILE`: puts a backup in the place of what a data folder holds. What was there is kept beside it.
 */
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ConfigFolder from "../../adapters/node/ConfigFolder.js"
import * as DataFolder from "../../adapters/node/DataFolder.js"
import * as DataLock from "../../adapters/node/DataLock.js"
import { settingsOf } from "../Access.js"
import { type CliError, failed } from "../CliError.js"
import { Output } from "../Output.js"
import type { Flags } from "../Settings.js"
import { readTar } from "../Tar.js"
import { checkDatabase, names } from "./Backup.js"

export interface RestoreOptions extends Flags {
  readonly file: string
  /** Also over what is there. */
  readonly force: boolean
}

/** What may stand in an archive; anything else would be written nowhere we know of. */
const known = (name: string): boolean =>
  name === names.database ||
  name === names.key ||
  name === names.previousKey ||
  name === names.manager ||
  name === names.file ||
  (name.startsWith(names.folder) &&
    /\.ya?ml$/.test(name) &&
    name.split("/").every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(part)))

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false
  )

export const restore = (
  options: RestoreOptions
): Effect.Effect<void, CliError | DataFolder.DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const settings = yield* settingsOf(options)
    const cant = (cause: unknown) =>
      failed(`Can't restore ${options.file}: ${cause instanceof Error ? cause.message : String(cause)}`)
    const attempt = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: cant })
    if (settings.database === ":memory:") return yield* failed("a database in memory can't be restored")
    if (/^postgres(?:ql)?:/.test(settings.database)) {
      return yield* failed("PostgreSQL has tools of its own for this: pg_dump and pg_restore")
    }

    yield* DataFolder.open(settings.data)
    // No server may run on it, and none may start meanwhile.
    yield* DataLock.acquire(settings)
    const folder = yield* Effect.acquireRelease(
      attempt(() => mkdtemp(join(settings.data, ".restore-"))),
      (made) => Effect.ignore(Effect.tryPromise(() => rm(made, { recursive: true, force: true })))
    )
    let count = 0
    const unpacked = new Map<string, string>()
    const entries = yield* attempt(() =>
      readTar(options.file, ({ name }) => {
        if (!known(name)) throw new Error(`it holds ${JSON.stringify(name)}, which is no part of a backup`)
        const file = join(folder, String(count++))
        unpacked.set(name, file)
        return file
      })
    )
    const database = unpacked.get(names.database)
    if (database === undefined) return yield* failed(`Can't restore ${options.file}: it has no ${names.database}`)
    // Before anything is touched.
    yield* Effect.mapError(checkDatabase(database), (problem) =>
      failed(`Can't restore ${options.file}: its database is damaged: ${problem}`)
    )

    const places = yield* ConfigFolder.locate(settings.config, settings.data)
    const isFolder = entries.some(({ name }) => name.startsWith(names.folder))
    const isFile = unpacked.has(names.file)
    if ((isFolder && places.kind === "file") || (isFile && places.kind === "folder")) {
      return yield* failed(
        `the backup's config is a ${isFile ? "file" : "folder"}, and ${settings.config} is a ${places.kind}: name another place by --config`
      )
    }
    const target = (name: string): string => {
      if (name === names.database) return settings.database
      if (name === names.key) return join(settings.data, DataFolder.KEY_FILE)
      if (name === names.previousKey) return join(settings.data, DataFolder.PREVIOUS_KEY_FILE)
      if (name === names.manager) return places.manager
      return name === names.file ? places.path : join(places.path, name.slice(names.folder.length))
    }
    // The log of the old database would be taken for one of the new.
    const inTheWay = [settings.database, `${settings.database}-wal`, `${settings.database}-shm`]
    for (const name of unpacked.keys()) if (name !== names.database) inTheWay.push(target(name))
    if (isFolder) inTheWay.push(places.path)
    const there: Array<string> = []
    for (const file of inTheWay) if (yield* attempt(() => exists(file))) there.push(file)
    if (there.length > 0 && !options.force) {
      return yield* failed(
        `${there[0]} is there already: name an empty data folder by --data, or --force (what is there is kept)`
      )
    }
    const now = new Date(yield* Clock.currentTimeMillis).toISOString().replace(/[:.]/g, "-")
    const kept = there.map((file) => ({ file, aside: `${file}.before-restore-${now}` }))
    // A folder goes with all that is in it.
    const whole = isFolder ? kept.filter(({ file }) => !file.startsWith(`${places.path}/`)) : kept
    yield* attempt(async () => {
      for (const { aside, file } of whole) await rename(file, aside)
      // The database last: a restore that was cut off before has no database, which is plain to see.
      const order = [...unpacked].sort(([a], [b]) => Number(a === names.database) - Number(b === names.database))
      for (const [name, file] of order) {
        await mkdir(dirname(target(name)), { recursive: true, mode: 0o700 })
        await rename(file, target(name))
      }
    })
    yield* output.line(`restored ${entries.length} files of ${options.file} to ${settings.data}`)
    for (const { aside } of whole) yield* output.note(`what was there is kept as ${aside}`)
    if (!unpacked.has(names.key) && settings.key === undefined) {
      yield* output.note(
        `the key was not in it: put it into ${join(settings.data, DataFolder.KEY_FILE)}, or give it by MANAGER_KEY`
      )
    }
  }).pipe(Effect.scoped)
