/**
 * What `plan` and `apply` are given: a whole config of the fleet, or some of its sections.
 *
 * - a folder with `base.yml`, `overlays.yml` and `nodes/`, or a file with `base` and other sections: all of it
 * - a file in the form of `mediamtx.yml`: another base
 * - a file in the form of `overlays.yml`: other labels and overlays
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { RequestIssue } from "../api/ApiError.js"
import { formatSyntaxError, parseConfigText } from "../mediamtx/ConfigDocument.js"
import { formatField, parseField } from "../mediamtx/ConfigIssue.js"
import * as ConfigRevisions from "../services/ConfigRevisions.js"
import type { ConfigSourceError } from "../services/ConfigSource.js"
import * as ConfigSourceFile from "../services/ConfigSourceFile.js"
import { FleetDocument, sections } from "../services/FleetDocument.js"
import { type CliError, failed } from "./CliError.js"
import { inputName, readInput } from "./InputFile.js"

export interface FleetInput {
  /** `whole`: what it does not name goes. */
  readonly config:
    | { readonly _tag: "whole"; readonly document: FleetDocument }
    | { readonly _tag: "sections"; readonly sections: Partial<Omit<FleetDocument, "nodes">> }
  /** The text, when it is in the form of `mediamtx.yml`. */
  readonly baseText: string | undefined
  /** The file, and line and column where they are known, of a field: `["overlays", "0", "config", "logLevel"]`. */
  readonly place: (field: ReadonlyArray<string>) => string
}

const decodeDocument = Schema.decodeUnknown(FleetDocument)

/** JSON has no integers beyond 2^53, and no field of MediaMTX takes one. */
const asJson = (name: string, value: unknown): Effect.Effect<object, CliError> =>
  Effect.try({
    try: (): object => JSON.parse(JSON.stringify(value)),
    catch: () => failed(`${name}: holds a number that is too large for any setting`)
  })

const isOf = (keys: ReadonlyArray<string>, names: ReadonlyArray<string>): boolean =>
  keys.every((key) => names.includes(key))

const fromFile = (source: string): Effect.Effect<FleetInput, CliError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const name = inputName(source)
    const text = yield* readInput(source)
    const parsed = parseConfigText(text, { file: name })
    if (Either.isLeft(parsed)) return yield* failed(formatSyntaxError(parsed.left, text).trimEnd())
    if (parsed.right.isEmpty) return yield* failed(`${name}: sets nothing at all`)
    const value = yield* asJson(name, parsed.right.value)
    const place = (field: ReadonlyArray<string>): string => {
      const at = parsed.right.positionOf(field)
      return at === undefined ? name : `${name}:${at.line}:${at.column}`
    }
    const keys = Object.keys(parsed.right.value)
    const isShared = isOf(keys, ["labels", "overlays"])
    if (!keys.includes("base") && !isShared) {
      const base = yield* Schema.decodeUnknown(FleetDocument.fields.base)(value).pipe(
        Effect.mapError(() => failed(`${name}: is not in the form of mediamtx.yml`))
      )
      return {
        config: { _tag: "sections", sections: { base } },
        baseText: text,
        place: ([section, ...field]: ReadonlyArray<string>) => (section === "base" ? place(field) : name)
      }
    }
    const stranger = keys.find((key) => !sections.some((section) => section === key))
    if (stranger !== undefined) {
      return yield* failed(
        `${place([stranger])}: error: ${stranger} is no section of a fleet's config; those are ${sections.join(", ")}`
      )
    }
    const document = yield* decodeDocument(isShared ? { base: {}, ...value } : value).pipe(
      Effect.mapError(() =>
        failed(`${name}: is no fleet's config: base, labels, overlays (a list of {name, nodes, paths, config}), nodes`)
      )
    )
    const { labels = {}, overlays = [] } = document
    return {
      config: isShared ? { _tag: "sections", sections: { labels, overlays } } : { _tag: "whole", document },
      baseText: undefined,
      place
    }
  })

const fromFolder = (
  source: string
): Effect.Effect<FleetInput, CliError | ConfigSourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.scoped(
    Effect.gen(function* () {
      const files = yield* ConfigSourceFile.make({ path: source })
      const rejected = yield* files.rejected
      if (rejected !== undefined) return yield* failed(rejected.message)
      return {
        config: { _tag: "whole", document: ConfigRevisions.documentOf(yield* files.current) },
        baseText: undefined,
        place: ([section = ""]: ReadonlyArray<string>) => `${source}/${section}`
      }
    })
  )

/** Reads a file, `-` for stdin, or a folder. */
export const read = (
  source: string
): Effect.Effect<FleetInput, CliError | ConfigSourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const isFolder =
      source !== "-" &&
      (yield* fs.stat(source).pipe(
        Effect.map(({ type }) => type === "Directory"),
        // Reading it says what is wrong.
        Effect.orElseSucceed(() => false)
      ))
    return yield* isFolder ? fromFolder(source) : fromFile(source)
  })

/** What is refused, at the lines of the file. `error` is a manager's answer. */
export const refused = (
  input: FleetInput,
  { issues, message }: { readonly issues: ReadonlyArray<RequestIssue>; readonly message: string }
): CliError =>
  failed(
    issues.length === 0
      ? message
      : issues
          .map((issue) => {
            const [first = "", ...rest] = parseField(issue.field)
            const field = first === "config" ? rest : [first, ...rest]
            return isOf(field.slice(0, 1), sections)
              ? `${input.place(field)}: error: ${formatField(field)}: ${issue.message}; expected ${issue.expected}`
              : `${input.place([])}: error: ${issue.field}: ${issue.message}; expected ${issue.expected}`
          })
          .join("\n")
  )
