/**
 * What every PlaybackQueue layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * playbackQueueContract("PlaybackQueue.layerMemory", { layer: PlaybackQueue.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { NodeId } from "../services/NodeId.js"
import {
  isEnded,
  isHeld,
  type LeasedJob,
  type PlaybackFailureReason,
  PlaybackJob,
  PlaybackRequest
} from "../services/PlaybackJob.js"
import { PlaybackQueue, type PlaybackQueueOptions, type PlaybackQueueShape } from "../services/PlaybackQueue.js"
import * as Recordings from "../services/Recordings.js"

export interface PlaybackQueueContractOptions<E> {
  /** Makes an empty queue of its own each time that the layer is built. */
  readonly layer: (options?: PlaybackQueueOptions) => Layer.Layer<PlaybackQueue, E, Recordings.Recordings>
  /** For durable layers: gives layers over one new storage, to be built one after the other. */
  readonly storage?: Effect.Effect<
    (options?: PlaybackQueueOptions) => Layer.Layer<PlaybackQueue, E, Recordings.Recordings>,
    never,
    Scope.Scope
  >
  /** How many histories the model test plays (default 60). */
  readonly histories?: number
}

const north = NodeId.make("north")
const south = NodeId.make("south")
const west = NodeId.make("west")

/** 2026-01-01T00:00:00Z. */
const T = 1_767_225_600_000
const SECOND = 1000
const MINUTE = 60 * SECOND

/** A window of `cam` that begins so many seconds before T, ten seconds long unless said otherwise. */
const window = (secondsAgo: number, more: Partial<PlaybackRequest> = {}): PlaybackRequest => ({
  path: "cam",
  start: T - secondsAgo * SECOND,
  duration: 10 * SECOND,
  format: "mp4",
  priority: 0,
  ...more
})
const report = { size: 1234 }

interface Bench {
  readonly queue: PlaybackQueueShape
  readonly recordings: Recordings.RecordingsShape
}

/** What a node holds of a path: seconds before T. */
const holds = ({ recordings }: Bench, node: NodeId, from: number, to: number, path = "cam") =>
  recordings.reconcile(node, path, [{ start: T - from * SECOND, end: T - to * SECOND }])

const leased = (queue: PlaybackQueueShape, node: NodeId): Effect.Effect<LeasedJob, unknown> =>
  Effect.flatMap(
    queue.lease(node),
    Option.match({ onNone: () => Effect.dieMessage(`no job for ${node}`), onSome: Effect.succeed })
  )
const none = (queue: PlaybackQueueShape, node: NodeId) =>
  Effect.map(queue.lease(node), (found) => assert.isTrue(Option.isNone(found), `a job for ${node}`))
const lost = <A>(effect: Effect.Effect<A, { readonly _tag: string }>, tag = "LeaseLost") =>
  Effect.map(Effect.flip(effect), (error) => assert.strictEqual(error._tag, tag))

/**
 * Invariants
 * - Of a job there is one winner: the newest lease's worker, if it reports in time. Nobody else's object is touched by it.
 * - Tokens rise with each lease, over restarts and retries.
 * - Of a window there is one job that is alive or done.
 * - No acknowledged job is lost, and each comes to an end.
 */
