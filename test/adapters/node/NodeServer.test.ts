import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NodeServer from "../../../src/adapters/node/NodeServer.js"
import * as ManagerClient from "../../../src/api/ManagerClient.js"
import * as ManagerLayer from "../../../src/api/ManagerLayer.js"
import { HookBus } from "../../../src/services/HookBus.js"
import { ADMIN_KEY, api, authBody, KEY, node, Probe, services, tokenOf } from "../../api/Fixture.js"

const served = NodeServer.layer({ port: 0 }).pipe(Layer.orDie, Layer.provideMerge(api))

/** Sends bytes as they are, and gives back all that came until the server closed or `done` says it is enough. */
const raw = (port: number, bytes: string | Buffer, done: (text: string) => boolean = () => false) =>
  Effect.async<string>((resume) => {
    let text = ""
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(bytes))
    const finish = () => {
      socket.destroy()
      resume(Effect.succeed(text))
    }
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1")
      if (done(text)) finish()
    })
    socket.on("close", finish)
    socket.on("error", finish)
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutFail({ duration: "8 seconds", onTimeout: () => new Error(`hangs on ${String(bytes).slice(0, 80)}`) })
  )

/** Status lines of all responses in what a socket gave. */
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((found) => Number(found[1]))

interface Ran {
  readonly code: number
  readonly stderr: string
}
const run = (command: string, args: ReadonlyArray<string>) =>
  Effect.async<Ran>((resume) => {
    execFile(command, [...args], { timeout: 8_000 }, (error, _stdout, stderr) =>
      resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? -1), stderr }))
    )
  })

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-manager-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

