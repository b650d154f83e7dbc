/**
 * The folder in which the prebuilt server keeps what must outlive it: its key, its database, its default config.
 *
 * The folder is private (mode 0700) and so is the key (0600); looser modes are repaired and reported.
 */

import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Something in the data folder can't be used: which file, what is wrong, what would be right. */
export class DataFolderError extends Schema.TaggedError<DataFolderError>()("DataFolderError", {
  path: Schema.String,
  message: Schema.String
}) {}

const reasons: Readonly<Record<string, string>> = {
  AlreadyExists: "it exists already",
  BadResource: "it is not a folder",
  Busy: "it is in use",
  NotFound: "it does not exist",
  PermissionDenied: "permission denied"
}

/** Why a file operation failed, without the name of the system call. */
export const describePlatformError = (error: PlatformError): string => {
  if (error._tag === "BadArgument") return error.message
  const code =
    typeof error.cause === "object" && error.cause !== null && "code" in error.cause
      ? String(error.cause.code)
      : undefined
  if (code === "ENOTDIR") return "a part of its path is a file, not a folder"
  if (code === "EISDIR") return "it is a folder"
  if (code === "ENOSPC") return "the disk is full"
  if (code === "EROFS") return "the file system is read-only"
  return reasons[error.reason] ?? code ?? error.reason
}

const explain = (path: string, what: string) => (error: PlatformError) =>
  new DataFolderError({ path, message: `${what} ${path}: ${describePlatformError(error)}` })

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(4, "0")

/** Takes away what others may do with a file. Logs a warning when there was something to take away. */
const restrict = Effect.fnUntraced(function* (path: string, wanted: number) {
  const fs = yield* FileSystem.FileSystem
  const { mode } = yield* fs.stat(path)
  if ((mode & 0o077) === 0 || process.platform === "win32") return
  yield* fs.chmod(path, wanted)
  yield* Effect.logWarning(`${path} was open to other users (mode ${octal(mode)}); it has mode ${octal(wanted)} now`)
})

export interface OpenedDataFolder {
  /** Nothing was in it: this is the first start. */
  readonly fresh: boolean
}

/** Creates the folder, or takes an existing one, and proves that it can be written to. */
export const open = Effect.fn("DataFolder.open")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs
    .makeDirectory(folder, { recursive: true, mode: 0o700 })
    .pipe(Effect.mapError(explain(folder, "Can't create the data folder")))
  const info = yield* fs.stat(folder).pipe(Effect.mapError(explain(folder, "Can't use the data folder")))
  if (info.type !== "Directory") {
    return yield* new DataFolderError({
      path: folder,
      message: `Can't use the data folder ${folder}: it is not a folder`
    })
  }
  const entries = yield* fs.readDirectory(folder).pipe(Effect.mapError(explain(folder, "Can't read the data folder")))
  // Only what we made ourselves or what is empty is locked: `--data .` must not shut a user's home.
  if (entries.length === 0 || entries.includes(KEY_FILE)) {
    yield* restrict(folder, 0o700).pipe(Effect.mapError(explain(folder, "Can't restrict the mode of the data folder")))
  }
  yield* Effect.scoped(fs.makeTempFileScoped({ directory: folder, prefix: ".probe-" })).pipe(
    Effect.mapError(explain(folder, "Can't write to the data folder"))
  )
  const opened: OpenedDataFolder = { fresh: entries.length === 0 }
  return opened
})

export const KEY_FILE = "key"
/** The key before it, while a rotation goes on. */
export const PREVIOUS_KEY_FILE = "key.previous"

const keyPattern = /^[\x21-\x7e]{8,}$/

