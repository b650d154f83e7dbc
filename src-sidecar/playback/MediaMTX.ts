/**
 * MediaMTX's playback server, as version 1.20 behaves: what is recorded, and cuts of it.
 *
 * The `url` of its list is made from the request's Host header, so it is never followed.
 */
import { open } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type HttpFailure, type HttpReply, readText, send } from "../support/Http.js"
import { makeMeter } from "../support/Memory.js"
import { formatTime, type Interval, MICROS_PER_MILLI, parseTime } from "./Window.js"

/**
 * Why there is no answer.
 * - `Unreachable`: no connection, or it broke.
 * - `Busy`: it can't read its recordings right now: a segment that is being created makes it fail.
 * - `Denied`: it wants other credentials.
 * - `NothingRecorded`: there is nothing of this path and time.
 * - `Refused`: it does not take this request, and will not later: an unknown path, or a recording in MPEG-TS.
 */
export class MediaMTXError extends Data.TaggedError("MediaMTXError")<{
  readonly reason: "Unreachable" | "Busy" | "Denied" | "NothingRecorded" | "Refused"
  readonly message: string
}> {}

export interface MediaMTXOptions {
  /** Its playback server, such as `http://mediamtx:9996`. */
  readonly url: URL
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted | undefined
}

export interface MediaMTXShape {
  /** Spans of contiguous recording that meet the window, in order; none when there is nothing. */
  readonly list: (path: string, window: Interval) => Effect.Effect<ReadonlyArray<Interval>, MediaMTXError>
  /**
   * Writes a cut to a file. `onBytes` is told before bytes are written: an error that it throws ends the download, as the
   * cause of `DownloadStopped`. `onWritten` is told after it how many there are in all.
   */
  readonly fetch: (options: {
    readonly path: string
    readonly piece: Interval
    readonly format: "mp4" | "fmp4"
    readonly file: string
    readonly onBytes: (bytes: number) => void
    readonly onWritten?: ((total: number) => void) | undefined
  }) => Effect.Effect<void, MediaMTXError | DownloadStopped>
}

/** The file could not be written, or `onBytes` threw. */
export class DownloadStopped extends Data.TaggedError("DownloadStopped")<{ readonly cause: unknown }> {}

const Listed = Schema.Array(Schema.Struct({ start: Schema.String, duration: Schema.Number }))
const decodeList = Schema.decodeUnknown(Schema.parseJson(Listed))
const decodeProblem = Schema.decodeUnknown(Schema.parseJson(Schema.Struct({ error: Schema.String })))

const unreachable = (error: HttpFailure): MediaMTXError =>
  new MediaMTXError({ reason: "Unreachable", message: `MediaMTX can't be reached: ${error.message}` })

/** What an answer other than 200 means. Its text is MediaMTX's own, and may name a folder of the node: it is shortened. */
const refusal = (reply: HttpReply) =>
  readText(reply, 64 * 1024).pipe(
    Effect.mapError(unreachable),
    Effect.flatMap((text) =>
      decodeProblem(text).pipe(
        Effect.map(({ error }) => error),
        Effect.orElseSucceed(() => "")
      )
    ),
    Effect.flatMap((text): Effect.Effect<never, MediaMTXError> => {
      const say = (reason: MediaMTXError["reason"], message: string) =>
        Effect.fail(new MediaMTXError({ reason, message }))
      const { status } = reply
      if (status === 401 || status === 403) {
        return say("Denied", "MediaMTX denied playback: allow it for this worker, or give it a user and a password")
      }
      if (status === 404) return say("NothingRecorded", "MediaMTX has no recording of this time")
      // A path that never recorded has no folder.
      if (status === 400 && /no such file or directory/.test(text)) {
        return say("NothingRecorded", "MediaMTX has never recorded this path")
      }
      if (/MPEG-TS format is not supported/.test(text)) {
        return say("Refused", "the path records in MPEG-TS, which MediaMTX can't cut: use recordFormat fmp4")
      }
      if (status >= 500) return say("Busy", `MediaMTX can't read its recordings right now (${status} ${text})`)
      return say("Refused", `MediaMTX refused the request (${status} ${text})`)
    })
  )

/** What is gathered before it is written: MediaMTX sends a cut sample by sample. */
const BUFFER = 128 * 1024

