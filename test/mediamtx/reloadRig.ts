/**
 * A running MediaMTX with live sessions, whose config is changed one field at a time: what happened, and what
 * `ReloadImpact` had said would happen.
 */
import { createSocket } from "node:dgram"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { createServer as createTcp } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Either from "effect/Either"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import type { Listener } from "../../src/mediamtx/ReloadCascade.js"
import { type LiveState, type ReloadImpact, reloadImpact } from "../../src/mediamtx/ReloadImpact.js"
import { eventually, type Running, run } from "../support/MediaMTX.js"
import { type Clip, publish, type RtspSession, read } from "../support/RtspClient.js"

/** A field to change, with what must change along with it for the config to stay valid. */
export interface Flip {
  /** `hlsVariant`, `pathDefaults.record`, `live1.record`. */
  readonly name: string
  /** Where it is set: at the top, in `pathDefaults`, or in a path. */
  readonly at: "global" | "pathDefaults" | { readonly path: string }
  readonly set: Readonly<Record<string, unknown>>
  /** Put back afterwards, as the state would spoil what comes next. The way back is compared as well. */
  readonly restore: boolean
  /** By rewriting the file, because afterwards there is no API to ask. */
  readonly byFile: boolean
}

interface ApiPath {
  readonly name: string
  readonly available: boolean
  readonly source: { readonly type: string; readonly id: string } | null
  readonly readers: ReadonlyArray<{ readonly type: string; readonly id: string }>
}

/** What MediaMTX calls its parts in its log. */
const logNames: Readonly<Record<Listener, string>> = {
  rtsp: "RTSP",
  rtsps: "RTSPS",
  rtmp: "RTMP",
  rtmps: "RTMPS",
  srt: "SRT",
  webrtc: "WebRTC",
  hls: "HLS",
  moq: "MoQ",
  playback: "playback",
  metrics: "metrics",
  pprof: "pprof",
  api: "API"
}

const bindsUdp = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = createSocket("udp4")
    socket.once("error", () => resolve(false))
    socket.bind(port, "127.0.0.1", () => socket.close(() => resolve(true)))
  })
const bindsTcp = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createTcp()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/**
 * Pairs of ports, free for TCP and UDP, the first of them even. Below the range from which the system takes ports for
 * outgoing connections: while a listener restarts, such a connection could get its port, and the server would end.
 */
let nextPort = 10_000 + 2 * (process.pid % 9_000)
const freePair = async (): Promise<readonly [number, number]> => {
  for (let tries = 0; tries < 10_000; tries++) {
    const port = nextPort
    nextPort = nextPort >= 32_000 ? 10_000 : nextPort + 2
    const bound = await Promise.all([bindsTcp(port), bindsUdp(port), bindsTcp(port + 1), bindsUdp(port + 1)])
    if (bound.every(Boolean)) return [port, port + 1]
  }
  throw new Error("no two free ports in a row")
}

export interface RigOptions {
  readonly bin: string
  readonly clip: Clip
  /** An MP4 of the same, for ffmpeg. */
  readonly movie: string
  readonly key: string
  readonly cert: string
  /** RTMP and SRT publishers and an SRT reader (by ffmpeg), and an HLS reader as well; else RTSP alone and a pulled path. */
  readonly kind: "global" | "paths"
}

export interface Rig {
  /** Free addresses for flips. */
  readonly address: () => Promise<string>
  /** One flip, and the way back: every difference between what was said and what happened. */
  readonly flip: (flip: Flip) => Promise<ReadonlyArray<string>>
  readonly close: () => Promise<void>
  readonly folder: string
  /** How often each outcome was seen, so that a test that saw nothing can't pass. */
  readonly seen: Map<string, number>
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

export const makeRig = async (options: RigOptions): Promise<Rig> => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-reload-"))
  for (const name of ["server", "other"]) {
    copyFileSync(options.key, join(folder, `${name}.key`))
    copyFileSync(options.cert, join(folder, `${name}.crt`))
  }
  const address = async () => `127.0.0.1:${(await freePair())[0]}`
  const ports: Array<number> = []
  while (ports.length < 14) ports.push(...(await freePair()))
  const at = (index: number) => `127.0.0.1:${ports[index]}`
  const [rtp, rtcp] = await freePair()

