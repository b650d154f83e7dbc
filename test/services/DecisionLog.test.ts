import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { AuthDecision, type PlainAuthRequest } from "../../src/services/AuthPolicy.js"
import * as DecisionLog from "../../src/services/DecisionLog.js"
import { NodeId } from "../../src/services/NodeId.js"

const node = NodeId.make("n1")
const request = (over: Partial<PlainAuthRequest> = {}): PlainAuthRequest => ({
  node,
  action: "read",
  path: "cam",
  protocol: "rtsp",
  ip: "10.0.0.1",
  user: "alice",
  password: "s3cret",
  token: "",
  query: "token=s3cret",
  id: "session-1",
  userAgent: "VLC",
  ...over
})
const allow = AuthDecision.Allow({ reason: "rules[0] allows it" })
const deny = AuthDecision.Deny({ reason: "no rule allows it" })

describe("DecisionLog", () => {
  it.effect("counts what differs in nothing but time and session, for a minute from the first", () =>
    Effect.gen(function* () {
      const log = yield* DecisionLog.make()
      log.unsafeNote(node, request(), allow, "allow")
      yield* TestClock.adjust("30 seconds")
      log.unsafeNote(node, request({ id: "session-2" }), allow, "allow")
      log.unsafeNote(node, request({ ip: "10.0.0.2" }), deny, "deny")
      yield* TestClock.adjust("30 seconds")
      log.unsafeNote(node, request(), allow, "allow")
      const { decisions, matched } = yield* log.page()
      assert.deepStrictEqual(
        decisions.map(({ at, count, ip, last, session }) => [ip, count, at, last, session]),
        [
          ["10.0.0.1", 1, 60_000, 60_000, "session-1"],
          ["10.0.0.2", 1, 30_000, 30_000, "session-1"],
          ["10.0.0.1", 2, 0, 30_000, "session-2"]
        ]
      )
      assert.deepStrictEqual(matched, { allow: 3, ask: 0, deny: 1, prompt: 0 })
    })
  )

  it.effect("holds no secret, and no name that may be one", () =>
    Effect.gen(function* () {
      const log = yield* DecisionLog.make()
      log.unsafeNote(node, request(), allow, "allow")
      log.unsafeNote(node, request({ user: "s3cret", password: "" }), deny, "deny")
      log.unsafeNote(node, request({ user: "x-s3cret" }), deny, "deny")
      const page = yield* log.page()
      assert.notInclude(JSON.stringify(page), "s3cret")
      assert.deepStrictEqual(
        page.decisions.map(({ count, user }) => [user, count]),
        [
          ["***", 2],
          ["alice", 1]
        ]
      )
    })
  )

  it.effect("keeps the newest, for as long as it is told to, and says what had to go before", () =>
    Effect.gen(function* () {
      const log = yield* DecisionLog.make({ maxEntries: 4, maxAge: "10 minutes" })
      for (let n = 0; n < 6; n++) log.unsafeNote(node, request({ path: `cam${n}` }), allow, "allow")
      const paths = Effect.map(log.all(), (all) => all.map(({ path }) => path))
      assert.deepStrictEqual(yield* paths, ["cam2", "cam3", "cam4", "cam5"])
      assert.strictEqual((yield* log.page()).dropped, 2)
      yield* TestClock.adjust("10 minutes")
      log.unsafeNote(node, request({ path: "new" }), allow, "allow")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* paths, ["new"])
    })
  )

  it.effect("counts nothing on an entry that is gone, also where the time it is kept is shorter than a window", () =>
    Effect.gen(function* () {
      const log = yield* DecisionLog.make({ maxAge: "10 seconds" })
      log.unsafeNote(node, request(), allow, "allow")
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* log.all(), [])
      log.unsafeNote(node, request(), allow, "allow")
      assert.deepStrictEqual(
        (yield* log.all()).map(({ at, count }) => [at, count]),
        [[11_000, 1]]
      )
    })
  )

  it.effect("is read page by page, and followed from there", () =>
    Effect.gen(function* () {
      const log = yield* DecisionLog.make()
      for (let n = 0; n < 5; n++)
        log.unsafeNote(node, request({ path: `cam${n}` }), n < 3 ? allow : deny, n < 3 ? "allow" : "deny")
      const first = yield* log.page({}, { limit: 2 })
      const second = yield* log.page({}, { limit: 2, cursor: first.next ?? "" })
      const third = yield* log.page({}, { limit: 2, cursor: second.next ?? "" })
      assert.deepStrictEqual(
        [first, second, third].map(({ decisions }) => decisions.map(({ path }) => path)),
        [["cam4", "cam3"], ["cam2", "cam1"], ["cam0"]]
      )
      assert.strictEqual(third.next, null)
      assert.deepStrictEqual((yield* log.page({ outcome: "deny" })).matched, { allow: 0, ask: 0, deny: 2, prompt: 0 })

      const waiting = yield* Effect.fork(log.changed(first.follow))
      yield* Effect.yieldNow()
      log.unsafeNote(node, request({ path: "cam1", id: "again" }), allow, "allow")
      log.unsafeNote(node, request({ path: "other" }), allow, "allow")
      yield* Fiber.join(waiting)
      const news = yield* log.since(first.follow)
      assert.deepStrictEqual(
        news.decisions.map(({ count, path }) => [path, count]),
        [
          ["cam1", 2],
          ["other", 1]
        ]
      )
      assert.deepStrictEqual((yield* log.since(news.follow)).decisions, [])
    })
  )
})
