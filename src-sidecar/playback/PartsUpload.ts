/**
 * Uploads a large clip in parts, by requests that the manager signs a few at a time. Which parts are there is noted in the
 * spool, so that a worker that was restarted goes on where it was.
 */
import { createHash } from "node:crypto"
import { stat } from "node:fs/promises"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PartsReply, PartsRequest, WorkerReport } from "../../src/api/PlaybackWire.js"
import type { ManagerError } from "./ManagerLink.js"
import type { Joined } from "./Mp4Join.js"
import type { JobSpool } from "./Spool.js"
import { allOf, sliceOf, UploadError, upload } from "./Upload.js"

/** What the report `done` says of it. */
export type UploadedInParts = NonNullable<Extract<WorkerReport, { status: "done" }>["upload"]>

const Note = Schema.parseJson(
  Schema.Struct({
    /** Of which bytes: see `markOf`. */
    mark: Schema.String,
    upload: Schema.String,
    partSize: Schema.Int,
    parts: Schema.Array(Schema.Struct({ partNumber: Schema.Int, etag: Schema.String }))
  })
)
const decodeNote = Schema.decodeUnknownOption(Note)
const encodeNote = Schema.encodeSync(Note)

/** Parts that are asked for at a time. */
const BATCH = 8
/** Parts that are sent at a time: while one is being stored the next is on its way. */
const AT_ONCE = 2
/** How often it may turn out that the storage has lost the upload, or that the signatures were too old. */
const SETBACKS = 3

/** Tells clips apart: the same bytes in memory, and the same files, untouched. None of what is still coming in. */
const markOf = async (clip: Joined): Promise<string | undefined> => {
  const hash = createHash("sha256")
  for (const part of clip.parts) {
    if (part instanceof Uint8Array) hash.update(part)
    else {
      const { growing, path } = part
      if (growing !== undefined && !growing.ended()) return undefined
      const { mtimeMs, size } = await (growing === undefined ? stat(path) : growing.file.stat())
      hash.update(JSON.stringify([basename(path), part.start, part.end, size, mtimeMs]))
    }
  }
  return hash.digest("base64url")
}

interface Sent {
  readonly upload: string
  readonly partSize: number
  readonly etags: Map<number, string>
}

/** `ask` and each part are tried for as long as it is worth it by whoever gives them. */
export const uploadInParts = Effect.fnUntraced(function* (options: {
  readonly clip: Joined
  readonly spool: Pick<JobSpool, "readNote" | "writeNote">
  readonly ask: (wanted: Pick<PartsRequest, "size" | "upload" | "parts">) => Effect.Effect<PartsReply, ManagerError>
  readonly patiently: <A>(effect: Effect.Effect<A, UploadError>) => Effect.Effect<A, UploadError>
  /** Bytes that came to be sent, or turned out not to be. */
  readonly onBytes: (bytes: number) => void
}): Effect.fn.Return<UploadedInParts, UploadError | ManagerError> {
  const { ask, clip, onBytes, patiently, spool } = options
  const { size } = clip
  const look = Effect.promise(() => markOf(clip).catch(() => undefined))
  let mark = yield* look
  const noted = Option.getOrUndefined(decodeNote(yield* spool.readNote))
  const lengthOf = (number: number, partSize: number) => Math.min(partSize, size - (number - 1) * partSize)

  let sent: Sent | undefined
  if (noted !== undefined && mark !== undefined && noted.mark === mark) {
    const etags = new Map(noted.parts.map(({ etag, partNumber }) => [partNumber, etag]))
    sent = { upload: noted.upload, partSize: noted.partSize, etags }
    for (const number of etags.keys()) onBytes(lengthOf(number, noted.partSize))
  }
  const forget = () => {
    for (const number of sent?.etags.keys() ?? []) onBytes(-lengthOf(number, sent?.partSize ?? 0))
    sent = undefined
  }
  const missing = (): ReadonlyArray<number> => {
    const count = sent === undefined ? BATCH : Math.ceil(size / sent.partSize)
    const numbers: Array<number> = []
    for (let number = 1; number <= count && numbers.length < BATCH; number++) {
      if (sent?.etags.has(number) !== true) numbers.push(number)
    }
    return numbers
  }

  const send = (to: Sent, { partNumber, ...request }: PartsReply["parts"][number]) => {
    const start = (partNumber - 1) * to.partSize
    const body = sliceOf(clip.parts, start, start + lengthOf(partNumber, to.partSize))
    return Effect.gen(function* () {
      // A connection that waits for the recording would be closed by many a storage.
      yield* Effect.tryPromise({
        try: () => allOf(body),
        catch: () => new UploadError({ reason: "Refused", message: "the cut broke off" })
      })
      const etag = yield* patiently(
        Effect.suspend(() => {
          let counted = 0
          return upload(request, body, (bytes) => {
            counted += bytes
            onBytes(bytes)
          }).pipe(Effect.onError(() => Effect.sync(() => onBytes(-counted))))
        })
      )
      if (etag === undefined) {
        return yield* new UploadError({ reason: "Refused", message: "the storage gave no ETag for a part" })
      }
      to.etags.set(partNumber, etag)
      mark ??= yield* look
      if (mark === undefined) return
      const parts = [...to.etags].map(([number, etag]) => ({ partNumber: number, etag }))
      yield* spool.writeNote(encodeNote({ mark, upload: to.upload, partSize: to.partSize, parts }))
    })
  }

  let setbacks = 0
  while (true) {
    const reply = yield* ask({ size, upload: sent?.upload, parts: missing() })
    if (sent === undefined || sent.upload !== reply.upload) {
      forget()
      sent = { upload: reply.upload, partSize: reply.partSize, etags: new Map() }
    }
    const to: Sent = sent
    const problem = yield* Effect.forEach(reply.parts, (part) => send(to, part), {
      concurrency: AT_ONCE,
      discard: true
    }).pipe(
      Effect.as(undefined),
      Effect.catchIf(
        (error) => (error.reason === "Gone" || error.reason === "Expired") && setbacks++ < SETBACKS,
        (error) => Effect.succeed(error.reason)
      )
    )
    if (problem === "Gone") forget()
    else if (problem === undefined && missing().length === 0) {
      const parts = [...to.etags].map(([partNumber, etag]) => ({ partNumber, etag }))
      return { id: to.upload, parts: parts.sort((a, b) => a.partNumber - b.partNumber) }
    }
  }
})
