/**
 * Clips of a path that two nodes record, one of which is not there at times, in a bucket that is not there at times: real
 * servers, real workers, and an S3 that checks signatures.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type RunningManager, startManager, tempFolder } from "../support/Manager.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { openRelay, type Relay } from "../support/Relay.js"
import { type S3Double, s3Double } from "../support/S3Double.js"
import {
  type Clip,
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

/** Frames by which the publisher's clock and the node's may part on a busy machine. */
const DRIFT = 5

interface Site {
  readonly id: string
  readonly rtsp: number
  readonly playback: number
  node: Running | undefined
  worker: Running | undefined
  publisher: Running | undefined
  recorded: Recorded
}

describeMediaMTX("clips of mirrors, in a bucket", (bin) => {
  const data = tempFolder()
  const files = tempFolder()
  const running: Array<Running> = []
  let manager: RunningManager
  let managerPort = 0
  let s3: S3Double
  let bucket: Relay
  let north: Site
  let south: Site

  const start = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) => {
    const process = run(command, args, { env })
    running.push(process)
    return process
  }
  const startNode = async (site: Site) => {
    site.node = start(bin, [join(files.path, `${site.id}.yml`)], { TZ: "UTC" })
    await site.node.waitFor(/\[playback\] started/)
  }
  const startWorker = async (site: Site) => {
    site.worker = start("node", [workerPath], {
      URL: manager.url,
      KEY: manager.key,
      NODE: site.id,
      MEDIAMTX_URL: `http://127.0.0.1:${site.playback}`,
      SPOOL: join(files.path, `spool-${site.id}`)
    })
    await site.worker.waitFor(/mtx-playback cuts recordings/)
  }
  const publish = (site: Site) => {
    site.publisher = start("ffmpeg", publishing(`rtsp://127.0.0.1:${site.rtsp}/cam`))
  }
  const lasts = (site: Site, ms: number) =>
    eventually(
      `${site.id} has recorded ${ms} ms`,
      async () => {
        const found = (await listRecorded(site.playback, "cam").catch(() => []))[0]
        return found !== undefined && found.end - found.start > ms
      },
      60_000
    )
  const { done, ended, get, job, request, see } = clipsOf("cam", () => manager, {
    folder: files.path,
    log: () => `${north.worker?.output()}\n${south.worker?.output()}`
  })
  /** It shows what this node has recorded, from `from` on. */
  const shows = async (clip: Clip, site: Site, from: number, duration: number) => {
    const seen = await see(clip)
    within(seen.duration, duration, 100)
    within(seen.frames[0] ?? -1, (from - site.recorded.start) / FRAME, DRIFT)
    within(seen.frames.length, duration / FRAME, 3)
    expect(jumpsIn(seen.frames)).toEqual([])
  }
  const objects = (id = "") => [...s3.objects.keys()].filter((key) => key.includes(id)).sort()

  beforeAll(async () => {
    s3 = await s3Double({ bucket: "clips" })
    bucket = await openRelay(s3.port)
    const [a = 0, b = 0, c = 0, d = 0, port = 0] = await freePorts(5)
    managerPort = port
    const site = (id: string, rtsp: number, playback: number): Site => ({
      ...{ id, rtsp, playback, recorded: { start: 0, end: 0 } },
      ...{ node: undefined, worker: undefined, publisher: undefined }
    })
    north = site("north", a, b)
    south = site("south", c, d)
    mkdirSync(join(data.path, "config", "nodes"), { recursive: true })
    const write = (name: string, text: string) => writeFileSync(join(data.path, "config", name), text)
    write(
      "base.yml",
      `
rtspTransports: [tcp]
rtspEncryption: "no"
playback: yes
rtmp: no
hls: no
webrtc: no
srt: no
moq: no
paths:
  cam:
    record: yes
    recordSegmentDuration: 10s
    recordPartDuration: 1s
`
    )
    for (const { id, playback, rtsp } of [north, south]) {
      write(
        `nodes/${id}.yml`,
        `
rtspAddress: 127.0.0.1:${rtsp}
playbackAddress: 127.0.0.1:${playback}
paths:
  cam:
    recordPath: ${files.path}/${id}/%path/%Y-%m-%d_%H-%M-%S-%f
`
      )
    }
    write(
      "manager.yml",
      `
auth:
  rules:
    - allow: [publish, playback, playback.request, playback.worker]
storage:
  kind: s3
  endpoint: http://127.0.0.1:${bucket.port}
  bucket: ${s3.bucket}
  region: ${s3.region}
  accessKeyId: ${s3.accessKeyId}
  secretAccessKey: ${s3.secretAccessKey}
`
    )
    manager = await startManager({ data: data.path, port: managerPort })
    for (const each of [north, south]) {
      const response = await manager.get(`/?node=${each.id}`)
      expect(response.status).toBe(200)
      writeFileSync(join(files.path, `${each.id}.yml`), await response.text())
      await startNode(each)
      await startWorker(each)
    }
    // north records alone, then both, then south alone.
    publish(north)
    await lasts(north, 7_000)
    publish(south)
    await lasts(south, 7_000)
    await north.publisher?.stop("SIGINT")
    const [recorded] = await listRecorded(north.playback, "cam")
    if (recorded === undefined) throw new Error("north has no recording")
    await lasts(south, recorded.end - recorded.start + 2_000)
    await south.publisher?.stop("SIGINT")
    for (const each of [north, south]) {
      const [found, ...more] = await listRecorded(each.playback, "cam")
      if (found === undefined || more.length > 0) throw new Error(`${each.id} has not one span`)
      each.recorded = found
    }
  }, 150_000)

  afterAll(async () => {
    await Promise.all(running.map((process) => process.stop("SIGTERM")))
    await manager?.stop()
    await bucket?.close()
    await s3?.close()
    for (const folder of [data, files]) folder.remove()
  }, 30_000)

  /** Moments, in epoch milliseconds: north alone, both, south alone. */
  const alone = () => Math.round(north.recorded.start + 1_500)
  const both = () => Math.round(south.recorded.start + 1_500)
  const after = () => Math.round(north.recorded.end + 1_500)

  it("the index knows who holds what", async () => {
    const timeline = await eventually("both nodes in the index", async () => {
      const found = await manager.json<Timeline>("/recordings?path=cam")
      return found.nodes.length === 2 && found.spans.every(({ open }) => !open) ? found : undefined
    })
    expect(timeline.gaps).toEqual([])
    for (const each of [north, south]) {
      const [span, ...more] = timeline.nodes.find(({ node }) => node === each.id)?.spans ?? []
      expect(more).toEqual([])
      within(time(span?.start ?? ""), each.recorded.start, 1_500)
      within(time(span?.end ?? ""), each.recorded.end, 1_500)
    }
  })

  it("a window that one mirror alone has is cut there, whichever it is", async () => {
    const first = await get(alone(), 3_000)
    expect(first.job.node).toBe("north")
    await shows(first.clip, north, alone(), 3_000)
    const last = await get(after(), 3_000)
    expect(last.job.node).toBe("south")
    await shows(last.clip, south, after(), 3_000)
  })

  it("a window of which one has a part and the other all is cut by the latter", async () => {
    const from = Math.round(south.recorded.start - 2_000)
    const early = await get(from, 4_000)
    expect(early.job.node).toBe("north")
    expect(early.clip.gaps).toEqual([])
    await shows(early.clip, north, from, 4_000)
    const end = Math.round(north.recorded.end - 2_000)
    const late = await get(end, 4_000)
    expect(late.job.node).toBe("south")
    expect(late.clip.gaps).toEqual([])
    await shows(late.clip, south, end, 4_000)
  })

  it("a window that both have is cut by either, once", async () => {
    const { clip, job: made } = await get(both(), 3_000)
    await shows(clip, made.node === "north" ? north : south, both(), 3_000)
    expect(objects(made.id)).toEqual([`recordings/${made.id}.mp4`])
  })

  it("a window that no mirror has all of is cut by one that has the most, and says what is missing", async () => {
    const from = Math.round(south.recorded.start - 3_000)
    const duration = Math.round(north.recorded.end + 1_000) - from
    const { clip, job: made, seen } = await get(from, duration)
    expect(made.node).toBe("north")
    expect(clip.gaps).toHaveLength(1)
    within(time(clip.gaps[0]?.start ?? ""), north.recorded.end, 60)
    within(seen.duration, duration - 1_000, 150)
  })

  it("a node that is dead is no matter where its mirror has the window, and waited for where it has not", async () => {
    await Promise.all([north.worker?.stop("SIGKILL"), north.node?.stop("SIGKILL")])
    const waiting = await request(alone() + 500, 3_000)
    const from = both() + 500
    const { clip, job: made } = await get(from, 3_000)
    expect(made.node).toBe("south")
    await shows(clip, south, from, 3_000)
    expect(await job(waiting.id)).toMatchObject({ state: "queued", attempts: 0, lastFailure: null })
    await startNode(north)
    await startWorker(north)
    const found = await done(waiting.id)
    expect(found.node).toBe("north")
    await shows(found.clip, north, alone() + 500, 3_000)
  }, 60_000)

  it("a node that is dead beside a worker that lives holds up nothing that its mirror has", async () => {
    await north.node?.stop("SIGKILL")
    // Both workers are asked at once, several times: some would come to north.
    const windows = [0, 200, 400, 600].map((ms) => both() + 200 + ms)
    const jobs = await Promise.all(windows.map((from) => request(from, 2_000)))
    for (const { id } of jobs) expect((await done(id, 40_000)).node).toBe("south")
    await startNode(north)
  }, 90_000)

  it("a bucket that is down for a minute, with a manager that restarts and a worker that is killed, costs no clip", async () => {
    await bucket.down()
    const since = performance.now()
    const passed = (ms: number) =>
      new Promise((resolve) => setTimeout(resolve, Math.max(0, since + ms - performance.now())))
    const before = objects()
    const windows = [
      [north, alone() + 1_000],
      [south, after() + 1_000]
    ] as const
    const jobs = await Promise.all(windows.map(([, from]) => request(from, 3_000)))
    await eventually("both are tried", async () => {
      const found = await Promise.all(jobs.map(({ id }) => job(id)))
      return found.every(({ state }) => state === "uploading")
    })
    await passed(15_000)
    // Not even told that it ends.
    await manager.stop("SIGKILL")
    await passed(20_000)
    manager = await startManager({ data: data.path, port: managerPort })
    await passed(25_000)
    await north.worker?.stop("SIGKILL")
    await startWorker(north)
    await passed(60_000)
    expect(objects()).toEqual(before)
    await bucket.up()
    for (const [i, { id }] of jobs.entries()) {
      const [site, from] = windows[i] ?? [north, 0]
      const found = await done(id, 60_000)
      expect(found.node).toBe(site.id)
      await shows(found.clip, site, from, 3_000)
      expect(objects(id)).toEqual([`recordings/${found.clip.filename}`])
    }
  }, 180_000)

  it("a window that neither has fails, when both were asked", async () => {
    const found = await ended((await request(north.recorded.start - 3_600_000, 2_000)).id)
    expect(found.state).toBe("failed")
    expect(found.lastFailure?.reason).toBe("NothingRecorded")
  })

  it("nothing is lost, and nothing is there twice", async () => {
    const jobs = await manager.json<ReadonlyArray<Job>>("/playback/jobs")
    expect(jobs.filter(({ state }) => state !== "done").map(({ state }) => state)).toEqual(["failed"])
    expect(objects()).toEqual(jobs.flatMap(({ clip }) => (clip === null ? [] : [`recordings/${clip.filename}`])).sort())
    expect(new Set(jobs.map(({ node }) => node))).toEqual(new Set(["north", "south", null]))
  })
})
