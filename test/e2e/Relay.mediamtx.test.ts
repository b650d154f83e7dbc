/** A real node behind its relay: streams begin and end, clients are let in and kept out, while the real manager comes and goes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { bundleSidecar } from "../support/Sidecar.js"

interface Record {
  readonly cursor: number
  readonly at: string
  readonly event: {
    readonly event: string
    readonly path?: string
    readonly id?: string
    readonly occurredAt?: string
    readonly delivery?: string
  }
}

describeMediaMTX("a node with a relay", (bin) => {
  const folder = tempFolder()
  const data = tempFolder()
  const file = join(folder.path, "mediamtx.yml")
  const clients: Array<Running> = []
  let ports: { readonly rtsp: number; readonly api: number; readonly manager: number; readonly relay: number }
  let manager: RunningManager
  let updater: Running
  let node: Running

  const publish = (path: string, user = "alice:secret") => {
    const client = run("ffmpeg", [
      ...["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://${user}@127.0.0.1:${ports.rtsp}/${path}`]
    ])
    clients.push(client)
    return client
  }
  const available = async (path: string): Promise<boolean> => {
    const response = await fetch(`http://127.0.0.1:${ports.api}/v3/paths/get/${path}`)
    // MediaMTX's own answer; only this is used.
    return response.status === 200 && ((await response.json()) as { readonly available: boolean }).available
  }
  const records = async (): Promise<ReadonlyArray<Record>> => {
    const stop = new AbortController()
    const response = await fetch(`${manager.url}/events?after=0`, {
      headers: { authorization: `Bearer ${manager.key}` },
      signal: stop.signal
    })
    let text = ""
    const decoder = new TextDecoder()
    const quiet = setTimeout(() => stop.abort(), 300)
    try {
      for await (const chunk of response.body ?? []) {
        quiet.refresh()
        text += decoder.decode(chunk, { stream: true })
      }
    } catch {
      // Aborted: the stream itself never ends.
    }
    return text
      .split("\n")
      .filter((line) => line.startsWith("data: {"))
      .map((line) => JSON.parse(line.slice(6)))
  }
  const hooks = async () => (await records()).filter(({ event }) => !event.event.startsWith("node_"))
  const heard = (name: string, path: string) => async () =>
    (await hooks()).some(({ event }) => event.event === name && event.path === path)
  const start = async () => {
    manager = await startManager({
      data: data.path,
      port: ports.manager,
      args: ["--refresh-mode", "updater", "--relay", `127.0.0.1:${ports.relay}`]
    })
  }

  beforeAll(async () => {
    const [rtsp = 0, api = 0, managerPort = 0, relay = 0] = await freePorts(4)
    ports = { rtsp, api, manager: managerPort, relay }
    const config = join(data.path, "config")
    mkdirSync(config, { recursive: true })
    writeFileSync(
      join(config, "base.yml"),
      [
        `api: yes\napiAddress: 127.0.0.1:${api}\nrtspAddress: 127.0.0.1:${rtsp}\nrtspTransports: [tcp]`,
        "rtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no",
        // The test's own look at the node does not ask the manager.
        "authHTTPExclude: [{action: api}]",
        "paths:\n  all_others: {}\n"
      ].join("\n")
    )
    writeFileSync(
      join(config, "manager.yml"),
      "auth:\n  users:\n    - {name: alice, secret: secret}\n    - {name: mallory, secret: secret}\n  rules:\n    - {name: alice, allow: [publish, read], users: [alice]}\n"
    )
    await start()
    const bundle = bundleSidecar("updater")
    updater = run("node", [bundle.file], {
      env: {
        ...{ URL: manager.url, KEY: manager.key, NODE: "n1", CONFIG: file, INTERVAL: "1s", RECORDINGS: "" },
        ...{ MEDIAMTX_API: `http://127.0.0.1:${api}`, RELAY: `127.0.0.1:${relay}`, RELAY_AUTH_AWAY: "10m" },
        RELAY_AUTH_CACHE: "0s"
      }
    })
    await eventually("the config", async () => existsSync(file))
    node = run(bin, [file], { cwd: folder.path })
    await node.waitFor(/\[RTSP\] started/)
    return bundle.remove
  }, 60_000)

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.stop("SIGKILL")))
    await node?.stop("SIGKILL")
    await updater?.stop()
    await manager?.stop()
    folder.remove()
    data.remove()
  }, 30_000)

  it("its config names the relay only, and the manager hears and decides through it", async () => {
    const text = readFileSync(file, "utf8")
    expect(text).toContain(`authHTTPAddress: "http://127.0.0.1:${ports.relay}/auth?node=n1&token=`)
    expect(text).not.toContain(manager.url)
    const camera = publish("cam")
    await eventually("the stream", () => available("cam"))
    expect(await publish("cam2", "mallory:secret").exited).not.toBe(0)
    expect(await publish("cam2", "alice:wrong").exited).not.toBe(0)
    await eventually("the manager hears of it", heard("available", "cam"))
    expect((await hooks()).every(({ event }) => event.delivery !== undefined)).toBe(true)
    await camera.stop("SIGINT")
    await eventually("and of its end", heard("unavailable", "cam"))
  }, 40_000)

  it("goes on while the manager is away, and loses nothing of what happens then", async () => {
    const before = (await hooks()).map(({ event }) => event.delivery)
    await manager.stop()
    const down = new Date().toISOString()
    // Permitted by the manager a moment ago.
    const camera = publish("cam")
    await eventually("the stream", () => available("cam"))
    // Never asked about before: publishing elsewhere, and anybody else.
    expect(await publish("elsewhere").exited).not.toBe(0)
    expect(await publish("cam", "mallory:secret").exited).not.toBe(0)
    const begun = performance.now()
    await available("cam")
    expect(performance.now() - begun).toBeLessThan(1_000)
    await camera.stop("SIGINT")
    await eventually("its end", async () => !(await available("cam")))
    await updater.waitFor(/hooks wait/)
    const up = await eventually("the last of it is on disk", async () => {
      const spooled = readFileSync(join(folder.path, "mediamtx.yml.hooks", "000000000001.hooks"), "utf8")
      return spooled.includes('"event":"disconnect"') ? new Date().toISOString() : undefined
    })

    await start()
    await eventually("all of it", async () => {
      const late = (await hooks()).filter(({ event }) => !before.includes(event.delivery))
      return ["available", "online", "unavailable", "offline"].every((name) =>
        late.some(({ event }) => event.event === name && event.path === "cam")
      )
    })
    const late = (await hooks()).filter(({ event }) => !before.includes(event.delivery))
    for (const { at, event } of late) {
      expect((event.occurredAt ?? "") >= down && (event.occurredAt ?? "") <= new Date().toISOString()).toBe(true)
      expect(at >= up).toBe(true)
    }
    // Each once, in the order in which they happened.
    const numbers = late.map(({ event }) => Number(event.delivery?.split(".")[1]))
    expect(numbers).toEqual(Array.from(numbers, (_, index) => (numbers[0] ?? 0) + index))
    const again = publish("cam")
    await eventually("a stream again", () => available("cam"))
    await again.stop("SIGINT")
  }, 60_000)
})
