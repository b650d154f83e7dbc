/**
 * Playback: clips as people ask for them. It joins the queue of jobs, the storage that the clips go to, and the index of
 * recordings: what HTTP, `playback.get` and the CLI stand on.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NodeId } from "./NodeId.js"
import { NodeId as NodeIdSchema } from "./NodeId.js"
import {
  multipartThreshold,
  ObjectStorage,
  type ObjectStorageError,
  partSizeOf,
  type SignedRequest,
  type UploadedPart
} from "./ObjectStorage.js"
import {
  type DoneJob,
  type HeldJob,
  isEnded,
  isHeld,
  type LeasedJob,
  PlaybackFailure,
  PlaybackFormat,
  type PlaybackJob,
  PlaybackJobId,
  PlaybackJobState,
  type PlaybackRequest
} from "./PlaybackJob.js"
import {
  type ClipReport,
  type JobFilter,
  LeaseLost,
  type PlaybackJobConflict,
  PlaybackJobNotFound,
  PlaybackQueue,
  type PlaybackQueueError,
  type WorkerFailure
} from "./PlaybackQueue.js"
import { Timestamp } from "./Timestamp.js"

/** A clip in the bucket. */
export const ClipRecord = Schema.Struct({
  /** UUIDv7, the job's as well. */
  id: PlaybackJobId,
  /** Milliseconds that were recorded of what was asked for: all of it, unless there are gaps. */
  duration: Schema.Int,
  start: Timestamp,
  end: Timestamp,
  /** Bytes. */
  size: Schema.Int,
  bucket: Schema.String,
  filename: Schema.String,
  mime: Schema.String,
  /** Where the object is, without a signature: it opens if the bucket is public. */
  url: Schema.String,
  /** What of the window was not recorded: the clip goes on after it without a pause. */
  gaps: Schema.Array(Schema.Struct({ start: Timestamp, end: Timestamp })),
  /** Opens until it expires, whoever has it. */
  download: Schema.Struct({ url: Schema.String, expiresAt: Timestamp })
}).annotations({ identifier: "ClipRecord" })
export type ClipRecord = typeof ClipRecord.Type

/** A job as those see it who asked for it. */
export const PlaybackStatus = Schema.Struct({
  id: PlaybackJobId,
  state: PlaybackJobState,
  path: Schema.String,
  start: Timestamp,
  end: Timestamp,
  /** Milliseconds. */
  duration: Schema.Int,
  format: PlaybackFormat,
  priority: Schema.Int,
  requestedAt: Timestamp,
  updatedAt: Timestamp,
  /** The node whose worker has it, or served it. */
  node: Schema.NullOr(NodeIdSchema),
  /** Bytes that are uploaded, and in all, while it is uploading. */
  sent: Schema.NullOr(Schema.Int),
  total: Schema.NullOr(Schema.Int),
  /** Attempts that failed. */
  attempts: Schema.Int,
  lastFailure: Schema.NullOr(PlaybackFailure),
  /** When it is done. */
  clip: Schema.NullOr(ClipRecord)
}).annotations({ identifier: "PlaybackStatus" })
export type PlaybackStatus = typeof PlaybackStatus.Type

/**
 * There will be no clip, unless the job is put back.
 * - `failed`: `message` says why the last attempt did.
 * - `expired`: no worker could serve it in time.
 * - `cancelled`: somebody ended it.
 */
export class ClipUnavailable extends Schema.TaggedError<ClipUnavailable>()("ClipUnavailable", {
  id: PlaybackJobId,
  reason: Schema.Literal("failed", "expired", "cancelled"),
  message: Schema.String
}) {}

/** A job that a worker has been given, with the request by which it uploads. */
export interface Assignment {
  readonly job: LeasedJob
  readonly upload: SignedRequest
  /** A clip of more bytes is uploaded in parts: see {@link PlaybackShape.parts}. */
  readonly partsAbove: number
}

