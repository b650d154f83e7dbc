/**
 * `lint [FILE|FOLDER]`: what is valid, and dangerous all the same.
 *
 * A folder (or nothing: the config of the server) is looked at as the nodes get it: the base, each kind of node that the
 * overlays make, each node with a config of its own, and `manager.yml`. A file is looked at as MediaMTX alone would run it.
 */
import { basename, join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as AuthRulesFile from "../../adapters/node/AuthRulesFile.js"
import * as ConfigFolder from "../../adapters/node/ConfigFolder.js"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { type ManagerFileError, parseManagerFile } from "../../adapters/node/ManagerFile.js"
import { lintManagerFile, managerLintRules } from "../../adapters/node/ManagerFileLint.js"
import { type ConfigDocument, parseConfigText } from "../../mediamtx/ConfigDocument.js"
import { formatField } from "../../mediamtx/ConfigIssue.js"
import {
  type LintFinding,
  type LintSeverity,
  lintConfig,
  lintRules,
  lintSeverities
} from "../../mediamtx/ConfigLint.js"
import { didYouMean } from "../../mediamtx/DidYouMean.js"
import { formatIssues, type SourcePosition } from "../../mediamtx/IssueText.js"
import { ConfigSource, type ConfigSourceError, type FleetConfig } from "../../services/ConfigSource.js"
import { classesOf, mergeParts, type Part, partsOf, sourceOf } from "../../services/internal/configLayers.js"
import { settingsOf } from "../Access.js"
import { checkConfigText, formatChecked, summary } from "../CheckedConfig.js"
import { CliError, failed, usage } from "../CliError.js"
import { inputName, readInput } from "../InputFile.js"
import * as OfflineRenderer from "../OfflineRenderer.js"
import { Output, paint } from "../Output.js"
import { type Flags, type Settings, settingTable } from "../Settings.js"

export interface LintOptions extends Flags {
  readonly target: Option.Option<string>
  readonly json: boolean
  readonly failOn: Option.Option<LintSeverity | "never">
  readonly ignore: Option.Option<string>
  readonly image: Option.Option<string>
}

/** A finding at its place. */
interface Placed {
  readonly finding: LintFinding
  /** Undefined: nowhere in a file, as with configs that are kept in the database. */
  readonly file: string | undefined
  /** As the file has it. */
  readonly field: ReadonlyArray<string>
  readonly position: SourcePosition | undefined
  /** The nodes it is about; empty: all of them. */
  readonly nodes: ReadonlyArray<string>
}

interface Source {
  readonly file: string
  readonly text: string
  readonly document: ConfigDocument
}

interface Report {
  readonly sources: ReadonlyArray<Source>
  readonly found: ReadonlyArray<Placed>
}

/** The text of a file that is known to be valid; undefined when there is none. */
const sourceOfFile = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.option(fs.readFileString(file))
    if (Option.isNone(text)) return undefined
    const parsed = parseConfigText(text.value, { file })
    return Either.isRight(parsed) ? { file, text: text.value, document: parsed.right } : undefined
  })

const place = (source: Source | undefined, finding: LintFinding, field: ReadonlyArray<string>): Placed => ({
  finding,
  file: source?.file,
  field,
  position: source?.document.positionOf(field),
  nodes: []
})

const alone = (file: string, image: string | undefined) =>
  Effect.gen(function* () {
    const output = yield* Output
    const text = yield* readInput(file)
    const name = inputName(file)
    if (/^manager\.ya?ml$/.test(basename(file))) return yield* managerReport(name, text, undefined)
    const checked = checkConfigText(name, text)
    if (checked.config === undefined || checked.document === undefined) {
      yield* output.note(formatChecked(checked, output.noteColor).trimEnd())
      return yield* failed(`${name}: ${summary(checked)}; only a valid config is linted`)
    }
    const source = { file: name, text, document: checked.document }
    const report: Report = {
      sources: [source],
      found: lintConfig(checked.config, { image }).map((finding) => place(source, finding, finding.field))
    }
    return report
  })

