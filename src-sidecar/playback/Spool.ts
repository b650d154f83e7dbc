/**
 * The folder in which cuts wait for their upload, bounded in size.
 *
 * A cut has its final name only when it is known to be whole: what is there after a crash is used again by whoever leases
 * the job next on this node. Cuts that no running job needs are thrown away when there is no room, oldest first, and
 * after a day in any case.
 */
import { readdirSync, rmSync, statSync } from "node:fs"
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Interval } from "./Window.js"

/**
 * The spool can't take it.
 * - `Full`: other jobs hold the room: later there will be some.
 * - `TooLarge`: it does not fit into the whole spool.
 * - `Unusable`: the file system refused.
 */
export class SpoolError extends Data.TaggedError("SpoolError")<{
  readonly reason: "Full" | "TooLarge" | "Unusable"
  readonly message: string
}> {}

/** The files of one job. Only while its scope is open does the spool keep them at any price. */
export interface JobSpool {
  /** Where a cut is, or is to be: `part` while it comes in. */
  readonly fileOf: (piece: Interval, format: string) => { readonly file: string; readonly part: string }
  /** Bytes of a whole cut that is there; undefined when there is none. */
  readonly sizeOf: (file: string) => Effect.Effect<number | undefined>
  /** Takes room for bytes that are about to be written. Throws a `SpoolError` when there is none. */
  readonly take: (bytes: number) => void
  /** A `part` is whole: it gets its final name. */
  readonly keep: (part: string, file: string) => Effect.Effect<void, SpoolError>
  /** A `part` was of no use: the room that was taken for it is free again. */
  readonly discard: (part: string) => Effect.Effect<void>
  /** A whole cut that was left there was of no use. */
  readonly forget: (file: string) => Effect.Effect<void>
  /** What was noted of the job's upload; undefined when nothing was. */
  readonly readNote: Effect.Effect<string | undefined>
  /** Notes it, for whoever leases the job next on this node. What can't be noted is only done again. */
  readonly writeNote: (text: string) => Effect.Effect<void>
  /** The job is done, for good: all its files go. */
  readonly clear: Effect.Effect<void>
}

export interface SpoolShape {
  readonly folder: string
  readonly open: (job: string) => Effect.Effect<JobSpool, SpoolError, Scope>
}

const DAY = 24 * 60 * 60 * 1000

const unusable = (folder: string) => (error: unknown) =>
  new SpoolError({
    reason: "Unusable",
    message: `the spool ${folder} can't be used: ${error instanceof Error ? error.message : String(error)}`
  })

/** The job that a file of ours belongs to. */
const jobOf = (name: string): string | undefined =>
  /^([0-9a-zA-Z-]+)\.(?:[0-9]+-[0-9]+\.(?:mp4|fmp4)|upload\.json)(?:\.part)?$/.exec(name)?.[1]

/** Bytes of a file that count: notes are small, and there is one a job. */
const counted = (name: string, size: number): number => (name.includes(".upload.json") ? 0 : size)

