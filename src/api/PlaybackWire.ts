/**
 * What playback workers and the manager say to each other: schemas alone, so that a worker stays small.
 */
import * as Schema from "effect/Schema"
import { NodeId } from "../services/NodeId.js"
import { Timestamp } from "../services/Timestamp.js"

/** Milliseconds. */
const Millis = Schema.NonNegativeInt

export const TimeSpan = Schema.Struct({ start: Timestamp, end: Timestamp }).annotations({ identifier: "TimeSpan" })
export type TimeSpan = typeof TimeSpan.Type

/** A request that the worker sends as it is. The URL is a credential. */
export const UploadTarget = Schema.Struct({
  method: Schema.Literal("PUT"),
  url: Schema.String,
  /** To be sent as they are, and `content-length` with them. */
  headers: Schema.Record({ key: Schema.String, value: Schema.String }),
  expiresAt: Timestamp
}).annotations({ identifier: "UploadTarget" })
export type UploadTarget = typeof UploadTarget.Type

/** A job that the worker has until `leaseMillis` after its last report. */
export const WorkerJob = Schema.Struct({
  id: Schema.String,
  node: NodeId,
  path: Schema.String,
  start: Timestamp,
  duration: Millis,
  format: Schema.Literal("mp4", "fmp4"),
  /** Which try this is, from 1. */
  attempt: Schema.Int,
  /** To be sent with every report. An older one than the job's is refused with 409. */
  token: Schema.Int,
  leaseMillis: Millis,
  upload: UploadTarget
}).annotations({ identifier: "WorkerJob" })
export type WorkerJob = typeof WorkerJob.Type

/** Why a try failed: `PlaybackFailureReason` as far as a worker may say it. */
export const FailureReason = Schema.Literal(
  "NodeAway",
  "NothingRecorded",
  "StorageError",
  "Truncated",
  "WorkerError"
).annotations({ identifier: "WorkerFailureReason" })
export type FailureReason = typeof FailureReason.Type

/** What the worker read from MediaMTX's `/list`: all that its node holds of the path within the time. */
export const RecordedReport = Schema.Struct({
  from: Timestamp,
  to: Timestamp,
  spans: Schema.Array(TimeSpan)
}).annotations({ identifier: "RecordedReport" })

export const WorkerReport = Schema.Union(
  Schema.Struct({
    status: Schema.Literal("progress"),
    token: Schema.Int,
    phase: Schema.Literal("waiting", "fetching", "uploading"),
    /** Bytes fetched or sent so far. */
    bytes: Schema.NonNegativeInt,
    /** Bytes to send in all; null while that is not known. */
    total: Schema.NullOr(Schema.NonNegativeInt),
    recorded: Schema.optional(RecordedReport)
  }),
  Schema.Struct({
    status: Schema.Literal("done"),
    token: Schema.Int,
    /** Bytes of the object. */
    size: Schema.NonNegativeInt,
    /** Milliseconds that a player shows. */
    duration: Millis,
    /** What of the window is not in the clip. */
    gaps: Schema.Array(TimeSpan)
  }),
  Schema.Struct({
    status: Schema.Literal("failed"),
    token: Schema.Int,
    reason: FailureReason,
    message: Schema.String
  }),
  Schema.Struct({
    /** The worker stops, and gives the job back to whoever comes next. */
    status: Schema.Literal("released"),
    token: Schema.Int
  })
).annotations({ identifier: "WorkerReport" })
export type WorkerReport = typeof WorkerReport.Type

export const WorkerReply = Schema.Struct({
  /** The lease lasts this long from now, for a job that is still the worker's; 0 for one that has ended. */
  leaseMillis: Millis
}).annotations({ identifier: "WorkerReply" })
export type WorkerReply = typeof WorkerReply.Type
