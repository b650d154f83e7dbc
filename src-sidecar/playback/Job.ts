/**
 * One job, from its lease to its end: waits for the window, asks what is recorded, cuts, uploads, proves the cuts whole,
 * reports.
 *
 * The lease is renewed by a fiber of its own. Whatever happens, the manager is told, unless the job is not this worker's
 * any more.
 */
import { open } from "node:fs/promises"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import type { FailureReason, WorkerJob, WorkerReport } from "../../src/api/PlaybackWire.js"
import { type Growing, make as makeGrowing } from "./Growing.js"
import type { ManagerError, ManagerLinkShape } from "./ManagerLink.js"
import type { DownloadStopped, MediaMTXError, MediaMTXShape } from "./MediaMTX.js"
import { Mp4Error, type Mp4Info, readMp4 } from "./Mp4.js"
import { type Joined, joinFragments, joinGrowing, joinMp4, NotJoinable } from "./Mp4Join.js"
import { type UploadedInParts, uploadInParts } from "./PartsUpload.js"
import { type JobSpool, SpoolError, type SpoolShape } from "./Spool.js"
import { type UploadError, upload } from "./Upload.js"
import { gapsBetween, type Interval, isCovered, MICROS_PER_MILLI, NEGLIGIBLE, plan } from "./Window.js"

/** This try has failed, for this reason. */
export class JobFailed extends Data.TaggedError("JobFailed")<{
  readonly reason: FailureReason
  readonly message: string
  /** No try on this node will ever succeed. */
  readonly final?: boolean
}> {}

/** The job is not this worker's any more. */
export class LeaseGone extends Data.TaggedError("LeaseGone")<{ readonly message: string }> {}

export interface JobContext {
  readonly manager: ManagerLinkShape
  readonly mediamtx: MediaMTXShape
  readonly spool: SpoolShape
  /** Milliseconds after which what was recorded is on the node's disk. */
  readonly settle: number
  /** How long MediaMTX or the storage may be unable to serve before the job is given back (default 90 seconds). */
  readonly patience?: Duration.DurationInput | undefined
}

/** A MediaMTX that restarts answers again by then. */
const RESTART = Duration.seconds(10)

/** What the renewals say: written by the job, read by the fiber that renews. */
interface Progress {
  phase: "waiting" | "fetching" | "uploading"
  bytes: number
  total: number | null
  recorded: Extract<WorkerReport, { status: "progress" }>["recorded"]
}

/** A cut that is whole, with the time that it really shows. */
interface Cut {
  readonly file: string
  readonly interval: Interval
  readonly info: Mp4Info
}

const toMicros = (millis: number): number => millis * MICROS_PER_MILLI
const toMillis = (micros: number): number => Math.round(micros / MICROS_PER_MILLI)
const toSpan = ({ end, start }: Interval) => ({ start: toMillis(start), end: toMillis(end) })

const backoff = (first: Duration.DurationInput, most: Duration.DurationInput) =>
  Schedule.exponential(first).pipe(Schedule.union(Schedule.spaced(most)), Schedule.jittered)

/** A whole file may still lack its end: a frame or two is no matter. */
const toleranceOf = (info: Mp4Info): number => {
  const frames = info.tracks.map((track) => (track.end - track.start) / Math.max(1, track.samples))
  return Math.max(250, 2 * Math.max(...frames))
}

const readInfo = (file: string): Effect.Effect<Mp4Info, Mp4Error | JobFailed> =>
  Effect.tryPromise({
    try: () => readMp4(file),
    catch: (error) =>
      error instanceof Mp4Error
        ? error
        : new JobFailed({ reason: "WorkerError", message: `a cut can't be read: ${String(error)}` })
  })

const fromMediaMTX = (error: MediaMTXError): JobFailed =>
  new JobFailed({
    reason:
      error.reason === "NothingRecorded"
        ? "NothingRecorded"
        : error.reason === "Unreachable" || error.reason === "Busy"
          ? "NodeAway"
          : "WorkerError",
    message: error.message,
    final: error.reason === "Refused"
  })

const fromSpool = (error: SpoolError): JobFailed =>
  new JobFailed({ reason: "WorkerError", message: error.message, final: error.reason === "TooLarge" })

