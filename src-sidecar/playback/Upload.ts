/**
 * Sends bytes and ranges of files by a signed request, as one body with its length, never more of it in memory than a
 * few chunks.
 */
import { open } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type HttpFailure, placeOf, readText, send } from "../support/Http.js"
import { type BodyPart, sizeOfPart } from "./Mp4Join.js"

/**
 * The object was not stored.
 * - `Unreachable`: no answer, or the connection broke.
 * - `Busy`: the storage says to come back later.
 * - `Exists`: there is an object of this name already, and it was not to be replaced.
 * - `Expired`: the signed request is not valid any more: a new lease has a new one.
 * - `Gone`: there is no such upload in parts any more.
 * - `Refused`: the storage does not take it, and will not take the same again.
 */
export class UploadError extends Data.TaggedError("UploadError")<{
  readonly reason: "Unreachable" | "Busy" | "Exists" | "Expired" | "Gone" | "Refused"
  readonly message: string
}> {}

export interface UploadRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The bytes of a body from `start` to before `end`. */
export const sliceOf = (parts: ReadonlyArray<BodyPart>, start: number, end: number): ReadonlyArray<BodyPart> => {
  const found: Array<BodyPart> = []
  let at = 0
  for (const part of parts) {
    const size = sizeOfPart(part)
    const from = Math.max(0, start - at)
    const to = Math.min(size, end - at)
    at += size
    if (from >= to) continue
    found.push(
      part instanceof Uint8Array ? part.subarray(from, to) : { ...part, start: part.start + from, end: part.start + to }
    )
  }
  return found
}

const CHUNK = 128 * 1024

/**
 * Writes the parts, each chunk when the one before has been handed to the operating system: then its memory is used again,
 * and no upload needs more than one chunk.
 */
const writeParts =
  (parts: ReadonlyArray<BodyPart>, onBytes: (bytes: number) => void) =>
  async (write: (chunk: Uint8Array) => Promise<void>): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(CHUNK)
    for (const part of parts) {
      if (part instanceof Uint8Array) {
        await write(part)
        onBytes(part.byteLength)
        continue
      }
      const { growing } = part
      const file = growing?.file ?? (await open(part.path, "r"))
      try {
        for (let at = part.start; at < part.end; ) {
          if (growing !== undefined) await growing.reached(Math.min(at + CHUNK, part.end))
          const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, part.end - at), at)
          if (bytesRead === 0) throw new Error(`${part.path} is shorter than it was`)
          await write(buffer.subarray(0, bytesRead))
          onBytes(bytesRead)
          at += bytesRead
        }
      } finally {
        if (growing === undefined) await file.close()
      }
    }
  }

/** Resolves when all of it is there; rejects when it never will be. */
export const allOf = async (parts: ReadonlyArray<BodyPart>): Promise<void> => {
  for (const part of parts) if ("growing" in part) await part.growing?.reached(part.end)
}

const unreachable = (error: HttpFailure): UploadError =>
  new UploadError({ reason: "Unreachable", message: `the storage can't be reached: ${error.message}` })

/** S3 says what is wrong in XML, the manager's own storage in JSON. */
const problemIn = (text: string): string => {
  const xml = /<Code>([^<]{1,100})<\/Code>(?:[\s\S]*?<Message>([^<]{1,300})<\/Message>)?/.exec(text)
  if (xml !== null) return `${xml[1]}${xml[2] === undefined ? "" : `: ${xml[2]}`}`
  return /"message":"([^"]{1,300})"/.exec(text)?.[1] ?? ""
}

const TRANSIENT = new Set([408, 409, 425, 429, 500, 502, 503, 504])

/** Gives the stored object's ETag, where the storage says it. */
export const upload = (
  request: UploadRequest,
  parts: ReadonlyArray<BodyPart>,
  onBytes: (bytes: number) => void
): Effect.Effect<string | undefined, UploadError> =>
  Effect.gen(function* () {
    const size = parts.reduce((sum, part) => sum + sizeOfPart(part), 0)
    const url = new URL(request.url)
    const { "content-length": _, ...headers } = request.headers
    const reply = yield* Effect.mapError(
      send({ method: "PUT", url, headers, body: { size, write: writeParts(parts, onBytes) }, idle: "60 seconds" }),
      unreachable
    )
    const { status } = reply
    if (status >= 200 && status < 300) {
      yield* Effect.ignore(readText(reply, 64 * 1024))
      return reply.header("etag")
    }
    const problem = problemIn(yield* Effect.orElseSucceed(readText(reply, 64 * 1024), () => ""))
    const say = (reason: UploadError["reason"], what: string) =>
      new UploadError({ reason, message: `${placeOf(url)}: ${what} (${[status, problem].filter(Boolean).join(" ")})` })
    if (status === 412) return yield* say("Exists", "there is an object of this name already")
    if (TRANSIENT.has(status)) return yield* say("Busy", "the storage can't take it right now")
    if (status === 403 && /expired/i.test(problem)) return yield* say("Expired", "the signed URL has expired")
    if (status === 404) return yield* say("Gone", "the storage does not know the upload")
    return yield* say("Refused", "the storage refused the upload")
  }).pipe(Effect.scoped)
