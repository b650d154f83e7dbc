/**
 * What the last `serve` on a data folder ran with, so that `render`, `node-command`, `nodes` and `events` on the same
 * folder mean that server without being told its settings again. Never holds a secret.
 */
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { withoutPassword } from "../adapters/node/DatabaseUrl.js"
import { type DataFolderError, replaceFile } from "../adapters/node/DataFolder.js"
import type { Remembered, Settings } from "./Settings.js"

const LastServe = Schema.Struct({
  /** As nodes reach it. */
  base: Schema.String,
  config: Schema.String,
  /** Absent: files. */
  configSource: Schema.optional(Schema.String),
  /** Absent: the default one. A URL is without its password. */
  database: Schema.optional(Schema.String),
  refreshEvery: Schema.Number,
  refreshMode: Schema.String,
  nodeConfigFile: Schema.String,
  /** Absent: none. */
  relay: Schema.optional(Schema.String),
  /** Absent: all. */
  relayNodes: Schema.optional(Schema.String),
  /** Absent: the newest that is known. */
  mediamtxVersion: Schema.optional(Schema.String),
  /** Absent: drop. */
  unknownFields: Schema.optional(Schema.String),
  /** The key was given by flag or variable, so the one in the data folder is not the server's. */
  keyGiven: Schema.Boolean
})
type LastServe = typeof LastServe.Type

const json = Schema.parseJson(LastServe, { space: 2 })
const decode = Schema.decodeUnknown(json)
const encode = Schema.encodeSync(json)

const fileOf = (data: string): string => join(data, "server.json")

/** Undefined when there is none, or none that can be read: it only saves typing. */
export const read = (data: string): Effect.Effect<LastServe | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* decode(yield* fs.readFileString(fileOf(data)))
  }).pipe(Effect.orElseSucceed(() => undefined))

/** As defaults of settings. */
export const remembered = (data: string): Effect.Effect<Remembered, never, FileSystem.FileSystem> =>
  Effect.map(
    read(data),
    (last): Remembered =>
      last === undefined
        ? {}
        : {
            base: last.base,
            config: last.config,
            ...(last.configSource === undefined ? {} : { configSource: last.configSource }),
            ...(last.database === undefined ? {} : { database: last.database }),
            refreshEvery: `${last.refreshEvery}s`,
            refreshMode: last.refreshMode,
            nodeConfigFile: last.nodeConfigFile,
            ...(last.relay === undefined ? {} : { relay: last.relay }),
            ...(last.relayNodes === undefined ? {} : { relayNodes: last.relayNodes }),
            ...(last.mediamtxVersion === undefined ? {} : { mediamtxVersion: last.mediamtxVersion }),
            ...(last.unknownFields === undefined ? {} : { unknownFields: last.unknownFields })
          }
  )

/** Called when the server listens. */
export const write = (settings: Settings, base: string): Effect.Effect<void, DataFolderError, FileSystem.FileSystem> =>
  replaceFile(
    fileOf(settings.data),
    `${encode({
      base,
      config: settings.config,
      configSource: settings.configSource,
      database: withoutPassword(settings.database),
      refreshEvery: settings.refreshEvery,
      refreshMode: settings.refreshMode,
      nodeConfigFile: settings.nodeConfigFile,
      ...(settings.relay === undefined ? {} : { relay: settings.relay }),
      ...(settings.relayNodes === undefined ? {} : { relayNodes: settings.relayNodes.join(",") }),
      ...(settings.mediamtxVersion === undefined ? {} : { mediamtxVersion: settings.mediamtxVersion }),
      ...(settings.unknownFields === "drop" ? {} : { unknownFields: settings.unknownFields }),
      keyGiven: settings.key !== undefined
    })}\n`
  )
