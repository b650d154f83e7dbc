import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { Argon2, Argon2Unavailable, format, parse } from "../../src/services/AuthPolicy/Argon2.js"
import * as Argon2Node from "../../src/services/AuthPolicy/Argon2Node.js"
import * as AuthRules from "../../src/services/AuthPolicy/AuthRules.js"
import type { AuthRulesInput } from "../../src/services/AuthPolicy/AuthRulesDocument.js"
import * as PasswordCheck from "../../src/services/AuthPolicy/PasswordCheck.js"
import { hashSecret } from "../../src/services/AuthPolicy/Secret.js"
import { sha256 } from "../../src/services/AuthPolicy/Sha256.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import { makeAuthRequest } from "../../src/testing/AuthPolicyContract.js"

/** Made by another implementation (OpenSSL's, by way of Python's cryptography 48). */
const PASSWORD = "s3kr3t päss"
const SMALL = "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$5O52HpU2BbeJAvBZNOS529JntoESf3Rxy7acz8Lkems"
const USUAL = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$cDKYlGDyB+P/h5qTaHE2NF50FT0bYi/bRsmRfRWreHI"

const request = (user: string, password: string) => makeAuthRequest({ user, password })
const rulesFor = (...users: NonNullable<AuthRulesInput["users"]>): AuthRulesInput => ({
  users,
  rules: [{ allow: ["read"], users: ["any"] }]
})
const tagOf = (policy: AuthPolicy.AuthPolicyShape, user: string, password: string) =>
  Effect.map(
    Effect.suspend(() => policy.decide(request(user, password))),
    ({ _tag }) => _tag
  )

describe("sha256", () => {
  it.prop("is what node:crypto says", [FastCheck.uint8Array({ maxLength: 300 })], ([bytes]) =>
    assert.deepStrictEqual(Buffer.from(sha256(bytes)), createHash("sha256").update(bytes).digest())
  )
})

