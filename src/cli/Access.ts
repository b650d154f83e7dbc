/**
 * What commands beside `serve` need to know of a server: its settings and its key, without changing anything.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { type DataFolderError, readKey } from "../adapters/node/DataFolder.js"
import { isNodeId, type NodeId } from "../services/NodeId.js"
import { type CliError, failed, usage } from "./CliError.js"
import * as LastServe from "./LastServe.js"
import { type Flags, resolveSettings, type Settings } from "./Settings.js"

/** The settings, where the last `serve` on the data folder stands in for what is not given. */
export const settingsOf = (flags: Flags): Effect.Effect<Settings, CliError, FileSystem.FileSystem> =>
  resolveSettings(flags, process.cwd(), LastServe.remembered)

/** The shared key: given, else the one in the data folder. */
export const keyOf = (
  settings: Settings
): Effect.Effect<Redacted.Redacted, CliError | DataFolderError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (settings.key !== undefined) return settings.key
    const last = yield* LastServe.read(settings.data)
    if (last?.keyGiven === true) {
      return yield* failed(
        `The server of ${settings.data} was started with a key of its own: give the same one by --key or MANAGER_KEY`
      )
    }
    const kept = yield* readKey(settings.data)
    if (Option.isSome(kept)) return kept.value
    return yield* failed(
      `There is no key in ${settings.data} yet. Start the server once (mtx-manager serve), or name its folder by --data or its key by --key`
    )
  })

/** A node id from the command line. */
export const nodeIdOf = (text: string, name: string): Effect.Effect<NodeId, CliError> =>
  isNodeId(text)
    ? Effect.succeed(text)
    : usage(
        `${name}: ${JSON.stringify(text)} is not a node id; expected 1 to 64 characters of A-Z a-z 0-9 . _ - that begin with a letter or digit, such as cam-north.1`
      )
