/** What the relay answers MediaMTX while the manager decides, is slow, or is away: on the test's clock. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { type AuthOptions, type AuthRelay, BREAK, make } from "../../src-sidecar/updater/AuthRelay.js"
import { type Decision, NoAnswer, Upstream } from "../../src-sidecar/updater/Upstream.js"

const question = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    ip: "192.0.2.7",
    user: "alice",
    password: "p1",
    token: "p1",
    action: "read",
    path: "cam",
    protocol: "rtsp",
    id: "c3c3c74b",
    query: "",
    userAgent: "Lavf59",
    ...more
  })

const refused = new NoAnswer({ message: "nothing listens there", late: false })
const allow: Decision = { _tag: "Allow" }
const deny: Decision = { _tag: "Deny", status: 403, body: '{"message":"no"}' }

const seconds = Duration.seconds
const makeWorld = (options: Partial<AuthOptions> = {}) => {
  const world = {
    asked: [] as Array<string>,
    /** What the manager does with a question. */
    manager: Effect.succeed(allow) as Effect.Effect<Decision, NoAnswer>
  }
  const upstream = Layer.succeed(Upstream, {
    hook: () => Effect.void,
    decide: (body, within) =>
      Effect.suspend(() => {
        world.asked.push(body)
        return Effect.timeoutFail(world.manager, {
          duration: within,
          onTimeout: () => new NoAnswer({ message: "no answer in time", late: true })
        })
      })
  })
  const relay = make({ cache: seconds(5), lastDecision: Duration.zero, deadline: seconds(3), ...options })
  const use = <A, E>(
    body: (
      relay: AuthRelay,
      ask: (more?: Readonly<Record<string, unknown>>) => Effect.Effect<number>
    ) => Effect.Effect<A, E>
  ) =>
    Effect.scoped(
      Effect.flatMap(relay, (made) =>
        body(made, (more) => Effect.map(made.answer(question(more)), ({ status }) => status))
      )
    ).pipe(Effect.provide(upstream))
  return { world, use }
}

