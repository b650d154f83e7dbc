/**
 * `clip`: asks for a clip of what was recorded, waits for it, and downloads it.
 */
import { createWriteStream } from "node:fs"
import { rename, rm, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { ReadableStream } from "node:stream/web"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { goDurationToDuration } from "../../mediamtx/GoDuration.js"
import { ClipRecord, type PlaybackStatus } from "../../services/Playback.js"
import { type CliError, failed, usage } from "../CliError.js"
import { Output } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"

export interface ClipOptions extends Flags {
  readonly path: string
  readonly start: string
  readonly duration: string
  readonly output: Option.Option<string>
  readonly format: Option.Option<"mp4" | "fmp4">
  readonly json: boolean
}

const encodeClip = Schema.encodeSync(Schema.parseJson(ClipRecord))

const zoned = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/i

const startOf = (text: string): Effect.Effect<number, CliError> =>
  Effect.gen(function* () {
    if (text === "now") return yield* Clock.currentTimeMillis
    const millis = zoned.test(text) ? Date.parse(text) : Number.NaN
    if (!Number.isNaN(millis)) return millis
    return yield* usage(
      `--start: ${JSON.stringify(text)} is not a time with its zone; expected one such as 2026-01-31T12:00:00Z, or now`
    )
  })

const durationOf = (text: string): Effect.Effect<number, CliError> => {
  const duration = goDurationToDuration(text)
  const millis = duration === undefined ? 0 : Math.round(Duration.toMillis(duration))
  return millis > 0
    ? Effect.succeed(millis)
    : usage(`--duration: ${JSON.stringify(text)} is not a duration; expected one such as 10s or 1m30s`)
}

/** One line on the terminal that is written over; nothing where no person looks. */
const makeLine = () => {
  const { stderr } = process
  const tty = stderr.isTTY === true
  return {
    show: (text: string) =>
      Effect.sync(() => {
        if (tty) stderr.write(`\r\u001b[K${text}`)
      }),
    clear: Effect.sync(() => {
      if (tty) stderr.write("\r\u001b[K")
    })
  }
}

const mebibytes = (bytes: number): string => `${(bytes / (1024 * 1024)).toFixed(1)} MiB`

const describe = (status: PlaybackStatus): string => {
  const { attempts, lastFailure, node, sent, state, total } = status
  const where = node === null ? "" : ` by ${node}`
  const why = lastFailure === null ? "" : ` (attempt ${attempts}: ${lastFailure.message})`
  switch (state) {
    case "queued":
      return `waiting for a worker${why}`
    case "leased":
      return `being cut${where}`
    case "uploading":
      return `uploading${where}: ${mebibytes(sent ?? 0)}${total === null ? "" : ` of ${mebibytes(total)}`}`
    default:
      return state
  }
}

const isFinal = ({ state }: PlaybackStatus): boolean =>
  state !== "queued" && state !== "leased" && state !== "uploading"

/** Downloads to a file that appears whole or not at all; `-` is standard output. */
const download = (clip: ClipRecord, target: string, onBytes: (bytes: number) => void): Effect.Effect<void, CliError> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(clip.download.url, { signal })
      if (!response.ok || response.body === null) throw new Error(`the storage answered with status ${response.status}`)
      let size = 0
      const count = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          size += chunk.length
          onBytes(size)
          done(null, chunk)
        }
      })
      // One and the same stream, under the names of two libraries of types.
      const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>)
      if (target === "-") {
        await pipeline(body, count, process.stdout, { signal, end: false })
        return
      }
      const part = `${target}.part`
      try {
        await pipeline(body, count, createWriteStream(part), { signal })
        if (size !== clip.size) throw new Error(`it ended after ${size} of ${clip.size} bytes`)
        await rename(part, target)
      } catch (error) {
        await rm(part, { force: true })
        throw error
      }
    },
    catch: (error) =>
      failed(
        `The clip ${clip.id} is there, but its download failed: ${error instanceof Error ? error.message : String(error)}`
      )
  })

export const clip = (
  options: ClipOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const start = yield* startOf(options.start)
    const duration = yield* durationOf(options.duration)
    const given = Option.getOrUndefined(options.output)
    if (given !== undefined && given !== "-") {
      const folder = yield* Effect.promise(() =>
        stat(given)
          .then((info) => info.isDirectory())
          .catch(() => false)
      )
      if (folder) return yield* usage(`-o: ${given} is a folder; expected a file, or - for standard output`)
    }
    const { base, client } = yield* Remote.connect(options)
    const explain = Remote.explain(base)
    const line = makeLine()

    const asked = yield* client.playback
      .request({
        payload: {
          path: options.path,
          start,
          duration,
          format: Option.getOrElse(options.format, () => "mp4" as const),
          priority: 0
        }
      })
      .pipe(Effect.mapError(explain))
    const last = yield* client.playback.job({ path: { id: asked.id }, urlParams: { wait: 1 } }).pipe(
      // A manager that restarts does not lose the job.
      Effect.retry({
        schedule: Schedule.spaced("1 second").pipe(Schedule.upTo("1 minute")),
        while: (error) => error._tag === "RequestError" || error._tag === "Unavailable"
      }),
      Effect.tap((status) => line.show(describe(status))),
      Effect.repeat({ until: isFinal }),
      Effect.ensuring(line.clear),
      Effect.mapError(explain)
    )
    if (last.clip === null) {
      return yield* failed(
        `There is no clip: the job ${last.id} ${last.state === "failed" ? "failed" : `was ${last.state}`}${last.lastFailure === null ? "" : `: ${last.lastFailure.message}`}`
      )
    }
    const record = last.clip
    const target = given === "-" ? given : resolve(given ?? record.filename)
    let shown = 0
    yield* Effect.raceFirst(
      download(record, target, (bytes) => {
        shown = bytes
      }),
      Effect.forever(
        Effect.zipRight(
          Effect.sleep("200 millis"),
          Effect.suspend(() => line.show(`downloading: ${mebibytes(shown)} of ${mebibytes(record.size)}`))
        )
      )
    ).pipe(Effect.ensuring(line.clear))
    for (const gap of record.gaps) {
      yield* output.note(
        `nothing was recorded from ${new Date(gap.start).toISOString()} to ${new Date(gap.end).toISOString()}`
      )
    }
    if (target === "-") return
    yield* output.line(options.json ? encodeClip(record) : `${target}  ${mebibytes(record.size)}`)
  }).pipe(Effect.provide(Remote.layerHttp))