  // Whoever asks may: the sessions must be able to come back whatever the method.
  const auth: Server = createServer((_, response) => response.writeHead(204).end())
  const authAddress = await new Promise<string>((resolve) =>
    auth.listen(0, "127.0.0.1", () => {
      const bound = auth.address()
      resolve(`http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}/auth`)
    })
  )

  const full = options.kind === "global"

  // Another server, whose stream the node pulls: there at once whenever the node comes back for it.
  const feedPort = (await freePair())[0]
  const feedAddress = `127.0.0.1:${feedPort}`
  let feeder: { readonly server: Running; readonly session: RtspSession } | undefined
  if (!full) {
    const off = { rtmp: false, hls: false, webrtc: false, srt: false, moq: false, rtspTransports: ["tcp"] }
    const feedFile = join(folder, "feed.yml")
    writeFileSync(feedFile, JSON.stringify({ ...off, rtspAddress: feedAddress, paths: { feed: {} } }))
    const server = run(options.bin, [feedFile], { cwd: folder })
    await server.waitFor(/\[RTSP\] started/)
    feeder = { server, session: await publish(feedPort, "feed", options.clip) }
  }
  let current: Record<string, unknown> = {
    logLevel: "debug",
    authHTTPAddress: authAddress,
    api: true,
    apiAddress: at(0),
    metrics: true,
    metricsAddress: at(1),
    pprof: true,
    pprofAddress: at(2),
    playback: true,
    playbackAddress: at(3),
    rtspAddress: at(4),
    rtspsAddress: at(5),
    rtspTransports: ["tcp"],
    rtspEncryption: "optional",
    rtpAddress: `127.0.0.1:${rtp}`,
    rtcpAddress: `127.0.0.1:${rtcp}`,
    rtmp: full,
    rtmpAddress: at(6),
    rtmpEncryption: "optional",
    rtmpsAddress: at(7),
    hls: full,
    hlsAddress: at(8),
    hlsVariant: "mpegts",
    webrtc: full,
    webrtcAddress: at(9),
    webrtcLocalUDPAddress: at(10),
    webrtcAdditionalHosts: ["127.0.0.1"],
    srt: full,
    srtAddress: at(11),
    moq: full,
    moqHTTP2Address: at(12),
    moqHTTP3Address: at(12),
    moqQUICAddress: at(13),
    moqServerKey: "server.key",
    moqServerCert: "server.crt",
    pathDefaults: { record: true },
    paths: full
      ? { live1: {}, rtmp1: {}, srt1: {}, all_others: {} }
      : {
          live1: { sourceOnDemand: false },
          pull1: {
            source: `rtsp://${feedAddress}/feed`,
            sourceRedirect: "",
            srtPublishPassphrase: "",
            runOnDemand: "",
            runOnUnDemand: ""
          },
          // What a regular expression can't have, so that the defaults can.
          all_others: {
            source: "publisher",
            sourceRedirect: "",
            sourceOnDemand: false,
            alwaysAvailable: false,
            runOnInit: ""
          }
        }
  }
  const text = (name: string): string => String(current[name])
  const portOf = (name: string): number => Number(text(name).split(":").at(-1))

  const file = join(folder, "mediamtx.yml")
  const write = () => writeFileSync(file, JSON.stringify(current))
  write()
  const node: Running = run(options.bin, [file], { cwd: folder })
  await node.waitFor(/\[API\] started/)