for (const [name, implementation] of [
  ["in process", Layer.empty],
  ["in worker threads", Argon2Node.layer({ workers: 2 })]
] as const) {
  const test = (title: string, effect: Effect.Effect<void, unknown>) =>
    it.effect(title, () => Effect.provide(effect, implementation))

  describe(`argon2 ${name}`, () => {
    for (const hash of [SMALL, USUAL]) {
      test(
        `computes what another implementation computed: ${hash.slice(0, 31)}`,
        Effect.gen(function* () {
          const argon2 = yield* Argon2
          const parsed = yield* parse(hash)
          const computed = yield* argon2.hash({ ...parsed, password: Redacted.make(PASSWORD) })
          assert.strictEqual(format({ ...parsed, hash: computed }), hash)
        })
      )
    }

    test(
      "a hash that hashSecret makes lets its password in and no other",
      Effect.scoped(
        Effect.gen(function* () {
          const secret = yield* hashSecret(Redacted.make(PASSWORD), "argon2")
          assert.match(secret, /^argon2:\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
          const policy = yield* AuthRules.make(rulesFor({ name: "alice", secret }))
          assert.strictEqual(yield* tagOf(policy, "alice", PASSWORD), "Allow")
          assert.strictEqual(yield* tagOf(policy, "alice", `${PASSWORD} `), "Deny")
        })
      )
    )

    test(
      "reports what can't be computed",
      Effect.gen(function* () {
        const argon2 = yield* Argon2
        const parsed = yield* parse(SMALL)
        const error = yield* Effect.flip(
          argon2.hash({ ...parsed, salt: new Uint8Array(1), password: Redacted.make("") })
        )
        assert.strictEqual(error._tag, "Argon2Unavailable")
      })
    )
  })
}

describe("hashSecret", () => {
  it.effect("sha256 as MediaMTX writes it", () =>
    Effect.gen(function* () {
      const secret = yield* hashSecret(Redacted.make(PASSWORD), "sha256")
      assert.strictEqual(secret, `sha256:${createHash("sha256").update(PASSWORD).digest("base64")}`)
      const policy = yield* Effect.scoped(AuthRules.make(rulesFor({ name: "alice", secret })))
      assert.strictEqual(yield* tagOf(policy, "alice", PASSWORD), "Allow")
    })
  )
})

/** An argon2 that computes nothing before it is told to, and says how often it was asked. */
const gated = Effect.gen(function* () {
  const gate = yield* Deferred.make<void>()
  const state = { calls: 0, atOnce: 0, most: 0 }
  const implementation: (typeof Argon2)["Service"] = {
    hash: ({ password, length }) =>
      Effect.gen(function* () {
        state.calls++
        state.atOnce++
        state.most = Math.max(state.most, state.atOnce)
        yield* Deferred.await(gate)
        state.atOnce--
        return new Uint8Array(length).fill(Redacted.value(password) === PASSWORD ? 7 : 8)
      })
  }
  return { state, open: Deferred.succeed(gate, undefined), implementation }
})
const SEVENS = format({ ...Either.getOrThrow(parse(SMALL)), hash: new Uint8Array(32).fill(7) })

describe("password checks", () => {
  const hash = Either.getOrThrow(parse(SEVENS))
  const verify = (checks: PasswordCheck.PasswordCheck, password: string) =>
    checks.verify(SEVENS, hash, Redacted.make(password))
  const yieldAll = Effect.repeatN(Effect.yieldNow(), 20)

  const withChecks = <A, E>(
    options: PasswordCheck.PasswordCheckOptions,
    body: (checks: PasswordCheck.PasswordCheck, argon2: Effect.Effect.Success<typeof gated>) => Effect.Effect<A, E>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const argon2 = yield* gated
        const checks = yield* PasswordCheck.make(options).pipe(Effect.provideService(Argon2, argon2.implementation))
        return yield* body(checks, argon2)
      })
    )

  it.effect("the same pair is computed once for all who ask, and then remembered, right or wrong", () =>
    withChecks({}, (checks, { state, open }) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.fork(
          Effect.all([verify(checks, PASSWORD), verify(checks, "no"), verify(checks, PASSWORD), verify(checks, "no")], {
            concurrency: "unbounded"
          })
        )
        yield* yieldAll
        yield* open
        assert.deepStrictEqual(yield* Fiber.join(fibers), [true, false, true, false])
        assert.strictEqual(state.calls, 2)
        assert.strictEqual(checks.remembered(SEVENS, PASSWORD), true)
        assert.strictEqual(checks.remembered(SEVENS, "no"), false)
        assert.isUndefined(checks.remembered(USUAL, PASSWORD))
        assert.isTrue(yield* verify(checks, PASSWORD))
        assert.strictEqual(state.calls, 2)
      })
    )
  )

  it.effect("computes so many at once and lets so many wait", () =>
    withChecks({ concurrency: 2, waiting: 3 }, (checks, { state, open }) =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2, 3], (n) => Effect.fork(verify(checks, `guess ${n}`)))
        yield* yieldAll
        assert.strictEqual((yield* Effect.flip(verify(checks, "guess 4")))._tag, "TooManyChecks")
        yield* open
        assert.deepStrictEqual(yield* Fiber.join(Fiber.all(fibers)), [false, false, false])
        assert.deepStrictEqual(state, { calls: 3, atOnce: 0, most: 2 })
        assert.isFalse(yield* verify(checks, "guess 4"))
      })
    )
  )

  it.effect("guesses don't push out what is right, and don't pile up", () =>
    withChecks({ remembered: 16 }, (checks, { state, open }) =>
      Effect.gen(function* () {
        yield* open
        yield* verify(checks, PASSWORD)
        for (let n = 0; n < 50; n++) yield* verify(checks, `guess ${n}`)
        assert.isTrue(checks.remembered(SEVENS, PASSWORD))
        const known = Array.from({ length: 50 }, (_, n) => checks.remembered(SEVENS, `guess ${n}`))
        assert.lengthOf(
          known.filter((answer) => answer === false),
          2
        )
        assert.strictEqual(state.calls, 51)
      })
    )
  )

  it.effect("a deadline denies in time; the check goes on and answers the next try", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { state, open, implementation } = yield* gated
        // Only the passwords of clients wait: the check at load time is let through.
        const passProbe: (typeof Argon2)["Service"] = {
          hash: (input) =>
            Redacted.value(input.password) === "probe" ? Effect.succeed(new Uint8Array(16)) : implementation.hash(input)
        }
        const rules = yield* AuthRules.make(rulesFor({ name: "alice", secret: `argon2:${SEVENS}` })).pipe(
          Effect.provideService(Argon2, passProbe)
        )
        const policy = AuthPolicy.deadline("1 second")(rules)
        const first = yield* Effect.fork(policy.decide(request("alice", PASSWORD)))
        yield* TestClock.adjust("1 second")
        assert.include((yield* Fiber.join(first)).reason, "no decision within 1s")
        yield* open
        yield* yieldAll
        assert.isTrue(Exit.isExit(policy.decide(request("alice", PASSWORD))))
        assert.strictEqual(yield* tagOf(policy, "alice", PASSWORD), "Allow")
        assert.strictEqual(state.calls, 1)
      })
    )
  )

  it.effect("waiting checks end with the scope, as a failure and not as an interruption of who waits", () =>
    Effect.gen(function* () {
      const fiber = yield* withChecks({}, (checks) => Effect.zipLeft(Effect.forkDaemon(verify(checks, "x")), yieldAll))
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "Argon2Unavailable")
    })
  )
})

