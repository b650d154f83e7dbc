import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { readTar, writeTar } from "../../src/cli/Tar.js"
import { cli, folder, start } from "./support.js"

// Every step is a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const serve = async (cwd: string, ...args: ReadonlyArray<string>) => {
  const port = args.includes("--port") ? [] : ["--port", "0"]
  const started = start(["serve", "--quiet", ...port, ...args], { cwd })
  const [, url = ""] = await started.printed(/^listening on (\S+)$/m)
  return { started, url }
}
type Server = Awaited<ReturnType<typeof serve>>
const stop = ({ started }: Server) => {
  started.child.kill("SIGTERM")
  return started.outcome
}

const keyIn = (data: string) => readFileSync(join(data, "key"), "utf8").trim()

/** Reports one event; its number is in its path. */
const report = async (url: string, key: string, number: number) => {
  const response = await fetch(`${url}/hooks?node=n1`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ event: "record_segment_create", path: "cam", segmentPath: `/rec/${number}.mp4` })
  })
  if (response.status !== 204) throw new Error(`${response.status} ${await response.text()}`)
}

const eventsOf = async (cwd: string, data: string) => {
  const { stdout } = await cli(["events", "--after", "0", "--json", "--data", data], { cwd })
  return new Set([...stdout.matchAll(/\/rec\/(\d+)\.mp4/g)].map(([, number]) => Number(number)))
}

describe("backup and restore", () => {
  it("under a storm of writes, whatever was acknowledged before is there afterwards, with key and config", async () => {
    const cwd = folder()
    const first = await serve(cwd)
    const key = keyIn(join(cwd, "data"))
    writeFileSync(join(cwd, "data/config/base.yml"), "rtmp: false\npaths:\n  cam: {}\n")
    mkdirSync(join(cwd, "data/config/nodes"))
    writeFileSync(join(cwd, "data/config/nodes/n1.yml"), "srt: false\n")

    let next = 0
    let stopped = false
    let acknowledged = 0
    const storm = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!stopped) {
          await report(first.url, key, next++)
          acknowledged++
        }
      })
    )
    while (acknowledged < 200) await report(first.url, key, next++)
    // Numbers given out later than these may or may not be in the backup; these all are.
    const certain = acknowledged
    const made = await cli(["backup", "b.tar"], { cwd })
    const during = acknowledged - certain
    stopped = true
    await storm
    expect(made.stderr).toBe("")
    expect(made.stdout).toMatch(/^b\.tar: 5 files, \d+ bytes, the key among them\n$/)
    expect(during, "nothing was written while the backup was made").toBeGreaterThan(0)
    expect(statSync(join(cwd, "b.tar")).mode & 0o777).toBe(0o600)
    const before = await (await fetch(`${first.url}/?node=n1`, { headers: { authorization: `Bearer ${key}` } })).text()
    expect(before).toContain("srt: false")
    const all = await eventsOf(cwd, "data")
    await stop(first)

    // Any tar reads it.
    const listed = execFileSync("tar", ["-tf", join(cwd, "b.tar")], { encoding: "utf8" })
      .trim()
      .split("\n")
    expect(listed.sort()).toEqual(["config/base.yml", "config/manager.yml", "config/nodes/n1.yml", "key", "manager.db"])

    const restored = await cli(["restore", "b.tar", "--data", "other"], { cwd })
    expect(restored).toMatchObject({ code: 0, stderr: "" })
    expect(keyIn(join(cwd, "other"))).toBe(key)
    expect(statSync(join(cwd, "other/key")).mode & 0o777).toBe(0o600)
    const port = new URL(first.url).port
    const second = await serve(cwd, "--data", "other", "--port", port)
    const after = await (await fetch(`${second.url}/?node=n1`, { headers: { authorization: `Bearer ${key}` } })).text()
    // The very bytes: no node would notice.
    expect(after).toBe(before)
    const found = await eventsOf(cwd, "other")
    expect(found.size).toBeGreaterThanOrEqual(certain)
    // What is in it is a beginning of what was recorded, without a hole.
    const order = [...all]
    expect([...found]).toEqual(order.slice(0, found.size))
    await report(second.url, key, 999_999)
    await stop(second)
  })

  it("is kept from a folder in use, from what is there, and from what is no backup", async () => {
    const cwd = folder()
    const server = await serve(cwd)
    expect((await cli(["backup", "b.tar"], { cwd })).code).toBe(0)
    const again = await cli(["backup", "b.tar"], { cwd })
    expect([again.code, again.stderr]).toEqual([1, "error: b.tar is there already: take another name, or --force\n"])
    expect((await cli(["backup", "b.tar", "--force", "--without-key"], { cwd })).stderr).toContain(
      "the key is not in it"
    )
    const inUse = await cli(["restore", "b.tar", "--force"], { cwd })
    expect(inUse.code).toBe(1)
    expect(inUse.stderr).toContain("uses the data folder")
    await stop(server)

    const there = await cli(["restore", "b.tar"], { cwd })
    expect(there.code).toBe(1)
    expect(there.stderr).toContain("is there already")
    const forced = await cli(["restore", "b.tar", "--force"], { cwd })
    expect(forced.code).toBe(0)
    expect(forced.stderr).toMatch(/what was there is kept as .*manager\.db\.before-restore-/)

    writeFileSync(join(cwd, "x"), "not a database")
    await writeTar(join(cwd, "damaged.tar"), [{ name: "manager.db", file: join(cwd, "x") }], 0)
    const damaged = await cli(["restore", "damaged.tar", "--data", "new"], { cwd })
    expect(damaged.stderr).toContain("its database is damaged")
    await writeTar(join(cwd, "evil.tar"), [{ name: "../evil", file: join(cwd, "x") }], 0)
    const evil = await cli(["restore", "evil.tar", "--data", "new"], { cwd })
    expect(evil.stderr).toContain('it holds "../evil", which is no part of a backup')
    expect((await cli(["restore", "x", "--data", "new"], { cwd })).stderr).toContain("the archive ends too early")
    expect((await cli(["backup", "c.tar", "--data", "nowhere"], { cwd })).stderr).toContain("there is no database")
  })
})