export const playbackQueueContract = <E>(name: string, options: PlaybackQueueContractOptions<E>): void => {
  const build = (layer: Layer.Layer<PlaybackQueue, E, Recordings.Recordings>) =>
    Effect.map(
      Layer.build(Layer.provideMerge(layer, Recordings.layerMemory({ sweepEvery: "30 days" }))),
      (context): Bench => ({
        queue: Context.get(context, PlaybackQueue),
        recordings: Context.get(context, Recordings.Recordings)
      })
    )
  const test = (
    title: string,
    body: (bench: Bench) => Effect.Effect<void, unknown, Scope.Scope>,
    layerOptions?: PlaybackQueueOptions
  ) =>
    it.scoped(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(T)
        yield* Effect.flatMap(build(options.layer({ sweepEvery: "1 hour", ...layerOptions })), body)
      })
    )

  describe(`${name} keeps the contract of PlaybackQueue`, () => {
    test("a request is a queued job, which can be found", ({ queue }) =>
      Effect.gen(function* () {
        const { created, job } = yield* queue.request(window(60))
        assert.isTrue(created)
        assert.match(job.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        assert.strictEqual(Number.parseInt(job.id.replace("-", "").slice(0, 12), 16), T)
        assert.deepStrictEqual(job, {
          state: "queued",
          id: job.id,
          path: "cam",
          start: T - 60_000,
          end: T - 50_000,
          duration: 10_000,
          format: "mp4",
          priority: 0,
          requestedAt: T,
          updatedAt: T,
          readyAt: T - 48_000,
          expiresAt: T + 86_400_000,
          attempts: 0,
          token: 0,
          setbacks: 0,
          lastFailure: null,
          refusedBy: [],
          notBefore: T
        })
        assert.deepStrictEqual(yield* queue.get(job.id), job)
        // On the wire and back.
        assert.deepStrictEqual(Schema.decodeSync(PlaybackJob)(Schema.encodeSync(PlaybackJob)(job)), job)
        yield* lost(queue.get("019b28eb-1ae2-766c-8d00-e12570bb3070"), "PlaybackJobNotFound")
        yield* TestClock.adjust(5)
        const other = (yield* queue.request(window(60, { path: "b" }))).job
        const ids = (filter?: Parameters<PlaybackQueueShape["list"]>[0]) =>
          Effect.map(queue.list(filter), (jobs) => jobs.map(({ id }) => id))
        assert.deepStrictEqual(yield* ids(), [other.id, job.id])
        assert.deepStrictEqual(yield* ids({ path: "cam" }), [job.id])
        assert.deepStrictEqual(yield* ids({ before: other.id }), [job.id])
        assert.deepStrictEqual(yield* ids({ limit: 1 }), [other.id])
        assert.deepStrictEqual(yield* ids({ state: "done" }), [])
      }))

    it("a request names a path, and a duration of up to a day", () => {
      const decode = Schema.decodeUnknownEither(PlaybackRequest)
      const wire = { path: "cam/1", start: "2026-01-01T00:00:00Z", duration: 1000 }
      assert.deepStrictEqual(Schema.decodeUnknownSync(PlaybackRequest)(wire), {
        path: "cam/1",
        start: T,
        duration: 1000,
        format: "mp4",
        priority: 0
      })
      for (const wrong of [
        { path: "/cam" },
        { path: "a/../b" },
        { duration: 0 },
        { duration: 0.5 },
        { duration: 86_400_001 },
        { start: "x" },
        { format: "ts" }
      ]) {
        assert.strictEqual(decode({ ...wire, ...wrong })._tag, "Left", JSON.stringify(wrong))
      }
    })

    test(
      "of a window there is one job while it is alive, and while its object exists",
      ({ queue, recordings }) =>
        Effect.gen(function* () {
          yield* holds({ queue, recordings }, north, 600, 0)
          const first = (yield* queue.request(window(60))).job
          const again = yield* queue.request(window(60, { priority: 5 }))
          assert.deepStrictEqual([again.created, again.job.id, again.job.priority], [false, first.id, 5])
          for (const other of [
            window(61),
            window(60, { duration: 9999 }),
            window(60, { format: "fmp4" }),
            window(60, { path: "b" })
          ]) {
            assert.isTrue((yield* queue.request(other)).created)
          }
          const held = yield* leased(queue, north)
          assert.strictEqual(held.id, first.id)
          assert.strictEqual((yield* queue.request(window(60))).job.state, "leased")
          yield* queue.complete(first.id, 1, report)
          // At once and many: one answer.
          const same = yield* Effect.all([queue.request(window(60)), queue.request(window(60))], { concurrency: 2 })
          assert.deepStrictEqual(
            same.map(({ created, job }) => [created, job.id, job.state]),
            [
              [false, first.id, "done"],
              [false, first.id, "done"]
            ]
          )
          // The object is gone.
          gone.add(first.id)
          const anew = yield* Effect.all([queue.request(window(60)), queue.request(window(60))], { concurrency: 2 })
          assert.deepStrictEqual(anew.map(({ created }) => created).sort(), [false, true])
          assert.strictEqual(anew[0].job.id, anew[1].job.id)
          assert.notStrictEqual(anew[0].job.id, first.id)
          assert.strictEqual((yield* queue.get(first.id)).state, "done")
          // What ended otherwise does not stand in the way.
          yield* queue.cancel(anew[0].job.id)
          assert.isTrue((yield* queue.request(window(60))).created)
        }),
      { objectExists: (objectName) => Effect.sync(() => !gone.has(objectName)) }
    )
    const gone = new Set<string>()

    test("a job goes to a node that holds its window; to the best one when none holds all of it", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 100, 50)
        yield* holds(bench, south, 60, 20)
        yield* holds(bench, west, 600, 0, "other")
        const early = (yield* queue.request(window(90))).job
        yield* none(queue, south)
        yield* none(queue, west)
        assert.strictEqual((yield* leased(queue, north)).id, early.id)
        // South holds more of it than north.
        const late = (yield* queue.request(window(55))).job
        yield* none(queue, west)
        const partly = (yield* queue.request(window(57, { duration: 45 * SECOND }))).job
        const given = [yield* leased(queue, south), yield* leased(queue, south)].map(({ id }) => id)
        assert.deepStrictEqual(given.sort(), [late.id, partly.id].sort())
        yield* none(queue, north)
        // Both hold it: any of them.
        yield* queue.request(window(60, { duration: 5 * SECOND }))
        assert.strictEqual((yield* leased(queue, north)).lease.node, north)
      }))

    test("what the index knows nothing about goes to whoever asks", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 100, 50)
        const { job } = yield* queue.request(window(9000))
        const held = yield* leased(queue, west)
        assert.strictEqual(held.id, job.id)
        // West holds nothing; north polled before, so it is asked, too; then nobody is left.
        yield* none(queue, north)
        yield* queue.fail(job.id, held.token, { reason: "NothingRecorded", message: "404" })
        yield* none(queue, west)
        const second = yield* leased(queue, north)
        const failed = yield* queue.fail(job.id, second.token, { reason: "NothingRecorded", message: "404" })
        assert.strictEqual(failed.state, "failed")
        assert.deepStrictEqual(failed.refusedBy, [west, north])
        assert.deepStrictEqual(failed.lastFailure, { reason: "NothingRecorded", message: "404", at: T, node: north })
      }))

    test(
      "higher priorities first, then older ones; a node is given no more than it may have",
      (bench) =>
        Effect.gen(function* () {
          const { queue } = bench
          yield* holds(bench, north, 600, 0)
          const ids: Array<string> = []
          for (const [ago, priority] of [
            [60, 0],
            [61, 5],
            [62, 0],
            [63, 5]
          ] as const) {
            ids.push((yield* queue.request(window(ago, { priority }))).job.id)
            yield* TestClock.adjust(10)
          }
          const order: Array<string> = []
          for (let i = 0; i < 3; i++) order.push((yield* leased(queue, north)).id)
          assert.deepStrictEqual(order, [ids[1], ids[3], ids[0]])
          yield* none(queue, north)
          const waiting = yield* Effect.fork(queue.lease(north, { wait: "30 seconds" }))
          yield* TestClock.adjust(1)
          yield* queue.complete(order[0] ?? "", 1, report)
          // The free place wakes it.
          assert.strictEqual(Option.getOrThrow(yield* Fiber.join(waiting)).id, ids[2])
        }),
      { perNode: 3 }
    )

    test(
      "a window that is being recorded is given out when its end is on disk",
      (bench) =>
        Effect.gen(function* () {
          const { queue, recordings } = bench
          yield* recordings.reconcile(north, "cam", [{ start: T - MINUTE, end: T }])
          const { job } = yield* queue.request(window(5))
          yield* recordings.reconcile(north, "cam", [{ start: T - MINUTE, end: T + MINUTE }])
          const waiting = yield* Effect.fork(queue.lease(north, { wait: "1 minute" }))
          yield* TestClock.adjust(8000 - 1)
          assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
          yield* TestClock.adjust(12)
          assert.strictEqual(Option.getOrThrow(yield* Fiber.join(waiting)).id, job.id)
        }),
      { partDuration: (path) => Effect.succeed(path === "cam" ? "3 seconds" : "1 hour") }
    )

    test("a poll waits: for a request, for a recording to become known, or in vain", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const poll = (node: NodeId) => Effect.fork(queue.lease(node, { wait: "25 seconds" }))
        const [n, s] = [yield* poll(north), yield* poll(south)]
        yield* TestClock.adjust(1)
        const { job } = yield* queue.request(window(60))
        // Without time going on: the request itself wakes it.
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(n)).id, job.id)
        yield* TestClock.adjust("10 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(s)))
        // North is away. South turns out to hold it as well.
        yield* queue.release(job.id, 1)
        yield* holds(bench, south, 600, 0)
        assert.strictEqual(Option.getOrThrow(yield* Fiber.join(s)).lease.token, 2)
        yield* queue.complete(job.id, 2, report)
        const vain = yield* poll(south)
        yield* TestClock.adjust("25 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.join(vain)))
      }))

    test("a poll that is interrupted leaves no lease behind, whenever it is", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        for (const yields of [0, 1, 2, 3, 5, 8]) {
          const poll = yield* Effect.fork(queue.lease(north, { wait: "25 seconds" }))
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
          const exit = yield* Fiber.interrupt(poll)
          if (Exit.isSuccess(exit)) yield* queue.release(id, Option.getOrThrow(exit.value).lease.token)
          assert.strictEqual((yield* queue.get(id)).state, "queued")
        }
      }))

    test("a lease lasts 20 seconds from the last report; then another worker is given it, and the late one is refused", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        yield* holds(bench, south, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        const first = yield* leased(queue, north)
        assert.deepStrictEqual(first.lease, {
          node: north,
          token: 1,
          objectName: id,
          leasedAt: T,
          expiresAt: T + 20_000
        })
        yield* TestClock.adjust("19 seconds")
        assert.strictEqual((yield* queue.progress(id, 1)).state, "leased")
        yield* TestClock.adjust("19 seconds")
        const uploading = yield* queue.progress(id, 1, { sent: 5, total: 10 })
        assert.strictEqual(uploading.state, "uploading")
        assert.deepInclude(uploading, { sent: 5, total: 10 })
        assert.deepInclude(yield* queue.progress(id, 1, { sent: 7 }), { sent: 7, total: 10 })
        assert.strictEqual((yield* queue.list({ node: north })).length, 1)
        // A worker is killed with -9: within 30 seconds another one has the job.
        const waiting = yield* Effect.fork(queue.lease(south, { wait: "30 seconds" }))
        yield* TestClock.adjust("20 seconds")
        const second = Option.getOrThrow(yield* Fiber.join(waiting))
        assert.deepInclude(second, { id, token: 2, attempts: 1 })
        assert.strictEqual(second.lastFailure?.reason, "LeaseExpired")
        assert.strictEqual(second.lease.objectName, `${id}.2`)
        yield* lost(queue.progress(id, 1))
        yield* lost(queue.complete(id, 1, report))
        yield* lost(queue.fail(id, 1, { reason: "StorageError", message: "" }))
        yield* lost(queue.release(id, 1))
        yield* lost(queue.progress(id, 3))
        const done = yield* queue.complete(id, 2, {
          size: 99,
          gaps: [{ start: T - 60_000, end: T - 59_000 }],
          duration: 9000
        })
        assert.deepStrictEqual(done.clip, {
          objectName: `${id}.2`,
          node: south,
          token: 2,
          size: 99,
          mime: "video/mp4",
          duration: 9000,
          gaps: [{ start: T - 60_000, end: T - 59_000 }],
          etag: null
        })
        // Its answer was lost: it says it again.
        assert.deepStrictEqual(yield* queue.complete(id, 2, { size: 99 }), done)
        yield* lost(queue.complete(id, 1, report))
        yield* lost(queue.progress(id, 2))
        yield* lost(queue.complete("019b28eb-1ae2-766c-8d00-e12570bb3070", 1, report), "PlaybackJobNotFound")
        assert.deepStrictEqual(yield* queue.get(id), done)
      }))

    test("a lease that has run out is lost at that moment, not when somebody notices", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        yield* TestClock.adjust("20 seconds")
        yield* lost(queue.complete(id, 1, report))
        assert.strictEqual((yield* leased(queue, north)).lease.token, 2)
      }))

    test(
      "failures: each reason has its own pause, which grows; enough of them make a dead letter, which can be put back",
      (bench) =>
        Effect.gen(function* () {
          const { queue } = bench
          yield* holds(bench, north, 600, 0)
          const { id } = (yield* queue.request(window(60))).job
          const attempt = (reason: Exclude<PlaybackFailureReason, "LeaseExpired">) =>
            Effect.gen(function* () {
              const job = yield* leased(queue, north)
              return yield* queue.fail(id, job.token, { reason, message: "no" })
            })
          const pauses: Array<number> = []
          for (const reason of ["StorageError", "StorageError", "NodeAway", "NodeAway"] as const) {
            const job = yield* attempt(reason)
            assert.strictEqual(job.state, "queued")
            if (job.state !== "queued") return
            const pause = job.notBefore - job.updatedAt
            pauses.push(pause / SECOND)
            yield* TestClock.adjust(pause - 1)
            yield* none(queue, north)
            yield* TestClock.adjust(1)
          }
          assert.deepStrictEqual(pauses, [2, 4, 20, 40])
          // Waiting for a node is no attempt that failed.
          assert.strictEqual((yield* queue.get(id)).attempts, 2)
          const dead = yield* attempt("Truncated")
          assert.deepInclude(dead, { state: "failed", attempts: 3 })
          yield* TestClock.adjust("1 hour")
          yield* none(queue, north)
          assert.deepInclude(yield* queue.retry(id), { state: "queued", attempts: 0, setbacks: 0, token: 5 })
          assert.deepInclude(yield* leased(queue, north), { id, token: 6 })
          yield* queue.complete(id, 6, report)
          yield* lost(queue.retry(id), "PlaybackJobConflict")
        }),
      { maxAttempts: 3 }
    )

    test("a job whose node is away goes to a mirror that is there, and comes back when that is gone as well", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        yield* holds(bench, south, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        // Its worker is at work.
        yield* none(queue, south)
        yield* queue.fail(id, 1, { reason: "NodeAway", message: "no answer" })
        yield* TestClock.adjust("5 seconds")
        yield* none(queue, north)
        yield* leased(queue, south)
        yield* queue.fail(id, 2, { reason: "NodeAway", message: "no answer" })
        yield* TestClock.adjust("10 seconds")
        yield* none(queue, south)
        yield* leased(queue, north)
        yield* queue.fail(id, 3, { reason: "NodeAway", message: "no answer" })
        yield* TestClock.adjust("20 seconds")
        yield* none(queue, north)
        // The mirror's worker has not been heard of for long.
        yield* TestClock.adjust("2 minutes")
        assert.deepInclude(yield* leased(queue, north), { id, token: 4, attempts: 0 })
      }))

    test("nothing recorded is the end, unless another node may hold it", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        yield* holds(bench, south, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        assert.strictEqual((yield* queue.fail(id, 1, { reason: "NothingRecorded", message: "404" })).state, "queued")
        yield* none(queue, north)
        yield* leased(queue, south)
        assert.strictEqual((yield* queue.fail(id, 2, { reason: "NothingRecorded", message: "404" })).state, "failed")
      }))

    test("what a node can never serve is not tried there again, and fails when no other may hold it", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        const failure = { reason: "WorkerError", message: "recorded in another format", final: true } as const
        yield* holds(bench, north, 600, 0)
        yield* holds(bench, south, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        assert.deepInclude(yield* queue.fail(id, 1, failure), { state: "queued", notBefore: T })
        yield* none(queue, north)
        yield* leased(queue, south)
        const ended = yield* queue.fail(id, 2, failure)
        assert.deepInclude(ended, { state: "failed", attempts: 2 })
        // An operator who has put it right puts it back.
        yield* queue.retry(id)
        yield* leased(queue, north)
      }))

    test("an upload in parts outlives its lease on its node, and is abandoned when nobody can go on with it", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        const left = Effect.map(queue.abandoned, (jobs) =>
          jobs.flatMap(({ abandoned }) => (abandoned ?? []).map(({ uploadId }) => uploadId))
        )
        const begin = (id: string, token: number, uploadId: string) =>
          queue.beginUpload(id, token, { uploadId, size: 100, partSize: 16 })
        yield* holds(bench, north, 600, 0)
        yield* holds(bench, south, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        yield* lost(begin(id, 2, "u0"), "LeaseLost")
        yield* begin(id, 1, "u1")
        yield* TestClock.adjust("21 seconds")
        yield* lost(begin(id, 1, "late"), "LeaseLost")
        assert.deepInclude((yield* leased(queue, north)).upload, { uploadId: "u1", objectName: id, node: north })
        assert.deepStrictEqual(yield* left, [])
        // Another node has another cut.
        yield* queue.release(id, 2)
        assert.isUndefined((yield* leased(queue, south)).upload)
        assert.deepStrictEqual(yield* left, ["u1"])
        yield* begin(id, 3, "u2")
        yield* begin(id, 3, "u3")
        assert.deepStrictEqual(yield* left, ["u1", "u2"])
        yield* queue.forgetUploads(id, ["u1", "u2"])
        assert.deepStrictEqual(yield* left, [])
        // Of no use: the storage has lost it, say.
        yield* queue.fail(id, 3, { reason: "StorageError", message: "a part is missing", abandon: true })
        assert.deepStrictEqual(yield* left, ["u3"])
        yield* queue.forgetUploads(id, ["u3"])
        yield* TestClock.adjust("10 seconds")

        // The object is that of the lease that began the upload.
        yield* leased(queue, south)
        yield* begin(id, 4, "u4")
        yield* queue.release(id, 4)
        yield* leased(queue, south)
        yield* lost(queue.complete(id, 5, { ...report, uploadId: "u3" }), "LeaseLost")
        const done = yield* queue.complete(id, 5, { ...report, uploadId: "u4" })
        assert.deepInclude(done.clip, { objectName: `${id}.4`, token: 5 })
        assert.deepStrictEqual(yield* left, [])

        for (const [ago, end] of [
          [70, (other: string) => queue.cancel(other)],
          [80, (other: string) => queue.complete(other, 1, report)],
          [90, (other: string) => queue.fail(other, 1, { reason: "NothingRecorded", message: "404" })]
        ] as const) {
          yield* holds(bench, west, 600, 0, `cam-${ago}`)
          const other = (yield* queue.request(window(ago, { path: `cam-${ago}` }))).job.id
          yield* leased(queue, west)
          yield* begin(other, 1, `u-${ago}`)
          yield* end(other)
        }
        assert.sameMembers([...(yield* left)], ["u-70", "u-80", "u-90"])
      }))

    const swept: Array<string> = []
    test(
      "the object of an upload in parts that a later lease completed is no loser's",
      (bench) =>
        Effect.gen(function* () {
          const { queue } = bench
          yield* holds(bench, north, 600, 0)
          const { id } = (yield* queue.request(window(60))).job
          yield* leased(queue, north)
          yield* queue.beginUpload(id, 1, { uploadId: "u1", size: 100, partSize: 16 })
          yield* queue.release(id, 1)
          yield* leased(queue, north)
          yield* queue.complete(id, 2, { ...report, uploadId: "u1" })
          yield* TestClock.adjust("3 hours")
          assert.deepStrictEqual(swept.splice(0), [`${id}.2`])
        }),
      {
        deleteObject: (name) => Effect.sync(() => swept.push(name))
      }
    )

    test("a window that ends too far in the future is refused, with the limit", ({ queue }) =>
      Effect.gen(function* () {
        const far = yield* Effect.flip(queue.request(window(-7 * 24 * 3600)))
        assert.strictEqual(far.reason, "TooFar")
        assert.include(far.message, "7d")
        assert.strictEqual((yield* Effect.flip(queue.request(window(-1e10)))).reason, "TooFar")
        yield* queue.request(window(-7 * 24 * 3600 + 10))
      }))

    test("a lease that is given back is no attempt", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        assert.deepInclude(yield* queue.release(id, 1), { state: "queued", attempts: 0, notBefore: T })
        assert.deepInclude(yield* leased(queue, north), { id, token: 2 })
      }))

    test("cancelled, whoever has it", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        yield* leased(queue, north)
        const cancelled = yield* queue.cancel(id)
        assert.strictEqual(cancelled.state, "cancelled")
        yield* lost(queue.progress(id, 1))
        yield* lost(queue.complete(id, 1, report))
        assert.deepStrictEqual(yield* queue.cancel(id), cancelled)
        yield* none(queue, north)
        // Another one of the window has the place now.
        const other = (yield* queue.request(window(60))).job
        yield* lost(queue.retry(id), "PlaybackJobConflict")
        yield* queue.cancel(other.id)
        yield* queue.retry(id)
        yield* leased(queue, north)
        yield* queue.complete(id, 2, report)
        yield* lost(queue.cancel(id), "PlaybackJobConflict")
      }))

    test("what nobody serves expires", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const { id } = (yield* queue.request(window(60))).job
        // Counted from when its window is over.
        const future = (yield* queue.request(window(-3600))).job
        yield* TestClock.adjust("1 day")
        assert.strictEqual((yield* queue.get(id)).state, "expired")
        assert.strictEqual((yield* queue.get(future.id)).state, "queued")
        yield* TestClock.adjust("2 hours")
        assert.strictEqual((yield* queue.get(future.id)).state, "expired")
      }))

    test("watch shows a job until it has ended; subscribe shows all", (bench) =>
      Effect.gen(function* () {
        const { queue } = bench
        yield* holds(bench, north, 600, 0)
        const all = yield* queue.subscribe
        const { id } = (yield* queue.request(window(60))).job
        const seen = yield* Effect.fork(Stream.runCollect(Stream.map(queue.watch(id), ({ state }) => state)))
        yield* TestClock.adjust(1)
        yield* queue.request(window(61))
        yield* leased(queue, north)
        yield* queue.progress(id, 1, { sent: 1 })
        yield* queue.complete(id, 1, report)
        assert.deepStrictEqual([...(yield* Fiber.join(seen))], ["queued", "leased", "uploading", "done"])
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(yield* all.clear).map(({ state }) => state),
          ["queued", "queued", "leased", "uploading", "done"]
        )
        assert.deepStrictEqual([...(yield* Stream.runCollect(queue.watch(id)))].length, 1)
        yield* lost(Stream.runCollect(queue.watch("019b28eb-1ae2-766c-8d00-e12570bb3070")), "PlaybackJobNotFound")
      }))

    test(
      "as many unfinished jobs as it takes, and no more",
      ({ queue }) =>
        Effect.gen(function* () {
          const { id } = (yield* queue.request(window(60))).job
          yield* queue.request(window(61))
          yield* lost(queue.request(window(62)), "PlaybackQueueError")
          assert.isFalse((yield* queue.request(window(60))).created)
          yield* queue.cancel(id)
          yield* queue.request(window(62))
        }),
      { maxUnfinished: 2 }
    )

    const deleted: Array<string> = []
    test(
      "what losers uploaded is deleted some time after the end, and the jobs themselves after a month",
      (bench) =>
        Effect.gen(function* () {
          const { queue } = bench
          yield* holds(bench, north, 600, 0)
          const { id } = (yield* queue.request(window(60))).job
          const cancelled = (yield* queue.request(window(600))).job.id
          yield* queue.cancel(cancelled)
          yield* leased(queue, north)
          yield* TestClock.adjust("21 seconds")
          yield* leased(queue, north)
          yield* TestClock.adjust("21 seconds")
          yield* leased(queue, north)
          yield* queue.complete(id, 3, report)
          yield* TestClock.adjust("59 minutes")
          assert.deepStrictEqual(deleted, [])
          yield* TestClock.adjust("3 minutes")
          assert.deepStrictEqual(deleted, [id, `${id}.2`])
          yield* TestClock.adjust("3 hours")
          assert.lengthOf(deleted, 2)
          assert.strictEqual((yield* queue.get(id)).state, "done")
          yield* TestClock.adjust("1 day")
          yield* lost(queue.get(id), "PlaybackJobNotFound")
          yield* lost(queue.get(cancelled), "PlaybackJobNotFound")
          assert.isTrue((yield* queue.request(window(60))).created)
        }),
      {
        deleteObject: (objectName) => Effect.sync(() => deleted.push(objectName)),
        deleteAfter: "1 hour",
        sweepEvery: "2 minutes",
        keepEnded: "1 day"
      }
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("jobs, leases and tokens are there after a restart, and workers have time to report", () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(T)
          const layer = (yield* storage)()
          const open = Effect.gen(function* () {
            const scope = yield* Scope.make()
            const bench = yield* Scope.extend(build(layer), scope)
            yield* holds(bench, north, 600, 0)
            return { ...bench, close: Scope.close(scope, Exit.void) }
          })
          const first = yield* open
          const a = (yield* first.queue.request(window(60))).job.id
          const b = (yield* first.queue.request(window(61))).job.id
          const c = (yield* first.queue.request(window(62))).job.id
          yield* leased(first.queue, north)
          yield* first.queue.progress(a, 1, { sent: 3 })
          yield* leased(first.queue, north)
          yield* first.queue.complete(b, 1, { size: 7, gaps: [{ start: T, end: T + 1 }] })
          const before = yield* first.queue.list()
          yield* first.close
          yield* TestClock.adjust("1 minute")

          const second = yield* open
          assert.deepStrictEqual(
            (yield* second.queue.list()).map((job) =>
              isHeld(job) ? { ...job, lease: { ...job.lease, expiresAt: 0 } } : job
            ),
            before.map((job) => (isHeld(job) ? { ...job, lease: { ...job.lease, expiresAt: 0 } } : job))
          )
          assert.isFalse((yield* second.queue.request(window(61))).created)
          yield* TestClock.adjust("15 seconds")
          yield* second.queue.progress(a, 1, { sent: 4 })
          yield* TestClock.adjust("21 seconds")
          yield* lost(second.queue.progress(a, 1))
          assert.deepInclude(yield* leased(second.queue, north), { id: a, token: 2 })
          yield* second.queue.complete(a, 2, report)
          assert.deepInclude(yield* leased(second.queue, north), { id: c })
          yield* second.close
        })
      )
    }

    it.scoped(
      "any history: one winner, nothing lost, everything ends",
      () =>
        Effect.gen(function* () {
          yield* Effect.promise(() =>
            FastCheck.assert(
              FastCheck.asyncProperty(FastCheck.array(steps, { minLength: 10, maxLength: 60 }), (history) =>
                play(history, options, build).pipe(
                  Effect.scoped,
                  Effect.provide(TestContext.TestContext),
                  Effect.runPromise
                )
              ),
              { numRuns: options.histories ?? 60 }
            )
          )
        }),
      // Long enough to make a counterexample small.
      300_000
    )
  })
}

