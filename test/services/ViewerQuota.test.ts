import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { formatIssue } from "../../src/mediamtx/ConfigIssue.js"
import * as ViewerQuota from "../../src/services/AuthPolicy/ViewerQuota.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import { FleetState } from "../../src/services/FleetState.js"
import { type BusEvent, HookBus } from "../../src/services/HookBus.js"
import * as Counter from "../../src/services/internal/quotaCounter.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as StateLayer from "../../src/services/StateLayer.js"
import { authPolicyContract, makeAuthRequest } from "../../src/testing/AuthPolicyContract.js"

const state = Layer.orDie(StateLayer.memory())
const contractLayer = (quotas: ReadonlyArray<ViewerQuota.Quota>, policy: AuthPolicy.AuthPolicyShape) =>
  AuthPolicy.layerEffect(Effect.map(ViewerQuota.make(quotas), ({ guard }) => guard(policy))).pipe(Layer.provide(state))

authPolicyContract(
  "ViewerQuota with room",
  contractLayer(
    [
      { readers: 100_000, per: ["path", "user", "ip"] },
      { name: "p", publishers: 100_000, per: [] }
    ],
    AuthPolicy.fromFunction(({ path }) => path !== "x")
  )
)
authPolicyContract(
  "ViewerQuota without room",
  contractLayer(
    [{ readers: 1 }, { name: "p", publishers: 0, per: "user" }],
    AuthPolicy.fromFunction(async () => true)
  ),
  { deterministic: false }
)

const [eu, us] = [NodeId.make("eu-1"), NodeId.make("us-1")]

type Fields = Parameters<typeof makeAuthRequest>[0]

/** A policy that allows all that has room, and the fleet that it counts. */
const setUp = (quotas: ReadonlyArray<ViewerQuota.Quota>, { snapshots = false } = {}) =>
  Effect.gen(function* () {
    const bus = yield* HookBus
    const fleet = yield* FleetState
    const counted = snapshots ? { ...fleet, unsafeWatch: undefined } : fleet
    const made = yield* Effect.provideService(ViewerQuota.make(quotas), FleetState, counted)
    const policy = made.guard(AuthPolicy.allowAll)
    const ask = (fields: Fields) => policy.decide(makeAuthRequest({ node: eu, protocol: "hls", ...fields }))
    return {
      fleet,
      replace: made.replace,
      ask,
      /** Which of these were let in. */
      tag: (fields: Fields) => Effect.map(ask(fields), ({ _tag }) => _tag),
      say: (node: NodeId, ...events: ReadonlyArray<BusEvent>) =>
        Effect.orDie(
          Effect.gen(function* () {
            for (const event of events) yield* bus.publish(node, event)
            yield* fleet.settled(yield* bus.latest)
          })
        )
    }
  })
const test = (title: string, body: Effect.Effect<void, unknown, HookBus | FleetState | import("effect/Scope").Scope>) =>
  it.scoped(title, () => Effect.provide(body, state))

const read = (path: string, id: string, type = "hlsSession"): BusEvent => ({ event: "read", path, type, id, query: "" })
const unread = (path: string, id: string, type = "hlsSession"): BusEvent => ({
  event: "unread",
  path,
  type,
  id,
  query: ""
})

