/**
 * `apply FILE|FOLDER`: makes a config the newest revision of a running manager.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import type { InvalidRequest } from "../../api/ApiError.js"
import { type ConfigDocument, formatSyntaxError, parseConfigText } from "../../mediamtx/ConfigDocument.js"
import { parseField } from "../../mediamtx/ConfigIssue.js"
import * as ConfigRevisions from "../../services/ConfigRevisions.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import * as ConfigSourceFile from "../../services/ConfigSourceFile.js"
import { FleetDocument, sections } from "../../services/FleetDocument.js"
import { type CliError, failed, usage } from "../CliError.js"
import { inputName, readInput } from "../InputFile.js"
import { Output } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"
import { authorOf, revisionOf, told } from "./Revisions.js"

export interface ApplyOptions extends Flags {
  readonly json: boolean
  readonly note: Option.Option<string>
  readonly author: Option.Option<string>
  /** The revision that the change was made from: if there is a newer one, nothing happens. */
  readonly from: Option.Option<string>
  /** A file, `-` for stdin, or a folder. */
  readonly source: string
}

/** What is to be applied, and where a field of it stands. */
interface Given {
  /** What it makes of what is in force. */
  readonly over: (current: FleetDocument) => FleetDocument
  readonly place: (field: ReadonlyArray<string>) => string
}

const decodeDocument = Schema.decodeUnknown(FleetDocument)

/** JSON has no integers beyond 2^53, and no field of MediaMTX takes one. */
const asJson = (name: string, value: unknown): Effect.Effect<unknown, CliError> =>
  Effect.try({
    try: (): unknown => JSON.parse(JSON.stringify(value)),
    catch: () => failed(`${name}: holds a number that is too large for any setting`)
  })

const placeIn =
  (name: string, document: ConfigDocument) =>
  (field: ReadonlyArray<string>): string => {
    const at = document.positionOf(field)
    return at === undefined ? name : `${name}:${at.line}:${at.column}`
  }

const fromFile = (source: string): Effect.Effect<Given, CliError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const name = inputName(source)
    const text = yield* readInput(source)
    const parsed = parseConfigText(text, { file: name })
    if (Either.isLeft(parsed)) return yield* failed(formatSyntaxError(parsed.left, text).trimEnd())
    if (parsed.right.isEmpty) return yield* failed(`${name}: sets nothing at all`)
    const value = yield* asJson(name, parsed.right.value)
    const place = placeIn(name, parsed.right)
    const keys = Object.keys(parsed.right.value)
    if (!keys.includes("base")) {
      // In the form of mediamtx.yml: labels, overlays and nodes stay.
      const base = yield* Schema.decodeUnknown(FleetDocument.fields.base)(value).pipe(
        Effect.mapError(() => failed(`${name}: is not in the form of mediamtx.yml`))
      )
      return {
        over: (current: FleetDocument) => ({ ...current, base }),
        place: ([section, ...field]: ReadonlyArray<string>) => (section === "base" ? place(field) : name)
      }
    }
    const stranger = keys.find((key) => !sections.some((section) => section === key))
    if (stranger !== undefined) {
      return yield* failed(
        `${place([stranger])}: error: ${stranger} is no section of a fleet's config; those are ${sections.join(", ")}`
      )
    }
    const document = yield* decodeDocument(value).pipe(
      Effect.mapError(() =>
        failed(`${name}: is no fleet's config: base, labels, overlays (a list of {name, nodes, paths, config}), nodes`)
      )
    )
    return { over: () => document, place }
  })

const fromFolder = (
  source: string
): Effect.Effect<Given, CliError | ConfigSourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.scoped(
    Effect.gen(function* () {
      const files = yield* ConfigSourceFile.make({ path: source })
      const rejected = yield* files.rejected
      if (rejected !== undefined) return yield* failed(rejected.message)
      const document = ConfigRevisions.documentOf(yield* files.current)
      return { over: () => document, place: ([section = ""]: ReadonlyArray<string>) => `${source}/${section}` }
    })
  )

/** What the manager refuses, at the lines of the file. */
const refused =
  (given: Given) =>
  ({ issues, message }: InvalidRequest): CliError =>
    failed(
      issues.length === 0
        ? message
        : issues
            .map((issue) => {
              const [first, ...field] = parseField(issue.field)
              const known = first === "config"
              const name = known ? issue.field.slice("config.".length) : issue.field
              return `${given.place(known ? field : [])}: error: ${name}: ${issue.message}; expected ${issue.expected}`
            })
            .join("\n")
    )

export const apply = (
  options: ApplyOptions
): Effect.Effect<void, CliError | ConfigSourceError | DataFolderError, FileSystem.FileSystem | Path.Path | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const from = Option.isNone(options.from) ? undefined : yield* revisionOf(options.from.value)
    if (from === 0) return yield* usage("--from: there is no revision 0")
    const isFolder =
      options.source !== "-" &&
      (yield* fs.stat(options.source).pipe(
        Effect.map(({ type }) => type === "Directory"),
        // Reading it says what is wrong.
        Effect.orElseSucceed(() => false)
      ))
    const given = yield* isFolder ? fromFolder(options.source) : fromFile(options.source)
    const { base, client } = yield* Remote.connect(options)
    const explain = Remote.explain(base)
    const current = yield* (
      from === undefined
        ? client.revisions.current({ headers: {} })
        : client.revisions.revision({ path: { revision: String(from) } })
    ).pipe(Effect.mapError(explain))
    if (current === undefined) return yield* failed(`What answers at ${base} is not a manager of this version`)
    const changed = yield* client.revisions
      .put({
        headers: { "if-match": current.etag },
        payload: {
          config: given.over(current.config),
          author: authorOf(options.author),
          ...(Option.isSome(options.note) && { note: options.note.value })
        }
      })
      .pipe(
        Effect.catchTag("InvalidRequest", (error) => refused(given)(error)),
        Effect.mapError((error) => (error._tag === "CliError" ? error : explain(error)))
      )
    for (const warning of changed.warnings) {
      yield* output.note(`warning: ${warning.fieldText}: ${warning.message}; expected ${warning.expected}`)
    }
    yield* told(output, changed, options.json)
  }).pipe(Effect.provide(Remote.layerHttp))
