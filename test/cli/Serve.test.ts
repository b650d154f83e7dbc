import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { freePorts } from "../support/MediaMTX.js"
import { cli, folder, type RunOptions, type Started, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

interface Server {
  readonly started: Started
  readonly url: string
}

const serve = async (args: ReadonlyArray<string>, options?: RunOptions): Promise<Server> => {
  const started = start(["serve", ...args], options)
  const [, url = ""] = await started.printed(/^listening on (\S+)$/m)
  return { started, url }
}

const stop = async ({ started }: Server, signal: NodeJS.Signals = "SIGTERM") => {
  const began = performance.now()
  started.child.kill(signal)
  const outcome = await started.outcome
  return { ...outcome, ms: performance.now() - began }
}

const get = (url: string, key: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { authorization: `Bearer ${key}`, ...headers } })

const keyIn = (data: string) => readFileSync(join(data, "key"), "utf8").trim()
const mode = (path: string) => statSync(path).mode & 0o777

const authBody = (action: string) =>
  JSON.stringify({
    ...{ ip: "192.0.2.1", user: "", password: "", token: "", action, path: "cam", protocol: "rtmp" },
    ...{ id: "b0f6f0f8-6c2c-4b3c-8f0c-2f1d4c0f7a11", query: "", userAgent: "" }
  })
