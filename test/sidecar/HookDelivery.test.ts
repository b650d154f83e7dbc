/** Hooks on their way to a manager that is away, answers late, or refuses one: on the test's clock, over real files. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { make, RETRY_MOST, refusedOf } from "../../src-sidecar/updater/HookDelivery.js"
import * as HookSpool from "../../src-sidecar/updater/HookSpool.js"
import { HookRefused, NoAnswer, Upstream } from "../../src-sidecar/updater/Upstream.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-delivery-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
const away = new NoAnswer({ message: "the manager is away", late: false })
const pathsOf = (body: string): ReadonlyArray<string> => {
  const json: unknown = JSON.parse(body)
  return (Array.isArray(json) ? json : [json]).map(({ path }) => path)
}

/** Waits, in turns of the event loop (files take real time) and not by the clock. */
const until = (what: string, holds: () => boolean) =>
  Effect.promise(async () => {
    for (let turn = 0; turn < 5_000; turn++) {
      if (holds()) return
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    throw new Error(`never: ${what}`)
  })

const setUp = Effect.gen(function* () {
  const path = yield* folder
  const world = {
    path,
    got: [] as Array<string>,
    tries: 0,
    manager: (_: string): Effect.Effect<void, NoAnswer | HookRefused> => Effect.void
  }
  const spool = yield* HookSpool.make({ folder: path, limit: 1024 * 1024 })
  const delivery = yield* make(spool, path).pipe(
    Effect.provideService(Upstream, {
      hook: (body) =>
        Effect.suspend(() => {
          world.tries += 1
          return Effect.tap(world.manager(body), () => Effect.sync(() => world.got.push(...pathsOf(body))))
        }),
      decide: () => Effect.succeed({ _tag: "Allow" })
    })
  )
  const append = (n: number) => spool.append({ event: "init", path: `p${n}` })
  return { world, spool, delivery, append, fiber: yield* Effect.forkScoped(delivery.run) }
})

const paths = (count: number) => Array.from({ length: count }, (_, n) => `p${n}`)

describe("HookDelivery", () => {
  it.scoped("a manager that is away for ten minutes loses no hook: all come, each once, in order, soon after", () =>
    Effect.gen(function* () {
      const { append, delivery, world } = yield* setUp
      yield* append(0)
      yield* until("the first", () => world.got.length === 1)
      assert.isUndefined(yield* delivery.problem)
      world.manager = () => Effect.fail(away)
      for (let n = 1; n <= 150; n++) {
        yield* append(n)
        yield* TestClock.adjust("4 seconds")
      }
      assert.strictEqual(world.got.length, 1)
      assert.strictEqual(yield* delivery.problem, "the manager is away")
      const tries = world.tries
      // Some dozens of attempts, not thousands.
      assert.isAbove(world.tries, 40)
      assert.isBelow(world.tries, 200)
      world.manager = () => Effect.void
      yield* TestClock.adjust(RETRY_MOST)
      // Jitter.
      yield* TestClock.adjust("2 seconds")
      yield* until("all of them", () => world.got.length === 151)
      assert.deepStrictEqual(world.got, paths(151))
      // The first alone, which was tried all the time; the rest in lists of a hundred.
      assert.strictEqual(world.tries - tries, 3)
      assert.isUndefined(yield* delivery.problem)
    })
  )

  it.scoped("what may or may not have arrived is sent once more, the very same, before anything after it", () =>
    Effect.gen(function* () {
      const { append, world } = yield* setUp
      const sent: Array<string> = []
      let lost = 2
      world.manager = (body) => {
        sent.push(body)
        return lost-- > 0 ? Effect.fail(new NoAnswer({ message: "the answer broke off", late: false })) : Effect.void
      }
      yield* append(0)
      yield* until("an attempt", () => sent.length > 0)
      yield* append(1)
      for (let n = 0; n < 20; n++) {
        yield* TestClock.adjust("1 seconds")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      }
      yield* until("both", () => world.got.length === 2)
      assert.deepStrictEqual(sent.slice(0, 3), [sent[0], sent[0], sent[0]])
      assert.deepStrictEqual(sent.flatMap(pathsOf), ["p0", "p0", "p0", "p1"])
    })
  )

  it.scoped("what the manager refuses for good is kept aside, and holds up nothing", () =>
    Effect.gen(function* () {
      const { append, world } = yield* setUp
      world.manager = (body) =>
        pathsOf(body).includes("p1") ? Effect.fail(new HookRefused({ message: "there is no such event" })) : Effect.void
      yield* Effect.forEach([0, 1, 2], append, { concurrency: "unbounded" })
      yield* until("the others", () => world.got.length === 2)
      assert.deepStrictEqual(world.got, ["p0", "p2"])
      assert.deepInclude(JSON.parse(readFileSync(refusedOf(world.path), "utf8")), { path: "p1" })
    })
  )

  it.scoped("a delivery that is stopped while the manager is away leaves its hook for the next run", () =>
    Effect.gen(function* () {
      const { append, fiber, spool, world } = yield* setUp
      world.manager = () => Effect.fail(away)
      yield* append(0)
      yield* until("an attempt", () => world.tries > 0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        (yield* spool.peek).flatMap(({ body }) => pathsOf(body)),
        ["p0"]
      )
    })
  )
})
