/** A real MediaMTX dies and its updater lives on: the fallback of its group takes over all the same. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { bundleSidecar } from "../support/Sidecar.js"

interface NodeView {
  readonly id: string
  readonly status: string
  readonly error: string | null
  readonly startedAt: string | null
  readonly lastSeen: string
}
const ids = ["a", "b"] as const

describeMediaMTX("a MediaMTX that is gone beside an updater that is there", (bin) => {
  const data = tempFolder()
  const servers = new Map<string, Running>()
  const updaters = new Map<string, Running>()
  let manager: RunningManager
  const fileOf = (id: string) => join(data.path, id, "mediamtx.yml")
  const view = async (id: string) =>
    (await manager.json<ReadonlyArray<NodeView>>("/nodes")).find((node) => node.id === id)
  const acting = async () =>
    (await manager.json<ReadonlyArray<{ readonly acting: string }>>("/groups")).map((group) => group.acting).join()
  const startServer = (id: string) => servers.set(id, run(bin, [fileOf(id)], { cwd: join(data.path, id) }))
  const isOnline = (id: string) =>
    eventually(`${id} is online, with its server`, async () => {
      const found = await view(id)
      return found?.status === "online" && found.startedAt !== null && found.error === null
    })

  beforeAll(async () => {
    const ports = await freePorts(4)
    const config = join(data.path, "config")
    mkdirSync(join(config, "nodes"), { recursive: true })
    writeFileSync(
      join(config, "base.yml"),
      "api: yes\nrtspTransports: [tcp]\nhls: no\nrtmp: no\nwebrtc: no\nsrt: no\nmoq: no\npaths:\n  cam: {}\n"
    )
    const address = (index: number) => `127.0.0.1:${ports[2 * index]}`
    writeFileSync(
      join(config, "manager.yml"),
      [
        "auth:\n  users:\n    - {name: updater, secret: updater-secret}\n  rules:",
        "    - {name: api, allow: [api], users: [updater]}",
        `addresses:\n  a: ${address(0)}\n  b: ${address(1)}`,
        "groups:\n  - {name: pair, primary: a, fallbacks: [b], paths: cam, returnAfter: 2s}\n"
      ].join("\n")
    )
    for (const [index, id] of ids.entries()) {
      mkdirSync(join(data.path, id))
      writeFileSync(
        join(config, "nodes", `${id}.yml`),
        `apiAddress: 127.0.0.1:${ports[2 * index + 1]}\nrtspAddress: ${address(index)}\n`
      )
    }
    manager = await startManager({ data: data.path, args: ["--refresh-mode", "updater"] })
    const bundle = bundleSidecar("updater")
    for (const [index, id] of ids.entries()) {
      const env = {
        ...{ URL: manager.url, KEY: manager.key, NODE: id, CONFIG: fileOf(id), INTERVAL: "1s", RECORDINGS: "" },
        MEDIAMTX_API: `http://updater:updater-secret@127.0.0.1:${ports[2 * index + 1]}`
      }
      updaters.set(id, run("node", [bundle.file], { env }))
    }
    for (const id of ids) {
      await eventually(`the config of ${id}`, async () => existsSync(fileOf(id)))
      startServer(id)
    }
    return bundle.remove
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...updaters.values()].map((updater) => updater.stop()))
    await Promise.all([...servers.values()].map((server) => server.stop("SIGKILL")))
    await manager?.stop()
    data.remove()
  }, 30_000)

  it("is taken for gone as its node would be, and acts again when it is back", { timeout: 90_000 }, async () => {
    for (const id of ids) await isOnline(id)
    expect(await acting()).toBe("a")

    await servers.get("a")?.stop("SIGKILL")
    await eventually("the fallback acts", async () => (await acting()) === "b", 30_000)
    const dead = await view("a")
    expect(dead).toMatchObject({ status: "offline" })
    expect(dead?.error).toContain("MediaMTX does not answer")
    expect(updaters.get("a")?.child.exitCode).toBeNull()
    // Its updater goes on calling, and takes the config for what it is now.
    const heartbeats = async () =>
      /mtx_manager_hot_requests_total\{[^}]*"heartbeat"[^}]*\} (\d+)/.exec(
        await (await manager.get("/metrics")).text()
      )?.[1]
    const before = Number(await heartbeats())
    await eventually("more heartbeats", async () => Number(await heartbeats()) > before + 4)
    expect(await view("a")).toMatchObject({ status: "offline", lastSeen: dead?.lastSeen })

    startServer("a")
    await isOnline("a")
    await eventually("the primary acts again", async () => (await acting()) === "a", 30_000)
  })
})