const managerReport = (file: string, text: string, paths: ReadonlyArray<string> | undefined) =>
  Effect.gen(function* () {
    const { auth } = yield* parseManagerFile(text, file)
    const document = Either.getOrUndefined(parseConfigText(text, { file }))
    const source = document === undefined ? undefined : { file, text, document }
    const report: Report = {
      sources: source === undefined ? [] : [source],
      found: lintManagerFile({ auth, storage: document?.value["storage"], paths }).map((finding) =>
        place(source, finding, finding.field)
      )
    }
    return report
  })

/** The configs that nodes may get: the base alone, each kind of nodes, and each node that has its own. */
const variants = (
  fleet: FleetConfig
): ReadonlyArray<{ readonly nodes: ReadonlyArray<string>; readonly parts: ReadonlyArray<Part> }> => [
  { nodes: [], parts: [] },
  ...classesOf(fleet).map((overlays) => ({
    nodes: [],
    parts: overlays.map((overlay): Part => ({ of: "overlay", overlay }))
  })),
  ...[...fleet.nodes.keys()].map((node) => ({ nodes: [node], parts: partsOf(fleet, node) }))
]

const fleetReport = (settings: Settings, places: ConfigFolder.ConfigPlaces, image: string | undefined) =>
  Effect.gen(function* () {
    const fleet = yield* Effect.provide(
      Effect.flatMap(ConfigSource, ({ current }) => current),
      OfflineRenderer.source(settings)
    )
    const inFiles = settings.configSource === "files"
    const base = inFiles ? yield* sourceOfFile(places.base) : undefined
    const overlays =
      inFiles && places.kind === "folder" ? yield* sourceOfFile(join(places.path, "overlays.yml")) : undefined
    const own = new Map<string, Source>()
    for (const node of inFiles && places.nodes !== undefined ? fleet.nodes.keys() : []) {
      for (const name of [`${node}.yml`, `${node}.yaml`]) {
        const source = yield* sourceOfFile(join(places.nodes ?? "", name))
        if (source !== undefined && !own.has(node)) own.set(node, source)
      }
    }

    const found = new Map<string, Placed>()
    const paths = new Set<string>()
    for (const { nodes, parts } of variants(fleet)) {
      const config = mergeParts(fleet.base, parts)
      for (const name of Object.keys(config.paths ?? {})) paths.add(name)
      for (const finding of lintConfig(config, { image, managed: true })) {
        const from = sourceOf(parts, finding.field)
        const at =
          from === undefined
            ? place(base, finding, finding.field)
            : from.part.of === "overlay"
              ? place(overlays, finding, [
                  "overlays",
                  String(fleet.overlays?.indexOf(from.part.overlay) ?? 0),
                  "config",
                  ...from.field
                ])
              : place(own.get(nodes[0] ?? ""), finding, from.field)
        const key = JSON.stringify([finding.rule.id, at.file, at.field, finding.message, inFiles ? "" : nodes])
        const known = found.get(key)
        // What one of the nodes' ways of getting it has in common with all others is said once, of all.
        if (known === undefined) found.set(key, { ...at, nodes })
        else if (known.nodes.length > 0) found.set(key, { ...known, nodes: [...known.nodes, ...nodes] })
      }
    }
    const text = yield* AuthRulesFile.read(places.manager)
    const manager = text === undefined ? undefined : yield* managerReport(places.manager, text, [...paths])
    const report: Report = {
      sources: [base, overlays, ...own.values(), ...(manager?.sources ?? [])].filter((source) => source !== undefined),
      found: [...found.values(), ...(manager?.found ?? [])]
    }
    return report
  })

const ruleIds: ReadonlySet<string> = new Set([...lintRules, ...managerLintRules].map(({ id }) => id))

const ignored = (text: string): Effect.Effect<ReadonlySet<string>, CliError> => {
  const ids = text.split(",").map((id) => id.trim())
  const unknown = ids.find((id) => !ruleIds.has(id))
  if (unknown === undefined) return Effect.succeed(new Set(ids))
  const near = didYouMean(unknown, [...ruleIds])
  return usage(
    `--ignore: there is no rule ${JSON.stringify(unknown)}${near === undefined ? "; docs/lint.md has them all" : `; did you mean ${near}?`}`
  )
}

