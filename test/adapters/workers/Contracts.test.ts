/** The contract suites of the state's services, run inside workerd over Durable Object SQLite and over D1. */
import { fileURLToPath } from "node:url"
import { Miniflare } from "miniflare"
import { afterAll, assert, describe, it } from "vitest"
import { bundle } from "./workerd/bundle.js"

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const { code } = await bundle(here("./workerd/Contracts.ts"), {
  alias: { "@effect/vitest": here("./workerd/MiniVitest.ts") }
})
const miniflare = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.js", contents: code }],
  compatibilityDate: "2026-03-01",
  host: "127.0.0.1",
  durableObjects: { RUNNER: { className: "Runner", useSQLite: true } },
  d1Databases: ["DB"]
})
const call = (init?: { readonly method: string; readonly body: string }) =>
  miniflare.dispatchFetch("http://contracts.test/", init)
// The titles must be known when tests are collected, so workerd starts with the file.
const listed: unknown = await (await call()).json()
const names = Array.isArray(listed) ? listed.map(String) : []

afterAll(() => miniflare.dispose())

describe("in workerd", () => {
  it("there are suites to run", () => {
    assert.isAbove(names.length, 100)
  })
  for (const name of names) {
    it(name, async () => {
      const response = await call({ method: "POST", body: name })
      if (response.status !== 204) throw new Error(await response.text())
    })
  }
})
