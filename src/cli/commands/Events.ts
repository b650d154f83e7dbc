/**
 * `events`: what happened, and with `--follow` what happens, in the fleet of a running manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { HookRecord } from "../../services/HookBus.js"
import { nodeIdOf } from "../Access.js"
import { type CliError, usage } from "../CliError.js"
import { Output, paint, printable } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface EventsOptions extends Omit<Flags, "node"> {
  readonly follow: boolean
  readonly after: Option.Option<string>
  readonly node: Option.Option<string>
  readonly json: boolean
}

const encode = Schema.encodeSync(Schema.parseJson(HookRecord))

const line = (record: HookRecord, color: boolean): string => {
  const { event, ...fields } = record.event
  const words = Object.entries(fields)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${paint(`${name}=`, "dim", color)}${printable(String(value))}`)
  return [
    paint(new Date(record.at).toISOString(), "dim", color),
    String(record.cursor).padStart(6),
    record.node,
    paint(event, "cyan", color),
    ...words
  ].join("  ")
}

const cursorOf = (text: string): Effect.Effect<number, CliError> =>
  /^[0-9]{1,15}$/.test(text)
    ? Effect.succeed(Number(text))
    : usage(`--after: ${JSON.stringify(text)} is not a cursor; expected 0 or a positive whole number`)

export const events = (
  options: EventsOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const given = Option.isSome(options.after) ? yield* cursorOf(options.after.value) : undefined
    const node = Option.isSome(options.node) ? yield* nodeIdOf(options.node.value, "--node") : undefined
    const { base, client } = yield* Remote.connect(options)
    // Also finds out at once whether the manager is there and takes the key: the stream itself would try for ever.
    const { cursor: latest } = yield* client.state.snapshot().pipe(Effect.mapError(Remote.explain(base)))
    const after = given ?? (options.follow ? latest : 0)
    if (!options.follow && after >= latest) return
    const records = options.follow
      ? client.watch({ after, node })
      : client.watch({ after }).pipe(
          Stream.takeUntil((record) => record.cursor >= latest),
          // When the newest records have been trimmed, none reaches `latest`.
          Stream.timeout("3 seconds"),
          Stream.filter((record) => node === undefined || record.node === node)
        )
    yield* records.pipe(
      Stream.mapError(Remote.explain(base)),
      Stream.runForEach((record) => output.line(options.json ? encode(record) : line(record, output.color)))
    )
  }).pipe(Effect.provide(Remote.layerHttp))
