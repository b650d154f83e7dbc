/**
 * The whole thing as a user meets it: the built manager, the printed command, the real MediaMTX, ffmpeg as clients.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { HookRecord } from "../../src/services/HookBus.js"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"

/** Seconds between two polls of the node's refresh loop. */
const EVERY = 2

interface Ports {
  readonly rtsp: number
  readonly hls: number
  readonly api: number
}

const baseYml = (ports: Ports, extra = "") => `
logLevel: info
api: yes
apiAddress: 127.0.0.1:${ports.api}
rtspAddress: 127.0.0.1:${ports.rtsp}
rtspTransports: [tcp]
rtspEncryption: "no"
hlsAddress: 127.0.0.1:${ports.hls}
hlsAlwaysRemux: yes
hlsVariant: mpegts
hlsSegmentDuration: 1s
rtmp: no
webrtc: no
srt: no
moq: no
paths:
  cam:
  side:
${extra}`

const managerYml = `
auth:
  users:
    - name: publisher
      secret: publish-secret
    - name: viewer
      secret: sha256:QXTJfRISrx0N6VcktMz4Y1Vlh66UTDbeuATrgnjuKBQ=
  rules:
    - name: publishers
      allow: [publish]
      paths: [cam, side, extra]
      users: [publisher]
    - name: viewers
      allow: [read]
      paths: ["**"]
      users: [viewer]
    - name: local api
      allow: [api]
      ips: [127.0.0.1]
`
const VIEWER = "viewer:view-secret"
const PUBLISHER = "publisher:publish-secret"

interface ApiPath {
  readonly name: string
  readonly available: boolean
  readonly source: { readonly type: string; readonly id: string } | null
  readonly readers: ReadonlyArray<{ readonly type: string; readonly id: string }>
}

