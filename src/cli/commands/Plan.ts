/**
 * `plan NEW`: what another config would do to the nodes, before anybody gets it.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { invalidDocument } from "../../api/RequestIssues.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import * as ConfigPlan from "../../services/ConfigPlan.js"
import { type ConfigChange, ConfigRenderer } from "../../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import type { NodeId } from "../../services/NodeId.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { checkConfigText, formatChecked, summary } from "../CheckedConfig.js"
import { CliError, failed } from "../CliError.js"
import * as FleetInput from "../FleetInput.js"
import { inputName } from "../InputFile.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output, paint } from "../Output.js"
import { couldDrop, planText, possibleVerdict, verdict } from "../PlanText.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface PlanOptions extends Flags {
  readonly file: string
  readonly node: Option.Option<string>
  readonly json: boolean
  /** From the data folder alone; nothing is known of what is live. */
  readonly offline: boolean
}

const encode = Schema.encodeSync(ConfigPlan.ConfigPlan)

const askManager = (options: PlanOptions, input: FleetInput.FleetInput, node: NodeId | undefined) =>
  Effect.gen(function* () {
    const remote = yield* Remote.connect(options)
    const { config } = input
    return yield* remote.client.plan
      .plan({
        payload: {
          ...(config._tag === "whole" ? { config: config.document } : config.sections),
          ...(node !== undefined && { node })
        }
      })
      .pipe(
        Effect.catchTag("InvalidRequest", (error) => FleetInput.refused(input, error)),
        Effect.mapError((error) => (error._tag === "CliError" ? error : Remote.explain(remote.base)(error)))
      )
  }).pipe(Effect.provide(Remote.layerHttp))

const planHere = (options: PlanOptions, input: FleetInput.FleetInput, node: NodeId | undefined) =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(options)
    const key = yield* keyOf(settings)
    return yield* Effect.provide(
      Effect.gen(function* () {
        const renderer = yield* ConfigRenderer
        const { config } = input
        const change: ConfigChange =
          config._tag === "whole" ? yield* ConfigPlan.replaceBy(config.document) : config.sections
        const preview = yield* renderer.preview?.(change) ?? Effect.succeed(undefined)
        const imagined = preview === undefined ? [] : ConfigPlan.imaginedNodes(preview)
        const nodes = (node === undefined ? imagined : [node]).map((id) => ({ id, record: undefined }))
        return yield* ConfigPlan.plan(renderer, { change, nodes, snapshot: undefined })
      }).pipe(
        Effect.catchTags({
          InvalidConfig: (error) => FleetInput.refused(input, invalidDocument(error)),
          PlanNotSupported: ({ message }) => failed(message)
        })
      ),
      OfflineRenderer.layer(settings, key)
    )
  })

export const plan = (
  options: PlanOptions
): Effect.Effect<
  void,
  CliError | CommandTextError | ConfigSourceError | DataFolderError,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    const node = Option.isNone(options.node) ? undefined : yield* nodeIdOf(options.node.value, "--node")
    const input = yield* FleetInput.read(options.file)
    if (input.baseText !== undefined) {
      const checked = checkConfigText(inputName(options.file), input.baseText)
      // Said here, where the lines are at hand, and in the words of `validate`.
      if (checked.issues.length > 0) yield* output.note(formatChecked(checked, output.noteColor).trimEnd())
      if (checked.errors > 0) return yield* failed(`${checked.file}: ${summary(checked)}; nothing was planned`)
    }
    const found = yield* options.offline ? planHere(options, input, node) : askManager(options, input, node)
    const drops = options.offline ? couldDrop(found) : found.drops.nodes > 0
    const line = options.offline ? possibleVerdict(found) : verdict(found)
    if (options.json) {
      yield* output.line(JSON.stringify({ verdict: line, drops, plan: encode(found) }, undefined, 2))
    } else {
      yield* output.line(planText(found, output.color, options.offline))
      yield* output.line(`\n${paint(line, drops ? "red" : "green", output.color)}`)
    }
    // The verdict has been printed; this is for scripts.
    if (drops) return yield* new CliError({ reason: "drops", message: "" })
  })