describe("AuthRelay", () => {
  it.effect("asks the manager with what MediaMTX sent, and remembers a permission for as long as it was told", () => {
    const { use, world } = makeWorld()
    return use((_, ask) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* ask(), 204)
        assert.deepStrictEqual(world.asked, [question()])
        // MediaMTX asks again for the same client, as another session and without its user agent.
        assert.strictEqual(yield* ask({ id: null, userAgent: "" }), 204)
        yield* TestClock.adjust("4999 millis")
        assert.strictEqual(yield* ask(), 204)
        assert.strictEqual(world.asked.length, 1)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* ask(), 204)
        assert.strictEqual(world.asked.length, 2)
      })
    )
  })

  it.effect("any other part of the question is another question", () => {
    const { use, world } = makeWorld()
    return use((_, ask) =>
      Effect.gen(function* () {
        yield* ask()
        const others: ReadonlyArray<Readonly<Record<string, unknown>>> = [
          { ip: "192.0.2.8" },
          { user: "bob" },
          { password: "p2" },
          { token: "t" },
          { action: "publish" },
          { path: "cam2" },
          { protocol: "hls" },
          { query: "token=x" },
          // Nothing runs together.
          { user: "alicep1", password: "" }
        ]
        world.manager = Effect.succeed(deny)
        for (const other of others) assert.strictEqual(yield* ask(other), 403)
        assert.strictEqual(world.asked.length, 1 + others.length)
        assert.strictEqual(yield* ask(), 204)
      })
    )
  })

  it.effect("never remembers a denial, hands it on as it is, and forgets the permission before it", () => {
    const { use, world } = makeWorld({ lastDecision: Duration.minutes(10) })
    return use((relay, ask) =>
      Effect.gen(function* () {
        world.manager = Effect.succeed(deny)
        assert.deepStrictEqual(yield* relay.answer(question()), { status: 403, body: '{"message":"no"}' })
        world.manager = Effect.succeed<Decision>({ _tag: "Deny", status: 401, body: "" })
        assert.strictEqual(yield* ask(), 401)
        world.manager = Effect.succeed(allow)
        assert.strictEqual(yield* ask(), 204)
        assert.strictEqual(world.asked.length, 3)
        yield* TestClock.adjust("5 seconds")
        world.manager = Effect.succeed(deny)
        assert.strictEqual(yield* ask(), 403)
        world.manager = Effect.fail(refused)
        assert.strictEqual(yield* ask(), 503)
      })
    )
  })

  it.effect("asks once for the same question at the same time, and not through whoever came first", () => {
    const { use, world } = makeWorld()
    return use((_, ask) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<Decision>()
        world.manager = Deferred.await(gate)
        const first = yield* Effect.fork(ask())
        yield* Effect.yieldNow()
        const others = yield* Effect.fork(Effect.all([ask(), ask({ id: "other" })], { concurrency: "unbounded" }))
        yield* Effect.yieldNow()
        // Its client has gone.
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, allow)
        assert.deepStrictEqual(yield* Fiber.join(others), [204, 204])
        assert.strictEqual(world.asked.length, 1)
      })
    )
  })

  it.effect("denies within the deadline, then for a while at once, then asks again", () => {
    const { use, world } = makeWorld()
    return use((_, ask) =>
      Effect.gen(function* () {
        world.manager = Effect.never
        const slow = yield* Effect.fork(ask())
        yield* TestClock.adjust("2999 millis")
        assert.isNull(slow.unsafePoll())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(slow), 503)
        // MediaMTX has stood still for 3 seconds: it must not do so for each of a hundred readers.
        for (let n = 0; n < 100; n++) assert.strictEqual(yield* ask({ user: `u${n}` }), 503)
        assert.strictEqual(world.asked.length, 1)
        yield* TestClock.adjust(BREAK)
        world.manager = Effect.succeed(allow)
        assert.strictEqual(yield* ask(), 204)
        assert.strictEqual(yield* ask({ user: "u1" }), 204)
      })
    )
  })

  it.effect("a manager that refuses connections is asked each time: that costs nothing", () => {
    const { use, world } = makeWorld()
    return use((_, ask) =>
      Effect.gen(function* () {
        world.manager = Effect.fail(refused)
        for (let n = 0; n < 3; n++) assert.strictEqual(yield* ask(), 503)
        assert.strictEqual(world.asked.length, 3)
        world.manager = Effect.succeed(allow)
        assert.strictEqual(yield* ask(), 204)
      })
    )
  })

  it.effect(
    "lets the last permission hold while the manager is away, for as long as it was told and not longer",
    () => {
      const { use, world } = makeWorld({ lastDecision: Duration.minutes(10) })
      return use((_, ask) =>
        Effect.gen(function* () {
          yield* ask()
          world.manager = Effect.fail(refused)
          yield* TestClock.adjust("9 minutes")
          assert.strictEqual(yield* ask(), 204)
          assert.strictEqual(yield* ask({ user: "stranger" }), 503)
          assert.strictEqual(yield* ask({ action: "publish" }), 503)
          // It holds from the manager's word on, not from its last use.
          yield* TestClock.adjust("1 minutes")
          assert.strictEqual(yield* ask(), 204)
          yield* TestClock.adjust("1 millis")
          assert.strictEqual(yield* ask(), 503)
          world.manager = Effect.succeed(allow)
          assert.strictEqual(yield* ask(), 204)
        })
      )
    }
  )

  it.effect("a wall clock that is set does nothing", () => {
    const { use, world } = makeWorld({ lastDecision: Duration.minutes(1) })
    return use((_, ask) =>
      Effect.gen(function* () {
        yield* ask()
        world.manager = Effect.fail(refused)
        for (const value of [-86_400_000, 86_400_000]) {
          const status = yield* Effect.clockWith((clock) =>
            Effect.withClock(ask(), Object.create(clock, { currentTimeMillis: { value: Effect.succeed(value) } }))
          )
          assert.strictEqual(status, 204)
        }
      })
    )
  })

  it.effect(
    "a signed token is asked about for each session, and may hold like anything else while the manager is away",
    () => {
      const { use, world } = makeWorld({ lastDecision: Duration.minutes(1) })
      return use((_, ask) =>
        Effect.gen(function* () {
          const jwt = "eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiJtdHgtMTIzNDU2Nzg5MDEyMzQ1NiJ9.c2ln"
          for (const where of [{ token: jwt }, { password: jwt, token: jwt }, { query: `token=${jwt}` }]) {
            const before = world.asked.length
            yield* ask({ ...where, id: "s1" })
            yield* Effect.all([ask({ ...where, id: "s2" }), ask({ ...where, id: "s3" })], { concurrency: "unbounded" })
            assert.strictEqual(world.asked.length, before + 3)
            world.manager = Effect.fail(refused)
            assert.strictEqual(yield* ask({ ...where, id: "s4" }), 204)
            world.manager = Effect.succeed(allow)
          }
        })
      )
    }
  )

  it.effect("with no cache it asks every time", () => {
    const { use, world } = makeWorld({ cache: Duration.zero })
    return use((_, ask) =>
      Effect.gen(function* () {
        yield* ask()
        yield* ask()
        assert.strictEqual(world.asked.length, 2)
      })
    )
  })

  it.effect("forgets the oldest of very many", () => {
    const { use, world } = makeWorld({ cache: Duration.minutes(1) })
    return use((_, ask) =>
      Effect.gen(function* () {
        for (let n = 0; n < 10_001; n++) yield* ask({ user: `u${n}` })
        const before = world.asked.length
        yield* ask({ user: "u10000" })
        assert.strictEqual(world.asked.length, before)
        yield* ask({ user: "u0" })
        assert.strictEqual(world.asked.length, before + 1)
      })
    )
  })

  it.effect("what is no question of MediaMTX is not put to anybody", () => {
    const { use, world } = makeWorld()
    return use((relay, ask) =>
      Effect.gen(function* () {
        for (const body of [
          "",
          "{",
          "[]",
          "null",
          '"x"',
          question({ action: "playback.worker" }),
          question({ ip: 7 })
        ]) {
          assert.strictEqual((yield* relay.answer(body)).status, 400)
        }
        assert.deepStrictEqual(world.asked, [])
        // Before 1.20 there was no user agent.
        assert.strictEqual(yield* ask({ userAgent: undefined }), 204)
      })
    )
  })
})