describe("readers of a path", () => {
  test(
    "are as many as may be, on all nodes together, and places come free",
    Effect.gen(function* () {
      const { ask, say, tag } = yield* setUp([{ name: "front", readers: 2, paths: ["cams/*"] }])
      assert.strictEqual(yield* tag({ id: "a" }), "Allow")
      yield* say(eu, read("cams/front", "a"))
      assert.strictEqual(yield* tag({ id: "b", node: us }), "Allow")
      yield* say(us, read("cams/front", "b"))
      assert.deepStrictEqual(
        yield* ask({ id: "c" }),
        AuthPolicy.AuthDecision.Deny({
          reason: 'quota "front": all 2 places for readers of one path are taken'
        })
      )
      // Other paths, and what is no reading.
      assert.strictEqual(yield* tag({ id: "c", path: "cams/back" }), "Allow")
      assert.strictEqual(yield* tag({ id: "c", path: "other" }), "Allow")
      assert.strictEqual(yield* tag({ id: "c", action: "publish" }), "Allow")
      assert.strictEqual(yield* tag({ id: null }), "Allow")
      yield* say(us, unread("cams/front", "b"))
      assert.strictEqual(yield* tag({ id: "c" }), "Allow")
    })
  )

  test(
    "a storm does not run over, and who does not come loses the place",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ readers: 100 }])
      const storm = (name: string) =>
        Effect.map(
          Effect.forEach(
            Array.from({ length: 500 }, (_, i) => `${name}${i}`),
            (id) => Effect.map(tag({ id }), (decision) => [id, decision] as const),
            { concurrency: "unbounded" }
          ),
          (all) => all.filter(([, decision]) => decision === "Allow").map(([id]) => id)
        )
      const first = yield* storm("a")
      assert.lengthOf(first, 100)
      yield* TestClock.adjust("9 seconds")
      yield* say(eu, ...first.slice(0, 60).map((id) => read("cams/front", id)))
      assert.lengthOf(yield* storm("b"), 0)
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(yield* storm("c"), 40)
    })
  )

  test(
    "a session that asks again is the same, also while it is there",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ readers: 1 }])
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* tag({ id: "a" }), "Allow")
      yield* say(eu, read("cams/front", "a"))
      assert.strictEqual(yield* tag({ id: "a" }), "Allow")
      // The same id on another node is another session.
      assert.strictEqual(yield* tag({ id: "a", node: us }), "Deny")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* tag({ id: "b" }), "Deny")
    })
  )

  test(
    "that were there before the first quota are counted",
    Effect.gen(function* () {
      const { replace, say, tag } = yield* setUp([])
      yield* say(eu, read("cams/front", "a"), read("cams/front", "b"))
      assert.strictEqual(yield* tag({ id: "c" }), "Allow")
      yield* replace([{ readers: 3 }])
      assert.strictEqual(yield* tag({ id: "d" }), "Allow")
      assert.strictEqual(yield* tag({ id: "e" }), "Deny")
      yield* replace([{ readers: 2, per: "path" }])
      yield* say(eu, unread("cams/front", "a"))
      assert.strictEqual(yield* tag({ id: "e" }), "Deny")
      const problem = yield* Effect.flip(replace([{ readers: -1 }]))
      assert.match(problem.message, /quotas\[0\]\.readers/)
      yield* replace([])
      assert.strictEqual(yield* tag({ id: "e" }), "Allow")
    })
  )

  test(
    "are counted from snapshots where the FleetState tells of nothing else",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ readers: 1 }], { snapshots: true })
      yield* TestClock.adjust("1 second")
      yield* say(eu, read("cams/front", "a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* tag({ id: "b" }), "Deny")
      yield* say(eu, unread("cams/front", "a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* tag({ id: "b" }), "Allow")
    })
  )

  test(
    "none at all, and the whole fleet",
    Effect.gen(function* () {
      const { ask, tag } = yield* setUp([
        { readers: 0, paths: ["secret/**"] },
        { readers: 2, per: [] }
      ])
      assert.include((yield* ask({ id: "a", path: "secret/x" })).reason, "all 0 places")
      assert.strictEqual(yield* tag({ id: "a", path: "x" }), "Allow")
      assert.strictEqual(yield* tag({ id: "b", path: "y" }), "Allow")
      assert.include((yield* ask({ id: "c", path: "z" })).reason, "readers of the fleet are taken")
    })
  )
})

