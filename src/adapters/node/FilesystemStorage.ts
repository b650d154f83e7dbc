/**
 * ObjectStorage in a folder: clips without any cloud. The manager serves it by signed URLs of its own.
 *
 * An object is a plain file of its key's name, so that it can be looked at, copied and backed up by any means. Beside them:
 * `.tmp` (uploads that are coming in), `.uploads` (in parts), `.types` (content types that a file's name does not tell).
 *
 * A file appears under its name whole and on disk, or not at all: it is written to `.tmp`, synced, and moved.
 *
 * The parts of an upload are written to their places in one file, so that completing it copies nothing. What comes in for it
 * at that moment is cut off first: nobody can write into an object. So a folder is for one process at a time.
 */
import { randomUUID } from "node:crypto"
import { constants } from "node:fs"
import {
  chmod,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink
} from "node:fs/promises"
import { dirname, extname, join, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
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
} from "../../services/ObjectStorage/LocalObjects.js"
import * as LocalStorage from "../../services/ObjectStorage/LocalStorage.js"
import { defaultPrefix } from "../../services/ObjectStorage/ObjectRules.js"
import { type ObjectInfo, ObjectStorageError, type Storage } from "../../services/ObjectStorage.js"

export interface FilesystemOptions {
  /** Made when absent, and only for this user then. */
  readonly folder: string
  /** Bytes that one object may have (default 5 GiB, as with S3). */
  readonly maxObjectSize?: number | undefined
  /** Name of the bucket, in answers only (default `filesystem`). */
  readonly bucket?: string | undefined
  /** Where clips go in the folder (default `recordings/`). */
  readonly prefix?: string | undefined
}

/**
 * @example
 * ```ts
 * import { filesystem } from "@livecams/mtx-manager/storage"
 *
 * const storage = filesystem({ folder: "./data/clips" })
 * ```
 */
export const filesystem = (options: FilesystemOptions): Storage => ({
  kind: "filesystem",
  make: (host) =>
    Effect.gen(function* () {
      const root = resolve(options.folder)
      const objects = yield* makeObjects(root, options.maxObjectSize ?? 5 * 1024 ** 3)
      return yield* LocalStorage.make(objects, host, {
        bucket: options.bucket ?? "filesystem",
        prefix: options.prefix ?? defaultPrefix
      })
    })
})

/** Types that a name tells: no need to write them down. */
const types: Readonly<Record<string, string>> = {
  ".mp4": "video/mp4",
  ".m4s": "video/iso.segment",
  ".ts": "video/mp2t",
  ".mkv": "video/x-matroska",
  ".jpg": "image/jpeg",
  ".png": "image/png",
  ".json": "application/json",
  ".txt": "text/plain"
}
const typeByName = (key: string): string => types[extname(key)] ?? "application/octet-stream"

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : ""

const isAbsent = (error: unknown): boolean => codeOf(error) === "ENOENT"

const explain =
  (what: string) =>
  (error: unknown): ObjectStorageError => {
    if (error instanceof ObjectStorageError) return error
    const say = (reason: ObjectStorageError["reason"], why: string) =>
      localError(reason, `Can't ${what}: ${why}`, error)
    const code = codeOf(error)
    switch (code) {
      case "ENOSPC":
      case "EDQUOT":
        return say("Unavailable", "the disk is full; make room")
      case "EMFILE":
      case "ENFILE":
        return say("Unavailable", "too many files are open; try again")
      case "EACCES":
      case "EPERM":
        return say("Misconfigured", "permission denied; give this user the folder")
      case "EROFS":
        return say("Misconfigured", "the file system is read-only; use another folder")
      case "ENOTDIR":
      case "EISDIR":
      case "ENOTEMPTY":
        return say("Misconfigured", "a folder and an object can't have the same name; use another key")
      case "ENAMETOOLONG":
        return say("Misconfigured", "the path is too long for the file system; use a shorter key or folder")
      default:
        return say("Unavailable", code === "" ? String(error) : code)
    }
  }