/** The key that is kept in the folder, if any. Changes nothing. */
export const readKey = Effect.fn("DataFolder.readKey")(function* (
  folder: string,
  name: typeof KEY_FILE | typeof PREVIOUS_KEY_FILE = KEY_FILE
) {
  const fs = yield* FileSystem.FileSystem
  const file = join(folder, name)
  const text = yield* fs.readFileString(file).pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.succeedNone
    ),
    Effect.mapError(explain(file, "Can't read the key"))
  )
  if (Option.isNone(text)) return Option.none<Redacted.Redacted>()
  const key = text.value.trim()
  if (!keyPattern.test(key)) {
    return yield* new DataFolderError({
      path: file,
      message: `The key in ${file} is not valid: expected one line of at least 8 letters, digits or punctuation. Restore it, or remove the file to get a new key: every node must then be started anew with it`
    })
  }
  return Option.some(Redacted.make(key))
})

/**
 * The key that is kept in the folder; made on the first start: 32 random bytes in base64url. The file appears with its
 * final content and mode or not at all.
 */
export const keepKey = Effect.fn("DataFolder.keepKey")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const file = join(folder, KEY_FILE)
  const kept = yield* readKey(folder)
  if (Option.isSome(kept)) {
    yield* restrict(file, 0o600).pipe(Effect.mapError(explain(file, "Can't restrict the mode of")))
    return kept.value
  }
  const key = randomBytes(32).toString("base64url")
  const part = join(folder, `.key-${randomBytes(6).toString("hex")}`)
  yield* fs.writeFileString(part, `${key}\n`, { flag: "wx", mode: 0o600 }).pipe(
    // A link fails when the name exists: of two first starts at once, the second takes the key of the first.
    Effect.zipRight(fs.link(part, file)),
    Effect.ensuring(Effect.ignore(fs.remove(part))),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "AlreadyExists",
      () => Effect.void
    ),
    Effect.mapError(explain(file, "Can't write the key"))
  )
  return Option.getOrElse(yield* readKey(folder), () => Redacted.make(key))
})

/**
 * Puts a new key in the place of the one that is kept, which is kept as the previous one. Fails when there is none, or when a
 * previous one is there still: its nodes would be shut out.
 */
export const rotateKey = Effect.fn("DataFolder.rotateKey")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const file = join(folder, KEY_FILE)
  const previous = join(folder, PREVIOUS_KEY_FILE)
  const kept = yield* readKey(folder)
  if (Option.isNone(kept)) {
    return yield* new DataFolderError({
      path: file,
      message: `There is no key in ${folder}: one that is given to the server is rotated by giving it two, --key and --previous-key`
    })
  }
  if (Option.isSome(yield* readKey(folder, PREVIOUS_KEY_FILE))) {
    return yield* new DataFolderError({
      path: previous,
      message: `A rotation is going on already: end it by rotate-key --finish when no node goes by the key of ${previous}`
    })
  }
  // First the copy: cut off in between, both are the same, and nothing has changed.
  yield* replaceFile(previous, `${Redacted.value(kept.value)}\n`)
  yield* replaceFile(file, `${randomBytes(32).toString("base64url")}\n`).pipe(
    Effect.onError(() => Effect.ignore(fs.remove(previous)))
  )
})

/** Forgets the previous key. False when there was none. */
export const forgetPreviousKey = Effect.fn("DataFolder.forgetPreviousKey")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const file = join(folder, PREVIOUS_KEY_FILE)
  return yield* fs.remove(file).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.succeed(false)
    ),
    Effect.mapError(explain(file, "Can't remove"))
  )
})

/** Writes a file that its readers see either as it was or whole. */
export const replaceFile = Effect.fn("DataFolder.replaceFile")(function* (file: string, text: string, mode = 0o600) {
  const fs = yield* FileSystem.FileSystem
  const part = `${file}.${randomBytes(6).toString("hex")}.part`
  yield* fs.writeFileString(part, text, { flag: "wx", mode }).pipe(
    Effect.zipRight(fs.rename(part, file)),
    Effect.onError(() => Effect.ignore(fs.remove(part))),
    Effect.mapError(explain(file, "Can't write"))
  )
})