layer(served, { excludeTestServices: true })("NodeServer", (it) => {
  describe("busybox wget", () => {
    it.scoped("fetches a config, and leaves the file alone on 304 and 401", () =>
      Effect.gen(function* () {
        const { url } = yield* NodeServer.NodeServer
        const token = yield* tokenOf("box")
        const file = join(yield* temporary, "mediamtx.yml")
        const wget = (...args: ReadonlyArray<string>) => run("busybox", ["wget", "-q", "-O", file, ...args])
        const fetched = yield* wget("--header", `Authorization: Bearer ${token}`, `${url}/?node=box`)
        assert.strictEqual(fetched.code, 0, fetched.stderr)
        const text = readFileSync(file, "utf8")
        assert.isTrue(text.endsWith("# end of mtx-manager config\n"))
        // The manager's address may carry no path at all.
        assert.strictEqual((yield* wget("--header", `Authorization: Bearer ${token}`, `${url}?node=box`)).code, 0)
        const head = yield* Effect.promise(() =>
          fetch(`${url}/?node=box`, { headers: { authorization: `Bearer ${KEY}` } })
        )
        const unchanged = yield* wget(
          "--header",
          `Authorization: Bearer ${token}`,
          "--header",
          `If-None-Match: ${head.headers.get("etag")}`,
          `${url}/?node=box&every=10`
        )
        assert.strictEqual(unchanged.code, 1)
        assert.include(unchanged.stderr, "304")
        const unknown = yield* wget("--header", "Authorization: Bearer nope", `${url}/?node=box`)
        assert.strictEqual(unknown.code, 1)
        assert.include(unknown.stderr, "401")
        assert.strictEqual(readFileSync(file, "utf8"), text)
      })
    )

    it.scoped("posts hooks and comes back at once", () =>
      Effect.gen(function* () {
        const { url } = yield* NodeServer.NodeServer
        const bus = yield* HookBus
        const token = yield* tokenOf("box")
        const post = (body: string) =>
          run("busybox", [
            "wget", "-q", "-O", "/dev/null",
            "--header", `Authorization: Bearer ${token}`,
            "--post-data", body,
            `${url}/hooks?node=box`
          ]) // biome-ignore format: as one would type it
        const started = performance.now()
        const posted = yield* post("event=record_segment_create&path=cam&raw_segment_path=/rec/a b&c=%41/é.mp4")
        assert.strictEqual(posted.code, 0, posted.stderr)
        assert.isBelow(performance.now() - started, 3_000, "it waited for the connection to close")
        const stored = (yield* bus.read({ after: 0, limit: 1_000 })).at(-1)
        assert.deepStrictEqual(stored?.event, {
          event: "record_segment_create",
          path: "cam",
          segmentPath: "/rec/a b&c=%41/é.mp4"
        })
        assert.strictEqual((yield* post("event=nonsense")).code, 1)
      })
    )
  })

  describe("connections", () => {
    it.effect("are closed where the client says so, also after a 204, and kept where it doesn't", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeServer.NodeServer
        const hook = (connection: string) =>
          `POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 17\r\n${connection}\r\nevent=init&path=a`
        const closed = yield* raw(port, hook("Connection: close\r\n"))
        assert.deepStrictEqual(statuses(closed), [204])
        assert.match(closed, /connection: close/i)
        const kept = yield* raw(port, hook("") + hook(""), (text) => statuses(text).length === 2)
        assert.deepStrictEqual(statuses(kept), [204, 204])
        assert.match(kept, /keep-alive/i)
      })
    )

    it.effect("a body that announces to be over the limit is refused unread, and the connection closed", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeServer.NodeServer
        const text = yield* raw(
          port,
          `POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 99999999\r\n\r\nevent=`
        )
        assert.deepStrictEqual(statuses(text), [413])
        assert.match(text, /connection: close/i)
        const asking = yield* raw(
          port,
          `POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 99999999\r\n\r\n`
        )
        assert.deepStrictEqual(statuses(asking), [413])
      })
    )

    it.effect("a chunked body is cut off at the limit", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeServer.NodeServer
        const chunk = `40000\r\n${"x".repeat(0x40000)}\r\n`
        const text = yield* raw(
          port,
          `POST /auth?node=n1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`
        )
        assert.deepStrictEqual(statuses(text), [413])
      })
    )

    it.effect("nonsense on a socket gets a 4xx and is closed; the server goes on", () =>
      Effect.gen(function* () {
        const { port, url } = yield* NodeServer.NodeServer
        const bad: ReadonlyArray<string | Buffer> = [
          "\r\n\r\n\r\nhello\r\n\r\n",
          "GET\r\n\r\n",
          "GET / HTTP/9.9\r\n\r\n",
          "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\n\r\n",
          "GET /?node=a b HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
          `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(40_000)}\r\n\r\n`,
          "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
          "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "POST /auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
          Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        ]
        for (const bytes of bad) {
          const found = statuses(yield* raw(port, bytes))
          assert.isTrue(found.length > 0 && found.every((each) => each >= 400 && each < 500), `${bytes} ${found}`)
        }
        for (const target of ["*", "http://elsewhere/nope", "//", "/?&&&=%", "/nodes/%00", `/${"a/".repeat(3_000)}`]) {
          const text = yield* raw(port, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
          assert.isTrue(
            statuses(text).every((each) => each >= 400 && each < 500),
            `${target} ${text}`
          )
        }
        const upgrade = yield* raw(
          port,
          "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
          (text) => text.includes("}")
        )
        assert.deepStrictEqual(statuses(upgrade), [200])
        const absolute = yield* raw(
          port,
          `GET http://manager.test?node=n1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${KEY}\r\n\r\n`
        )
        assert.deepStrictEqual(statuses(absolute), [200])
        assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/healthz`))).status, 200)
      })
    )

    it.effect("a client that leaves in the middle of a body does no harm", () =>
      Effect.gen(function* () {
        const { port, url } = yield* NodeServer.NodeServer
        yield* Effect.async<void>((resume) => {
          const socket = Net.connect(port, "127.0.0.1", () => {
            socket.write("POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nevent=")
            socket.resetAndDestroy()
            resume(Effect.void)
          })
        })
        assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/healthz`))).status, 200)
      })
    )
  })

  describe("fuzz", () => {
    const text = FastCheck.oneof(
      FastCheck.string({ maxLength: 40 }),
      FastCheck.string({ unit: "binary", maxLength: 40 }),
      FastCheck.constantFrom(
        "",
        "%",
        "%zz",
        "%00",
        "\0",
        "../../x",
        "a".repeat(5_000),
        "é",
        "\uD800",
        "__proto__",
        "constructor"
      )
    )
    const someNode = FastCheck.oneof(
      FastCheck.constant("n1"),
      FastCheck.constant("%6e1"),
      text.map(encodeURIComponentSafe)
    )
    const query = FastCheck.oneof(
      someNode.map((id) => `?node=${id}`),
      FastCheck.array(FastCheck.tuple(FastCheck.constantFrom("node", "token", "every", "boot", "x", ""), someNode), {
        maxLength: 4
      }).map((pairs) => `?${pairs.map(([key, value]) => `${key}=${value}`).join("&")}`),
      text.map((junk) => `?${encodeURIComponentSafe(junk)}`),
      FastCheck.constant("")
    )
    const target = FastCheck.oneof(
      query.map((q) => ["GET", `/${q}`]),
      query.map((q) => ["POST", `/auth${q}`]),
      query.map((q) => ["POST", `/hooks${q}`]),
      FastCheck.tuple(someNode, query).map(([id, q]) => ["POST", `/nodes/${id}/heartbeat${q}`]),
      FastCheck.tuple(FastCheck.constantFrom("PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"), query).map(([m, q]) => [
        m,
        `/${q}`
      ])
    )
    const body = FastCheck.oneof(
      FastCheck.constant(JSON.stringify(authBody({ user: "alice", password: "wonder" }))),
      text.map((query) => `event=demand&path=cam&query=${query}`),
      FastCheck.constant(JSON.stringify({ instance: "i", status: "ok" })),
      text,
      FastCheck.json(),
      FastCheck.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      FastCheck.record(
        Object.fromEntries(
          Object.keys(authBody()).map((key) => [key, FastCheck.oneof(text, FastCheck.constant(null))])
        ),
        { requiredKeys: [] }
      ).map((value) => JSON.stringify(value)),
      FastCheck.array(
        FastCheck.tuple(
          FastCheck.constantFrom("event", "path", "type", "id", "query", "segment_duration", "raw_segment_path", "x"),
          FastCheck.oneof(text, FastCheck.constantFrom("init", "available", "ready", "connect", "1.5"))
        )
      ).map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join("&")),
      FastCheck.nat(2_000).map((depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`)
    )
    const headers = FastCheck.array(
      FastCheck.constantFrom(
        "Content-Type: application/json",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: ,;",
        "Content-Encoding: gzip",
        "If-None-Match: *",
        'If-None-Match: W/"',
        `If-None-Match: ${",".repeat(2_000)}`,
        "Authorization: Basic Og==",
        `Authorization: Bearer ${KEY}`,
        "Authorization: Bearer",
        "X-Forwarded-For: ,,,",
        "Expect: 100-continue",
        "Last-Event-ID: -1",
        "Accept: */*;q=zz"
      ),
      { maxLength: 4 }
    )

    it.effect(
      "no request on the hot routes gets a 5xx, hangs or harms the server",
      () =>
        Effect.gen(function* () {
          const { port, url } = yield* NodeServer.NodeServer
          const seen = new Map<number, number>()
          yield* Effect.promise(() =>
            FastCheck.assert(
              FastCheck.asyncProperty(
                target,
                headers,
                body,
                FastCheck.boolean(),
                async ([method, path], lines, content, keyed) => {
                  const payload = Buffer.from(content)
                  const all = [
                    `${method} ${path} HTTP/1.1`,
                    "Host: x",
                    "Connection: close",
                    ...(keyed ? [`Authorization: Bearer ${KEY}`] : []),
                    ...lines,
                    `Content-Length: ${payload.length}`
                  ]
                  const bytes = Buffer.concat([Buffer.from(`${all.join("\r\n")}\r\n\r\n`), payload])
                  const found = statuses(await Effect.runPromise(raw(port, bytes))).filter((status) => status !== 100)
                  for (const status of found) seen.set(status, (seen.get(status) ?? 0) + 1)
                  return found.length === 1 && found.every((status) => status < 500)
                }
              ),
              {
                numRuns: 600,
                // What chance rarely puts together: requests that get all the way through.
                examples: [
                  [["GET", "/?node=n1"], [], "", true],
                  [
                    ["POST", `/auth?node=n1&token=${KEY}`],
                    ["Content-Type: application/json"],
                    JSON.stringify(authBody({ user: "alice", password: "wonder" })),
                    true
                  ],
                  [
                    ["POST", "/hooks?node=n1"],
                    ["Content-Type: application/x-www-form-urlencoded"],
                    "event=demand&path=cam&query=",
                    true
                  ]
                ]
              }
            )
          )
          // The fuzz is worth something only where it gets past the doors.
          for (const status of [200, 204, 400, 401]) assert.isAbove(seen.get(status) ?? 0, 0, `${status} ${[...seen]}`)
          assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/healthz`))).status, 200)
        }),
      60_000
    )
  })

  describe("client", () => {
    const admin = Effect.flatMap(NodeServer.NodeServer, ({ url }) =>
      ManagerClient.make({ baseUrl: url, key: Redacted.make(ADMIN_KEY) })
    ).pipe(Effect.provide(FetchHttpClient.layer))

    it.effect("speaks every kind of route", () =>
      Effect.gen(function* () {
        const { url } = yield* NodeServer.NodeServer
        const client = yield* admin
        const asNode = yield* ManagerClient.make({ baseUrl: url, key: Redacted.make(yield* tokenOf("typed")) }).pipe(
          Effect.provide(FetchHttpClient.layer)
        )
        const config = yield* asNode.config.get({ urlParams: { node: node("typed") }, headers: {} })
        assert.include(config, "paths:")
        yield* asNode.hooks.publish({
          urlParams: { node: node("typed") },
          payload: { event: "init", path: "cam" }
        })
        const reply = yield* asNode.nodes.heartbeat({
          path: { id: node("typed") },
          payload: { instance: "i1", status: "ok", startedAt: 1_000 }
        })
        assert.deepStrictEqual(reply.commands, [])
        const record = yield* client.nodes.get({ path: { id: node("typed") } })
        assert.strictEqual(record.instance, "i1")
        assert.strictEqual(record.startedAt, 1_000)
        assert.include(
          (yield* client.nodes.list()).map((each) => each.id),
          node("typed")
        )
        assert.isAtLeast((yield* client.state.snapshot()).nodes.length, 1)
        const denied = yield* Effect.flip(asNode.nodes.list())
        assert.strictEqual(denied._tag, "Forbidden")
        const missing = yield* Effect.flip(client.nodes.get({ path: { id: node("nobody") } }))
        assert.strictEqual(missing._tag, "NotFound")
        const wrong = yield* Effect.flip(
          asNode.auth.decide({
            urlParams: { node: node("typed") },
            payload: { ...authBody({ user: "bob" }), action: "read", protocol: "rtsp" }
          })
        )
        assert.strictEqual(wrong._tag, "Forbidden")
        assert.strictEqual((yield* client.health.ready()).status, "ok")
      })
    )

    it.effect("watches events as they happen", () =>
      Effect.gen(function* () {
        const bus = yield* HookBus
        const client = yield* admin
        const before = yield* bus.latest
        const watching = yield* Effect.fork(
          Stream.runCollect(Stream.take(client.watch({ after: before, node: node("seen") }), 3))
        )
        for (const path of ["a", "b", "c"]) {
          yield* bus.publish(node("other"), { event: "init", path })
          yield* bus.publish(node("seen"), { event: "init", path })
        }
        const records = Chunk.toReadonlyArray(yield* Fiber.join(watching))
        assert.deepStrictEqual(
          records.map((record) => "path" in record.event && record.event.path),
          ["a", "b", "c"]
        )
      })
    )

    it.effect("is told why it is refused, and doesn't try again", () =>
      Effect.gen(function* () {
        const { url } = yield* NodeServer.NodeServer
        const fleet = yield* ManagerClient.make({ baseUrl: url, key: Redacted.make(KEY) }).pipe(
          Effect.provide(FetchHttpClient.layer)
        )
        const error = yield* Effect.flip(Stream.runDrain(fleet.watch()))
        assert.strictEqual(error._tag, "WatchError")
        assert.strictEqual(error.status, 403)
        assert.include(error.message, "admin key")
      })
    )
  })
})

