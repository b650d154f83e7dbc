import { readFileSync } from "node:fs"
import { describe, expect, it, vi } from "vitest"
import { cli } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const version: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version

describe("the program", () => {
  it("says its version, alone or after a command", async () => {
    expect(await cli(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" })
    expect((await cli(["validate", "--version"])).stdout.trim()).toBe(version)
  })

  it("explains itself without arguments and by --help, in lines that fit a terminal", async () => {
    const [bare, help] = await Promise.all([cli([]), cli(["--help"])])
    expect(bare).toEqual(help)
    expect(help.code).toBe(0)
    for (const word of ["serve", "node-command", "MANAGER_ADMIN_KEY", "Exit codes"]) expect(help.stdout).toContain(word)
    expect(help.stdout).not.toContain("\u001b")
    for (const line of help.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120)
  })

  it("documents each command by --help, with variable and default", async () => {
    const { code, stdout } = await cli(["serve", "--help"])
    expect(code).toBe(0)
    expect(stdout).toContain("MANAGER_REFRESH_EVERY, default 10s")
    expect(stdout).not.toContain("\u001b")
  })

  it("writes completions for bash, fish and zsh", async () => {
    for (const shell of ["bash", "fish", "zsh"]) {
      const { code, stdout } = await cli(["--completions", shell])
      expect(code).toBe(0)
      expect(stdout).toContain("node-command")
    }
  })

  it.each([
    [["frobnicate"], "there is no command", "serve, upgrade-check, validate"],
    [["valdate", "x"], "did you mean validate?", ""],
    [["validate", "x.yml", "--stict"], "--stict is no option of validate", "did you mean --strict?"],
    [["validate"], "Missing argument", ""],
    [["serve", "--port"], "--port needs a value", ""],
    [["nodes", "--key", "12345678", "--key", "12345679"], "--key is given twice", ""],
    [["serve", "surplus"], "surplus", ""],
    [["--strict", "validate"], "--strict is no option before the command", ""],
    [["validate", "x", "--log-level", "loud"], '--log-level: "loud" is unknown', "one of all, trace"]
  ])("refuses %j with exit code 2", async (args, first, second) => {
    const { code, stderr, stdout } = await cli(args)
    expect(stderr).toContain(first)
    expect(stderr).toContain(second)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(stdout).toBe("")
    expect(code).toBe(2)
  })

  it("names every wrong setting at once, by flag or variable, with what would be right", async () => {
    const { code, stderr } = await cli(
      ["serve", "--port", "70000", "--base", "ftp://x", "--refresh-mode", "sometimes", "--database", "mysql://x"],
      { env: { MANAGER_REFRESH_EVERY: "1s", MANAGER_KEY: "short", MANAGER_HOST: "no where" } }
    )
    expect(code).toBe(2)
    expect(stderr).toContain('--port: "70000" is not a TCP port; expected a whole number from 1 to 65535')
    expect(stderr).toContain('--base: "ftp://x" is neither http:// nor https://')
    expect(stderr).toContain('--refresh-mode: "sometimes" is unknown; expected one of loop, updater, none')
    expect(stderr).toContain("--database:")
    expect(stderr).toContain('MANAGER_REFRESH_EVERY: "1s" is not an interval')
    expect(stderr).toContain("MANAGER_HOST:")
    expect(stderr).toContain("MANAGER_KEY: the key given is shorter than 8 characters")
    expect(stderr).not.toContain('short"')
    expect(await cli(["serve"], { env: { MANAGER_LOG_LEVEL: "loud" } })).toMatchObject({ code: 2 })
  })
})
