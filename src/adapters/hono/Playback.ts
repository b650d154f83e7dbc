/** Clips of a manager, in Promise style, and the services behind them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { staticPathNameProblem } from "../../mediamtx/PathName.js"
import * as ClipState from "../../services/ClipState.js"
import type { ConfigSource } from "../../services/ConfigSource.js"
import type { HookBus, HookBusError } from "../../services/HookBus.js"
import * as NodeRecordSettings from "../../services/NodeRecordSettings.js"
import * as ObjectStorage from "../../services/ObjectStorage.js"
import * as Playback from "../../services/Playback.js"
import {
  type PlaybackFailureReason,
  type PlaybackFormat,
  PlaybackJobId,
  type PlaybackJobState,
  PlaybackRequest
} from "../../services/PlaybackJob.js"
import { PlaybackJobNotFound, PlaybackQueue, type PlaybackQueueOptions } from "../../services/PlaybackQueue.js"
import * as Recordings from "../../services/Recordings.js"
import * as Lifecycle from "./Lifecycle.js"
import type { Subscription } from "./Store.js"

// ---------------------------------------------------------------------------------------------------------------------
// What goes in and comes out. Times that come out are ISO 8601 in UTC.

/** A moment: a `Date`, ISO 8601, or epoch milliseconds. */
export type Time = Date | string | number

/** From `start` on; `end` is the first moment that is not in it. */
export interface TimeRange {
  readonly start: string
  readonly end: string
}

/** A clip in the bucket. */
export interface Clip {
  /** UUIDv7, the job's as well. */
  readonly id: string
  /** Milliseconds that were recorded of what was asked for: all of it, unless there are gaps. */
  readonly duration: number
  /** The window that was asked for. */
  readonly start: string
  readonly end: string
  /** Bytes. */
  readonly size: number
  readonly bucket: string
  readonly filename: string
  readonly mime: string
  /** Where the object is, without a signature: it opens if the bucket is public. */
  readonly url: string
  /** What of the window was not recorded: the clip goes on after it without a pause. */
  readonly gaps: ReadonlyArray<TimeRange>
  /** Opens until it expires, whoever has it. */
  readonly download: { readonly url: string; readonly expiresAt: string }
}

/** A clip on its way. */
export interface ClipJob<Path extends string = string> {
  readonly id: string
  readonly state: PlaybackJobState
  readonly path: Path
  readonly start: string
  readonly end: string
  /** Milliseconds. */
  readonly duration: number
  readonly format: PlaybackFormat
  readonly priority: number
  readonly requestedAt: string
  readonly updatedAt: string
  /** The node whose worker has it, or served it. */
  readonly node: string | null
  /** Bytes that are uploaded, and in all, while it is uploading. */
  readonly sent: number | null
  readonly total: number | null
  /** Attempts that failed. */
  readonly attempts: number
  readonly lastFailure: {
    readonly reason: PlaybackFailureReason
    readonly message: string
    readonly at: string
    readonly node: string
  } | null
  /** When it is done. */
  readonly clip: Clip | null
}

/** What the fleet holds of a path: what `GET /recordings` answers. */
export type Timeline = typeof Recordings.RecordingTimeline.Encoded

/** A window of a recording. */
export interface ClipRequest {
  readonly start: Time
  /** Milliseconds, up to a day. */
  readonly duration: number
  /** `mp4` (the default) plays everywhere; `fmp4` is fragmented. */
  readonly format?: PlaybackFormat | undefined
  /** From -100 to 100; higher ones are served first (default 0). */
  readonly priority?: number | undefined
}

/** A window, and how long to wait for its clip. Neither limit ends the job: others may wait for it. */
export interface GetClipOptions extends ClipRequest {
  /** Rejects with its reason, an `AbortError` unless you gave another. */
  readonly signal?: AbortSignal | undefined
  /** Rejects with `ClipTimeout`; a number is milliseconds (default: no limit). */
  readonly timeout?: Duration.DurationInput | undefined
}

/** The time that `get` was given is over. The job goes on: ask again, and it is the same one. */
export class ClipTimeout extends Schema.TaggedError<ClipTimeout>()("ClipTimeout", {
  /** The job, if it came to one. */
  id: Schema.NullOr(PlaybackJobId),
  message: Schema.String
}) {}

