/**
 * The real MediaMTX on a config that is written by an updater which is killed, runs out of disk, or whose clock jumps: it runs
 * on, always with one of the configs that it was meant to have.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, it } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered } from "../support/Sidecar.js"

const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

describeMediaMTX("MediaMTX beside an updater in trouble", (bin) => {
  const folder = tempFolder()
  const mounted = join(folder.path, "config")
  const file = join(mounted, "mediamtx.yml")
  let isMounted = false
  let api: number
  let rtsp: number
  let program: string
  let manager: ScriptedServer
  let node: Running
  let wanted: string
  const updaters: Array<Running> = []

  const config = (...paths: ReadonlyArray<string>) =>
    rendered(
      [
        `api: yes\napiAddress: 127.0.0.1:${api}\nrtspAddress: 127.0.0.1:${rtsp}\nrtspTransports: [tcp]`,
        "rtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no\npaths:",
        ...paths.map((path) => `  ${path}: {}`)
      ].join("\n")
    )
  const inForce = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${api}/v3/config/paths/list`)
    // MediaMTX's own answer; only the names are used.
    const { items } = (await response.json()) as { readonly items: ReadonlyArray<{ readonly name: string }> }
    return items.map(({ name }) => name).join()
  }
  const start = (env: Readonly<Record<string, string>> = {}, flags: ReadonlyArray<string> = []) => {
    const updater = run("node", [...flags, program], {
      env: {
        ...{ URL: manager.base, KEY: "key", NODE: "n1", CONFIG: file, INTERVAL: "1s", RECORDINGS: "" },
        ...{ MEDIAMTX_API: `http://127.0.0.1:${api}`, ...env }
      }
    })
    updaters.push(updater)
    return updater
  }
  const lives = () => {
    expect(node.child.exitCode).toBeNull()
    expect(node.child.signalCode).toBeNull()
  }

  beforeAll(async () => {
    ;[rtsp = 0, api = 0] = await freePorts(2)
    mkdirSync(mounted)
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", mounted], { stdio: "ignore" })
      isMounted = true
    } catch {
      // Then the disk can't be filled.
    }
    const bundle = bundleSidecar("updater")
    program = bundle.file
    wanted = config("a")
    manager = await scriptedServer((asked, response) =>
      asked.method === "GET" ? giveConfig(asked, response, wanted) : giveReply(response, null)
    )
    const updater = start()
    await eventually("the file", async () => existsSync(file))
    node = run(bin, [file], { cwd: folder.path })
    await eventually("MediaMTX", async () => (await inForce()) === "a")
    await eventually("the last good copy", async () => existsSync(`${file}.last-good`))
    await updater.stop()
    return bundle.remove
  }, 60_000)

  afterAll(async () => {
    await Promise.all(updaters.map((updater) => updater.stop("SIGKILL")))
    await node?.stop("SIGKILL")
    await manager?.close()
    if (isMounted) execFileSync("umount", ["-l", mounted])
    folder.remove()
  }, 30_000)

  // State, config and last good one take nine steps each: opened, written, chmod, fsync, closed, renamed; the folder opened,
  // fsync, closed. All of them are in test/sidecar/UpdaterCrash.test.ts; here are those around the file that MediaMTX reads.
  it("serves the old config or the new one after a kill at any step of a write", { timeout: 180_000 }, async () => {
    const configs = ["a", "a,b"] as const
    let kills = 0
    for (const n of [2, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]) {
      const old = await inForce()
      const next = old === configs[0] ? configs[1] : configs[0]
      wanted = config(...next.split(","))
      const before = readFileSync(file, "utf8")
      const updater = start({ KILL_AT: String(n) }, ["--require", support("killAt.cjs")])
      const ended = await Promise.race([
        updater.exited,
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 12_000))
      ])
      if (ended === "SIGKILL") kills += 1
      else await updater.stop("SIGKILL")
      const after = readFileSync(file, "utf8")
      expect([before, wanted], `killed at step ${n}`).toContain(after)
      lives()
      const now = after === wanted ? next : old
      await eventually(`${now} in force after step ${n}`, async () => (await inForce()) === now)
    }
    expect(kills).toBeGreaterThanOrEqual(12)
    wanted = config("a", "b", "c")
    const updater = start()
    await eventually("a whole run brings the newest", async () => (await inForce()) === "a,b,c", 30_000)
    await updater.stop()
    expect(readdirSync(mounted).filter((name) => name.includes(".new-"))).toEqual([])
    lives()
  })

  it("serves the old config on a full disk, and the new one when there is room", { timeout: 60_000 }, async ({
    skip
  }) => {
    if (!isMounted) {
      console.warn('\n  SKIPPED: "a full disk" needs the right to mount a tmpfs.\n')
      return skip()
    }
    const old = await inForce()
    const filler = join(mounted, "filler")
    for (let size = 60; size > 0; size--) {
      try {
        writeFileSync(filler, Buffer.alloc(4096), { flag: "a" })
      } catch {
        break
      }
    }
    wanted = config("full")
    const updater = start()
    await updater.waitFor(/the disk is full/)
    await eventually("a report", async () => manager.asked.some(({ body }) => body.includes("the disk is full")))
    expect(await inForce()).toBe(old)
    lives()
    rmSync(filler)
    await eventually("the new one", async () => (await inForce()) === "full", 30_000)
    await updater.stop()
    lives()
  })

  it("takes every change in time, and MediaMTX with it, whatever the wall clock jumps to", {
    timeout: 60_000
  }, async () => {
    const beats = () => manager.asked.filter(({ method }) => method === "POST").length
    const updater = start({}, ["--require", support("clockJumps.cjs")])
    const writes: Array<number> = []
    let inode = statSync(file).ino
    const watch = setInterval(() => {
      const now = statSync(file).ino
      if (now !== inode) writes.push(performance.now())
      inode = now
    }, 20)
    try {
      for (const name of ["x1", "x2", "x3"]) {
        const begun = beats()
        wanted = config(name)
        await eventually(`${name} in force`, async () => (await inForce()) === name)
        await eventually("heartbeats go on", async () => beats() >= begun + 2)
      }
    } finally {
      clearInterval(watch)
    }
    expect(writes.length).toBeGreaterThanOrEqual(3)
    for (const [index, at] of writes.slice(1).entries()) expect(at - (writes[index] ?? 0)).toBeGreaterThan(1_900)
    await updater.stop()
    lives()
  })
})
