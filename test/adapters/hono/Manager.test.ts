import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { regex } from "arkregex"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Hono } from "hono"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { sqlite } from "../../../src/adapters/node/SqliteState.js"
import { type FleetContext, InvalidConfig, InvalidPath, manager, memory, path } from "../../../src/hono.js"
import * as AuthPolicy from "../../../src/services/AuthPolicy.js"
import { authCall, bearer, capture, hookCall, KEY, listen } from "./Serve.js"

const BASE = "https://manager.test"
const ADMIN = "admin-key-of-the-hono-tests"

/** Disposes at the end of the test. */
const kept = <A extends { readonly dispose: () => Promise<void> }>(app: A): A => {
  onTestFinished(() => app.dispose())
  return app
}

const small = { base: BASE, key: KEY, config: { paths: { cam: {} } } } as const

/** Resolves with the first value for which `wanted` holds. */
const until = <Value>(
  subscribe: (listener: (value: Value) => void) => { readonly unsubscribe: () => void },
  wanted: (value: Value) => boolean
): Promise<Value> =>
  new Promise((resolve) => {
    const subscription = subscribe((value) => {
      if (!wanted(value)) return
      subscription.unsubscribe()
      resolve(value)
    })
  })

/** The token in a node's config. */
const tokenIn = (yaml: string): string => {
  const found = /token=([A-Za-z0-9_-]{43})/.exec(yaml)?.[1]
  assert.isDefined(found)
  return found ?? ""
}

