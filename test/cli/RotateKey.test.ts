import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { expect, it, vi } from "vitest"
import { cli, folder, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const serve = async (cwd: string, port: string) => {
  const started = start(["serve", "--quiet", "--port", port], { cwd })
  const [, url = ""] = await started.printed(/^listening on (\S+)$/m)
  const stop = async () => {
    started.child.kill("SIGTERM")
    return await started.outcome
  }
  return { url, stop, started }
}
const config = async (url: string, token: string, more = "") => {
  const response = await fetch(`${url}/?node=n1${more}`, { headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, text: await response.text() }
}
const tokenNow = async (cwd: string) =>
  /Bearer ([\w-]+)"/.exec((await cli(["node-command", "n1", "--shell"], { cwd })).stdout)?.[1] ?? ""

it("rotate-key: nodes go on, go over when they boot, and are shut out when it is finished", async () => {
  const cwd = folder()
  const first = await serve(cwd, "0")
  const port = new URL(first.url).port
  const old = await tokenNow(cwd)
  const running = await config(first.url, old)
  await first.stop()

  const key = () => readFileSync(join(cwd, "data/key"), "utf8").trim()
  const before = key()
  const rotated = await cli(["rotate-key"], { cwd })
  expect(rotated.code).toBe(0)
  expect(rotated.stdout).not.toContain(key())
  expect(key()).not.toBe(before)
  expect(readFileSync(join(cwd, "data/key.previous"), "utf8").trim()).toBe(before)
  expect(statSync(join(cwd, "data/key.previous")).mode & 0o777).toBe(0o600)
  // A second one would shut out who goes by the first.
  expect((await cli(["rotate-key"], { cwd })).stderr).toContain("A rotation is going on already")

  const second = await serve(cwd, port)
  const fresh = await tokenNow(cwd)
  expect(fresh).not.toBe(old)
  expect(await config(second.url, old)).toEqual(running)
  const booted = await config(second.url, old, "&boot=1")
  expect(booted.text).toContain(fresh)
  expect(await config(second.url, fresh)).toEqual(booted)
  const { stderr } = await second.stop()
  expect(stderr).toContain("node n1 goes by the previous key")
  expect(stderr).not.toContain(before)

  expect((await cli(["rotate-key", "--finish"], { cwd })).stdout).toContain("is forgotten")
  expect(existsSync(join(cwd, "data/key.previous"))).toBe(false)
  expect((await cli(["rotate-key", "--finish"], { cwd })).stdout).toContain("nothing to do")
  const third = await serve(cwd, port)
  expect((await config(third.url, old)).status).toBe(401)
  expect(await config(third.url, fresh)).toEqual(booted)
  await third.stop()
})
