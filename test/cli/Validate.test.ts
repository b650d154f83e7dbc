import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { cli, folder } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const cwd = folder()
beforeAll(() => {
  writeFileSync(join(cwd, "good.yml"), "rtmp: false\npaths:\n  cam:\n    record: yes\n")
  writeFileSync(
    join(cwd, "bad.yml"),
    "rtmp: false\npaths:\n  cam:\n    sorce: rtsp://u:secret-pw@10.0.0.1/x\n  b:\n    maxReaders: many\n"
  )
  writeFileSync(join(cwd, "broken.yml"), 'paths:\n  cam: "open\n')
  writeFileSync(join(cwd, "old.yml"), "paths:\n  cam:\n    runOnReady: echo hello\n")
  writeFileSync(join(cwd, "latin1.yml"), Buffer.from("# caf\xe9\nrtmp: false\n", "latin1"))
  writeFileSync(join(cwd, "empty.yml"), "# nothing\n")
})

describe("validate", () => {
  it("is content with a good file", async () => {
    expect(await cli(["validate", "good.yml"], { cwd })).toEqual({
      code: 0,
      stdout: "good.yml: no errors\n",
      stderr: ""
    })
  })

  it("shows all errors as a compiler would, with line and column, and hides secrets", async () => {
    const { code, stdout } = await cli(["validate", "bad.yml"], { cwd })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^bad\.yml:4:5: error: /m)
    expect(stdout).toMatch(/^bad\.yml:6:5: error: /m)
    expect(stdout).toContain("did you mean `source`?")
    expect(stdout).toContain("^^^^^")
    expect(stdout).toContain("bad.yml: 2 errors")
    expect(stdout).not.toContain("secret-pw")
    expect(stdout).not.toContain("\u001b")
  })

  it("tells where the YAML itself is broken", async () => {
    const { code, stdout } = await cli(["validate", "broken.yml"], { cwd })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^broken\.yml:\d+:\d+: error: /m)
  })

  it("checks every file, also after one that can't be read", async () => {
    const { code, stderr, stdout } = await cli(["validate", "missing.yml", "latin1.yml", "good.yml"], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain("Can't read missing.yml: it does not exist")
    expect(stderr).toContain("Can't read latin1.yml: it is not UTF-8 text")
    expect(stdout).toBe("good.yml: no errors\n")
  })

  it("takes warnings for errors only when --strict", async () => {
    const lax = await cli(["validate", "old.yml"], { cwd })
    expect(lax.stdout).toMatch(/^old\.yml:3:5: warning: /m)
    expect(lax.stdout).toContain("runOnAvailable")
    expect(lax.code).toBe(0)
    const strict = await cli(["validate", "--strict", "old.yml"], { cwd })
    expect(strict.code).toBe(1)
    expect(strict.stdout).toBe(lax.stdout)
  })

  it("warns of a file that sets nothing", async () => {
    const { code, stdout } = await cli(["validate", "empty.yml"], { cwd })
    expect(stdout).toContain("warning: sets nothing at all")
    expect(code).toBe(0)
  })

  it("reads standard input", async () => {
    const { code, stdout } = await cli(["validate", "-"], { cwd, stdin: "rtmp: maybe\n" })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\(stdin\):1:1: error: /m)
    expect((await cli(["validate", "-", "-"], { cwd })).code).toBe(2)
  })

  it("prints JSON for programs", async () => {
    const { code, stdout } = await cli(["validate", "--json", "good.yml", "bad.yml", "missing.yml"], { cwd })
    const report = JSON.parse(stdout)
    expect(code).toBe(1)
    expect(report.valid).toBe(false)
    expect(report.files[0]).toEqual({ file: "good.yml", valid: true, errors: 0, warnings: 0, issues: [] })
    expect(report.files[1]).toMatchObject({ file: "bad.yml", valid: false, errors: 2, warnings: 0 })
    expect(report.files[1].issues[0]).toMatchObject({
      severity: "error",
      field: ["paths", "cam", "sorce"],
      line: 4,
      column: 5,
      suggestion: "source"
    })
    expect(report.files[2]).toMatchObject({ file: "missing.yml", valid: false, issues: [{ rule: "unreadable" }] })
    expect(stdout).not.toContain("secret-pw")
  })
})