describe("tar", () => {
  it("reads what it writes and what tar writes, and refuses what is cut or changed", async () => {
    const cwd = folder()
    const sizes = [0, 1, 511, 512, 513, 70_000]
    const entries = sizes.map((size) => {
      const file = join(cwd, `f${size}`)
      writeFileSync(file, Buffer.alloc(size, size % 251))
      return { name: `d/f${size}`, file }
    })
    await writeTar(join(cwd, "a.tar"), entries, 1_700_000_000_000)
    execFileSync("tar", ["--format=ustar", "-cf", join(cwd, "t.tar"), "-C", cwd, ...sizes.map((size) => `f${size}`)])
    for (const name of ["a.tar", "t.tar"]) {
      const out = folder()
      const found = await readTar(join(cwd, name), (entry) => join(out, entry.name.replace("d/", "")))
      expect(found.map(({ size }) => size)).toEqual(sizes)
      for (const size of sizes) expect(readFileSync(join(out, `f${size}`))).toEqual(Buffer.alloc(size, size % 251))
    }
    const bytes = readFileSync(join(cwd, "a.tar"))
    writeFileSync(join(cwd, "cut.tar"), bytes.subarray(0, bytes.length - 3_000))
    await expect(readTar(join(cwd, "cut.tar"), () => undefined)).rejects.toThrow("ends too early")
    bytes[3] = 0x7a
    writeFileSync(join(cwd, "changed.tar"), bytes)
    await expect(readTar(join(cwd, "changed.tar"), () => undefined)).rejects.toThrow("damaged")
  })
})

describe("the lock", () => {
  it("keeps a second server off, says who has it, and is free after kill -9", async () => {
    const cwd = folder()
    const first = await serve(cwd)
    const refused = await cli(["serve", "--port", "0"], { cwd })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      new RegExp(
        `Another mtx-manager \\(process ${first.started.child.pid} on \\S+, since \\S+\\) uses the data folder`
      )
    )
    // The one that has it goes on.
    expect((await fetch(`${first.url}/healthz`)).status).toBe(200)
    // Commands that only look are let in.
    expect((await cli(["node-command", "n1"], { cwd })).code).toBe(0)

    first.started.child.kill("SIGKILL")
    await first.started.outcome
    const second = await serve(cwd)
    // Another folder, and the same database.
    const other = await cli(["serve", "--port", "0", "--data", "other", "--database", "data/manager.db"], { cwd })
    expect(other.stderr).toContain("uses the database")
    await stop(second)
  })
})