// The model test -------------------------------------------------------------------------------------------------------

const index = FastCheck.nat(1000)
type Step =
  | { readonly step: "request" | "poll" | "cancel" | "retry"; readonly which: number }
  /** By any lease that was ever given out, newest first: workers that crashed and came back, and late ones, among them. */
  | {
      readonly step: "progress" | "complete" | "fail" | "release" | "upload"
      readonly which: number
      readonly reason: number
    }
  | { readonly step: "time"; readonly millis: number }
  | { readonly step: "setBack"; readonly millis: number }
  | { readonly step: "restart" | "crowd" }

const steps: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  { weight: 3, arbitrary: FastCheck.record({ step: FastCheck.constant("request" as const), which: index }) },
  { weight: 6, arbitrary: FastCheck.record({ step: FastCheck.constant("poll" as const), which: index }) },
  {
    weight: 10,
    arbitrary: FastCheck.record({
      step: FastCheck.constantFrom(
        "progress" as const,
        "complete" as const,
        "fail" as const,
        "release" as const,
        "upload" as const
      ),
      // Mostly the newest leases.
      which: FastCheck.oneof(FastCheck.nat(1), FastCheck.nat(5)),
      reason: index
    })
  },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      step: FastCheck.constant("time" as const),
      millis: FastCheck.oneof(
        FastCheck.nat(5_000),
        FastCheck.integer({ min: 15_000, max: 25_000 }),
        FastCheck.nat(600_000)
      )
    })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({ step: FastCheck.constant("time" as const), millis: FastCheck.nat(3 * 3_600_000) })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({ step: FastCheck.constant("setBack" as const), millis: FastCheck.nat(3_600_000) })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({ step: FastCheck.constantFrom("cancel" as const, "retry" as const), which: index })
  },
  { weight: 1, arbitrary: FastCheck.record({ step: FastCheck.constantFrom("restart" as const, "crowd" as const) }) }
)
const reasons = ["NodeAway", "NothingRecorded", "StorageError", "Truncated", "WorkerError"] as const
const PER_NODE = 2

