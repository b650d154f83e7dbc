import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { cli, folder, type Started, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const cwd = folder()
const data = join(cwd, "data")
const base = "moq: false\npaths:\n  cam: {}\n  all_others: {}\n"
const same = "paths:\n  all_others: {}\n  cam: {}\nmoq: no\nreadTimeout: 10000ms\n"
const worse = base.replace("cam: {}", "cam: { maxReaders: 5, source: 'rtsp://u:secret-pw@10.0.0.1/x' }")

let server: Started
let url = ""

const plan = (args: ReadonlyArray<string>, stdin?: string) =>
  cli(["plan", "--data", data, "--base", url, ...args], { cwd, ...(stdin !== undefined && { stdin }) })

beforeAll(async () => {
  writeFileSync(join(cwd, "same.yml"), same)
  writeFileSync(join(cwd, "worse.yml"), worse)
  writeFileSync(join(cwd, "base.yml"), base)
  expect(await cli(["import", "base.yml", "--data", data], { cwd })).toMatchObject({ code: 0 })
  server = start(["serve", "--port", "0", "--data", data], { cwd })
  const [, found = ""] = await server.printed(/^listening on (\S+)$/m)
  url = found
  const key = readFileSync(join(data, "key"), "utf8").trim()
  const source = { type: "rtspSession", id: "p" }
  const readers = [1, 2, 3].map((index) => ({ type: "rtspSession", id: `r${index}` }))
  for (const node of ["north", "south"]) {
    const reply = await fetch(`${url}/nodes/${node}/heartbeat`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({
        instance: "i",
        status: "ok",
        paths: [{ name: node === "north" ? "cam" : "other", available: true, online: true, source, readers }]
      })
    })
    expect(reply.status).toBe(200)
  }
})

describe("plan", () => {
  it("ends with 3 where a change drops something, and says what, on which node, and why", async () => {
    const { code, stderr, stdout } = await plan(["worse.yml"])
    expect(stderr).toBe("")
    expect(code).toBe(3)
    expect(stdout).toMatch(/^~ paths\.cam\.source +publisher -> rtsp:\/\/10\.0\.0\.1\/\.\.\.$/m)
    expect(stdout).toMatch(/^~ paths\.cam\.maxReaders +0 -> 5$/m)
    expect(stdout).toMatch(/^north\n {2}cam +closed and opened anew +drops publisher \(rtspSession\) and 3 readers/m)
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("drops 1 stream with 3 readers on 1 node")
    expect(stdout.indexOf("north")).toBeLessThan(stdout.indexOf("south"))
    expect(stdout).not.toContain("secret-pw")
    expect(stdout).not.toContain("\u001b")
  })

  it("ends with 0 where nothing drops: for one node, and for what means the same to MediaMTX", async () => {
    const one = await plan(["worse.yml", "--node", "south"])
    expect(one).toMatchObject({ code: 0, stderr: "" })
    expect(one.stdout).toMatch(/nothing drops\n$/)
    expect(one.stdout).not.toContain("north")
    expect(await plan(["-"], same)).toEqual({ code: 0, stdout: "no change\n\nnothing drops\n", stderr: "" })
  })

  it("ends with 1 for a config that is not valid, as validate shows it", async () => {
    const { code, stderr, stdout } = await plan(["-"], "paths:\n  cam:\n    sorce: x\n")
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(/^\(stdin\):3:5: error: /m)
    expect(stderr).toContain("did you mean `source`?")
    expect(await plan(["missing.yml"])).toMatchObject({ code: 1 })
    expect(await plan(["worse.yml", "--node", "a b"])).toMatchObject({ code: 2 })
  })

  it("prints JSON for programs", async () => {
    const { code, stdout } = await plan(["worse.yml", "--json"])
    expect(code).toBe(3)
    const found = JSON.parse(stdout)
    expect(found).toMatchObject({ drops: true, verdict: "drops 1 stream with 3 readers on 1 node" })
    expect(found.plan.nodes[0]).toMatchObject({ node: "north", outcome: "reloads", status: "online" })
    expect(stdout).not.toContain("secret-pw")
  })

  it("needs no manager with --offline, and then says what could drop", async () => {
    const elsewhere = (args: ReadonlyArray<string>) =>
      cli(["plan", "--data", data, "--base", "http://127.0.0.1:9", ...args], { cwd })
    const bad = await elsewhere(["worse.yml", "--offline"])
    expect(bad).toMatchObject({ code: 3, stderr: "" })
    expect(bad.stdout).toMatch(/drops what is on cam\n$/)
    const all = await cli(["plan", "--data", data, "--base", url, "--offline", "-"], {
      cwd,
      stdin: `${base}logLevel: debug\n`
    })
    expect(all.code).toBe(3)
    expect(all.stdout).toMatch(/drops every stream and every reader\n$/)
    expect((await elsewhere(["base.yml", "--offline"])).stdout).toMatch(/nothing can drop\n$/)
    const unreachable = await elsewhere(["worse.yml"])
    expect(unreachable).toMatchObject({ code: 1, stdout: "" })
    expect(unreachable.stderr).toContain("Can't reach the manager")
    server.child.kill("SIGTERM")
    await server.outcome
  })
})
