/** The program as it is published: one bundle with chunks, in place of a thousand modules. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { freePorts, type Running, run } from "../support/MediaMTX.js"
import { describePostgres } from "../support/Postgres.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const root = fileURLToPath(new URL("../..", import.meta.url))
const program = join(root, "dist", "cli", "mtx-manager.js")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const KEY = "key-of-the-bundle-0123456789"
const admin = { authorization: `Bearer ${KEY}` }

beforeAll(() => {
  // `npm run build` makes it. Not anew here: others may be running it.
  if (!existsSync(program)) execFileSync(process.execPath, [join(root, "scripts", "bundle-cli.mjs")])
})

const serve = async (folder: string, ...args: ReadonlyArray<string>): Promise<readonly [string, Running]> => {
  const [port] = await freePorts(1)
  const server = run("node", [program, "serve", "--port", String(port), "--key", KEY, "--data", folder, ...args])
  const [, url = ""] = await server.waitFor(/^listening on (\S+)$/m, 30_000)
  return [url, server]
}

describe("the bundled mtx-manager", () => {
  it("is what package.json installs, and knows its version", () => {
    expect(join(root, manifest.bin["mtx-manager"])).toBe(program)
    const printed = execFileSync(process.execPath, [program, "--version"], { encoding: "utf8" })
    expect(printed.trim()).toBe(manifest.version)
    expect(readFileSync(program, "utf8").startsWith("#!/usr/bin/env node\n")).toBe(true)
  })

  it("serves configs from its database, asks Argon2 in its thread, and has its commands at hand", async () => {
    const folder = tempFolder()
    mkdirSync(join(folder.path, "config"))
    writeFileSync(join(folder.path, "config", "base.yml"), "paths:\n  cam: {}\n")
    // Of the password "open-sesame".
    const { argon2id } = await import("hash-wasm")
    const salt = createHash("sha256").update("salt").digest()
    const hash = await argon2id({
      ...{ password: "open-sesame", salt, parallelism: 1, iterations: 2, memorySize: 1024, hashLength: 32 },
      outputType: "encoded"
    })
    writeFileSync(
      join(folder.path, "config", "manager.yml"),
      `auth:\n  users:\n    - {name: ann, secret: "argon2:${hash}"}\n  rules:\n    - {name: ann, allow: [read], users: [ann]}\n`
    )
    const [url, server] = await serve(folder.path)
    const config = await fetch(`${url}/?node=n1`, { headers: admin })
    const yaml = await config.text()
    expect([config.status, /^ {2}cam: \{\}$/m.test(yaml)]).toEqual([200, true])
    const [, address = ""] = /authHTTPAddress: "?([^"\n]+)"?/.exec(yaml) ?? []
    const asks = async (password: string) => {
      const body = {
        ...{ ip: "127.0.0.1", user: "ann", password, token: password, action: "read", path: "cam", protocol: "rtsp" },
        ...{ id: null, query: "", userAgent: "" }
      }
      const target = new URL(address)
      return (
        await fetch(`${url}${target.pathname}${target.search}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
      ).status
    }
    expect([await asks("open-sesame"), await asks("wrong")]).toEqual([204, 403])
    expect((await fetch(`${url}/dashboard`, { redirect: "manual" })).status).toBeLessThan(400)
    const nodes = run("node", [program, "nodes", "--base", url, "--key", KEY])
    expect(await nodes.exited).toBe(0)
    expect(nodes.output()).toContain("n1")
    expect(await server.stop("SIGTERM")).toBe(0)
    folder.remove()
  })
})

await describePostgres("the bundled mtx-manager on PostgreSQL", (postgres) => {
  it("has the client in it", async () => {
    const folder = tempFolder()
    const [url, server] = await serve(folder.path, "--database", postgres.url)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(await server.stop("SIGTERM")).toBe(0)
    folder.remove()
  })
})
