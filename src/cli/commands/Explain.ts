/**
 * `explain --node ID FIELD`: which layer the value of a field on a node comes from.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import type { CommandTextError } from "../../mediamtx/CommandText.js"
import { type ConfigDocument, parseConfigText } from "../../mediamtx/ConfigDocument.js"
import type { InvalidConfig } from "../../mediamtx/ConfigIssue.js"
import { type ExplainedLayer, Explanation, type NotExplained } from "../../services/ConfigExplain.js"
import { ConfigRenderer } from "../../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import type { NodeId } from "../../services/NodeId.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { type CliError, failed, usage } from "../CliError.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output } from "../Output.js"
import * as Remote from "../Remote.js"
import { explanationText, type PlaceOf } from "../RevisionText.js"
import type { Flags, Settings } from "../Settings.js"

export interface ExplainOptions extends Flags {
  readonly node: Option.Option<string>
  readonly json: boolean
  /** From the data folder alone. */
  readonly offline: boolean
  readonly field: string
}

const encode = Schema.encodeSync(Explanation)

const askManager = (options: ExplainOptions, node: NodeId) =>
  Effect.gen(function* () {
    const { base, client } = yield* Remote.connect(options)
    return yield* client.revisions.explain({ urlParams: { node, field: options.field } }).pipe(
      Effect.catchTag("InvalidRequest", ({ issues: [issue], message }) =>
        failed(issue === undefined ? message : `${issue.message}; expected ${issue.expected}`)
      ),
      Effect.mapError((error) => (error._tag === "CliError" ? error : Remote.explain(base)(error)))
    )
  }).pipe(Effect.provide(Remote.layerHttp))

const explainHere = (settings: Settings, options: ExplainOptions, node: NodeId) =>
  Effect.gen(function* () {
    const key = yield* keyOf(settings)
    return yield* Effect.flatMap(
      ConfigRenderer,
      (renderer): Effect.Effect<Explanation, CliError | NotExplained | InvalidConfig> =>
        renderer.explain?.(node, options.field) ?? failed("this renderer can't explain")
    ).pipe(
      Effect.catchTags({
        NotExplained: ({ expected, message }) => failed(`${message}; expected ${expected}`),
        InvalidConfig: ({ message }) => failed(message)
      }),
      Effect.provide(OfflineRenderer.layer(settings, key))
    )
  })

/** Where layers stand in the files of a config. */
const placesIn = (config: string): Effect.Effect<PlaceOf, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const isFolder = yield* fs.stat(config).pipe(
      Effect.map(({ type }) => type === "Directory"),
      Effect.orElseSucceed(() => false)
    )
    const documents = new Map<string, ConfigDocument>()
    const load = (file: string) =>
      fs.readFileString(file).pipe(
        Effect.flatMap((text) => parseConfigText(text)),
        Effect.map((document) => documents.set(file, document)),
        // Then its lines are not known.
        Effect.ignore
      )
    const baseFile = isFolder ? path.join(config, "base.yml") : config
    const overlaysFile = path.join(config, "overlays.yml")
    yield* load(baseFile)
    if (isFolder) yield* load(overlaysFile)
    const nodeFiles = isFolder
      ? yield* Effect.orElseSucceed(fs.readDirectory(path.join(config, "nodes")), (): ReadonlyArray<string> => [])
      : []
    const nodeFile = (node: string) => {
      const name = [`${node}.yml`, `${node}.yaml`].find((each) => nodeFiles.includes(each))
      return name === undefined ? undefined : path.join(config, "nodes", name)
    }
    for (const name of nodeFiles) yield* load(path.join(config, "nodes", name))

    const at = (file: string | undefined, field: ReadonlyArray<string>) => {
      const place = file === undefined ? undefined : documents.get(file)?.positionOf(field)
      return place === undefined ? file : `${file}:${place.line}:${place.column}`
    }
    const indexOf = (name: string | null): number => {
      const overlays = documents.get(overlaysFile)?.value["overlays"]
      return Array.isArray(overlays)
        ? overlays.findIndex((overlay: unknown) => Reflect.get(Object(overlay), "name") === name)
        : -1
    }
    return ({ layer, name }: ExplainedLayer, field: ReadonlyArray<string>) => {
      switch (layer) {
        case "base":
          return at(baseFile, field)
        case "node":
          return at(nodeFile(name ?? ""), field)
        case "overlay":
          return at(overlaysFile, ["overlays", String(indexOf(name)), "config", ...field])
        default:
          return undefined
      }
    }
  })

export const explain = (
  options: ExplainOptions
): Effect.Effect<
  void,
  CliError | CommandTextError | ConfigSourceError | DataFolderError,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (Option.isNone(options.node)) return yield* usage("--node is missing: the id of the node that it is about")
    const node = yield* nodeIdOf(options.node.value, "--node")
    const settings = yield* settingsOf(options)
    const found = yield* options.offline ? explainHere(settings, options, node) : askManager(options, node)
    if (options.json) return yield* output.line(JSON.stringify(encode(found), undefined, 2))
    const placeOf =
      options.offline && settings.configSource === "files" ? yield* placesIn(settings.config) : () => undefined
    yield* output.line(explanationText(found, placeOf, output.color))
  })