interface Entry {
  readonly name: string
  readonly job: string
  readonly size: number
  readonly modified: number
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / (1024 * 1024))} MiB`

export const make = (options: {
  readonly folder: string
  /** Bytes. */
  readonly limit: number
}): Effect.Effect<SpoolShape, SpoolError> =>
  Effect.gen(function* () {
    const { folder, limit } = options
    const explain = unusable(folder)
    const active = new Map<string, number>()

    const entries = Effect.tryPromise({
      try: async () => {
        const found: Array<Entry> = []
        for (const name of await readdir(folder)) {
          const job = jobOf(name)
          if (job === undefined) continue
          const info = await stat(join(folder, name)).catch(() => undefined)
          if (info !== undefined) found.push({ name, job, size: counted(name, info.size), modified: info.mtimeMs })
        }
        return found.sort((a, b) => a.modified - b.modified)
      },
      catch: explain
    })

    const remove = (name: string) =>
      Effect.promise(() => rm(join(folder, name), { force: true }).catch(() => undefined))

    yield* Effect.tryPromise({ try: () => mkdir(folder, { recursive: true, mode: 0o700 }), catch: explain })
    const now = yield* Clock.currentTimeMillis
    const left = yield* entries
    let used = 0
    for (const { modified, name, size } of left) {
      const old = modified < now - DAY
      if (name.endsWith(".part") || old) yield* remove(name)
      else used += size
    }

    /**
     * Throws away what no running job needs, oldest first, until `bytes` fit or nothing is left. Rare, and in the middle of a
     * stream: so it does not wait.
     */
    const makeRoom = (bytes: number): void => {
      const idle = readdirSync(folder)
        .flatMap((name) => {
          const job = jobOf(name)
          const info =
            job === undefined || active.has(job) ? undefined : statSync(join(folder, name), { throwIfNoEntry: false })
          return info === undefined ? [] : [{ name, size: counted(name, info.size), modified: info.mtimeMs }]
        })
        .sort((a, b) => a.modified - b.modified)
      for (const { name, size } of idle) {
        if (used + bytes <= limit) return
        rmSync(join(folder, name), { force: true })
        used -= size
      }
    }

    const open: SpoolShape["open"] = (job) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => active.set(job, (active.get(job) ?? 0) + 1)),
          () =>
            Effect.sync(() => {
              const count = (active.get(job) ?? 1) - 1
              if (count > 0) active.set(job, count)
              else active.delete(job)
            })
        )
        // Bytes of the part that is coming in, and of all that this job has taken.
        let coming = 0
        let own = 0
        const note = join(folder, `${job}.upload.json`)
        const noting = yield* Effect.makeSemaphore(1)
        return {
          fileOf: (piece, format) => {
            const file = join(folder, `${job}.${piece.start}-${piece.end - piece.start}.${format}`)
            return { file, part: `${file}.part` }
          },
          sizeOf: (file) =>
            Effect.promise(() =>
              stat(file).then(
                ({ size }) => size,
                () => undefined
              )
            ),
          take: (bytes) => {
            if (used + bytes > limit) makeRoom(bytes)
            if (used + bytes > limit) {
              throw own + bytes > limit
                ? new SpoolError({
                    reason: "TooLarge",
                    message: `the clip is over ${mebibytes(limit)}, all that the spool may hold: raise SPOOL_LIMIT or ask for a shorter one`
                  })
                : new SpoolError({
                    reason: "Full",
                    message: `the spool is full: other clips hold ${mebibytes(used - own)} of ${mebibytes(limit)}`
                  })
            }
            used += bytes
            own += bytes
            coming += bytes
          },
          keep: (part, file) =>
            Effect.tryPromise({
              try: () =>
                rename(part, file).then(() => {
                  coming = 0
                }),
              catch: explain
            }),
          discard: (part) =>
            Effect.gen(function* () {
              yield* Effect.promise(() => rm(part, { force: true }).catch(() => undefined))
              // What was taken, not what had come to the disk.
              used -= coming
              own -= coming
              coming = 0
            }),
          forget: (file) =>
            Effect.promise(async () => {
              const size = await stat(file).then(
                (info) => info.size,
                () => 0
              )
              await rm(file, { force: true }).catch(() => undefined)
              used -= size
            }),
          readNote: Effect.promise(() => readFile(note, "utf8").catch(() => undefined)),
          writeNote: (text) =>
            noting.withPermits(1)(
              Effect.promise(() =>
                writeFile(`${note}.part`, text, { mode: 0o600 })
                  .then(() => rename(`${note}.part`, note))
                  .catch(() => undefined)
              )
            ),
          clear: Effect.gen(function* () {
            for (const entry of yield* Effect.orElseSucceed(entries, () => [])) {
              if (entry.job !== job) continue
              yield* remove(entry.name)
              used -= entry.size
            }
          })
        }
      })

    return { folder, open }
  })