/** What `encodeURIComponent` throws on is fuzz as well. */
function encodeURIComponentSafe(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    return "%ED%A0%80"
  }
}

describe("NodeServer's life", () => {
  /** A manager's API and server in a scope of their own, over services that outlive them: as after a restart. */
  const start = (options: NodeServer.NodeServerOptions) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Layer.buildWithScope(
        Layer.provide(NodeServer.layer(options), Layer.fresh(ManagerLayer.layer)),
        scope
      ).pipe(Effect.map(Context.get(NodeServer.NodeServer)))
      return { ...server, stop: Scope.close(scope, Exit.void) }
    })

  it.live("stops within its grace with an open event stream, which ends properly", () =>
    Effect.gen(function* () {
      const server = yield* start({ port: 0, grace: "3 seconds" })
      const response = yield* Effect.promise(() =>
        fetch(`${server.url}/events`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } })
      )
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
      const ended = yield* Effect.fork(Effect.promise(() => response.text()))
      const [time] = yield* Effect.timed(server.stop)
      assert.isBelow(Duration.toMillis(time), 1_500)
      assert.include(yield* Fiber.join(ended), "id: ")
      const again = yield* Effect.promise(() =>
        fetch(server.url).then(
          () => "answered",
          () => "refused"
        )
      )
      assert.strictEqual(again, "refused")
    }).pipe(Effect.provide(services))
  )

  it.live("cuts what is left after its grace", () =>
    Effect.gen(function* () {
      const server = yield* start({ port: 0, grace: "300 millis" })
      const slow = yield* Effect.fork(
        raw(server.port, "POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      )
      // Wait until the server has it.
      yield* Effect.promise(() => fetch(`${server.url}/healthz`).then((response) => response.text()))
      const [time] = yield* Effect.timed(server.stop)
      assert.isBelow(Duration.toMillis(time), 1_500)
      assert.deepStrictEqual(statuses(yield* Fiber.join(slow)), [])
    }).pipe(Effect.provide(services))
  )

  it.live("gives up on clients that trickle, with a 408", () =>
    Effect.gen(function* () {
      const server = yield* start({ port: 0, headersWithin: "200 millis", requestWithin: "400 millis" })
      const texts = yield* Effect.all(
        [
          raw(server.port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
          raw(server.port, "POST /hooks?node=n1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nevent=in"),
          raw(server.port, "POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
        ],
        { concurrency: "unbounded" }
      )
      // What needs no body is answered before the rest is given up on.
      assert.deepStrictEqual(texts.map(statuses), [[408], [408], [404, 408]])
      yield* server.stop
    }).pipe(Effect.provide(services))
  )

  it.live("says which address it can't have", () =>
    Effect.gen(function* () {
      const first = yield* start({ port: 0 })
      const error = yield* Effect.flip(start({ port: first.port }))
      assert.strictEqual(error._tag, "ListenError")
      assert.strictEqual(error.code, "EADDRINUSE")
      yield* first.stop
    }).pipe(Effect.provide(services))
  )

  it.live("a watcher goes on where it was after the manager was restarted: no gap, no repeat", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      const publish = (path: string) => bus.publish(node("n1"), { event: "init", path })
      const first = yield* start({ port: 0 })
      const client = yield* ManagerClient.make({ baseUrl: first.url, key: Redacted.make(ADMIN_KEY) }).pipe(
        Effect.provide(FetchHttpClient.layer)
      )
      const seen = yield* Queue.unbounded<string>()
      const watching = yield* client.watch({ after: 0, retry: "20 millis", retryMax: "50 millis" }).pipe(
        Stream.runForEach((record) => Queue.offer(seen, "path" in record.event ? record.event.path : "?")),
        Effect.fork
      )
      yield* publish("1")
      yield* publish("2")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Queue.takeN(seen, 2)), ["1", "2"])
      yield* first.stop
      yield* publish("3")
      // The same port, so that the client finds it again.
      const second = yield* start({ port: first.port })
      yield* publish("4")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Queue.takeN(seen, 2)), ["3", "4"])
      yield* Fiber.interrupt(watching)
      yield* second.stop
      assert.strictEqual(yield* Queue.size(seen), 0)
    }).pipe(Effect.provide(services))
  )

  it.live("sees the client's address through as many proxies as it trusts", () =>
    Effect.gen(function* () {
      const probe = yield* Probe
      const addressWith = (trustedProxies: number | undefined, forwarded: string) =>
        Effect.gen(function* () {
          const server = yield* start({ port: 0, trustedProxies })
          yield* Effect.promise(() =>
            fetch(`${server.url}/?node=n1`, {
              headers: { authorization: `Bearer ${KEY}`, "x-forwarded-for": forwarded }
            })
          )
          yield* server.stop
          return probe.observed.at(-1)?.[1].address
        })
      assert.strictEqual(yield* addressWith(undefined, "198.51.100.7"), "127.0.0.1")
      assert.strictEqual(yield* addressWith(1, "6.6.6.6, 198.51.100.7"), "198.51.100.7")
      assert.strictEqual(yield* addressWith(2, "6.6.6.6, 198.51.100.7, 10.0.0.1"), "198.51.100.7")
      assert.strictEqual(yield* addressWith(3, " 198.51.100.7 "), "198.51.100.7")
      assert.strictEqual(yield* addressWith(1, ""), "127.0.0.1")
    }).pipe(Effect.provide(services))
  )
})
