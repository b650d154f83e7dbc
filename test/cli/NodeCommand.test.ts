import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { parse } from "yaml"
import { cli, folder } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const KEY = "a-shared-key-of-the-fleet"
const env = { MANAGER_KEY: KEY, MANAGER_BASE: "https://manager.example.com" }

describe("node-command", () => {
  it("prints a docker command with the node's token, not the key", async () => {
    const { code, stderr, stdout } = await cli(["node-command", "cam-1"], { env })
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toMatch(/^docker run -d/)
    expect(stdout).toContain("https://manager.example.com/?node=cam-1&boot=1")
    expect(stdout).not.toContain(KEY)
    expect(stdout).toMatch(/Bearer [A-Za-z0-9_-]{43}"/)
    expect((await cli(["node-command", "cam-1", "--docker"], { env })).stdout).toBe(stdout)
    const other = await cli(["node-command", "cam-2"], { env })
    expect(other.stdout.match(/Bearer \S+/)?.[0]).not.toBe(stdout.match(/Bearer \S+/)?.[0])
  })

  it("prints the other forms", async () => {
    const shell = await cli(["node-command", "cam-1", "--shell", "--binary", "/opt/mtx", "--file", "/tmp/m.yml"], {
      env
    })
    expect(shell.stdout).toMatch(/^sh -c '/)
    expect(shell.stdout).toContain('exec "/opt/mtx" "/tmp/m.yml"')
    const compose = await cli(["node-command", "cam-1", "--compose", "--name", "edge"], { env })
    expect(Object.keys(parse(compose.stdout).services)).toEqual(["edge"])
  })

  it("takes a token, or puts the key in", async () => {
    const token = await cli(["node-command", "cam-1", "--token", "t0ken-of-mine"], { env })
    expect(token.stdout).toContain("Bearer t0ken-of-mine")
    expect((await cli(["node-command", "cam-1", "--with-key"], { env })).stdout).toContain(`Bearer ${KEY}`)
  })

  it("finds the key in the data folder, and changes nothing there", async () => {
    const data = folder()
    chmodSync(data, 0o755)
    writeFileSync(join(data, "key"), `${KEY}\n`, { mode: 0o600 })
    const found = await cli(["node-command", "cam-1", "--with-key", "--shell", "--data", data])
    expect(found.stdout).toContain(KEY)
    expect(found.stdout).toContain("http://localhost:8080/?node=cam-1")
    expect(readdirSync(data)).toEqual(["key"])
    expect(statSync(data).mode & 0o777).toBe(0o755)
  })

  it("lets a container use this machine's network when only this machine can reach the manager", async () => {
    const { stderr, stdout } = await cli(["node-command", "cam-1"], { env: { MANAGER_KEY: KEY } })
    expect(stderr).toBe("")
    expect(stdout).toContain("--network host")
    expect(stdout).not.toContain("-p '")
    const compose = await cli(["node-command", "cam-1", "--compose"], { env: { MANAGER_KEY: KEY } })
    expect(compose.stderr).toContain("warning: http://localhost:8080 is not reachable from inside a container")
  })

  it.each([
    [["node-command", "not a node"], 2, '"not a node" is not a node id; expected 1 to 64 characters'],
    [["node-command", "cam", "--docker", "--shell"], 2, "--docker and --shell exclude each other"],
    [["node-command", "cam", "--token", "x", "--with-key"], 2, "--token and --with-key exclude each other"],
    [["node-command", "cam", "--token", "it's"], 1, "secret"],
    [["node-command"], 2, "Missing argument"]
  ])("refuses %j", async (args, code, message) => {
    const outcome = await cli(args, { env })
    expect(outcome.stderr).toContain(message)
    expect(outcome.stdout).toBe("")
    expect(outcome.code).toBe(code)
  })

  it("says how to get a key when there is none", async () => {
    const data = join(folder(), "none")
    const { code, stderr } = await cli(["node-command", "cam", "--data", data])
    expect(code).toBe(1)
    expect(stderr).toContain("There is no key in")
    expect(stderr).toContain("mtx-manager serve")
  })
})
