/** Where a storage that the manager serves itself keeps its bytes: the part that memory and folder do differently. */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { type ObjectInfo, ObjectStorageError, type UploadedPart } from "../ObjectStorage.js"

/** A body that comes in, and what was announced of it. */
export interface Incoming {
  readonly body: ReadableStream<Uint8Array> | null
  /** Bytes, when known. */
  readonly length: number | undefined
}

/** An object that was opened: its bytes stay what they are while it is read, whatever becomes of the key meanwhile. */
export interface OpenObject {
  readonly info: ObjectInfo
  /** Bytes `start` to `end`, both included. Closes the object when it ends or is cancelled. Called at most once. */
  readonly read: (start: number, end: number) => ReadableStream<Uint8Array>
  /** Instead of `read`. */
  readonly close: Effect.Effect<void>
}

type Task<A> = Effect.Effect<A, ObjectStorageError>

/** Keys and part numbers have been checked. A write is seen whole or not at all. */
export interface LocalObjects {
  readonly put: (
    key: string,
    incoming: Incoming,
    options: { readonly contentType: string; readonly ifAbsent: boolean }
  ) => Task<ObjectInfo>
  readonly head: (key: string) => Task<Option.Option<ObjectInfo>>
  readonly open: (key: string) => Task<Option.Option<OpenObject>>
  readonly remove: (key: string) => Task<void>
  readonly createUpload: (
    key: string,
    options: { readonly contentType: string; readonly partSize: number }
  ) => Task<string>
  /** Its etag. A part that is sent again takes the place of the one that comes in at that moment. */
  readonly putPart: (key: string, uploadId: string, partNumber: number, incoming: Incoming) => Task<string>
  /** Parts are in ascending order. */
  readonly completeUpload: (
    key: string,
    uploadId: string,
    parts: ReadonlyArray<UploadedPart>,
    options: { readonly ifAbsent: boolean }
  ) => Task<ObjectInfo>
  readonly abortUpload: (key: string, uploadId: string) => Task<void>
  readonly check: Task<void>
}

export const localError = (reason: ObjectStorageError["reason"], message: string, cause?: unknown) =>
  new ObjectStorageError({ reason, message, ...(cause === undefined ? {} : { cause }) })

export const noSuchUpload = (key: string) =>
  localError(
    "NotFound",
    `There is no such upload of ${key}: it was completed, aborted, given up as too old, or never begun`
  )
export const noSuchPart = (key: string, partNumber: number) =>
  localError(
    "NotFound",
    `Part ${partNumber} of the upload of ${key} is missing or not the one that was named; upload it again`
  )
/** A part that is shorter than the one after it needs it to be. */
export const shortPart = (key: string, partNumber: number, partSize: number) =>
  localError(
    "Misconfigured",
    `Part ${partNumber} of the upload of ${key} is not the last one, so it must have ${partSize} bytes, as all of them`
  )
export const alreadyExists = (key: string) => localError("AlreadyExists", `There is an object ${key} already`)

/** An upload in parts that was not completed after this many milliseconds is thrown away. */
export const uploadLife = 24 * 60 * 60 * 1000

/**
 * The chunks of a body. Rejects with an ObjectStorageError when they are more than `limit` allows, or not as many as were
 * announced. When the consumer stops early, the body is cancelled, so that the sender notices.
 */
export async function* chunks(
  incoming: Incoming,
  limit: number,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, void> {
  const { body, length } = incoming
  const tooLarge = () => localError("TooLarge", `The body is over ${limit} bytes, which is the limit of this storage`)
  if (length !== undefined && length > limit) {
    await body?.cancel()
    throw tooLarge()
  }
  let size = 0
  if (body !== null) {
    const reader = body.getReader()
    const abort = () => void reader.cancel(signal.reason).catch(() => undefined)
    signal.addEventListener("abort", abort)
    let ended = false
    try {
      while (true) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw localError("Incomplete", `The body broke off after ${size} bytes`, cause)
        })
        if (done) break
        size += value.byteLength
        if (size > limit) throw tooLarge()
        if (length !== undefined && size > length) {
          throw localError("Incomplete", `The body is longer than the ${length} bytes that were announced`)
        }
        yield value
      }
      ended = true
    } finally {
      signal.removeEventListener("abort", abort)
      if (!ended) abort()
      reader.releaseLock()
    }
  }
  if (signal.aborted) throw localError("Incomplete", `The body broke off after ${size} bytes`)
  if (length !== undefined && size < length) {
    throw localError("Incomplete", `The body ended after ${size} of the ${length} bytes that were announced`)
  }
}
