/** The Worker template: from nothing to its first config in workerd, beside a Worker by hand, and how large it is. */
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { Miniflare } from "miniflare"
import { median } from "./process.mjs"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const KEY = "the-shared-key"
/** KiB of gzip: the goal for the whole Worker. */
const GOAL = 200

/** As wrangler does it, over the built package. */
const bundle = async () => {
  const { outputFiles } = await build({
    entryPoints: [here("../examples/cloudflare-worker/index.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2024",
    platform: "neutral",
    mainFields: ["workerd", "browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    // The repository's tsconfig would lead to the sources.
    tsconfigRaw: {},
    alias: {
      "@livecams/mtx-manager/hono": here("../dist/hono.js"),
      "@livecams/mtx-manager/workers": here("../dist/workers.js")
    }
  })
  return outputFiles[0].text
}

/** The least that gives a node a config and keeps what it reports: one object, one table, one key. */
const byHand = `
const yaml = "paths:\\n  yard:\\n    source: rtsp://192.0.2.10/stream\\n  studio: {}\\n# end\\n"
export class ManagerObject {
  constructor(ctx, env) {
    this.sql = ctx.storage.sql
    this.key = env.KEY
    this.sql.exec("CREATE TABLE IF NOT EXISTS hooks (id INTEGER PRIMARY KEY, node TEXT, body TEXT)")
  }
  async fetch(request) {
    if (request.headers.get("authorization") !== "Bearer " + this.key) return new Response(null, { status: 401 })
    const url = new URL(request.url)
    if (url.pathname === "/") return new Response(yaml, { headers: { "content-type": "text/yaml" } })
    this.sql.exec("INSERT INTO hooks (node, body) VALUES (?, ?)", url.searchParams.get("node"), await request.text())
    return new Response(null, { status: 204 })
  }
}
export default { fetch: (request, env) => env.MANAGER.get(env.MANAGER.idFromName("manager")).fetch(request) }
`

/** Milliseconds until workerd is ready and has given out a config, with an empty database; and of the first answer alone. */
const coldStart = async (code) => {
  const begun = performance.now()
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "index.js", contents: code }],
    compatibilityDate: "2026-03-01",
    host: "127.0.0.1",
    durableObjects: { MANAGER: { className: "ManagerObject", useSQLite: true } },
    bindings: { BASE: "https://manager.test", KEY, PUBLISHER: "plain:secret" }
  })
  try {
    await miniflare.ready
    const ready = performance.now()
    const response = await miniflare.dispatchFetch("https://manager.test/?node=n1", {
      headers: { authorization: `Bearer ${KEY}` }
    })
    const text = await response.text()
    if (!response.ok || !text.includes("# end")) throw new Error(`first request: ${response.status} ${text}`)
    const done = performance.now()
    return { whole: done - begun, first: done - ready }
  } finally {
    await miniflare.dispose()
  }
}

export const workerRows = async ({ rounds }) => {
  const code = await bundle()
  const size = gzipSync(code, { level: 9 }).length / 1024
  const results = { ours: [], peer: [] }
  for (let round = -1; round < rounds; round++) {
    const order = [
      ["ours", code],
      ["peer", byHand]
    ]
    if (round % 2 !== 0) order.reverse()
    for (const [name, source] of order) {
      const result = await coldStart(source)
      // Round -1 warms up.
      if (round >= 0) results[name].push(result)
    }
  }
  const figure = (name, field) => median(results[name].map((one) => one[field]))
  const shown = (name) =>
    `${figure(name, "whole").toFixed(0)} ms, of which the first request ${figure(name, "first").toFixed(0)} ms`
  return [
    {
      what: "Worker, from nothing to the first config in workerd",
      ours: shown("ours"),
      peer: `Worker by hand: ${shown("peer")}`,
      ratio: (figure("ours", "whole") / figure("peer", "whole")).toFixed(1),
      reach: "–",
      met: true
    },
    {
      what: "Worker, size of the template's bundle",
      ours: `${size.toFixed(1)} KiB gzip`,
      peer: `goal: ${GOAL} KiB`,
      ratio: (size / GOAL).toFixed(2),
      reach: "≤ 1",
      met: size <= GOAL
    }
  ]
}