  const api = async <A>(method: string, path: string, body?: unknown): Promise<A> => {
    const response = await fetch(`http://${text("apiAddress")}/v3/${path}`, {
      method,
      // A listener that is about to close must not keep a connection of ours waiting.
      headers: { connection: "close" },
      signal: AbortSignal.timeout(10_000),
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    const answer = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`)
    return JSON.parse(answer) as A
  }
  /** For what may meet an API that is restarting. */
  const patient = <A>(method: string, path: string, body?: unknown): Promise<A> =>
    eventually(`${method} ${path}`, async () => {
      if (node.child.exitCode !== null) throw new Error("the server has ended")
      return api<A>(method, path, body)
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${node.output().slice(-1500)}`)
    })
  const list = async (): Promise<ReadonlyArray<ApiPath>> =>
    (await patient<{ readonly items: ReadonlyArray<ApiPath> }>("GET", "paths/list?itemsPerPage=1000")).items

  // Sessions ------------------------------------------------------------------------------------------------------------
  const rtsp = new Map<string, RtspSession>()
  const ffmpeg = new Map<string, Running>()
  let hls: string | undefined

  const keepRtsp = async (name: string, start: () => Promise<RtspSession>) => {
    if (rtsp.get(name)?.open() === true) return
    rtsp.set(name, await eventually(name, start))
  }
  const keepFfmpeg = (name: string, args: ReadonlyArray<string>) => {
    const known = ffmpeg.get(name)
    if (known !== undefined && known.child.exitCode === null && known.child.signalCode === null) return
    ffmpeg.set(name, run("ffmpeg", ["-nostdin", "-v", "error", ...args]))
  }
  const isAvailable = (paths: ReadonlyArray<ApiPath>, name: string) =>
    paths.some((path) => path.name === name && path.available)
  const hasReader = (paths: ReadonlyArray<ApiPath>, name: string, type: string) =>
    paths.some((path) => path.name === name && path.readers.some((reader) => reader.type === type))

