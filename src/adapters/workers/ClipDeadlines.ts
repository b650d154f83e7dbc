/**
 * When time alone changes a clip job next, for an object that must be in memory again by then: a lease runs out, nobody
 * could serve a job for too long, what a lost lease has uploaded is to be deleted.
 *
 * The end of a back-off is no such time. A job is only given to a worker that asks, and one that asks has woken the object.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"
import { ClipState, type ClipStateShape } from "../../services/ClipState.js"
import { isEnded, isHeld, type PlaybackJob, type PlaybackJobId } from "../../services/PlaybackJob.js"
import { PlaybackQueue, type PlaybackQueueOptions } from "../../services/PlaybackQueue.js"

/** Who wakes the object. */
export interface ClipWakeups {
  /**
   * Told at the start and after each change. `next` says, now and until it is told anew, when the next deadline after a time
   * is, in epoch milliseconds: infinity when there is none.
   */
  readonly plan: (next: (after: number) => number, now: number) => void
}

/** As `PlaybackQueue` has it. */
const DELETE_AFTER = Duration.hours(2)

/** Lasts as long as the queue. */
const follow = (wakeups: ClipWakeups, options: PlaybackQueueOptions) =>
  Effect.gen(function* () {
    const queue = yield* PlaybackQueue
    const deleteAfter = Duration.toMillis(options.deleteAfter ?? DELETE_AFTER)
    const deadlines = new Map<PlaybackJobId, number>()
    const note = (job: PlaybackJob): void => {
      const at = isHeld(job)
        ? job.lease.expiresAt
        : !isEnded(job)
          ? job.expiresAt
          : options.deleteObject !== undefined && job.token > (job.state === "done" ? 1 : 0)
            ? job.endedAt + deleteAfter
            : undefined
      if (at === undefined) deadlines.delete(job.id)
      else deadlines.set(job.id, at)
    }
    const next = (after: number): number => {
      let earliest = Number.POSITIVE_INFINITY
      for (const [id, at] of deadlines) {
        // The queue is in memory, and at it. What it can't do now it does when it is there again.
        if (at <= after) deadlines.delete(id)
        else earliest = Math.min(earliest, at)
      }
      return earliest
    }
    const plan = Effect.map(Clock.currentTimeMillis, (now) => wakeups.plan(next, now))
    const changes = yield* queue.subscribe
    for (const job of yield* queue.list({ limit: Number.POSITIVE_INFINITY })) note(job)
    yield* plan
    yield* Mailbox.toStream(changes).pipe(
      Stream.runForEachChunk((jobs) => {
        for (const job of jobs) note(job)
        return plan
      }),
      Effect.forkScoped
    )
  })

/** The state, with a queue whose deadlines are told. */
export const layer = (wakeups: ClipWakeups): Layer.Layer<ClipState, never, ClipState> =>
  Layer.effect(
    ClipState,
    Effect.map(
      ClipState,
      (state): ClipStateShape => ({
        ...state,
        queue: (options) => Layer.provideMerge(Layer.scopedDiscard(follow(wakeups, options)), state.queue(options))
      })
    )
  )