describe("manager", () => {
  it("serves a node its config, hears its hooks, answers its auth calls and shows its state", async () => {
    const asked: Array<unknown> = []
    const app = kept(
      manager({
        ...small,
        config: { paths: { cam: path({}), guests: path(regex("guest_(.*)"), {}) } },
        auth: ({ action, actor, payload }) => {
          asked.push({ action, actor, payload })
          return actor.user === "alice"
        }
      })
    )
    const { url } = await listen(app)
    const config = await fetch(`${url}/?node=north`, { headers: bearer() })
    assert.strictEqual(config.status, 200)
    const yaml = await config.text()
    assert.include(yaml, "~^guest_(.*)$")
    assert.include(yaml, `authHTTPAddress: "${BASE}/auth?node=north&token=`)
    assert.match(yaml, /# end of mtx-manager config\n$/)
    assert.notInclude(yaml, KEY)
    const token = tokenIn(yaml)

    const allowed = await fetch(
      `${url}/auth?node=north&token=${token}`,
      authCall({ user: "alice", password: "p", token: "p", query: "a=1&a=2&b=x%20y", userAgent: "vlc" })
    )
    assert.strictEqual(allowed.status, 204)
    assert.deepEqual(asked, [
      {
        action: "read",
        actor: {
          ip: "203.0.113.9",
          user: "alice",
          password: "p",
          token: "",
          id: "8d9e0f1a-0000-4000-8000-000000000001",
          userAgent: "vlc",
          node: "north"
        },
        payload: { path: "cam", protocol: "rtsp", query: { a: "1", b: "x y" } }
      }
    ])
    assert.strictEqual((await fetch(`${url}/auth?node=north&token=${token}`, authCall())).status, 401)
    assert.strictEqual((await fetch(`${url}/auth?node=north&token=${token}`, authCall({ user: "bob" }))).status, 403)

    const event = "event=available&path=cam&type=rtspSession&id=s1&query="
    assert.strictEqual((await fetch(`${url}/hooks?node=north`, hookCall(event, bearer(token)))).status, 204)
    const state = await (await fetch(`${url}/state`, { headers: bearer() })).json()
    assert.deepInclude(state.paths[0], { node: "north", path: "cam", available: true })
    assert.strictEqual(app.store.getSnapshot().context.publishers[0]?.id, "s1")

    const record = await app.nodes.get("north")
    assert.strictEqual(record?.id, "north")
    assert.deepInclude(record, { status: "online", lastSeenBy: "hook", address: "127.0.0.1" })
    assert.deepEqual(
      (await app.nodes.list()).map(({ id }) => id),
      ["north"]
    )
    assert.isTrue(await app.nodes.remove("north"))
    assert.isFalse(await app.nodes.remove("north"))
    assert.isUndefined(await app.nodes.get("north"))
    assert.isUndefined(await app.nodes.get("not a node"))
    assert.isFalse(await app.nodes.remove("not a node"))
  })

  it("has everything that the Node server has", async () => {
    const app = kept(manager(small))
    for (const [route, status] of [
      ["/healthz", 200],
      ["/readyz", 200],
      ["/openapi.json", 200],
      ["/docs", 200],
      ["/nodes", 200],
      ["/state", 200],
      ["/nodes/none", 404]
    ] as const) {
      assert.strictEqual((await app.request(route, { headers: bearer() })).status, status, route)
    }
  })

  it("works with app.request alone, and under a path", async () => {
    const app = kept(manager({ ...small, base: `${BASE}/mtx` }))
    const host = new Hono().route("/mtx", app)
    const reply = await host.request("/mtx/?node=a", { headers: bearer() })
    assert.strictEqual(reply.status, 200)
    assert.include(await reply.text(), `${BASE}/mtx/hooks?node=a`)
    assert.strictEqual((await host.request("/mtx?node=a", { headers: bearer() })).status, 200)
    const poll = { headers: { ...bearer(), "if-none-match": reply.headers.get("etag") ?? "" } }
    assert.strictEqual((await host.request("/mtx?node=a&every=10", poll)).status, 304)
    assert.strictEqual((await host.request("/mtx/nodes", { headers: bearer() })).status, 200)
    assert.strictEqual((await host.request("/mtxx", { headers: bearer() })).status, 404)
  })

  it("leaves other routes of the app at the root to it, and owns what is below its path", async () => {
    const root = kept(manager(small))
    const host = new Hono()
    host.route("/", root)
    host.get("/mine", (c) => c.text("mine"))
    host.notFound((c) => c.text("the host's own", 404))
    assert.strictEqual(await (await host.request("/mine")).text(), "mine")
    assert.strictEqual(await (await host.request("/nope")).text(), "the host's own")
    assert.strictEqual((await host.request("/nodes", { method: "PUT" })).status, 405)

    const below = new Hono().route("/mtx", kept(manager(small)))
    below.notFound((c) => c.text("the host's own", 404))
    assert.deepInclude(await (await below.request("/mtx/nope")).json(), { _tag: "NotFound" })
    assert.strictEqual(await (await below.request("/nope")).text(), "the host's own")
  })

  it("sends headers that middleware sets, and reads a body that middleware has read", async () => {
    const app = kept(manager({ ...small, auth: () => true }))
    const host = new Hono()
    host.use(async (c, next) => {
      c.header("x-before", "1")
      await c.req.text()
      await next()
      c.header("x-after", "2")
    })
    host.route("/", app)
    const { url } = await listen(host)
    const reply = await fetch(`${url}/auth?node=a&token=${KEY}`, authCall())
    assert.strictEqual(reply.status, 204)
    assert.strictEqual(reply.headers.get("x-before"), "1")
    assert.strictEqual(reply.headers.get("x-after"), "2")
  })

  it("refuses a chunked body over the limit while it is still coming", async () => {
    const app = kept(manager(small))
    const { port } = await listen(app)
    const status = await new Promise<string>((resolve, reject) => {
      const socket = Net.connect(port, "127.0.0.1", () => {
        socket.write(
          `POST /hooks?node=a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n`
        )
        const chunk = "x".repeat(64 * 1024)
        // One chunk more than the limit takes, and no end.
        for (let i = 0; i < 17; i++) socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      })
      socket.once("data", (data) => {
        resolve(data.toString("latin1").split("\r\n")[0] ?? "")
        socket.destroy()
      })
      socket.once("error", reject)
    })
    assert.strictEqual(status, "HTTP/1.1 413 Payload Too Large")
  })

  it("takes the client's address from proxies only where they are trusted, and from Cloudflare only there", async () => {
    const forged = { "x-forwarded-for": "192.0.2.7, 198.51.100.2", "cf-connecting-ip": "192.0.2.9" }
    for (const [trustProxy, address] of [
      [undefined, "127.0.0.1"],
      [true, "198.51.100.2"],
      [2, "192.0.2.7"]
    ] as const) {
      const app = kept(manager({ ...small, trustProxy }))
      const { url } = await listen(app)
      await fetch(`${url}/?node=a`, { headers: { ...bearer(), ...forged } })
      assert.strictEqual((await app.nodes.get("a"))?.address, address, String(trustProxy))
    }
  })

  it("splits administration off by adminKey", async () => {
    const app = kept(manager({ ...small, adminKey: ADMIN }))
    assert.strictEqual((await app.request("/nodes", { headers: bearer() })).status, 403)
    assert.strictEqual((await app.request("/nodes", { headers: bearer(ADMIN) })).status, 200)
    assert.strictEqual((await app.request("/?node=a", { headers: bearer() })).status, 200)
  })

  describe("config", () => {
    it("throws when MediaMTX would refuse it, with all that is wrong", () => {
      assert.throws(
        () => manager({ ...small, config: { readTimeout: "0s", paths: { cam: { source: "nonsense" } } } }),
        InvalidConfig,
        /paths\.cam\.source[\s\S]*readTimeout/
      )
      assert.throws(() => manager({ ...small, config: {}, hooks: false, refresh: { mode: "none" } }), InvalidConfig)
      assert.throws(() => manager({ ...small, config: { paths: { a: path("b", {}), b: {} } } }), InvalidPath)
      assert.throws(() => manager({ ...small, nodes: { "-bad-": {} } }), InvalidConfig, /node id/)
      assert.throws(
        () => manager({ ...small, nodes: { north: { paths: { cam: { source: "nonsense" } } } } }),
        InvalidConfig,
        /nodes\.north/
      )
      assert.throws(() => manager({ ...small, base: "ftp://nowhere" }), /base/)
      assert.throws(() => manager({ ...small, key: "" }), /key is empty/)
      assert.throws(() => manager({ ...small, key: "a key" }), /key has a space/)
    })

    it("gives single nodes what they have on top", async () => {
      const app = kept(manager({ ...small, nodes: { north: { paths: { extra: path({}) } } } }))
      const of = async (node: string) => (await app.request(`/?node=${node}`, { headers: bearer() })).text()
      assert.match(await of("north"), /extra: *\{\}/)
      assert.notInclude(await of("south"), "extra")
    })
  })

  describe("auth", () => {
    it("absent: nodes are not told to ask, and there is no /auth", async () => {
      const app = kept(manager({ ...small, config: { authMethod: "internal", paths: { cam: {} } } }))
      const yaml = await (await app.request("/?node=a", { headers: bearer() })).text()
      assert.notInclude(yaml, "authHTTPAddress")
      assert.match(yaml, /authMethod: "?internal/)
      const reply = await app.request(`/auth?node=a&token=${KEY}`, authCall())
      assert.strictEqual(reply.status, 404)
      assert.deepInclude(await reply.json(), { _tag: "NotFound" })
      const plain = await (await kept(manager(small)).request("/?node=a", { headers: bearer() })).text()
      assert.notInclude(plain, "authMethod")
    })

    it("given: nodes ask, whatever the config says, and the log says so", async () => {
      const log = capture()
      const app = kept(
        manager({
          ...small,
          config: { authMethod: "internal", paths: { cam: {} } },
          auth: () => true,
          logger: log.layer
        })
      )
      const yaml = await (await app.request("/?node=a", { headers: bearer() })).text()
      assert.match(yaml, /authMethod: "?http/)
      assert.include(log.lines.join("\n"), "authMethod: is internal but is replaced")
    })

    const decide = async (auth: Parameters<typeof manager>[0]["auth"], deadline?: number) => {
      const log = capture()
      const app = kept(manager({ ...small, auth, deadline, logger: log.layer }))
      const reply = await app.request(`/auth?node=a&token=${KEY}`, authCall({ user: "u", password: "hunter2" }))
      return { status: reply.status, text: await reply.text(), log: log.lines.join("\n") }
    }

    it("true allows, false denies, now and later", async () => {
      assert.strictEqual((await decide(() => true)).status, 204)
      assert.strictEqual((await decide(() => false)).status, 403)
      assert.strictEqual((await decide(async () => true)).status, 204)
      assert.strictEqual((await decide(() => Promise.resolve(false))).status, 403)
    })

    it("throwing, rejecting and nonsense deny, and are logged without secrets", async () => {
      const broken = [
        () => {
          throw new Error("db down for hunter2")
        },
        () => Promise.reject(new Error("db down for hunter2"))
      ]
      for (const auth of broken) {
        const { log, status, text } = await decide(auth)
        assert.strictEqual(status, 403)
        assert.include(log, "db down for ***")
        assert.notInclude(log + text, "hunter2")
      }
      // What JavaScript can answer where TypeScript would complain.
      for (const answer of [undefined, 1, "yes", {}]) {
        const { status } = await decide(() => JSON.parse(JSON.stringify([answer]))[0])
        assert.strictEqual(status, 403, String(answer))
      }
    })

    it("logs the first failure of a row only, and the first of the next", async () => {
      const log = capture()
      let broken = false
      const app = kept(
        manager({
          ...small,
          logger: log.layer,
          auth: async () => {
            if (broken) throw new Error("db down")
            return true
          }
        })
      )
      const statuses: Array<number> = []
      for (const now of [true, true, false, true]) {
        broken = now
        statuses.push((await app.request(`/auth?node=a&token=${KEY}`, authCall({ user: "u" }))).status)
      }
      assert.deepEqual(statuses, [403, 403, 204, 403])
      assert.strictEqual(log.lines.filter((line) => line.includes("db down")).length, 2)
    })

    it("denies at the deadline, and tells the function that nobody waits any more", async () => {
      let aborted = false
      const { status, text } = await decide(
        (_, { signal }) =>
          new Promise(() => {
            signal.addEventListener("abort", () => {
              aborted = true
            })
          }),
        30
      )
      assert.strictEqual(status, 403)
      assert.include(text, "no decision within 30ms")
      assert.isTrue(aborted)
    })

    it("takes a policy of AuthPolicy as well", async () => {
      assert.strictEqual((await decide(AuthPolicy.allowAll)).status, 204)
      assert.strictEqual((await decide(AuthPolicy.all([AuthPolicy.allowAll, AuthPolicy.denyAll]))).status, 403)
      const ask = AuthPolicy.AuthDecision.Ask({ reason: "who?" })
      assert.strictEqual((await decide(() => ask)).status, 401)
    })
  })

  describe("store", () => {
    it("tells of changes, whatever other subscribers do", async () => {
      const log = capture()
      const seen: Array<FleetContext> = []
      let online: Promise<ReadonlyArray<string>> | undefined
      const app = kept(
        manager({
          ...small,
          logger: log.layer,
          on: (store) => {
            store.subscribe(() => {
              throw new Error("a guest")
            })
            store.subscribe(() => new Promise(() => {}))
            store.subscribe(({ context }) => seen.push(context))
            const nodes = store.select(
              (context) => context.nodes.filter(({ status }) => status === "online").map(({ id }) => id),
              (previous, next) => previous.length !== next.length
            )
            online = until(nodes.subscribe, (ids) => ids.length === 2)
          }
        })
      )
      await app.ready()
      assert.deepEqual(seen, [])
      const { url } = await listen(app)
      for (const node of ["a", "b"]) await fetch(`${url}/?node=${node}`, { headers: bearer() })
      assert.deepEqual(await online, ["a", "b"])
      assert.isAbove(seen.length, 0)
      assert.include(log.lines.join("\n"), "a subscriber of the store failed")
      const reply = await fetch(`${url}/hooks?node=a`, hookCall("event=init&path=cam", bearer()))
      assert.strictEqual(reply.status, 204)
    })

    it("shows the present without a subscriber", async () => {
      const app = kept(manager(small))
      assert.deepEqual(app.store.getSnapshot().context.nodes, [])
      await app.request("/?node=a", { headers: bearer() })
      assert.deepEqual(
        app.store.getSnapshot().context.nodes.map(({ id }) => id),
        ["a"]
      )
    })
  })

  describe("events", () => {
    it("streams them under a path, and ends the stream at dispose", async () => {
      const app = kept(manager(small))
      const { url } = await listen(new Hono().route("/mtx", app))
      const stream = await fetch(`${url}/mtx/events`, { headers: bearer() })
      assert.match(stream.headers.get("content-type") ?? "", /^text\/event-stream/)
      const reader = (stream.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader()
      let text = ""
      const readTo = async (part: string) => {
        while (!text.includes(part)) {
          const { done, value } = await reader.read()
          if (done) break
          text += value
        }
      }
      await readTo("id: ")
      await fetch(`${url}/mtx/hooks?node=a`, hookCall("event=init&path=cam", bearer()))
      await readTo('"event":"init"')
      assert.include(text, '"event":"init"')
      await app.dispose()
      await readTo("never")
      assert.notInclude(text, "never")
    })
  })

  describe("state", () => {
    it("in a SQLite file outlives the manager", async () => {
      const folder = mkdtempSync(join(tmpdir(), "mtx-hono-"))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const open = () => kept(manager({ ...small, state: sqlite({ file: join(folder, "manager.db") }) }))
      const first = open()
      const event = "event=available&path=cam&type=rtspSession&id=s1&query="
      assert.strictEqual((await first.request("/hooks?node=a", hookCall(event, bearer()))).status, 204)
      await first.dispose()
      const second = open()
      await second.ready()
      assert.deepEqual(
        second.store.getSnapshot().context.publishers.map(({ id, path }) => [id, path]),
        [["s1", "cam"]]
      )
      assert.strictEqual((await second.nodes.get("a"))?.id, "a")
    })

    it("may depend on the environment of the first request", async () => {
      const seen: Array<unknown> = []
      const app = kept(
        manager({
          ...small,
          state: (env: { readonly DB: string }) => {
            seen.push(env.DB)
            return memory({ heartbeats: { tolerance: "1 second" } })
          }
        })
      )
      assert.deepEqual(seen, [])
      for (let i = 0; i < 2; i++) {
        assert.strictEqual((await app.request("/?node=a", { headers: bearer() }, { DB: "bound" })).status, 200)
      }
      assert.deepEqual(seen, ["bound"])
    })

    it("that can't be opened is 503 for requests, an error for ready, and is tried again", async () => {
      const log = capture()
      let attempts = 0
      let now = 0
      vi.spyOn(performance, "now").mockImplementation(() => now)
      onTestFinished(() => {
        vi.restoreAllMocks()
      })
      const broken = Layer.effectDiscard(
        Effect.suspend(() => {
          attempts++
          return attempts < 3 ? Effect.fail(new Error("the disk is on fire")) : Effect.void
        })
      )
      const app = kept(manager({ ...small, state: Layer.provideMerge(broken, memory()), logger: log.layer }))
      const reply = await app.request("/?node=a", { headers: bearer() })
      assert.strictEqual(reply.status, 503)
      assert.deepInclude(await reply.json(), { _tag: "Unavailable", retryAfter: 5 })
      const error = await app.ready().catch((error: unknown) => error)
      assert.instanceOf(error, Error)
      assert.include(String(error), "the disk is on fire")
      assert.strictEqual(attempts, 1)
      assert.include(log.lines.join("\n"), "the disk is on fire")
      now += 1_000
      assert.strictEqual((await app.request("/?node=a", { headers: bearer() })).status, 503)
      assert.strictEqual(attempts, 2)
      now += 1_000
      assert.strictEqual((await app.request("/?node=a", { headers: bearer() })).status, 200)
    })
  })

  describe("dispose", () => {
    it("answers 503 from then on, closes the state once, and may be called again", async () => {
      let closed = 0
      const watched = Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => closed++)))
      const app = manager({ ...small, state: Layer.provideMerge(watched, memory()) })
      await app.ready()
      await Promise.all([app.dispose(), app.dispose()])
      assert.strictEqual(closed, 1)
      assert.strictEqual((await app.request("/?node=a", { headers: bearer() })).status, 503)
      assert.strictEqual((await app.request("/healthz")).status, 503)
      const error = await app.nodes.list().catch((error: unknown) => error)
      assert.include(String(error), "disposed")
      await app.dispose()
    })

    it("before it has started leaves nothing open", async () => {
      const app = manager({ ...small, state: () => "memory" })
      await app.dispose()
      assert.strictEqual((await app.request("/?node=a", { headers: bearer() })).status, 503)
    })
  })
})