  /** Puts back what the last flip dropped. */
  const ensure = async () => {
    const port = portOf("rtspAddress")
    await Promise.all(
      ["live1", "dyn/x"].map((path) => keepRtsp(`publish ${path}`, () => publish(port, path, options.clip)))
    )
    const again = (
      name: string,
      args: () => ReadonlyArray<string>,
      there: (paths: ReadonlyArray<ApiPath>) => boolean
    ) =>
      eventually(
        name,
        async () => {
          const paths = await list()
          if (there(paths)) return true
          keepFfmpeg(name, args())
          return false
        },
        20_000
      )
    const movie = ["-re", "-stream_loop", "-1", "-i", options.movie, "-c", "copy"]
    await Promise.all([
      keepRtsp("read live1", () => read(port, "live1")),
      keepRtsp("read dyn/x", () => read(port, "dyn/x")),
      ...(full
        ? [
            again(
              "publish rtmp1",
              () => [...movie, "-f", "flv", `rtmp://${text("rtmpAddress")}/rtmp1`],
              (paths) => isAvailable(paths, "rtmp1")
            ).then(() => keepRtsp("read rtmp1", () => read(port, "rtmp1"))),
            again(
              "publish srt1",
              () => [...movie, "-f", "mpegts", `srt://${text("srtAddress")}?streamid=publish:srt1&latency=20000`],
              (paths) => isAvailable(paths, "srt1")
            ).then(() => keepRtsp("read srt1", () => read(port, "srt1"))),
            again(
              "SRT reader",
              () => [
                ...["-fflags", "nobuffer", "-probesize", "32", "-analyzeduration", "0"],
                "-i",
                `srt://${text("srtAddress")}?streamid=read:live1&latency=20000`,
                "-c",
                "copy",
                "-f",
                "null",
                "-"
              ],
              (paths) => hasReader(paths, "live1", "srtConn")
            ),
            eventually("HLS reader", async () => {
              const paths = await list()
              if (hls !== undefined && hasReader(paths, "live1", "hlsSession")) {
                // A request now and then keeps the session alive.
                await fetch(hls, { signal: AbortSignal.timeout(3000) }).then((response) => response.arrayBuffer())
                return true
              }
              const response = await fetch(`http://${text("hlsAddress")}/live1/index.m3u8`, {
                signal: AbortSignal.timeout(5000)
              })
              const main = await response.text()
              const media = /^[^#\s].*$/m.exec(main)?.[0]
              hls = media === undefined ? undefined : new URL(media, response.url).href
              return false
            })
          ]
        : [
            again(
              "pull",
              () => [],
              (paths) => isAvailable(paths, "pull1")
            )
          ])
    ])
  }

  // What happens --------------------------------------------------------------------------------------------------------
  const live = async (): Promise<LiveState> => {
    const paths = await list()
    return {
      paths: paths.map(({ available, name }) => ({ path: name, available })),
      publishers: paths.flatMap(({ name, source }) =>
        source === null ? [] : [{ path: name, type: source.type, id: source.id }]
      ),
      readers: paths.flatMap(({ name, readers }) => readers.map(({ id, type }) => ({ path: name, type, id }))),
      connections: []
    }
  }

  const valid = (config: unknown): MediaMTXConfig =>
    Either.getOrThrowWith(validateConfig(config), (error) => new Error(error.message)).config

  const seen = new Map<string, number>()
  const note = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

  const sessionsOf = (state: LiveState) => [...state.publishers, ...state.readers].filter(({ id }) => id !== "")

  /** Compares what was said with what stands in the log and in the API. */
  const differences = (said: ReloadImpact, log: string, after: LiveState | undefined): ReadonlyArray<string> => {
    const wrong: Array<string> = []
    const expect = (what: string, expected: boolean, actual: boolean) => {
      if (expected !== actual) wrong.push(`${what}: said ${expected}, was ${actual}`)
    }
    for (const [listener, name] of Object.entries(logNames)) {
      const found = said.listeners.find((impact) => impact.listener === listener)?.outcome
      if (found !== undefined) note(`${listener} ${found}`)
      expect(`${listener} closes`, found === "restarted" || found === "stopped", log.includes(`[${name}] closing`))
      expect(`${listener} opens`, found === "restarted" || found === "started", log.includes(`[${name}] started`))
    }
    // Not visible while the log level is above debug.
    if (said.changes.every(({ field }) => field !== "logLevel")) {
      expect("all paths close", said.scope === "node", log.includes("path manager is shutting down"))
    }
    for (const path of said.paths) {
      note(path.outcome)
      if (["untouched", "updated", "readers-dropped"].includes(path.outcome) || path.outcome.startsWith("recording")) {
        expect(`${path.path} is destroyed`, false, log.includes(`[path ${path.path}] destroyed`))
      }
      if (path.outcome === "recreated" && said.changes.every(({ field }) => field !== "logLevel")) {
        expect(`${path.path} is destroyed`, true, log.includes(`[path ${path.path}] destroyed`))
      }
      const starts = path.outcome === "recording-started" || path.outcome === "recording-restarted"
      if (starts || ["untouched", "updated"].includes(path.outcome)) {
        expect(`${path.path} begins to record`, starts, log.includes(`[path ${path.path}] [recorder] recording`))
      }
    }
    if (after !== undefined) {
      const there = new Set(sessionsOf(after).map(({ id }) => id))
      for (const path of said.paths) {
        const dropped = new Set([...path.droppedPublishers, ...path.droppedReaders].map(({ id }) => id))
        for (const session of before.filter((each) => each.path === path.path)) {
          expect(`${session.type} on ${session.path} drops`, dropped.has(session.id), !there.has(session.id))
        }
      }
    }
    return wrong
  }

  let before: ReturnType<typeof sessionsOf> = []
  let written = 0

  const apply = async (flip: Flip, next: Record<string, unknown>, set: Readonly<Record<string, unknown>>) => {
    const answers = (config: Readonly<Record<string, unknown>>) =>
      config["api"] === true && config["apiEncryption"] !== true
    const state = answers(current) ? await live() : undefined
    if (state !== undefined) before = sessionsOf(state)
    const said = reloadImpact(
      valid(current),
      valid(next),
      state ?? { paths: [], publishers: [], readers: [], connections: [] }
    )
    const mark = node.output().length
    const since = () => node.output().slice(mark)
    if (flip.byFile) {
      // The watcher is deaf for a second after each reload.
      await pause(Math.max(0, written + 1200 - performance.now()))
      current = next
      write()
      written = performance.now()
      await eventually("the reload", async () => since().includes("reloading configuration"))
      await pause(300)
    } else {
      const path =
        flip.at === "global"
          ? "config/global/patch"
          : flip.at === "pathDefaults"
            ? "config/pathdefaults/patch"
            : `config/paths/patch/${flip.at.path}`
      // The answer comes before the reload, and the connection may be cut by it.
      await api("PATCH", path, set).catch((error: unknown) => {
        if (!(error instanceof TypeError)) throw error
      })
      current = next
      await eventually("the reload", async () => since().includes("reloading configuration"))
      // Waits its turn behind the reload.
      await patient("PATCH", "config/global/patch", {})
    }
    let wrong: ReadonlyArray<string> = []
    const end = performance.now() + 2500
    // What must not happen is given a moment to happen; what must, some more.
    await pause(120)
    for (;;) {
      if (node.child.exitCode !== null) throw new Error(`${flip.name}: the server has ended:\n${since()}`)
      wrong = differences(said, since(), answers(next) && state !== undefined ? await live() : undefined)
      if (wrong.length === 0 || performance.now() > end) break
      await pause(100)
    }
    return wrong.map((each) => `${flip.name} = ${JSON.stringify(set)}: ${each}`)
  }

  const withSet = (flip: Flip, set: Readonly<Record<string, unknown>>): Record<string, unknown> => {
    const at = flip.at
    const part = (name: string) => current[name] as Record<string, unknown>
    if (at === "global") return { ...current, ...set }
    if (at === "pathDefaults") return { ...current, pathDefaults: { ...part("pathDefaults"), ...set } }
    const path = part("paths")[at.path] as Record<string, unknown>
    return { ...current, paths: { ...part("paths"), [at.path]: { ...path, ...set } } }
  }
  await ensure()
  return {
    address,
    folder,
    seen,
    flip: async (flip) => {
      const defaults: Readonly<Record<string, unknown>> = Object.fromEntries(
        Object.entries(flip.at === "global" ? globalFields : pathFields).map(([name, row]) => [name, row.default])
      )
      const holder =
        flip.at === "global"
          ? current
          : flip.at === "pathDefaults"
            ? (current["pathDefaults"] as Record<string, unknown>)
            : ((current["paths"] as Record<string, Record<string, unknown>>)[flip.at.path] ?? {})
      const inherited = flip.at === "global" || flip.at === "pathDefaults" ? {} : (current["pathDefaults"] as object)
      const back = Object.fromEntries(
        Object.keys(flip.set).map((name) => [name, holder[name] ?? Reflect.get(inherited, name) ?? defaults[name]])
      )
      await ensure()
      const wrong = [...(await apply(flip, withSet(flip, flip.set), flip.set))]
      if (flip.restore) {
        // Judged by whoever is still there.
        wrong.push(...(await apply(flip, withSet(flip, back), back)))
      }
      return wrong
    },
    close: async () => {
      for (const session of rtsp.values()) session.close()
      await Promise.all([...ffmpeg.values()].map((each) => each.stop("SIGKILL")))
      await node.stop()
      feeder?.session.close()
      await feeder?.server.stop()
      auth.closeAllConnections()
      auth.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
