/**
 * Nodes that stand in for each other, with the real MediaMTX: a camera, a primary that pulls from it, a fallback that pulls
 * from the primary, an edge that pulls from whoever of them acts, and viewers who are sent around by the locator.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { ManagerLayer, NodeServer } from "@livecams/mtx-manager/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, expect, it } from "vitest"
import { tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"

const KEY = "key-of-the-ha-test"
const VIEWER = "viewer:view-secret"
const admin = { authorization: `Bearer ${KEY}` }

interface Ports {
  readonly rtsp: number
  readonly hls: number
  readonly api: number
}
interface ApiPath {
  readonly name: string
  readonly available: boolean
  readonly source: { readonly type: string; readonly id: string } | null
  readonly readers: ReadonlyArray<{ readonly type: string }>
}

const servers = (ports: Ports) => `api: yes
apiAddress: 127.0.0.1:${ports.api}
rtspAddress: 127.0.0.1:${ports.rtsp}
rtspTransports: [tcp]
hlsAddress: 127.0.0.1:${ports.hls}
hlsAlwaysRemux: no
hlsVariant: mpegts
hlsSegmentDuration: 1s
rtmp: no
webrtc: no
srt: no
moq: no
`

describeMediaMTX("nodes that stand in for each other", (bin) => {
  const folder = tempFolder()
  const scope = Effect.runSync(Scope.make())
  const clients: Array<Running> = []
  const polls = new Map<string, NodeJS.Timeout>()
  const nodes = new Map<string, { readonly ports: Ports; running: Running }>()
  let url = ""
  let camera: Running
  let cameraPorts: Ports

  const start = (command: string, args: ReadonlyArray<string>) => {
    const client = run(command, args)
    clients.push(client)
    return client
  }
  const ffmpeg = (...args: ReadonlyArray<string>) =>
    start("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", ...args])
  const publish = (port: number, path: string) =>
    ffmpeg(
      ...["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${port}/${path}`]
    )
  const publishAs = (node: string, path: string) =>
    ffmpeg(
      ...["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
      ...["-f", "rtsp", "-rtsp_transport", "tcp", rtsp(node, path, "studio:studio-secret")]
    )
  const read = (from: string, seconds?: number) =>
    ffmpeg(
      ...["-rtsp_transport", "tcp", "-i", from],
      ...(seconds === undefined ? [] : ["-t", String(seconds)]),
      ...["-f", "null", "-"]
    )
  const portsOf = (node: string): Ports => nodes.get(node)?.ports ?? { rtsp: 0, hls: 0, api: 0 }
  const rtsp = (node: string, path: string, login: string) =>
    `rtsp://${login === "" ? "" : `${login}@`}127.0.0.1:${portsOf(node).rtsp}/${path}`

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { headers, redirect: "manual" })
  const file = (node: string) => join(folder.path, node, "mediamtx.yml")
  const rendered = async (node: string) => (await get(`/?node=${node}`, admin)).text()
  const sourceOf = async (node: string, path: string) =>
    new RegExp(`\\n  ["']?${path}["']?:\\n(?:    .*\\n)*?    source: ["']?([^"'\\n]*)`).exec(
      await rendered(node)
    )?.[1] ?? ""

  /** What an updater does, each second. */
  const follow = (node: string) => {
    let etag = ""
    const poll = async () => {
      const response = await get(`/?node=${node}&every=1`, { ...admin, "if-none-match": etag })
      if (response.status !== 200) return
      etag = response.headers.get("etag") ?? ""
      writeFileSync(`${file(node)}.new`, await response.text())
      renameSync(`${file(node)}.new`, file(node))
    }
    polls.set(
      node,
      setInterval(() => {
        poll().catch(() => undefined)
      }, 1_000)
    )
    return poll()
  }
  const boot = async (node: string) => {
    const [rtsp = 0, hls = 0, api = 0] = await freePorts(3)
    const ports = nodes.get(node)?.ports ?? { rtsp, hls, api }
    mkdirSync(join(folder.path, node), { recursive: true })
    writeFileSync(join(folder.path, "config", "nodes", `${node}.yml`), servers(ports))
    await eventually(`the manager has the config of ${node}`, async () =>
      (await rendered(node)).includes(`:${ports.api}`)
    )
    await follow(node)
    const running = run(bin, [file(node)], { cwd: join(folder.path, node) })
    nodes.set(node, { ports, running })
    await running.waitFor(/\[RTSP\] started|\[RTSP\] listener opened/, 20_000)
    await eventually(`the API of ${node} answers`, async () => {
      await apiPath(node, "")
      return true
    })
  }
  const die = async (node: string) => {
    clearInterval(polls.get(node))
    await nodes.get(node)?.running.stop("SIGKILL")
  }

  const apiPath = async (node: string, path: string): Promise<ApiPath | undefined> => {
    const response = await fetch(`http://127.0.0.1:${portsOf(node).api}/v3/paths/list`)
    // MediaMTX's own answer; only these fields are used.
    return ((await response.json()) as { items: ReadonlyArray<ApiPath> }).items.find(({ name }) => name === path)
  }
  const whenAvailable = (node: string, path: string) =>
    eventually(
      `${path} is available on ${node}`,
      async () => {
        const found = await apiPath(node, path)
        return found?.available === true ? found : undefined
      },
      30_000
    )
  const locate = async (path: string, query = "protocol=rtsp&format=json") => {
    const response = await get(`/streams/${path}?${query}`, { authorization: `Basic ${btoa(VIEWER)}` })
    if (!response.ok) return []
    return ((await response.json()) as { streams: ReadonlyArray<{ node: string; state: string; url: string }> }).streams
  }
  const acting = async () =>
    ((await (await get("/groups", admin)).json()) as ReadonlyArray<{ name: string; acting: string }>).map(
      ({ acting, name }) => `${name} ${acting}`
    )

  beforeAll(async () => {
    const [camRtsp = 0, camHls = 0, camApi = 0] = await freePorts(3)
    cameraPorts = { rtsp: camRtsp, hls: camHls, api: camApi }
    writeFileSync(join(folder.path, "camera.yml"), `${servers(cameraPorts)}hls: no\npaths:\n  all_others:\n`)
    camera = run(bin, [join(folder.path, "camera.yml")], { cwd: folder.path })
    await camera.waitFor(/\[RTSP\] started|\[RTSP\] listener opened/, 20_000)
    publish(cameraPorts.rtsp, "cam")

    const config = join(folder.path, "config")
    mkdirSync(join(config, "nodes"), { recursive: true })
    writeFileSync(
      join(config, "base.yml"),
      `paths:\n  cams/harbour:\n    source: rtsp://127.0.0.1:${cameraPorts.rtsp}/cam\n  private:\n  "~^dyn/(.*)$":\n`
    )
    writeFileSync(
      join(config, "manager.yml"),
      `auth:
  users:
    - name: viewer
      secret: view-secret
    - name: studio
      secret: studio-secret
  rules:
    - name: viewers
      allow: [read]
      paths: ["cams/**", "dyn/**"]
      users: [viewer]
    - name: studio
      allow: [publish, read]
      paths: [private, "dyn/**"]
      users: [studio]
    - name: local api
      allow: [api]
      ips: [127.0.0.1]
addresses:
  "*": { address: 127.0.0.1 }
groups:
  - name: harbour
    primary: a
    fallbacks: [b]
    paths: cams/*
    returnAfter: 5s
  - name: world
    origins: [a, b]
    edges: node=edge
    returnAfter: 5s
`
    )
    const [port = 0] = await freePorts(1)
    const context = await Effect.runPromise(
      Layer.buildWithScope(
        ManagerLayer.layer({
          base: `http://127.0.0.1:${port}`,
          key: Redacted.make(KEY),
          config,
          rules: join(config, "manager.yml"),
          database: join(folder.path, "manager.db"),
          host: "127.0.0.1",
          port,
          refresh: { mode: "none" },
          heartbeats: { staleAfter: 2, offlineAfter: 3, tolerance: "1 second" }
        }).pipe(Layer.provide(NodeContext.layer)),
        scope
      )
    )
    url = Context.get(context, NodeServer.NodeServer).url
  }, 60_000)

  afterAll(async () => {
    for (const poll of polls.values()) clearInterval(poll)
    await Promise.all(clients.map((client) => client.stop("SIGKILL")))
    for (const { running } of nodes.values()) await running.stop("SIGKILL")
    await camera?.stop("SIGKILL")
    await Effect.runPromise(Scope.close(scope, Exit.void))
    folder.remove()
  }, 30_000)

  it("the fallback pulls what is the group's from the primary, with a login of its own", async () => {
    await boot("a")
    await boot("b")
    await whenAvailable("a", "cams/harbour")
    const pulled = await whenAvailable("b", "cams/harbour")
    expect(pulled.source?.type).toBe("rtspSource")
    expect(await sourceOf("a", "cams/harbour")).toBe(`rtsp://127.0.0.1:${cameraPorts.rtsp}/cam`)
    expect(await sourceOf("b", "cams/harbour")).toMatch(
      new RegExp(`^rtsp://mtx-manager\\.b:[\\w-]{43}@127\\.0\\.0\\.1:${portsOf("a").rtsp}/cams/harbour$`)
    )
    // Once from the camera, whoever else there is.
    expect((await apiPath("a", "cams/harbour"))?.readers).toHaveLength(1)
  }, 60_000)

  it("an edge pulls from the origin when somebody reads, and lets no one in whom the policy does not", async () => {
    await boot("edge")
    expect((await apiPath("edge", "cams/harbour"))?.available ?? false).toBe(false)
    const stranger = read(rtsp("edge", "cams/harbour", ""), 1)
    expect(await stranger.exited).not.toBe(0)
    const viewer = read(rtsp("edge", "cams/harbour", VIEWER), 1)
    expect(await viewer.exited, viewer.output()).toBe(0)
    expect(await sourceOf("edge", "cams/harbour")).toContain("rtsp://mtx-manager.edge:")
  }, 60_000)

  it("an edge has the streams of an entry that is a pattern as well, each by its name", async () => {
    publishAs("a", "dyn/some/one")
    await whenAvailable("a", "dyn/some/one")
    const viewer = read(rtsp("edge", "dyn/some/one", VIEWER), 1)
    expect(await viewer.exited, viewer.output()).toBe(0)
    expect((await apiPath("a", "dyn/some/one"))?.readers).toHaveLength(1)
  }, 60_000)

  it("what a node shows to another opens nothing else: not without it, not with another's, not another path", async () => {
    publishAs("a", "private")
    await whenAvailable("a", "private")
    const link = (await sourceOf("b", "cams/harbour")).replace(/^rtsp:\/\/([^@]*)@.*$/, "$1")
    const edgeLink = (await sourceOf("edge", "cams/harbour")).replace(/^rtsp:\/\/([^@]*)@.*$/, "$1")
    const attempt = async (node: string, path: string, login: string) => {
      const reader = read(rtsp(node, path, login), 1)
      return (await reader.exited) === 0
    }
    // At once: MediaMTX takes its time over each that it refuses.
    expect(
      await Promise.all([
        attempt("a", "cams/harbour", ""),
        attempt("a", "cams/harbour", "mtx-manager.b:wrong"),
        attempt("a", "cams/harbour", `mtx-manager.b:${edgeLink.split(":")[1]}`),
        attempt("a", "private", link),
        attempt("edge", "cams/harbour", link)
      ])
    ).toStrictEqual([false, false, false, false, false])
    // The control: it is these that are refused, and not everybody.
    expect(await attempt("a", "cams/harbour", link)).toBe(true)
    expect(await attempt("a", "private", "studio:studio-secret")).toBe(true)
  }, 90_000)

  it("the locator sends a viewer to where the stream is, who can read it there", async () => {
    const response = await eventually("the locator knows the stream", async () => {
      const found = await get("/streams/cams/harbour?protocol=hls&near=edge", {
        authorization: `Basic ${btoa(VIEWER)}`
      })
      return found.status === 302 ? found : undefined
    })
    expect((await get("/streams/cams/harbour")).status).toBe(401)
    const location = response.headers.get("location") ?? ""
    expect(location).toBe(`http://127.0.0.1:${portsOf("edge").hls}/cams/harbour/index.m3u8`)
    const playlist = await eventually(
      "the playlist is there",
      async () => {
        const answer = await fetch(location, { headers: { authorization: `Basic ${btoa(VIEWER)}` } })
        return answer.ok ? answer.text() : undefined
      },
      30_000
    )
    expect(playlist).toContain("#EXTM3U")
  }, 60_000)

  it("after kill -9 of the primary the fallback opens the camera itself, and drops nothing else", async () => {
    const own = publishAs("b", "private")
    const before = await whenAvailable("b", "private")
    const killed = performance.now()
    await die("a")
    await eventually("b acts for a", async () => (await acting()).every((each) => each.endsWith(" b")), 30_000)
    await eventually(
      "b reads the camera",
      async () => (await sourceOf("b", "cams/harbour")) === `rtsp://127.0.0.1:${cameraPorts.rtsp}/cam`
    )
    await eventually(
      "the file of b says so",
      async () => {
        const found = await apiPath("b", "cams/harbour")
        return found?.available === true && found.source?.type === "rtspSource"
      },
      30_000
    )
    console.log(`the fallback had the stream ${Math.round(performance.now() - killed)} ms after kill -9 of the primary`)

    const streams = await eventually("the locator has b or the edge", async () => {
      const found = await locate("cams/harbour")
      return found.length > 0 && found.every(({ node }) => node !== "a") ? found : undefined
    })
    // A viewer tries again: the edge hears of it with its next poll.
    const readable = (what: string, from: string) =>
      eventually(what, async () => (await read(from, 1).exited) === 0, 30_000)
    const [best] = streams
    await readable("what the locator said", (best?.url ?? "").replace("rtsp://", `rtsp://${VIEWER}@`))
    await readable("the edge", rtsp("edge", "cams/harbour", VIEWER))
    expect(await sourceOf("edge", "cams/harbour")).toContain(`:${portsOf("b").rtsp}/`)

    // What is not the group's went on through all of it.
    expect((await apiPath("b", "private"))?.source?.id).toBe(before.source?.id)
    expect(own.child.exitCode).toBe(null)
  }, 90_000)

  it("the primary comes back, and gets it back after the time that was set", async () => {
    await boot("a")
    await whenAvailable("a", "cams/harbour")
    expect(await acting()).toStrictEqual(["harbour b", "world b"])
    await eventually("a acts again", async () => (await acting()).every((each) => each.endsWith(" a")), 30_000)
    await eventually(
      "b pulls from a again",
      async () => {
        const found = await apiPath("a", "cams/harbour")
        return found?.readers.some(({ type }) => type === "rtspSession")
      },
      30_000
    )
    await whenAvailable("b", "cams/harbour")
  }, 90_000)
})
