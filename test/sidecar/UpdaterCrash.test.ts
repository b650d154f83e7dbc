/** The updater killed at each step of what it writes, and on disks that are full. */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { unhealthy } from "../../src-sidecar/updater/Health.js"
import { tempFolder } from "../support/Manager.js"
import { eventually, run } from "../support/MediaMTX.js"
import { type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered } from "../support/Sidecar.js"

const killAt = fileURLToPath(new URL("../support/killAt.cjs", import.meta.url))

const first = rendered(`paths:\n${Array.from({ length: 200 }, (_, index) => `  first${index}: {}`).join("\n")}`)
const second = rendered(`paths:\n${Array.from({ length: 300 }, (_, index) => `  second${index}: {}`).join("\n")}`)

/**
 * State, config and last good one: each opened, written, chmod, fsync, closed, renamed; then the folder opened, fsync,
 * closed. The last three may come after the test has seen all that it waits for.
 */
const STEPS = 3 * 9 - 3

describe("mtx-updater", () => {
  const folder = tempFolder()
  let program: string
  let manager: ScriptedServer
  let wanted = first
  beforeAll(async () => {
    const bundle = bundleSidecar("updater")
    program = bundle.file
    manager = await scriptedServer((asked, response) =>
      asked.method === "GET" ? giveConfig(asked, response, wanted) : giveReply(response, null)
    )
    return bundle.remove
  })
  afterAll(async () => {
    await manager.close()
    folder.remove()
  })

  const settings = (config: string) => ({
    URL: manager.base,
    KEY: "key",
    NODE: "n1",
    CONFIG: config,
    INTERVAL: "1s",
    MEDIAMTX_API: "",
    RECORDINGS: ""
  })
  const leftovers = (config: string) => readdirSync(join(config, "..")).filter((name) => name.includes(".new-"))
  const read = (config: string) => (existsSync(config) ? readFileSync(config, "utf8") : undefined)
  /** So that the next run does not wait for the distance between two writes. */
  const age = (config: string) => {
    if (existsSync(config)) utimesSync(config, new Date(0), new Date(0))
  }

  /** Runs it until it was killed before its step `n`; false when it did all that there was to do without coming so far. */
  const killedAt = async (n: number, config: string): Promise<boolean> => {
    const updater = run("node", ["--require", killAt, program], { env: { ...settings(config), KILL_AT: String(n) } })
    const done = eventually("the end or the goal", async () => {
      if (updater.child.exitCode !== null || updater.child.signalCode !== null) return "killed"
      return read(config) === wanted && read(`${config}.last-good`) === wanted && leftovers(config).length === 0
        ? "done"
        : undefined
    })
    const result = await done
    await updater.stop("SIGKILL")
    return result === "killed"
  }

  const boot = async (config: string) => {
    const updater = run("node", [program], { env: settings(config) })
    await eventually("the wanted config", async () => read(config) === wanted && leftovers(config).length === 0)
    await updater.stop()
    expect(unhealthy(config)).toBeUndefined()
  }

  it("leaves the old config or the new one, and never one that looks unfit, killed at any step of a change", {
    timeout: 180_000
  }, async () => {
    const start = join(folder.path, "change")
    mkdirSync(start)
    wanted = first
    await boot(join(start, "mediamtx.yml"))
    wanted = second
    let kills = 0
    for (let n = 1; n < 100; n++) {
      cpSync(start, `${start}-${n}`, { recursive: true })
      const config = join(`${start}-${n}`, "mediamtx.yml")
      age(config)
      const killed = await killedAt(n, config)
      expect([first, second], `killed at step ${n}`).toContain(read(config))
      expect([first, second], `killed at step ${n}`).toContain(read(`${config}.last-good`))
      expect(unhealthy(config), `killed at step ${n}`).toBeUndefined()
      if (!killed) break
      kills += 1
      if (n % 9 === 0) {
        age(config)
        await boot(config)
      }
    }
    expect(kills).toBeGreaterThanOrEqual(STEPS)
  })

  it("leaves nothing or a whole config, killed at any step of the first boot", { timeout: 180_000 }, async () => {
    wanted = first
    let kills = 0
    for (let n = 1; n < 100; n++) {
      const config = join(folder.path, `boot-${n}`, "mediamtx.yml")
      mkdirSync(join(folder.path, `boot-${n}`))
      const killed = await killedAt(n, config)
      const now = read(config)
      expect([undefined, first], `killed at step ${n}`).toContain(now)
      expect(unhealthy(config) === undefined, `killed at step ${n}`).toBe(now === first)
      if (!killed) break
      kills += 1
      if (n % 9 === 0) {
        age(config)
        await boot(config)
      }
    }
    expect(kills).toBeGreaterThanOrEqual(STEPS)
  })

  it("reports a file that can't be written, keeps the old one, and clears up (a limit on the size of files)", async () => {
    const config = join(folder.path, "limit", "mediamtx.yml")
    mkdirSync(join(folder.path, "limit"))
    wanted = rendered("paths:\n  small: {}")
    await boot(config)
    age(config)
    const small = wanted
    wanted = second
    // Blocks of 512 bytes.
    const updater = run("sh", ["-c", `ulimit -f 4; exec node "${program}"`], { env: settings(config) })
    await updater.waitFor(/can't be written: .*EFBIG/)
    await eventually("a report", async () => manager.asked.some(({ body }) => body.includes("EFBIG")))
    expect(read(config)).toBe(small)
    expect(unhealthy(config)).toBeUndefined()
    expect(leftovers(config)).toEqual([])
    await updater.stop()
    age(config)
    await boot(config)
  })

  it("keeps the old config on a disk that is full, and takes the new one when there is room", async ({ skip }) => {
    const mounted = join(folder.path, "full")
    mkdirSync(mounted)
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mounted], { stdio: "ignore" })
    } catch {
      console.warn('\n  SKIPPED: "a disk that is full" needs the right to mount a tmpfs.\n')
      return skip()
    }
    try {
      const config = join(mounted, "mediamtx.yml")
      wanted = rendered("paths:\n  small: {}")
      await boot(config)
      age(config)
      const small = wanted
      wanted = second
      const filler = join(mounted, "filler")
      for (let size = 60; size > 0; size--) {
        try {
          writeFileSync(filler, Buffer.alloc(4096), { flag: "a" })
        } catch {
          break
        }
      }
      const updater = run("node", [program], { env: settings(config) })
      await updater.waitFor(/the disk is full/)
      await eventually("a report", async () => manager.asked.some(({ body }) => body.includes("the disk is full")))
      expect(read(config)).toBe(small)
      expect(unhealthy(config)).toBeUndefined()
      expect(leftovers(config)).toEqual([])
      rmSync(filler)
      await eventually("the new config", async () => read(config) === second)
      await updater.stop()
    } finally {
      execFileSync("umount", [mounted])
    }
  })
})