describe("RTSP", () => {
  const describe_ = (id: string, more: Fields = {}) => ({ protocol: "rtsp" as const, id, ...more })
  const setup = (id: string, more: Fields = {}) => ({ protocol: "rtsp" as const, id, userAgent: "Lavf", ...more })

  test(
    "a reader asks by connection and by session, and is one",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ readers: 2 }])
      for (const n of ["1", "2"]) {
        assert.strictEqual(yield* tag(describe_(`conn${n}`)), "Allow")
        assert.strictEqual(yield* tag(setup(`session${n}`)), "Allow")
      }
      assert.strictEqual(yield* tag(describe_("conn3")), "Deny")
      assert.strictEqual(yield* tag(setup("session3")), "Deny")
      yield* say(eu, read("cams/front", "session1", "rtspSession"), read("cams/front", "session2", "rtspSession"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* tag(describe_("conn3")), "Deny")
      yield* say(eu, unread("cams/front", "session1", "rtspSession"))
      assert.strictEqual(yield* tag(describe_("conn3")), "Allow")
      assert.strictEqual(yield* tag(setup("session3")), "Allow")
    })
  )

  test(
    "many who ask at once: as many as may be, whoever comes first",
    Effect.gen(function* () {
      const { tag } = yield* setUp([{ readers: 5 }])
      const ids = Array.from({ length: 20 }, (_, i) => `${i}`)
      for (const id of ids) yield* tag(describe_(`c${id}`, { ip: `192.0.2.${id}` }))
      let let_in = 0
      for (const id of ids) {
        if ((yield* tag(setup(`s${id}`, { ip: `192.0.2.${id}` }))) === "Allow") let_in++
      }
      assert.strictEqual(let_in, 5)
    })
  )

  test(
    "a player that never says what it is gets in, and does not run over either",
    Effect.gen(function* () {
      const { tag } = yield* setUp([{ readers: 3 }])
      let let_in = 0
      for (let i = 0; i < 10; i++) {
        if ((yield* tag(describe_(`c${i}`))) === "Allow" && (yield* tag(describe_(`s${i}`))) === "Allow") let_in++
      }
      assert.strictEqual(let_in, 3)
    })
  )
})

describe("whose", () => {
  test(
    "a user has so many, wherever and whatever they watch; nobody else is kept out",
    Effect.gen(function* () {
      const { ask, say, tag } = yield* setUp([{ name: "screens", readers: 2, per: "user" }])
      const alice = { user: "alice", password: "p" }
      assert.strictEqual(yield* tag({ ...alice, id: "a", path: "x", ip: "192.0.2.1" }), "Allow")
      assert.strictEqual(yield* tag({ ...alice, id: "b", path: "y", ip: "192.0.2.2", node: us }), "Allow")
      yield* say(eu, read("x", "a"))
      yield* say(us, read("y", "b"))
      yield* TestClock.adjust("1 minute")
      assert.include(
        (yield* ask({ ...alice, id: "c" })).reason,
        'quota "screens": all 2 places for readers of one user'
      )
      assert.strictEqual(yield* tag({ user: "bob", id: "c" }), "Allow")
      // Nobody is not one user.
      for (const id of ["d", "e", "f"]) assert.strictEqual(yield* tag({ id }), "Allow")
      yield* say(us, unread("y", "b"))
      assert.strictEqual(yield* tag({ ...alice, id: "c" }), "Allow")
    })
  )

  test(
    "a token is a user; an address is one by its network in IPv6",
    Effect.gen(function* () {
      const { tag } = yield* setUp([
        { name: "u", readers: 1, per: "user" },
        { name: "i", readers: 1, per: ["ip", "path"] }
      ])
      assert.strictEqual(yield* tag({ token: "t1", id: "a", ip: "2001:db8::1" }), "Allow")
      assert.strictEqual(yield* tag({ query: "token=t1", id: "b", ip: "192.0.2.1" }), "Deny")
      assert.strictEqual(yield* tag({ token: "t2", id: "b", ip: "2001:db8::2" }), "Deny")
      assert.strictEqual(yield* tag({ token: "t2", id: "b", ip: "2001:db8::2", path: "y" }), "Allow")
    })
  )

  test(
    "whose a session is stays known when it shows up late",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ readers: 1, per: "user" }])
      assert.strictEqual(yield* tag({ user: "alice", id: "a" }), "Allow")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* tag({ user: "bob", id: "z" }), "Allow")
      yield* say(eu, read("cams/front", "a"))
      assert.strictEqual(yield* tag({ user: "alice", id: "b" }), "Deny")
    })
  )

  test(
    "a publisher who comes again takes the place of the one before",
    Effect.gen(function* () {
      const { say, tag } = yield* setUp([{ publishers: 1, per: "user" }])
      const cam = { action: "publish", user: "cam", protocol: "rtsp" } as const
      const online = (path: string, id: string): BusEvent => ({
        event: "online",
        path,
        type: "rtspSession",
        id,
        query: ""
      })
      assert.strictEqual(yield* tag({ ...cam, id: "a" }), "Allow")
      yield* say(eu, online("cams/front", "a"))
      assert.strictEqual(yield* tag({ ...cam, id: "b" }), "Allow")
      assert.strictEqual(yield* tag({ ...cam, id: "c", path: "cams/back" }), "Deny")
      assert.strictEqual(yield* tag({ ...cam, id: "c", node: us }), "Deny")
      // A static source is nobody's.
      yield* say(eu, { ...online("static", ""), type: "rtspSource" } as BusEvent)
      assert.strictEqual(yield* tag({ ...cam, user: "other", id: "d", path: "static" }), "Allow")
    })
  )
})

