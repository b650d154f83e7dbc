import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { parse } from "yaml"
import { exampleBase, exampleManager } from "../../src/adapters/node/ExampleConfig.js"
import { cli, folder } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const old = `# my cameras
rtmpDisable: yes # no flash here
# all paths
pathDefaults:
  record: true
paths:
  # the north one
  cam:
    runOnReady: echo hello   # say hello
    source: rtsp://u:p@10.0.0.1/x
  all_others:
`

const clipRule = { name: "clips", allow: ["playback.request", "playback.worker"] }

describe("import", () => {
  it("keeps a file without old names byte for byte, and opens the fleet only as far as MediaMTX was open", async () => {
    const cwd = folder()
    const text = "# hi\nrtmp: false\npaths:\n  cam: {}\n"
    writeFileSync(join(cwd, "mediamtx.yml"), text)
    const { code, stderr, stdout } = await cli(["import", "mediamtx.yml"], { cwd })
    expect(stdout).toContain(`mediamtx.yml is now ${join(cwd, "data/config/base.yml")}`)
    expect(code).toBe(0)
    expect(readFileSync(join(cwd, "data/config/base.yml"), "utf8")).toBe(text)
    expect(readFileSync(join(cwd, "data/config/manager.yml"), "utf8")).toBe(exampleManager)
    expect(stderr).toContain("open to everyone")
    expect(statSync(join(cwd, "data/config/base.yml")).mode & 0o777).toBe(0o600)
    expect((await cli(["import", "mediamtx.yml"], { cwd })).stdout).toContain("has exactly this content already")
  })

  it("keeps empty fields, which MediaMTX reads as not set", async () => {
    const cwd = folder()
    const text = "# sample\nrunOnConnect:\nlogDestinations: [stdout]\npaths:\n  # any\n  all_others:\n"
    writeFileSync(join(cwd, "sample.yml"), text)
    expect((await cli(["import", "sample.yml"], { cwd })).stdout).not.toContain("deprecated")
    expect(readFileSync(join(cwd, "data/config/base.yml"), "utf8")).toBe(text)
    const old = folder()
    writeFileSync(join(old, "sample.yml"), `${text}rtmpDisable: yes\n`)
    expect((await cli(["import", "sample.yml"], { cwd: old })).stdout).toContain("with deprecated names replaced")
    const base = readFileSync(join(old, "data/config/base.yml"), "utf8")
    expect(base).toContain("runOnConnect:")
    expect(base).toContain("# any")
    expect(base).toContain("rtmp: false")
  })

  it("replaces deprecated names, keeps comments and order, and lists the warnings", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "old.yml"), old)
    const { code, stderr } = await cli(["import", "old.yml", "--data", "d"], { cwd })
    expect(code).toBe(0)
    expect(stderr).toMatch(/^old\.yml:2:1: warning: /m)
    expect(stderr).toMatch(/^old\.yml:9:5: warning: /m)
    expect(stderr).not.toContain("u:p@")
    const base = readFileSync(join(cwd, "d/config/base.yml"), "utf8")
    for (const comment of ["# my cameras", "# no flash here", "# all paths", "# the north one", "# say hello"]) {
      expect(base).toContain(comment)
    }
    expect(parse(base)).toEqual({
      rtmp: false,
      pathDefaults: { record: true },
      paths: { cam: { runOnAvailable: "echo hello", source: "rtsp://u:p@10.0.0.1/x" }, all_others: null }
    })
    expect(base.indexOf("rtmp:")).toBeLessThan(base.indexOf("pathDefaults:"))
    expect((await cli(["validate", "--strict", "d/config/base.yml"], { cwd })).code).toBe(0)
  })

  it("writes what it can't edit anew, and says that the comments are lost", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "alias.yml"), "# c\npathDefaults: &d\n  runOnReady: echo a\npaths:\n  cam: *d\n")
    const { code, stderr } = await cli(["import", "alias.yml"], { cwd })
    expect(code).toBe(0)
    expect(stderr).toContain("comments of alias.yml could not be kept")
    expect(parse(readFileSync(join(cwd, "data/config/base.yml"), "utf8"))).toEqual({
      pathDefaults: { runOnAvailable: "echo a" },
      paths: { cam: { runOnAvailable: "echo a" } }
    })
  })

  it("does not touch an existing base without --force, and keeps a backup with it", async () => {
    const cwd = folder()
    mkdirSync(join(cwd, "config"))
    writeFileSync(join(cwd, "config/base.yml"), "hls: false\n")
    writeFileSync(join(cwd, "new.yml"), "rtmp: false\n")
    const args = ["import", "new.yml", "--config", "config"]
    const refused = await cli(args, { cwd })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain("base.yml exists: nothing was imported. Use --force")
    expect(readFileSync(join(cwd, "config/base.yml"), "utf8")).toBe("hls: false\n")
    expect((await cli([...args, "--force"], { cwd })).code).toBe(0)
    expect(readFileSync(join(cwd, "config/base.yml"), "utf8")).toBe("rtmp: false\n")
    const backup = readdirSync(join(cwd, "config")).find((name) => name.endsWith(".bak")) ?? ""
    expect(readFileSync(join(cwd, "config", backup), "utf8")).toBe("hls: false\n")
  })

  it("replaces the untouched example without --force", async () => {
    const cwd = folder()
    mkdirSync(join(cwd, "config"))
    writeFileSync(join(cwd, "config/base.yml"), exampleBase)
    expect((await cli(["import", "-", "--config", "config"], { cwd, stdin: "rtmp: false\n" })).code).toBe(0)
    expect(readFileSync(join(cwd, "config/base.yml"), "utf8")).toBe("rtmp: false\n")
    expect(readdirSync(join(cwd, "config")).sort()).toEqual(["base.yml", "manager.yml"])
  })

  it.each([
    ["an invalid file", "rtmp: maybe\n"],
    ["a broken file", "rtmp: [\n"],
    ["a file that sets nothing", "# nothing\n"]
  ])("never imports %s", async (_, text) => {
    const cwd = folder()
    writeFileSync(join(cwd, "x.yml"), text)
    const { code, stderr } = await cli(["import", "x.yml", "--force"], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain("nothing was imported")
    expect(existsSync(join(cwd, "data"))).toBe(false)
  })

  it("turns the users of the file into rules, and a closed server never into an open one", async () => {
    const cwd = folder()
    const users = [
      "authInternalUsers:",
      "  - user: alice",
      "    pass: wonderland",
      "    permissions: [{ action: publish, path: cam }, { action: read }]",
      "  - user: any",
      "    ips: [10.0.0.0/8]",
      "    permissions: [{ action: read, path: '~^live/.+$' }]",
      "paths: { cam: {}, all_others: {} }"
    ]
    writeFileSync(join(cwd, "users.yml"), `${users.join("\n")}\n`)
    const { code, stderr } = await cli(["import", "users.yml"], { cwd })
    expect(code).toBe(0)
    expect(stderr).not.toContain("wonderland")
    const manager = join(cwd, "data/config/manager.yml")
    const written = parse(readFileSync(manager, "utf8"))
    expect(written).toEqual({
      auth: {
        users: [
          { name: "alice", secret: "wonderland" },
          { name: "mtx-playback", secret: expect.stringMatching(/^[A-Za-z0-9_-]{32}$/) }
        ],
        rules: [
          { allow: ["publish"], paths: ["cam"], users: ["alice"] },
          { allow: ["read"], users: ["alice"] },
          { allow: ["read"], paths: ["~^live/.+$"], ips: ["10.0.0.0/8"] },
          { name: "workers read what they cut", allow: ["playback"], users: ["mtx-playback"] },
          clipRule
        ]
      }
    })
    expect(stderr).toContain("MEDIAMTX_USER=mtx-playback")
    expect(stderr).not.toContain(written.auth.users[1].secret)
    expect(readFileSync(manager, "utf8")).toContain("MEDIAMTX_PASSWORD")
    expect(statSync(manager).mode & 0o777).toBe(0o600)

    const jwt = folder()
    writeFileSync(join(jwt, "j.yml"), "authMethod: jwt\nauthJWTJWKS: https://example.com/jwks\n")
    const imported = await cli(["import", "j.yml"], { cwd: jwt })
    expect(imported.stderr).toMatch(
      /lets nobody publish or watch[\s\S]*sets authMethod, so nodes go on to decide by themselves/
    )
    expect(parse(readFileSync(join(jwt, "data/config/manager.yml"), "utf8"))).toEqual({ auth: { rules: [clipRule] } })
  })

  it("lets workers cut clips, whatever the users are, and says when rules that were there do not", async () => {
    const imported = async (text: string, before?: string) => {
      const cwd = folder()
      const manager = join(cwd, "data/config/manager.yml")
      if (before !== undefined) {
        mkdirSync(join(cwd, "data/config"), { recursive: true })
        writeFileSync(manager, before)
      }
      const { code, stderr } = await cli(["import", "-"], { cwd, stdin: text })
      expect(code, stderr).toBe(0)
      return { stderr, rules: parse(readFileSync(manager, "utf8")) }
    }
    const anyone = "authInternalUsers:\n  - user: any\n    permissions: [{ action: playback }]\n"
    const [open, decided, limited] = await Promise.all([
      imported(anyone),
      // The nodes ask nobody: only asking for clips and working is for the manager to allow.
      imported(`authMethod: internal\n${anyone}    ips: [10.0.0.1]\n`),
      imported(`${anyone}    ips: [10.0.0.1]\n  - { user: mtx-playback, pass: taken, permissions: [] }\n`)
    ])
    expect(open.rules).toEqual({ auth: { users: [], rules: [{ allow: ["playback"] }, clipRule] } })
    expect(open.stderr).not.toContain("MEDIAMTX_USER")
    expect(decided.rules).toEqual({
      auth: { users: [], rules: [{ allow: ["playback"], ips: ["10.0.0.1"] }, clipRule] }
    })
    expect(limited.rules.auth.users.map(({ name }: { name: string }) => name)).toEqual([
      "mtx-playback",
      "mtx-playback-2"
    ])

    const before = "auth:\n  rules:\n    - allow: [read, playback.request]\n"
    const kept = await imported(anyone, before)
    expect(kept.rules).toEqual(parse(before))
    expect(kept.stderr).toContain("allows playback.request and playback.worker")
    expect((await imported(anyone, "auth:\n  rules:\n    - allow: any\n")).stderr).not.toContain("playback.worker")
  })
})
