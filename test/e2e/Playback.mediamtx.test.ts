/**
 * Clips as a user meets them: the built manager and worker, the real MediaMTX recording what ffmpeg publishes, and ffprobe as
 * the judge of what comes out.
 */
import { execFile } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type Gate, openGate } from "../sidecar/support/Gate.js"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"

const workerPath = fileURLToPath(new URL("../../dist/sidecar/mtx-playback.js", import.meta.url))
const NODE = "edge-1"

interface Span {
  readonly start: string
  readonly end: string
}
interface Job {
  readonly id: string
  readonly state: string
  readonly node: string | null
  readonly lastFailure: { readonly reason: string; readonly message: string } | null
  readonly clip: {
    readonly id: string
    readonly duration: number
    readonly start: string
    readonly end: string
    readonly size: number
    readonly bucket: string
    readonly filename: string
    readonly mime: string
    readonly url: string
    readonly gaps: ReadonlyArray<Span>
    readonly download: { readonly url: string }
  } | null
}

const exec = promisify(execFile)
const time = (iso: string): number => Date.parse(iso)
const within = (actual: number, wanted: number, tolerance: number) =>
  expect(Math.abs(actual - wanted), `${actual} is not ${wanted} ± ${tolerance}`).toBeLessThanOrEqual(tolerance)

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
  const publish = () =>
    start("ffmpeg", [
      ...["-hide_banner", "-loglevel", "error", "-nostdin", "-re"],
      ...["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i", "sine=frequency=440"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "50"],
      ...["-b:v", "2M", "-c:a", "aac", "-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${ports[0]}/cam`]
    ])
  const boot = (options: { readonly port: number }) =>
    startManager({ data: data.path, port: options.port, base: gate.url })

  const list = async (): Promise<ReadonlyArray<{ readonly start: number; readonly end: number }>> => {
    const response = await fetch(`http://127.0.0.1:${ports[1]}/list?path=cam`)
    if (!response.ok) throw new Error(`/list: ${response.status} ${await response.text()}`)
    // MediaMTX's own answer.
    const spans = (await response.json()) as ReadonlyArray<{ readonly start: string; readonly duration: number }>
    return spans.map(({ duration, start }) => ({ start: time(start), end: time(start) + duration * 1000 }))
  }
  const request = async (from: number, duration: number, format = "mp4"): Promise<Job> => {
    const response = await fetch(`${manager.url}/playback/requests`, {
      method: "POST",
      headers: { authorization: `Bearer ${manager.key}`, "content-type": "application/json" },
      body: JSON.stringify({ path: "cam", start: new Date(from).toISOString(), duration, format })
    })
    const text = await response.text()
    expect(response.status, text).toBe(202)
    // The API's own answer, compared field by field by the tests.
    return JSON.parse(text) as Job
  }
  const job = (id: string) => manager.json<Job>(`/playback/jobs/${id}`)
  const ended = (id: string, ms = 30_000) =>
    eventually(
      `job ${id} ends`,
      async () => {
        const found = await job(id)
        return ["done", "failed", "expired", "cancelled"].includes(found.state) ? found : undefined
      },
      ms
    )
  const done = async (id: string, ms?: number) => {
    const found = await ended(id, ms)
    if (found.clip === null) throw new Error(`no clip: ${JSON.stringify(found)}\n${running.at(-1)?.output()}`)
    return found.clip
  }
  /** Downloads the clip and lets ffprobe and ffmpeg look at it: seconds that it plays, and frames that can be decoded. */
  const look = async (clip: NonNullable<Job["clip"]>) => {
    const response = await fetch(clip.download.url)
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("video/mp4")
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.length).toBe(clip.size)
    const file = join(files.path, clip.filename)
    writeFileSync(file, bytes)
    const { stdout } = await exec("ffprobe", [
      ...["-v", "error", "-count_frames", "-of", "json"],
      ...["-show_entries", "format=duration:stream=codec_type,duration,start_time,nb_read_frames", file]
    ])
    // ffprobe's own answer.
    const probe = JSON.parse(stdout) as {
      streams: ReadonlyArray<{ codec_type: string; start_time: string; duration: string; nb_read_frames: string }>
      format: { duration: string }
    }
    const video = probe.streams.find((stream) => stream.codec_type === "video")
    const audio = probe.streams.find((stream) => stream.codec_type === "audio")
    const first = await exec(
      "ffmpeg",
      [...["-v", "error", "-i", file, "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"]],
      { encoding: "buffer" }
    )
    expect(first.stderr.toString()).toBe("")
    expect(first.stdout.subarray(1, 4).toString()).toBe("PNG")
    const whole = await exec("ffmpeg", ["-v", "error", "-i", file, "-f", "null", "-"])
    expect(whole.stderr).toBe("")
    return {
      duration: Number(probe.format.duration) * 1000,
      frames: Number(video?.nb_read_frames),
      start: Number(video?.start_time) * 1000,
      audio: Number(audio?.duration) * 1000
    }
  }
  const objects = () => readdirSync(join(data.path, "clips", "recordings")).sort()

  let worker: Running
  let spans: ReadonlyArray<{ readonly start: number; readonly end: number }> = []
  const span = (index: number) => {
    const found = spans[index]
    if (found === undefined) throw new Error(`no span ${index}: ${JSON.stringify(spans)}`)
    return found
  }

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
    recordSegmentDuration: 5s
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

    // 12 seconds, a gap of 4, and on until the end.
    const first = publish()
    await eventually(
      "a recording of 12 s",
      async () =>
        ((await list().catch(() => []))[0] ?? false) && (await list()).some(({ end, start }) => end - start > 12_000),
      40_000
    )
    await first.stop("SIGINT")
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    publish()
    await eventually("a second span", async () => (await list()).length === 2, 20_000)
    await eventually(
      "7 s of it",
      async () => (await list()).some(({ end, start }, i) => i === 1 && end - start > 7_000),
      30_000
    )
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
      const found = await manager.json<{
        readonly spans: ReadonlyArray<Span & { readonly nodes: ReadonlyArray<string> }>
        readonly gaps: ReadonlyArray<Span>
      }>("/recordings?path=cam")
      return found.spans.length === 2 ? found : undefined
    })
    expect(timeline.spans.map(({ nodes }) => nodes)).toEqual([[NODE], [NODE]])
    within(time(timeline.spans[0]?.start ?? ""), span(0).start, 1_500)
    expect(timeline.gaps).toHaveLength(1)
  })

  it("cuts across segments, and tells what was promised", async () => {
    const from = Math.round(span(0).start + 2_500)
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
    const seen = await look(clip)
    within(seen.duration, 6_000, 100)
    within(seen.audio, 6_000, 150)
    within(seen.frames, 150, 3)
    within(seen.start, 0, 45)
  })

  it("a window that begins before the first recording begins with it, and has a gap", async () => {
    const from = Math.round(span(0).start - 4_000)
    const clip = await done((await request(from, 8_000)).id)
    expect(clip.gaps).toHaveLength(1)
    within(time(clip.gaps[0]?.start ?? ""), from, 1)
    within(time(clip.gaps[0]?.end ?? ""), span(0).start, 2)
    within(clip.duration, 4_000, 5)
    const seen = await look(clip)
    within(seen.duration, 4_000, 100)
    within(seen.start, 0, 45)
  })

  it("a window over a gap is one file, without the gap", async () => {
    const from = Math.round(span(0).end - 3_000)
    const to = Math.round(span(1).start + 3_000)
    const clip = await done((await request(from, to - from)).id)
    expect(clip.gaps).toHaveLength(1)
    within(time(clip.gaps[0]?.start ?? ""), span(0).end, 60)
    within(time(clip.gaps[0]?.end ?? ""), span(1).start, 2)
    const seen = await look(clip)
    within(seen.duration, 6_000, 150)
    within(seen.audio, 6_000, 250)
    within(seen.frames, 150, 4)
  })

  it("and so it is in fragments", async () => {
    const from = Math.round(span(0).end - 3_000)
    const to = Math.round(span(1).start + 3_000)
    const clip = await done((await request(from, to - from, "fmp4")).id)
    expect(clip.gaps).toHaveLength(1)
    const seen = await look(clip)
    within(seen.duration, 6_000, 150)
    // Frames before the first that was asked for are there as well, at its time.
    expect(seen.frames).toBeGreaterThan(146)
    expect(seen.frames).toBeLessThan(146 + 54)
  })

  it("a window that ends in the future is waited for", async () => {
    const from = Date.now() - 2_000
    const asked = await request(from, 5_000)
    const clip = await done(asked.id)
    expect(Date.now()).toBeGreaterThanOrEqual(from + 5_000)
    expect(clip.gaps).toEqual([])
    within((await look(clip)).duration, 5_000, 100)
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
    within((await look(clip)).duration, 9_000, 100)
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
    within((await look(clip)).duration, 5_000, 100)
  }, 60_000)

  it("nothing is lost, and nothing is there twice", async () => {
    const jobs = await manager.json<ReadonlyArray<Job>>("/playback/jobs")
    expect(jobs.filter(({ state }) => state !== "done").map(({ state }) => state)).toEqual(["failed"])
    expect(objects()).toEqual(jobs.flatMap(({ clip }) => (clip === null ? [] : [clip.filename])).sort())
    expect(readdirSync(spool.path)).toEqual(["health.json"])
  })
})
