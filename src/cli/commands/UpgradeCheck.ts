/**
 * `upgrade-check VERSION`: what becomes of the nodes' configs when they get another MediaMTX.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import { parseConfigText } from "../../mediamtx/ConfigDocument.js"
import { baselineVersion, currentVersion, type MediaMTXVersion } from "../../mediamtx/ConfigField.js"
import { olderRelease } from "../../mediamtx/ConfigForVersion.js"
import type { ConfigIssue } from "../../mediamtx/ConfigIssue.js"
import { validateConfig } from "../../mediamtx/ConfigValidation.js"
import { parseVersion } from "../../mediamtx/MediaMTXVersion.js"
import { checkUpgrade, type UpgradeReport } from "../../mediamtx/UpgradeCheck.js"
import { ConfigRenderer, type RenderFailed } from "../../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import { NodeId } from "../../services/NodeId.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { CliError, failed, usage } from "../CliError.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output, paint } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface UpgradeCheckOptions extends Flags {
  readonly version: string
  readonly node: Option.Option<string>
  readonly from: Option.Option<string>
  readonly json: boolean
  readonly offline: boolean
}

const versionArgument = (text: string, name: string): Effect.Effect<MediaMTXVersion, CliError> => {
  const version = parseVersion(text)
  return version === undefined || olderRelease(version) === "unknown"
    ? usage(
        `${name} is not a release of MediaMTX that is known: use ${baselineVersion} or newer, such as ${currentVersion}`
      )
    : Effect.succeed(version)
}

/** Stands for every node that nothing sets apart. */
const ANY_NODE = NodeId.make("any-node")

interface Checked {
  readonly nodes: ReadonlyArray<string>
  readonly report: UpgradeReport
}

const line = (label: string, text: string): string => `  ${label.padEnd(10)} ${text}`

const reportText = ({ nodes, report }: Checked, color: boolean): string => {
  const places = (issues: ReadonlyArray<ConfigIssue>) => issues.map(({ fieldText }) => fieldText)
  const show = (value: unknown) => JSON.stringify(value)
  const lines = [
    ...report.refused.map(({ fieldText, message }) => paint(line("refused", `${fieldText} ${message}`), "red", color)),
    ...places(report.vanishes).map((text) => paint(line("vanishes", text), "yellow", color)),
    ...places(report.begins).map((text) => line("begins", text)),
    ...report.renamed.map(({ after, before, places: count }) =>
      line("renamed", `${before} -> ${after}${count === 1 ? "" : ` (${count} places)`}`)
    ),
    ...report.defaults.map(({ after, before, field }) => line("default", `${field} ${show(before)} -> ${show(after)}`)),
    ...report.behaviour.map((text) => line("note", text)),
    ...(report.available.length === 0 ? [] : [line("available", report.available.join(", "))])
  ]
  return [
    paint(`${nodes.join(", ")}: ${report.from} -> ${report.to}`, "bold", color),
    ...(lines.length === 0 ? ["  nothing changes"] : lines)
  ].join("\n")
}

/** What the nodes of a running manager say they run. */
const recordsOf = (options: UpgradeCheckOptions) =>
  Effect.gen(function* () {
    const remote = yield* Remote.connect(options)
    return yield* remote.client.nodes.list().pipe(Effect.mapError(Remote.explain(remote.base)))
  }).pipe(Effect.provide(Remote.layerHttp))

export const upgradeCheck = (
  options: UpgradeCheckOptions
): Effect.Effect<
  void,
  CliError | CommandTextError | ConfigSourceError | DataFolderError | RenderFailed,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    const to = yield* versionArgument(options.version, "VERSION")
    const from = Option.isNone(options.from) ? undefined : yield* versionArgument(options.from.value, "--from")
    const only = Option.isNone(options.node) ? undefined : yield* nodeIdOf(options.node.value, "--node")
    const settings = yield* settingsOf(options)
    const key = yield* keyOf(settings)
    const records = options.offline ? [] : yield* recordsOf(options)
    const known = new Map(records.map(({ id, mediamtxVersion }) => [id, mediamtxVersion]))
    if (only !== undefined && !options.offline && !known.has(only)) {
      yield* output.note(`node ${only} has never called: nothing is known of what it runs`)
    }
    const nodes = only === undefined ? (known.size === 0 ? [ANY_NODE] : [...known.keys()]) : [only]
    const reports = yield* Effect.provide(
      Effect.flatMap(ConfigRenderer, (renderer) =>
        Effect.forEach(nodes, (node) =>
          Effect.gen(function* () {
            const told = parseVersion(known.get(node) ?? "")
            // Null: what a label or the setting says.
            const stated = (yield* Effect.option(renderer.render(node, null))).pipe(
              Option.flatMapNullable(({ mediamtxVersion }) => mediamtxVersion)
            )
            const newest = yield* renderer.render(node, currentVersion)
            const config = parseConfigText(newest.yaml).pipe(
              Either.flatMap(({ value }) => validateConfig(value)),
              Either.map((valid) => valid.config)
            )
            // What we have rendered we can read: anything else is a bug of ours.
            if (Either.isLeft(config))
              return yield* Effect.dieMessage(`a rendered config can't be read: ${config.left.message}`)
            const now = from ?? told ?? Option.getOrElse(stated, () => currentVersion)
            const report = checkUpgrade(config.right, now, to)
            if (report === undefined)
              return yield* failed(`node ${node} runs MediaMTX ${now}, of which nothing is known`)
            return { node: node === ANY_NODE ? "any node" : node, report }
          })
        )
      ),
      OfflineRenderer.layer(settings, key)
    )
    const groups = new Map<string, { readonly nodes: Array<string>; readonly report: UpgradeReport }>()
    for (const { node, report } of reports) {
      const id = JSON.stringify(report)
      const found = groups.get(id)
      if (found === undefined) groups.set(id, { nodes: [node], report })
      else found.nodes.push(node)
    }
    const checked = [...groups.values()]
    const refused = checked.some(({ report }) => report.refused.length > 0)
    yield* output.line(
      options.json
        ? JSON.stringify(checked, undefined, 2)
        : checked.map((each) => reportText(each, output.color)).join("\n\n")
    )
    // What is refused has been printed; this is for scripts.
    if (refused) return yield* new CliError({ reason: "failed", message: "" })
  })