/** No clip can be asked for like this: a path that can't be one, a time that is none, a duration out of range. */
export class InvalidClipRequest extends Schema.TaggedError<InvalidClipRequest>()("InvalidClipRequest", {
  message: Schema.String
}) {}

/** The manager was given no `storage`. */
export class NoStorage extends Schema.TaggedError<NoStorage>()("NoStorage", { message: Schema.String }) {}

/** Clips, to the program that runs the manager: nobody is asked whether it may. */
export interface ManagerPlayback<Path extends string = string> {
  // Methods, so that a manager of certain paths is still one of any.

  /**
   * Asks for a clip and resolves when it is in the bucket. Of one window there is one job, as long as it is alive or its
   * clip exists.
   *
   * Rejects with `ClipUnavailable` when the job has failed, expired, or was cancelled, `ClipTimeout`, the signal's reason,
   * `InvalidClipRequest`, `NoStorage`, `Disposed`, and `PlaybackQueueError` or `ObjectStorageError` when state or storage
   * do not work.
   *
   * @example
   * ```ts
   * const clip = await mtx.playback.get("cam", { start: "2026-01-31T12:00:00Z", duration: 10_000 })
   * console.log(clip.url)
   * ```
   */
  get(path: Path, options: GetClipOptions): Promise<Clip>
  /** Asks for a clip and does not wait for it. Rejects as `get` does. */
  request(path: Path, options: ClipRequest): Promise<ClipJob<Path>>
  /** A job; undefined when there is none of this id. */
  status(id: string): Promise<ClipJob<Path> | undefined>
  /**
   * Tells of every change of every job from now on, in order. A promise that the listener returns is waited for before its
   * next call; what it throws is logged. One that falls behind by 10,000 changes misses the oldest.
   */
  subscribe(listener: (job: ClipJob<Path>) => unknown): Subscription
  /** Ends a job, whoever waits for it. Rejects with `PlaybackJobNotFound`, or `PlaybackJobConflict` when it has ended. */
  cancel(id: string): Promise<ClipJob<Path>>
  /**
   * Puts back a job that failed, expired or was cancelled. Rejects with `PlaybackJobNotFound`, or `PlaybackJobConflict` when
   * it is in another state or there is another job of its window.
   */
  retry(id: string): Promise<ClipJob<Path>>
  /**
   * What the fleet holds of a path, between two times (default: from the first to the last). Of a path that nobody records
   * there is nothing. Rejects with `InvalidClipRequest`, `NoStorage` and `Disposed`.
   */
  spans(path: Path, window?: { readonly from?: Time | undefined; readonly to?: Time | undefined }): Promise<Timeline>
}

// ---------------------------------------------------------------------------------------------------------------------
// The services

export interface ClipOptions {
  readonly storage: ObjectStorage.Storage
  readonly base: string | URL
  readonly key: Redacted.Redacted
  readonly timeZone?: string | undefined
  readonly playback?: (PlaybackQueueOptions & Playback.PlaybackOptions) | undefined
}

/** Everything that belongs to clips. */
export type PlaybackServices = Playback.Playback | PlaybackQueue | Recordings.Recordings | ObjectStorage.ObjectStorage

/** Kept where the state says (`ClipState`), and fed from its event log. */
export const layer = ({
  playback,
  storage,
  timeZone,
  ...host
}: ClipOptions): Layer.Layer<
  PlaybackServices,
  Recordings.RecordingsError | HookBusError | ObjectStorage.ObjectStorageError | { readonly message: string },
  HookBus | ConfigSource
> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const found = Option.getOrUndefined(yield* Effect.serviceOption(ClipState.ClipState))
      if (found === undefined) {
        yield* Effect.logWarning("clip jobs are kept in memory: the given state has no ClipState")
      }
      const state = found ?? ClipState.memory
      const settings = yield* NodeRecordSettings.make({ timeZone })
      const partDuration = yield* NodeRecordSettings.partDuration({ timeZone })
      const recordings = Recordings.pump.pipe(Layer.provideMerge(state.recordings({ settings })))
      const queue = Layer.unwrapEffect(
        Effect.map(ObjectStorage.ObjectStorage, (objects) =>
          state.queue({
            partDuration,
            objectExists: (name) => Effect.map(objects.head(objects.clipKey(name)), Option.isSome),
            deleteObject: (name) => objects.delete(objects.clipKey(name)),
            ...playback
          })
        )
      )
      return Playback.layer(playback).pipe(
        Layer.provideMerge(queue),
        Layer.provideMerge(Layer.merge(recordings, ObjectStorage.layer(storage, host)))
      )
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// The facade