/** What a worker wants of an upload in parts. */
export interface PartsWanted {
  /** Bytes of the clip. */
  readonly size: number
  /** The upload that it has sent parts of. When that is not the job's, another one is begun. */
  readonly uploadId?: string | undefined
  /** Numbers, from 1. Those beyond the last part are passed over. */
  readonly parts: ReadonlyArray<number>
}

/** An upload in parts, and the requests by which some of them are sent. */
export interface PartsGranted {
  readonly uploadId: string
  /** Bytes of each part but the last. */
  readonly partSize: number
  readonly parts: ReadonlyArray<{ readonly partNumber: number; readonly upload: SignedRequest }>
  /** Milliseconds that the lease lasts from now. */
  readonly leaseMillis: number
}

/** What a worker says when it is done: with `parts`, that the upload is to be completed with these. */
export interface WorkerClip extends ClipReport {
  readonly parts?: ReadonlyArray<UploadedPart> | undefined
}

export interface PlaybackShape {
  /** Asks for a clip: the job of this window, new or known. */
  readonly request: (request: PlaybackRequest) => Effect.Effect<PlaybackStatus, PlaybackQueueError | ObjectStorageError>
  /** A job of the queue as those see it who asked for it. */
  readonly statusOf: (job: PlaybackJob) => Effect.Effect<PlaybackStatus, ObjectStorageError>
  readonly status: (id: PlaybackJobId) => Effect.Effect<PlaybackStatus, PlaybackJobNotFound | ObjectStorageError>
  /** The newest first. Downloads are signed for all of them. */
  readonly list: (filter?: JobFilter) => Effect.Effect<ReadonlyArray<PlaybackStatus>, ObjectStorageError>
  /** The job now and after each change, until it has ended. */
  readonly watch: (id: PlaybackJobId) => Stream.Stream<PlaybackStatus, PlaybackJobNotFound | ObjectStorageError>
  /** Waits until the clip of a job is there. Interrupting it does not cancel the job. */
  readonly wait: (
    id: PlaybackJobId
  ) => Effect.Effect<ClipRecord, ClipUnavailable | PlaybackJobNotFound | ObjectStorageError>
  /** Asks for a clip and waits until it is there. Interrupting it does not cancel the job. */
  readonly get: (
    request: PlaybackRequest
  ) => Effect.Effect<ClipRecord, ClipUnavailable | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError>
  readonly cancel: (
    id: PlaybackJobId
  ) => Effect.Effect<
    PlaybackStatus,
    PlaybackJobConflict | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError
  >
  readonly retry: (
    id: PlaybackJobId
  ) => Effect.Effect<
    PlaybackStatus,
    PlaybackJobConflict | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError
  >
  /** The next job for a worker beside this node, or none within `wait`. */
  readonly lease: (
    node: NodeId,
    wait: Duration.DurationInput
  ) => Effect.Effect<Option.Option<Assignment>, PlaybackQueueError | ObjectStorageError>
  /** Renews the lease; gives the milliseconds that it lasts from now. */
  readonly progress: (
    node: NodeId,
    id: PlaybackJobId,
    token: number,
    report: { readonly sent?: number | undefined; readonly total?: number | undefined }
  ) => Effect.Effect<number, LeaseLost | PlaybackJobNotFound | PlaybackQueueError>
  /** Begins an upload in parts, or goes on with the job's, and renews the lease. */
  readonly parts: (
    node: NodeId,
    id: PlaybackJobId,
    token: number,
    wanted: PartsWanted
  ) => Effect.Effect<PartsGranted, LeaseLost | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError>
  /**
   * The worker says that it is done. An upload in parts is completed first. Then the object is looked at: one that is not
   * there, or of another size, makes this a failed attempt, and `LeaseLost` is answered.
   */
  readonly complete: (
    node: NodeId,
    id: PlaybackJobId,
    token: number,
    report: WorkerClip
  ) => Effect.Effect<void, LeaseLost | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError>
  readonly fail: (
    node: NodeId,
    id: PlaybackJobId,
    token: number,
    failure: WorkerFailure
  ) => Effect.Effect<void, LeaseLost | PlaybackJobNotFound | PlaybackQueueError>
  readonly release: (
    node: NodeId,
    id: PlaybackJobId,
    token: number
  ) => Effect.Effect<void, LeaseLost | PlaybackJobNotFound | PlaybackQueueError>
}

