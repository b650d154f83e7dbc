import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Either, Exit, Fiber, Ref, Scope } from "effect"
import * as GroupCommit from "../../src/sql/GroupCommit.js"

const options = {
  full: () => "full",
  closed: () => "closed",
  died: (cause: Cause.Cause<string>) => `died: ${Cause.pretty(cause).split("\n")[0]}`
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n)

/** A commit that remembers its batches and answers each item with its double. */
const recorder = Effect.map(Ref.make<ReadonlyArray<ReadonlyArray<number>>>([]), (batches) => ({
  batches: Ref.get(batches),
  commit: (batch: ReadonlyArray<number>) =>
    Effect.as(
      Ref.update(batches, (all) => [...all, batch]),
      batch.map((n) => n * 2)
    )
}))

/** A commit that waits for its gate, so that the queue behind it fills up. */
const gated = Effect.gen(function* () {
  const { batches, commit } = yield* recorder
  const gate = yield* Deferred.make<void>()
  const entered = yield* Deferred.make<void>()
  return {
    batches,
    entered: Deferred.await(entered),
    open: Deferred.succeed(gate, undefined),
    commit: (batch: ReadonlyArray<number>) =>
      Deferred.succeed(entered, undefined).pipe(Effect.zipRight(Deferred.await(gate)), Effect.zipRight(commit(batch)))
  }
})

describe("GroupCommit", () => {
  it.scoped("what comes in one turn is one batch, in order; each gets its own answer", () =>
    Effect.gen(function* () {
      const { batches, commit } = yield* recorder
      const group = yield* GroupCommit.make<number, number, string>({ ...options, commit })
      const answers = yield* Effect.forEach(range(150), (n) => group.submit(n, 1), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers,
        range(150).map((n) => n * 2)
      )
      assert.deepStrictEqual(yield* batches, [range(150)])
    })
  )

  it.scoped("a batch has its bound, and the rest follows", () =>
    Effect.gen(function* () {
      const { batches, commit } = yield* recorder
      const group = yield* GroupCommit.make<number, number, string>({ ...options, commit, maxBatch: 40 })
      yield* Effect.forEach(range(100), (n) => group.submit(n, 1), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        (yield* batches).map((batch) => batch.length),
        [40, 40, 20]
      )
      assert.deepStrictEqual((yield* batches).flat(), range(100))
      assert.strictEqual(group.queued(), 0)
    })
  )

  it.scoped("a batch has its size, which a single item may exceed", () =>
    Effect.gen(function* () {
      const { batches, commit } = yield* recorder
      const group = yield* GroupCommit.make<number, number, string>({ ...options, commit, maxBatchSize: 100 })
      const sizes = [40, 60, 1, 500, 50, 50, 50]
      const answers = yield* Effect.forEach(sizes, (size, n) => group.submit(n, size), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers,
        range(7).map((n) => n * 2)
      )
      assert.deepStrictEqual(yield* batches, [[0, 1], [2], [3], [4, 5], [6]])
    })
  )

  it.scoped("fails at once when the queue is full, by count and by size, and recovers", () =>
    Effect.gen(function* () {
      const { commit, open, entered } = yield* gated
      const group = yield* GroupCommit.make<number, number, string>({
        ...options,
        commit,
        maxQueued: 5,
        maxQueuedSize: 100
      })
      const first = yield* Effect.fork(group.submit(0, 1000))
      yield* entered
      const queued = yield* Effect.forEach([1, 2], (n) => Effect.fork(group.submit(n, 45)))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* Effect.flip(group.submit(3, 11)), "full", "by size")
      const small = yield* Effect.forEach([4, 5, 6], (n) => Effect.fork(group.submit(n, 1)))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* Effect.flip(group.submit(7, 1)), "full", "by count")
      assert.strictEqual(group.queued(), 5)
      yield* open
      assert.deepStrictEqual(yield* Effect.forEach([first, ...queued, ...small], Fiber.join), [0, 2, 4, 8, 10, 12])
      assert.strictEqual(yield* group.submit(8, 99), 16)
    })
  )

  it.scoped("a failed batch fails each of its callers and no other", () =>
    Effect.gen(function* () {
      const group = yield* GroupCommit.make<number, number, string>({
        ...options,
        maxBatch: 10,
        commit: (batch) =>
          batch.includes(13) ? Effect.fail("no 13") : batch.includes(25) ? Effect.die("a bug") : Effect.succeed(batch)
      })
      const answers = yield* Effect.forEach(range(40), (n) => Effect.either(group.submit(n, 1)), {
        concurrency: "unbounded"
      })
      answers.forEach((answer, n) => {
        if (n < 10 || n >= 30) assert.deepStrictEqual(answer, Either.right(n))
        else if (n < 20) assert.deepStrictEqual(answer, Either.left("no 13"))
        else assert.include(Either.isLeft(answer) ? answer.left : "", "a bug")
      })
    })
  )

  it.scoped("an item is committed once, whether or not its caller still waits", () =>
    Effect.gen(function* () {
      const { commit, open, entered, batches } = yield* gated
      const group = yield* GroupCommit.make<number, number, string>({ ...options, commit })
      const inCommit = yield* Effect.fork(group.submit(1, 1))
      yield* entered
      const inQueue = yield* Effect.fork(group.submit(2, 1))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(inCommit)
      yield* Fiber.interrupt(inQueue)
      const last = yield* Effect.fork(group.submit(3, 1))
      yield* open
      assert.strictEqual(yield* Fiber.join(last), 6)
      assert.deepStrictEqual((yield* batches).flat(), [1, 2, 3])
    })
  )

  it.effect("the close commits and acknowledges what is queued, and refuses what comes after", () =>
    Effect.gen(function* () {
      const { commit, open, entered } = yield* gated
      const scope = yield* Scope.make()
      const group = yield* Scope.extend(
        GroupCommit.make<number, number, string>({ ...options, commit, maxBatch: 10 }),
        scope
      )
      const fibers = yield* Effect.forEach(range(35), (n) => Effect.fork(group.submit(n, 1)))
      yield* entered
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.yieldNow()
      assert.strictEqual(yield* Effect.flip(group.submit(99, 1)), "closed")
      yield* open
      assert.deepStrictEqual(
        yield* Effect.forEach(fibers, Fiber.join),
        range(35).map((n) => n * 2)
      )
      yield* Fiber.join(closing)
    })
  )
})