/** What the facade uses of the app. */
export interface PlaybackHost {
  /** Starts the manager if need be, and gives its runtime, which may have the services of clips or not. */
  readonly start: () => Promise<Runtime.Runtime<never>>
  readonly disposed: () => boolean
}

/** The facade, and the layer that lets its subscribers hear. */
export interface PlaybackSource {
  readonly playback: ManagerPlayback
  readonly feed: Layer.Layer<never>
}

const encodeJob: (status: Playback.PlaybackStatus) => ClipJob = Schema.encodeSync(Playback.PlaybackStatus)
const encodeClip: (clip: Playback.ClipRecord) => Clip = Schema.encodeSync(Playback.ClipRecord)
const encodeTimeline = Schema.encodeSync(Recordings.RecordingTimeline)
const validRequest = Schema.validateEither(PlaybackRequest, { errors: "all" })
const isJobId = Schema.is(PlaybackJobId)

const millisOf = (time: Time, name: string): Effect.Effect<number, InvalidClipRequest> => {
  const millis = new Date(time).getTime()
  return Number.isNaN(millis)
    ? new InvalidClipRequest({
        message: `${name} is ${JSON.stringify(String(time))}: give a Date, ISO 8601 such as 2026-01-31T12:00:00Z, or epoch milliseconds`
      })
    : Effect.succeed(millis)
}

const requestOf = (path: string, { duration, format = "mp4", priority = 0, start }: ClipRequest) =>
  Effect.flatMap(millisOf(start, "start"), (millis) =>
    Either.mapLeft(
      validRequest({ path, start: millis, duration, format, priority }),
      (error) =>
        new InvalidClipRequest({
          message: ParseResult.ArrayFormatter.formatErrorSync(error)
            .map((issue) => `${issue.path.join(".")}: ${issue.message}`)
            .join("; ")
        })
    )
  )

const jobId = (id: string): Effect.Effect<PlaybackJobId, PlaybackJobNotFound> =>
  isJobId(id)
    ? Effect.succeed(id)
    : new PlaybackJobNotFound({ id, message: `There is no playback job ${JSON.stringify(id)}: ids are UUIDs` })

const noStorage = new NoStorage({ message: "This manager keeps no clips: give it a `storage`, see ./storage" })
const playbackService = Effect.flatMap(Effect.serviceOption(Playback.Playback), (found) =>
  Option.isNone(found) ? Effect.fail(noStorage) : Effect.succeed(found.value)
)
const recordingsService = Effect.flatMap(Effect.serviceOption(Recordings.Recordings), (found) =>
  Option.isNone(found) ? Effect.fail(noStorage) : Effect.succeed(found.value)
)