const play = <E>(
  history: ReadonlyArray<Step>,
  options: PlaybackQueueContractOptions<E>,
  build: (layer: Layer.Layer<PlaybackQueue, E, Recordings.Recordings>) => Effect.Effect<Bench, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(T)
    const settings: PlaybackQueueOptions = {
      perNode: PER_NODE,
      maxAttempts: 3,
      keepEnded: "3650 days",
      expireAfter: "1 hour",
      sweepEvery: "30 days"
    }
    const layer = options.storage === undefined ? options.layer(settings) : (yield* options.storage)(settings)
    const nodes = [north, south, west]
    const open = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const bench = yield* Scope.extend(build(layer), scope)
      yield* holds(bench, north, 600, 0)
      yield* holds(bench, south, 600, 300)
      return { ...bench, close: Scope.close(scope, Exit.void) }
    })
    let bench = yield* open
    // What the outside world knows.
    const acknowledged = new Map<string, PlaybackRequest>()
    const leases: Array<LeasedJob> = []
    const newestToken = new Map<string, number>()
    const winners = new Map<string, number>()
    /** The bucket: who wrote each object last. */
    const bucket = new Map<string, string>()

    const given = (job: LeasedJob) => {
      assert.isAbove(job.lease.token, newestToken.get(job.id) ?? 0, "tokens rise")
      newestToken.set(job.id, job.lease.token)
      leases.unshift(job)
    }
    const asked = (wanted: PlaybackRequest) =>
      Effect.map(bench.queue.request(wanted), ({ job }) => {
        assert.deepInclude(job, { path: wanted.path, start: wanted.start, duration: wanted.duration })
        acknowledged.set(job.id, wanted)
      })
    const poll = (node: NodeId) =>
      Effect.map(bench.queue.lease(node), (found) => {
        if (Option.isSome(found)) given(found.value)
      })

    for (const step of history) {
      const { queue } = bench
      switch (step.step) {
        case "request": {
          // Among them: one that nobody holds, and one that is not over yet.
          const ago = [500, 400, 200, 100, 5000, -30][step.which % 6] ?? 60
          yield* asked(window(ago, { priority: step.which % 3 }))
          break
        }
        case "poll":
          yield* poll(nodes[step.which % nodes.length] ?? north)
          break
        case "crowd":
          // All at once.
          yield* Effect.all(
            [...nodes.map(poll), asked(window(200)), asked(window(200)), ...nodes.map(poll), poll(north), poll(north)],
            { concurrency: "unbounded" }
          )
          break
        case "cancel":
        case "retry": {
          const id = [...acknowledged.keys()][step.which % Math.max(1, acknowledged.size)]
          if (id === undefined) break
          yield* Effect.ignore(step.step === "cancel" ? queue.cancel(id) : queue.retry(id))
          break
        }
        case "progress":
        case "complete":
        case "fail":
        case "release":
        case "upload": {
          const held = leases[step.which % Math.max(1, leases.length)]
          if (held === undefined) break
          const { id } = held
          const { objectName, token } = held.lease
          // An upload that was signed goes through, whatever has become of the lease.
          if (step.step === "upload" || step.step === "complete") bucket.set(objectName, `${id} ${token}`)
          if (step.step === "upload") break
          const call: Effect.Effect<unknown, unknown> =
            step.step === "progress"
              ? queue.progress(id, token, step.reason % 2 === 0 ? {} : { sent: step.reason })
              : step.step === "complete"
                ? queue.complete(id, token, { size: token })
                : step.step === "fail"
                  ? queue.fail(id, token, { reason: reasons[step.reason % reasons.length] ?? "NodeAway", message: "" })
                  : queue.release(id, token)
          const exit = yield* Effect.exit(call)
          if (Exit.isFailure(exit)) break
          assert.strictEqual(token, newestToken.get(id), "only the newest lease is heard")
          if (step.step === "complete") {
            assert.strictEqual(winners.get(id) ?? token, token, "one winner")
            winners.set(id, token)
          } else assert.isFalse(winners.has(id), "a job that is done changes no more")
          break
        }
        case "time":
          yield* TestClock.adjust(step.millis)
          break
        case "setBack":
          yield* Effect.flatMap(TestClock.currentTimeMillis, (now) => TestClock.setTime(now - step.millis))
          break
        case "restart":
          if (options.storage === undefined) break
          yield* bench.close
          bench = yield* open
          break
      }
      const jobs = yield* bench.queue.list({ limit: 1000 })
      assert.deepStrictEqual(new Set(jobs.map(({ id }) => id)), new Set(acknowledged.keys()), "nothing is lost")
      const windows = jobs
        .filter((job) => !isEnded(job) || job.state === "done")
        .map(({ duration, path, start }) => `${path} ${start} ${duration}`)
      assert.lengthOf(windows, new Set(windows).size, "one job of a window")
      for (const node of nodes) {
        assert.isAtMost(jobs.filter((job) => isHeld(job) && job.lease.node === node).length, PER_NODE)
      }
      for (const job of jobs) {
        assert.strictEqual(job.state === "done", winners.has(job.id), "done is what a worker was told")
        if (job.state === "done") {
          assert.strictEqual(job.clip.token, winners.get(job.id))
          assert.strictEqual(
            bucket.get(job.clip.objectName),
            `${job.id} ${job.clip.token}`,
            "the winner's object is its own"
          )
        }
      }
    }
    // Nobody does anything any more. The clock may have been set back by hours, and timers wait for the time that they know.
    for (let hour = 0; hour < 40; hour++) {
      if ((yield* bench.queue.list({ limit: 1000 })).every(isEnded)) break
      yield* TestClock.adjust("1 hour")
    }
    for (const job of yield* bench.queue.list({ limit: 1000 })) {
      assert.isTrue(isEnded(job), `${job.id} is ${job.state} for ever`)
    }
    yield* bench.close
  })