/** Writes a body to a file. Rejects with `DownloadStopped` when that is not the sender's fault. */
const save = async (
  body: HttpReply["body"],
  path: string,
  onBytes: (bytes: number) => void,
  onWritten: (total: number) => void = () => {},
  signal: AbortSignal
): Promise<void> => {
  const ours = (cause: unknown) => new DownloadStopped({ cause })
  const stop = () => void body.destroy(new Error("interrupted"))
  signal.addEventListener("abort", stop)
  try {
    const file = await open(path, "w", 0o600).catch((cause: unknown) => Promise.reject(ours(cause)))
    try {
      const meter = makeMeter()
      const buffer = Buffer.allocUnsafeSlow(BUFFER)
      let filled = 0
      let total = 0
      const flush = async () => {
        for (let at = 0; at < filled; ) {
          const { bytesWritten } = await file.write(buffer, at, filled - at).catch((cause: unknown) => {
            throw ours(cause)
          })
          at += bytesWritten
        }
        total += filled
        filled = 0
        onWritten(total)
      }
      for await (const given of body) {
        // node:http gives Buffers unless an encoding was set.
        const chunk = given as Buffer
        try {
          onBytes(chunk.length)
        } catch (cause) {
          throw ours(cause)
        }
        meter(chunk.length)
        for (let at = 0; at < chunk.length; ) {
          const copied = chunk.copy(buffer, filled, at)
          filled += copied
          at += copied
          // The first of it at once, as the tables are in it.
          if (filled === BUFFER || total === 0) await flush()
        }
      }
      if (filled > 0) await flush()
    } finally {
      await file.close()
    }
    if (!body.complete) throw new Error("the connection was cut")
  } finally {
    signal.removeEventListener("abort", stop)
  }
}

export const make = (options: MediaMTXOptions): MediaMTXShape => {
  const { password, user } = options
  const login = `${user ?? ""}:${password === undefined ? "" : Redacted.value(password)}`
  const headers: Readonly<Record<string, string>> =
    login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` }

  const urlOf = (route: string, params: Readonly<Record<string, string>>): URL => {
    const url = new URL(options.url)
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${route}`
    // Encodes the + of a time zone, which MediaMTX would read as a space.
    url.search = new URLSearchParams(params).toString()
    return url
  }

  const list: MediaMTXShape["list"] = Effect.fnUntraced(
    function* (path, window) {
      const url = urlOf("list", { path, start: formatTime(window.start), end: formatTime(window.end) })
      // It opens every segment of the window: that may take a while on a slow disk.
      const reply = yield* Effect.mapError(send({ method: "GET", url, headers, idle: "60 seconds" }), unreachable)
      if (reply.status !== 200) return yield* refusal(reply)
      const text = yield* Effect.mapError(readText(reply), unreachable)
      const listed = yield* Effect.mapError(
        decodeList(text),
        () => new MediaMTXError({ reason: "Refused", message: "what answers at MEDIAMTX_URL is no playback server" })
      )
      return listed.flatMap(({ duration, start }): ReadonlyArray<Interval> => {
        const from = parseTime(start)
        const end = from === undefined ? undefined : from + Math.floor(duration * 1_000_000)
        return from === undefined || end === undefined || end <= window.start || from >= window.end
          ? []
          : [{ start: from, end }]
      })
    },
    Effect.scoped,
    Effect.catchIf(
      (error) => error.reason === "NothingRecorded",
      () => Effect.succeed([])
    )
  )

  const fetch: MediaMTXShape["fetch"] = Effect.fnUntraced(function* ({
    file,
    format,
    onBytes,
    onWritten,
    path,
    piece
  }) {
    const url = urlOf("get", {
      path,
      start: formatTime(piece.start),
      duration: ((piece.end - piece.start) / (1_000 * MICROS_PER_MILLI)).toFixed(6),
      format
    })
    // It reads all samples' positions before the first byte comes.
    const reply = yield* Effect.mapError(send({ method: "GET", url, headers, idle: "120 seconds" }), unreachable)
    if (reply.status !== 200) return yield* refusal(reply)
    yield* Effect.tryPromise({
      try: (signal) => save(reply.body, file, onBytes, onWritten, signal),
      catch: (error) =>
        error instanceof DownloadStopped
          ? error
          : new MediaMTXError({
              reason: "Unreachable",
              message: `MediaMTX broke off: ${error instanceof Error ? error.message : String(error)}`
            })
    })
  }, Effect.scoped)

  return { list, fetch }
}
