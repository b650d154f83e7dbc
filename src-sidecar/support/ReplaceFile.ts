/**
 * Replaces a file so that whoever reads it, at any moment and after any crash, sees the old text or the new one, whole.
 */
import { randomBytes } from "node:crypto"
import { open, readdir, rename, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A file could not be read or written; what it held before is untouched. */
export class FileError extends Data.TaggedError("FileError")<{
  /** Node's code, such as ENOSPC. */
  readonly code: string
  readonly message: string
}> {}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than this process may write",
  EROFS: "the file system is read-only",
  EACCES: "no permission: the folder must be writable by the user that this program runs as",
  EPERM: "no permission: the folder must be writable by the user that this program runs as",
  ENOENT: "its folder does not exist",
  EIO: "the disk failed"
}

export const fileError =
  (what: string) =>
  (cause: unknown): FileError => {
    const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""
    const text = hints[code] ?? (cause instanceof Error ? cause.message : String(cause))
    return new FileError({ code, message: `${what}: ${text}${code === "" ? "" : ` (${code})`}` })
  }

const MARK = ".new-"

/** Makes what the folder lists durable. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } catch (error) {
    // Some network file systems have no such operation on folders; the rename itself has happened.
    const code = error instanceof Error && "code" in error ? error.code : undefined
    if (code !== "EINVAL" && code !== "ENOTSUP" && code !== "EPERM") throw error
  } finally {
    await handle.close()
  }
}

/**
 * Writes a temporary file in the same folder, makes it durable, moves it over `path`, and makes the move durable. When a
 * step fails, the temporary file is removed; when the process dies, {@link removeLeftovers} does it later.
 */
export const replaceFile = (path: string, bytes: Uint8Array, mode: number): Effect.Effect<void, FileError> =>
  Effect.tryPromise({
    try: async () => {
      const temporary = `${path}${MARK}${randomBytes(6).toString("hex")}`
      try {
        const handle = await open(temporary, "wx", 0o600)
        try {
          await handle.writeFile(bytes)
          // Not left to the umask.
          await handle.chmod(mode)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(temporary, path)
      } catch (error) {
        await unlink(temporary).catch(() => {})
        throw error
      }
      await syncFolder(dirname(path))
    },
    catch: fileError(`${path} can't be written`)
  }).pipe(Effect.uninterruptible)

/** Removes the temporary files of writes to `path` that were cut off, and gives their number. */
export const removeLeftovers = (path: string): Effect.Effect<number, FileError> =>
  Effect.tryPromise({
    try: async () => {
      const prefix = `${basename(path)}${MARK}`
      const found = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix))
      for (const name of found) await unlink(join(dirname(path), name)).catch(() => {})
      return found.length
    },
    catch: fileError(`${dirname(path)} can't be read`)
  })
