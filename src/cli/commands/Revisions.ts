/**
 * `revisions`, `diff`, `rollback`: the history of the config of a running manager.
 */
import { userInfo } from "node:os"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { ConfigChanged } from "../../api/RevisionsApi.js"
import { stringify, type YamlValue } from "../../mediamtx/Yaml.js"
import { RevisionInfo } from "../../services/ConfigRevisions.js"
import { type CliError, failed, usage } from "../CliError.js"
import { Output, type OutputShape, paint } from "../Output.js"
import * as Remote from "../Remote.js"
import { differenceText, revisionsText } from "../RevisionText.js"
import type { Flags } from "../Settings.js"

type Run = Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output>

const encodeInfo = Schema.encodeSync(RevisionInfo)
const encodeChanged = Schema.encodeSync(ConfigChanged)

/** Who makes a change, when it is not said. */
export const authorOf = (given: Option.Option<string>): string =>
  Option.getOrElse(given, () => {
    try {
      return userInfo().username
    } catch {
      // A container may run as a user that has no name.
      return "cli"
    }
  })

/** A number of a revision from the command line. */
export const revisionOf = (text: string): Effect.Effect<number, CliError> =>
  /^[0-9]{1,15}$/.test(text)
    ? Effect.succeed(Number(text))
    : usage(`${JSON.stringify(text)} is not the number of a revision; mtx-manager revisions lists them`)

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

/** What came of a change. */
export const told = (output: OutputShape, changed: ConfigChanged, json: boolean): Effect.Effect<void> => {
  if (json) return output.line(JSON.stringify(encodeChanged(changed), undefined, 2))
  const { revision } = changed.revision
  if (!changed.created) return output.line(`no change: it is what revision ${revision} holds`)
  const { impact } = changed
  const dropped =
    impact === null
      ? ""
      : impact.drops.nodes === 0
        ? `; ${paint("nothing drops", "green", output.color)}`
        : `; ${paint(`drops ${count(impact.drops.streams, "stream")} with ${count(impact.drops.readers, "reader")} on ${count(impact.drops.nodes, "node")}`, "red", output.color)}`
  return output.line(`revision ${revision} is in force${dropped}`)
}

export interface RevisionsOptions extends Flags {
  readonly limit: Option.Option<number>
  readonly json: boolean
  /** Its config is wanted. */
  readonly revision: Option.Option<string>
}

export const revisions = (options: RevisionsOptions): Run =>
  Effect.gen(function* () {
    const output = yield* Output
    const { base, client } = yield* Remote.connect(options)
    if (Option.isSome(options.revision)) {
      const revision = String(yield* revisionOf(options.revision.value))
      const found = yield* client.revisions.revision({ path: { revision } }).pipe(Effect.mapError(Remote.explain(base)))
      if (options.json) {
        const { config, etag, ...info } = found
        return yield* output.line(JSON.stringify({ ...encodeInfo(info), etag, config }, undefined, 2))
      }
      // Plain data, as it came over the wire. As a file, it can be given to `apply`.
      return yield* output.raw(stringify(found.config as unknown as YamlValue))
    }
    const page = yield* client.revisions
      .list({ urlParams: { limit: Option.getOrElse(options.limit, () => 20) } })
      .pipe(Effect.mapError(Remote.explain(base)))
    if (options.json)
      return yield* output.line(
        JSON.stringify(
          page.revisions.map((each) => encodeInfo(each)),
          undefined,
          2
        )
      )
    yield* output.line(revisionsText(page.revisions, output.color))
    if (page.next !== null) yield* output.note("there are older ones: --limit N shows more")
  }).pipe(Effect.provide(Remote.layerHttp))

export interface DiffOptions extends Flags {
  readonly json: boolean
  readonly revisions: ReadonlyArray<string>
}

export const diff = (options: DiffOptions): Run =>
  Effect.gen(function* () {
    const output = yield* Output
    const { base, client } = yield* Remote.connect(options)
    if (options.revisions.length > 2) return yield* usage("diff takes two revisions at most")
    const [first, second] = yield* Effect.forEach(options.revisions, revisionOf)
    const found = yield* client.revisions
      .diff({
        urlParams: {
          // One alone: what it changed.
          ...(second !== undefined && first !== undefined && { from: String(first) }),
          ...(first !== undefined && { to: String(second ?? first) })
        }
      })
      .pipe(Effect.mapError(Remote.explain(base)))
    if (options.json) return yield* output.line(JSON.stringify(found, undefined, 2))
    const title = `revision ${found.from} -> ${found.to}`
    yield* output.note(paint(title, "bold", output.noteColor))
    yield* output.line(found.changes.length === 0 ? "no difference" : differenceText(found.changes, output.color))
  }).pipe(Effect.provide(Remote.layerHttp))

export interface RollbackOptions extends Flags {
  readonly json: boolean
  readonly note: Option.Option<string>
  readonly author: Option.Option<string>
  readonly revision: string
}

export const rollback = (options: RollbackOptions): Run =>
  Effect.gen(function* () {
    const output = yield* Output
    const to = yield* revisionOf(options.revision)
    const { base, client } = yield* Remote.connect(options)
    const changed = yield* client.revisions
      .rollback({
        headers: {},
        payload: {
          to,
          author: authorOf(options.author),
          ...(Option.isSome(options.note) && { note: options.note.value })
        }
      })
      .pipe(
        Effect.catchTag("InvalidRequest", ({ issues, message }) =>
          failed(
            issues.length === 0
              ? message
              : `revision ${to} is not valid any more:\n${issues.map((issue) => `${issue.field}: ${issue.message}; expected ${issue.expected}`).join("\n")}`
          )
        ),
        Effect.mapError((error) => (error._tag === "CliError" ? error : Remote.explain(base)(error)))
      )
    yield* told(output, changed, options.json)
  }).pipe(Effect.provide(Remote.layerHttp))
