/** When the object of a manager on Workers must be in memory for its clip jobs. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as ClipDeadlines from "../../../src/adapters/workers/ClipDeadlines.js"
import * as ClipState from "../../../src/services/ClipState.js"
import { NodeId } from "../../../src/services/NodeId.js"
import { PlaybackQueue, type PlaybackQueueOptions } from "../../../src/services/PlaybackQueue.js"
import * as Recordings from "../../../src/services/Recordings.js"

const north = NodeId.make("north")
const never = Number.POSITIVE_INFINITY
const HOUR = 3_600_000

/** A queue, and what it has said of its deadlines: the last word, seen from `after`. */
const session = <A, E>(
  options: PlaybackQueueOptions,
  use: (
    queue: typeof PlaybackQueue.Service,
    next: (after?: number) => number,
    said: () => number
  ) => Effect.Effect<A, E>
) => {
  let next: (after: number) => number = () => -1
  let said = -1
  const wakeups: ClipDeadlines.ClipWakeups = {
    plan: (found, now) => {
      next = found
      said = found(now)
    }
  }
  const queue = Layer.unwrapEffect(Effect.map(ClipState.ClipState, (state) => state.queue(options))).pipe(
    Layer.provide(Layer.provide(ClipDeadlines.layer(wakeups), ClipState.layerMemory)),
    Layer.provide(Recordings.layerMemory())
  )
  return Effect.flatMap(PlaybackQueue, (service) =>
    use(
      service,
      (after = 0) => next(after),
      () => said
    )
  ).pipe(Effect.provide(queue))
}
const window = (start: number) => ({ path: "cam", start, duration: 1_000, format: "mp4" as const, priority: 0 })
/** What was changed has been told. */
const told = TestClock.adjust("10 millis")

describe("deadlines of clip jobs", () => {
  it.effect("are the end of a lease, and of a job that nobody serves", () =>
    session({}, (queue, _, said) =>
      Effect.gen(function* () {
        assert.strictEqual(said(), never, "there is no job")
        yield* TestClock.adjust("1 hour")
        const { job } = yield* queue.request(window(0))
        yield* told
        assert.strictEqual(said(), job.expiresAt)
        assert.strictEqual(job.expiresAt, 25 * HOUR)
        const lease = yield* queue.lease(north)
        yield* told
        assert.isTrue(lease._tag === "Some")
        const leasedAt = HOUR + 10
        assert.strictEqual(said(), leasedAt + 20_000)
        yield* TestClock.adjust("5 seconds")
        yield* queue.progress(job.id, 1)
        yield* told
        assert.strictEqual(said(), leasedAt + 25_010)
        // Nobody reports: the lease ends, and the job waits again.
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* queue.get(job.id)).state, "queued")
        assert.strictEqual(said(), 25 * HOUR)
        yield* queue.cancel(job.id)
        yield* told
        assert.strictEqual(said(), never)
      })
    )
  )

  it.effect("and when what lost leases have uploaded is to be deleted, but only once", () => {
    const deleted: Array<string> = []
    return session(
      {
        deleteAfter: "1 hour",
        deleteObject: (name) =>
          Effect.sync(() => {
            deleted.push(name)
          })
      },
      (queue, next, said) =>
        Effect.gen(function* () {
          const { job } = yield* queue.request(window(-10_000))
          yield* queue.lease(north)
          yield* queue.cancel(job.id)
          yield* told
          assert.strictEqual(said(), HOUR)
          yield* TestClock.adjust("70 minutes")
          assert.deepStrictEqual(deleted, [job.id])
          // What is past is no deadline: an alarm for it would go off again and again.
          assert.strictEqual(next(70 * 60_000), never)
        })
    )
  })
})