export const make = (host: PlaybackHost): PlaybackSource => {
  const run = async <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal): Promise<A> => {
    signal?.throwIfAborted()
    const exit = await Effect.runPromiseExit(effect, signal === undefined ? {} : { signal })
    if (Exit.isSuccess(exit)) return exit.value
    if (signal?.aborted === true && Exit.isInterrupted(exit)) throw signal.reason
    // What it was asked of went away under it.
    if (host.disposed()) throw new Lifecycle.Disposed()
    throw Lifecycle.thrown(exit.cause)
  }
  /** In the manager's own context, once that stands. */
  const within = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, unknown> =>
    Effect.flatMap(Effect.tryPromise({ try: host.start, catch: (error) => error }), (runtime) =>
      Effect.provide(effect, runtime)
    )
  const onPlayback = <A, E>(use: (playback: Playback.PlaybackShape) => Effect.Effect<A, E>) =>
    within(Effect.flatMap(playbackService, use))
  const onJob = <A extends Playback.PlaybackStatus, E>(
    id: string,
    use: (playback: Playback.PlaybackShape, id: PlaybackJobId) => Effect.Effect<A, E>
  ) =>
    onPlayback((playback) =>
      Effect.map(
        Effect.flatMap(jobId(id), (valid) => use(playback, valid)),
        encodeJob
      )
    )

  // Subscribers -------------------------------------------------------------------------------------------------------
  type Listener = (job: ClipJob) => unknown
  interface Follower {
    readonly listener: Listener
    active: boolean
    /** Ends the fiber that follows, where there is one. */
    stop: () => void
  }
  const followers = new Set<Follower>()
  let attach: ((follower: Follower) => void) | undefined

  const follow = (
    follower: Follower,
    queue: typeof PlaybackQueue.Service,
    playback: Playback.PlaybackShape
  ): Effect.Effect<void> =>
    Effect.scoped(
      Effect.flatMap(queue.subscribe, (changes) =>
        Stream.runForEach(Mailbox.toStream(changes), (job) =>
          playback.statusOf(job).pipe(
            Effect.flatMap((status) =>
              follower.active
                ? Effect.tryPromise({
                    try: async () => follower.listener(encodeJob(status)),
                    catch: (error) => error
                  })
                : Effect.void
            ),
            Effect.catchAll((error) => Effect.logError("a subscriber of playback failed", error))
          )
        )
      )
    )

  const feed = Layer.scopedDiscard(
    Effect.gen(function* () {
      const queue = Option.getOrUndefined(yield* Effect.serviceOption(PlaybackQueue))
      const playback = Option.getOrUndefined(yield* Effect.serviceOption(Playback.Playback))
      if (queue === undefined || playback === undefined) return
      const runFork = Runtime.runFork(yield* Effect.runtime<never>())
      const scope = yield* Effect.scope
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          attach = undefined
        })
      )
      attach = (follower) => {
        // Runs at once as far as it can: from here on no change is missed.
        const fiber = runFork(follow(follower, queue, playback), { scope })
        follower.stop = () => fiber.unsafeInterruptAsFork(fiber.id())
      }
      for (const follower of followers) attach(follower)
    })
  )

  const playback: ManagerPlayback = {
    get: async (path, { signal, timeout, ...options }) => {
      let id: PlaybackJobId | null = null
      const clip = Effect.flatMap(requestOf(path, options), (request) =>
        onPlayback((playback) =>
          Effect.flatMap(playback.request(request), (status) => {
            id = status.id
            return Effect.map(playback.wait(status.id), encodeClip)
          })
        )
      )
      if (timeout === undefined) return run(clip, signal)
      const limit = Duration.decode(timeout)
      const onTimeout = () =>
        new ClipTimeout({
          id,
          message: `The clip was not there within ${Duration.format(limit)}; its job goes on, ask again to go on waiting`
        })
      return run(Effect.timeoutFail(clip, { duration: limit, onTimeout }), signal)
    },
    request: (path, options) =>
      run(
        Effect.flatMap(requestOf(path, options), (request) =>
          onPlayback((playback) => Effect.map(playback.request(request), encodeJob))
        )
      ),
    status: (id) =>
      run(
        onPlayback((playback) =>
          Effect.flatMap(jobId(id), playback.status).pipe(
            Effect.map(encodeJob),
            Effect.catchTag("PlaybackJobNotFound", () => Effect.succeed(undefined))
          )
        )
      ),
    subscribe: (listener) => {
      const follower: Follower = { listener, active: true, stop: () => {} }
      followers.add(follower)
      attach?.(follower)
      return {
        unsubscribe: () => {
          followers.delete(follower)
          follower.active = false
          follower.stop()
        }
      }
    },
    cancel: (id) => run(onJob(id, (playback, valid) => playback.cancel(valid))),
    retry: (id) => run(onJob(id, (playback, valid) => playback.retry(valid))),
    spans: (path, { from, to } = {}) =>
      run(
        Effect.gen(function* () {
          const window = {
            from: from === undefined ? undefined : yield* millisOf(from, "from"),
            to: to === undefined ? undefined : yield* millisOf(to, "to")
          }
          const problem = staticPathNameProblem(path)
          if (problem !== undefined) {
            return yield* new InvalidClipRequest({ message: `path: ${JSON.stringify(path.slice(0, 80))} ${problem}` })
          }
          if (window.from !== undefined && window.to !== undefined && window.from >= window.to) {
            return yield* new InvalidClipRequest({ message: "to: it is not after from" })
          }
          return yield* within(
            Effect.flatMap(recordingsService, (recordings) =>
              Effect.map(recordings.timeline(path, window), encodeTimeline)
            )
          )
        })
      )
  }
  return { playback, feed }
}
