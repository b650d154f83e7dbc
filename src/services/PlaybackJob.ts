/**
 * A clip on its way: from the request to the object in the bucket, as one tagged union on `state`.
 *
 * `queued` -> `leased` (a worker has it) -> `uploading` (and said so) -> `done`; or it ends as `failed`, `expired` (nobody
 * could serve it in time) or `cancelled`. A lease that is lost, and a failure that may pass, lead back to `queued`.
 */
import * as Schema from "effect/Schema"
import { staticPathNameProblem } from "../mediamtx/PathName.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/** What MediaMTX's playback server can make: a plain MP4, which plays everywhere, or a fragmented one. */
export const PlaybackFormat = Schema.Literal("mp4", "fmp4").annotations({ identifier: "PlaybackFormat" })
export type PlaybackFormat = typeof PlaybackFormat.Type

/** A UUIDv7: jobs are in the order of their ids. */
export const PlaybackJobId = Schema.UUID.annotations({
  identifier: "PlaybackJobId",
  description: "UUIDv7 of a job and of its clip"
})
export type PlaybackJobId = typeof PlaybackJobId.Type

const longest = 24 * 60 * 60 * 1000

/** The body of `POST /playback/requests`. */
export const PlaybackRequest = Schema.Struct({
  path: Schema.String.pipe(
    Schema.filter((path) => {
      const problem = staticPathNameProblem(path)
      return (
        problem === undefined || `the name of a path such as "cam/1": ${JSON.stringify(path.slice(0, 80))} ${problem}`
      )
    })
  ),
  start: Timestamp,
  /** Milliseconds. */
  duration: Schema.Int.pipe(
    Schema.between(1, longest, { message: () => `the duration in milliseconds, from 1 to ${longest} (a day)` })
  ),
  format: Schema.optionalWith(PlaybackFormat, { default: () => "mp4" as const }),
  /** Higher ones are served first. */
  priority: Schema.optionalWith(Schema.Int.pipe(Schema.between(-100, 100)), { default: () => 0 })
}).annotations({ identifier: "PlaybackRequest" })
export type PlaybackRequest = typeof PlaybackRequest.Type

/**
 * Why an attempt failed.
 * - `NodeAway`: the worker can't reach its MediaMTX. The job waits.
 * - `NothingRecorded`: the node holds nothing of the window. It is asked no more; the job fails when nobody else may have it.
 * - `StorageError`: the upload was refused or broke off.
 * - `Truncated`: the node gave less than it had listed.
 * - `WorkerError`: anything else that a worker runs into.
 * - `LeaseExpired`: the worker was not heard of in time. Never reported by a worker.
 */
export const PlaybackFailureReason = Schema.Literal(
  "NodeAway",
  "NothingRecorded",
  "StorageError",
  "Truncated",
  "WorkerError",
  "LeaseExpired"
).annotations({ identifier: "PlaybackFailureReason" })
export type PlaybackFailureReason = typeof PlaybackFailureReason.Type

export const PlaybackFailure = Schema.Struct({
  reason: PlaybackFailureReason,
  message: Schema.String,
  at: Timestamp,
  node: NodeId
}).annotations({ identifier: "PlaybackFailure" })
export type PlaybackFailure = typeof PlaybackFailure.Type

/** A worker's right to a job, for a short time that its reports renew. */
export const PlaybackLease = Schema.Struct({
  node: NodeId,
  /** Fencing token: rises with each lease of the job, and every report names it. */
  token: Schema.Positive,
  /**
   * Name of the object that this lease, and no other, uploads to, without prefix and extension: the job's id, with the token
   * behind it from the second lease on.
   */
  objectName: Schema.String,
  leasedAt: Timestamp,
  expiresAt: Timestamp
}).annotations({ identifier: "PlaybackLease" })
export type PlaybackLease = typeof PlaybackLease.Type

/** An upload in parts that nobody goes on with: its parts are to be thrown away. */
export const AbandonedUpload = Schema.Struct({
  /** As the storage named it. */
  uploadId: Schema.String,
  /** Name of the object that it would have become, without prefix and extension. */
  objectName: Schema.String
}).annotations({ identifier: "AbandonedUpload" })
export type AbandonedUpload = typeof AbandonedUpload.Type

/**
 * An upload in parts that is under way. It outlives the lease that began it, and a later lease of the same node, where the cut
 * still is, goes on with it.
 */
export const PlaybackUpload = Schema.Struct({
  ...AbandonedUpload.fields,
  node: NodeId,
  /** Bytes of the clip, and of each part but the last. */
  size: Schema.Int,
  partSize: Schema.Int
}).annotations({ identifier: "PlaybackUpload" })
export type PlaybackUpload = typeof PlaybackUpload.Type

