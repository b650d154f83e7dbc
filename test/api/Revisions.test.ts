import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ManagerLayer from "../../src/api/ManagerLayer.js"
import * as WebHandler from "../../src/api/WebHandler.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigRevisions from "../../src/services/ConfigRevisions.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import type { FleetDocument } from "../../src/services/FleetDocument.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { ADMIN_KEY, KEY } from "./Fixture.js"

const seed: FleetDocument = {
  base: { logLevel: "info", paths: { cam: { source: "rtsp://u:s3cret-pw@10.0.0.1/x" }, all_others: {} } },
  labels: { "eu-*": { region: "eu" } },
  overlays: [{ name: "europe", nodes: "region=eu", config: { logLevel: "warn" } }]
}

/** The API over the real services in memory. */
const world = (
  options: ConfigRevisions.ConfigRevisionsOptions = {},
  source: Layer.Layer<
    ConfigSource.ConfigSource,
    unknown,
    ConfigRevisions.ConfigRevisions
  > = ConfigRevisions.layerSource({ seed: Effect.succeed(seed) })
) =>
  Effect.gen(function* () {
    const credentials = Credentials.layer({ key: Redacted.make(KEY), adminKey: Redacted.make(ADMIN_KEY) })
    const services = Layer.provideMerge(FleetState.layerMemory(), HookBus.layerMemory()).pipe(
      Layer.provideMerge(NodeRegistry.layerMemory()),
      Layer.provideMerge(ConfigRenderer.layer({ base: "https://example.com" })),
      Layer.provideMerge(source),
      Layer.provideMerge(ConfigRevisions.layerMemory(options)),
      Layer.provideMerge(credentials),
      Layer.provideMerge(AuthPolicy.layer(AuthPolicy.allowAll))
    )
    const context = yield* Layer.build(ManagerLayer.layer.pipe(Layer.provideMerge(services)))
    const handler = yield* Effect.provide(WebHandler.make, context)
    const call = (
      method: string,
      url: string,
      body?: unknown,
      headers: Readonly<Record<string, string>> = {},
      key = ADMIN_KEY
    ) =>
      Effect.promise(async () => {
        const response = await handler(
          new Request(`http://manager.test${url}`, {
            method,
            headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
            ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) })
          })
        )
        const text = await response.text()
        // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
        const json = (): any => JSON.parse(text)
        return { status: response.status, headers: response.headers, text, json }
      })
    const current = Effect.map(call("GET", "/config"), ({ json }) => json())
    const put = (config: unknown, etag: string | undefined, more: object = {}) =>
      call("PUT", "/config", { config, ...more }, etag === undefined ? {} : { "if-match": etag })
    const nodeConfig = (node: string) => Effect.map(call("GET", `/?node=${node}`), ({ text }) => text)
    return { call, current, put, nodeConfig }
  })

