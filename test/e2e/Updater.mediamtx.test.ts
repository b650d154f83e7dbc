/** The updater's process between a manager and the real MediaMTX: boot, change, attack, death, way back. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { Heartbeat } from "../../src/services/NodeRegistry.js"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { type Asked, type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"
import { bundleSidecar, giveConfig, giveReply, rendered, sha256 } from "../support/Sidecar.js"

describeMediaMTX("a node with mtx-updater", (bin) => {
  const folder = tempFolder()
  const file = join(folder.path, "mediamtx.yml")
  let ports: { readonly rtsp: number; readonly api: number; readonly taken: number }
  let manager: ScriptedServer
  let updater: Running
  let node: Running
  let keepNode = true
  let occupier: Server
  const clients: Array<Running> = []

  let give: (asked: Asked, response: ServerResponse) => void = () => {}
  let commands: ReadonlyArray<unknown> = []
  const giving = (text: string) => {
    give = (asked, response) => giveConfig(asked, response, text)
  }
  const config = (paths: string, extra = "") =>
    rendered(
      [
        "api: yes",
        `apiAddress: 127.0.0.1:${ports.api}`,
        `rtspAddress: 127.0.0.1:${ports.rtsp}`,
        "rtspTransports: [tcp]",
        "rtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no",
        extra,
        "paths:",
        paths
      ].join("\n")
    )

  type WireBeat = Omit<Heartbeat, "startedAt"> & { readonly startedAt?: string }
  const beats = (): ReadonlyArray<WireBeat> =>
    manager.asked.filter(({ method }) => method === "POST").map(({ body }) => JSON.parse(body))
  /** A heartbeat from now on that is as it should be. */
  const nextBeat = (what: string, fits: (beat: WireBeat) => boolean, ms = 15_000) => {
    const begun = beats().length
    return eventually(what, async () => beats().slice(begun).find(fits), ms)
  }
  const fetchApi = (path: string) => fetch(`http://127.0.0.1:${ports.api}/v3/${path}`)
  const apiPaths = async (): Promise<ReadonlyArray<string>> => {
    // MediaMTX's own answer; only the names are used.
    const { items } = (await (await fetchApi("config/paths/list")).json()) as { items: ReadonlyArray<{ name: string }> }
    return items.map(({ name }) => name)
  }
  const inForce = (...names: ReadonlyArray<string>) =>
    eventually(`paths ${names.join()} are in force`, async () => {
      const now = await apiPaths()
      return now.length === names.length && names.every((name) => now.includes(name))
    })

  /** What `restart: always` does: the same program on the same file, whenever and however it ended. */
  const startNode = () => {
    node = run(bin, [file], { cwd: folder.path })
    void node.exited.then(() => {
      if (keepNode) setTimeout(startNode, 300)
    })
  }

  beforeAll(async () => {
    const [rtsp = 0, api = 0] = await freePorts(2)
    occupier = createServer()
    await new Promise<void>((resolve) => occupier.listen(0, "127.0.0.1", resolve))
    const address = occupier.address()
    ports = { rtsp, api, taken: typeof address === "object" && address !== null ? address.port : 0 }
    manager = await scriptedServer((asked, response) => {
      if (asked.method === "GET") return give(asked, response)
      giveReply(response, null, commands)
      commands = []
    })
    const bundle = bundleSidecar("updater")
    updater = run("node", [bundle.file], {
      env: {
        ...{ URL: manager.base, KEY: "key", NODE: "n1", CONFIG: file, INTERVAL: "1s", RECORDINGS: "" },
        MEDIAMTX_API: `http://127.0.0.1:${ports.api}`
      }
    })
    return bundle.remove
  }, 60_000)

  afterAll(async () => {
    keepNode = false
    await Promise.all(clients.map((client) => client.stop("SIGKILL")))
    await updater?.stop()
    await node?.stop("SIGKILL")
    await manager?.close()
    occupier?.close()
    folder.remove()
  }, 30_000)

  it("waits for the first config; MediaMTX boots from it and is reported with its version and paths", async () => {
    give = (_asked, response) => response.writeHead(503).end()
    await updater.waitFor(/the manager answers 503/)
    expect(existsSync(file)).toBe(false)
    giving(config("  cam: {}"))
    await eventually("the file", async () => existsSync(file))
    startNode()
    const beat = await nextBeat("MediaMTX's version", ({ mediamtxVersion }) => mediamtxVersion !== undefined)
    expect(beat).toMatchObject({ status: "ok", mediamtxVersion: expect.stringMatching(/^v1\./) })
    expect(beat.appliedHash).toBe(sha256(config("  cam: {}")))
    expect(beat.paths?.map(({ name }) => name)).toEqual(["cam"])
    expect(Date.parse(beat.startedAt ?? "")).toBeGreaterThan(Date.now() - 60_000)
  })

  it("brings a change to the running process, and reports it as applied when it is in force", async () => {
    const { pid } = node.child
    const next = config("  cam: {}\n  cam2: {}")
    giving(next)
    await nextBeat("the new hash", ({ appliedHash, status }) => appliedHash === sha256(next) && status === "ok")
    await inForce("cam", "cam2")
    expect(node.child.pid).toBe(pid)
    expect(readFileSync(`${file}.last-good`, "utf8")).toBe(next)
  })

  it("reports publishers and readers, and kicks one", async () => {
    const publisher = run("ffmpeg", [
      ...["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${ports.rtsp}/cam`]
    ])
    clients.push(publisher)
    const beat = await nextBeat("the publisher", ({ paths }) => paths?.some(({ source }) => source !== null) ?? false)
    const cam = beat.paths?.find(({ name }) => name === "cam")
    expect(cam).toMatchObject({ available: true, online: true, source: { type: "rtspSession" } })
    commands = [{ type: "kick", session: "rtspSession", id: cam?.source?.id }]
    await updater.waitFor(/rtspSession \S+ was ended/)
    expect(await publisher.exited).not.toBe(0)
  })

  it("keeps every hostile answer from MediaMTX, which runs on undisturbed", { timeout: 60_000 }, async () => {
    const { pid } = node.child
    const before = readFileSync(file, "utf8")
    const yaml = (response: ServerResponse, text: string) =>
      response
        .writeHead(200, {
          "content-type": "text/yaml",
          "content-length": Buffer.byteLength(text),
          etag: `"${sha256(text)}"`
        })
        .end(text)
    const answers: ReadonlyArray<(response: ServerResponse) => void> = [
      (response) => response.writeHead(500).end(),
      (response) => yaml(response, ""),
      (response) => yaml(response, "<html></html>"),
      (response) => response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(),
      (response) => yaml(response, config("  cam: {}").slice(0, 60)),
      (response) => {
        const text = config("  half: {}")
        response.writeHead(200, {
          "content-type": "text/yaml",
          "content-length": text.length,
          etag: `"${sha256(text)}"`
        })
        response.write(text.slice(0, text.length / 2), () => response.destroy())
      },
      (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in</html>"),
      (response) => response.writeHead(200).end(),
      // MediaMTX ends at each of these.
      (response) => yaml(response, config("  cam: {}", "fooBar: 1")),
      (response) => yaml(response, config("  cam: {}", "rtspEncryption: no")),
      (response) => yaml(response, config("  cam: {}\n  cam: {}")),
      (response) => yaml(response, config("  cam: {runOnRedy: x}")),
      (response) => yaml(response, config("  cam: {recordDeleteAfter: 1m, recordSegmentDuration: 1h}"))
    ]
    for (const [index, answer] of answers.entries()) {
      let polls = 0
      give = (_asked, response) => {
        polls += 1
        answer(response)
      }
      // At its second poll it is done with what the first one gave.
      await eventually(`two polls of answer ${index}`, async () => polls >= 2)
      await nextBeat(`a report of answer ${index}`, ({ status }) => status === "failed")
      expect(readFileSync(file, "utf8")).toBe(before)
    }
    await inForce("cam", "cam2")
    expect(node.child.pid).toBe(pid)
    giving(before)
    await nextBeat("an ok report", ({ status }) => status === "ok")
  })

  it("goes back when MediaMTX ends at a config that looks right, and reports which", { timeout: 60_000 }, async () => {
    const before = readFileSync(file, "utf8")
    // Valid in itself, but the port belongs to another process.
    const deadly = config("  cam: {}\n  cam2: {}", `rtmp: yes\nrtmpAddress: 127.0.0.1:${ports.taken}`).replace(
      "rtmp: no\n",
      ""
    )
    giving(deadly)
    await updater.waitFor(new RegExp(`the config ${sha256(deadly).slice(0, 12)} is in place`))
    const beat = await nextBeat("the failure", ({ error }) => error?.includes("went away") ?? false, 30_000)
    expect(beat.status).toBe("failed")
    await eventually("the config before it", async () => readFileSync(file, "utf8") === before, 30_000)
    await inForce("cam", "cam2")
    const after = await nextBeat("the hash of what runs", ({ appliedHash }) => appliedHash === sha256(before))
    expect(after).toMatchObject({ status: "failed", error: expect.stringContaining(sha256(deadly).slice(0, 12)) })
    // The manager goes on giving it; it is left alone.
    await nextBeat("another report", () => true)
    await nextBeat("another report", () => true)
    expect(readFileSync(file, "utf8")).toBe(before)
    giving(config("  cam: {}"))
    await nextBeat("a good one", ({ status }) => status === "ok")
    await inForce("cam")
  })

  it("reports that MediaMTX is gone, with no path left, and its restart by a later start time", async () => {
    const before = await nextBeat("a start time", ({ startedAt }) => startedAt !== undefined)
    keepNode = false
    await node.stop("SIGKILL")
    const gone = await nextBeat("an empty list of paths", ({ paths }) => paths?.length === 0)
    expect(gone).toMatchObject({ status: "failed", error: expect.stringContaining("MediaMTX does not answer") })
    keepNode = true
    startNode()
    const after = await nextBeat("a later one", ({ startedAt }) => (startedAt ?? "") > (before.startedAt ?? ""))
    expect(after.status).toBe("ok")
    expect(after.instance).toBe(before.instance)
    await inForce("cam")
  })

  it("reports all paths, over as many pages as it takes", async () => {
    const many = Array.from({ length: 1_100 }, (_, index) => `  p${index}: {}`).join("\n")
    giving(config(`  cam: {}\n${many}`))
    const beat = await nextBeat("all of them", ({ paths }) => (paths?.length ?? 0) > 1_000)
    expect(new Set(beat.paths?.map(({ name }) => name)).size).toBe(1_101)
    giving(config("  cam: {}"))
    await nextBeat(
      "one",
      ({ paths, appliedHash }) => paths?.length === 1 && appliedHash === sha256(config("  cam: {}"))
    )
  })

  it("takes two changes within a second, the last of them in force", async () => {
    const [one, two] = [config("  cam: {}\n  one: {}"), config("  cam: {}\n  two: {}")]
    giving(one)
    await updater.waitFor(new RegExp(`the config ${sha256(one).slice(0, 12)} is in place`))
    giving(two)
    await nextBeat("the second", ({ appliedHash }) => appliedHash === sha256(two), 20_000)
    await inForce("cam", "two")
  })

  it("leaves MediaMTX with its config when the updater is killed", async () => {
    await updater.stop("SIGKILL")
    await inForce("cam", "two")
    expect(readFileSync(file, "utf8")).toBe(config("  cam: {}\n  two: {}"))
  })
})

