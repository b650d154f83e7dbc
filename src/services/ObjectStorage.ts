/**
 * ObjectStorage: where clips are kept. It signs requests that others send (a worker its upload, a viewer their download),
 * so that no node ever holds the keys of the storage.
 *
 * A storage is chosen by a plain value, {@link Storage}: `s3({...})`, `filesystem({...})` or `memory()`. {@link layer}
 * turns it into a layer.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Timestamp } from "./Timestamp.js"

/**
 * The storage refused, or can't be used.
 * - `AccessDenied`: the credentials may not do this, or a signed URL has expired.
 * - `NotFound`: no such object, upload or part.
 * - `AlreadyExists`: the object was to be written only if absent, and is there.
 * - `ClockSkew`: this machine's clock and the storage's differ by more than signatures allow. The message has both.
 * - `SignatureMismatch`: a wrong secret, or the request is not the one that was signed.
 * - `TooLarge`, `Incomplete`: a body over the limit, or not of the length that was announced.
 * - `Unavailable`: no answer, or one that says to come back later. Every attempt was used up.
 * - `Misconfigured`: no retry will help: endpoint, bucket, region, key, or another option is wrong.
 */
export class ObjectStorageError extends Schema.TaggedError<ObjectStorageError>()("ObjectStorageError", {
  reason: Schema.Literal(
    "AccessDenied",
    "NotFound",
    "AlreadyExists",
    "ClockSkew",
    "SignatureMismatch",
    "TooLarge",
    "Incomplete",
    "Unavailable",
    "Misconfigured"
  ),
  /** What was wrong, where, and what would be right. Never holds a secret or a signed URL. */
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/**
 * A request that whoever holds it may send once or more, until it expires: exactly this method and URL, with exactly these
 * headers. The URL is a credential: it is redacted in logs.
 */
export const SignedRequest = Schema.Struct({
  method: Schema.Literal("GET", "PUT"),
  url: Schema.Redacted(Schema.String),
  /** To be sent as they are. Names in lower case. */
  headers: Schema.Record({ key: Schema.String, value: Schema.String }),
  expiresAt: Timestamp
}).annotations({ identifier: "SignedRequest" })
export type SignedRequest = typeof SignedRequest.Type

/** What is known of an object without reading it. */
export interface ObjectInfo {
  readonly key: string
  /** Bytes. */
  readonly size: number
  readonly contentType: string
  /** Changes with the content. Quotes included, as on the wire. */
  readonly etag: string
  /** Epoch milliseconds. */
  readonly lastModified: number
}

export interface SignPutOptions {
  /** The upload is refused with any other. */
  readonly contentType: string
  /** Bytes. When given, the upload is refused with any other. */
  readonly contentLength?: number | undefined
  /** One second to seven days. */
  readonly expiresIn: Duration.DurationInput
  /**
   * The upload is refused (412) when there is an object of this key. S3 itself, R2 and MinIO know this; a server that does
   * not know conditional writes ignores it.
   */
  readonly ifAbsent?: boolean | undefined
}

export interface SignGetOptions {
  /** One second to seven days. */
  readonly expiresIn: Duration.DurationInput
  /** Makes browsers save the file under this name instead of showing it. */
  readonly filename?: string | undefined
}

/** One part of a multipart upload, as `complete` wants it. */
export interface UploadedPart {
  /** 1 to 10,000. */
  readonly partNumber: number
  /** The `ETag` header of the answer to the part's PUT. */
  readonly etag: string
}

/**
 * Uploads in parts, for what is over {@link multipartThreshold}. Parts may come in any order and be sent again; nothing is
 * visible before `complete`. Parts are numbered from 1 without a gap, and all but the last have one size, of 5 MiB or more:
 * use `partsOf`.
 */
export interface MultipartShape {
  /** Begins an upload; the result names it. */
  readonly create: (
    key: string,
    options: {
      readonly contentType: string
      /** Bytes of each part but the last, which may have less. */
      readonly partSize: number
    }
  ) => Effect.Effect<string, ObjectStorageError>
  readonly signPart: (
    key: string,
    uploadId: string,
    partNumber: number,
    options: { readonly expiresIn: Duration.DurationInput; readonly contentLength?: number | undefined }
  ) => Effect.Effect<SignedRequest, ObjectStorageError>
  /**
   * Joins the parts. `NotFound` when a part is missing, and when the upload is: it may have been completed by an attempt
   * whose answer was lost, so look with `head` before giving up.
   */
  readonly complete: (
    key: string,
    uploadId: string,
    parts: ReadonlyArray<UploadedPart>,
    options?: { readonly ifAbsent?: boolean | undefined }
  ) => Effect.Effect<void, ObjectStorageError>
  /** Throws away what was uploaded. Succeeds when there is no such upload. */
  readonly abort: (key: string, uploadId: string) => Effect.Effect<void, ObjectStorageError>
}

export interface ObjectStorageShape {
  readonly bucket: string
  /** The key of a clip's file: `recordings/{id}.mp4` unless the storage was given another prefix. */
  readonly clipKey: (id: string, extension?: string) => string
  /** Where the object is, without a signature: an address that can be shown and stored, and opened if the bucket is public. */
  readonly objectUrl: (key: string) => string
  readonly signPut: (key: string, options: SignPutOptions) => Effect.Effect<SignedRequest, ObjectStorageError>
  /** Works for an object that does not exist yet, and does not ask whether it does. */
  readonly signGet: (key: string, options: SignGetOptions) => Effect.Effect<SignedRequest, ObjectStorageError>
  /** None when there is no such object. */
  readonly head: (key: string) => Effect.Effect<Option.Option<ObjectInfo>, ObjectStorageError>
  /** Succeeds when there is no such object. */
  readonly delete: (key: string) => Effect.Effect<void, ObjectStorageError>
  readonly multipart: MultipartShape
  /** Proves that the storage answers and takes the credentials; fails with what is wrong and what would be right. */
  readonly check: Effect.Effect<void, ObjectStorageError>
  /**
   * Storages that have no server of their own are served by the manager: it hands every `GET`, `HEAD` and `PUT` under
   * `/storage/` to this, in web-standard form. Never fails; the signature in the URL is the only credential.
   */
  readonly serve: ((request: Request) => Effect.Effect<Response>) | undefined
}

export class ObjectStorage extends Context.Tag("mtx-manager/ObjectStorage")<ObjectStorage, ObjectStorageShape>() {}

/** What a storage that is served by the manager needs to know of it. */
export interface StorageHost {
  /** The manager, as clients and nodes reach it: signed URLs are `BASE/storage/KEY?...`. */
  readonly base: string | URL
  /** Signs these URLs. The same after a restart, or URLs given out before it are refused. */
  readonly key: Redacted.Redacted
}

/**
 * A storage as a plain value, for `manager({ storage })` and for {@link layer}. Write your own by giving `make`.
 */
export interface Storage {
  /** For messages: `s3`, `filesystem`, `memory`, ... */
  readonly kind: string
  readonly make: (host: StorageHost) => Effect.Effect<ObjectStorageShape, ObjectStorageError, Scope.Scope>
}

/**
 * @example
 * ```ts
 * import { s3 } from "@livecams/mtx-manager/storage"
 *
 * const Clips = ObjectStorage.layer(
 *   s3({
 *     endpoint: "https://s3.eu-central-1.amazonaws.com",
 *     credentials: { accessKeyId: "ACCESS_KEY", secretAccessKey: "SECRET_KEY" },
 *     bucket: "clips"
 *   }),
 *   { base: "https://example.com", key: Redacted.make("SHARED_KEY") }
 * )
 * ```
 */
export const layer = (storage: Storage, host: StorageHost): Layer.Layer<ObjectStorage, ObjectStorageError> =>
  Layer.scoped(ObjectStorage, storage.make(host))

/** Bytes. Larger files are better uploaded in parts: a lost connection then costs a part, not all of it. */
export const multipartThreshold: number = 64 * 1024 * 1024

const smallestPart = 16 * 1024 * 1024
const mostParts = 10_000

/** Bytes of the parts of a file, all but the last: as few as `smallest` allows (default 16 MiB), and at most 10,000 parts. */
export const partSizeOf = (size: number, smallest: number = smallestPart): number => {
  const mebibyte = 1024 * 1024
  // Whole MiB, so that offsets stay readable.
  return size <= smallest * mostParts ? smallest : Math.ceil(size / mostParts / mebibyte) * mebibyte
}

/**
 * Cuts a file into parts: all of one size but the last, at least 16 MiB, at most 10,000 of them.
 *
 * @example
 * ```ts
 * partsOf(40 * 1024 * 1024).length // 3
 * ```
 */
export const partsOf = (
  size: number
): ReadonlyArray<{ readonly partNumber: number; readonly offset: number; readonly size: number }> => {
  const each = partSizeOf(size)
  return Array.from({ length: Math.max(1, Math.ceil(size / each)) }, (_, index) => ({
    partNumber: index + 1,
    offset: index * each,
    size: Math.min(each, size - index * each)
  }))
}