const task = <A>(what: string, run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, ObjectStorageError> =>
  Effect.tryPromise({ try: run, catch: explain(what) })

const orUndefined = async <A>(promise: Promise<A>): Promise<A | undefined> => {
  try {
    return await promise
  } catch (error) {
    // ENOTDIR: a part of the key is an object, so that there can't be one of this key.
    if (isAbsent(error) || codeOf(error) === "ENOTDIR") return undefined
    throw error
  }
}

/** Makes a rename last over a power cut. Some file systems can't sync a folder: then it lasts as long as they say. */
const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(path, constants.O_RDONLY).catch(() => undefined)
  if (folder === undefined) return
  await folder.sync().catch(() => undefined)
  await folder.close()
}

/** At a position, else after what was written before. */
const writeAll = async (file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> => {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(
      bytes,
      at,
      bytes.byteLength - at,
      position === undefined ? null : position + at
    )
    at += bytesWritten
  }
}

/** A small file: whole or not there at all, but for a power failure, which may leave it empty unless it is `durable`. */
const writeSmall = async (path: string, text: string, durable: boolean): Promise<void> => {
  const written = `${path}.part`
  const file = await open(written, "w", 0o600)
  try {
    await file.writeFile(text, "utf8")
    if (durable) await file.sync()
  } finally {
    await file.close()
  }
  await rename(written, path)
}

const bufferSize = 256 * 1024

/** The bytes of an open file, which it closes. */
const reader = (file: FileHandle, start: number, end: number): ReadableStream<Uint8Array> => {
  let at = start
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const wanted = Math.min(bufferSize, end + 1 - at)
          // Allocated each time: the consumer keeps what it is given.
          const { buffer, bytesRead } =
            wanted <= 0
              ? { buffer: new Uint8Array(0), bytesRead: 0 }
              : await file.read(new Uint8Array(wanted), 0, wanted, at)
          if (bytesRead === 0) {
            await file.close()
            // The length was promised already: an end would look like success.
            if (wanted > 0) controller.error(new Error("the file became shorter while it was read"))
            else controller.close()
            return
          }
          at += bytesRead
          controller.enqueue(buffer.subarray(0, bytesRead))
        } catch (error) {
          await file.close().catch(() => undefined)
          controller.error(error)
        }
      },
      cancel: () => file.close()
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 }
  )
}

const Upload = Schema.parseJson(Schema.Struct({ key: Schema.String, contentType: Schema.String, partSize: Schema.Int }))
const decodeUpload = Schema.decodeUnknownSync(Upload)
const encodeUpload = Schema.encodeSync(Upload)

/** What is known of a part that is whole and on disk. */
const Part = Schema.parseJson(Schema.Struct({ etag: Schema.String, size: Schema.Int }))
const decodePart = Schema.decodeUnknownOption(Part)
const encodePart = Schema.encodeSync(Part)

/** An upload that somebody writes to, or that is being ended. */
interface Busy {
  readonly writers: Map<number, { readonly stop: () => void; readonly over: Promise<void> }>
  ending: boolean
}
/** All parts of an upload, each in its place. */
const WHOLE = "whole"
const uploadIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface Times {
  readonly size: bigint
  readonly mtimeNs: bigint
}
const etagOf = ({ mtimeNs, size }: Times): string => `"${size.toString(16)}-${mtimeNs.toString(16)}"`

