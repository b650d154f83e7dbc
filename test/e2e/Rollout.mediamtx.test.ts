/** Three real nodes with their updaters and the built manager: a session is ended from afar, a bad change stops at its canary. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { bundleSidecar } from "../support/Sidecar.js"

interface NodeView {
  readonly id: string
  readonly status: string
  readonly configStatus: string
  readonly appliedHash: string | null
  readonly wantedHash: string | null
  readonly startedAt: string | null
}
interface Rollout {
  readonly id: number
  readonly state: string
  readonly reason: string
  readonly failures: ReadonlyArray<{ readonly node: string; readonly reason: string }>
}
interface State {
  readonly readers: ReadonlyArray<{ readonly node: string; readonly id: string; readonly type: string }>
  readonly publishers: ReadonlyArray<{ readonly node: string; readonly id: string }>
}

const ids = ["n1", "n2", "n3"] as const

describeMediaMTX("a fleet of three nodes with updaters", (bin) => {
  const data = tempFolder()
  const folders = new Map(ids.map((id) => [id, tempFolder()]))
  const fileOf = (id: string) => join(folders.get(id as "n1")?.path ?? "", "mediamtx.yml")
  const rtsp = new Map<string, number>()
  const nodes = new Map<string, Running>()
  const updaters: Array<Running> = []
  const clients: Array<Running> = []
  let keepNodes = true
  let taken: Server
  let takenPort = 0
  let manager: RunningManager

  const setBase = (extra: string) =>
    writeFileSync(
      join(data.path, "config", "base.yml"),
      ["api: yes\nrtspTransports: [tcp]\nhls: no\nwebrtc: no\nsrt: no\nmoq: no", extra, "paths:\n  cam: {}\n"].join(
        "\n"
      )
    )
  const views = () => manager.json<ReadonlyArray<NodeView>>("/nodes")
  const view = async (id: string) => (await views()).find((node) => node.id === id)
  const allApplied = (what: string, ms = 40_000) =>
    eventually(
      what,
      async () => {
        const all = await views()
        return all.length === 3 && all.every(({ configStatus }) => configStatus === "applied")
      },
      ms
    )
  const rollouts = () => manager.json<ReadonlyArray<Rollout>>("/rollouts")
  const newestIs = (state: string, ms = 40_000) =>
    eventually(
      `the rollout is ${state}`,
      async () => {
        const [newest] = await rollouts()
        if (newest?.state === state) return newest
        throw new Error(`it is ${JSON.stringify(newest)}`)
      },
      ms
    )
  const remote = () => ["--base", manager.url, "--key", manager.key]
  const post = (path: string) =>
    fetch(`${manager.url}${path}`, { method: "POST", headers: { authorization: `Bearer ${manager.key}` } })

  /** What `restart: always` does. */
  const startNode = (id: string) => {
    const node = run(bin, [fileOf(id)], { cwd: folders.get(id as "n1")?.path ?? "" })
    nodes.set(id, node)
    void node.exited.then(() => {
      if (keepNodes) setTimeout(() => startNode(id), 300)
    })
  }
  const publish = (id: string) => {
    const client = run("ffmpeg", [
      ...["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=5"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "5"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${rtsp.get(id)}/cam`]
    ])
    clients.push(client)
    return client
  }

  beforeAll(async () => {
    taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
    const address = taken.address()
    takenPort = typeof address === "object" && address !== null ? address.port : 0
    const ports = await freePorts(6)
    mkdirSync(join(data.path, "config", "nodes"), { recursive: true })
    setBase("rtmp: no")
    writeFileSync(
      join(data.path, "config", "manager.yml"),
      [
        "auth:\n  users:\n    - {name: updater, secret: updater-secret}\n  rules:",
        "    - {name: api, allow: [api], users: [updater]}\n    - {name: all, allow: [publish, read]}",
        'rollout:\n  canary: { nodes: "node=n1" }\n  soak: 4s\n  deadline: 1m\n'
      ].join("\n")
    )
    for (const [index, id] of ids.entries()) {
      const [media = 0, api = 0] = [ports[2 * index], ports[2 * index + 1]]
      rtsp.set(id, media)
      writeFileSync(
        join(data.path, "config", "nodes", `${id}.yml`),
        `apiAddress: 127.0.0.1:${api}\nrtspAddress: 127.0.0.1:${media}\n`
      )
    }
    manager = await startManager({ data: data.path, args: ["--refresh-mode", "updater"] })
    const bundle = bundleSidecar("updater")
    for (const [index, id] of ids.entries()) {
      updaters.push(
        run("node", [bundle.file], {
          env: {
            ...{ URL: manager.url, KEY: manager.key, NODE: id, CONFIG: fileOf(id), INTERVAL: "1s", RECORDINGS: "" },
            MEDIAMTX_API: `http://updater:updater-secret@127.0.0.1:${ports[2 * index + 1]}`
          }
        })
      )
    }
    for (const id of ids) {
      await eventually(`the config of ${id}`, async () => existsSync(fileOf(id)))
      startNode(id)
    }
    return bundle.remove
  }, 90_000)

  afterAll(async () => {
    keepNodes = false
    await Promise.all(clients.map((client) => client.stop("SIGKILL")))
    await Promise.all(updaters.map((updater) => updater.stop()))
    await Promise.all([...nodes.values()].map((node) => node.stop("SIGKILL")))
    await manager?.stop()
    taken?.close()
    data.remove()
    for (const folder of folders.values()) folder.remove()
  }, 30_000)

  it("all of them acknowledge their config", { timeout: 60_000 }, async () => {
    await allApplied("three acknowledgements")
    await eventually("their versions", async () => (await views()).every(({ startedAt }) => startedAt !== null))
    for (const { appliedHash, wantedHash } of await views()) expect(appliedHash).toBe(wantedHash)
    expect(await manager.cli("nodes", ...remote())).toMatch(/n2 +online .*in sync/)
  })

  it("ends a reader's session through the updater, and nobody else's", { timeout: 60_000 }, async () => {
    const publisher = publish("n2")
    publish("n3")
    const state = () => manager.json<State>("/state")
    await eventually("the publishers", async () => (await state()).publishers.length === 2)
    const reader = run("ffmpeg", [
      ...["-hide_banner", "-loglevel", "error", "-nostdin", "-rtsp_transport", "tcp"],
      ...["-i", `rtsp://127.0.0.1:${rtsp.get("n2")}/cam`, "-f", "null", "-"]
    ])
    clients.push(reader)
    const session = await eventually("the reader", async () =>
      (await state()).readers.find(({ node }) => node === "n2")
    )
    expect(session.type).toBe("rtspSession")
    const answer = await post(`/sessions/${session.id}/kick`)
    expect(answer.status).toBe(202)
    // The route's answer; the id alone is used.
    const { id } = (await answer.json()) as { readonly id: string }
    await reader.exited
    await eventually("the confirmation", async () => {
      const { state: of } = await manager.json<{ readonly state: string }>(`/commands/${id}`)
      return of === "done"
    })
    await eventually("the picture without it", async () => (await state()).readers.length === 0)
    expect(publisher.child.exitCode).toBeNull()
    expect((await post(`/sessions/${session.id}/kick`)).status).toBe(404)
  })

  it("a change that ends MediaMTX stops at its canary; the others keep their config and streams", {
    timeout: 120_000
  }, async () => {
    const before = new Map(ids.map((id) => [id, readFileSync(fileOf(id), "utf8")]))
    const pids = new Map(ids.map((id) => [id, nodes.get(id)?.child.pid]))
    // Valid in itself, but the port belongs to another process.
    setBase(`rtmp: yes\nrtmpAddress: 127.0.0.1:${takenPort}`)
    const halted = await newestIs("halted", 60_000)
    expect(halted.reason).toContain("n1: ")
    expect(halted.failures).toEqual([expect.objectContaining({ node: "n1", reason: "failed" })])
    expect((await view("n1"))?.configStatus).toBe("failed")
    for (const id of ["n2", "n3"] as const) {
      expect(readFileSync(fileOf(id), "utf8")).toBe(before.get(id))
      expect(nodes.get(id)?.child.pid).toBe(pids.get(id))
      expect((await view(id))?.configStatus).toBe("applied")
    }
    expect((await manager.json<State>("/state")).publishers.map(({ node }) => node).sort()).toEqual(["n2", "n3"])
    expect(await manager.cli("rollouts", ...remote())).toMatch(/halted .*n1/)
    await manager.cli("rollout", "abort", String(halted.id), ...remote())
    await eventually("n1 runs what it ran before", async () => readFileSync(fileOf("n1"), "utf8") === before.get("n1"))
    await allApplied("all run what is wanted")
  })

  it("a good change goes to the canary, then to the others, without a stream lost", { timeout: 120_000 }, async () => {
    const pids = new Map(ids.map((id) => [id, nodes.get(id)?.child.pid]))
    setBase("rtmp: no\npathDefaults: { recordDeleteAfter: 2d }")
    await eventually("the canary has it", async () => readFileSync(fileOf("n1"), "utf8").includes("recordDeleteAfter"))
    expect(readFileSync(fileOf("n2"), "utf8")).not.toContain("recordDeleteAfter")
    await newestIs("completed")
    await allApplied("all have it")
    for (const id of ids) {
      expect(readFileSync(fileOf(id), "utf8")).toContain("recordDeleteAfter")
      expect(nodes.get(id)?.child.pid).toBe(pids.get(id))
    }
    expect((await manager.json<State>("/state")).publishers.map(({ node }) => node).sort()).toEqual(["n2", "n3"])
  })
})
