/**
 * Many callers, one writer: each hands in an item and waits; what has gathered is committed as one batch, and each caller
 * is told when its own is durable.
 *
 * A lone caller waits for no timer: the batch is taken at the end of the turn of the event loop in which it came, so that
 * all requests that the loop has in hand share one commit.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Pace } from "../services/internal/gather.js"

export { turn } from "../services/internal/gather.js"

export interface GroupCommitOptions<In, Out, E> {
  /** Writes a batch, all or nothing, and gives an answer for each item, in order. */
  readonly commit: (batch: ReadonlyArray<In>) => Effect.Effect<ReadonlyArray<Out>, E>
  /** At most this many items a batch (default 200: one commit is synchronous on the event loop with SQLite). */
  readonly maxBatch?: number | undefined
  /** At most this much a batch, in the unit of `submit`'s `size` (default: any). A single item may be larger. */
  readonly maxBatchSize?: number | undefined
  /** At most this many items wait (default 8,192). */
  readonly maxQueued?: number | undefined
  /** At most this much waits, in the unit of `submit`'s `size` (default 16 Mi). A single item may be larger. */
  readonly maxQueuedSize?: number | undefined
  /** The error of a caller that finds the queue full. Nothing was queued. */
  readonly full: () => E
  /** The error of a caller that comes after the close. */
  readonly closed: () => E
  /** The error of a batch whose commit died. */
  readonly died: (cause: Cause.Cause<E>) => E
}

export interface GroupCommit<In, Out, E> {
  /**
   * Hands in one item and waits for its commit. Once it is queued it is committed exactly once, whether or not the caller
   * is interrupted meanwhile.
   */
  readonly submit: (item: In, size: number) => Effect.Effect<Out, E>
  /** How many wait right now. */
  readonly queued: () => number
}

interface Waiting<In, Out, E> {
  readonly item: In
  readonly size: number
  readonly resume: (exit: Exit.Exit<Out, E>) => void
}

/** When the scope closes: no new items, what is queued is committed and acknowledged, then it ends. */
export const make = Effect.fnUntraced(function* <In, Out, E>(
  options: GroupCommitOptions<In, Out, E>
): Effect.fn.Return<GroupCommit<In, Out, E>, never, Scope.Scope> {
  const maxBatch = options.maxBatch ?? 200
  const maxBatchSize = options.maxBatchSize ?? Number.POSITIVE_INFINITY
  const maxQueued = options.maxQueued ?? 8192
  const maxQueuedSize = options.maxQueuedSize ?? 16 * 1024 * 1024
  type Item = Waiting<In, Out, E>
  const pace = new Pace()

  // Bounded by `maxQueued` and `maxQueuedSize` (a submit that finds it full fails), owned by the writer fiber below, and
  // drained when the scope closes. A plain array and callbacks: half the cost of a Queue with a Deferred an item.
  let queue: Array<Item> = []
  let queuedSize = 0
  let closed = false
  let busy = false
  /** The writer, when it waits for work. */
  let wake: (() => void) | undefined
  /** The finalizer, when it waits for the writer. */
  let idle: (() => void) | undefined

  /** Waits for more that can go into the same commit. */
  const more = (then: () => void): void => pace.gather(() => queue.length, maxBatch, then)

  const submit = (item: In, size: number) =>
    Effect.async<Out, E>((resume) => {
      if (closed) return resume(Exit.fail(options.closed()))
      if (queue.length >= maxQueued || (queuedSize + size > maxQueuedSize && queue.length > 0)) {
        return resume(Exit.fail(options.full()))
      }
      queue.push({ item, size, resume })
      queuedSize += size
      if (wake !== undefined) {
        const start = wake
        wake = undefined
        more(start)
      }
    })

  const work = Effect.async<void>((resume) => {
    busy = false
    if (queue.length > 0) {
      // Left over from a full batch, or came during the commit: let the loop take in what else there is.
      more(() => resume(Effect.void))
    } else {
      wake = () => resume(Effect.void)
      idle?.()
    }
  })

  const takeBatch = (): ReadonlyArray<Item> => {
    if (queue.length <= maxBatch && queuedSize <= maxBatchSize) {
      const batch = queue
      queue = []
      queuedSize = 0
      return batch
    }
    let count = 0
    let size = 0
    for (const item of queue) {
      if (count === maxBatch || (count > 0 && size + item.size > maxBatchSize)) break
      count++
      size += item.size
    }
    queuedSize -= size
    return queue.splice(0, count)
  }

  const commitBatch = Effect.suspend(() => {
    busy = true
    const batch = takeBatch()
    const fail = (error: E) => {
      const exit = Exit.fail(error)
      for (const { resume } of batch) resume(exit)
    }
    return pace.paced(options.commit(batch.map(({ item }) => item))).pipe(
      Effect.matchCause({
        onSuccess: (answers) => {
          batch.forEach(({ resume }, index) => {
            const answer = answers[index]
            // The contract of `commit`: an answer for each item. An Out may itself be undefined, hence by length.
            resume(
              index < answers.length ? Exit.succeed(answer as Out) : Exit.die("GroupCommit: an item has no answer")
            )
          })
        },
        onFailure: (cause) => fail(cause._tag === "Fail" ? cause.error : options.died(cause))
      })
    )
  })

  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(work, Effect.uninterruptible(commitBatch))))
  yield* Effect.addFinalizer(() =>
    Effect.async<void>((resume) => {
      closed = true
      if (queue.length === 0 && !busy) return resume(Effect.void)
      idle = () => resume(Effect.void)
    })
  )
  return { submit, queued: () => queue.length }
})
