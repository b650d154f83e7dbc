import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/TestClock"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import { authPolicyContract, authRequest, makeAuthRequest } from "../../src/testing/AuthPolicyContract.js"

const { AuthDecision, all, any, allowAll, deadline, denyAll, fromFunction } = AuthPolicy
const request = makeAuthRequest({ password: "hunter2-hunter2", query: "pass=hunter2-hunter2" })

authPolicyContract("allowAll", AuthPolicy.layerAllowAll)
authPolicyContract("denyAll", AuthPolicy.layerDenyAll)
authPolicyContract(
  "function, boolean",
  AuthPolicy.layerFunction(({ path }) => path.startsWith("cams/"))
)
authPolicyContract(
  "function, promise of a decision",
  AuthPolicy.layerFunction(async ({ user }) => (user === "" ? AuthDecision.Ask({ reason: "who?" }) : true))
)
authPolicyContract(
  "function that fails with the request's secrets",
  AuthPolicy.layerFunction((request) => Effect.fail(new Error(JSON.stringify(request)))).pipe(
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )
)
authPolicyContract(
  "layers combined",
  AuthPolicy.layerAny([
    AuthPolicy.layerAll([AuthPolicy.layerAllowAll, AuthPolicy.layerFunction(({ action }) => action === "read")]),
    AuthPolicy.layerDenyAll
  ]).pipe(AuthPolicy.withDeadline("1 second"))
)

/** Collects log lines by level. */
const collectLogs = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<{ readonly level: string; readonly text: string }> = []
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push({ level: logLevel._tag, text: String(message) })
  })
  return effect.pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Logger.withMinimumLogLevel(LogLevel.Debug),
    Effect.map((value) => ({ value, lines }))
  )
}

describe("fromFunction", () => {
  const answers = {
    boolean: () => true,
    promise: () => Promise.resolve(true),
    effect: () => Effect.succeed(true),
    decision: () => AuthDecision.Allow({ reason: "mine" }),
    "promise of a decision": async () => AuthDecision.Allow({ reason: "mine" }),
    "effect of a decision": () => Effect.succeed(AuthDecision.Allow({ reason: "mine" }))
  }
  for (const [name, f] of Object.entries(answers)) {
    it.effect(`takes a ${name}`, () =>
      Effect.map(fromFunction(f).decide(request), (decision) => assert.strictEqual(decision._tag, "Allow"))
    )
  }

  const failures: Record<string, AuthPolicy.AuthFunction> = {
    throws: () => {
      throw new Error("db down, password was hunter2-hunter2")
    },
    rejects: () => Promise.reject(new Error("db down, password was hunter2-hunter2")),
    fails: () => Effect.fail(new Error("db down, password was hunter2-hunter2")),
    dies: () => Effect.die(new Error("db down, password was hunter2-hunter2"))
  }
  for (const [name, f] of Object.entries(failures)) {
    it.effect(`denies when it ${name}, and logs the error without the request's secrets`, () =>
      Effect.gen(function* () {
        const { value, lines } = yield* collectLogs(fromFunction(f).decide(request))
        assert.strictEqual(value._tag, "Deny")
        assert.notInclude(value.reason, "hunter2")
        assert.lengthOf(lines, 1)
        assert.strictEqual(lines[0]?.level, "Warning")
        assert.include(lines[0]?.text, "db down")
        assert.notInclude(lines[0]?.text, "hunter2")
      })
    )
  }

  it.effect("denies what is neither a boolean nor a decision", () =>
    Effect.gen(function* () {
      for (const answer of [undefined, null, 1, "yes", {}, { _tag: "Allow" }, { _tag: "Sure", reason: "" }]) {
        // As untyped JavaScript would do it.
        const policy = fromFunction((() => answer) as unknown as AuthPolicy.AuthFunction)
        const { value } = yield* collectLogs(policy.decide(request))
        assert.strictEqual(value._tag, "Deny", JSON.stringify(answer))
      }
    })
  )

  it.effect("warns of the first failure of a row only", () =>
    Effect.gen(function* () {
      let broken = true
      const policy = fromFunction(() => (broken ? Effect.fail("down") : true))
      const { lines } = yield* collectLogs(
        Effect.gen(function* () {
          yield* policy.decide(request)
          yield* policy.decide(request)
          broken = false
          yield* policy.decide(request)
          broken = true
          yield* policy.decide(request)
        })
      )
      assert.deepStrictEqual(
        lines.map(({ level }) => level),
        ["Warning", "Debug", "Warning"]
      )
    })
  )

  it.effect("passes interruption on and aborts the signal", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<AbortSignal>()
      const policy = fromFunction((_, { signal }) => {
        Deferred.unsafeDone(started, Exit.succeed(signal))
        return new Promise<boolean>(() => {})
      })
      const fiber = yield* Effect.fork(policy.decide(request))
      const signal = yield* Deferred.await(started)
      assert.isFalse(signal.aborted)
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.isTrue(signal.aborted)
    })
  )

  it.effect("takes its services from the layer's context", () => {
    class Allowed extends Context.Tag("Allowed")<Allowed, ReadonlySet<string>>() {}
    const layer = AuthPolicy.layerFunction(({ path }) => Effect.map(Allowed, (paths) => paths.has(path))).pipe(
      Layer.provide(Layer.succeed(Allowed, new Set(["cams/front"])))
    )
    return Effect.gen(function* () {
      const policy = yield* AuthPolicy.AuthPolicy
      assert.strictEqual((yield* policy.decide(makeAuthRequest({ path: "cams/front" })))._tag, "Allow")
      assert.strictEqual((yield* policy.decide(makeAuthRequest({ path: "cams/back" })))._tag, "Deny")
    }).pipe(Effect.provide(layer))
  })
})

