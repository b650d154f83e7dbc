import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import { formatIssue } from "../../src/mediamtx/ConfigIssue.js"
import * as AuthRules from "../../src/services/AuthPolicy/AuthRules.js"
import * as RateLimit from "../../src/services/AuthPolicy/RateLimit.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import { addressKey } from "../../src/services/internal/authAround.js"
import * as Buckets from "../../src/services/internal/buckets.js"
import { authPolicyContract, makeAuthRequest } from "../../src/testing/AuthPolicyContract.js"

/** Alice by her password, everybody to what is public. */
const rules = AuthRules.make({
  users: [{ name: "alice", secret: "right" }],
  rules: [
    { allow: ["read"], paths: ["public/**"] },
    { allow: ["any"], users: ["alice"] }
  ]
})

authPolicyContract(
  "RateLimit around rules, far from its limits",
  AuthPolicy.layerEffect(
    Effect.gen(function* () {
      const limiter = yield* RateLimit.make([
        { by: ["ip", "user", "path"], calls: 100_000, within: "1 second" },
        { name: "wrong", by: "ip", failures: 1000, within: "1 second" }
      ])
      return limiter.guard(yield* rules)
    })
  )
)
authPolicyContract(
  "RateLimit that is exceeded at once, around a function",
  AuthPolicy.layer(
    RateLimit.limited([
      { by: "ip", calls: 1, within: "1 hour" },
      { by: ["user", "path"], failures: 1, within: "1 hour" }
    ])(AuthPolicy.fromFunction(async ({ path }) => path !== "x"))
  ),
  { deterministic: false }
)

type Fields = Parameters<typeof makeAuthRequest>[0]
const right: Fields = { user: "alice", password: "right" }
const wrong: Fields = { user: "alice", password: "guess" }

/** Asks for what the limits leave of the rules. */
const setUp = (limits: ReadonlyArray<RateLimit.Limit>) =>
  Effect.gen(function* () {
    const limiter = yield* RateLimit.make(limits)
    const policy = limiter.guard(yield* rules)
    return {
      limiter,
      ask: (fields: Fields) => policy.decide(makeAuthRequest(fields)),
      tag: (fields: Fields) => Effect.map(policy.decide(makeAuthRequest(fields)), ({ _tag }) => _tag)
    }
  })

describe("calls", () => {
  it.scoped("come back evenly, and the denial says when", () =>
    Effect.gen(function* () {
      const { ask, tag } = yield* setUp([{ name: "logins", calls: 3, within: "1 minute" }])
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* tag(right), "Allow")
      assert.deepStrictEqual(
        yield* ask(right),
        AuthPolicy.AuthDecision.Deny({
          reason: 'limit "logins": 3 calls within 1m from one address; come again in 20 s'
        })
      )
      yield* TestClock.adjust("15 seconds")
      assert.include((yield* ask(right)).reason, "come again in 5 s")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* tag(right), "Allow")
      assert.strictEqual(yield* tag(right), "Deny")
    })
  )

  it.scoped("what RTSP asks first, without credentials, is not counted, nor is any other refusal of nobody", () =>
    Effect.gen(function* () {
      const { tag } = yield* setUp([{ calls: 2, within: "1 hour" }])
      // A reader by RTSP: DESCRIBE without credentials, DESCRIBE, SETUP.
      for (let i = 0; i < 50; i++) {
        assert.strictEqual(yield* tag({}), "Ask")
        assert.strictEqual(yield* tag({ protocol: "srt" }), "Deny")
      }
      assert.strictEqual(yield* tag(right), "Allow")
      assert.strictEqual(yield* tag(right), "Allow")
      assert.strictEqual(yield* tag({}), "Ask")
      assert.strictEqual(yield* tag(right), "Deny")
    })
  )

  it.scoped("without credentials count where they open something", () =>
    Effect.gen(function* () {
      const { ask, tag } = yield* setUp([{ calls: 2, within: "1 hour" }])
      assert.strictEqual(yield* tag({ path: "public/a" }), "Allow")
      assert.strictEqual(yield* tag({ path: "public/b" }), "Allow")
      assert.include((yield* ask({ path: "public/a" })).reason, "come again in 30 min")
    })
  )

  it.scoped("a token in the URL is a credential", () =>
    Effect.gen(function* () {
      const { ask } = yield* setUp([{ name: "tokens", by: "user", calls: 1, within: "1 hour" }])
      yield* ask({ protocol: "hls", query: "a=b&jwt=abc" })
      assert.include((yield* ask({ protocol: "hls", query: "token=abc" })).reason, 'limit "tokens"')
      assert.notInclude((yield* ask({ protocol: "hls", query: "token=abcd" })).reason, "limit")
    })
  )

  it.scoped("by user, by path, by both", () =>
    Effect.gen(function* () {
      const { tag } = yield* setUp([{ by: ["path", "user"], calls: 1, within: "1 hour" }])
      assert.strictEqual(yield* tag({ ...right, path: "a", ip: "192.0.2.1" }), "Allow")
      assert.strictEqual(yield* tag({ ...right, path: "a", ip: "192.0.2.2" }), "Deny")
      assert.strictEqual(yield* tag({ ...right, path: "b", ip: "192.0.2.1" }), "Allow")
      // Nobody has no user.
      assert.strictEqual(yield* tag({ path: "public/a" }), "Allow")
      assert.strictEqual(yield* tag({ path: "public/a" }), "Allow")
    })
  )

  it.scoped("of other actions, paths and addresses are not counted", () =>
    Effect.gen(function* () {
      const { tag } = yield* setUp([
        { calls: 1, within: "1 hour", actions: ["publish"], paths: ["cams/*"], exceptIps: ["10.0.0.0/8"] }
      ])
      const publish = { ...right, action: "publish", path: "cams/a" } as const
      for (const fields of [
        { path: "x" },
        { action: "read" as const },
        { ip: "10.1.2.3" },
        { ip: "::ffff:10.1.2.3" }
      ]) {
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* tag({ ...publish, ...fields }), "Allow")
      }
      assert.strictEqual(yield* tag(publish), "Allow")
      assert.strictEqual(yield* tag(publish), "Deny")
    })
  )

  it.scoped("of a limit that stays as it was go on when the others are replaced", () =>
    Effect.gen(function* () {
      const kept = { name: "kept", calls: 1, within: "1 hour" } as const
      const { limiter, ask, tag } = yield* setUp([kept])
      assert.strictEqual(yield* tag(right), "Allow")
      yield* limiter.replace([{ name: "new", by: "path", calls: 9, within: "1 hour" }, kept])
      assert.include((yield* ask(right)).reason, '"kept"')
      const refused = yield* Effect.flip(limiter.replace([{ calls: 0, within: "1 hour" }]))
      assert.match(refused.message, /limits\[0\]\.calls.*whole number/)
      assert.include((yield* ask(right)).reason, '"kept"')
      yield* limiter.replace([])
      assert.strictEqual(yield* tag(right), "Allow")
    })
  )
})

