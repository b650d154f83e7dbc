import { mkdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { expect, it } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { freePorts, run } from "../support/MediaMTX.js"

it("examples/node-server serves a config and stops cleanly", async () => {
  const folder = tempFolder()
  try {
    mkdirSync(join(folder.path, "config"))
    writeFileSync(join(folder.path, "config", "base.yml"), "paths:\n  cam:\n")
    const [port = 0] = await freePorts(1)
    const key = "a-key-of-your-own-0123456789"
    // The source by way of vitest's own runner: examples import the package by its name.
    const viteNode = createRequire(import.meta.url).resolve("vite-node/vite-node.mjs")
    const server = run("node", [viteNode, "--config", "vitest.config.ts", "examples/node-server/main.ts"], {
      env: { KEY: key, PORT: String(port), DATA: folder.path }
    })
    await server.waitFor(/^listening on /m, 20_000)
    const response = await fetch(`http://127.0.0.1:${port}/?node=cam-1`, {
      headers: { authorization: `Bearer ${key}` }
    })
    expect(response.status).toBe(200)
    expect(await response.text()).toContain("# end of mtx-manager config")
    expect(await server.stop("SIGTERM")).toBe(0)
  } finally {
    folder.remove()
  }
}, 40_000)