const fromDownload = (error: DownloadStopped): JobFailed =>
  error.cause instanceof SpoolError
    ? fromSpool(error.cause)
    : new JobFailed({
        reason: "WorkerError",
        message: `a cut can't be written: ${error.cause instanceof Error ? error.cause.message : String(error.cause)}`
      })

/** The pieces of one job, and what is done with them. */
const process = Effect.fnUntraced(function* (
  context: JobContext,
  job: WorkerJob,
  files: JobSpool,
  progress: Progress
): Effect.fn.Return<Extract<WorkerReport, { status: "done" }>, JobFailed | LeaseGone, Scope> {
  const { mediamtx } = context
  const patience = context.patience ?? "90 seconds"
  const window: Interval = { start: toMicros(job.start), end: toMicros(job.start + job.duration) }

  /**
   * MediaMTX is asked again while it is creating a segment, for as long as the job is worth it. One that does not answer may
   * be restarting; after that the job is given back, as a mirror may have the window.
   */
  const patiently = <A>(effect: Effect.Effect<A, MediaMTXError>): Effect.Effect<A, MediaMTXError> =>
    effect.pipe(
      Effect.retry({
        schedule: backoff("300 millis", "2 seconds").pipe(Schedule.upTo(Duration.min(RESTART, patience))),
        while: (error) => error.reason === "Unreachable"
      }),
      Effect.retry({
        schedule: backoff("300 millis", "5 seconds").pipe(Schedule.upTo(patience)),
        while: (error) => error.reason === "Busy"
      })
    )

  // What is to come has to come first.
  const now = yield* Clock.currentTimeMillis
  const end = job.start + job.duration
  if (end > now) yield* Effect.sleep(end - now)

  const list = Effect.gen(function* () {
    const spans = yield* Effect.mapError(patiently(mediamtx.list(job.path, window)), fromMediaMTX)
    progress.recorded = { ...toRange(window), spans: spans.map(toSpan) }
    return spans
  })

  /** The open segment's tail is not on the disk yet: asked until it is, or until it should have been. */
  const settled = Effect.gen(function* () {
    const spans = yield* list
    const reached = isCovered(window, spans)
    const late = (yield* Clock.currentTimeMillis) >= end + context.settle
    return reached || late ? spans : undefined
  }).pipe(
    Effect.repeat({
      schedule: Schedule.zipLeft(
        Schedule.identity<ReadonlyArray<Interval> | undefined>(),
        Schedule.spaced("500 millis")
      ),
      until: (spans) => spans !== undefined
    }),
    Effect.map((spans) => spans ?? [])
  )

  /**
   * Uploads a cut while it is still coming in: its tables come first, and tell all of its length. Nothing is lost when that
   * can't be: neither a body that ends too early nor a part becomes an object, and what is uploaded counts only when the cut
   * was found to be whole.
   */
  let sentEarly = 0
  let ahead: Ahead | undefined
  const uploadEarly = Effect.fnUntraced(function* (part: string, file: string) {
    const begun = yield* Deferred.make<void>()
    const joined = yield* Deferred.make<Joined, Cause.UnknownException>()
    let growing: Growing | undefined
    let there = 0
    let ended = false
    const uploaded = yield* Effect.gen(function* () {
      yield* Deferred.await(begun)
      const handle = yield* Effect.acquireRelease(
        Effect.tryPromise(() => open(part, "r")),
        (handle) => Effect.promise(() => handle.close())
      )
      const made = makeGrowing(handle)
      growing = made
      made.grown(there)
      if (ended) made.end()
      const clip = yield* Effect.tryPromise(() => joinGrowing(made, file))
      yield* Deferred.succeed(joined, clip)
      return yield* store(context, job, files, clip, patience, (bytes) => {
        sentEarly = bytes
        if (progress.phase === "uploading") progress.bytes = bytes
      })
    }).pipe(
      // What failed before all of it was there may do better then.
      Effect.catchTag("JobFailed", (error) => Effect.fail(ended ? error : new Cause.UnknownException(error))),
      Effect.onError(() => Deferred.fail(joined, new Cause.UnknownException(undefined, "it can't be told yet"))),
      Effect.scoped,
      Effect.fork
    )
    return {
      ahead: { joined, uploaded } satisfies Ahead,
      written: (total: number) => {
        if (there === 0) Deferred.unsafeDone(begun, Effect.void)
        there = total
        growing?.grown(total)
      },
      end: () => {
        ended = true
        growing?.end()
      }
    }
  })

  /** Fetches a piece until it is whole. */
  const fetchPiece = (piece: Interval, alone: boolean): Effect.Effect<Cut, JobFailed | MediaMTXError> =>
    Effect.gen(function* () {
      const { file, part } = files.fileOf(piece, job.format)
      const asked = toMillis(piece.end - piece.start)
      const cutOf = (info: Mp4Info): Cut => {
        const short = asked - info.duration > toleranceOf(info)
        return {
          file,
          info,
          interval: short ? { start: piece.start, end: piece.start + toMicros(Math.round(info.duration)) } : piece
        }
      }
      const known = yield* files.sizeOf(file)
      if (known !== undefined) {
        // Left by an earlier try on this node.
        const info = yield* Effect.option(readInfo(file))
        if (info._tag === "Some") {
          progress.bytes += known
          return cutOf(info.value)
        }
        yield* files.forget(file)
      }
      const attempt = Effect.gen(function* () {
        const early = alone && job.format === "mp4" ? yield* uploadEarly(part, file) : undefined
        ahead = early?.ahead
        yield* mediamtx
          .fetch({
            path: job.path,
            piece,
            format: job.format,
            file: part,
            onBytes: (count) => {
              files.take(count)
              progress.bytes += count
            },
            onWritten: early?.written
          })
          .pipe(
            Effect.catchTag("DownloadStopped", (error) => Effect.fail(fromDownload(error))),
            Effect.ensuring(Effect.sync(() => early?.end()))
          )
        return yield* readInfo(part)
      }).pipe(
        Effect.onError(() =>
          Effect.zipRight(
            Effect.suspend(() => (ahead === undefined ? Effect.void : Fiber.interrupt(ahead.uploaded))),
            files.discard(part)
          )
        )
      )

      const info = yield* attempt.pipe(
        // A body that broke off looks like any other: only the file tells.
        Effect.retry({
          schedule: backoff("300 millis", "2 seconds").pipe(Schedule.intersect(Schedule.recurs(3))),
          while: (error) => error._tag === "Mp4Error"
        }),
        Effect.catchTag("Mp4Error", (error) =>
          Effect.fail(
            new JobFailed({ reason: "Truncated", message: `MediaMTX's cut is broken each time: ${error.message}` })
          )
        )
      )
      yield* Effect.mapError(files.keep(part, file), fromSpool)
      return cutOf(info)
    })

  const cutAll = Effect.gen(function* () {
    const spans = yield* settled
    const { pieces } = plan(window, spans)
    if (pieces.length === 0) {
      return yield* new JobFailed({ reason: "NothingRecorded", message: "nothing was recorded in this time" })
    }
    progress.phase = "fetching"
    progress.bytes = 0
    yield* Effect.logDebug(`job ${job.id}: ${pieces.length} spans to fetch`)
    return yield* Effect.forEach(pieces, (piece) =>
      Effect.retry(fetchPiece(piece, pieces.length === 1), {
        schedule: backoff("300 millis", "5 seconds").pipe(Schedule.upTo(patience)),
        while: (error) => error._tag === "MediaMTXError" && (error.reason === "Busy" || error.reason === "Unreachable")
      })
    )
  }).pipe(
    // What was listed a moment ago is gone: its retention has ended, or a segment was renamed. What is there now?
    Effect.retry({
      schedule: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(3)),
      while: (error) => error._tag === "MediaMTXError" && error.reason === "NothingRecorded"
    }),
    Effect.catchTag("MediaMTXError", (error) => Effect.fail(fromMediaMTX(error)))
  )

  const cuts = yield* cutAll
  const early = ahead === undefined ? Option.none() : yield* Effect.option(Deferred.await(ahead.joined))
  const { clip, used } = Option.isSome(early)
    ? { clip: asFiles(early.value), used: cuts }
    : yield* assemble(cuts, job.format)
  const gaps = gapsBetween(
    window,
    used.map(({ interval }) => interval)
  )

  progress.phase = "uploading"
  progress.total = clip.size
  yield* Effect.logDebug(`job ${job.id}: ${clip.size} bytes to upload`)
  progress.bytes = sentEarly
  const anew = Effect.suspend(() =>
    store(context, job, files, clip, patience, (bytes) => {
      progress.bytes = bytes
    })
  )
  const uploaded = yield* ahead === undefined
    ? anew
    : Fiber.join(ahead.uploaded).pipe(Effect.catchTag("UnknownException", () => anew))
  yield* Effect.logDebug(`job ${job.id}: uploaded`)
  return {
    status: "done",
    token: job.token,
    size: clip.size,
    duration: Math.round(clip.duration),
    gaps: gaps.map(toSpan),
    upload: uploaded
  }
})