describe("failed logins", () => {
  const guessing: RateLimit.Limit = {
    name: "guessing",
    by: ["ip", "user"],
    failures: 3,
    within: "10 minutes",
    lockout: "15 minutes"
  }

  it.scoped("lock out, even with the right password, for a time that trying does not extend", () =>
    Effect.gen(function* () {
      const { ask, tag } = yield* setUp([guessing])
      for (let i = 0; i < 3; i++) assert.include((yield* ask(wrong)).reason, "wrong password")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(
        (yield* ask(right)).reason,
        'limit "guessing": 3 failed logins within 10m from one address, user; come again in 10 min'
      )
      // Elsewhere alice gets in, and the public is open from here.
      assert.strictEqual(yield* tag({ ...right, ip: "192.0.2.9" }), "Allow")
      assert.strictEqual(yield* tag({ path: "public/a" }), "Allow")
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* tag(wrong), "Deny")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* tag(right), "Allow")
    })
  )

  it.scoped("that are rare lock nobody out, and being right is no failure", () =>
    Effect.gen(function* () {
      const { ask, tag } = yield* setUp([guessing])
      for (let i = 0; i < 20; i++) {
        assert.include((yield* ask(wrong)).reason, "wrong password")
        for (let j = 0; j < 10; j++) assert.strictEqual(yield* tag(right), "Allow")
        yield* TestClock.adjust("4 minutes")
      }
    })
  )

  it.scoped("an outage is no failed login", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimit.make([guessing])
      let down = true
      const policy = limiter.guard(
        AuthPolicy.any([
          AuthPolicy.denyAll,
          AuthPolicy.deadline("1 second")(AuthPolicy.fromFunction(() => (down ? Effect.never : true)))
        ])
      )
      for (let i = 0; i < 10; i++) {
        const asked = yield* Effect.fork(policy.decide(makeAuthRequest(wrong)))
        yield* TestClock.adjust("1 second")
        assert.include((yield* asked).reason, "no decision within")
      }
      down = false
      assert.strictEqual((yield* policy.decide(makeAuthRequest(right)))._tag, "Allow")
    })
  )
})

