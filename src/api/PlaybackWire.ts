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
  upload: UploadTarget,
  /** A clip of more bytes is uploaded in parts (`POST /playback/jobs/ID/parts`). Absent: none is. */
  partsAbove: Schema.optional(Schema.NonNegativeInt)
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

const UploadId = Schema.String.pipe(Schema.maxLength(4_096))
const PartNumber = Schema.Int.pipe(Schema.between(1, 10_000))

/** A worker begins an upload in parts, or goes on with one, and wants requests by which it sends some of them. */
export const PartsRequest = Schema.Struct({
  token: Schema.Int,
  /** Bytes of the clip. S3 has no object of more than 5 TiB. */
  size: Schema.Int.pipe(Schema.between(1, 5 * 1024 ** 4)),
  /** The upload that the worker has sent parts of, as an earlier reply named it. */
  upload: Schema.optional(UploadId),
  /** Numbers of parts, from 1. */
  parts: Schema.Array(PartNumber).pipe(Schema.maxItems(100))
}).annotations({ identifier: "PartsRequest" })
export type PartsRequest = typeof PartsRequest.Type

export const PartsReply = Schema.Struct({
  /** Another one than was asked for: that is gone, and so are its parts. */
  upload: Schema.String,
  /** Bytes of each part but the last. */
  partSize: Schema.Int,
  parts: Schema.Array(Schema.Struct({ partNumber: Schema.Int, ...UploadTarget.fields })),
  leaseMillis: Millis
}).annotations({ identifier: "PartsReply" })
export type PartsReply = typeof PartsReply.Type

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
    gaps: Schema.Array(TimeSpan),
    /** The upload in parts that is to become the object, with the `ETag` of each of its parts. */
    upload: Schema.optional(
      Schema.Struct({
        id: UploadId,
        parts: Schema.Array(
          Schema.Struct({ partNumber: PartNumber, etag: Schema.String.pipe(Schema.maxLength(256)) })
        ).pipe(Schema.maxItems(10_000))
      })
    )
  }),
  Schema.Struct({
    status: Schema.Literal("failed"),
    token: Schema.Int,
    reason: FailureReason,
    message: Schema.String,
    /** This node can't ever serve it: only others are asked. */
    final: Schema.optional(Schema.Boolean)
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