/** A clip that is being uploaded while it comes in. */
interface Ahead {
  /** What it will be, as far as its tables tell. Fails when they don't. */
  readonly joined: Deferred.Deferred<Joined, Cause.UnknownException>
  readonly uploaded: Fiber.Fiber<UploadedInParts | undefined, Cause.UnknownException | JobFailed | LeaseGone>
}

/** The same when all of it is there, under its final name. */
const asFiles = ({ parts, ...joined }: Joined): Joined => ({
  ...joined,
  parts: parts.map((part) =>
    part instanceof Uint8Array ? part : { path: part.path, start: part.start, end: part.end }
  )
})

/** Brings the clip to the storage: in one piece, or in parts, which the report is to name. */
const store = (
  context: JobContext,
  job: WorkerJob,
  files: JobSpool,
  clip: Joined,
  patience: Duration.DurationInput,
  onSent: (bytes: number) => void
): Effect.Effect<UploadedInParts | undefined, JobFailed | LeaseGone> => {
  const patiently = <A>(effect: Effect.Effect<A, UploadError>) =>
    Effect.retry(effect, {
      schedule: backoff("500 millis", "5 seconds").pipe(Schedule.upTo(patience)),
      while: (error) => error.reason === "Unreachable" || error.reason === "Busy"
    })
  let bytes = 0
  const onBytes = (more: number) => {
    bytes += more
    onSent(bytes)
  }
  const begin = Effect.sync(() => {
    bytes = 0
    onSent(bytes)
  })
  const sent =
    job.partsAbove === undefined || clip.size <= job.partsAbove
      ? patiently(Effect.zipRight(begin, Effect.as(upload(job.upload, clip.parts, onBytes), undefined))).pipe(
          // An attempt whose answer was lost, or an earlier holder's: the manager compares it with what is reported.
          Effect.catchIf(
            (error) => error.reason === "Exists",
            () => Effect.succeed(undefined)
          )
        )
      : uploadInParts({
          clip,
          spool: files,
          ask: (wanted) => persistently(context.manager.parts(job.id, { token: job.token, ...wanted })),
          patiently,
          onBytes
        })
  return Effect.catchTags(sent, {
    UploadError: ({ message }) => Effect.fail(new JobFailed({ reason: "StorageError", message })),
    ManagerError: (error) => Effect.fail(endedBy(error))
  })
}

