import * as SqlClient from "@effect/sql/SqlClient"
import { assert, it } from "@effect/vitest"
import { Chunk, Context, Effect, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { NodeId } from "../../src/services/NodeId.js"
import type { PlaybackRequest } from "../../src/services/PlaybackJob.js"
import { PlaybackQueue } from "../../src/services/PlaybackQueue.js"
import * as Recordings from "../../src/services/Recordings.js"
import * as SqlPlaybackQueue from "../../src/sql/SqlPlaybackQueue.js"
import { playbackQueueContract } from "../../src/testing/PlaybackQueueContract.js"
import { database, describePostgres } from "../support/Postgres.js"

const T = 1_767_225_600_000
const north = NodeId.make("north")
const window = (start: number): PlaybackRequest => ({ path: "cam", start, duration: 1000, format: "mp4", priority: 0 })

await describePostgres("on PostgreSQL", (server) => {
  playbackQueueContract("SqlPlaybackQueue.layer on PostgreSQL", {
    layer: (options) => Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), database(server))),
    storage: Effect.sync(() => {
      const one = database(server)
      return (options) => Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), one))
    }),
    histories: 12
  })

  /** As managers of their own, over one database. */
  const managers = (count: number) =>
    Effect.suspend(() => {
      const one = database(server)
      return Effect.forEach(
        Array.from({ length: count }),
        () =>
          Effect.map(
            Layer.build(
              SqlPlaybackQueue.layer({ perNode: 10_000 }).pipe(
                Layer.provideMerge(one),
                Layer.provide(Recordings.layerMemory()),
                Layer.fresh
              )
            ),
            (context) => ({
              queue: Context.get(context, PlaybackQueue),
              sql: Context.get(context, SqlClient.SqlClient)
            })
          ),
        // At the same moment: the migrations as well.
        { concurrency: "unbounded" }
      )
    })

  it.scoped("what one manager acknowledged is there in another at once, and reports may go to any", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(T)
      const [one, other, third] = yield* managers(3)
      if (one === undefined || other === undefined || third === undefined) return assert.fail("three managers")
      const { job } = yield* one.queue.request(window(0))
      assert.deepStrictEqual(yield* other.queue.get(job.id), job)
      const leased = Option.getOrThrow(yield* other.queue.lease(north))
      assert.strictEqual(leased.id, job.id)
      assert.isTrue(Option.isNone(yield* one.queue.lease(north)))
      yield* third.queue.progress(job.id, leased.token, { sent: 1, total: 3 })
      yield* one.queue.complete(job.id, leased.token, { size: 3 })
      assert.deepInclude(yield* Effect.flip(other.queue.progress(job.id, leased.token)), { state: "done" })
      assert.strictEqual((yield* third.queue.request(window(0))).created, false)
      assert.lengthOf(yield* third.queue.list(), 1)
    })
  )

  it.scoped("a worker that polls one manager gets what is requested of another", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(T)
      const [one, other] = yield* managers(2)
      if (one === undefined || other === undefined) return assert.fail("two managers")
      const poll = yield* Effect.fork(other.queue.lease(north, { wait: "1 minute" }))
      const { job } = yield* one.queue.request(window(0))
      const seen = yield* one.queue.watch(job.id).pipe(Stream.runCollect, Effect.fork)
      const leased = Option.getOrThrow(yield* Fiber.join(poll))
      assert.strictEqual(leased.id, job.id)
      yield* other.queue.complete(job.id, leased.token, { size: 3 })
      assert.strictEqual(Chunk.unsafeLast(yield* Fiber.join(seen)).state, "done")
    })
  )

  it.scoped("a storm over three managers: each job is leased once, one job of a window", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(T)
      const all = (yield* managers(3)).map(({ queue }) => queue)
      const queues = Array.from({ length: 600 }, (_, i) => all[i % 3] ?? assert.fail("three managers"))
      // Each window is requested of all three.
      const requested = yield* Effect.forEach(queues, (queue, i) => queue.request(window(Math.floor(i / 3) * 1000)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(requested.filter(({ created }) => created).length, 200)
      assert.strictEqual(new Set(requested.map(({ job }) => job.id)).size, 200)
      const leased = yield* Effect.forEach(queues, (queue, i) => queue.lease(NodeId.make(`n${i % 7}`)), {
        concurrency: "unbounded"
      })
      const got = leased.flatMap(Option.toArray)
      // A look of a manager that has not heard yet may find nothing; what is left is there for the next.
      assert.isAtLeast(got.length, 150)
      assert.strictEqual(new Set(got.map(({ id }) => id)).size, got.length)
      assert.isTrue(got.every(({ token }) => token === 1))
    })
  )

  it.scoped("leases run out once, whoever looks", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(T)
      const all = yield* managers(3)
      const [first] = all
      if (first === undefined) return assert.fail("three managers")
      yield* Effect.forEach(Array.from({ length: 50 }), (_, i) => first.queue.request(window(i * 1000)))
      const leased = yield* Effect.forEach(Array.from({ length: 50 }), () => first.queue.lease(north))
      assert.lengthOf(leased.flatMap(Option.toArray), 50)
      yield* Effect.forEach(all, ({ queue }) => queue.list())
      yield* TestClock.adjust("21 seconds")
      for (const { queue } of all) {
        const jobs = yield* queue.list()
        assert.isTrue(jobs.every((job) => job.state === "queued" && job.attempts === 1))
      }
      const rows = yield* first.sql<{ version: number }>`SELECT DISTINCT version FROM playback_jobs`
      assert.deepStrictEqual(rows, [{ version: 3 }])
    })
  )
})