describe("what a login costs", () => {
  const counting = Effect.gen(function* () {
    const counts = { hashes: 0 }
    const implementation: (typeof Argon2)["Service"] = {
      hash: ({ length, password }) =>
        Effect.sync(() => {
          if (Redacted.value(password) !== "probe") counts.hashes++
          return new Uint8Array(length).fill(Redacted.value(password) === PASSWORD ? 7 : 8)
        })
    }
    const policy = yield* AuthRules.make(
      rulesFor(
        { name: "alice", secret: `argon2:${SEVENS}` },
        { name: "bob", secret: "bob-password" },
        { name: "display", token: "display-token" }
      )
    ).pipe(Effect.provideService(Argon2, implementation))
    const cost = (user: string, password: string) =>
      Effect.gen(function* () {
        const before = counts.hashes
        const tag = yield* tagOf(policy, user, password)
        return [tag, counts.hashes - before]
      })
    return cost
  })

  it.effect("a wrong password costs one hash, whether there is such a user or not; its repetition none", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const cost = yield* counting
        for (const user of ["alice", "bob", "display", "nobody", "nobody else"]) {
          assert.deepStrictEqual(yield* cost(user, "wrong"), ["Deny", 1], user)
          assert.deepStrictEqual(yield* cost(user, "wrong"), ["Deny", 0], user)
        }
      })
    )
  )

  it.effect("a right one costs one hash once, or none where none is needed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const cost = yield* counting
        assert.deepStrictEqual(yield* cost("alice", PASSWORD), ["Allow", 1])
        assert.deepStrictEqual(yield* cost("alice", PASSWORD), ["Allow", 0])
        assert.deepStrictEqual(yield* cost("bob", "bob-password"), ["Allow", 0])
        assert.deepStrictEqual(yield* cost("display", "display-token"), ["Allow", 0])
      })
    )
  )

  it.effect("what no rule could allow costs no hash", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const policy = yield* AuthRules.make({
          ...rulesFor({ name: "alice", secret: `argon2:${SEVENS}` }),
          rules: [
            { allow: ["any"], users: ["alice"] },
            { deny: ["any"], ips: ["192.0.2.0/24"] }
          ]
        })
        assert.isTrue(Exit.isExit(policy.decide(request("alice", PASSWORD))))
      })
    )
  )
})

it.effect("rules with argon2 are refused where it can't be computed, others aren't", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const error = yield* Effect.flip(AuthRules.make(rulesFor({ name: "alice", secret: `argon2:${SMALL}` })))
      assert.strictEqual(error.issues[0]?.fieldText, "auth.users[0].secret")
      assert.include(error.message, "no WebAssembly here")
      yield* AuthRules.make(rulesFor({ name: "alice", secret: "plain" }))
    })
  ).pipe(
    Effect.provideService(Argon2, {
      hash: () => new Argon2Unavailable({ cause: new Error("no WebAssembly here") })
    })
  )
)
