import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { assert, describe, it, onTestFinished } from "vitest"
import { type ManagerOptions, manager } from "../../../src/adapters/hono/Manager.js"
import { InvalidConfig } from "../../../src/mediamtx/ConfigIssue.js"
import * as FleetState from "../../../src/services/FleetState.js"
import * as HookBus from "../../../src/services/HookBus.js"
import * as NodeRegistry from "../../../src/services/NodeRegistry.js"

const KEY = "key-of-the-hono-tests"
const options = {
  base: "https://example.com",
  key: KEY,
  config: { logLevel: "info", paths: { cam: {} } },
  labels: { "eu-*": { region: "eu" } },
  overlays: [{ name: "europe", nodes: "region=eu", config: { logLevel: "warn" } }]
} as const satisfies ManagerOptions

const open = (more: Pick<ManagerOptions, "configSource" | "state" | "logger"> = {}) => {
  const app = manager({ ...options, ...more })
  onTestFinished(() => app.dispose())
  const call = async (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const response = await app.request(path, {
      method,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
    const json = (): any => JSON.parse(text)
    return { status: response.status, text, json }
  }
  return { app, call }
}

describe("manager's configSource", () => {
  it("is the code by default, which has overlays as well and no revisions", async () => {
    const { call } = open()
    assert.include((await call("GET", "/?node=eu-1")).text, "logLevel: warn")
    assert.include((await call("GET", "/?node=us-1")).text, "logLevel: info")
    const none = await call("GET", "/config")
    assert.strictEqual(none.status, 404)
    assert.include(none.json().message, "keeps no revisions")
    const explained = (await call("GET", "/config/explain?node=eu-1&field=logLevel")).json()
    assert.deepInclude(explained.layers.at(-1), { layer: "overlay", name: "europe", value: "warn" })
  })

  it("may be revisions, of which the code is the first", async () => {
    const { call } = open({ configSource: "revisions" })
    const { config, etag } = (await call("GET", "/config")).json()
    assert.deepStrictEqual(config, { base: options.config, labels: options.labels, overlays: options.overlays })
    config.base.logLevel = "debug"
    assert.strictEqual((await call("PUT", "/config", { config }, { "if-match": etag })).status, 200)
    assert.include((await call("GET", "/?node=us-1")).text, "logLevel: debug")
    assert.strictEqual((await call("POST", "/config/rollback", { to: 1 })).json().revision.revision, 3)
    assert.include((await call("GET", "/?node=us-1")).text, "logLevel: info")
  })

  it("does not take revisions with a state that would lose them", async () => {
    const state = Layer.provideMerge(
      FleetState.layerMemory(),
      Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory())
    )
    const { app } = open({ configSource: "revisions", state, logger: Logger.remove(Logger.defaultLogger) })
    const error = await app.ready().then(
      () => undefined,
      (cause: unknown) => cause
    )
    assert.include(String(error), "keeps no revisions")
  })

  it("refuses at once what is not valid on some node", () => {
    const bad = [{ name: "bad", nodes: "node=z", config: { rtsp: 7 } }] as unknown as ManagerOptions["overlays"]
    assert.throws(() => manager({ ...options, overlays: bad }), InvalidConfig)
  })
})