const toRange = (window: Interval) => ({ from: toMillis(window.start), to: toMillis(window.end) })

/** One clip of all cuts, or of the longest when they do not fit together: what is left out is a gap then. */
const assemble = (
  cuts: ReadonlyArray<Cut>,
  format: WorkerJob["format"]
): Effect.Effect<{ readonly clip: Joined; readonly used: ReadonlyArray<Cut> }, JobFailed> =>
  Effect.gen(function* () {
    const longest = cuts.reduce((best, cut) =>
      cut.interval.end - cut.interval.start > best.interval.end - best.interval.start + NEGLIGIBLE ? cut : best
    )
    const asItIs = ({ file, info }: Cut): Joined => ({
      parts: [{ path: file, start: 0, end: info.size }],
      size: info.size,
      duration: info.duration
    })
    const join = format === "mp4" ? joinMp4 : joinFragments
    return yield* Effect.tryPromise({
      try: () => join(cuts.map(({ file }) => file)),
      catch: (error) =>
        error instanceof NotJoinable
          ? error
          : new JobFailed({
              reason: "WorkerError",
              message: `the cuts can't be joined: ${error instanceof Error ? error.message : String(error)}`
            })
    }).pipe(
      Effect.map((clip) => ({ clip, used: cuts })),
      Effect.catchTag("NotJoinable", ({ message }) =>
        Effect.as(Effect.logWarning(`spans differ (${message}): of ${cuts.length} the clip has the longest only`), {
          clip: asItIs(longest),
          used: [longest]
        })
      )
    )
  })