/** What was uploaded. */
export const PlaybackClip = Schema.Struct({
  /** Name of the winner's object, without prefix and extension. */
  objectName: Schema.String,
  node: NodeId,
  token: Schema.Positive,
  /** Bytes. */
  size: Schema.NonNegativeInt,
  mime: Schema.String,
  /** Milliseconds that the file plays: less than was asked for when there are gaps. */
  duration: Schema.NonNegative,
  /** What of the window is missing. */
  gaps: Schema.Array(Schema.Struct({ start: Timestamp, end: Timestamp })),
  etag: Schema.NullOr(Schema.String)
}).annotations({ identifier: "PlaybackClip" })
export type PlaybackClip = typeof PlaybackClip.Type

const common = {
  id: PlaybackJobId,
  path: Schema.String,
  start: Timestamp,
  end: Timestamp,
  /** Milliseconds. */
  duration: Schema.Int,
  format: PlaybackFormat,
  priority: Schema.Int,
  requestedAt: Timestamp,
  updatedAt: Timestamp,
  /** When the end of the window is safely on disk. */
  readyAt: Timestamp,
  /** When it expires unless it is being served. */
  expiresAt: Timestamp,
  /** Attempts that failed and count. */
  attempts: Schema.NonNegativeInt,
  /** Fencing token of the newest lease; 0 before the first. */
  token: Schema.NonNegativeInt,
  /** Failures in a row, for the back-off. */
  setbacks: Schema.NonNegativeInt,
  lastFailure: Schema.NullOr(PlaybackFailure),
  /** Nodes that said that they hold nothing of the window, or can never cut it. */
  refusedBy: Schema.Array(NodeId),
  upload: Schema.optional(PlaybackUpload),
  abandoned: Schema.optional(Schema.Array(AbandonedUpload))
}

export const QueuedJob = Schema.Struct({
  state: Schema.Literal("queued"),
  ...common,
  /** Not given to a worker before: the window is still being recorded, or an attempt failed a moment ago. */
  notBefore: Timestamp
}).annotations({ identifier: "QueuedJob" })
export type QueuedJob = typeof QueuedJob.Type

export const LeasedJob = Schema.Struct({
  state: Schema.Literal("leased"),
  ...common,
  lease: PlaybackLease
}).annotations({ identifier: "LeasedJob" })
export type LeasedJob = typeof LeasedJob.Type

export const UploadingJob = Schema.Struct({
  state: Schema.Literal("uploading"),
  ...common,
  lease: PlaybackLease,
  /** Bytes so far, and in all when that is known. */
  sent: Schema.NonNegativeInt,
  total: Schema.NullOr(Schema.NonNegativeInt)
}).annotations({ identifier: "UploadingJob" })
export type UploadingJob = typeof UploadingJob.Type

export const DoneJob = Schema.Struct({
  state: Schema.Literal("done"),
  ...common,
  endedAt: Timestamp,
  clip: PlaybackClip
}).annotations({ identifier: "DoneJob" })
export type DoneJob = typeof DoneJob.Type

/** A dead letter: it stays as it is until somebody puts it back. `lastFailure` says why. */
export const FailedJob = Schema.Struct({
  state: Schema.Literal("failed"),
  ...common,
  endedAt: Timestamp
}).annotations({ identifier: "FailedJob" })
export type FailedJob = typeof FailedJob.Type

export const ExpiredJob = Schema.Struct({
  state: Schema.Literal("expired"),
  ...common,
  endedAt: Timestamp
}).annotations({ identifier: "ExpiredJob" })
export type ExpiredJob = typeof ExpiredJob.Type

export const CancelledJob = Schema.Struct({
  state: Schema.Literal("cancelled"),
  ...common,
  endedAt: Timestamp
}).annotations({ identifier: "CancelledJob" })
export type CancelledJob = typeof CancelledJob.Type

/** A worker has it. */
export type HeldJob = LeasedJob | UploadingJob
export type EndedJob = DoneJob | FailedJob | ExpiredJob | CancelledJob

export const PlaybackJob = Schema.Union(
  QueuedJob,
  LeasedJob,
  UploadingJob,
  DoneJob,
  FailedJob,
  ExpiredJob,
  CancelledJob
).annotations({ identifier: "PlaybackJob" })
export type PlaybackJob = typeof PlaybackJob.Type

export const PlaybackJobState = Schema.Literal(
  "queued",
  "leased",
  "uploading",
  "done",
  "failed",
  "expired",
  "cancelled"
).annotations({ identifier: "PlaybackJobState" })
export type PlaybackJobState = typeof PlaybackJobState.Type

export const isHeld = (job: PlaybackJob): job is HeldJob => job.state === "leased" || job.state === "uploading"
export const isEnded = (job: PlaybackJob): job is EndedJob => job.state !== "queued" && !isHeld(job)

/** Name of the object of one lease of a job, without prefix and extension. */
export const objectNameOf = (id: PlaybackJobId, token: number): string => (token <= 1 ? id : `${id}.${token}`)
