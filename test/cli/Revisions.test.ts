import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { cli, folder, type Started, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const cwd = folder()
const data = join(cwd, "data")
const config = join(cwd, "config")
let server: Started
let url = ""

const run = (args: ReadonlyArray<string>, stdin?: string) =>
  cli([...args, "--data", data, "--base", url], { cwd, ...(stdin !== undefined && { stdin }) })

beforeAll(async () => {
  mkdirSync(join(config, "nodes"), { recursive: true })
  writeFileSync(join(config, "base.yml"), "logLevel: info\npaths:\n  cam: {}\n")
  writeFileSync(
    join(config, "overlays.yml"),
    "labels:\n  eu-*: { region: eu }\noverlays:\n  - name: europe\n    nodes: region=eu\n    config:\n      logLevel: warn\n"
  )
  writeFileSync(join(config, "manager.yml"), "auth: { rules: [] }\n")
  server = start(["serve", "--port", "0", "--data", data, "--config", config, "--config-source", "revisions"], { cwd })
  const [, found = ""] = await server.printed(/^listening on (\S+)$/m)
  url = found
})

describe("revisions of the config", () => {
  it("apply a file as the new base, refuse what is not valid at its line, and list who did what", async () => {
    const applied = await run(
      ["apply", "-", "-m", "seven", "--author", "ann"],
      "logLevel: info\npaths:\n  cam: { maxReaders: 7 }\n"
    )
    expect(applied).toEqual({ code: 0, stdout: "revision 2 is in force; nothing drops\n", stderr: "" })
    const bad = await run(["apply", "-"], "paths:\n  cam:\n    sorce: x\n")
    expect(bad).toMatchObject({ code: 1, stdout: "" })
    expect(bad.stderr).toMatch(/^error: \(stdin\):3:5: error: base\.paths\.cam\.sorce: .*did you mean source/m)
    const list = await run(["revisions"])
    expect(list.stdout).toMatch(
      /^REVISION +WHEN +AUTHOR +NOTE +CHANGED\n2 +\S+Z +ann +seven +base\.paths\.cam\.maxReaders\n1 /
    )
  })

  it("print a revision that can be edited and applied, unless somebody was faster", async () => {
    const { stdout } = await run(["revisions", "2"])
    expect(stdout).toContain('nodes: "region=eu"')
    const edited = join(cwd, "edited.yml")
    writeFileSync(edited, stdout.replace("warn", "error"))
    const late = await run(["apply", edited, "--from", "1"])
    expect(late.code).toBe(1)
    expect(late.stderr).toContain("the newest revision is 2, by ann")
    expect(await run(["apply", edited, "--from", "2"])).toMatchObject({ code: 0 })
    const diff = await run(["diff", "2", "3"])
    expect(diff).toMatchObject({ code: 0, stdout: "~ overlays.europe.config.logLevel  warn -> error\n" })
  })

  it("plan other overlays, or a whole config, with what each node gets by its labels", async () => {
    const overlays = join(cwd, "overlays.yml")
    writeFileSync(
      overlays,
      "labels:\n  eu-*: { region: eu }\noverlays:\n  - name: europe\n    nodes: region=eu\n    config:\n      logLevel: debug\n"
    )
    const named = await run(["plan", overlays, "--node", "eu-1"])
    expect(named).toMatchObject({ code: 0, stderr: "" })
    expect(named.stdout).toMatch(/^eu-1 \(has never called\).*\n {2}~ logLevel +error -> debug$/m)
    expect((await run(["plan", overlays, "--node", "us-1"])).stdout).toMatch(/^no change/)
    // Nobody has called: a made-up node stands for those that the pattern fits.
    const offline = await run(["plan", overlays, "--offline"])
    expect(offline).toMatchObject({ code: 3, stderr: "" })
    expect(offline.stdout).toMatch(/^eu-x.*\n {2}~ logLevel +error -> debug$/m)

    writeFileSync(overlays, "overlays:\n  - name: europe\n    config:\n      logLevl: debug\n")
    for (const args of [[], ["--offline"]]) {
      const bad = await run(["plan", overlays, ...args])
      expect(bad).toMatchObject({ code: 1, stdout: "" })
      expect(bad.stderr).toContain(`${overlays}:4:7: error: overlays[0].config.logLevl: `)
    }

    // The folder is what it was at the start: base and overlays have been edited since.
    const whole = await run(["plan", config, "--node", "eu-1"])
    expect(whole.stdout).toMatch(/^~ paths\.cam\.maxReaders +7 -> 0$/m)
    expect(whole.stdout).toMatch(/logLevel +error -> warn$/m)
  })

  it("go back, and explain where a value comes from", async () => {
    const back = await run(["rollback", "1", "--json"])
    expect(JSON.parse(back.stdout)).toMatchObject({ created: true, revision: { revision: 4, restores: 1 } })
    const found = await run(["explain", "--node", "eu-1", "logLevel"])
    expect(found.stdout).toMatch(
      /^logLevel: warn\non node eu-1 \(region=eu\)\n\n\* overlay europe +warn\n {2}base +info\n/
    )
    const offline = await run(["explain", "--node", "eu-1", "logLevel", "--offline"])
    expect(offline.stdout).toBe(found.stdout)
    expect((await run(["explain", "--node", "eu-1", "logLevl"])).stderr).toContain("did you mean logLevel?")
    server.child.kill("SIGTERM")
    expect((await server.outcome).code).toBe(0)
  })

  it("explain from the files with their lines, without a server", async () => {
    const elsewhere = join(cwd, "other")
    writeFileSync(join(config, "nodes", "eu-1.yml"), "paths:\n  cam:\n    maxReaders: 9\n")
    const explain = (field: string) =>
      cli(
        [
          "explain",
          "--node",
          "eu-1",
          field,
          "--offline",
          "--data",
          elsewhere,
          "--config",
          config,
          "--key",
          "a-key-of-tests"
        ],
        { cwd }
      )
    const level = await explain("logLevel")
    expect(level).toMatchObject({ code: 0, stderr: "" })
    expect(level.stdout).toContain(`${join(config, "overlays.yml")}:7:7`)
    expect(level.stdout).toContain(`${join(config, "base.yml")}:1:1`)
    expect((await explain("paths.cam.maxReaders")).stdout).toContain(`${join(config, "nodes", "eu-1.yml")}:3:5`)
    expect((await explain("runOnConnect")).stdout).toMatch(/^runOnConnect is set by the manager\n/)
  })
})