describe("/config", () => {
  it.scoped("gives the newest revision, and 304 to who has it", () =>
    Effect.gen(function* () {
      const { call } = yield* world()
      const first = yield* call("GET", "/config")
      assert.strictEqual(first.status, 200)
      const etag = first.headers.get("etag") ?? ""
      assert.match(etag, /^"1-[0-9a-f]{16}"$/)
      assert.strictEqual(first.headers.get("cache-control"), "no-store")
      const body = first.json()
      assert.deepInclude(body, { revision: 1, etag, author: "seed", origin: "seed", restores: null })
      assert.match(body.at, /^\d{4}-\d\d-\d\dT/)
      assert.deepStrictEqual(body.config, seed)
      const again = yield* call("GET", "/config", undefined, { "if-none-match": `"x", ${etag}` })
      assert.deepStrictEqual([again.status, again.text], [304, ""])
      const one = yield* call("GET", "/config/revisions/1")
      assert.deepStrictEqual(one.json(), body)
    })
  )

  it.scoped("takes a change made from the newest revision, and nodes have it at once", () =>
    Effect.gen(function* () {
      const { call, current, nodeConfig, put } = yield* world()
      assert.strictEqual(
        (yield* call("POST", "/nodes/eu-1/heartbeat", {
          instance: "i",
          status: "ok",
          paths: [
            {
              name: "cam",
              available: true,
              online: true,
              source: { type: "rtspSource", id: "p" },
              readers: [{ type: "rtspSession", id: "r" }]
            }
          ]
        })).status,
        200
      )
      const { config, etag } = yield* current
      config.base.paths.cam.maxReaders = 7
      const done = yield* put(config, etag, { author: "ann", note: "fewer readers" })
      assert.strictEqual(done.status, 200, done.text)
      const body = done.json()
      assert.deepInclude(body.revision, {
        revision: 2,
        author: "ann",
        note: "fewer readers",
        changes: { total: 1, fields: ["base.paths.cam.maxReaders"] }
      })
      assert.isTrue(body.created)
      assert.deepStrictEqual(body.impact, {
        drops: { nodes: 1, streams: 1, readers: 1, connections: 0 },
        nodes: { unchanged: 0, reloads: 1, keeps: 0, starts: 0 }
      })
      assert.include(yield* nodeConfig("eu-1"), "maxReaders: 7")
      assert.strictEqual((yield* current).etag, body.etag)
      const same = yield* put(config, body.etag)
      assert.deepInclude(same.json(), { created: false, etag: body.etag })
    })
  )

  it.scoped("tells the second of two editors who was faster", () =>
    Effect.gen(function* () {
      const { call, current, put } = yield* world()
      const { config, etag } = yield* current
      const mine = { ...config, overlays: [] }
      assert.strictEqual((yield* put(mine, undefined)).status, 428)
      assert.strictEqual((yield* put(mine, undefined)).json()._tag, "PreconditionRequired")
      assert.strictEqual((yield* put({ ...config, labels: {}, overlays: [] }, etag, { author: "bob" })).status, 200)
      const late = yield* put(mine, etag)
      assert.strictEqual(late.status, 412)
      const { etag: newest } = yield* current
      assert.deepInclude(late.json(), { _tag: "PreconditionFailed", etag: newest })
      assert.deepInclude(late.json().newest, { revision: 2, author: "bob" })
      for (const wrong of ['"1-0000000000000000"', `W/${newest}`, newest.slice(1, -1), "", '"2"']) {
        assert.strictEqual((yield* put(mine, wrong)).status, 412, wrong)
      }
      assert.strictEqual((yield* put(mine, `"0-x", ${newest}`)).status, 200)
      assert.strictEqual((yield* put(config, "*")).json().revision.revision, 4)
      // As many at once as there may be: one of them wins.
      const { etag: last } = yield* current
      const statuses = yield* Effect.forEach(
        [1, 2, 3, 4],
        (count) => Effect.map(put({ base: { paths: { cam: { maxReaders: count } } } }, last), ({ status }) => status),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...statuses].sort(), [200, 412, 412, 412])
      assert.strictEqual((yield* call("GET", "/config/revisions")).json().revisions.length, 5)
    })
  )

  it.scoped("refuses what is not valid for every node, with every issue and its place", () =>
    Effect.gen(function* () {
      const { current, put } = yield* world()
      const { config, etag } = yield* current
      const issues = (body: unknown) =>
        Effect.map(put(body, etag), ({ json, status, text }) => {
          assert.strictEqual(status, 400, text)
          assert.strictEqual(json()._tag, "InvalidRequest")
          return json().issues.map(({ field }: { readonly field: string }) => field)
        })
      assert.deepStrictEqual(yield* issues({ ...config, base: { paths: { cam: { sorce: "x", maxReaders: "y" } } } }), [
        "config.base.paths.cam.sorce",
        "config.base.paths.cam.maxReaders"
      ])
      assert.deepStrictEqual(
        yield* issues({ ...config, overlays: [{ name: "europe", nodes: "region=eu", config: { rtsp: 7 } }] }),
        ["config.overlays[0].config.rtsp"]
      )
      assert.deepStrictEqual(yield* issues({ ...config, nodes: { n: { logLevl: "x" } } }), ["config.nodes.n.logLevl"])
      assert.deepStrictEqual(yield* issues({ overlays: [] }), ["config.base"])
      assert.deepStrictEqual(yield* issues([]), ["config"])
      assert.deepStrictEqual((yield* current).etag, etag)
    })
  )

  it.scoped("takes JSON only, and says so", () =>
    Effect.gen(function* () {
      const { call } = yield* world()
      for (const type of ["application/yaml", "text/yaml", "text/plain", "application/x-www-form-urlencoded"]) {
        const reply = yield* call("PUT", "/config", "base: {}\n", { "content-type": type, "if-match": "*" })
        assert.strictEqual(reply.status, 415, type)
        assert.deepInclude(reply.json(), { _tag: "UnsupportedMediaType", supported: ["application/json"] })
      }
      assert.strictEqual((yield* call("PUT", "/config", "{", { "if-match": "*" })).status, 400)
    })
  )

  it.scoped("goes back by a new revision", () =>
    Effect.gen(function* () {
      const { call, current, nodeConfig, put } = yield* world()
      const { config, etag } = yield* current
      const text = yield* nodeConfig("eu-1")
      yield* put({ base: { logLevel: "debug", paths: { cam: {} } } }, etag)
      const back = yield* call("POST", "/config/rollback", { to: 1, note: "it was better", author: "ann" })
      assert.strictEqual(back.status, 200, back.text)
      assert.deepInclude(back.json().revision, { revision: 3, origin: "rollback", restores: 1, note: "it was better" })
      assert.deepStrictEqual((yield* current).config, config)
      assert.strictEqual(yield* nodeConfig("eu-1"), text, "the same bytes as before")
      assert.strictEqual((yield* call("POST", "/config/rollback", { to: 2 }, { "if-match": etag })).status, 412)
      assert.strictEqual((yield* call("POST", "/config/rollback", { to: 99 })).status, 404)
      assert.strictEqual((yield* call("POST", "/config/rollback", {})).status, 400)
    })
  )

  it.scoped("lists, page by page, and says what differs without secrets", () =>
    Effect.gen(function* () {
      const { call, put } = yield* world()
      for (const count of [1, 2, 3]) yield* put({ base: { paths: { cam: { maxReaders: count } } } }, "*")
      const page = (yield* call("GET", "/config/revisions?limit=2")).json()
      assert.deepStrictEqual(
        [page.revisions.map((each: { readonly revision: number }) => each.revision), page.next],
        [[4, 3], 3]
      )
      assert.notInclude(JSON.stringify(page), 'config"')
      const rest = (yield* call("GET", `/config/revisions?limit=2&before=${page.next}`)).json()
      assert.deepStrictEqual(
        [rest.revisions.map((each: { readonly revision: number }) => each.revision), rest.next],
        [[2, 1], null]
      )
      const all = (yield* call("GET", "/config/diff?from=0&to=1")).json()
      assert.notInclude(JSON.stringify(all), "s3cret")
      assert.include(JSON.stringify(all), "10.0.0.1")
      assert.deepStrictEqual((yield* call("GET", "/config/diff")).json(), {
        from: 3,
        to: 4,
        changes: [{ field: "base.paths.cam.maxReaders", change: "changed", before: 2, after: 3 }]
      })
      for (const [url, status] of [
        ["/config/revisions?before=x", 400],
        ["/config/revisions?limit=0", 400],
        ["/config/revisions/x", 400],
        ["/config/revisions/9", 404],
        ["/config/diff?from=9", 404],
        ["/config/diff?to=-1", 400]
      ] as const) {
        const reply = yield* call("GET", url)
        assert.strictEqual(reply.status, status, url)
      }
    })
  )

  it.scoped("explains, also what is the manager's own", () =>
    Effect.gen(function* () {
      const { call } = yield* world()
      const explain = (node: string, field: string) =>
        Effect.map(call("GET", `/config/explain?node=${node}&field=${encodeURIComponent(field)}`), ({ json }) => json())
      const level = yield* explain("eu-1", "logLevel")
      assert.deepInclude(level, { node: "eu-1", value: "warn", labels: { region: "eu", node: "eu-1" } })
      assert.deepStrictEqual(
        level.layers.map((each: { readonly layer: string; readonly counts: boolean }) => [each.layer, each.counts]),
        [
          ["mediamtx", false],
          ["base", false],
          ["overlay", true]
        ]
      )
      for (const field of [
        "authMethod",
        "authHTTPAddress",
        "runOnConnect",
        "pathDefaults.runOnAvailable",
        "paths.cam.runOnAvailable",
        "paths.mtx-manager.runOnInit"
      ]) {
        assert.deepInclude(
          (yield* explain("eu-1", field)).layers.at(-1),
          { layer: "manager", value: null, counts: true },
          field
        )
      }
      assert.strictEqual((yield* explain("eu-1", "paths.cam.record")).layers.at(-1).layer, "mediamtx")
      const wrong = yield* call("GET", "/config/explain?node=eu-1&field=logLevl")
      assert.strictEqual(wrong.status, 400)
      assert.include(wrong.text, "did you mean logLevel")
    })
  )

  it.scoped("is the files' where files count: 409 for changes, the history for everybody", () =>
    Effect.gen(function* () {
      const source = Layer.unwrapEffect(
        Effect.map(ConfigSource.make({ config: { paths: { cam: {} } } }), (inner) =>
          ConfigRevisions.layerRecorded(Effect.succeed(inner))
        )
      )
      const { call, current, put } = yield* world({ readOnly: "edit the files" }, source)
      assert.deepInclude(yield* current, { revision: 1, author: "files" })
      const reply = yield* put({ base: {} }, "*")
      assert.strictEqual(reply.status, 409)
      assert.deepInclude(reply.json(), { _tag: "Conflict", message: "edit the files" })
      assert.strictEqual((yield* call("POST", "/config/rollback", { to: 1 })).status, 409)
      assert.strictEqual((yield* call("GET", "/config/revisions")).json().revisions.length, 1)
    })
  )

  it.scoped("is for the admin key alone", () =>
    Effect.gen(function* () {
      const { call } = yield* world()
      for (const [method, url] of [
        ["GET", "/config"],
        ["PUT", "/config"],
        ["POST", "/config/rollback"],
        ["GET", "/config/revisions"],
        ["GET", "/config/revisions/1"],
        ["GET", "/config/diff"],
        ["GET", "/config/explain?node=n&field=logLevel"]
      ] as const) {
        const body = method === "GET" ? undefined : {}
        assert.strictEqual((yield* call(method, url, body, {}, "nobody")).status, 401, url)
        assert.strictEqual((yield* call(method, url, body, {}, KEY)).status, 403, url)
      }
    })
  )
})