describeMediaMTX("a node, from the printed command to its end", (bin) => {
  const folder = tempFolder()
  const nodeFolder = tempFolder()
  let manager: RunningManager
  let node: Running
  let ports: Ports
  const clients: Array<Running> = []

  const start = (command: string, args: ReadonlyArray<string>) => {
    const client = run(command, args)
    clients.push(client)
    return client
  }
  const ffmpeg = (...args: ReadonlyArray<string>) =>
    start("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", ...args])
  const publish = (path: string, user = PUBLISHER) =>
    ffmpeg(
      ...["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://${user}@127.0.0.1:${ports.rtsp}/${path}`]
    )
  const read = (path: string, user: string, seconds?: number) =>
    ffmpeg(
      ...["-rtsp_transport", "tcp", "-i", `rtsp://${user}@127.0.0.1:${ports.rtsp}/${path}`],
      ...(seconds === undefined ? [] : ["-t", String(seconds)]),
      ...["-f", "null", "-"]
    )

  const apiPaths = async (): Promise<ReadonlyArray<ApiPath>> => {
    const response = await fetch(`http://127.0.0.1:${ports.api}/v3/paths/list`)
    if (!response.ok) throw new Error(`/v3/paths/list: ${response.status}`)
    // MediaMTX's own answer; only these fields are used.
    return ((await response.json()) as { items: ReadonlyArray<ApiPath> }).items
  }
  const apiPath = async (name: string) => (await apiPaths()).find((path) => path.name === name)
  const whenAvailable = (name: string) =>
    eventually(`${name} is available on the node`, async () => {
      const path = await apiPath(name)
      return path?.available === true && path.source !== null ? { ...path, source: path.source } : undefined
    })

  /** Everything on the bus so far. */
  const events = async (): Promise<ReadonlyArray<HookRecord>> => {
    const stop = new AbortController()
    const response = await fetch(`${manager.url}/events?after=0`, {
      headers: { authorization: `Bearer ${manager.key}` },
      signal: stop.signal
    })
    const records: Array<HookRecord> = []
    const decoder = new TextDecoder()
    let text = ""
    const quiet = setTimeout(() => stop.abort(), 500)
    try {
      for await (const chunk of response.body ?? []) {
        quiet.refresh()
        text += decoder.decode(chunk, { stream: true })
      }
    } catch {
      // Aborted: the stream itself never ends.
    }
    for (const line of text.split("\n")) if (line.startsWith("data: {")) records.push(JSON.parse(line.slice(6)))
    return records
  }
  const state = () =>
    manager.json<{
      readonly nodes: ReadonlyArray<{ readonly id: string; readonly status: string; readonly appliedHash: string }>
      readonly paths: ReadonlyArray<{ readonly path: string; readonly available: boolean; readonly readers: number }>
      readonly publishers: ReadonlyArray<{ readonly path: string; readonly type: string; readonly id: string }>
      readonly readers: ReadonlyArray<{ readonly path: string; readonly type: string; readonly id: string }>
      readonly connections: ReadonlyArray<unknown>
    }>("/state")
  const configFile = () => readFileSync(join(nodeFolder.path, "mediamtx.yml"), "utf8")
  const setBase = (text: string) => writeFileSync(join(folder.path, "config", "base.yml"), text)

  beforeAll(async () => {
    const [rtsp = 0, hls = 0, api = 0] = await freePorts(3)
    ports = { rtsp, hls, api }
    mkdirSync(join(folder.path, "config"), { recursive: true })
    setBase(baseYml(ports))
    writeFileSync(join(folder.path, "config", "manager.yml"), managerYml)
    manager = await startManager({
      data: folder.path,
      args: ["--refresh-every", String(EVERY), "--node-config-file", join(nodeFolder.path, "mediamtx.yml")]
    })
    const command = await manager.cli(
      ...["node-command", "cam-1", "--shell", "--data", folder.path, "--base", manager.url, "--key", manager.key],
      ...["--binary", bin, "--file", join(nodeFolder.path, "mediamtx.yml")]
    )
    node = run("sh", ["-c", command.trim()], { cwd: nodeFolder.path })
    await node.waitFor(/\[RTSP\] started/, 20_000)
  }, 60_000)

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.stop("SIGKILL")))
    await node?.stop("SIGKILL")
    await manager?.stop()
    folder.remove()
    nodeFolder.remove()
  }, 30_000)

  it("boots from the printed command and shows up as online", async () => {
    const record = await eventually("the node is in GET /nodes", async () =>
      (await manager.json<ReadonlyArray<{ id: string; status: string }>>("/nodes")).find((one) => one.id === "cam-1")
    )
    expect(record).toMatchObject({ id: "cam-1", status: "online" })
    expect(configFile().trimEnd().endsWith("# end of mtx-manager config")).toBe(true)
    // Only the node's own token is in its file.
    expect(configFile()).not.toContain(manager.key)
  })

  it("lets the right publisher and reader in over RTSP, and no other", async () => {
    publish("cam")
    await whenAvailable("cam")

    expect(await read("cam", VIEWER, 1).exited).toBe(0)
    const wrongReader = read("cam", "viewer:wrong", 1)
    expect(await wrongReader.exited).not.toBe(0)
    expect(wrongReader.output()).toContain("401")
    const wrongPublisher = publish("side", "publisher:wrong")
    expect(await wrongPublisher.exited).not.toBe(0)
    const notAllowed = publish("side", VIEWER)
    expect(await notAllowed.exited).not.toBe(0)
    expect((await apiPath("side"))?.available).toBe(false)
  })

  it("lets the right reader in over HLS, asks without credentials, and no other", async () => {
    const url = `http://127.0.0.1:${ports.hls}/cam/index.m3u8`
    const ask = (user?: string) =>
      fetch(url, user === undefined ? {} : { headers: { authorization: `Basic ${btoa(user)}` } })
    const playlist = await eventually("the HLS playlist is there", async () => {
      const response = await ask(VIEWER)
      return response.ok ? response.text() : undefined
    })
    expect(playlist).toContain("#EXTM3U")
    const unasked = await ask()
    expect(unasked.status).toBe(401)
    expect(unasked.headers.get("www-authenticate")).toContain("Basic")
    expect((await ask("viewer:wrong")).status).toBe(401)
  })

  it("reports hooks, and the state equals the node's own path list", async () => {
    const reader = read("cam", VIEWER)
    const truth = await eventually("the node lists the RTSP reader", async () => {
      const path = await apiPath("cam")
      return path?.readers.some((one) => one.type === "rtspSession") ? path : undefined
    })
    const shown = await eventually("the manager shows the same", async () => {
      const now = await state()
      const readers = now.readers.filter((one) => one.path === "cam")
      return readers.length === truth.readers.length ? now : undefined
    })
    expect(shown.publishers.filter((one) => one.path === "cam")).toMatchObject([
      { type: truth.source?.type, id: truth.source?.id }
    ])
    const keys = (list: ReadonlyArray<{ readonly type: string; readonly id: string }>) =>
      list.map((one) => `${one.type} ${one.id}`).sort()
    expect(keys(shown.readers.filter((one) => one.path === "cam"))).toEqual(keys(truth.readers))
    expect(shown.paths.find((one) => one.path === "cam")).toMatchObject({
      available: true,
      readers: truth.readers.length
    })

    await reader.stop("SIGINT")
    await eventually("the reader is gone", async () => {
      const now = await state()
      return now.readers.every((one) => one.type !== "rtspSession")
    })
    const names = new Set((await events()).map((record) => record.event.event))
    for (const name of ["node_discovered", "connect", "disconnect", "available", "online", "read", "unread"]) {
      expect(names, `${name} was reported`).toContain(name)
    }
  })

  it("brings a config change to the running node and drops no unrelated stream", async () => {
    const before = await whenAvailable("cam")
    setBase(baseYml(ports, "  extra:\n    maxReaders: 3\n"))
    await eventually("the node has the new path", () => apiPath("extra"))
    const after = await whenAvailable("cam")
    expect(after.source.id).toBe(before.source.id)

    const hash = (await manager.get("/?node=cam-1")).headers.get("etag")?.replaceAll('"', "")
    await eventually("the node reports the new config as applied", async () =>
      (await state()).nodes.some((one) => one.id === "cam-1" && one.appliedHash === hash)
    )
  })

  it("keeps the last good config in force while an edit does not validate", async () => {
    const before = configFile()
    const etag = (await manager.get("/?node=cam-1")).headers.get("etag")
    setBase(baseYml(ports, "  broken:\n    recrod: yes\n"))
    await manager.process.waitFor(/recrod/)
    expect((await manager.get("/?node=cam-1")).headers.get("etag")).toBe(etag)
    expect(configFile()).toBe(before)
    expect((await apiPath("cam"))?.available).toBe(true)
    setBase(baseYml(ports, "  extra:\n    maxReaders: 3\n"))
  })

  it("keeps serving while the manager restarts, and is not marked offline by that", async () => {
    const before = await whenAvailable("cam")
    const port = Number(new URL(manager.url).port)
    expect(await manager.stop()).toBe(0)
    manager = await startManager({
      data: folder.path,
      port,
      args: ["--refresh-every", String(EVERY), "--node-config-file", join(nodeFolder.path, "mediamtx.yml")]
    })
    const now = await state()
    expect(now.nodes.find((one) => one.id === "cam-1")?.status).not.toBe("offline")
    expect(now.publishers.map((one) => one.id)).toContain(before.source.id)
    expect((await whenAvailable("cam")).source.id).toBe(before.source.id)
  })

  it("goes offline on time when the node is killed, and nothing stays open on it", async () => {
    const killed = performance.now()
    await node.stop("SIGKILL")
    await eventually(
      "the node is offline",
      async () => (await state()).nodes.some((one) => one.id === "cam-1" && one.status === "offline"),
      30_000
    )
    const seconds = (performance.now() - killed) / 1000
    // Four missed polls of 2 s each, counted from the last one, and 2 s of tolerance.
    expect(seconds).toBeGreaterThan(4 * EVERY)
    expect(seconds).toBeLessThan(5 * EVERY + 4)
    const closed = await eventually("its rows are closed", async () => {
      const now = await state()
      return now.publishers.length + now.readers.length + now.connections.length === 0 ? now : undefined
    })
    expect(closed.paths.filter((one) => one.available)).toEqual([])
  }, 60_000)
})
