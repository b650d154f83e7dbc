/** The Worker template: its wrangler config taken at its word, bundled as wrangler would, run in workerd. */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import * as Schema from "effect/Schema"
import { Miniflare } from "miniflare"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { bundle } from "../adapters/workers/workerd/bundle.js"

const folder = new URL("../../examples/cloudflare-worker/", import.meta.url)
const KEY = "the-shared-key"
const bearer = { authorization: `Bearer ${KEY}` }

/** KiB of gzip that the whole Worker may have. The goal is 200: docs/workers.md says what stands in the way. */
const SIZE_LIMIT = 334

const Wrangler = Schema.Struct({
  main: Schema.Literal("index.ts"),
  compatibility_date: Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}$/)),
  compatibility_flags: Schema.optional(Schema.Array(Schema.String)),
  vars: Schema.Record({ key: Schema.String, value: Schema.String }),
  durable_objects: Schema.Struct({
    bindings: Schema.Tuple(Schema.Struct({ name: Schema.String, class_name: Schema.String }))
  }),
  migrations: Schema.Array(Schema.Struct({ tag: Schema.String, new_sqlite_classes: Schema.Array(Schema.String) }))
})

/** Comments stand on lines of their own there. */
const readWrangler = async () => {
  const text = await readFile(new URL("wrangler.jsonc", folder), "utf8")
  return Schema.decodeUnknownSync(Schema.parseJson(Wrangler))(text.replace(/^\s*\/\/.*$/gm, ""))
}

describe("examples/cloudflare-worker", () => {
  let miniflare: Miniflare
  let size = 0
  let inputs: ReadonlyArray<string> = []
  const call: Miniflare["dispatchFetch"] = (...args) => miniflare.dispatchFetch(...args)

  beforeAll(async () => {
    const wrangler = await readWrangler()
    const { code, metafile } = await bundle(fileURLToPath(new URL(wrangler.main, folder)), { minify: true })
    size = gzipSync(code, { level: 9 }).length / 1024
    inputs = Object.entries(Object.values(metafile.outputs)[0]?.inputs ?? {})
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([name]) => name)
    const [object] = wrangler.durable_objects.bindings
    miniflare = new Miniflare({
      modules: [{ type: "ESModule", path: "index.js", contents: code }],
      compatibilityDate: wrangler.compatibility_date,
      compatibilityFlags: [...(wrangler.compatibility_flags ?? [])],
      host: "127.0.0.1",
      durableObjects: {
        [object.name]: {
          className: object.class_name,
          useSQLite: wrangler.migrations.some(({ new_sqlite_classes }) =>
            new_sqlite_classes.includes(object.class_name)
          )
        }
      },
      bindings: {
        ...wrangler.vars,
        KEY,
        PUBLISHER: `sha256:${createHash("sha256").update("a long random password").digest("base64")}`
      }
    })
    await miniflare.ready
  })
  afterAll(() => miniflare.dispose())

  it("runs on what every Worker has: no flag, nothing of Node", async () => {
    assert.deepStrictEqual((await readWrangler()).compatibility_flags ?? [], [])
  })

  it(`is under ${SIZE_LIMIT} KiB of gzip, without parts that no Worker needs`, () => {
    console.log(`examples/cloudflare-worker: ${size.toFixed(1)} KiB gzip`)
    assert.isBelow(size, SIZE_LIMIT)
    const unwanted = inputs.filter((name) =>
      /Swagger|platform-node|better-sqlite3|node_modules\/(hash-wasm|aws4fetch)\//.test(name)
    )
    assert.deepStrictEqual(unwanted, [])
  })

  it("says that it has no dashboard, and lets people log in for one that is served beside it", async () => {
    const page = await call("https://manager.test/dashboard")
    assert.strictEqual(page.status, 404)
    assert.match(await page.text(), /"NotFound".*this build has no dashboard: Workers leave it out/)
    const begun = await call("https://manager.test/dashboard-session", {
      method: "POST",
      headers: { "content-type": "application/json", "x-mtx-dashboard": "1" },
      body: JSON.stringify({ key: KEY })
    })
    assert.strictEqual(begun.status, 200, await begun.text())
    const cookie = (begun.headers.get("set-cookie") ?? "").split(";")[0] ?? ""
    assert.match(begun.headers.get("set-cookie") ?? "", /; Secure$/)
    const state = await call("https://manager.test/state", { headers: { cookie } })
    assert.strictEqual(state.status, 200, await state.text())
  })

  it("serves a node: its config, who may publish, what happens", async () => {
    const config = await call("https://manager.test/?node=n1", { headers: bearer })
    assert.strictEqual(config.status, 200)
    const text = await config.text()
    assert.include(text, "rtsp://192.0.2.10/stream")
    const base = new URL((await readWrangler()).vars["BASE"] ?? "").origin
    assert.include(text, `${base}/auth?node=n1`)
    assert.include(text, `${base}/hooks?node=n1`)

    const ask = async (action: string, path: string, user: string, password: string) => {
      const response = await call(`https://manager.test/auth?node=n1&token=${KEY}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ip: "203.0.113.9",
          user,
          password,
          token: "",
          action,
          path,
          protocol: "webrtc",
          id: null,
          query: "",
          userAgent: ""
        })
      })
      return response.status
    }
    assert.strictEqual(await ask("publish", "studio", "studio", "a long random password"), 204)
    assert.strictEqual(await ask("publish", "studio", "studio", "a guess"), 403)
    assert.strictEqual(await ask("publish", "yard", "studio", "a long random password"), 403)
    assert.strictEqual(await ask("read", "yard", "", ""), 204)

    const hook = await call("https://manager.test/hooks?node=n1", {
      method: "POST",
      headers: { ...bearer, "content-type": "application/x-www-form-urlencoded" },
      body: "event=available&path=studio&type=webRTCSession&id=s1&query="
    })
    assert.strictEqual(hook.status, 204)
    const state = JSON.stringify(await (await call("https://manager.test/state", { headers: bearer })).json())
    assert.include(state, '"path":"studio"')

    const metrics = await (await call("https://manager.test/metrics", { headers: bearer })).text()
    assert.match(metrics, /^mtx_manager_hot_requests_total\{route="auth",outcome="allow"\} [1-9]\d*$/m)
    assert.match(metrics, /^mtx_manager_nodes\{status="online"\} 1$/m)
    assert.notInclude(metrics, "event_loop")
  })
})
