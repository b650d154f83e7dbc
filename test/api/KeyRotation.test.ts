/**
 * A fleet goes over to another key. The text of hooks and the auth address are byte-stable for as long as a node runs: a
 * change of them drops every stream on it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Credentials from "../../src/services/Credentials.js"
import { NodeId } from "../../src/services/NodeId.js"
import { KEY } from "./Fixture.js"
import { world } from "./World.js"

const NEW = "another-key-for-the-whole-fleet"
const config = { config: { paths: { cam: {} } } }
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

const tokenOf = (key: string, node: string) =>
  Effect.flatMap(Credentials.make({ key: Redacted.make(key) }), ({ nodeToken }) =>
    Effect.map(nodeToken(NodeId.make(node)), Redacted.value)
  )

/** The managers before and after, the node's tokens of both, and what the node runs on. */
const rotated = (node = "n1") =>
  Effect.gen(function* () {
    const before = yield* world(config)
    const old = yield* tokenOf(KEY, node)
    const fresh = yield* tokenOf(NEW, node)
    const running = (yield* before.ask("GET", `/?node=${node}`, undefined, bearer(old))).text
    assert.include(running, old)
    const { ask, context } = yield* world(config, { key: NEW, previousKey: KEY })
    const poll = (secret: string, more = "") => ask("GET", `/?node=${node}${more}`, undefined, bearer(secret))
    return { ask, poll, context, old, fresh, running }
  })

const authCall = {
  ...{ ip: "192.0.2.1", user: "", password: "", token: "", action: "read", path: "cam", protocol: "rtsp" },
  ...{ id: null, query: "", userAgent: "" }
}

describe("key rotation", () => {
  it.scoped("a node that runs keeps its very bytes, also when its config changes, until it boots", () =>
    Effect.gen(function* () {
      const { ask, fresh, old, poll, running } = yield* rotated()
      assert.strictEqual((yield* poll(old, "&every=10")).text, running)
      // What MediaMTX itself calls with.
      assert.strictEqual(
        (yield* ask("POST", `/auth?node=n1&token=${old}`, authCall, { authorization: "" })).status,
        204
      )
      assert.strictEqual(
        (yield* ask(
          "POST",
          "/hooks?node=n1",
          { event: "available", path: "cam", type: "rtspSession", id: "s", query: "" },
          bearer(old)
        )).status,
        204
      )
      assert.strictEqual((yield* poll(old, "&every=10")).text, running)

      // The boot command still has the old token. What it gets has the new one, with which the node goes on.
      const booted = yield* poll(old, "&boot=1&version=1.20.1")
      assert.strictEqual(booted.status, 200)
      assert.notInclude(booted.text, old)
      assert.include(booted.text, fresh)
      assert.strictEqual((yield* poll(fresh, "&every=10&version=1.20.1")).text, booted.text)
      assert.strictEqual(
        (yield* ask("POST", `/auth?node=n1&token=${fresh}`, authCall, { authorization: "" })).status,
        204
      )
      // A hook of the process that has just ended comes late: the next poll is answered with what it asks by all the same.
      yield* ask(
        "POST",
        "/hooks?node=n1",
        { event: "unavailable", path: "cam", type: "rtspSession", id: "s", query: "" },
        bearer(old)
      )
      assert.strictEqual((yield* poll(fresh, "&every=10&version=1.20.1")).text, booted.text)
    })
  )

  it.scoped("an updater with the old shared key goes on, and with the new one goes over", () =>
    Effect.gen(function* () {
      const { ask, fresh, poll, running } = yield* rotated()
      assert.strictEqual((yield* poll(KEY)).text, running)
      const beat = { instance: "i", mediamtxVersion: "v1.20.1", status: "ok" }
      const reply = yield* ask("POST", "/nodes/n1/heartbeat", beat, bearer(KEY))
      assert.strictEqual(reply.status, 200, reply.text)
      const etag = `"${reply.json().configHash}"`
      const same = yield* ask("GET", "/?node=n1", undefined, { ...bearer(KEY), "if-none-match": etag })
      assert.strictEqual(same.status, 304)
      assert.include((yield* poll(NEW)).text, fresh)
    })
  )

  it.scoped("tells how many nodes go by the previous key, and renders for others by the new one", () =>
    Effect.gen(function* () {
      const { ask, old, poll } = yield* rotated()
      const behind = Effect.map(ask("GET", "/metrics"), ({ text }) =>
        Number(/^mtx_manager_nodes_behind_key (\d+)$/m.exec(text)?.[1])
      )
      assert.strictEqual(yield* behind, 0)
      yield* poll(old)
      assert.strictEqual(yield* behind, 1)
      assert.include((yield* ask("GET", "/?node=n2", undefined, bearer(NEW))).text, yield* tokenOf(NEW, "n2"))
      yield* poll(old, "&boot=1")
      assert.strictEqual(yield* behind, 0)
    })
  )

  it.scoped("the previous key gives the rights of a node and no more, and other keys none", () =>
    Effect.gen(function* () {
      const { ask, old, poll } = yield* rotated()
      for (const path of ["/nodes", "/state", "/metrics"]) {
        assert.strictEqual((yield* ask("GET", path, undefined, bearer(KEY))).status, 403, path)
      }
      assert.strictEqual((yield* poll(old)).status, 200)
      assert.strictEqual((yield* ask("GET", "/?node=n2", undefined, bearer(old))).status, 403)
      assert.strictEqual((yield* poll("a-key-that-never-was-one")).status, 401)
      // Without the previous key, its tokens are nothing.
      const after = yield* world(config, { key: NEW })
      assert.strictEqual((yield* after.ask("GET", "/?node=n1", undefined, bearer(old))).status, 401)
    })
  )
})

describe("links between nodes", () => {
  it.effect("are judged by both keys, and made of the one that the reader goes by", () =>
    Effect.gen(function* () {
      const [a, b] = [NodeId.make("a"), NodeId.make("b")]
      const before = yield* Credentials.make({ key: Redacted.make(KEY) })
      const { linkToken, verifyLink } = yield* Credentials.make({
        key: Redacted.make(NEW),
        previousKey: Redacted.make(KEY)
      })
      const was = Redacted.value(yield* before.linkToken(a, b))
      const is = Redacted.value(yield* linkToken(a, b))
      assert.notStrictEqual(was, is)
      assert.strictEqual(Redacted.value(yield* linkToken(a, b, true)), was)
      for (const secret of [was, is]) assert.isTrue(yield* verifyLink(a, b, secret))
      assert.isFalse(yield* verifyLink(b, a, was))
      assert.isFalse(yield* before.verifyLink(a, b, is))
    })
  )
})
