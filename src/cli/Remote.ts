/**
 * A running manager, as `nodes` and `events` talk to it.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type { DataFolderError } from "../adapters/node/DataFolder.js"
import * as ManagerClient from "../api/ManagerClient.js"
import { keyOf, settingsOf } from "./Access.js"
import { type CliError, failed } from "./CliError.js"
import { baseOf, type Flags, type Settings } from "./Settings.js"

export interface Remote {
  readonly settings: Settings
  readonly base: string
  readonly client: ManagerClient.ManagerClient
}

/** The client for the server that flags, variables or the data folder name. Connects to nothing yet. */
export const connect = (
  flags: Flags
): Effect.Effect<Remote, CliError | DataFolderError, FileSystem.FileSystem | HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(flags)
    const base = baseOf(settings)
    const key = settings.adminKey ?? (yield* keyOf(settings))
    return { settings, base, client: yield* ManagerClient.make({ baseUrl: base, key }) }
  })

/** Why a call failed, for the person at the terminal. */
export const explain =
  (base: string) =>
  (error: { readonly _tag: string; readonly message: string }): CliError => {
    switch (error._tag) {
      case "RequestError":
        return failed(`Can't reach the manager at ${base}: is it running there? Name another address by --base`)
      case "Unauthorized":
        return failed(`The manager at ${base} does not accept this key: give its admin key by --admin-key or --key`)
      case "Forbidden":
        return failed(`The manager at ${base} wants its admin key for this: give it by --admin-key`)
      case "ParseError":
      case "ResponseError":
      case "HttpApiDecodeError":
        return failed(`What answers at ${base} is not a manager of this version`)
      default:
        return failed(`The manager at ${base} says: ${error.message}`)
    }
  }

export const layerHttp = FetchHttpClient.layer
