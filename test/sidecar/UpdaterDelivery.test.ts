/** When the updater writes, waits, goes back and tries again: the same code as in the program, on the test's clock. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { FileError } from "../../src-sidecar/support/ReplaceFile.js"
import { ConfigChecker } from "../../src-sidecar/updater/ConfigChecker.js"
import { type ConfigFile, configFrom } from "../../src-sidecar/updater/ConfigText.js"
import { BACK_OFF, Delivery, DOWN, layer, SETTLE, SPACING } from "../../src-sidecar/updater/Delivery.js"
import { Manager, ManagerError } from "../../src-sidecar/updater/Manager.js"
import { Server, ServerError } from "../../src-sidecar/updater/Server.js"
import { noState, type State, Store } from "../../src-sidecar/updater/Store.js"
import type { Verdict } from "../../src-sidecar/updater/Verdict.js"
import { rendered } from "../support/Sidecar.js"

const file = (name: string): ConfigFile => {
  const config = configFrom(Buffer.from(rendered(`paths:\n  ${name}: {}`)))
  if (config === undefined) throw new Error("not UTF-8")
  return config
}
const a = file("a")
const b = file("b")
const c = file("c")

const accepted: Verdict = { accepted: true, problems: [], warnings: [], apiStays: true, probes: [] }

/** All of the updater's surroundings as plain values that a test sets and reads. */
const makeWorld = (given: { readonly api?: boolean; readonly current?: ConfigFile; readonly state?: State } = {}) => {
  const world = {
    wanted: a as ConfigFile | ManagerError,
    current: given.current,
    lastGood: given.current,
    state: given.state ?? (given.current === undefined ? noState : { checked: [given.current.hash] }),
    writes: [] as Array<{ readonly hash: string; readonly at: number }>,
    polls: 0,
    checks: 0,
    verdict: (_: ConfigFile["text"]): Verdict => accepted,
    diskFull: false,
    /** Configs that MediaMTX ends at. */
    deadly: new Set<string>(),
    up: true,
    started: 1_000,
    lagging: 0
  }
  const full = new FileError({ code: "ENOSPC", message: "the disk is full" })
  const store = Layer.succeed(Store, {
    current: Effect.sync(() => world.current),
    lastGood: Effect.sync(() => world.lastGood),
    writtenAt: Effect.succeed(undefined),
    replace: (config) =>
      Effect.gen(function* () {
        if (world.diskFull) return yield* full
        const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        world.current = config
        world.writes.push({ hash: config.hash, at })
        if (world.deadly.has(config.hash)) world.up = false
      }),
    keepAsLastGood: (config) =>
      Effect.suspend(() => {
        if (world.diskFull) return Effect.fail(full)
        world.lastGood = config
        return Effect.void
      }),
    state: Effect.sync(() => world.state),
    note: (state) =>
      Effect.suspend(() => {
        if (world.diskFull) return Effect.fail(full)
        world.state = state
        return Effect.void
      }),
    recover: Effect.succeed(0)
  })
  const manager = Layer.succeed(Manager, {
    config: (have) =>
      Effect.suspend(() => {
        world.polls += 1
        const { wanted } = world
        if (wanted instanceof ManagerError) return Effect.fail(wanted)
        return Effect.succeed(wanted.hash === have ? undefined : wanted)
      }),
    heartbeat: () => Effect.succeed({ configHash: null, commands: [] })
  })
  const gone = new ServerError({ reason: "Gone", message: "nothing listens there" })
  const server = Layer.succeed(
    Server,
    given.api === false
      ? undefined
      : {
          info: Effect.suspend(() =>
            world.up ? Effect.succeed({ version: "v1.20.1", started: world.started }) : Effect.fail(gone)
          ),
          paths: Effect.succeed([]),
          lagging: (probes) => Effect.sync(() => (world.lagging-- > 0 ? probes : [])),
          kick: () => Effect.succeed(true)
        }
  )
  const checker = Layer.succeed(ConfigChecker, {
    check: ({ text }) =>
      Effect.sync(() => {
        world.checks += 1
        return world.verdict(text)
      })
  })
  return { world, layer: Layer.provide(layer, Layer.mergeAll(store, manager, server, checker)) }
}

/** Runs it while the clock goes on as far as it takes. */
const within = <A>(effect: Effect.Effect<A>, duration: Duration.DurationInput) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    const step = Duration.millis(100)
    for (let at = Duration.zero; Duration.lessThan(at, duration); at = Duration.sum(at, step)) {
      yield* TestClock.adjust(step)
      yield* Effect.yieldNow()
    }
    return yield* Fiber.join(fiber)
  })

