/**
 * Where the prebuilt server's configuration is: one mediamtx.yml-shaped file, or a folder with `base.yml`, `nodes/ID.yml`
 * and `manager.yml`; and its creation on the first start.
 */
import { basename, dirname, extname, join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { DataFolderError, describePlatformError, replaceFile } from "./DataFolder.js"
import { exampleBase, exampleManager } from "./ExampleConfig.js"

export interface ConfigPlaces {
  readonly kind: "file" | "folder"
  /** As configured: the file, or the folder. */
  readonly path: string
  /** The base config. */
  readonly base: string
  /** The auth rules. Of a single file, in the data folder: what is beside the file is not ours. */
  readonly manager: string
  /** Overlays of single nodes; undefined for a single file. */
  readonly nodes: string | undefined
}

const isYaml = (path: string): boolean => [".yml", ".yaml"].includes(extname(basename(path)).toLowerCase())

const typeOf = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(path).pipe(
    Effect.map((info) => info.type),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.succeed(undefined)
    ),
    Effect.mapError(
      (error) =>
        new DataFolderError({ path, message: `Can't read the config ${path}: ${describePlatformError(error)}` })
    )
  )
})

/** Looks what is at `path`; what is not there yet is a file when it is named like one. */
export const locate = Effect.fn("ConfigFolder.locate")(function* (path: string, data: string) {
  const type = yield* typeOf(path)
  const places: ConfigPlaces =
    type === "Directory" || (type === undefined && !isYaml(path))
      ? {
          kind: "folder",
          path,
          base: join(path, "base.yml"),
          manager: join(path, "manager.yml"),
          nodes: join(path, "nodes")
        }
      : { kind: "file", path, base: path, manager: join(data, "manager.yml"), nodes: undefined }
  return places
})

/**
 * Creates the examples where there is nothing at all: an absent or empty folder, an absent file. Never adds a file to an
 * existing config: an operator who removed `manager.yml` has closed the fleet, and a restart must not open it again.
 * `fresh` says whether this is the first start on the data folder.
 */
export const createWhenAbsent = Effect.fn("ConfigFolder.createWhenAbsent")(function* (
  places: ConfigPlaces,
  fresh: boolean
) {
  const fs = yield* FileSystem.FileSystem
  const explain = (error: Parameters<typeof describePlatformError>[0]) =>
    new DataFolderError({
      path: places.path,
      message: `Can't create the config ${places.path}: ${describePlatformError(error)}`
    })
  const created: Array<string> = []
  const create = (file: string, text: string) =>
    Effect.tap(replaceFile(file, text), () => Effect.sync(() => created.push(file)))

  if (places.kind === "folder") {
    yield* fs.makeDirectory(places.path, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(explain))
    const entries = yield* fs.readDirectory(places.path).pipe(Effect.mapError(explain))
    if (entries.length === 0) {
      yield* create(places.base, exampleBase)
      yield* create(places.manager, exampleManager)
    }
  } else {
    if ((yield* typeOf(places.base)) === undefined) {
      yield* fs.makeDirectory(dirname(places.base), { recursive: true }).pipe(Effect.mapError(explain))
      yield* create(places.base, exampleBase)
    }
    if (fresh && (yield* typeOf(places.manager)) === undefined) yield* create(places.manager, exampleManager)
  }
  return created
})
