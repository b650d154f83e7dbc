/**
 * Clips of a manager in an app of one's own, from nodes that let not everybody play back: `manager()` on @hono/node-server,
 * the real MediaMTX, and the built worker, which has to log in. Once MediaMTX asks the manager, once it decides by itself.
 */
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import * as Http from "node:http"
import { join } from "node:path"
import { serve } from "@hono/node-server"
import { type Manager, type ManagerOptions, manager, path } from "@livecams/mtx-manager/hono"
import { memory } from "@livecams/mtx-manager/storage"
import { Hono } from "hono"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { capture } from "../adapters/hono/Capture.js"
import { tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { download, listRecorded, type Recorded, within, workerPath } from "./support/Clips.js"
import { FRAME, jumpsIn, look, publishing } from "./support/Timecode.js"

const NODE = "edge-1"
const KEY = "key-of-the-hono-end-to-end-tests"
/** What the worker logs in with. */
const USER = "clips"
const PASSWORD = "open-sesame"

interface Way {
  readonly name: string
  /** Of the config. */
  readonly fields: Omit<ManagerOptions["config"], "paths">
  readonly auth?: ManagerOptions["auth"]
}

const ways: ReadonlyArray<Way> = [
  {
    name: "the manager decides",
    fields: {},
    auth: ({ action, actor }) => {
      if (action === "publish" || action === "playback.request") return true
      if (action === "playback") return actor.user === USER && actor.password === PASSWORD && actor.node === NODE
      return action === "playback.worker" && actor.node === NODE
    }
  },
  {
    name: "MediaMTX decides",
    fields: {
      authMethod: "internal",
      authInternalUsers: [
        { user: "any", permissions: [{ action: "publish" }] },
        { user: USER, pass: PASSWORD, permissions: [{ action: "playback" }] }
      ]
    }
  }
]

describeMediaMTX("clips of a manager in a Hono app, behind a password", (bin) => {
  describe.each(ways)("$name", ({ auth, fields }) => {
    const files = tempFolder()
    const running: Array<Running> = []
    const log = capture()
    let mtx: Manager<"cam">
    let server: ReturnType<typeof serve>
    let base = ""
    let playback = 0
    let recorded: Recorded

    const start = (command: string, args: ReadonlyArray<string>, env: Record<string, string | undefined> = {}) => {
      const process = run(command, args, { env })
      running.push(process)
      return process
    }
    const startWorker = async (node: string, login: boolean) => {
      const worker = start("node", [workerPath], {
        URL: base,
        KEY,
        NODE: node,
        MEDIAMTX_URL: `http://127.0.0.1:${playback}`,
        MEDIAMTX_USER: login ? USER : undefined,
        MEDIAMTX_PASSWORD: login ? PASSWORD : undefined,
        SPOOL: join(files.path, `spool-${node}`)
      })
      await worker.waitFor(/mtx-playback cuts recordings/)
      return worker
    }

    beforeAll(async () => {
      const [rtsp = 0, port = 0, own = 0] = await freePorts(3)
      playback = port
      base = `http://127.0.0.1:${own}/mtx`
      mtx = manager({
        base,
        key: KEY,
        storage: memory(),
        logger: log.layer,
        auth,
        config: {
          ...fields,
          rtspAddress: `127.0.0.1:${rtsp}`,
          rtspTransports: ["tcp"],
          rtspEncryption: "no",
          playback: true,
          playbackAddress: `127.0.0.1:${playback}`,
          ...{ rtmp: false, hls: false, webrtc: false, srt: false, moq: false },
          paths: {
            cam: path({
              record: true,
              recordPath: `${files.path}/%path/%Y-%m-%d_%H-%M-%S-%f`,
              recordPartDuration: "1s"
            })
          }
        }
      })
      const app = new Hono()
      app.route("/mtx", mtx)
      server = serve({ fetch: app.fetch, port: own, hostname: "127.0.0.1" })
      await once(server, "listening")
      const response = await fetch(`${base}/?node=${NODE}`, { headers: { authorization: `Bearer ${KEY}` } })
      expect(response.status).toBe(200)
      const config = join(files.path, "mediamtx.yml")
      writeFileSync(config, await response.text())
      const node = start(bin, [config], { TZ: "UTC" })
      await node.waitFor(/\[RTSP\] started/)
      const publisher = start("ffmpeg", publishing(`rtsp://127.0.0.1:${rtsp}/cam`))
      const login = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`
      recorded = await eventually(
        "a recording of 6 s",
        async () => {
          const [found] = await listRecorded(playback, "cam", login)
          return found !== undefined && found.end - found.start > 6_000 && found
        },
        60_000
      )
      await publisher.stop("SIGINT")
    }, 90_000)

    afterAll(async () => {
      await Promise.all(running.map((process) => process.stop("SIGTERM")))
      await mtx?.dispose()
      server?.close()
      if (server instanceof Http.Server) server.closeAllConnections()
      files.remove()
    }, 30_000)

    it("a worker that does not log in gets nothing, and the job says why", async () => {
      await expect(listRecorded(playback, "cam")).rejects.toThrow(/401/)
      const worker = await startWorker(NODE, false)
      const { id } = await mtx.playback.request("cam", { start: recorded.start + 500, duration: 1_000 })
      const failed = await eventually("the worker is denied", async () => {
        const job = await mtx.playback.status(id)
        return job?.lastFailure !== null && job
      })
      expect(failed.lastFailure?.message).toMatch(/denied playback.*user and a password/)
      expect(failed.clip).toBeNull()
      await worker.stop("SIGTERM")
    })

    it("one that does cuts what the program asks for", async () => {
      const worker = await startWorker(NODE, true)
      const from = Math.round(recorded.start + 1_500)
      const clip = await mtx.playback.get("cam", { start: from, duration: 3_000, timeout: 30_000 })
      expect(clip).toMatchObject({ duration: 3_000, start: new Date(from).toISOString(), gaps: [], mime: "video/mp4" })
      expect(clip.download.url.startsWith(`${base}/storage/recordings/${clip.id}.mp4?`)).toBe(true)
      const seen = await look(await download(clip, files.path))
      within(seen.duration, 3_000, 100)
      within(seen.frames[0] ?? -1, 1_500 / FRAME, 5)
      expect(jumpsIn(seen.frames)).toEqual([])
      expect((await mtx.playback.status(clip.id))?.node).toBe(NODE)
      const { spans } = await mtx.playback.spans("cam")
      expect(spans.map(({ nodes }) => nodes)).toEqual([[NODE]])
      within(Date.parse(spans[0]?.start ?? ""), recorded.start, 1_500)
      expect(worker.output()).not.toContain(PASSWORD)
      expect(log.lines.join("\n")).not.toContain(PASSWORD)
    })

    it.skipIf(auth === undefined)("a worker of a node that may not work is told so", async () => {
      const worker = await startWorker("cellar", true)
      await worker.waitFor(/does not allow playback\.worker/)
    })
  })
})