describe("the counter", () => {
  const rules: ReadonlyArray<Counter.Rule> = (["reader", "publisher"] as const).flatMap((kind) =>
    [
      { most: 2, perPath: true, perUser: false, perIp: false },
      { most: 2, perPath: false, perUser: true, perIp: false },
      { most: 1, perPath: true, perUser: true, perIp: true },
      { most: 4, perPath: false, perUser: false, perIp: false }
    ].map((rule) => ({ ...rule, kind, takes: (path: string) => path !== "free" }))
  )
  const RESERVATION = 10_000
  const LATE = 60_000

  interface Known extends Counter.Session {
    rows: number
    until: number
    state: "promised" | "lapsed" | "live"
    first: boolean
  }

  /** The same, by counting everything anew each time. */
  const naive = () => {
    let inForce = rules
    let all: Array<Known> = []
    const same = (a: Counter.Session, kind: string, node: string, path: string, id: string) =>
      a.kind === kind && a.node === node && a.path === path && a.id === id
    const weight = (one: Known) => (one.state === "lapsed" ? 0 : 1)
    const applies = (rule: Counter.Rule, one: Counter.Session) =>
      rule.kind === one.kind &&
      rule.takes(one.path) &&
      !(rule.perUser && one.user === "") &&
      !(rule.perIp && one.ip === "")
    const alike = (rule: Counter.Rule, a: Counter.Session, b: Counter.Session) =>
      (!rule.perPath || a.path === b.path) && (!rule.perUser || a.user === b.user) && (!rule.perIp || a.ip === b.ip)
    return {
      replace: (next: ReadonlyArray<Counter.Rule>) => {
        inForce = next
      },
      ask: (session: Counter.Session, now: number): string => {
        for (const one of all) {
          if (one.state === "promised" && one.until <= now) {
            one.state = "lapsed"
            one.until += LATE
          }
        }
        all = all.filter((one) => !(one.state === "lapsed" && one.until <= now))
        const { id, ip, kind, node, path, unnamed, user } = session
        const known = all.find((one) => same(one, kind, node, path, id))
        if (known !== undefined && known.state !== "lapsed") {
          if (known.state === "promised") known.until = now + RESERVATION
          return "Room"
        }
        const own =
          kind === "reader"
            ? all.find(
                (one) =>
                  one.state === "promised" &&
                  one.unnamed &&
                  (one.first || !unnamed) &&
                  one.kind === kind &&
                  one.node === node &&
                  one.path === path &&
                  one.ip === ip &&
                  one.user === user
              )
            : undefined
        const others = all.filter(
          (one) => one !== own && !(kind === "publisher" && one.kind === kind && one.node === node && one.path === path)
        )
        for (const [index, rule] of inForce.entries()) {
          if (!applies(rule, session)) continue
          const taken = others
            .filter((one) => applies(rule, one) && alike(rule, one, session))
            .reduce((sum, one) => sum + weight(one), 0)
          if (taken >= rule.most) return `Full ${index}`
        }
        all = all.filter((one) => one !== own && one !== known)
        all.push({ ...session, rows: 0, until: now + RESERVATION, state: "promised", first: own === undefined })
        return "Room"
      },
      opened: (kind: Counter.Kind, node: string, path: string, id: string) => {
        const known = all.find((one) => same(one, kind, node, path, id))
        if (known === undefined) {
          all.push({
            kind,
            node,
            path,
            id,
            user: "",
            ip: "",
            unnamed: false,
            rows: 1,
            until: 0,
            state: "live",
            first: false
          })
        } else {
          known.rows++
          known.state = "live"
        }
      },
      closed: (kind: Counter.Kind, node: string, path: string, id: string) => {
        const known = all.find((one) => same(one, kind, node, path, id))
        if (known === undefined || known.rows === 0) return
        known.rows--
        if (known.rows === 0) all = all.filter((one) => one !== known)
      },
      total: () =>
        inForce.reduce(
          (sum, rule) =>
            sum + all.filter((one) => applies(rule, one)).reduce((weights, one) => weights + weight(one), 0),
          0
        )
    }
  }

  const session = FastCheck.record({
    kind: FastCheck.constantFrom("reader" as const, "reader" as const, "publisher" as const),
    node: FastCheck.constantFrom("eu", "us"),
    path: FastCheck.constantFrom("a", "b", "free"),
    id: FastCheck.nat(9).map((n) => `id${n}`),
    user: FastCheck.constantFrom("", "alice", "bob"),
    ip: FastCheck.constantFrom("", "1", "2"),
    unnamed: FastCheck.boolean()
  }).map((one) => ({ ...one, unnamed: one.unnamed && one.kind === "reader" }))
  const steps = FastCheck.array(
    FastCheck.record({
      act: FastCheck.constantFrom<"ask" | "opened" | "closed" | "replace">(
        "ask",
        "ask",
        "ask",
        "opened",
        "opened",
        "closed",
        "replace"
      ),
      session,
      wait: FastCheck.oneof(FastCheck.constant(0), FastCheck.nat(2000), FastCheck.nat(80_000))
    }),
    { maxLength: 80 }
  )

  it("is a naive one that counts all anew", () => {
    FastCheck.assert(
      FastCheck.property(steps, (all) => {
        const counter = Counter.make(rules, RESERVATION)
        const model = naive()
        let now = 0
        let fewer = false
        for (const { act, session: one, wait } of all) {
          now += wait
          if (act === "ask") {
            const verdict = counter.ask(one, now)
            assert.strictEqual(verdict._tag === "Full" ? `Full ${verdict.rule}` : verdict._tag, model.ask(one, now))
            assert.strictEqual(
              [...counter.counts().values()].reduce((sum, count) => sum + count, 0),
              model.total()
            )
          } else if (act === "replace") {
            fewer = !fewer
            const next = fewer ? rules.slice(2) : rules
            counter.replace(next)
            model.replace(next)
          } else {
            counter[act](one.kind, one.node, one.path, one.id)
            model[act](one.kind, one.node, one.path, one.id)
          }
        }
      }),
      { numRuns: 500 }
    )
  })

  it("never lets in more than a quota allows, and forgets everything in the end", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(session, { maxLength: 60 }), (sessions) => {
        const counter = Counter.make(rules, RESERVATION)
        // A publisher who comes again on a path is counted twice until the one before is gone.
        const whole = sessions.map((one, i) => (one.kind === "reader" ? one : { ...one, node: `${i}` }))
        for (const one of whole) counter.ask(one, 0)
        for (const [name, count] of counter.counts())
          assert.isAtMost(count, rules[Number(name.split("\0")[0])]?.most ?? 0)
        counter.ask({ kind: "reader", node: "n", path: "free", id: "x", user: "", ip: "", unnamed: false }, 1_000_000)
        counter.ask({ kind: "reader", node: "n", path: "free", id: "y", user: "", ip: "", unnamed: false }, 2_000_000)
        counter.ask({ kind: "reader", node: "n", path: "free", id: "z", user: "", ip: "", unnamed: false }, 3_000_000)
        assert.strictEqual(counter.counts().size, 0)
        assert.isAtMost(counter.size(), 2)
      })
    )
  })
})

describe("what can't be a quota", () => {
  const problem = (quota: unknown) => ViewerQuota.problems([quota]).map(formatIssue).join("\n")
  const bad: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["nobody", {}, /quotas\[0\].*is for nobody/],
    ["both", { readers: 1, publishers: 1 }, /make two quotas of it/],
    ["no number", { readers: "many" }, /quotas\[0\]\.readers.*whole number/],
    ["no such part", { readers: 1, per: ["pth"] }, /quotas\[0\]\.per\[0\].*did you mean path/],
    ["no such field", { viewers: 1 }, /quotas\[0\]\.viewers.*not known/],
    ["a pattern", { readers: 1, paths: "a b" }, /quotas\[0\]\.paths.*no path has/]
  ]
  for (const [name, quota, expected] of bad) it(name, () => assert.match(problem(quota), expected))
})