describe("addresses", () => {
  const cases: ReadonlyArray<readonly [string, string, boolean]> = [
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["::ffff:192.0.2.200", "192.0.2.200", true],
    ["fe80::1%eth0", "fe80::2", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["nonsense", "nonsense2", false]
  ]
  for (const [a, b, same] of cases) {
    it(`${a} and ${b} ${same ? "are one" : "are two"}`, () => assert.strictEqual(addressKey(a) === addressKey(b), same))
  }
})

describe("memory", () => {
  it.scoped("does not grow with the addresses and names that are made up", () =>
    Effect.gen(function* () {
      const { limiter, ask, tag } = yield* setUp([
        { calls: 10, within: "1 hour", remembered: 100 },
        { name: "names", by: "user", failures: 1, within: "1 hour", remembered: 100 },
        { name: "both", by: ["ip", "path"], calls: 10, within: "1 hour", remembered: 100 }
      ])
      for (let i = 0; i < 2000; i++) {
        yield* ask({
          user: `${"x".repeat(i % 500)}${i}`,
          password: "p",
          ip: `10.0.${i >> 8}.${i & 255}`,
          path: "é".repeat(i)
        })
      }
      assert.isAtMost(limiter.size(), 400)
      assert.strictEqual(yield* tag({ ...right, ip: "192.0.2.7" }), "Allow")
    })
  )

  it("is given back when time has passed", () => {
    const buckets = Buckets.make({ burst: 1, interval: 1000, max: 1000 })
    for (let i = 0; i < 500; i++) buckets.take(`k${i}`, 0)
    for (let i = 0; i < 500; i++) buckets.take("other", 10_000 + i * 1000)
    assert.isBelow(buckets.size(), 10)
  })
})

describe("buckets", () => {
  const steps = FastCheck.array(
    FastCheck.record({
      key: FastCheck.constantFrom("a", "b"),
      wait: FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(3000))
    }),
    { maxLength: 200 }
  )
  it("are token buckets: the same as one that counts tokens", () => {
    FastCheck.assert(
      FastCheck.property(
        steps,
        FastCheck.integer({ min: 1, max: 8 }),
        FastCheck.integer({ min: 1, max: 2000 }),
        (all, burst, interval) => {
          const buckets = Buckets.make({ burst, interval, max: 10 })
          const tokens = new Map<string, { left: number; at: number }>()
          let now = 0
          for (const { key, wait } of all) {
            now += wait
            const bucket = tokens.get(key) ?? { left: burst, at: now }
            bucket.left = Math.min(burst, bucket.left + (now - bucket.at) / interval)
            bucket.at = now
            tokens.set(key, bucket)
            const expected = bucket.left > 1 - 1e-6
            const told = buckets.wait(key, now)
            assert.strictEqual(told === 0, expected)
            const waited = buckets.take(key, now)
            assert.strictEqual(waited, told)
            if (expected) bucket.left -= 1
            else assert.closeTo(waited, (1 - bucket.left) * interval, 1)
          }
        }
      )
    )
  })

  it("give the one that keeps trying no more than its share, however many others there are", () => {
    const buckets = Buckets.make({ burst: 2, interval: 1000, max: 4 })
    let taken = 0
    for (let i = 0; i < 100; i++) {
      if (buckets.take("me", 0) === 0) taken++
      buckets.take(`other${i}`, 0)
    }
    assert.strictEqual(taken, 2)
  })

  it("lock nobody out when the clock is set back", () => {
    const buckets = Buckets.make({ burst: 1, interval: 1000, max: 4 })
    buckets.take("a", 1e12)
    assert.isAtMost(buckets.take("a", 0), 1000)
    assert.strictEqual(buckets.take("a", 1000), 0)
  })
})

describe("what can't be a limit", () => {
  const problem = (limit: unknown) => RateLimit.problems([limit]).map(formatIssue).join("\n")
  const bad: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["neither", { within: "1m" }, /limits\[0\].*has neither calls nor failures/],
    ["both", { calls: 1, failures: 1, within: "1m" }, /make two limits of it/],
    ["no time", { calls: 1 }, /limits\[0\]\.within.*is missing/],
    ["a bare number", { calls: 1, within: 60 }, /limits\[0\]\.within.*duration such as 90s/],
    ["no such part", { calls: 1, within: "1m", by: "usr" }, /limits\[0\]\.by.*did you mean user/],
    ["no such field", { calls: 1, within: "1m", bi: "ip" }, /limits\[0\]\.bi.*not known/],
    ["a pattern", { calls: 1, within: "1m", paths: ["~("] }, /limits\[0\]\.paths\[0\].*RE2/],
    ["a network", { calls: 1, within: "1m", exceptIps: "10.0.0.0/33" }, /limits\[0\]\.exceptIps.*no IP/],
    ["lockout of calls", { calls: 1, within: "1m", lockout: "1m" }, /lockout.*belongs to failures/],
    ["no mapping", "fast", /limits\[0\].*is not a mapping/]
  ]
  for (const [name, limit, expected] of bad) it(name, () => assert.match(problem(limit), expected))

  it("two of one name", () =>
    assert.match(
      RateLimit.problems([
        { name: "a", calls: 1, within: "1m" },
        { name: "a", by: "user", calls: 1, within: "1m" }
      ])
        .map(formatIssue)
        .join(),
      /limits\[1\]\.name.*is there twice/
    ))
  it("throws for programs without Effect", () =>
    assert.throws(() => RateLimit.limited([{ calls: 0, within: "1 minute" }]), /whole number/))
})
