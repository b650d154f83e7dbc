/** What every storage asks of keys, times and names, so that a program works the same on all of them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ObjectStorageError } from "../ObjectStorage.js"

const segment = /^[A-Za-z0-9_~+=@-][A-Za-z0-9._~+=@-]{0,199}$/

/**
 * Why a key is refused, or undefined. Keys are relative paths of plain names: they mean the same in a URL, in a bucket and
 * in a folder, and can't lead out of it. Names that begin with a dot are the storage's own.
 */
export const keyProblem = (key: string): string | undefined => {
  if (key === "") return "is empty"
  if (key.length > 512) return "is over 512 characters"
  return key.split("/").every((part) => segment.test(part))
    ? undefined
    : "must be names of A-Z a-z 0-9 . _ ~ + = @ - that don't begin with a dot, with single slashes between, such as recordings/cam-1.mp4"
}

const misconfigured = (message: string) => new ObjectStorageError({ reason: "Misconfigured", message })

export const checkKey = (key: string): Effect.Effect<void, ObjectStorageError> => {
  const problem = keyProblem(key)
  return problem === undefined ? Effect.void : misconfigured(`The object key ${JSON.stringify(key)} ${problem}`)
}

const longest = Duration.toSeconds(Duration.days(7))

/** Whole seconds, rounded up. */
export const checkExpiry = (expiresIn: Duration.DurationInput): Effect.Effect<number, ObjectStorageError> => {
  const seconds = Math.ceil(Duration.toSeconds(expiresIn))
  return seconds >= 1 && seconds <= longest
    ? Effect.succeed(seconds)
    : misconfigured(
        `expiresIn is ${Duration.format(Duration.decode(expiresIn))}; signed URLs can last from one second to seven days`
      )
}

/** One line of visible characters: it stands in a header. */
const headerValue = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/

export const checkContentType = (contentType: string): Effect.Effect<void, ObjectStorageError> =>
  headerValue.test(contentType) && contentType.includes("/")
    ? Effect.void
    : misconfigured(`contentType ${JSON.stringify(contentType)} is no media type; use one such as video/mp4`)

export const checkLength = (contentLength: number | undefined): Effect.Effect<void, ObjectStorageError> =>
  contentLength === undefined || (Number.isSafeInteger(contentLength) && contentLength >= 0)
    ? Effect.void
    : misconfigured(`contentLength is ${contentLength}; use whole bytes, or leave it out`)

export const checkPartNumber = (partNumber: number): Effect.Effect<void, ObjectStorageError> =>
  Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= 10_000
    ? Effect.void
    : misconfigured(`The part number is ${partNumber}; parts are numbered from 1 to 10000`)

/** The largest that S3 takes. */
const largestPart = 5 * 1024 ** 3

export const checkPartSize = (partSize: number): Effect.Effect<void, ObjectStorageError> =>
  Number.isSafeInteger(partSize) && partSize >= 1 && partSize <= largestPart
    ? Effect.void
    : misconfigured(`partSize is ${partSize}; use whole bytes, at most 5 GiB`)

/** In ascending order, each once. */
export const sortParts = <Part extends { readonly partNumber: number }>(
  parts: ReadonlyArray<Part>
): Effect.Effect<ReadonlyArray<Part>, ObjectStorageError> => {
  const sorted = [...parts].sort((a, b) => a.partNumber - b.partNumber)
  if (sorted.length === 0) return misconfigured("An upload without parts can't be completed; abort it instead")
  return sorted.some((part, index) => part.partNumber === sorted[index + 1]?.partNumber)
    ? misconfigured("A part number occurs twice; give the parts of one upload, each once")
    : Effect.as(
        Effect.forEach(sorted, (part) => checkPartNumber(part.partNumber), { discard: true }),
        sorted
      )
}

/** `""` or `NAME/` from what a user writes. */
export const checkPrefix = (prefix: string): Effect.Effect<string, ObjectStorageError> => {
  const trimmed = prefix.replace(/\/$/, "")
  if (trimmed === "") return Effect.succeed("")
  const problem = keyProblem(trimmed)
  return problem === undefined
    ? Effect.succeed(`${trimmed}/`)
    : misconfigured(`The prefix ${JSON.stringify(prefix)} ${problem}; or "" for none`)
}

export const defaultPrefix = "recordings"

/** Percent-encoded but for the slashes, by RFC 3986: also what encodeURIComponent leaves as it is. */
export const encodeKey = (key: string): string =>
  key
    .split("/")
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    )
    .join("/")

/** The header that makes a browser save a file under this name: once for old clients, once with every character. */
export const contentDisposition = (filename: string): string => {
  const safe = filename.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}/\\]/gu, "_")
  const ascii = safe.replace(/[^\x20-\x7e]|["%]/g, "_")
  const encoded = encodeURIComponent(safe).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}
