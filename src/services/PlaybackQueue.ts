/**
 * PlaybackQueue: clip jobs, handed to the workers beside the nodes that hold the recording.
 *
 * A worker long-polls ({@link PlaybackQueueShape.lease}), cuts, uploads, and reports; its lease lasts 20 seconds from its last
 * report. Of one window there is one job, as long as it is alive or its object exists.
 *
 * **Fencing.** Each lease has a token, and only the newest lease may report: a worker that comes late gets `LeaseLost`. But a
 * report can be refused, an upload that is under way can't: a signed PUT stays valid whatever becomes of the lease, and a
 * slow one may end minutes after another worker won. So **each lease uploads to an object of its own**, named after the job
 * (`{id}`) for the first and with the token behind it (`{id}.2`, ...) for each later one, and the clip names the object of
 * the lease that won. A late upload then lands beside the winner's object, never on it, without a conditional write (which
 * not every storage knows) and without copying (which costs as much as the upload, has a size limit, and would put a second
 * step that can fail between "done" and the file). Nearly every clip is served by its first lease, so its key is the
 * `recordings/{id}.mp4` that everybody expects. What losers left behind is deleted some time after the job has ended.
 *
 * An **upload in parts** becomes an object only when the manager completes it, with the parts that the newest lease names: a
 * late worker's parts can change nothing. So it may outlive its lease, and a worker that was restarted goes on with it. When
 * nobody can any more, because another node has the job or it has ended, it is `abandoned`, and its parts are thrown away.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as internal from "./internal/playbackQueue.js"
import { makeUuidV7 } from "./internal/uuidV7.js"
import type { NodeId } from "./NodeId.js"
import {
  type DoneJob,
  type HeldJob,
  isEnded,
  isHeld,
  type LeasedJob,
  objectNameOf,
  type PlaybackFailureReason,
  type PlaybackJob,
  PlaybackJobId,
  PlaybackJobState,
  type PlaybackRequest,
  type PlaybackUpload,
  type QueuedJob
} from "./PlaybackJob.js"
import { Recordings } from "./Recordings.js"
import { Timestamp } from "./Timestamp.js"

/**
 * - `Storage`: the jobs could not be read or written; nothing was acknowledged.
 * - `TooFar`: the window ends too far in the future. No retry helps.
 * - `Full`: there are as many unfinished jobs as the queue takes; try again later.
 * - `Overloaded`: more calls wait to be written than the queue holds; try again later.
 * - `Closed`: the queue was shut down.
 */
