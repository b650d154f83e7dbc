/**
 * `render --node ID`: the exact bytes that a node gets, from the data folder alone.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import { formatIssue } from "../../mediamtx/ConfigIssue.js"
import { ConfigRenderer, type RenderFailed } from "../../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { type CliError, usage } from "../CliError.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output } from "../Output.js"
import type { Flags } from "../Settings.js"

export interface RenderOptions extends Flags {
  readonly node: Option.Option<string>
}

export const render = (
  options: RenderOptions
): Effect.Effect<
  void,
  CliError | CommandTextError | ConfigSourceError | DataFolderError | RenderFailed,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (Option.isNone(options.node)) return yield* usage("--node is missing: the id of the node whose config is wanted")
    const node = yield* nodeIdOf(options.node.value, "--node")
    const settings = yield* settingsOf(options)
    const key = yield* keyOf(settings)
    const rendered = yield* Effect.provide(
      Effect.flatMap(ConfigRenderer, (renderer) => renderer.render(node)),
      OfflineRenderer.layer(settings, key)
    )
    for (const warning of rendered.warnings) yield* output.note(formatIssue(warning))
    yield* output.raw(rendered.bytes)
  })