const leaseGone = (error: ManagerError): LeaseGone => new LeaseGone({ message: error.message })

/** What an answer of the manager makes of the job. */
const endedBy = (error: ManagerError): JobFailed | LeaseGone =>
  error.reason === "LeaseLost" || error.reason === "Away"
    ? leaseGone(error)
    : new JobFailed({ reason: "WorkerError", message: error.message, final: error.reason === "Refused" })

/** What must arrive: the manager may be restarting. */
const persistently = <A>(call: Effect.Effect<A, ManagerError>): Effect.Effect<A, ManagerError> =>
  Effect.retry(call, {
    schedule: backoff("300 millis", "5 seconds").pipe(Schedule.upTo("10 minutes")),
    while: (error) => error.reason === "Away"
  })

const deliver = (context: JobContext, job: WorkerJob, report: WorkerReport) =>
  persistently(context.manager.report(job.id, report))

/**
 * Does a job, and reports its end. Interrupted, it gives the job back. Never fails: a job that can't be done is the
 * manager's to try again.
 */
export const run = (context: JobContext, job: WorkerJob): Effect.Effect<void> =>
  Effect.suspend(() => attempt(context, job, { phase: "waiting", bytes: 0, total: null, recorded: undefined }))

const attempt = (context: JobContext, job: WorkerJob, progress: Progress): Effect.Effect<void> => {
  let over = false
  return Effect.gen(function* () {
    const renewOnce = Effect.gen(function* () {
      const { bytes, phase, recorded, total } = progress
      const reply = yield* context.manager.report(job.id, {
        status: "progress",
        token: job.token,
        phase,
        bytes,
        total,
        recorded
      })
      // Said once; it stays said.
      if (progress.recorded === recorded) progress.recorded = undefined
      return reply
    })
    /** Until the job is lost. A manager that is away for a while may still know the lease when it is back. */
    const renew = Effect.sleep(Duration.millis(Math.max(250, job.leaseMillis / 4))).pipe(
      Effect.zipRight(renewOnce),
      Effect.catchIf(
        (error) => error.reason === "Away",
        (error) => Effect.logDebug(`job ${job.id}: the lease could not be renewed: ${error.message}`)
      ),
      Effect.forever,
      Effect.mapError(leaseGone)
    )

    yield* Effect.logInfo(
      `job ${job.id}: ${job.path} from ${new Date(job.start).toISOString()} for ${job.duration} ms, try ${job.attempt}`
    )
    const work = Effect.gen(function* () {
      const files = yield* Effect.mapError(context.spool.open(job.id), fromSpool)
      const done = yield* process(context, job, files, progress)
      yield* Effect.mapError(deliver(context, job, done), endedBy)
      over = true
      yield* files.clear
      yield* Effect.logInfo(`job ${job.id}: done, ${done.size} bytes${done.gaps.length > 0 ? ", with gaps" : ""}`)
    }).pipe(Effect.scoped)

    yield* Effect.raceFirst(work, renew)
  }).pipe(
    Effect.catchAllDefect((defect) =>
      Effect.zipRight(
        Effect.logError(`job ${job.id}: a bug in mtx-playback`, defect),
        new JobFailed({ reason: "WorkerError", message: "a bug in mtx-playback: its log says more" })
      )
    ),
    Effect.catchTags({
      LeaseGone: ({ message }) => Effect.logWarning(`job ${job.id}: given up: ${message}`),
      JobFailed: ({ final, message, reason }) =>
        Effect.zipRight(
          Effect.logWarning(`job ${job.id}: failed (${reason}): ${message}`),
          Effect.ignore(deliver(context, job, { status: "failed", token: job.token, reason, message, final }))
        )
    }),
    Effect.onInterrupt(() =>
      over
        ? Effect.void
        : context.manager.report(job.id, { status: "released", token: job.token }).pipe(
            Effect.timeout("2 seconds"),
            Effect.match({
              onFailure: () => Effect.logWarning(`job ${job.id}: could not be given back: its lease will end`),
              onSuccess: () => Effect.logInfo(`job ${job.id}: given back`)
            }),
            Effect.flatten
          )
    )
  )
}
