/**
 * Hooks on disk, from the moment they are acknowledged until the manager has them.
 *
 * A folder of files that are only ever appended to, `000000000001.hooks` and so on, each of lines
 *
 *     9f86d081884c7d65 {"event":"connect",...}
 *
 * with the first 16 hex digits of the SHA-256 of what follows the space. A hook is acknowledged when its line was made
 * durable (fsync of the file, and of the folder for a new file). A line that is cut off or damaged does not match its
 * digits and is left out; nothing that follows suffers. No file of an earlier run is appended to.
 *
 * How far the manager has got stands in `position`, a line of the same form, which is replaced once a second at most. It may lag behind after a
 * crash: then some hooks are delivered once more, and the manager knows them by their `delivery`.
 */
import { createHash, randomBytes } from "node:crypto"
import { mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises"
import { join } from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import type { HookEvent } from "../../src/mediamtx/HookEvent.js"
import { type FileError, fileError, removeLeftovers, replaceFile, syncFolder } from "../support/ReplaceFile.js"

/** There is no room for one more: it was not taken, and nothing that was taken before is given up for it. */
export class SpoolFull extends Data.TaggedError("SpoolFull")<{ readonly message: string }> {}

export interface Spooled {
  /** A JSON object of the shape of HookEvent, with `delivery`. */
  readonly body: string
}

export interface HookSpool {
  /** Keeps a hook, with a `delivery` of the spool's: durable when it returns. */
  readonly append: (event: HookEvent) => Effect.Effect<void, SpoolFull | FileError>
  /**
   * The oldest that are left, at least one: waits for it. The same again until `advance`. At most a hundred, and some 256 KiB.
   * One caller only.
   */
  readonly peek: Effect.Effect<ReadonlyArray<Spooled>, FileError>
  /** That many of what `peek` gave are done with. */
  readonly advance: (count: number) => Effect.Effect<void>
  /** Bytes on disk, of hooks that wait and of some that are done with. */
  readonly size: Effect.Effect<number>
}

export interface SpoolOptions {
  readonly folder: string
  /** At most this many bytes on disk. */
  readonly limit: number
}

interface Segment {
  readonly number: number
  readonly path: string
  /** Bytes that count: what is durable, or was there at the start. */
  end: number
}

interface Loaded extends Spooled {
  readonly segment: Segment
  /** Where it ends in the file. */
  readonly end: number
}

interface Waiting {
  readonly event: HookEvent
  readonly done: Deferred.Deferred<void, SpoolFull | FileError>
}

/** A file is deleted when all of it was delivered, so this is also how exact the bound is. */
const SEGMENT = 256 * 1024
/** Hooks that share one fsync. */
const BATCH = 100
/** Hooks that are delivered in one call; the manager takes no more, and no more than 1 MiB. */
const PORTION = 100
const PORTION_BYTES = 256 * 1024
const SAVE_EVERY = Duration.seconds(1)

const NAME = /^(\d{12})\.hooks$/

const Position = Schema.parseJson(Schema.Struct({ segment: Schema.NonNegativeInt, offset: Schema.NonNegativeInt }))
const decodePosition = Schema.decodeUnknownOption(Position)
const encodePosition = Schema.encodeSync(Position)

const digits = (body: string): string => createHash("sha256").update(body).digest("hex").slice(0, 16)

const lineOf = (body: string): string => `${digits(body)} ${body}\n`

const NEWLINE = 0x0a

/** The lines that are whole, with where each ends, and how many were not. */
const readLines = (
  bytes: Buffer
): { readonly lines: ReadonlyArray<readonly [string, number]>; readonly bad: number } => {
  const lines: Array<readonly [string, number]> = []
  let bad = 0
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at)
    const end = newline === -1 ? bytes.length : newline
    const line = bytes.toString("utf8", at, end)
    const body = line.slice(17)
    at = end + 1
    if (line[16] === " " && line.slice(0, 16) === digits(body)) lines.push([body, Math.min(at, bytes.length)])
    else bad += 1
  }
  return { lines, bad }
}

/** As many of the first as go into one call. */
const portionOf = (hooks: ReadonlyArray<Loaded>): ReadonlyArray<Loaded> => {
  let count = 0
  let size = 0
  for (const { body } of hooks.slice(0, PORTION)) {
    size += Buffer.byteLength(body)
    if (count > 0 && size > PORTION_BYTES) break
    count += 1
  }
  return hooks.slice(0, count)
}

