/** ObjectStorage in memory, gone with the process: for tests, and for a manager that keeps its clips for minutes. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type ObjectInfo, ObjectStorage, ObjectStorageError, type Storage, type StorageHost } from "../ObjectStorage.js"
import {
  alreadyExists,
  chunks,
  type Incoming,
  type LocalObjects,
  localError,
  noSuchPart,
  noSuchUpload,
  shortPart,
  uploadLife
} from "./LocalObjects.js"
import * as LocalStorage from "./LocalStorage.js"
import { defaultPrefix } from "./ObjectRules.js"

export interface MemoryOptions {
  /** Bytes that all objects and open uploads may have together (default 256 MiB). Beyond it uploads are refused. */
  readonly maxBytes?: number | undefined
  /** Name of the bucket, in answers only (default `memory`). */
  readonly bucket?: string | undefined
  /** Where clips go (default `recordings/`). */
  readonly prefix?: string | undefined
}

interface Stored {
  readonly info: ObjectInfo
  readonly bytes: Uint8Array
}

interface Upload {
  readonly key: string
  readonly contentType: string
  readonly partSize: number
  readonly createdAt: number
  readonly parts: Map<number, { readonly etag: string; readonly bytes: Uint8Array }>
}

/**
 * @example
 * ```ts
 * import { memory } from "@livecams/mtx-manager/storage"
 *
 * const storage = memory({ maxBytes: 64 * 1024 * 1024 })
 * ```
 */
export const memory = (options: MemoryOptions = {}): Storage => ({
  kind: "memory",
  make: (host) =>
    Effect.suspend(() =>
      LocalStorage.make(makeObjects(options.maxBytes ?? 256 * 1024 * 1024), host, {
        bucket: options.bucket ?? "memory",
        prefix: options.prefix ?? defaultPrefix
      })
    )
})

export const layer = (host: StorageHost, options: MemoryOptions = {}): Layer.Layer<ObjectStorage, ObjectStorageError> =>
  Layer.scoped(ObjectStorage, memory(options).make(host))

const join = (pieces: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}

const pieceSize = 256 * 1024

const makeObjects = (maxBytes: number): LocalObjects => {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, Upload>()
  let used = 0
  let version = 0

  const etagOf = (size: number) => `"${size.toString(16)}-${(++version).toString(16)}"`

  /** Reads a body and uses it. What it takes is counted while it comes, and given back unless it was used. */
  const collect = <A>(incoming: Incoming, use: (bytes: Uint8Array) => Effect.Effect<A, ObjectStorageError>) =>
    Effect.suspend(() => {
      let claimed = 0
      const read = Effect.tryPromise({
        try: async (signal) => {
          const pieces: Array<Uint8Array> = []
          for await (const piece of chunks(incoming, maxBytes, signal)) {
            if (used + piece.byteLength > maxBytes) {
              throw localError(
                "TooLarge",
                `The storage in memory is full: it takes ${maxBytes} bytes; delete objects, give it a larger maxBytes, or use a folder`
              )
            }
            // Whoever was interrupted has given back what it had.
            if (signal.aborted) break
            used += piece.byteLength
            claimed += piece.byteLength
            pieces.push(piece)
          }
          return join(pieces, claimed)
        },
        catch: (error) =>
          error instanceof ObjectStorageError ? error : localError("Unavailable", "The body can't be read", error)
      })
      return Effect.onError(Effect.flatMap(read, use), () =>
        Effect.sync(() => {
          used -= claimed
        })
      )
    })

  const store = (key: string, bytes: Uint8Array, contentType: string, lastModified: number): ObjectInfo => {
    used -= objects.get(key)?.bytes.byteLength ?? 0
    const info = { key, size: bytes.byteLength, contentType, etag: etagOf(bytes.byteLength), lastModified }
    objects.set(key, { info, bytes })
    return info
  }

  const upload = (key: string, uploadId: string) =>
    Effect.suspend(() => {
      const found = uploads.get(uploadId)
      return found === undefined || found.key !== key ? noSuchUpload(key) : Effect.succeed(found)
    })

  const drop = (uploadId: string) => {
    for (const part of uploads.get(uploadId)?.parts.values() ?? []) used -= part.bytes.byteLength
    uploads.delete(uploadId)
  }

  return {
    put: (key, incoming, { contentType, ifAbsent }) =>
      // Asked first so that a body is not read in vain, and again when it is there.
      Effect.suspend(() =>
        ifAbsent && objects.has(key)
          ? alreadyExists(key)
          : collect(incoming, (bytes) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                ifAbsent && objects.has(key) ? alreadyExists(key) : Effect.succeed(store(key, bytes, contentType, now))
              )
            )
      ),
    head: (key) => Effect.sync(() => Option.map(Option.fromNullable(objects.get(key)), ({ info }) => info)),
    open: (key) =>
      Effect.sync(() =>
        Option.map(Option.fromNullable(objects.get(key)), ({ bytes, info }) => ({
          info,
          close: Effect.void,
          read: (start, end) => {
            let at = start
            return new ReadableStream<Uint8Array>({
              pull: (controller) => {
                if (at > end) return controller.close()
                const next = Math.min(at + pieceSize, end + 1)
                // A copy: whoever reads may transfer the buffer, or write into it.
                controller.enqueue(bytes.slice(at, next))
                at = next
              }
            })
          }
        }))
      ),
    remove: (key) =>
      Effect.sync(() => {
        used -= objects.get(key)?.bytes.byteLength ?? 0
        objects.delete(key)
      }),
    createUpload: (key, { contentType, partSize }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const [id, { createdAt }] of uploads) if (createdAt < now - uploadLife) drop(id)
        const uploadId = crypto.randomUUID()
        uploads.set(uploadId, { key, contentType, partSize, createdAt: now, parts: new Map() })
        return uploadId
      }),
    putPart: (key, uploadId, partNumber, incoming) =>
      Effect.zipRight(
        upload(key, uploadId),
        collect(incoming, (bytes) =>
          Effect.map(upload(key, uploadId), ({ parts }) => {
            used -= parts.get(partNumber)?.bytes.byteLength ?? 0
            const etag = etagOf(bytes.byteLength)
            parts.set(partNumber, { etag, bytes })
            return etag
          })
        )
      ),
    completeUpload: Effect.fnUntraced(function* (key, uploadId, parts, { ifAbsent }) {
      const found = yield* upload(key, uploadId)
      const pieces: Array<Uint8Array> = []
      for (const [index, { etag, partNumber }] of parts.entries()) {
        if (partNumber !== index + 1) return yield* noSuchPart(key, index + 1)
        const part = found.parts.get(partNumber)
        if (part === undefined || part.etag !== etag) return yield* noSuchPart(key, partNumber)
        if (index < parts.length - 1 && part.bytes.byteLength !== found.partSize) {
          return yield* shortPart(key, partNumber, found.partSize)
        }
        pieces.push(part.bytes)
      }
      if (ifAbsent && objects.has(key)) return yield* alreadyExists(key)
      const size = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
      const now = yield* Clock.currentTimeMillis
      const info = store(key, join(pieces, size), found.contentType, now)
      // The object is counted now, its parts no longer.
      used += size
      drop(uploadId)
      return info
    }),
    abortUpload: (_key, uploadId) => Effect.sync(() => drop(uploadId)),
    check: Effect.void
  }
}