export class PlaybackQueueError extends Schema.TaggedError<PlaybackQueueError>()("PlaybackQueueError", {
  reason: Schema.Literal("Storage", "TooFar", "Full", "Overloaded", "Closed"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export class PlaybackJobNotFound extends Schema.TaggedError<PlaybackJobNotFound>()("PlaybackJobNotFound", {
  id: Schema.String,
  message: Schema.String
}) {}

/** The worker's lease is not, or no longer, the one that may report: it stops, and leaves the job to others. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  id: PlaybackJobId,
  token: Schema.Int,
  /** What became of the job. */
  state: PlaybackJobState,
  message: Schema.String
}) {}

/** The job is in a state in which this can't be done. */
export class PlaybackJobConflict extends Schema.TaggedError<PlaybackJobConflict>()("PlaybackJobConflict", {
  id: PlaybackJobId,
  state: PlaybackJobState,
  message: Schema.String
}) {}

/** What a worker says of its upload. */
export const ClipReport = Schema.Struct({
  /** Bytes. */
  size: Schema.NonNegativeInt,
  /** Milliseconds that the file plays. Absent: all of the window. */
  duration: Schema.optional(Schema.NonNegative),
  /** What of the window is missing. */
  gaps: Schema.optional(Schema.Array(Schema.Struct({ start: Timestamp, end: Timestamp }))),
  mime: Schema.optional(Schema.String),
  etag: Schema.optional(Schema.String),
  /** The upload in parts that has become the object. */
  uploadId: Schema.optional(Schema.String)
}).annotations({ identifier: "ClipReport" })
export type ClipReport = typeof ClipReport.Type

export interface JobFilter {
  readonly state?: PlaybackJobState | undefined
  readonly path?: string | undefined
  /** The node that has it, or that served it. */
  readonly node?: NodeId | undefined
  /** At most this many (default 100). */
  readonly limit?: number | undefined
  /** Only jobs that were requested before this one: the next page. */
  readonly before?: PlaybackJobId | undefined
}

/** What a worker says of an attempt that failed. */
export interface WorkerFailure {
  readonly reason: Exclude<PlaybackFailureReason, "LeaseExpired">
  readonly message: string
  readonly final?: boolean | undefined
  /** Its upload in parts is of no use: the next attempt begins another. */
  readonly abandon?: boolean | undefined
}

type Reported<A> = Effect.Effect<A, LeaseLost | PlaybackJobNotFound | PlaybackQueueError>

export interface PlaybackQueueShape {
  /**
   * Asks for a clip. Returns when the job is durable. The job that there is of this window, while it is alive or its object
   * exists, is returned as it is (`created` is false), with the higher of both priorities.
   */
  readonly request: (
    request: PlaybackRequest
  ) => Effect.Effect<{ readonly job: PlaybackJob; readonly created: boolean }, PlaybackQueueError>
  readonly get: (id: PlaybackJobId) => Effect.Effect<PlaybackJob, PlaybackJobNotFound>
  /** The newest first. */
  readonly list: (filter?: JobFilter) => Effect.Effect<ReadonlyArray<PlaybackJob>>
  /** How many jobs there are in each state; a state without jobs may be absent. */
  readonly unsafeCounts: () => ReadonlyMap<PlaybackJobState, number>
  /**
   * Gives a worker the next job whose window its node holds, or none after `wait` (default: at once). An interrupted call
   * leaves no lease behind; when the answer can't be delivered, give the lease back by `release`.
   */
  readonly lease: (
    node: NodeId,
    options?: { readonly wait?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Option.Option<LeasedJob>, PlaybackQueueError>
  /** Renews the lease. `sent` bytes of `total`: the upload has begun. */
  readonly progress: (
    id: PlaybackJobId,
    token: number,
    report?: { readonly sent?: number | undefined; readonly total?: number | undefined }
  ) => Reported<HeldJob>
  /** An upload in parts was begun for the lease's object. One that there was before is abandoned. */
  readonly beginUpload: (
    id: PlaybackJobId,
    token: number,
    upload: Pick<PlaybackUpload, "uploadId" | "size" | "partSize">
  ) => Reported<HeldJob>
  /** Jobs with uploads in parts that were abandoned. */
  readonly abandoned: Effect.Effect<ReadonlyArray<PlaybackJob>>
  /** The parts of these uploads were thrown away. */
  readonly forgetUploads: (
    id: PlaybackJobId,
    uploadIds: ReadonlyArray<string>
  ) => Effect.Effect<void, PlaybackQueueError>
  /** The clip is in the bucket. Said again by the worker that won (its answer was lost, say), it is answered again. */
  readonly complete: (id: PlaybackJobId, token: number, report: ClipReport) => Reported<DoneJob>
  /**
   * The attempt failed: the job waits, is tried again, or fails, as the reason says. `final`: this node can't ever serve it,
   * so only others are asked.
   */
  readonly fail: (id: PlaybackJobId, token: number, failure: WorkerFailure) => Reported<PlaybackJob>
  /** Gives the lease back, without it counting as an attempt: the worker stops. */
  readonly release: (id: PlaybackJobId, token: number) => Reported<PlaybackJob>
  /** Ends a job, whoever has it. A job that has ended otherwise is a conflict. */
  readonly cancel: (
    id: PlaybackJobId
  ) => Effect.Effect<PlaybackJob, PlaybackJobConflict | PlaybackJobNotFound | PlaybackQueueError>
  /** Puts a failed, expired or cancelled job back. A conflict when there is another job of its window by now. */
  readonly retry: (
    id: PlaybackJobId
  ) => Effect.Effect<QueuedJob, PlaybackJobConflict | PlaybackJobNotFound | PlaybackQueueError>
  /** The job now, and after each change until it has ended. */
  readonly watch: (id: PlaybackJobId) => Stream.Stream<PlaybackJob, PlaybackJobNotFound>
  /**
   * Changes from now on, in order, each as the job is after it. Each subscriber has its own buffer of 10,000; one that does
   * not keep up loses the oldest. Closing the scope, or the layer's, ends the mailbox.
   */
  readonly subscribe: Effect.Effect<Mailbox.ReadonlyMailbox<PlaybackJob>, never, Scope.Scope>
}

export class PlaybackQueue extends Context.Tag("mtx-manager/PlaybackQueue")<PlaybackQueue, PlaybackQueueShape>() {}

export interface PlaybackQueueOptions {
  /** How long a worker may be silent (default 20 seconds). */
  readonly lease?: Duration.DurationInput | undefined
  /** Failed attempts after which a job is a dead letter (default 8: a storage may be down for four minutes). */
  readonly maxAttempts?: number | undefined
  /** A job that could not be served for this long expires (default 1 day), counted from when its window was over. */
  readonly expireAfter?: Duration.DurationInput | undefined
  /** How many jobs one node is given at a time (default 2). */
  readonly perNode?: number | undefined
  /** How long from now a window may end at most (default 7 days). */
  readonly maxAhead?: Duration.DurationInput | undefined
  /** How many unfinished jobs there may be (default 10,000). */
  readonly maxUnfinished?: number | undefined
  /** How long ended jobs are kept (default 30 days). After that the window can be requested anew. */
  readonly keepEnded?: Duration.DurationInput | undefined
  /** After the end of a window, until it is safely on disk: the path's `recordPartDuration` and a little (default 2 seconds). */
  readonly partDuration?: Duration.DurationInput | ((path: string) => Effect.Effect<Duration.DurationInput>) | undefined
  /**
   * Whether the object of a finished clip, by its `objectName`, is still there; asked when its window is requested again.
   * Default: it is. When the answer fails, it is taken to be there.
   */
  readonly objectExists?: ((objectName: string) => Effect.Effect<boolean, unknown>) | undefined
  /** Deletes what a lease that lost has uploaded, by its `objectName`. Default: nothing is deleted. */
  readonly deleteObject?: ((objectName: string) => Effect.Effect<void, unknown>) | undefined
  /** How long after the end of a job that is done: longer than signed uploads are valid (default 2 hours). */
  readonly deleteAfter?: Duration.DurationInput | undefined
  /** How often what is old is cleared away (default 5 minutes). */
  readonly sweepEvery?: Duration.DurationInput | undefined
}

/** A job as a store keeps it. */
export interface StoredJob {
  readonly job: PlaybackJob
  /** Rises by one with each write. */
  readonly version: number
  /** What only one job may have at a time: its window, while it is alive or stands for its clip; else null. */
  readonly slot: string | null
  /** What its losers left behind was deleted. */
  readonly swept: boolean
}

/** Where a queue that outlives its process keeps its jobs. */
export interface PlaybackStore {
  /** All jobs, by id. */
  readonly load: Effect.Effect<ReadonlyArray<StoredJob>, PlaybackQueueError>
  /**
   * Writes jobs, each only if the stored one is of the version before, or absent for version 1. Returns the ids of those that
   * were written: when one is missing, another process has changed it, and the queue loads anew.
   */
  readonly write: (jobs: ReadonlyArray<StoredJob>) => Effect.Effect<ReadonlySet<string>, PlaybackQueueError>
  readonly remove: (ids: ReadonlyArray<PlaybackJobId>) => Effect.Effect<void, PlaybackQueueError>
  /** For a store that several managers share: then a queue decides nothing on old knowledge, whoever has the newer. */
  readonly shared?: SharedPlaybackStore | undefined
}

/** How the queues of several managers take turns on one store. */
export interface SharedPlaybackStore {
  /** Runs `turn` as the only one of all managers that writes; what it wrote is kept whole or not at all. */
  readonly alone: <A>(turn: Effect.Effect<A, PlaybackQueueError>) => Effect.Effect<A, PlaybackQueueError>
  /** The jobs that were written, by anybody, since `load` or since this was last asked. */
  readonly news: Effect.Effect<ReadonlyArray<StoredJob>, PlaybackQueueError>
  /** Emits when there may be news, in bounded time. */
  readonly changes: Stream.Stream<void>
}

/** One call, to be run by the single writer; its outcome goes to the caller. */
export type PlaybackCall = Effect.Effect<void>

/** How calls come to the writer: `commit` runs a batch of them and makes it durable. */
export type PlaybackBatching = (
  commit: (batch: ReadonlyArray<PlaybackCall>) => Effect.Effect<void, PlaybackQueueError>
) => Effect.Effect<(call: PlaybackCall) => Effect.Effect<void, PlaybackQueueError>, never, Scope.Scope>

/** One call at a time. */
const oneByOne: PlaybackBatching = (commit) =>
  Effect.map(Effect.makeSemaphore(1), (lock) => (call) => Effect.uninterruptible(lock.withPermits(1)(commit([call]))))

/** Bounds of the pause between two looks at the deadlines. */
const SHORTEST_PAUSE = 10
const LONGEST_PAUSE = 60 * 60 * 1000
/** A node whose worker has not polled for longer is not asked for what nobody is known to hold. */
const WORKER_GONE = 120_000
const SUBSCRIBER_BUFFER = 10_000
/** Ended jobs that one sweep deals with: a store removes them in one statement. */
const SWEEP_AT_ONCE = 500

const ended = Metric.counter("mtx_manager_playback_jobs_ended_total", {
  description: "Clip jobs that ended, by how",
  incremental: true
})
const endedBy = {
  done: Metric.tagged(ended, "state", "done"),
  failed: Metric.tagged(ended, "state", "failed"),
  expired: Metric.tagged(ended, "state", "expired"),
  cancelled: Metric.tagged(ended, "state", "cancelled")
}
const refused = Metric.counter("mtx_manager_playback_lease_lost_total", {
  description: "Reports of workers whose lease had been lost",
  incremental: true
})

const notFound = (id: string) =>
  new PlaybackJobNotFound({
    id,
    message: `There is no playback job ${id}: GET /playback/jobs lists those that there are`
  })

/**
 * A queue that answers from memory; with a `store`, one that outlives its process.
 *
 * All changes go through one writer, which runs the calls of a batch one after the other, writes what they changed, and only
 * then shows it to anybody: what was answered is durable, and when the write fails, nothing has happened.
 */
export const make = Effect.fnUntraced(function* (
  options: PlaybackQueueOptions & {
    readonly store?: PlaybackStore | undefined
    readonly batching?: PlaybackBatching | undefined
  } = {}
): Effect.fn.Return<PlaybackQueueShape, PlaybackQueueError, Recordings | Scope.Scope> {
  const { store } = options
  const recordings = yield* Recordings
  const clock = yield* Effect.clock
  const policy: internal.Policy = {
    lease: Duration.toMillis(options.lease ?? "20 seconds"),
    maxAttempts: options.maxAttempts ?? 8,
    expireAfter: Duration.toMillis(options.expireAfter ?? "1 day")
  }
  const perNode = options.perNode ?? 2
  const maxAhead = Duration.decode(options.maxAhead ?? "7 days")
  const maxUnfinished = options.maxUnfinished ?? 10_000
  const keepEnded = Duration.toMillis(options.keepEnded ?? "30 days")
  const deleteAfter = Duration.toMillis(options.deleteAfter ?? "2 hours")
  const { deleteObject, objectExists, partDuration = "2 seconds" } = options
  const partOf = (path: string): Effect.Effect<number> =>
    typeof partDuration === "function"
      ? Effect.map(partDuration(path), Duration.toMillis)
      : Effect.succeed(Duration.toMillis(partDuration))
  const now = () => clock.unsafeCurrentTimeMillis()
  const uuidV7 = makeUuidV7()

  // What the writer works on -------------------------------------------------------------------------------------------
  const jobs = new Map<PlaybackJobId, StoredJob>()
  const slots = new Map<string, PlaybackJobId>()
  /** In the order in which they are given out. */
  const queued: Array<QueuedJob> = []
  const queuedByPath = new Map<string, Map<PlaybackJobId, QueuedJob>>()
  /** How many jobs each node has. */
  const active = new Map<NodeId, number>()
  /** Those that have not ended. */
  const alive = new Map<PlaybackJobId, PlaybackJob>()
  /** Who may have a queued job, as far as it was worked out; forgotten when the recordings of its path change. */
  const holders = new Map<PlaybackJobId, ReadonlySet<NodeId> | "any">()
  /** When the worker of a node polled last. Bounded by the nodes that have a token. */
  const workers = new Map<NodeId, number>()
  /** What the batch has changed, as it was before. */
  const undo = new Map<PlaybackJobId, StoredJob | undefined>()

  /** What everybody sees: the durable state. */
  const shown = new Map<PlaybackJobId, PlaybackJob>()

  const positionOf = (job: QueuedJob): number => {
    let low = 0
    let high = queued.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = queued[middle]
      if (at !== undefined && internal.compare(at, job) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
  const place = (before: StoredJob | undefined, after: StoredJob | undefined): void => {
    if (before !== undefined) {
      const { job, slot } = before
      holders.delete(job.id)
      if (slot !== null && slots.get(slot) === job.id) slots.delete(slot)
      if (job.state === "queued") {
        queued.splice(positionOf(job), 1)
        const ofPath = queuedByPath.get(job.path)
        ofPath?.delete(job.id)
        if (ofPath?.size === 0) queuedByPath.delete(job.path)
      } else if (isHeld(job)) {
        const left = (active.get(job.lease.node) ?? 1) - 1
        if (left === 0) active.delete(job.lease.node)
        else active.set(job.lease.node, left)
      }
      alive.delete(job.id)
      if (after === undefined) jobs.delete(job.id)
    }
    if (after === undefined) return
    const { job, slot } = after
    jobs.set(job.id, after)
    if (slot !== null) slots.set(slot, job.id)
    if (job.state === "queued") {
      queued.splice(positionOf(job), 0, job)
      let ofPath = queuedByPath.get(job.path)
      if (ofPath === undefined) {
        ofPath = new Map()
        queuedByPath.set(job.path, ofPath)
      }
      ofPath.set(job.id, job)
    } else if (isHeld(job)) {
      active.set(job.lease.node, (active.get(job.lease.node) ?? 0) + 1)
    }
    if (!isEnded(job)) alive.set(job.id, job)
  }
  const put = (job: PlaybackJob, more: { readonly slot?: null; readonly swept?: boolean } = {}): void => {
    const previous = jobs.get(job.id)
    if (!undo.has(job.id)) undo.set(job.id, previous)
    const keepsSlot = more.slot === undefined && (!isEnded(job) || job.state === "done")
    place(previous, {
      job,
      version: (undo.get(job.id)?.version ?? 0) + 1,
      slot: keepsSlot ? internal.slotOf(job) : null,
      swept: more.swept ?? (isEnded(job) && (previous?.swept ?? false))
    })
  }
  const rollBack = (): void => {
    for (const [id, before] of [...undo].reverse()) place(jobs.get(id), before)
    undo.clear()
  }

  const shared = store?.shared

  const load = Effect.gen(function* () {
    if (store === undefined) return
    const stored = yield* store.load
    for (const before of [...jobs.values()]) place(before, undefined)
    for (const after of stored) place(undefined, after)
  })

  // What waits -----------------------------------------------------------------------------------------------------------
  const pollers = new Map<NodeId, Set<Effect.Latch>>()
  const subscribers = new Set<Mailbox.Mailbox<PlaybackJob>>()
  let closed = false
  const wake = (node: NodeId): void => {
    for (const latch of pollers.get(node) ?? []) latch.unsafeOpen()
  }
  const holdersOf = (job: QueuedJob): Effect.Effect<ReadonlySet<NodeId> | "any"> =>
    Effect.suspend(() => {
      const known = holders.get(job.id)
      return known !== undefined
        ? Effect.succeed(known)
        : Effect.map(recordings.coverage(job.path, job.start, job.end), (coverage) => {
            const found = internal.eligible(job, coverage)
            holders.set(job.id, found)
            return found
          })
    })
  /** Tells the workers that may have it. */
  const offer = (job: QueuedJob): Effect.Effect<void> =>
    pollers.size === 0
      ? Effect.void
      : Effect.map(holdersOf(job), (nodes) => {
          for (const node of nodes === "any" ? pollers.keys() : nodes) wake(node)
        })

  let lookedAt = now()
  let pause = 0
  const nearer = yield* Effect.makeLatch(false)
  const planned = (time: number): void => {
    if (time < lookedAt + pause) nearer.unsafeOpen()
  }

  const show = (byUs = true) =>
    Effect.gen(function* () {
      const time = now()
      for (const [id, before] of undo) {
        const job = jobs.get(id)?.job
        if (job === undefined || job === before?.job) continue
        shown.set(id, job)
        for (const mailbox of subscribers) mailbox.unsafeOffer(job)
        planned(internal.deadline(job))
        if (before !== undefined && isHeld(before.job) && !isHeld(job)) wake(before.job.lease.node)
        if (job.state === "queued") {
          if (job.notBefore <= time) yield* offer(job)
          else planned(job.notBefore)
        } else if (byUs && isEnded(job) && (before === undefined || !isEnded(before.job))) {
          yield* Metric.increment(endedBy[job.state])
        }
      }
      undo.clear()
    })

  // The writer -----------------------------------------------------------------------------------------------------------
  const write = (batch: ReadonlyArray<PlaybackCall>, again = 5): Effect.Effect<void, PlaybackQueueError> =>
    Effect.gen(function* () {
      for (const call of batch) yield* call
      if (store !== undefined && undo.size > 0) {
        const changed: Array<StoredJob> = []
        for (const id of undo.keys()) {
          const stored = jobs.get(id)
          if (stored !== undefined) changed.push(stored)
        }
        // A slot is given up before it is taken.
        changed.sort((a, b) => (a.slot === null ? 0 : 1) - (b.slot === null ? 0 : 1))
        const written = yield* Effect.tapErrorCause(store.write(changed), () => Effect.sync(rollBack))
        if (changed.some(({ job }) => !written.has(job.id))) {
          rollBack()
          yield* load
          shown.clear()
          for (const { job } of jobs.values()) shown.set(job.id, job)
          if (again > 0) return yield* write(batch, again - 1)
          return yield* new PlaybackQueueError({
            reason: "Storage",
            message: "The playback jobs are changed by another process at the same time: try again"
          })
        }
      }
    })
  /** Takes in what others have written. */
  const hear = (from: SharedPlaybackStore) =>
    Effect.flatMap(from.news, (news) => {
      for (const after of news) {
        const before = jobs.get(after.job.id)
        if (before !== undefined && before.version === after.version) continue
        undo.set(after.job.id, before)
        place(before, after)
      }
      return undo.size === 0 ? Effect.void : show(false)
    })
  /** Calls that only look, so that it need not be our turn for them. */
  const looks = new WeakSet<PlaybackCall>()
  const commit = (batch: ReadonlyArray<PlaybackCall>): Effect.Effect<void, PlaybackQueueError> => {
    if (shared === undefined) return Effect.zipRight(write(batch), show())
    const turn = Effect.zipRight(hear(shared), write(batch))
    if (batch.every((call) => looks.has(call))) return turn
    // The commit itself may fail, too.
    return Effect.zipRight(
      Effect.tapErrorCause(shared.alone(turn), () => Effect.sync(rollBack)),
      show()
    )
  }
  const submit = yield* (options.batching ?? oneByOne)((batch) => Effect.uninterruptible(commit(batch)))

  /** Runs `body` as one call of the writer. */
  const transact = <A, E>(body: Effect.Effect<A, E>): Effect.Effect<A, E | PlaybackQueueError> =>
    Effect.suspend(() => {
      let outcome: Exit.Exit<A, E> = Exit.die("PlaybackQueue: the call was not run")
      const call = Effect.map(Effect.exit(body), (exit) => {
        outcome = exit
      })
      return Effect.flatMap(submit(call), () => outcome)
    })
  /** With several managers: what any of them has acknowledged by now is shown. When the store can't be read, what we know. */
  const upToDate: Effect.Effect<void> =
    shared === undefined
      ? Effect.void
      : Effect.suspend(() => {
          const call: PlaybackCall = Effect.suspend(() => Effect.void)
          looks.add(call)
          return submit(call)
        }).pipe(
          Effect.catchAll((error) => Effect.logWarning("Playback jobs of other managers could not be read", error))
        )
  const find = (id: PlaybackJobId): Effect.Effect<PlaybackJob, PlaybackJobNotFound> =>
    Effect.suspend(() => {
      const stored = jobs.get(id)
      return stored === undefined ? notFound(id) : Effect.succeed(stored.job)
    })
  const heldBy = (id: PlaybackJobId, token: number): Effect.Effect<HeldJob, LeaseLost | PlaybackJobNotFound> =>
    Effect.flatMap(find(id), (job) => {
      const held = internal.held(job, token, now())
      if (held !== undefined) return Effect.succeed(held)
      const why =
        isHeld(job) && job.lease.token === token
          ? "it was not renewed in time"
          : job.token > token
            ? `the job was given to node "${isHeld(job) ? job.lease.node : (job.lastFailure?.node ?? "another")}" after it (token ${job.token})`
            : job.token < token
              ? `no such lease was given out (the newest token is ${job.token})`
              : `the job is ${job.state} by now`
      return Effect.zipRight(
        Metric.increment(refused),
        new LeaseLost({
          id,
          token,
          state: job.state,
          message: `The lease with token ${token} is lost: ${why}. Leave the job, and poll for another one`
        })
      )
    })
  const othersOf = (job: PlaybackJob): Effect.Effect<(refusedBy: ReadonlyArray<NodeId>) => boolean> =>
    Effect.map(recordings.coverage(job.path, job.start, job.end), (coverage) => (refusedBy: ReadonlyArray<NodeId>) => {
      const found = internal.eligible({ refusedBy }, coverage)
      if (found !== "any") return found.size > 0
      for (const [node, polledAt] of workers) {
        if (polledAt > now() - WORKER_GONE && !refusedBy.includes(node)) return true
      }
      return false
    })

  // The start ------------------------------------------------------------------------------------------------------------
  yield* load
  for (const stored of [...jobs.values()]) {
    const job = internal.grace(stored.job, lookedAt, policy)
    if (job !== stored.job) place(stored, { ...stored, job })
  }
  for (const { job } of jobs.values()) shown.set(job.id, job)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const mailbox of subscribers) mailbox.unsafeDone(Exit.void)
      subscribers.clear()
      for (const node of pollers.keys()) wake(node)
    })
  )

  /** One look at all deadlines. Returns the pause until the next, in milliseconds. */
  const look = Effect.gen(function* () {
    const time = now()
    const setBack = time < lookedAt
    const since = lookedAt
    const due: Array<PlaybackJobId> = []
    for (const job of alive.values()) {
      if (setBack || internal.deadline(job) <= time) due.push(job.id)
    }
    if (due.length > 0) {
      yield* transact(
        Effect.sync(() => {
          for (const id of due) {
            const job = jobs.get(id)?.job
            if (job === undefined) continue
            const rebased = setBack ? internal.rebase(job, time, policy) : job
            const after = internal.age(rebased, time, policy)
            if (after !== job) put(after)
          }
        })
      ).pipe(Effect.catchAll((error) => Effect.logWarning("Overdue playback jobs could not be written", error)))
    }
    let earliest = Number.POSITIVE_INFINITY
    for (const job of queued) {
      if (job.notBefore > time) earliest = Math.min(earliest, job.notBefore)
      else if (job.notBefore > since || setBack) yield* offer(job)
    }
    for (const job of alive.values()) earliest = Math.min(earliest, internal.deadline(job))
    lookedAt = time
    // What could not be written just now is not tried again at once.
    pause = earliest <= time ? 1000 : Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, earliest - time))
    return pause
  })
  yield* look.pipe(
    Effect.flatMap((millis) => Effect.timeoutOption(nearer.await, millis)),
    Effect.zipRight(nearer.close),
    Effect.forever,
    Effect.forkScoped
  )

  if (shared !== undefined) yield* Effect.forkScoped(Stream.runForEach(shared.changes, () => upToDate))

  const changes = yield* recordings.subscribe
  yield* Mailbox.toStream(changes).pipe(
    Stream.runForEachChunk((chunk) =>
      Effect.gen(function* () {
        const time = now()
        const paths = new Set<string>()
        for (const { path } of chunk) paths.add(path)
        for (const path of paths) {
          for (const job of [...(queuedByPath.get(path)?.values() ?? [])]) {
            holders.delete(job.id)
            if (job.notBefore <= time) yield* offer(job)
          }
        }
      })
    ),
    Effect.forkScoped
  )

  const sweep = Effect.gen(function* () {
    const time = now()
    const old: Array<PlaybackJobId> = []
    const littered: Array<PlaybackJob> = []
    for (const { job, swept } of jobs.values()) {
      if (!isEnded(job)) continue
      const losers = job.token > (job.state === "done" ? 1 : 0)
      if (losers && !swept && deleteObject !== undefined) {
        if (time >= job.endedAt + deleteAfter && littered.length < SWEEP_AT_ONCE) littered.push(job)
      } else if (time >= job.endedAt + keepEnded && old.length < SWEEP_AT_ONCE) old.push(job.id)
    }
    for (const job of littered) {
      const winner = job.state === "done" ? job.clip.objectName : undefined
      for (let token = 1; token <= job.token; token++) {
        const name = objectNameOf(job.id, token)
        if (name !== winner && deleteObject !== undefined) yield* deleteObject(name)
      }
      // Not when it was put back meanwhile.
      yield* transact(
        Effect.sync(() => {
          const keepsSlot = slots.get(internal.slotOf(job)) === job.id
          if (jobs.get(job.id)?.job === job) put(job, keepsSlot ? { swept: true } : { swept: true, slot: null })
        })
      )
    }
    if (old.length > 0) {
      yield* transact(
        Effect.gen(function* () {
          // Not those that were put back meanwhile.
          const gone = old.filter((id) => {
            const job = jobs.get(id)?.job
            return job !== undefined && isEnded(job) && !undo.has(id)
          })
          if (store !== undefined) yield* store.remove(gone)
          for (const id of gone) {
            place(jobs.get(id), undefined)
            shown.delete(id)
          }
        })
      )
    }
    for (const [node, polledAt] of workers) if (polledAt < time - WORKER_GONE) workers.delete(node)
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.logWarning("Old playback jobs could not be cleared away, will try again", cause)
    )
  )
  // At once as well: where the platform wakes the manager for a moment only, there may be no five minutes.
  yield* sweep.pipe(Effect.repeat(Schedule.spaced(options.sweepEvery ?? "5 minutes")), Effect.forkScoped)

  // The calls ------------------------------------------------------------------------------------------------------------
  const full = () =>
    new PlaybackQueueError({
      reason: "Full",
      message: `${alive.size} playback jobs are unfinished, and the queue takes no more: wait for some to end, or raise maxUnfinished`
    })

  const request: PlaybackQueueShape["request"] = Effect.fnUntraced(function* (wanted) {
    if (wanted.start + wanted.duration > now() + Duration.toMillis(maxAhead)) {
      return yield* new PlaybackQueueError({
        reason: "TooFar",
        message: `The window ends more than ${Duration.format(maxAhead)} from now: ask for it when it is nearer`
      })
    }
    const slot = internal.slotOf(wanted)
    const part = yield* partOf(wanted.path)
    // Asked outside of the writer, which nobody's storage may hold up.
    const holder = jobs.get(slots.get(slot) ?? "")?.job
    const gone =
      holder?.state === "done" && objectExists !== undefined
        ? yield* Effect.catchAllCause(objectExists(holder.clip.objectName), (cause) =>
            Effect.as(Effect.logWarning("The storage does not say whether a clip is still there", cause), true)
          ).pipe(Effect.map((exists) => !exists))
        : false
    return yield* transact(
      Effect.suspend((): ReturnType<PlaybackQueueShape["request"]> => {
        const time = now()
        const present = jobs.get(slots.get(slot) ?? "")?.job
        if (present !== undefined && !(gone && present.state === "done" && present.id === holder?.id)) {
          if (present.state === "queued" && wanted.priority > present.priority) {
            const raised = { ...present, priority: wanted.priority, updatedAt: time }
            put(raised)
            return Effect.succeed({ job: raised, created: false })
          }
          return Effect.succeed({ job: present, created: false })
        }
        if (alive.size >= maxUnfinished) return full()
        if (present !== undefined) put(present, { slot: null })
        const job = internal.request(uuidV7(time), wanted, part, time, policy)
        put(job)
        return Effect.succeed({ job, created: true })
      })
    )
  })

  /** This node was away a moment ago, and the worker of another that may have the job is there: it comes first. */
  const leavesToOthers = (job: QueuedJob, node: NodeId, nodes: ReadonlySet<NodeId> | "any"): boolean => {
    if (job.lastFailure?.reason !== "NodeAway" || job.lastFailure.node !== node) return false
    const since = now() - WORKER_GONE
    for (const other of nodes === "any" ? workers.keys() : nodes) {
      if (other !== node && !job.refusedBy.includes(other) && (workers.get(other) ?? since) > since) return true
    }
    return false
  }
  /** The first job that the node may have now. */
  const nextFor = (node: NodeId): Effect.Effect<QueuedJob | undefined> =>
    Effect.gen(function* () {
      if ((active.get(node) ?? 0) >= perNode) return undefined
      const time = now()
      for (const job of queued) {
        if (job.notBefore > time || time >= job.expiresAt) continue
        const nodes = holders.get(job.id) ?? (yield* holdersOf(job))
        const may = nodes === "any" ? !job.refusedBy.includes(node) : nodes.has(node)
        if (may && !leavesToOthers(job, node, nodes)) return job
      }
      return undefined
    })
  const takeFor = (node: NodeId): Effect.Effect<LeasedJob | undefined, PlaybackQueueError> =>
    Effect.flatMap(nextFor(node), (found) =>
      found === undefined
        ? Effect.succeed(undefined)
        : transact(
            Effect.map(nextFor(node), (job) => {
              if (job === undefined) return undefined
              const leased = internal.lease(job, node, now(), policy)
              put(leased)
              return leased
            })
          )
    )
  const release: PlaybackQueueShape["release"] = (id, token) =>
    transact(
      Effect.map(heldBy(id, token), (job) => {
        const after = internal.release(job, now())
        put(after)
        return after
      })
    )
  const lease: PlaybackQueueShape["lease"] = (node, { wait = 0 } = {}) =>
    Effect.suspend(() => {
      const until = now() + Duration.toMillis(wait)
      workers.set(node, now())
      const latch = Effect.unsafeMakeLatch(false)
      let taken: LeasedJob | undefined
      const look: Effect.Effect<Option.Option<LeasedJob>, PlaybackQueueError> = Effect.suspend(() => {
        // Before the look, so that what comes after it is not missed.
        latch.unsafeClose()
        const take = Effect.map(takeFor(node), (job) => {
          taken = job
        })
        return Effect.flatMap(Effect.uninterruptible(take), () => {
          if (taken !== undefined) return Effect.succeed(Option.some(taken))
          const left = until - now()
          if (left <= 0 || closed) return Effect.succeed(Option.none())
          return Effect.flatMap(Effect.timeoutOption(latch.await, left), (woken) =>
            Option.isNone(woken) ? Effect.succeed(Option.none()) : look
          )
        })
      })
      // The caller went away in the very moment: nobody would work on it until the lease runs out.
      const attempt = Effect.onInterrupt(look, () =>
        taken === undefined ? Effect.void : Effect.ignore(release(taken.id, taken.lease.token))
      )
      if (until <= now()) return attempt
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          const latches = pollers.get(node) ?? new Set()
          pollers.set(node, latches.add(latch))
        }),
        () => attempt,
        () =>
          Effect.sync(() => {
            workers.set(node, now())
            const latches = pollers.get(node)
            latches?.delete(latch)
            if (latches?.size === 0) pollers.delete(node)
          })
      )
    })

  /** Subscribes, and looks at what is shown in the same moment. */
  const subscribeAnd = <A>(look: () => A) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.flatMap(Mailbox.make<PlaybackJob>({ capacity: SUBSCRIBER_BUFFER, strategy: "sliding" }), (mailbox) =>
          Effect.sync(() => {
            if (closed) mailbox.unsafeDone(Exit.void)
            else subscribers.add(mailbox)
            return { mailbox, seen: look() }
          })
        ),
        ({ mailbox }) =>
          Effect.zipRight(
            Effect.sync(() => subscribers.delete(mailbox)),
            mailbox.end
          )
      ),
      ({ mailbox, seen }): { readonly changes: Mailbox.ReadonlyMailbox<PlaybackJob>; readonly seen: A } => ({
        changes: mailbox,
        seen
      })
    )

  const get: PlaybackQueueShape["get"] = (id) =>
    Effect.flatMap(upToDate, () => {
      const job = shown.get(id)
      return job === undefined ? notFound(id) : Effect.succeed(job)
    })

  return PlaybackQueue.of({
    request,
    get,
    unsafeCounts: () => {
      const counts = new Map<PlaybackJobState, number>()
      for (const { state } of shown.values()) counts.set(state, (counts.get(state) ?? 0) + 1)
      return counts
    },
    list: (filter = {}) =>
      Effect.map(upToDate, () => {
        const limit = filter.limit ?? 100
        const found: Array<PlaybackJob> = []
        for (const job of [...shown.values()].sort((a, b) => (a.id < b.id ? 1 : -1))) {
          if (found.length >= limit) break
          if (filter.before !== undefined && job.id >= filter.before) continue
          if (filter.state !== undefined && job.state !== filter.state) continue
          if (filter.path !== undefined && job.path !== filter.path) continue
          if (filter.node !== undefined) {
            const node = isHeld(job) ? job.lease.node : job.state === "done" ? job.clip.node : undefined
            if (node !== filter.node) continue
          }
          found.push(job)
        }
        return found
      }),
    lease,
    progress: (id, token, report = {}) =>
      transact(
        Effect.map(heldBy(id, token), (job) => {
          const after = internal.progress(job, report, now(), policy)
          put(after)
          return after
        })
      ),
    complete: (id, token, report) =>
      transact(
        Effect.flatMap(find(id), (job) => {
          if (job.state === "done" && job.clip.token === token) return Effect.succeed(job)
          return Effect.flatMap(heldBy(id, token), (held) => {
            const { uploadId } = report
            if (uploadId !== undefined && held.upload?.uploadId !== uploadId) {
              return new LeaseLost({
                id,
                token,
                state: held.state,
                message: "The upload in parts that was completed is not the job's any more"
              })
            }
            const done = internal.complete(
              held,
              {
                size: report.size,
                mime: report.mime ?? "video/mp4",
                duration: report.duration ?? held.duration,
                gaps: report.gaps ?? [],
                etag: report.etag ?? null
              },
              uploadId !== undefined,
              now()
            )
            put(done)
            return Effect.succeed(done)
          })
        })
      ),
    beginUpload: (id, token, upload) =>
      transact(
        Effect.map(heldBy(id, token), (job) => {
          const after = internal.beginUpload(job, upload, now(), policy)
          put(after)
          return after
        })
      ),
    abandoned: Effect.sync(() => {
      const found: Array<PlaybackJob> = []
      for (const job of shown.values()) if ((job.abandoned ?? []).length > 0) found.push(job)
      return found
    }),
    forgetUploads: (id, uploadIds) =>
      transact(
        Effect.sync(() => {
          const stored = jobs.get(id)
          if (stored !== undefined)
            put(internal.forget(stored.job, uploadIds), stored.slot === null ? { slot: null } : {})
        })
      ),
    fail: (id, token, failure) =>
      transact(
        Effect.flatMap(heldBy(id, token), (job) =>
          Effect.map(othersOf(job), (others) => {
            const after = internal.fail(job, failure, others, now(), policy)
            put(after)
            return after
          })
        )
      ),
    release,
    cancel: (id) =>
      transact(
        Effect.flatMap(find(id), (job) => {
          if (job.state === "cancelled") return Effect.succeed(job)
          if (isEnded(job)) {
            return new PlaybackJobConflict({
              id,
              state: job.state,
              message: `The job is ${job.state} already, there is nothing to cancel`
            })
          }
          const after = internal.cancel(job, now())
          put(after)
          return Effect.succeed(after)
        })
      ),
    retry: (id) =>
      transact(
        Effect.flatMap(find(id), (job): Effect.Effect<QueuedJob, PlaybackJobConflict | PlaybackQueueError> => {
          const conflict = (message: string) => new PlaybackJobConflict({ id, state: job.state, message })
          if (!isEnded(job) || job.state === "done") {
            return conflict(`The job is ${job.state}: only one that failed, expired or was cancelled can be put back`)
          }
          const other = slots.get(internal.slotOf(job))
          if (other !== undefined) return conflict(`Job ${other} is for the same window by now: look at that one`)
          if (alive.size >= maxUnfinished) return full()
          const after = internal.retry(job, now(), policy)
          put(after)
          return Effect.succeed(after)
        })
      ),
    watch: (id) =>
      Stream.unwrapScoped(
        Effect.flatMap(
          Effect.zipRight(
            upToDate,
            subscribeAnd(() => shown.get(id))
          ),
          ({ changes, seen }) =>
            seen === undefined
              ? notFound(id)
              : Effect.succeed(
                  Stream.concat(
                    Stream.succeed(seen),
                    Stream.filter(Mailbox.toStream(changes), (job) => job.id === id)
                  ).pipe(Stream.takeUntil(isEnded))
                )
        )
      ),
    subscribe: Effect.map(
      subscribeAnd(() => undefined),
      ({ changes }) => changes
    )
  })
})

/**
 * Kept in memory, gone with the process.
 *
 * @example
 * ```ts
 * const Queue = PlaybackQueue.layerMemory({ perNode: 4 }).pipe(Layer.provide(Recordings.layerMemory()))
 * ```
 */
export const layerMemory = (options?: PlaybackQueueOptions): Layer.Layer<PlaybackQueue, never, Recordings> =>
  // Only a store can fail at the start.
  Layer.scoped(PlaybackQueue, Effect.orDie(make(options)))