const makeObjects = Effect.fnUntraced(function* (root: string, limit: number) {
  const temporary = join(root, ".tmp")
  const uploads = join(root, ".uploads")
  const typesFolder = join(root, ".types")
  const fileOf = (key: string) => join(root, ...key.split("/"))
  const typeFileOf = (key: string) => join(typesFolder, ...key.split("/"))

  yield* task(`use the folder ${root}`, async () => {
    const made = await mkdir(root, { recursive: true, mode: 0o700 })
    if (made !== undefined) await chmod(root, 0o700)
    for (const folder of [temporary, uploads, typesFolder]) await mkdir(folder, { recursive: true, mode: 0o700 })
  })

  /** Runs `write` on a new file in `.tmp` and, once it is on disk, `use`, which moves or links it. */
  const withTemporary = <A>(
    what: string,
    write: (file: FileHandle, signal: AbortSignal) => Promise<void>,
    use: (path: string) => Promise<A>
  ): Effect.Effect<A, ObjectStorageError> =>
    Effect.acquireUseRelease(
      Effect.sync(() => join(temporary, randomUUID())),
      (path) =>
        Effect.zipRight(
          task(what, async (signal) => {
            const file = await open(path, "wx", 0o600)
            try {
              await write(file, signal)
              await file.sync()
            } finally {
              await file.close()
              // An interruption does not wait for this: the release below may have come before the file.
              if (signal.aborted) await rm(path, { force: true })
            }
          }),
          // Once it is moved, the rest is done as well.
          Effect.uninterruptible(task(what, () => use(path)))
        ),
      (path) => Effect.ignore(task(what, () => rm(path, { force: true })))
    )

  const writeBody = (incoming: Incoming) => async (file: FileHandle, signal: AbortSignal) => {
    for await (const chunk of chunks(incoming, limit, signal)) await writeAll(file, chunk)
  }

  const infoOf = async (key: string, { mtimeNs, size }: Times): Promise<ObjectInfo> => {
    const type = await orUndefined(open(typeFileOf(key), "r"))
    let contentType = typeByName(key)
    if (type !== undefined) {
      try {
        contentType = await type.readFile("utf8")
      } finally {
        await type.close()
      }
    }
    return {
      key,
      size: Number(size),
      contentType,
      etag: etagOf({ mtimeNs, size }),
      lastModified: Number(mtimeNs / 1_000_000n)
    }
  }

  const exists = async (key: string) => (await orUndefined(stat(fileOf(key)))) !== undefined

  /** Puts a finished file in its place. */
  const place = async (path: string, key: string, contentType: string, ifAbsent: boolean): Promise<ObjectInfo> => {
    const file = fileOf(key)
    const folder = dirname(file)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const typeFile = typeFileOf(key)
    if (contentType === typeByName(key)) {
      await rm(typeFile, { force: true })
    } else {
      await mkdir(dirname(typeFile), { recursive: true, mode: 0o700 })
      const written = `${path}.type`
      const type = await open(written, "wx", 0o600)
      try {
        await type.writeFile(contentType, "utf8")
      } finally {
        await type.close()
      }
      await rename(written, typeFile)
    }
    if (ifAbsent) {
      // A rename would replace what is there; a link can't.
      await link(path, file).catch(async (error: unknown) => {
        if (codeOf(error) === "EEXIST" || (await exists(key))) throw alreadyExists(key)
        // A file system without hard links.
        await rename(path, file)
      })
    } else {
      await rename(path, file)
    }
    await syncFolder(folder)
    return await infoOf(key, await stat(file, { bigint: true }))
  }

  const uploadFolder = async (key: string, uploadId: string) => {
    // The id comes from outside: nothing but an id of ours may become part of a path.
    if (!uploadIdPattern.test(uploadId)) throw noSuchUpload(key)
    const folder = join(uploads, uploadId)
    const file = await orUndefined(open(join(folder, "upload.json"), "r"))
    if (file === undefined) throw noSuchUpload(key)
    try {
      const upload = decodeUpload(await file.readFile("utf8"))
      if (upload.key !== key) throw noSuchUpload(key)
      return { folder, contentType: upload.contentType, partSize: upload.partSize }
    } finally {
      await file.close()
    }
  }

  const openUpload = async (key: string, folder: string): Promise<FileHandle> => {
    const file = await orUndefined(open(join(folder, WHOLE), "r+"))
    // Completed or aborted meanwhile.
    if (file === undefined) throw noSuchUpload(key)
    return file
  }

  const beingEnded = (key: string) =>
    localError("Unavailable", `The upload of ${key} is being completed or aborted by another request; try again`)
  const busy = new Map<string, Busy>()
  const busyWith = (uploadId: string): Busy => {
    const known = busy.get(uploadId)
    if (known !== undefined) return known
    const made: Busy = { writers: new Map(), ending: false }
    busy.set(uploadId, made)
    return made
  }

  /** One writer for a part: whoever comes later cuts the earlier one off, which may hang on a connection that is gone. */
  const takeTurn = async (key: string, uploadId: string, partNumber: number) => {
    while (true) {
      const { ending, writers } = busyWith(uploadId)
      if (ending) throw beingEnded(key)
      const earlier = writers.get(partNumber)
      if (earlier === undefined) break
      earlier.stop()
      await earlier.over
    }
    const upload = busyWith(uploadId)
    const stop = new AbortController()
    let end = () => {}
    const over = new Promise<void>((resolve) => {
      end = () => {
        upload.writers.delete(partNumber)
        if (upload.writers.size === 0 && !upload.ending) busy.delete(uploadId)
        resolve()
      }
    })
    upload.writers.set(partNumber, { stop: () => stop.abort(), over })
    return { stop, end }
  }

  /** Runs `end` when nobody writes to the upload any more, nor can begin to. */
  const alone = async <A>(key: string, uploadId: string, end: () => Promise<A>): Promise<A> => {
    const upload = busyWith(uploadId)
    if (upload.ending) throw beingEnded(key)
    upload.ending = true
    try {
      const writers = [...upload.writers.values()]
      for (const { stop } of writers) stop()
      await Promise.all(writers.map(({ over }) => over))
      return await end()
    } finally {
      busy.delete(uploadId)
    }
  }

  const objects: LocalObjects = {
    put: (key, incoming, { contentType, ifAbsent }) => {
      const what = `store ${key}`
      return Effect.zipRight(
        task(what, async () => {
          // Said before the body is read in vain; what decides is the link.
          if (ifAbsent && (await exists(key))) throw alreadyExists(key)
        }),
        withTemporary(what, writeBody(incoming), (path) => place(path, key, contentType, ifAbsent))
      )
    },
    head: (key) =>
      task(`look at ${key}`, async () => {
        const found = await orUndefined(stat(fileOf(key), { bigint: true }))
        return found === undefined || !found.isFile() ? Option.none() : Option.some(await infoOf(key, found))
      }),
    open: (key) =>
      // Not to be interrupted between the opening and its result, or the file would stay open.
      Effect.uninterruptible(
        task(`read ${key}`, async () => {
          const file = await orUndefined(open(fileOf(key), "r"))
          if (file === undefined) return Option.none()
          try {
            const found = await file.stat({ bigint: true })
            if (!found.isFile()) {
              await file.close()
              return Option.none()
            }
            return Option.some({
              info: await infoOf(key, found),
              read: (start: number, end: number) => reader(file, start, end),
              close: Effect.ignore(task(`close ${key}`, () => file.close()))
            })
          } catch (error) {
            await file.close()
            throw error
          }
        })
      ),
    remove: (key) =>
      task(`delete ${key}`, async () => {
        // A folder of this name is other objects.
        const found = await orUndefined(stat(fileOf(key)))
        if (found?.isFile() === true) await orUndefined(unlink(fileOf(key)))
        await rm(typeFileOf(key), { force: true }).catch(() => undefined)
      }),
    createUpload: (key, upload) =>
      task(`begin an upload of ${key}`, async () => {
        const uploadId = randomUUID()
        const folder = join(uploads, uploadId)
        await mkdir(folder, { mode: 0o700 })
        await (await open(join(folder, WHOLE), "wx", 0o600)).close()
        await writeSmall(join(folder, "upload.json"), encodeUpload({ key, ...upload }), true)
        return uploadId
      }),
    putPart: (key, uploadId, partNumber, incoming) =>
      task(`store part ${partNumber} of ${key}`, async (signal) => {
        const { folder, partSize } = await uploadFolder(key, uploadId)
        const turn = await takeTurn(key, uploadId, partNumber)
        const leave = () => turn.stop.abort()
        signal.addEventListener("abort", leave)
        try {
          if (signal.aborted) leave()
          const file = await openUpload(key, folder)
          const record = join(folder, String(partNumber))
          let size = 0
          try {
            // What was there is not that part any more.
            await rm(record, { force: true })
            const from = (partNumber - 1) * partSize
            for await (const chunk of chunks(incoming, Math.min(limit, partSize), turn.stop.signal)) {
              await writeAll(file, chunk, from + size)
              size += chunk.byteLength
            }
            await file.datasync()
          } finally {
            await file.close()
          }
          const etag = `"${size.toString(16)}-${randomUUID()}"`
          // The part is on disk before this can be. Lost with the power, the part is sent again: nothing was completed of it.
          await writeSmall(record, encodePart({ etag, size }), false)
          return etag
        } finally {
          signal.removeEventListener("abort", leave)
          turn.end()
        }
      }),
    completeUpload: (key, uploadId, parts, { ifAbsent }) =>
      // Once it is moved, the rest is done as well.
      Effect.uninterruptible(
        task(`complete the upload of ${key}`, async () => {
          const { contentType, folder, partSize } = await uploadFolder(key, uploadId)
          return await alone(key, uploadId, async () => {
            let size = 0
            for (const [index, { etag, partNumber }] of parts.entries()) {
              if (partNumber !== index + 1) throw noSuchPart(key, index + 1)
              const text = await orUndefined(readFile(join(folder, String(partNumber)), "utf8"))
              const part = text === undefined ? undefined : Option.getOrUndefined(decodePart(text))
              if (part === undefined || part.etag !== etag) throw noSuchPart(key, partNumber)
              if (index < parts.length - 1 && part.size !== partSize) throw shortPart(key, partNumber, partSize)
              size += part.size
            }
            if (size > limit) throw localError("TooLarge", `The parts are over ${limit} bytes, which is the limit`)
            const file = await openUpload(key, folder)
            try {
              // A part beyond those that were named.
              await file.truncate(size)
              await file.sync()
            } finally {
              await file.close()
            }
            const info = await place(join(folder, WHOLE), key, contentType, ifAbsent)
            await rm(folder, { recursive: true, force: true })
            return info
          })
        })
      ),
    abortUpload: (key, uploadId) =>
      Effect.uninterruptible(
        task(`abort the upload of ${key}`, async () => {
          if (!uploadIdPattern.test(uploadId)) return
          await alone(key, uploadId, () => rm(join(uploads, uploadId), { recursive: true, force: true }))
        })
      ),
    check: withTemporary(
      `use the folder ${root}`,
      (file) => writeAll(file, new Uint8Array(1)),
      async () => undefined
    )
  }

  // What a crash or a worker that never came back has left.
  yield* Effect.gen(function* () {
    const oldest = (yield* Clock.currentTimeMillis) - uploadLife
    yield* task(`clear ${root}`, async () => {
      for (const folder of [temporary, uploads]) {
        for (const name of await readdir(folder)) {
          const found = await orUndefined(stat(join(folder, name)))
          if (found !== undefined && found.mtimeMs < oldest)
            await rm(join(folder, name), { recursive: true, force: true })
        }
      }
    })
  }).pipe(
    Effect.catchAll((error) => Effect.logWarning(error.message)),
    Effect.repeat(Schedule.spaced("1 hour")),
    Effect.forkScoped
  )

  return objects
})
