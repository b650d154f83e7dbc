/** `/config` in workerd, with revisions in the object's own SQLite and in D1: they are there after a restart. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Miniflare } from "miniflare"
import { assert, beforeAll, describe, it, onTestFinished } from "vitest"
import { bundle } from "./workerd/bundle.js"

const JSON_TYPE = { authorization: "Bearer shared-key", "content-type": "application/json" }

let code = ""
beforeAll(async () => {
  code = (await bundle(fileURLToPath(new URL("./workerd/RevisionsWorker.ts", import.meta.url)))).code
})

const start = async (state: "object" | "d1", folder: string) => {
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: code }],
    compatibilityDate: "2026-03-01",
    host: "127.0.0.1",
    durableObjects: { MANAGER: { className: "ManagerObject", useSQLite: true } },
    durableObjectsPersist: join(folder, "objects"),
    d1Databases: ["DB"],
    d1Persist: join(folder, "d1"),
    bindings: { STATE: state }
  })
  await miniflare.ready
  const call = async (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const response = await miniflare.dispatchFetch(`https://fleet.test${path}`, {
      method,
      headers: { ...JSON_TYPE, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
    const json = (): any => JSON.parse(text)
    return { status: response.status, headers: response.headers, text, json }
  }
  return { call, stop: () => miniflare.dispose() }
}

describe.each(["object", "d1"] as const)("revisions on Workers, in %s", (state) => {
  it("are made over HTTP, reach nodes, and outlive the object", async () => {
    const folder = await mkdtemp(join(tmpdir(), "mtx-manager-revisions-"))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const first = await start(state, folder)
    const seeded = await first.call("GET", "/config")
    assert.strictEqual(seeded.status, 200, seeded.text)
    const { config, etag } = seeded.json()
    assert.deepStrictEqual(config.overlays, [{ name: "europe", nodes: "region=eu", config: { logLevel: "warn" } }])
    assert.include((await first.call("GET", "/?node=eu-1")).text, "logLevel: warn")
    config.overlays[0].config.logLevel = "error"
    const put = await first.call("PUT", "/config", { config, note: "quiet" }, { "if-match": etag })
    assert.strictEqual(put.status, 200, put.text)
    assert.include((await first.call("GET", "/?node=eu-1")).text, "logLevel: error")
    assert.include((await first.call("GET", "/?node=us-1")).text, "logLevel: info")
    assert.strictEqual((await first.call("PUT", "/config", { config }, { "if-match": etag })).status, 412)
    assert.strictEqual((await first.call("PUT", "/config", "x", { "content-type": "text/yaml" })).status, 415)
    await first.stop()

    const second = await start(state, folder)
    onTestFinished(() => second.stop())
    assert.strictEqual((await second.call("GET", "/config")).headers.get("etag"), put.json().etag)
    assert.include((await second.call("GET", "/?node=eu-1")).text, "logLevel: error")
    const back = await second.call("POST", "/config/rollback", { to: 1 })
    assert.deepInclude(back.json().revision, { revision: 3, restores: 1 })
    assert.include((await second.call("GET", "/?node=eu-1")).text, "logLevel: warn")
    const explained = (await second.call("GET", "/config/explain?node=eu-1&field=logLevel")).json()
    assert.deepInclude(explained.layers.at(-1), { layer: "overlay", name: "europe", counts: true })
    assert.strictEqual((await second.call("GET", "/config/diff?from=2&to=3")).json().changes.length, 1)
  })
})