describeMediaMTX("a node with mtx-updater and the real manager", (bin) => {
  const folder = tempFolder()
  const data = tempFolder()
  const file = join(folder.path, "mediamtx.yml")
  let manager: RunningManager
  let updater: Running
  let node: Running | undefined
  let base: string

  const setBase = (text: string) => writeFileSync(join(data.path, "config", "base.yml"), text)
  const record = async () =>
    (
      await manager.json<ReadonlyArray<{ id: string; status: string; appliedHash: string; mediamtxVersion: string }>>(
        "/nodes"
      )
    ).find(({ id }) => id === "n1")

  beforeAll(async () => {
    const [rtsp = 0, api = 0] = await freePorts(2)
    base = [
      `api: yes\napiAddress: 127.0.0.1:${api}\nrtspAddress: 127.0.0.1:${rtsp}\nrtspTransports: [tcp]`,
      "rtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no\npaths:\n  cam: {}\n"
    ].join("\n")
    mkdirSync(join(data.path, "config"), { recursive: true })
    setBase(base)
    const rules =
      "auth:\n  users:\n    - {name: updater, secret: updater-secret}\n  rules:\n    - {name: api, allow: [api], users: [updater]}\n"
    writeFileSync(join(data.path, "config", "manager.yml"), rules)
    manager = await startManager({ data: data.path, args: ["--refresh-mode", "updater"] })
    const bundle = bundleSidecar("updater")
    updater = run("node", [bundle.file], {
      env: {
        ...{ URL: manager.url, KEY: manager.key, NODE: "n1", CONFIG: file, INTERVAL: "1s", RECORDINGS: "" },
        MEDIAMTX_API: `http://updater:updater-secret@127.0.0.1:${api}`
      }
    })
    return bundle.remove
  }, 60_000)

  afterAll(async () => {
    await updater?.stop()
    await node?.stop("SIGKILL")
    await manager?.stop()
    folder.remove()
    data.remove()
  }, 30_000)

  it("is online with its version, takes a change, and keeps its config while the manager is away", async () => {
    await eventually("the file", async () => existsSync(file))
    node = run(bin, [file], { cwd: folder.path })
    await node.waitFor(/\[RTSP\] started/)
    const first = await eventually("the node is online", async () => {
      const now = await record()
      return now?.status === "online" && now.mediamtxVersion !== null ? now : undefined
    })
    expect(first.appliedHash).toBe(sha256(readFileSync(file, "utf8")))
    setBase(`${base}  cam2: {}\n`)
    const next = await eventually("the change is applied", async () => {
      const now = await record()
      return now !== undefined && now.appliedHash !== first.appliedHash ? now : undefined
    })
    const text = readFileSync(file, "utf8")
    expect(text).toContain("cam2")
    expect(next.appliedHash).toBe(sha256(text))
    await eventually("the manager sees the path that only the path list tells of", async () => {
      const { paths } = await manager.json<{ readonly paths: ReadonlyArray<{ readonly path: string }> }>("/state")
      return paths.some(({ path }) => path === "cam2")
    })
    await manager.stop()
    await updater.waitFor(/the manager is away/)
    expect(readFileSync(file, "utf8")).toBe(text)
    expect(node.child.exitCode).toBeNull()
  }, 60_000)
})
