import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { cli, folder, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const cwd = folder()
const data = join(cwd, "data")
let url = ""
let key = ""

const check = (...args: ReadonlyArray<string>) =>
  cli(["upgrade-check", "--data", data, "--base", url, ...args], { cwd })

const beat = (node: string, version: string) =>
  fetch(`${url}/nodes/${node}/heartbeat`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ instance: "i", status: "ok", mediamtxVersion: version })
  })

beforeAll(async () => {
  writeFileSync(join(cwd, "base.yml"), "logStructured: yes\npaths:\n  cam:\n    rtspScale: '2'\n  all_others: {}\n")
  expect(await cli(["import", "base.yml", "--data", data], { cwd })).toMatchObject({ code: 0 })
  const server = start(["serve", "--port", "0", "--data", data], { cwd })
  const [, found = ""] = await server.printed(/^listening on (\S+)$/m)
  url = found
  key = readFileSync(join(data, "key"), "utf8").trim()
  for (const [node, version] of [
    ["old", "v1.18.0"],
    ["older", "v1.15.2"],
    ["new", "v1.20.1"]
  ] as const) {
    expect((await beat(node, version)).status).toBe(200)
  }
})

describe("upgrade-check", () => {
  it("says for each node what begins, is renamed, and does otherwise by itself", async () => {
    const { code, stdout } = await check("1.20.1")
    expect(code).toBe(0)
    expect(stdout).toContain("old: 1.18.0 -> 1.20.1")
    expect(stdout).toContain("older: 1.15.2 -> 1.20.1")
    expect(stdout).toContain("new: 1.20.1 -> 1.20.1\n  nothing changes")
    expect(stdout).toMatch(/begins\s+paths\.cam\.rtspScale/)
    expect(stdout).toMatch(/renamed\s+runOnReady -> runOnAvailable/)
    expect(stdout).toMatch(/default\s+udpMaxPayloadSize 1472 -> 1452/)
    expect(stdout).toMatch(/default\s+moq false -> true/)
  })

  it("says what the way back loses", async () => {
    const { code, stdout } = await check("1.15.0", "--node", "new")
    expect(code).toBe(0)
    expect(stdout).toMatch(/vanishes\s+logStructured/)
    expect(stdout).toMatch(/vanishes\s+paths\.cam\.rtspScale/)
    expect(stdout).not.toContain("older:")
  })

  it("needs no manager, and prints JSON", async () => {
    const { code, stdout } = await check("1.20.1", "--offline", "--from", "1.19.1", "--json")
    expect(code).toBe(0)
    const [only] = JSON.parse(stdout)
    expect(only).toMatchObject({ nodes: ["any node"], report: { from: "1.19.1", to: "1.20.1", vanishes: [] } })
    // Ours among them: these hooks are new.
    expect(only.report.begins.map(({ fieldText }: { readonly fieldText: string }) => fieldText)).toEqual([
      "pathDefaults.runOnOnline",
      "pathDefaults.runOnOffline",
      "paths.cam.rtspScale"
    ])
  })

  it("refuses a release that nothing is known of", async () => {
    expect(await check("1.14.0")).toMatchObject({ code: 2 })
    expect(await check("latest")).toMatchObject({ code: 2 })
  })

  it("ends with an error when a node would get no config", async () => {
    const lone = folder()
    writeFileSync(
      join(lone, "base.yml"),
      "authMethod: jwt\nauthJWTJWKS: https://example.com/k\nauthJWTIssuer: x\npaths: { all_others: {} }\n"
    )
    await cli(["import", "base.yml", "--data", "data"], { cwd: lone })
    const args = ["upgrade-check", "--offline", "--data", "data", "--key", "a-long-enough-key-for-tests"]
    const { code, stdout } = await cli([...args, "1.16.3"], { cwd: lone })
    expect(stdout).toMatch(/refused\s+authJWTIssuer/)
    expect(code).toBe(1)
  })
})

describe("what the running manager gives", () => {
  it("is in the words of what a node says it boots, and says so", async () => {
    const headers = { authorization: `Bearer ${key}` }
    const text = await (await fetch(`${url}/?node=booted&boot=1&version=v1.18.0`, { headers })).text()
    expect(text).toContain("runOnReady:")
    expect(text).toContain("&version=1.18.0")
    // The loop repeats it; without it, as an older loop would, the registry remembers.
    const again = await (await fetch(`${url}/?node=booted&every=10`, { headers })).text()
    expect(again).toBe(text)
    const node = await (await fetch(`${url}/nodes/booted`, { headers })).json()
    expect(node).toMatchObject({
      mediamtxVersion: "v1.18.0",
      configProblem: null,
      configWarnings: [{ rule: "version-field-missing", fieldText: "paths.cam.rtspScale" }]
    })
    const unknown = await fetch(`${url}/?node=ancient&boot=1&version=v1.14.0`, { headers })
    expect(unknown.status).toBe(503)
  })
})