const rank = (severity: LintSeverity): number => lintSeverities.indexOf(severity)

const order = (a: Placed, b: Placed): number =>
  rank(a.finding.rule.severity) - rank(b.finding.rule.severity) ||
  (a.file ?? "").localeCompare(b.file ?? "") ||
  (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
  (a.position?.column ?? 0) - (b.position?.column ?? 0)

const toJson = ({ field, file, finding: { message, rule }, nodes, position }: Placed) => ({
  rule: rule.id,
  severity: rule.severity,
  ...(file === undefined ? {} : { file }),
  ...(position === undefined ? {} : { line: position.line, column: position.column, length: position.length }),
  field,
  fieldText: formatField(field),
  message,
  why: rule.why,
  right: rule.right,
  ...(nodes.length === 0 ? {} : { nodes })
})

const toText = (placed: Placed, sources: ReadonlyArray<Source>, color: boolean): string => {
  const { field, file, finding, nodes, position } = placed
  return formatIssues({
    text: sources.find((source) => source.file === file)?.text ?? "",
    file: file ?? "config",
    color,
    issues: [
      {
        severity: finding.rule.severity,
        rule: finding.rule.id,
        field,
        fieldText: formatField(field),
        message: nodes.length === 0 ? finding.message : `${finding.message} (on ${nodes.join(", ")})`,
        position,
        expected: finding.rule.right.replaceAll("`", ""),
        hint: finding.rule.why.replaceAll("`", "")
      }
    ]
  })
}

const countText = (found: ReadonlyArray<Placed>): string => {
  const counts = lintSeverities.map((severity) => {
    const number = found.filter(({ finding }) => finding.rule.severity === severity).length
    return number === 0 ? "" : `${number} ${severity}${number === 1 || severity === "info" ? "" : "s"}`
  })
  return counts.every((text) => text === "") ? "nothing found" : counts.filter((text) => text !== "").join(", ")
}

export const lint = (
  options: LintOptions
): Effect.Effect<
  void,
  CliError | ConfigSourceError | DataFolderError | ManagerFileError,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const image = Option.getOrUndefined(options.image)
    const failOn = Option.getOrElse(options.failOn, () => "error" as const)
    const without = Option.isNone(options.ignore) ? new Set<string>() : yield* ignored(options.ignore.value)
    const target = Option.getOrUndefined(options.target)
    const isFolder =
      target !== undefined &&
      target !== "-" &&
      (yield* fs.stat(target).pipe(
        Effect.map(({ type }) => type === "Directory"),
        Effect.orElseSucceed(() => false)
      ))

    const whole = Effect.gen(function* () {
      if (target !== undefined && Option.isSome(options.config ?? Option.none())) {
        return yield* usage(`a folder and ${settingTable.config.flag} name two configs; give one`)
      }
      const settings = yield* settingsOf(
        target === undefined ? options : { ...options, config: Option.some(target), configSource: Option.some("files") }
      )
      // Names in messages as they were given.
      const places = yield* ConfigFolder.locate(target ?? settings.config, settings.data)
      return yield* fleetReport(settings, places, image)
    })
    const { found: all, sources } = target !== undefined && !isFolder ? yield* alone(target, image) : yield* whole
    const found = all.filter(({ finding }) => !without.has(finding.rule.id)).sort(order)
    const bad = failOn !== "never" && found.some(({ finding }) => rank(finding.rule.severity) <= rank(failOn))
    if (options.json) {
      yield* output.line(JSON.stringify({ ok: !bad, failOn, findings: found.map(toJson) }, undefined, 2))
    } else {
      for (const placed of found) yield* output.raw(toText(placed, sources, output.color))
      const line = `${target === undefined ? "config" : inputName(target)}: ${countText(found)}`
      yield* output.line(paint(line, bad ? "red" : found.length > 0 ? "yellow" : "green", output.color))
    }
    // Everything has been said.
    if (bad) return yield* new CliError({ reason: "failed", message: "" })
  })