/** Opens the spool of a folder, which is made when it isn't there; appends and saves until the scope closes. */
export const make = (options: SpoolOptions): Effect.Effect<HookSpool, FileError, Scope> =>
  Effect.gen(function* () {
    const { folder, limit } = options
    const segmentSize = Math.min(SEGMENT, Math.ceil(limit / 8))
    const positionFile = join(folder, "position")
    /** A new one with each start, so that a folder which was put back to an earlier state repeats no number. */
    const run = randomBytes(9).toString("base64url")
    let number = 0

    const attempt = <A>(what: string, action: () => Promise<A>): Effect.Effect<A, FileError> =>
      Effect.uninterruptible(Effect.tryPromise({ try: action, catch: fileError(what) }))

    yield* attempt(`${folder} can't be made`, () => mkdir(folder, { recursive: true, mode: 0o700 }))
    yield* removeLeftovers(positionFile)

    /** The oldest first; the last one is `active` when there is an active one. */
    const segments = yield* attempt(`${folder} can't be read`, async () => {
      const found: Array<Segment> = []
      for (const name of await readdir(folder)) {
        const match = NAME.exec(name)
        if (match === null) continue
        const path = join(folder, name)
        found.push({ number: Number(match[1]), path, end: (await stat(path)).size })
      }
      return found.sort((a, b) => a.number - b.number)
    })
    const total = () => segments.reduce((sum, { end }) => sum + end, 0)

    /** Up to where things are done with, in the first of the segments. */
    let offset = 0
    let saved = yield* attempt(`${positionFile} can't be read`, () => readFile(positionFile, "utf8")).pipe(
      Effect.orElseSucceed(() => ""),
      Effect.map((text) =>
        // Damaged, it must not pass for one that says that more is done with.
        Option.getOrElse(
          Option.filterMap(Option.fromNullable(readLines(Buffer.from(text)).lines[0]?.[0]), decodePosition),
          () => ({ segment: 0, offset: 0 })
        )
      )
    )
    /** The number of the newest file that there ever was, as far as is known. */
    let newest = Math.max(saved.segment, ...segments.map((segment) => segment.number))

    const drop = (segment: Segment) =>
      attempt(`${segment.path} can't be removed`, () => unlink(segment.path)).pipe(
        Effect.catchAll((error) => (error.code === "ENOENT" ? Effect.void : Effect.logWarning(error.message)))
      )
    for (const segment of segments.filter((segment) => segment.number < saved.segment)) yield* drop(segment)
    while ((segments[0]?.number ?? Number.POSITIVE_INFINITY) < saved.segment) segments.shift()
    if (segments[0]?.number === saved.segment && saved.offset <= segments[0].end) offset = saved.offset

    // -----------------------------------------------------------------------------------------------------------------
    // Writing: one fiber.

    let active: { readonly segment: Segment; readonly handle: Awaited<ReturnType<typeof open>> } | undefined
    /** Each is a request whose connection waits for the answer, so the server's bound on connections is this one's. */
    const waiting = yield* Queue.unbounded<Waiting>()
    /** Wakes the reader. One that is set is enough. */
    const written = yield* Queue.sliding<void>(1)

    const closeActive = async (): Promise<void> => {
      const closing = active
      active = undefined
      if (closing === undefined) return
      await closing.handle.close().catch(() => {})
      if (closing.segment.end > 0) return
      // The reader may have let go of it meanwhile.
      const at = segments.indexOf(closing.segment)
      if (at !== -1) segments.splice(at, 1)
      await unlink(closing.segment.path).catch(() => {})
    }

    const openActive = async () => {
      newest += 1
      const path = join(folder, `${String(newest).padStart(12, "0")}.hooks`)
      const handle = await open(path, "ax", 0o600)
      const segment: Segment = { number: newest, path, end: 0 }
      segments.push(segment)
      active = { segment, handle }
      await syncFolder(folder)
      return active
    }

    const write = async (text: string): Promise<void> => {
      if (active !== undefined && active.segment.end >= segmentSize) await closeActive()
      try {
        const { handle, segment } = active ?? (await openActive())
        const bytes = Buffer.from(text)
        await handle.writeFile(bytes)
        await handle.sync()
        segment.end += bytes.byteLength
      } catch (error) {
        // What of it is on disk now is not known: this file is not touched again.
        await active?.handle.truncate(active.segment.end).catch(() => {})
        await closeActive()
        throw error
      }
    }

    const commit = Effect.fnUntraced(function* (batch: Iterable<Waiting>) {
      const accepted: Array<Waiting> = []
      let text = ""
      let size = total()
      for (const each of batch) {
        const line = lineOf(JSON.stringify({ ...each.event, delivery: `${run}.${number + 1}` }))
        const length = Buffer.byteLength(line)
        if (size + length > limit) {
          const message = `${folder} is full: ${limit} bytes of hooks wait for the manager`
          yield* Deferred.fail(each.done, new SpoolFull({ message }))
          continue
        }
        number += 1
        size += length
        text += line
        accepted.push(each)
      }
      if (accepted.length === 0) return
      const exit = yield* Effect.exit(attempt(`${folder} can't be written`, () => write(text)))
      for (const { done } of accepted) yield* Deferred.done(done, exit)
      if (exit._tag === "Success") yield* Queue.offer(written, undefined)
    })

    // Added before the fibers are forked, it runs when they have ended: what is being written then is written.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        yield* save
        yield* Effect.promise(closeActive)
        const left = yield* Queue.takeAll(waiting)
        for (const { done } of left) yield* Deferred.failCause(done, Cause.interrupt(yield* Effect.fiberId))
      })
    )

    yield* Effect.forkScoped(
      Effect.forever(
        Effect.flatMap(Queue.takeBetween(waiting, 1, BATCH), (batch) => Effect.uninterruptible(commit(batch)))
      )
    )

    // -----------------------------------------------------------------------------------------------------------------
    // Reading: the caller's fiber.

    let loaded: Array<Loaded> = []

    const load = async (
      segment: Segment,
      from: number
    ): Promise<{ readonly lines: Array<Loaded>; readonly bad: number }> => {
      const { end } = segment
      const handle = await open(segment.path, "r")
      try {
        const bytes = Buffer.alloc(end - from)
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, from)
        const { bad, lines } = readLines(bytes.subarray(0, bytesRead))
        return {
          bad,
          // With the last one, what follows and is no line is done with as well.
          lines: lines.map(([body, at], index) => ({
            body,
            segment,
            end: index === lines.length - 1 ? end : from + at
          }))
        }
      } finally {
        await handle.close()
      }
    }

    const next: Effect.Effect<ReadonlyArray<Loaded>, FileError> = Effect.suspend(() => {
      if (loaded.length > 0) return Effect.succeed(portionOf(loaded))
      const segment = segments[0]
      if (segment !== undefined && offset < segment.end) {
        const from = offset
        const { end } = segment
        return attempt(`${segment.path} can't be read`, () => load(segment, from)).pipe(
          Effect.tap(({ bad, lines }) =>
            Effect.suspend(() => {
              loaded = lines
              if (lines.length === 0) offset = end
              return bad === 0
                ? Effect.void
                : Effect.logError(
                    `${segment.path}: ${bad} line(s) are not as they were written (a write that was cut off was never acknowledged; anything else is damage to the disk): left out`
                  )
            })
          ),
          Effect.zipRight(next)
        )
      }
      if (segment !== undefined && segment !== active?.segment) {
        segments.shift()
        offset = 0
        return Effect.zipRight(drop(segment), next)
      }
      return Effect.zipRight(Queue.take(written), next)
    })

    const save = Effect.suspend(() => {
      // Without a file that is left, the next one is the first that counts.
      const position = { segment: segments[0]?.number ?? newest + 1, offset }
      if (position.segment === saved.segment && position.offset === saved.offset) return Effect.void
      return replaceFile(positionFile, Buffer.from(lineOf(encodePosition(position))), 0o600).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            saved = position
          })
        ),
        Effect.catchAll((error) => Effect.logWarning(error.message))
      )
    })
    yield* Effect.forkScoped(Effect.schedule(save, Schedule.spaced(SAVE_EVERY)))

    return {
      append: (event) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<void, SpoolFull | FileError>()
          yield* Queue.offer(waiting, { event, done })
          return yield* Deferred.await(done)
        }),
      peek: next,
      advance: (count) =>
        Effect.sync(() => {
          const done = loaded.splice(0, count).at(-1)
          if (done !== undefined && done.segment === segments[0]) offset = done.end
        }),
      size: Effect.sync(total)
    }
  })