export class Playback extends Context.Tag("mtx-manager/Playback")<Playback, PlaybackShape>() {}

export interface PlaybackOptions {
  /** How long an upload may take (default 1 hour): less than what `PlaybackQueue` waits before it deletes late objects. */
  readonly uploadWithin?: Duration.DurationInput | undefined
  /** How long a signed download opens (default 1 hour). */
  readonly downloadFor?: Duration.DurationInput | undefined
  /** Bytes above which a clip is uploaded in parts (default 64 MiB). */
  readonly partsAbove?: number | undefined
  /** Bytes of a part, at least (default 16 MiB; S3 takes none below 5 MiB). */
  readonly partSize?: number | undefined
}

const MIME = "video/mp4"

export const make = Effect.fnUntraced(function* (
  options: PlaybackOptions = {}
): Effect.fn.Return<PlaybackShape, never, PlaybackQueue | ObjectStorage | Scope.Scope> {
  const queue = yield* PlaybackQueue
  const storage = yield* ObjectStorage
  const downloadFor = options.downloadFor ?? "1 hour"
  const uploadWithin = options.uploadWithin ?? "1 hour"
  const partsAbove = options.partsAbove ?? multipartThreshold

  /** Throws the parts of abandoned uploads away. What can't be done now is done with the next look. */
  const tidy = Effect.fnUntraced(function* (job: PlaybackJob) {
    const gone: Array<string> = []
    for (const { objectName, uploadId } of job.abandoned ?? []) {
      yield* Effect.match(storage.multipart.abort(storage.clipKey(objectName), uploadId), {
        onFailure: (error) => Effect.logWarning(`Parts of a clip could not be thrown away yet: ${error.message}`),
        onSuccess: () => Effect.sync(() => gone.push(uploadId))
      }).pipe(Effect.flatten)
    }
    if (gone.length > 0) {
      yield* Effect.catchAll(queue.forgetUploads(job.id, gone), (error) =>
        Effect.logWarning("The queue could not note that parts of a clip were thrown away", error)
      )
    }
  })
  const changes = yield* queue.subscribe
  yield* Mailbox.toStream(changes).pipe(
    Stream.filter((job) => (job.abandoned ?? []).length > 0),
    Stream.runForEach(tidy),
    Effect.forkScoped
  )
  yield* queue.abandoned.pipe(
    Effect.flatMap((jobs) => Effect.forEach(jobs, tidy, { discard: true })),
    Effect.repeat(Schedule.spaced("5 minutes")),
    Effect.forkScoped
  )

  const clipOf = Effect.fnUntraced(function* (job: DoneJob) {
    const { clip } = job
    const key = storage.clipKey(clip.objectName)
    const filename = key.slice(key.lastIndexOf("/") + 1)
    const signed = yield* storage.signGet(key, { expiresIn: downloadFor, filename })
    const missing = clip.gaps.reduce((sum, gap) => sum + gap.end - gap.start, 0)
    return {
      id: job.id,
      duration: Math.max(0, Math.round(job.duration - missing)),
      start: job.start,
      end: job.end,
      size: clip.size,
      bucket: storage.bucket,
      filename,
      mime: clip.mime,
      url: storage.objectUrl(key),
      gaps: clip.gaps,
      download: { url: Redacted.value(signed.url), expiresAt: signed.expiresAt }
    } satisfies ClipRecord
  })

  const statusOf = Effect.fnUntraced(function* (
    job: PlaybackJob
  ): Effect.fn.Return<PlaybackStatus, ObjectStorageError> {
    return {
      id: job.id,
      state: job.state,
      path: job.path,
      start: job.start,
      end: job.end,
      duration: job.duration,
      format: job.format,
      priority: job.priority,
      requestedAt: job.requestedAt,
      updatedAt: job.updatedAt,
      node: isHeld(job) ? job.lease.node : job.state === "done" ? job.clip.node : null,
      sent: job.state === "uploading" ? job.sent : null,
      total: job.state === "uploading" ? job.total : null,
      attempts: job.attempts,
      lastFailure: job.lastFailure,
      clip: job.state === "done" ? yield* clipOf(job) : null
    }
  })

  /** A worker may report only on what its own node was given. */
  const ofNode = Effect.fnUntraced(function* (node: NodeId, id: PlaybackJobId, token: number) {
    const job = yield* queue.get(id)
    const holder = isHeld(job) ? job.lease.node : job.state === "done" ? job.clip.node : undefined
    if (holder !== undefined && holder !== node) {
      return yield* new LeaseLost({ id, token, state: job.state, message: "The job belongs to another node's worker" })
    }
    return job
  })

  const lease: PlaybackShape["lease"] = (node, wait) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const job = Option.getOrUndefined(yield* restore(queue.lease(node, { wait })))
        if (job === undefined) return Option.none()
        const upload = yield* storage
          .signPut(storage.clipKey(job.lease.objectName), {
            contentType: MIME,
            expiresIn: uploadWithin
          })
          // Without a place to upload to the job is nothing to the worker.
          .pipe(Effect.tapError(() => Effect.ignore(queue.release(job.id, job.token))))
        return Option.some({ job, upload, partsAbove })
      })
    )

  /** The upload that the worker goes on with, or a new one. */
  const uploadOf = Effect.fnUntraced(function* (job: HeldJob, { size, uploadId }: PartsWanted) {
    const { upload } = job
    if (upload !== undefined && upload.uploadId === uploadId && upload.size === size) return { job, upload }
    const key = storage.clipKey(job.lease.objectName)
    const partSize = partSizeOf(size, options.partSize)
    // Once it is begun somebody has to know of it.
    return yield* Effect.uninterruptible(
      Effect.gen(function* () {
        const begun = {
          uploadId: yield* storage.multipart.create(key, { contentType: MIME, partSize }),
          size,
          partSize
        }
        const after = yield* queue
          .beginUpload(job.id, job.token, begun)
          .pipe(Effect.tapError(() => Effect.ignore(storage.multipart.abort(key, begun.uploadId))))
        return { job: after, upload: { ...begun, objectName: job.lease.objectName } }
      })
    )
  })

  const parts: PlaybackShape["parts"] = Effect.fnUntraced(function* (node, id, token, wanted) {
    yield* ofNode(node, id, token)
    const { job, upload } = yield* uploadOf(yield* queue.progress(id, token), wanted)
    const { objectName, partSize, size, uploadId } = upload
    const numbers = wanted.parts.filter((number) => number <= Math.max(1, Math.ceil(size / partSize)))
    const granted = yield* Effect.forEach(numbers, (partNumber) =>
      Effect.map(
        storage.multipart.signPart(storage.clipKey(objectName), uploadId, partNumber, {
          expiresIn: uploadWithin,
          contentLength: Math.min(partSize, size - (partNumber - 1) * partSize)
        }),
        (signed) => ({ partNumber, upload: signed })
      )
    )
    return { uploadId, partSize, parts: granted, leaseMillis: Math.max(0, job.lease.expiresAt - job.updatedAt) }
  })

  /** Makes the parts one object. Why that can't be, where no retry will help. */
  const join = (key: string, uploadId: string, sent: ReadonlyArray<UploadedPart>) =>
    storage.multipart.complete(key, uploadId, sent).pipe(
      Effect.as(undefined),
      Effect.catchAll((error) =>
        error.reason === "Unavailable"
          ? Effect.fail(error)
          : // An attempt whose answer was lost may have joined them: the object tells.
            Effect.succeed(error.message)
      )
    )

  const complete: PlaybackShape["complete"] = Effect.fnUntraced(function* (
    node,
    id,
    token,
    { parts: sent, ...report }
  ) {
    const job = yield* ofNode(node, id, token)
    if (isHeld(job) && job.lease.token === token) {
      const upload = report.uploadId !== undefined && job.upload?.uploadId === report.uploadId ? job.upload : undefined
      const key = storage.clipKey((upload ?? job.lease).objectName)
      const problem = upload === undefined ? undefined : yield* join(key, upload.uploadId, sent ?? [])
      const found = Option.getOrUndefined(yield* storage.head(key))
      if (found === undefined || found.size !== report.size) {
        const message =
          problem !== undefined
            ? `The parts of the clip can't be joined: ${problem}`
            : found === undefined
              ? "The worker says that it has uploaded the clip, and the storage has no such object"
              : `The worker says that it has uploaded ${report.size} bytes, and the storage has ${found.size}`
        yield* queue.fail(id, token, { reason: "StorageError", message, abandon: true })
        return yield* new LeaseLost({ id, token, state: "queued", message })
      }
    }
    yield* queue.complete(id, token, { ...report, mime: report.mime ?? MIME })
  })

  const ended = (status: PlaybackStatus): Effect.Effect<ClipRecord, ClipUnavailable> => {
    if (status.clip !== null) return Effect.succeed(status.clip)
    const { id, lastFailure, state } = status
    const reason = state === "expired" || state === "cancelled" ? state : "failed"
    return new ClipUnavailable({
      id,
      reason,
      message: `There is no clip: the job ${state === "failed" ? "failed" : `was ${state}`}${lastFailure === null ? "" : ` (${lastFailure.message})`}`
    })
  }

  const request: PlaybackShape["request"] = (wanted) =>
    Effect.flatMap(queue.request(wanted), ({ job }) => statusOf(job))
  const watch: PlaybackShape["watch"] = (id) => Stream.mapEffect(queue.watch(id), statusOf)

  const wait: PlaybackShape["wait"] = Effect.fnUntraced(function* (id) {
    const last = yield* Stream.runLast(Stream.filter(queue.watch(id), isEnded))
    if (Option.isNone(last)) {
      // The queue was closed under it.
      return yield* new PlaybackJobNotFound({ id, message: "The manager stopped before the clip was there" })
    }
    return yield* ended(yield* statusOf(last.value))
  })

  return Playback.of({
    request,
    statusOf,
    status: (id) => Effect.flatMap(queue.get(id), statusOf),
    list: (filter) => Effect.flatMap(queue.list(filter), (jobs) => Effect.forEach(jobs, statusOf)),
    watch,
    wait,
    get: (wanted) => Effect.flatMap(queue.request(wanted), ({ job }) => wait(job.id)),
    cancel: (id) => Effect.flatMap(queue.cancel(id), statusOf),
    retry: (id) => Effect.flatMap(queue.retry(id), statusOf),
    lease,
    progress: (node, id, token, report) =>
      Effect.map(Effect.zipRight(ofNode(node, id, token), queue.progress(id, token, report)), ({ lease, updatedAt }) =>
        Math.max(0, lease.expiresAt - updatedAt)
      ),
    parts,
    complete,
    fail: (node, id, token, failure) =>
      Effect.asVoid(Effect.zipRight(ofNode(node, id, token), queue.fail(id, token, failure))),
    release: (node, id, token) => Effect.asVoid(Effect.zipRight(ofNode(node, id, token), queue.release(id, token)))
  })
})

export const layer = (options?: PlaybackOptions): Layer.Layer<Playback, never, PlaybackQueue | ObjectStorage> =>
  Layer.scoped(Playback, make(options))
