import { createHash } from "node:crypto"
import { Hono } from "hono"
import { assert, describe, it, vi } from "vitest"
import { parse } from "yaml"
import { http } from "../../../src/auth.js"
import { type HookArguments, handler, InvalidConfig, path } from "../../../src/hono.js"
import { busybox, defaultHookConfiguration } from "../../../src/hooks.js"
import { authCall, bearer, hookCall, listen } from "./Serve.js"

const config = { webrtc: false, paths: { cam: { record: true }, door: path("yard/door", {}) } }
const JSON_TYPE = { "content-type": "application/json" }

describe("handler", () => {
  it("serves the config with its end, a hash of it and no caching", async () => {
    const { url } = await listen(handler(config))
    const reply = await fetch(`${url}/`)
    const text = await reply.text()
    assert.strictEqual(reply.status, 200)
    assert.strictEqual(reply.headers.get("content-type"), "text/yaml; charset=utf-8")
    assert.strictEqual(reply.headers.get("cache-control"), "no-store")
    assert.strictEqual(reply.headers.get("content-length"), String(Buffer.byteLength(text)))
    assert.strictEqual(reply.headers.get("etag"), `"${createHash("sha256").update(text).digest("hex")}"`)
    assert.match(text, /\n# end of mtx-manager config\n$/)
    assert.deepEqual(parse(text), { webrtc: false, paths: { cam: { record: true }, "yard/door": {} } })
    const again = await fetch(`${url}/?node=a`, { headers: { "if-none-match": reply.headers.get("etag") ?? "" } })
    assert.strictEqual(again.status, 304)
    const head = await fetch(`${url}/`, { method: "HEAD" })
    assert.deepEqual([head.status, head.headers.get("etag")], [200, reply.headers.get("etag")])
    assert.strictEqual((await fetch(`${url}/node=a`)).status, 200)
  })

  it("throws for a config that MediaMTX would refuse, or that sets nothing", () => {
    // @ts-expect-error a field that MediaMTX has not
    assert.throws(() => handler({ reedTimeout: "5s", paths: {} }), InvalidConfig, /readTimeout/)
    assert.throws(() => handler({ paths: { cam: { source: "nonsense" } } }), InvalidConfig)
    assert.throws(() => handler({}), InvalidConfig, /open to everyone/)
  })

  it("has only the routes that it was given something for", async () => {
    const app = handler(config)
    for (const route of ["/hooks", "/auth", "/nodes", "/nope"]) {
      const reply = await app.request(route, { method: "POST" })
      assert.strictEqual(reply.status, 404, route)
      assert.deepInclude(await reply.json(), { _tag: "NotFound" })
    }
    const reply = await handler(config, { on: () => {}, auth: () => true }).request("/auth")
    assert.strictEqual(reply.status, 405)
    assert.strictEqual(reply.headers.get("allow"), "POST")
    assert.strictEqual((await app.request("/", { method: "DELETE" })).status, 405)
  })

  it("can be mounted, and leaves the rest of the root to the app", async () => {
    const host = new Hono()
      .route("/mtx", handler(config, { on: () => {} }))
      .route("/", handler({ paths: { other: {} } }))
      .get("/mine", (c) => c.text("mine"))
    assert.include(await (await host.request("/mtx")).text(), "record")
    assert.include(await (await host.request("/")).text(), "other")
    assert.strictEqual(await (await host.request("/mine")).text(), "mine")
    assert.strictEqual((await host.request("/mtx/hooks", hookCall("event=init&path=cam"))).status, 204)
    assert.strictEqual((await host.request("/hooks", hookCall("event=init&path=cam"))).status, 404)
    const mounted = new Hono().mount("/deep/mtx", handler(config).fetch)
    assert.include(await (await mounted.request("/deep/mtx/")).text(), "record")
  })

  describe("on", () => {
    const heard = async (calls: ReadonlyArray<RequestInit>, query = "") => {
      const all: Array<HookArguments> = []
      const app = handler(config, { on: (...args) => void all.push(args) })
      for (const call of calls) assert.strictEqual((await app.request(`/hooks${query}`, call)).status, 204)
      return all
    }

    it("hears every event with its scope and what belongs to it", async () => {
      assert.deepEqual(
        await heard([
          hookCall("event=connect&type=rtspConn&id=c1"),
          hookCall("event=init&path=cam"),
          hookCall("event=demand&path=cam&query=a%3D1"),
          hookCall("event=ready&path=cam&type=rtmpConn&id=s1&query=user%3Du%26pass%3Dp"),
          hookCall("event=unread&path=cam&type=hlsSession&id=r1&query="),
          hookCall("event=record_segment_complete&path=cam&segment_duration=10.5&raw_segment_path=/r/a&b.mp4"),
          {
            method: "POST",
            headers: JSON_TYPE,
            body: JSON.stringify({ event: "disconnect", type: "srtConn", id: "c2" })
          }
        ]),
        [
          ["global", "connect", { node: undefined, type: "rtspConn", id: "c1" }],
          ["path", "init", { node: undefined, path: "cam" }],
          ["path", "demand", { node: undefined, path: "cam", query: { a: "1" } }],
          [
            "path",
            "available",
            { node: undefined, path: "cam", type: "rtmpConn", id: "s1", query: { user: "u", pass: "p" } }
          ],
          ["path", "unread", { node: undefined, path: "cam", type: "hlsSession", id: "r1", query: {} }],
          [
            "path",
            "record_segment_complete",
            { node: undefined, path: "cam", segmentDuration: 10.5, segmentPath: "/r/a&b.mp4" }
          ],
          ["global", "disconnect", { node: undefined, type: "srtConn", id: "c2" }]
        ] as unknown as ReadonlyArray<HookArguments>
      )
    })

    it("hears which node reports, where the address says so", async () => {
      const all = await heard([hookCall("event=init&path=cam")], "?node=north")
      assert.strictEqual(all[0]?.[2].node, "north")
      const app = handler(config, { on: () => {} })
      assert.strictEqual((await app.request("/hooks?node=-x", hookCall("event=init&path=cam"))).status, 400)
    })

    it("answers once a promise has settled", async () => {
      let done = false
      const app = handler(config, {
        on: async () => {
          await new Promise((resolve) => setImmediate(resolve))
          done = true
        }
      })
      await app.request("/hooks", hookCall("event=init&path=cam"))
      assert.isTrue(done)
    })

    it("what it throws is 500 with an id, and in the log", async () => {
      const lines: Array<string> = []
      const spy = vi.spyOn(console, "log").mockImplementation((...parts) => void lines.push(parts.join(" ")))
      try {
        for (const on of [
          () => {
            throw new Error("a bug of mine")
          },
          () => Promise.reject(new Error("a bug of mine"))
        ]) {
          const reply = await handler(config, { on }).request("/hooks", hookCall("event=init&path=cam"))
          assert.strictEqual(reply.status, 500)
          const body = await reply.json()
          assert.strictEqual(body._tag, "InternalError")
          assert.notInclude(JSON.stringify(body), "mine")
          assert.isTrue(lines.some((line) => line.includes(body.id) && line.includes("a bug of mine")))
        }
      } finally {
        spy.mockRestore()
      }
    })

    it("is not called for what is not a report, which is told by field", async () => {
      let called = 0
      const app = handler(config, { on: () => void called++ })
      for (const [call, status, field] of [
        [hookCall("event=nonsense&path=a"), 400, "event"],
        [hookCall("event=available&type=a&id=b"), 400, "path"],
        [{ method: "POST", headers: JSON_TYPE, body: "{" }, 400, ""],
        [{ method: "POST", headers: { "content-type": "text/plain" }, body: "event=init&path=a" }, 415, undefined],
        [hookCall(`event=init&path=a&junk=${"x".repeat(1024 * 1024)}`), 413, undefined]
      ] as const) {
        const reply = await app.request("/hooks", call)
        assert.strictEqual(reply.status, status)
        if (field === undefined) continue
        const { issues } = await reply.json()
        assert.include(
          issues.map((issue: { readonly field: string }) => issue.field),
          field
        )
      }
      assert.strictEqual(called, 0)
    })
  })

  describe("auth", () => {
    it("decides, now or later, and gets the question taken apart", async () => {
      const asked: Array<unknown> = []
      const app = handler(config, {
        auth: async (question) => {
          asked.push(question)
          return question.actor.user === "alice"
        }
      })
      const { url } = await listen(app)
      assert.strictEqual(
        (await fetch(`${url}/auth`, authCall({ user: "alice", token: "jwt", query: "a=b" }))).status,
        204
      )
      assert.strictEqual((await fetch(`${url}/auth?node=n`, authCall({ user: "bob" }))).status, 403)
      // Nothing was given, and the protocol can ask.
      assert.strictEqual((await fetch(`${url}/auth`, authCall())).status, 401)
      assert.strictEqual((await fetch(`${url}/auth`, authCall({ protocol: "srt" }))).status, 403)
      assert.deepEqual(asked[0], {
        action: "read",
        actor: {
          ip: "203.0.113.9",
          user: "alice",
          password: "",
          token: "jwt",
          id: "8d9e0f1a-0000-4000-8000-000000000001",
          userAgent: "",
          node: undefined
        },
        payload: { path: "cam", protocol: "rtsp", query: { a: "b" } }
      })
    })

    it("denies at the deadline", async () => {
      const app = handler(config, { auth: () => new Promise(() => {}), deadline: "20 millis" })
      const reply = await app.request("/auth", authCall({ user: "u" }))
      assert.strictEqual(reply.status, 403)
      assert.include((await reply.json()).message, "20ms")
    })

    it("says what is wrong with a question", async () => {
      const app = handler(config, { auth: () => true })
      const reply = await app.request("/auth", authCall({ action: "fly", password: ["hunter2"] }))
      assert.strictEqual(reply.status, 400)
      const body = await reply.json()
      assert.deepEqual(body.issues.map((issue: { readonly field: string }) => issue.field).sort(), [
        "action",
        "password"
      ])
      assert.notInclude(JSON.stringify(body), "hunter2")
    })
  })

  it("needs the key for everything, when it has one", async () => {
    const key = "a-key-of-the-tests"
    const app = handler(config, { key, on: () => {}, auth: () => true })
    for (const [route, call] of [
      ["/", {}],
      ["/hooks", hookCall("event=init&path=cam")],
      ["/auth", authCall()]
    ] as const) {
      const headers = "headers" in call ? call.headers : {}
      const as = async (more: Readonly<Record<string, string>>, query = "") =>
        (await app.request(`${route}${query}`, { ...call, headers: { ...headers, ...more } })).status
      const ok = route === "/" ? 200 : 204
      assert.strictEqual(await as({}), 401, route)
      assert.strictEqual(await as(bearer(`${key}x`)), 401, route)
      assert.strictEqual(await as({}, "?token=wrong"), 401, route)
      assert.strictEqual(await as(bearer(key)), ok, route)
      assert.strictEqual(await as({ authorization: `Basic ${btoa(`any:${key}`)}` }), ok, route)
      assert.strictEqual(await as({}, `?token=${key}`), ok, route)
    }
    assert.throws(() => handler(config, { key: "" }), /key is empty/)
  })

  it("serves what the generators of ./hooks and ./auth give", async () => {
    const hooks = busybox({ base: "https://example.test/hooks", ...defaultHookConfiguration })
    const auth = http({ base: "https://example.test/auth" })
    const app = handler({ ...hooks.global, ...auth.global, pathDefaults: { ...hooks.path }, paths: { cam: {} } })
    const served = parse(await (await app.request("/")).text())
    assert.strictEqual(served.authMethod, "http")
    assert.strictEqual(served.authHTTPAddress, "https://example.test/auth")
    assert.strictEqual(served.runOnConnect, hooks.global.runOnConnect)
    assert.deepEqual(served.pathDefaults, hooks.path)
  })
})