describe("combinators", () => {
  const reason = FastCheck.constantFrom("a", "b", "c")
  const decision = FastCheck.oneof(
    reason.map((reason) => AuthDecision.Allow({ reason })),
    reason.map((reason) => AuthDecision.Deny({ reason })),
    reason.map((reason) => AuthDecision.Ask({ reason }))
  )
  /** Half of them answer at once, half of them as an effect that has to run. */
  const policy = FastCheck.tuple(decision, FastCheck.boolean()).map(([decision, late]) =>
    late ? fromFunction(() => Promise.resolve(decision)) : AuthPolicy.make(() => Effect.succeed(decision))
  )
  const ask = (policy: AuthPolicy.AuthPolicyShape) => policy.decide(request)
  const tag = (policy: AuthPolicy.AuthPolicyShape) => Effect.map(ask(policy), ({ _tag }) => _tag)

  it.effect.prop(
    "all is the intersection: denials win, then asking",
    [FastCheck.array(policy, { maxLength: 5 })],
    ([policies]) =>
      Effect.gen(function* () {
        const tags = yield* Effect.forEach(policies, tag)
        const expected = tags.includes("Deny") ? "Deny" : tags.includes("Ask") ? "Ask" : "Allow"
        assert.strictEqual(yield* tag(all(policies)), expected)
      })
  )

  it.effect.prop(
    "any is the union: whoever allows wins, then asking",
    [FastCheck.array(policy, { maxLength: 5 })],
    ([policies]) =>
      Effect.gen(function* () {
        const tags = yield* Effect.forEach(policies, tag)
        const expected = tags.includes("Allow") ? "Allow" : tags.includes("Ask") ? "Ask" : "Deny"
        assert.strictEqual(yield* tag(any(policies)), expected)
      })
  )

  it.effect.prop("both are associative, reasons included", [policy, policy, policy], ([a, b, c]) =>
    Effect.gen(function* () {
      for (const combine of [all, any]) {
        const flat = yield* ask(combine([a, b, c]))
        assert.deepStrictEqual(yield* ask(combine([combine([a, b]), c])), flat)
        assert.deepStrictEqual(yield* ask(combine([a, combine([b, c])])), flat)
      }
    })
  )

  it.effect("any says why each of them denies", () =>
    Effect.gen(function* () {
      const deny = (reason: string) => AuthPolicy.make(() => Effect.succeed(AuthDecision.Deny({ reason })))
      assert.deepStrictEqual(
        yield* ask(any([deny("no key"), deny("no rule")])),
        AuthDecision.Deny({ reason: "no key; no rule" })
      )
    })
  )

  it.effect("what a policy of a user throws or dies of is a denial, and any asks the next", () =>
    Effect.gen(function* () {
      const throwing: AuthPolicy.AuthPolicyShape = {
        decide: () => {
          throw new Error("bug")
        }
      }
      const dying: AuthPolicy.AuthPolicyShape = { decide: () => Effect.die("bug") }
      for (const broken of [throwing, dying]) {
        const { value } = yield* collectLogs(
          Effect.all([
            tag(all([broken, allowAll])),
            tag(any([broken, allowAll])),
            tag(deadline("1 second")(broken)),
            tag(AuthPolicy.counted(broken))
          ])
        )
        assert.deepStrictEqual(value, ["Deny", "Allow", "Deny", "Deny"])
      }
    })
  )

  it("known decisions stay known: nothing runs for them", () => {
    for (const policy of [
      allowAll,
      all([allowAll, denyAll]),
      any([denyAll, allowAll]),
      deadline("1 second")(allowAll)
    ]) {
      assert.isTrue(Exit.isExit(policy.decide(request)))
    }
  })
})

