/**
 * `jobs`: the clip jobs of a running manager, to be looked at, cancelled, or put back.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { PlaybackStatus } from "../../services/Playback.js"
import { PlaybackJobId } from "../../services/PlaybackJob.js"
import { type CliError, failed, usage } from "../CliError.js"
import { Output, paint, printable, table } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface JobsOptions extends Flags {
  readonly state: Option.Option<PlaybackStatus["state"]>
  readonly cancel: Option.Option<string>
  readonly retry: Option.Option<string>
  readonly json: boolean
}

const encode = Schema.encodeSync(Schema.Array(PlaybackStatus))
const isId = Schema.is(PlaybackJobId)

const idOf = (text: string, flag: string): Effect.Effect<PlaybackJobId, CliError> =>
  isId(text)
    ? Effect.succeed(text)
    : usage(`${flag}: ${JSON.stringify(text)} is not the id of a job; mtx-manager jobs lists them`)

const styles = {
  queued: "yellow",
  leased: "cyan",
  uploading: "cyan",
  done: "green",
  failed: "red",
  expired: "red",
  cancelled: "dim"
} as const

const about = ({ clip, lastFailure, sent, total }: PlaybackStatus): string => {
  if (clip !== null) return `${clip.size} bytes${clip.gaps.length > 0 ? `, ${clip.gaps.length} gaps` : ""}`
  if (sent !== null) return `${sent} of ${total ?? "?"} bytes`
  return lastFailure === null ? "" : printable(`${lastFailure.reason}: ${lastFailure.message}`)
}

export const jobs = (
  options: JobsOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (Option.isSome(options.cancel) && Option.isSome(options.retry)) {
      return yield* usage("--cancel and --retry can't be given together")
    }
    const { base, client } = yield* Remote.connect(options)
    const explain = Remote.explain(base)
    const show = (found: ReadonlyArray<PlaybackStatus>) => {
      if (options.json) return output.line(JSON.stringify(encode(found), undefined, 2))
      const heading = ["JOB", "STATE", "PATH", "START", "SECONDS", "NODE", ""].map((text) =>
        paint(text, "bold", output.color)
      )
      const rows = found.map((job) => [
        job.id,
        paint(job.state, styles[job.state], output.color),
        job.path,
        new Date(job.start).toISOString(),
        String(job.duration / 1000),
        job.node ?? "-",
        about(job)
      ])
      return output.line(table([heading, ...rows]))
    }
    if (Option.isSome(options.cancel)) {
      const id = yield* idOf(options.cancel.value, "--cancel")
      return yield* show([yield* Effect.mapError(client.playback.cancel({ path: { id } }), explain)])
    }
    if (Option.isSome(options.retry)) {
      const id = yield* idOf(options.retry.value, "--retry")
      return yield* show([yield* Effect.mapError(client.playback.retry({ path: { id } }), explain)])
    }
    const found = yield* client.playback
      .jobs({ urlParams: { state: Option.getOrUndefined(options.state) } })
      .pipe(Effect.mapError(explain))
    // A worker's answer, which is not given without `wait`.
    if (found === undefined || !("length" in found)) return yield* failed(`The manager at ${base} sent no list of jobs`)
    if (found.length === 0 && !options.json) return yield* output.line("no clip has been asked for")
    yield* show(found)
  }).pipe(Effect.provide(Remote.layerHttp))
