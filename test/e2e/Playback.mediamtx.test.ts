/**
 * Clips as a user meets them: the built manager and worker, the real MediaMTX recording what ffmpeg publishes, and ffprobe as
 * the judge of what comes out. See also PlaybackMirrors and PlaybackHono.
 */
import { execFile } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type Gate, openGate } from "../sidecar/support/Gate.js"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import {
  clipsOf,
  type Job,
  listRecorded,
  type Recorded,
  type Timeline,
  time,
  within,
  workerPath
} from "./support/Clips.js"
import { FRAME, jumpsIn, publishing } from "./support/Timecode.js"

const NODE = "edge-1"
/** Frames by which the publisher's clock and the node's may part on a busy machine, as each segment is dated anew. */
const DRIFT = 5

const exec = promisify(execFile)

describeMediaMTX("clips, from the recording to the file", (bin) => {
  const data = tempFolder()
  const recordings = tempFolder()
  const spool = tempFolder()
  const files = tempFolder()
  const running: Array<Running> = []
  let gate: Gate
  let manager: RunningManager
  let managerPort = 0
  let ports: ReadonlyArray<number> = []

  const start = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) => {
    const process = run(command, args, { env })
    running.push(process)
    return process
  }
  const startWorker = async () => {
    const worker = start("node", [workerPath], {
      URL: `${gate.url}/`,
      KEY: manager.key,
      NODE,
      MEDIAMTX_URL: `http://127.0.0.1:${ports[1]}`,
      SPOOL: spool.path,
      LOG_LEVEL: "debug"
    })
    await worker.waitFor(/mtx-playback cuts recordings/)
    return worker
  }
  const publish = () => start("ffmpeg", publishing(`rtsp://127.0.0.1:${ports[0]}/cam`))
  const boot = (options: { readonly port: number }) =>
    startManager({ data: data.path, port: options.port, base: gate.url })

  const list = () => listRecorded(ports[1] ?? 0, "cam")
  const clips = clipsOf("cam", () => manager, { folder: files.path, log: () => running.at(-1)?.output() ?? "" })
  const { ended, get, job, request, see } = clips
  const done = async (id: string, ms?: number) => (await clips.done(id, ms)).clip
  const objects = () => readdirSync(join(data.path, "clips", "recordings")).sort()

  let worker: Running
  let spans: ReadonlyArray<Recorded> = []
  const span = (index: number) => {
    const found = spans[index]
    if (found === undefined) throw new Error(`no span ${index}: ${JSON.stringify(spans)}`)
    return found
  }
  /** The number of the frame that the source showed then: it begins with 0 in each span. */
  const frameAt = (moment: number, { start }: Recorded) => (moment - start) / FRAME

  beforeAll(async () => {
    ports = await freePorts(4)
    const [rtsp = 0, playback = 0, port = 0, gatePort = 0] = ports
    managerPort = port
    gate = await openGate(gatePort, port)
    mkdirSync(join(data.path, "config"), { recursive: true })
    writeFileSync(
      join(data.path, "config", "base.yml"),
      `
rtspAddress: 127.0.0.1:${rtsp}
rtspTransports: [tcp]
rtspEncryption: "no"
playback: yes
playbackAddress: 127.0.0.1:${playback}
rtmp: no
hls: no
webrtc: no
srt: no
moq: no
paths:
  cam:
    record: yes
    recordPath: ${recordings.path}/%path/%Y-%m-%d_%H-%M-%S-%f
    recordSegmentDuration: 10s
    recordPartDuration: 1s
`
    )
    writeFileSync(
      join(data.path, "config", "manager.yml"),
      `
auth:
  rules:
    - allow: [publish, read, playback, playback.request, playback.worker]
`
    )
    manager = await boot({ port })
    const response = await fetch(`${manager.url}/?node=${NODE}`, {
      headers: { authorization: `Bearer ${manager.key}` }
    })
    expect(response.status).toBe(200)
    const config = join(files.path, "mediamtx.yml")
    writeFileSync(config, await response.text())
    const node = start(bin, [config], { TZ: "UTC" })
    await node.waitFor(/\[RTSP\] started/)
    worker = await startWorker()

    // 40 seconds in segments of 10, with a gap of 4 in them, and on until the end.
    const lasts = async (index: number, ms: number) => {
      const found = (await list().catch(() => []))[index]
      return found !== undefined && found.end - found.start > ms
    }
    const first = publish()
    await eventually("a recording of 22 s", () => lasts(0, 22_000), 60_000)
    await first.stop("SIGINT")
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    publish()
    await eventually("18 s more", () => lasts(1, 18_000), 60_000)
    spans = await list()
  }, 120_000)

  afterAll(async () => {
    await Promise.all(running.map((process) => process.stop("SIGTERM")))
    await manager?.stop()
    await gate?.close()
    for (const folder of [data, recordings, spool, files]) folder.remove()
  }, 30_000)

  it("knows what is recorded, and by whom", async () => {
    const timeline = await eventually("both spans in the index", async () => {
      const found = await manager.json<Timeline>("/recordings?path=cam")
      return found.spans.length === 2 ? found : undefined
    })
    expect(timeline.spans.map(({ nodes }) => nodes)).toEqual([[NODE], [NODE]])
    within(time(timeline.spans[0]?.start ?? ""), span(0).start, 1_500)
    expect(timeline.gaps).toHaveLength(1)
    expect(readdirSync(join(recordings.path, "cam")).length).toBeGreaterThanOrEqual(5)
  })

  it("cuts across segments, and tells what was promised", async () => {
    const from = Math.round(span(0).start + 7_500)
    const asked = await request(from, 6_000)
    const again = await request(from, 6_000)
    expect(again.id).toBe(asked.id)
    const clip = await done(asked.id)
    expect(clip).toMatchObject({
      id: asked.id,
      duration: 6_000,
      start: new Date(from).toISOString(),
      end: new Date(from + 6_000).toISOString(),
      filename: `${asked.id}.mp4`,
      mime: "video/mp4",
      gaps: []
    })
    expect(clip.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(clip.url.endsWith(`/recordings/${asked.id}.mp4`)).toBe(true)
    const seen = await see(clip)
    within(seen.duration, 6_000, 100)
    within(seen.audio, 6_000, 150)
    within(seen.start, 0, 45)
    // The frames that were asked for, from the first to the last, over the seam of two segments.
    within(seen.frames[0] ?? -1, frameAt(from, span(0)), DRIFT)
    within(seen.frames.length, 150, 3)
    expect(jumpsIn(seen.frames)).toEqual([])
  })

  it("a window over several segments is one clip", async () => {
    const from = Math.round(span(0).start + 500)
    const { clip, seen } = await get(from, 21_000)
    expect(clip.gaps).toEqual([])
    within(seen.duration, 21_000, 100)
    within(seen.frames[0] ?? -1, frameAt(from, span(0)), DRIFT)
    within(seen.frames.length, 525, 3)
    expect(jumpsIn(seen.frames)).toEqual([])
  })

  it("a window that begins before the first recording begins with it, and has a gap", async () => {
    const from = Math.round(span(0).start - 4_000)
    const { clip, seen } = await get(from, 8_000)
    expect(clip.gaps).toHaveLength(1)
    within(time(clip.gaps[0]?.start ?? ""), from, 1)
    within(time(clip.gaps[0]?.end ?? ""), span(0).start, 2)
    within(clip.duration, 4_000, 5)
    within(seen.duration, 4_000, 100)
    within(seen.start, 0, 45)
    within(seen.frames[0] ?? -1, 0, 1)
    expect(jumpsIn(seen.frames)).toEqual([])
  })

  it("a window over a gap is one file, without the gap", async () => {
    const from = Math.round(span(0).end - 3_000)
    const to = Math.round(span(1).start + 3_000)
    const { clip, seen } = await get(from, to - from)
    expect(clip.gaps).toHaveLength(1)
    within(time(clip.gaps[0]?.start ?? ""), span(0).end, 60)
    within(time(clip.gaps[0]?.end ?? ""), span(1).start, 2)
    within(seen.duration, 6_000, 150)
    within(seen.audio, 6_000, 250)
    within(seen.frames.length, 150, 4)
    // One jump, to the first frame of the second recording.
    within(seen.frames[0] ?? -1, frameAt(from, span(0)), DRIFT)
    const jumps = jumpsIn(seen.frames)
    expect(jumps).toHaveLength(1)
    within(seen.frames[jumps[0] ?? -1] ?? -1, 0, 1)
  })

  it("and so it is in fragments", async () => {
    const from = Math.round(span(0).end - 3_000)
    const to = Math.round(span(1).start + 3_000)
    const { clip, seen } = await get(from, to - from, "fmp4")
    expect(clip.gaps).toHaveLength(1)
    within(seen.duration, 6_000, 150)
    // Frames before the first that was asked for are there as well, at its time.
    expect(seen.frames.length).toBeGreaterThan(146)
    expect(seen.frames.length).toBeLessThan(146 + 54)
    expect(jumpsIn(seen.frames)).toHaveLength(1)
  })

  it("a window that ends in the future is waited for", async () => {
    const from = Date.now() - 2_000
    const asked = await request(from, 5_000)
    const clip = await done(asked.id)
    expect(Date.now()).toBeGreaterThanOrEqual(from + 5_000)
    expect(clip.gaps).toEqual([])
    const seen = await see(clip)
    within(seen.duration, 5_000, 100)
    expect(jumpsIn(seen.frames)).toEqual([])
  })

  it("the command line waits for a clip and downloads it", async () => {
    const file = join(files.path, "from-cli.mp4")
    const access = ["--base", manager.url, "--key", manager.key]
    const start = new Date(span(1).start + 1_000).toISOString()
    const words = ["clip", "cam", "--start", start, "--duration", "3s", "-o", file, ...access]
    expect(await manager.cli(...words)).toContain(file)
    const { stdout } = await exec("ffprobe", [
      "-v",
      "error",
      "-of",
      "csv=p=0",
      "-show_entries",
      "format=duration",
      file
    ])
    within(Number(stdout) * 1000, 3_000, 100)
    expect(await manager.cli("jobs", "--state", "done", ...access)).toMatch(/done +cam/)
  })

  it("a window of which nothing was recorded fails, and says so", async () => {
    const found = await ended((await request(span(0).start - 3_600_000, 2_000)).id)
    expect(found.state).toBe("failed")
    expect(found.lastFailure?.reason).toBe("NothingRecorded")
  })

  it("a worker that is killed in mid-upload: another does the job", async () => {
    gate.uploads = "hold"
    const held = gate.held()
    const { id } = await request(Math.round(span(0).start + 1_000), 9_000)
    await held
    const killed = performance.now()
    await worker.stop("SIGKILL")
    gate.uploads = "open"
    worker = await startWorker()
    const clip = await done(id, 40_000)
    expect(performance.now() - killed).toBeLessThan(30_000)
    within((await see(clip)).duration, 9_000, 100)
    expect(objects().filter((name) => name.startsWith(id))).toEqual([clip.filename])
  }, 60_000)

  it("a worker that is stopped gives its job back at once", async () => {
    gate.uploads = "hold"
    const held = gate.held()
    const { id } = await request(Math.round(span(0).start + 1_500), 5_000)
    await held
    expect(await worker.stop("SIGTERM")).toBe(0)
    expect((await job(id)).state).toBe("queued")
    gate.uploads = "open"
    const restarted = performance.now()
    worker = await startWorker()
    await done(id)
    expect(performance.now() - restarted).toBeLessThan(10_000)
  }, 40_000)

  it("a storage that is away and a manager that restarts cost time, and no clip", async () => {
    gate.uploads = "down"
    const before = gate.begun()
    const { id } = await request(Math.round(span(0).start + 2_000), 5_000)
    await eventually("two tries", async () => gate.begun() >= before + 2)
    expect(await manager.stop()).toBe(0)
    await eventually("a try without a manager", async () => gate.begun() >= before + 4)
    manager = await boot({ port: managerPort })
    gate.uploads = "open"
    const clip = await done(id)
    within((await see(clip)).duration, 5_000, 100)
  }, 60_000)

  it("nothing is lost, and nothing is there twice", async () => {
    const jobs = await manager.json<ReadonlyArray<Job>>("/playback/jobs")
    expect(jobs.filter(({ state }) => state !== "done").map(({ state }) => state)).toEqual(["failed"])
    expect(objects()).toEqual(jobs.flatMap(({ clip }) => (clip === null ? [] : [clip.filename])).sort())
    expect(readdirSync(spool.path)).toEqual(["health.json"])
  })
})
