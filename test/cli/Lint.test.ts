import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { cli, folder } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

interface Finding {
  readonly rule: string
  readonly file?: string
  readonly line?: number
  readonly nodes?: ReadonlyArray<string>
}

const cwd = folder()
beforeAll(() => {
  writeFileSync(join(cwd, "open.yml"), "api: true\nrtmp: false\n")
  writeFileSync(join(cwd, "bad.yml"), "apy: true\n")
  mkdirSync(join(cwd, "config/nodes"), { recursive: true })
  writeFileSync(
    join(cwd, "config/base.yml"),
    "rtsp: false\nrtmp: false\nhls: false\nwebrtc: false\npaths:\n  cam:\n    record: true\n    recordDeleteAfter: 7d\n"
  )
  writeFileSync(
    join(cwd, "config/overlays.yml"),
    "labels:\n  eu-*:\n    region: eu\noverlays:\n  - name: eu\n    nodes: region=eu\n    config:\n      pprof: true\n"
  )
  writeFileSync(join(cwd, "config/nodes/us-1.yml"), "paths:\n  cam:\n    recordDeleteAfter: 0s\n")
  writeFileSync(
    join(cwd, "config/manager.yml"),
    "auth:\n  users:\n    - name: ann\n      secret: hunter-2-plain\n  rules:\n    - allow: any\n      users: ann\n      paths: camm\n"
  )
})

describe("lint", () => {
  it("shows what a file leaves open, with line, reason and advice, and fails", async () => {
    const { code, stdout } = await cli(["lint", "open.yml"], { cwd })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^open\.yml:1:1: warning: api: .* \[api-all-addresses\]$/m)
    expect(stdout).toContain("[open-publish]")
    expect(stdout).toContain("= expected: ")
    expect(stdout).toContain("= hint: ")
    expect(stdout).toMatch(/\nopen\.yml: 1 error, 1 warning, 1 info\n$/)
  })

  it("fails from the severity on that is asked for, and leaves out what is ignored", async () => {
    const fine = ["lint", "open.yml", "--ignore", "open-publish,open-read"]
    expect((await cli(fine, { cwd })).code).toBe(0)
    expect((await cli([...fine, "--fail-on", "warning"], { cwd })).code).toBe(1)
    expect((await cli(["lint", "open.yml", "--fail-on", "never"], { cwd })).code).toBe(0)
    const wrong = await cli(["lint", "open.yml", "--ignore", "open-publich"], { cwd })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain("did you mean open-publish?")
  })

  it("looks at a folder as the nodes get it: base, overlays, nodes, and the manager's rules", async () => {
    const { code, stdout } = await cli(["lint", "config", "--json", "--fail-on", "warning"], { cwd })
    expect(code).toBe(1)
    expect(stdout).not.toContain("hunter-2-plain")
    const report: { readonly ok: boolean; readonly findings: ReadonlyArray<Finding> } = JSON.parse(stdout)
    expect(report.ok).toBe(false)
    const brief = report.findings.map(({ file, line, nodes, rule }) =>
      [rule, file?.slice(file.indexOf("config/")), line, ...(nodes ?? [])].join(" ")
    )
    expect(brief.sort()).toEqual([
      "manager-plain-secret config/manager.yml 4",
      "manager-rule-no-path config/manager.yml 8",
      "pprof-all-addresses config/overlays.yml 8",
      "record-forever config/nodes/us-1.yml 3 us-1"
    ])
  })

  it("says that hooks can't run in an image without a shell", async () => {
    const image = ["--image", "bluenviron/mediamtx:1.20.1"]
    const { code, stdout } = await cli(["lint", "config", ...image], { cwd })
    expect(code).toBe(1)
    expect(stdout).toContain("[hook-image-without-shell]")
  })

  it("lints only what is valid", async () => {
    const { code, stderr } = await cli(["lint", "bad.yml"], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain("bad.yml:1:1: error:")
    expect(stderr).toContain("only a valid config is linted")
  })
})