const enough = Duration.sum(Duration.sum(SETTLE, DOWN), Duration.seconds(10))

describe("Delivery", () => {
  it.effect("waits two seconds between writes, and writes what is newest then", () => {
    const { world, layer } = makeWorld({ api: false })
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      assert.deepStrictEqual(world.writes, [{ hash: a.hash, at: 0 }])
      world.wanted = b
      const cycle = yield* Effect.fork(delivery.cycle)
      yield* TestClock.adjust("1900 millis")
      assert.strictEqual(world.writes.length, 1)
      world.wanted = c
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(cycle)
      assert.deepStrictEqual(world.writes.slice(1), [{ hash: c.hash, at: Duration.toMillis(SPACING) }])
      assert.strictEqual((yield* delivery.report).appliedHash, c.hash)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a clock that jumps does not shorten or lengthen the distance between writes", () => {
    const { world, layer } = makeWorld({ api: false })
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      world.wanted = b
      // The wall clock says a day earlier from here on; the monotonic one goes on.
      const cycle = yield* Effect.fork(
        Effect.clockWith((clock) => {
          const set = Object.create(clock, { currentTimeMillis: { value: Effect.succeed(-86_400_000) } })
          return Effect.withClock(delivery.cycle, set)
        })
      )
      yield* TestClock.adjust("1900 millis")
      assert.strictEqual(world.writes.length, 1)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(cycle)
      assert.strictEqual(world.writes.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a config that MediaMTX lives with becomes the last good one, after it has settled", () => {
    const { world, layer } = makeWorld({ current: a })
    world.wanted = b
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      const cycle = yield* Effect.fork(delivery.cycle)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(world.current, b)
      assert.strictEqual(world.lastGood, a)
      assert.strictEqual(world.state.trial, b.hash)
      // Not applied before it is clear.
      assert.strictEqual((yield* delivery.report).appliedHash, a.hash)
      yield* within(Fiber.join(cycle), SETTLE)
      assert.strictEqual(world.lastGood, b)
      assert.strictEqual(world.state.trial, undefined)
      assert.deepInclude(yield* delivery.report, { appliedHash: b.hash, problem: undefined })
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "puts the last good one back when MediaMTX went away, and leaves that hash alone for longer each time",
    () => {
      const { world, layer } = makeWorld({ current: a })
      world.wanted = b
      world.deadly.add(b.hash)
      return Effect.gen(function* () {
        const delivery = yield* Delivery
        yield* delivery.start
        yield* within(delivery.cycle, enough)
        assert.deepStrictEqual(
          world.writes.map(({ hash }) => hash),
          [b.hash, a.hash]
        )
        assert.isAtLeast((world.writes[1]?.at ?? 0) - (world.writes[0]?.at ?? 0), Duration.toMillis(DOWN))
        const report = yield* delivery.report
        assert.strictEqual(report.appliedHash, a.hash)
        assert.match(report.problem ?? "", /went away/)
        assert.strictEqual(world.lastGood, a)
        assert.strictEqual(world.state.failed?.hash, b.hash)
        assert.deepStrictEqual(world.state.checked[0], a.hash)

        world.up = true
        const checks = world.checks
        yield* TestClock.adjust("30 seconds")
        yield* delivery.cycle
        assert.strictEqual(world.writes.length, 2)
        assert.strictEqual(world.checks, checks)

        // The pause is over: once more, with the same end, and twice the pause.
        yield* TestClock.adjust(BACK_OFF)
        yield* within(delivery.cycle, enough)
        assert.strictEqual(world.writes.length, 4)
        world.up = true
        yield* TestClock.adjust(BACK_OFF)
        yield* delivery.cycle
        assert.strictEqual(world.writes.length, 4)

        // Another config is not held up by that.
        world.wanted = c
        yield* within(delivery.cycle, enough)
        assert.strictEqual(world.current, c)
        assert.deepInclude(yield* delivery.report, { appliedHash: c.hash, problem: undefined })
        assert.strictEqual(world.state.failed, undefined)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("a MediaMTX that comes back in time has lived with it; one that goes up and down has not", () => {
    const { world, layer } = makeWorld({ current: a })
    world.wanted = b
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      const cycle = yield* Effect.fork(delivery.cycle)
      yield* TestClock.adjust("1 seconds")
      world.up = false
      yield* within(Effect.void, "5 seconds")
      world.up = true
      world.started += 6_000
      yield* within(Fiber.join(cycle), "5 seconds")
      assert.strictEqual((yield* delivery.report).appliedHash, b.hash)

      world.wanted = c
      const next = yield* Effect.fork(delivery.cycle)
      for (let times = 0; times < 4; times++) {
        yield* within(Effect.void, "2 seconds")
        world.started += 2_000
      }
      yield* within(Fiber.join(next), "5 seconds")
      assert.strictEqual(world.current, b)
    }).pipe(Effect.provide(layer))
  })

  it.effect("what was away before the change is not taken as its victim", () => {
    const { world, layer } = makeWorld({ current: a })
    world.up = false
    world.wanted = b
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      assert.strictEqual(world.current, b)
      // Not known to work until MediaMTX is seen with it.
      assert.strictEqual(world.lastGood, a)
      world.up = true
      yield* within(delivery.cycle, SPACING)
      assert.strictEqual(world.lastGood, b)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a config that takes the API away is not judged by the API", () => {
    const { world, layer } = makeWorld({ current: a })
    world.wanted = b
    world.verdict = () => ({ ...accepted, apiStays: false })
    world.deadly.add(b.hash)
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      assert.strictEqual(world.current, b)
      assert.deepInclude(yield* delivery.report, { appliedHash: b.hash, apiExpected: false })
    }).pipe(Effect.provide(layer))
  })

  it.effect("writes a change once more that MediaMTX missed, and says so when that did not help", () => {
    const { world, layer } = makeWorld({ current: a })
    world.verdict = () => ({ ...accepted, probes: [{ get: "paths/get/b", was: false, now: true }] })
    world.wanted = b
    world.lagging = 1
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* within(delivery.cycle, enough)
      assert.deepStrictEqual(
        world.writes.map(({ hash }) => hash),
        [b.hash, b.hash]
      )
      assert.strictEqual((yield* delivery.report).problem, undefined)

      world.wanted = c
      world.lagging = 3
      yield* within(delivery.cycle, enough)
      assert.strictEqual(world.writes.length, 4)
      assert.match((yield* delivery.report).problem ?? "", /old values: paths\/get\/b is not there yet/)
      assert.strictEqual(world.lastGood, b)
      yield* delivery.cycle
      yield* delivery.cycle
      assert.strictEqual((yield* delivery.report).problem, undefined)
      assert.strictEqual(world.lastGood, c)
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses what ends the server, and does not check it again and again", () => {
    const { world, layer } = makeWorld({ current: a })
    world.wanted = b
    world.verdict = (text) => (text === b.text ? { ...accepted, accepted: false, problems: ["bad"] } : accepted)
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      yield* delivery.cycle
      yield* delivery.cycle
      assert.strictEqual(world.checks, 1)
      assert.deepStrictEqual(world.writes, [])
      assert.match((yield* delivery.report).problem ?? "", /refused: bad/)
      // The manager went back to what is in place: all is well.
      world.wanted = a
      yield* delivery.cycle
      assert.strictEqual((yield* delivery.report).problem, undefined)
    }).pipe(Effect.provide(layer))
  })

  it.effect("a full disk is reported, leaves what is there, and is got over", () => {
    const { world, layer } = makeWorld({ current: a, api: false })
    world.wanted = b
    world.diskFull = true
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      yield* delivery.cycle
      assert.strictEqual(world.current, a)
      assert.deepInclude(yield* delivery.report, { appliedHash: a.hash, problem: "the disk is full" })
      world.diskFull = false
      yield* delivery.cycle
      assert.strictEqual(world.current, b)
      assert.deepInclude(yield* delivery.report, { appliedHash: b.hash, problem: undefined })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a way back that the full disk barred is gone later", () => {
    const { world, layer } = makeWorld({ current: a })
    world.wanted = b
    world.deadly.add(b.hash)
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* delivery.start
      const cycle = yield* Effect.fork(delivery.cycle)
      yield* TestClock.adjust("1 seconds")
      world.diskFull = true
      yield* within(Fiber.join(cycle), enough)
      assert.strictEqual(world.current, b)
      world.diskFull = false
      yield* within(delivery.cycle, enough)
      assert.strictEqual(world.current, a)
    }).pipe(Effect.provide(layer))
  })

  it.effect("an updater that was killed during a trial goes on with it", () => {
    const { world, layer } = makeWorld({ current: b, state: { checked: [b.hash, a.hash], trial: b.hash } })
    world.lastGood = a
    world.wanted = b
    world.up = false
    return Effect.gen(function* () {
      const delivery = yield* Delivery
      yield* within(delivery.start, enough)
      assert.strictEqual(world.current, a)
      world.up = true
      // And remembers the result.
      yield* delivery.cycle
      assert.strictEqual(world.current, a)
      assert.strictEqual((yield* delivery.report).appliedHash, a.hash)
    }).pipe(Effect.provide(layer))
  })
})