const ask = async (url: string, key: string, action: string) => {
  const response = await fetch(`${url}/auth?node=n1&token=${key}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: authBody(action)
  })
  return response.status
}

const KEY = "a-key-that-was-given-to-the-server"

describe("serve", () => {
  it("makes a private key, database and config on the first start, and serves a node the printed way", async () => {
    const cwd = folder()
    const data = join(cwd, "data")
    const server = await serve(["--port", "0"], { cwd })
    await server.started.printed(/Other ids and forms/)
    const key = keyIn(data)
    expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(Buffer.from(key, "base64url")).toHaveLength(32)
    for (const name of ["key", "manager.db", "server.json", "config/base.yml", "config/manager.yml"]) {
      expect([name, mode(join(data, name))]).toEqual([name, 0o600])
    }
    expect([mode(data), mode(join(data, "config"))]).toEqual([0o700, 0o700])
    expect(readFileSync(join(data, "server.json"), "utf8")).not.toContain(key)

    const banner = server.started.stdout()
    expect(banner.split("\n")[0]).toBe(`listening on ${server.url}`)
    const base = server.url.replace("127.0.0.1", "localhost")
    expect(banner).toContain(`base   ${base}\n`)
    expect(banner).toContain(`key    ${key} (kept in ${join(data, "key")})`)
    expect(server.started.stderr()).toContain("anyone who reaches a node may publish and read")

    const token = /Bearer ([A-Za-z0-9_-]+)"/.exec(banner)?.[1] ?? ""
    expect(token).not.toBe(key)
    const config = await get(`${server.url}/?node=node-1&boot=1`, token)
    expect(config.status).toBe(200)
    expect((await config.text()).trimEnd().endsWith("# end of mtx-manager config")).toBe(true)
    expect((await get(`${server.url}/nodes`, token)).status).toBe(403)
    // The token of node-1 is no token of n1.
    expect(await ask(server.url, token, "publish")).toBe(403)
    const n1 = await cli(["node-command", "n1", "--shell"], { cwd })
    const n1Token = /Bearer ([A-Za-z0-9_-]+)"/.exec(n1.stdout)?.[1] ?? ""
    expect(n1.stdout).toContain(`${base}/?node=n1`)
    expect(await ask(server.url, n1Token, "publish")).toBe(204)
    expect(await ask(server.url, n1Token, "api")).toBe(403)

    const { code, ms, stderr } = await stop(server)
    expect(code).toBe(0)
    expect(ms).toBeLessThan(5000)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  it("starts again on the same data with the same key, nodes and config", async () => {
    const cwd = folder()
    const first = await serve(["--port", "0", "--quiet"], { cwd })
    const key = keyIn(join(cwd, "data"))
    const before = await (await get(`${first.url}/?node=n1`, key)).text()
    const manager = join(cwd, "data/config/manager.yml")
    writeFileSync(manager, "auth:\n  rules: []\n")
    expect((await stop(first, "SIGINT")).code).toBe(0)
    const port = new URL(first.url).port
    const second = await serve(["--port", port, "--quiet"], { cwd })
    expect(keyIn(join(cwd, "data"))).toBe(key)
    expect(await (await get(`${second.url}/?node=n1`, key)).text()).toBe(before)
    const nodes: ReadonlyArray<{ id: string }> = await (await get(`${second.url}/nodes`, key)).json()
    expect(nodes.map(({ id }) => id)).toEqual(["n1"])
    expect(second.started.stderr()).toContain("has no auth rules: everybody is denied everything")
    expect(readFileSync(manager, "utf8")).toBe("auth:\n  rules: []\n")
    expect((await stop(second)).code).toBe(0)
  })

  it("prints the address only when --quiet, and never a key that it was given", async () => {
    const cwd = folder()
    const quiet = await serve(["--port", "0", "--quiet"], { cwd })
    expect((await stop(quiet)).stdout).toBe(`listening on ${quiet.url}\n`)
    const given = await serve(["--port", "0", "--data", "other"], { cwd, env: { MANAGER_KEY: KEY } })
    await given.started.printed(/Other ids and forms/)
    expect((await get(`${given.url}/nodes`, KEY)).status).toBe(200)
    expect(existsSync(join(cwd, "other/key"))).toBe(false)
    const lost = await cli(["node-command", "n1", "--data", "other"], { cwd })
    expect(lost.stderr).toContain("was started with a key of its own: give the same one by --key or MANAGER_KEY")
    const { stderr, stdout } = await stop(given)
    expect(stdout + stderr + lost.stderr).not.toContain(KEY)
  })

  it("an admin key takes administration from the shared key", async () => {
    const admin = "an-admin-key-for-administrators"
    const server = await serve(["--port", "0", "--quiet", "--admin-key", admin], {
      cwd: folder(),
      env: { MANAGER_KEY: KEY }
    })
    expect((await get(`${server.url}/nodes`, KEY)).status).toBe(403)
    expect((await get(`${server.url}/nodes`, admin)).status).toBe(200)
    expect((await get(`${server.url}/?node=n1`, KEY)).status).toBe(200)
    await stop(server)
  })

  it("repairs a key that others can read, and says so", async () => {
    const data = folder()
    writeFileSync(join(data, "key"), `${KEY}\n`)
    chmodSync(join(data, "key"), 0o644)
    chmodSync(data, 0o755)
    const server = await serve(["--port", "0", "--quiet", "--data", data])
    expect([mode(data), mode(join(data, "key"))]).toEqual([0o700, 0o600])
    expect((await get(`${server.url}/nodes`, KEY)).status).toBe(200)
    const { stderr } = await stop(server)
    expect(stderr).toContain(`${join(data, "key")} was open to other users (mode 0644)`)
  })

  it("ends on SIGTERM within 5 s with exit code 0 while an event stream is open, and ends the stream", async () => {
    const cwd = folder()
    const server = await serve(["--port", "0", "--quiet"], { cwd, env: { MANAGER_KEY: KEY } })
    const response = await get(`${server.url}/events?after=0`, KEY)
    const reader = response.body?.getReader()
    expect((await reader?.read())?.done).toBe(false)
    const ended = (async () => {
      while (reader !== undefined && !(await reader.read()).done);
    })()
    const { code, ms } = await stop(server)
    expect(code).toBe(0)
    expect(ms).toBeLessThan(5000)
    await ended
  })

  it("says in one message why it can't start, with exit code 1 and no stack trace", async () => {
    const cwd = folder()
    const [port = 0] = await freePorts(1)
    const other = createServer().listen(port, "127.0.0.1")
    writeFileSync(join(cwd, "file"), "")
    mkdirSync(join(cwd, "broken"))
    writeFileSync(join(cwd, "broken/base.yml"), "paths:\n  cam:\n    sorce: publisher\n")
    mkdirSync(join(cwd, "rules"))
    writeFileSync(join(cwd, "rules/base.yml"), "rtmp: false\n")
    writeFileSync(join(cwd, "rules/manager.yml"), "auth:\n  rules:\n    - allow: publsh\n")
    mkdirSync(join(cwd, "badkey"))
    writeFileSync(join(cwd, "badkey/key"), "a b c\n", { mode: 0o600 })
    mkdirSync(join(cwd, "nodb/manager.db"), { recursive: true })
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["--port", String(port)], /another program uses this port/],
      [["--host", "203.0.113.1"], /no such address/],
      [["--data", "file"], /it is not a folder|it exists already/],
      [["--data", "file/below"], /not a folder/],
      [["--config", "broken"], /broken\/base\.yml:3:5: error: /],
      [["--config", "rules"], /rules\/manager\.yml:3:\d+: error: [\s\S]*did you mean publish/],
      [["--data", "badkey"], /The key in .* is not valid/],
      [["--data", "nodb"], /database/]
    ]
    for (const [args, message] of cases) {
      const rest = args[0] === "--port" ? args : [...args, "--port", "0"]
      const { code, stderr, stdout } = await cli(["serve", ...rest, ...(args[0] === "--data" ? [] : ["--data", "d"])], {
        cwd
      })
      expect(stderr).toMatch(message)
      expect(stderr.match(/^error: /gm)).toHaveLength(1)
      expect(stderr).not.toMatch(/\n\s+at /)
      expect([args, stdout, code]).toEqual([args, "", 1])
    }
    other.close()
  })

  it("follows manager.yml: an edit is in force, a bad edit is refused with its place, a removal closes", async () => {
    const cwd = folder()
    const manager = join(cwd, "data/config/manager.yml")
    const server = await serve(["--port", "0", "--quiet"], { cwd, env: { MANAGER_KEY: KEY } })
    expect(await ask(server.url, KEY, "publish")).toBe(204)
    writeFileSync(manager, "auth:\n  rules:\n    - allow: read\n")
    await server.started.noted(/have changed and are in force/)
    expect([await ask(server.url, KEY, "publish"), await ask(server.url, KEY, "read")]).toEqual([403, 204])
    writeFileSync(manager, "auth:\n  rules:\n    - alow: publish\n")
    await server.started.noted(/the last good auth rules stay in force[\s\S]*manager\.yml:3:7: error/)
    expect([await ask(server.url, KEY, "publish"), await ask(server.url, KEY, "read")]).toEqual([403, 204])
    rmSync(manager)
    await server.started.noted(/there is no .*manager\.yml: everybody is denied everything/)
    expect(await ask(server.url, KEY, "read")).toBe(403)
    await stop(server)
  })

  it("logs JSON on stderr when asked to", async () => {
    const server = await serve(["--port", "0", "--quiet", "--log-format", "json"], { cwd: folder() })
    const { stderr } = await stop(server)
    const lines = stderr
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line))
    expect(lines.length).toBeGreaterThan(1)
    expect(lines).toContainEqual(
      expect.objectContaining({ level: "warning", time: expect.any(String), fiber: expect.any(String) })
    )
    const silent = await serve(["--port", "0", "--quiet", "--log-level", "none"], { cwd: folder() })
    expect((await stop(silent)).stderr).toBe("")
    const fromEnv = await serve(["--port", "0", "--quiet"], { cwd: folder(), env: { MANAGER_LOG_LEVEL: "error" } })
    expect((await stop(fromEnv)).stderr).toBe("")
  })
})

describe("commands beside a running server", () => {
  it("render prints the bytes that the node gets, running or not; nodes and events show the fleet", async () => {
    const cwd = folder()
    const server = await serve(["--port", "0", "--refresh-every", "7s", "--quiet"], { cwd })
    const key = keyIn(join(cwd, "data"))
    mkdirSync(join(cwd, "data/config/nodes"))
    writeFileSync(join(cwd, "data/config/nodes/n2.yml"), "rtmp: false\n")

    const rendered = await cli(["render", "--node", "n1"], { cwd })
    expect({ code: rendered.code, stderr: rendered.stderr }).toEqual({ code: 0, stderr: "" })
    const served = await get(`${server.url}/?node=n1`, key)
    expect(await served.text()).toBe(rendered.stdout)
    expect(rendered.stdout).toContain("every=7")
    expect((await cli(["render", "--node", "n2"], { cwd })).stdout).toContain("rtmp: false")
    expect((await cli(["render"], { cwd })).code).toBe(2)

    const etag = served.headers.get("etag") ?? ""
    expect((await get(`${server.url}/?node=n1&every=7`, key, { "if-none-match": etag })).status).toBe(304)
    const hook = await fetch(`${server.url}/hooks?node=n1`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/x-www-form-urlencoded" },
      body: "event=available&path=cam&type=rtspSession&id=s1&query=user%3Dalice%26pass%3Dsecret"
    })
    expect(hook.status).toBe(204)

    const listed = await cli(["nodes"], { cwd })
    expect(listed.stdout.split("\n")[0]).toMatch(/^NODE +STATUS +LAST SEEN +VERSION +CONFIG$/)
    expect(listed.stdout).toMatch(/^n1 +online +\d+ s ago +- +in sync$/m)
    const json = JSON.parse((await cli(["nodes", "--json"], { cwd })).stdout)
    expect(json).toEqual([expect.objectContaining({ id: "n1", status: "online", configInSync: true })])

    const follower = start(["events", "--follow", "--after", "0", "--json"], { cwd })
    await follower.printed(/"event":"available"/)
    follower.child.kill("SIGINT")
    expect((await follower.outcome).code).toBe(0)
    const past = await cli(["events", "--node", "n1"], { cwd })
    expect(past.code).toBe(0)
    expect(past.stdout).toMatch(/^\S+Z +\d+ {2}n1 {2}available {2}path=cam/m)
    expect(past.stdout).not.toContain("secret")
    expect((await cli(["events", "--node", "n2"], { cwd })).stdout).toBe("")
    expect((await cli(["events", "--after", "-1"], { cwd })).code).toBe(2)
    expect((await cli(["events", "--key", "not-the-key-at-all"], { cwd })).stderr).toContain("does not accept this key")

    await stop(server)
    expect((await cli(["render", "--node", "n1"], { cwd })).stdout).toBe(rendered.stdout)
    const away = await cli(["nodes"], { cwd })
    expect(away.code).toBe(1)
    expect(away.stderr).toContain("Can't reach the manager at http://localhost:")
    expect(away.stderr).not.toMatch(/\n\s+at /)
  })
})

describe("kill -9", () => {
  it("loses no hook that got its 204", async () => {
    const cwd = folder()
    const [port = 0] = await freePorts(1)
    const args = ["--port", String(port), "--quiet"]
    const env = { MANAGER_KEY: KEY }
    const server = await serve(args, { cwd, env })
    const acknowledged = new Set<string>()
    let sent = 0
    const storm = Array.from({ length: 24 }, async () => {
      for (;;) {
        const id = `r${sent++}`
        try {
          const response = await fetch(`${server.url}/hooks?node=n1`, {
            method: "POST",
            headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-www-form-urlencoded" },
            body: `event=read&path=cam&type=rtspSession&id=${id}&query=`
          })
          await response.arrayBuffer()
          if (response.status === 204) acknowledged.add(id)
        } catch {
          return
        }
        if (acknowledged.size === 600) server.started.child.kill("SIGKILL")
      }
    })
    expect((await server.started.outcome).code).toBe("SIGKILL")
    await Promise.all(storm)
    expect(acknowledged.size).toBeGreaterThanOrEqual(600)

    const again = await serve(args, { cwd, env })
    const { stdout } = await cli(["events", "--json"], { cwd, env })
    const kept = new Set(
      stdout
        .trimEnd()
        .split("\n")
        .map((text): string => JSON.parse(text).event.id)
    )
    expect([...acknowledged].filter((id) => !kept.has(id))).toEqual([])
    expect((await stop(again)).code).toBe(0)
  })
})