describe("deadline", () => {
  const never = (onInterrupt: Effect.Effect<void>) =>
    AuthPolicy.make(() => Effect.onInterrupt(Effect.never, () => onInterrupt))

  it.effect("denies when the time is over, not before, and interrupts what it waited for", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const policy = deadline("2 seconds")(never(Effect.asVoid(Deferred.succeed(interrupted, undefined))))
      const fiber = yield* Effect.fork(policy.decide(request))
      yield* TestClock.adjust("1999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const decision = yield* Fiber.join(fiber)
      assert.deepStrictEqual(decision, AuthDecision.Deny({ reason: "no decision within 2s" }))
      yield* Deferred.await(interrupted)
    })
  )

  it.effect("does not wait for a policy that can't be interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const stuck = AuthPolicy.make(() =>
        Effect.uninterruptible(Effect.as(Deferred.await(gate), AuthDecision.Allow({ reason: "too late" })))
      )
      const fiber = yield* Effect.fork(deadline("1 second")(stuck).decide(request))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Deny")
      yield* Deferred.succeed(gate, undefined)
    })
  )

  it.effect("gives the decision that comes in time", () =>
    Effect.gen(function* () {
      const slow = AuthPolicy.make(() =>
        Effect.delay(Effect.succeed(AuthDecision.Allow({ reason: "slow" })), "1 second")
      )
      const fiber = yield* Effect.fork(slow.pipe(deadline(Duration.seconds(2))).decide(request))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Allow")
    })
  )
})

describe("counted", () => {
  const count = (decision: string) =>
    Metric.value(
      Metric.tagged(
        Metric.counter("mtx_manager_auth_decisions", {
          description: "Auth decisions by their outcome",
          incremental: true
        }),
        "decision",
        decision
      )
    )

  it.effect("each request is counted once by its outcome, however the layers are combined", () =>
    Effect.gen(function* () {
      const before = { allow: (yield* count("allow")).count, deny: (yield* count("deny")).count }
      const policy = yield* AuthPolicy.AuthPolicy
      yield* policy.decide(request)
      yield* policy.decide(request)
      assert.strictEqual((yield* count("allow")).count - before.allow, 2)
      assert.strictEqual((yield* count("deny")).count - before.deny, 0)
    }).pipe(
      Effect.provide(
        AuthPolicy.layerAny([AuthPolicy.layerDenyAll, AuthPolicy.layerAllowAll]).pipe(
          AuthPolicy.withDeadline("1 second")
        )
      )
    )
  )
})

it.effect.prop(
  "the requests of the contract are worth asking",
  [FastCheck.array(authRequest, { minLength: 200, maxLength: 200 })],
  ([requests]) =>
    Effect.sync(() => {
      assert.isTrue(requests.some(({ user }) => user === "alice"))
      assert.isTrue(requests.some(({ path }) => path === "cams/front"))
    }),
  { fastCheck: { numRuns: 1 } }
)
