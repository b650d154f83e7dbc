/**
 * `rotate-key`: another shared key in the data folder, beside which the one before goes on to serve nodes until they boot.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as DataFolder from "../../adapters/node/DataFolder.js"
import { settingsOf } from "../Access.js"
import type { CliError } from "../CliError.js"
import { Output } from "../Output.js"
import type { Flags } from "../Settings.js"

export interface RotateKeyOptions extends Flags {
  /** No node goes by the previous key any more. */
  readonly finish: boolean
}

export const rotateKey = (
  options: RotateKeyOptions
): Effect.Effect<void, CliError | DataFolder.DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const { data } = yield* settingsOf(options)
    if (options.finish) {
      const was = yield* DataFolder.forgetPreviousKey(data)
      return yield* output.line(
        was
          ? "the previous key is forgotten: start the server anew, and nodes that still go by it are shut out"
          : "there is no previous key: nothing to do"
      )
    }
    yield* DataFolder.rotateKey(data)
    yield* output.line(
      [
        `there is a new key in ${data}; the one before serves nodes until the rotation is finished. Now:`,
        "1. start the server anew: no stream drops, nodes go on with the tokens that they have",
        "2. give each node the command that node-command ID prints now, when it suits you: it boots with the new key",
        "3. when mtx_manager_nodes_behind_key is 0 and all have their new command: rotate-key --finish, and start the server anew"
      ].join("\n")
    )
  })
