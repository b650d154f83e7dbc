/**
 * `render --node ID`: the exact bytes that a node gets, from the data folder alone.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import * as ConfigFiles from "../../adapters/node/InterimConfigFiles.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import { formatIssue } from "../../mediamtx/ConfigIssue.js"
import * as ConfigRenderer from "../../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import * as Credentials from "../../services/Credentials.js"
import type { RenderFailed } from "../../services/RenderFailed.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { type CliError, usage } from "../CliError.js"
import { Output } from "../Output.js"
import { baseOf, type Flags } from "../Settings.js"

export interface RenderOptions extends Flags {
  readonly node: Option.Option<string>
}

export const render = (
  options: RenderOptions
): Effect.Effect<
  void,
  CliError | CommandTextError | ConfigSourceError | DataFolderError | RenderFailed,
  FileSystem.FileSystem | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (Option.isNone(options.node)) return yield* usage("--node is missing: the id of the node whose config is wanted")
    const node = yield* nodeIdOf(options.node.value, "--node")
    const settings = yield* settingsOf(options)
    const key = yield* keyOf(settings)
    const renderer = ConfigRenderer.layer({
      base: baseOf(settings),
      refresh: {
        every: `${settings.refreshEvery} seconds`,
        mode: settings.refreshMode,
        file: settings.nodeConfigFile
      }
    }).pipe(
      Layer.provide(ConfigFiles.layer(settings.config)),
      Layer.provide(Credentials.layer({ key, adminKey: settings.adminKey }))
    )
    const rendered = yield* Effect.provide(
      Effect.flatMap(ConfigRenderer.ConfigRenderer, (one) => one.render(node)),
      renderer
    )
    for (const warning of rendered.warnings) yield* output.note(formatIssue(warning))
    yield* output.raw(rendered.bytes)
  })
