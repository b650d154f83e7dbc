/** Clips by `manager`, from the hooks of a segment to the record of the clip: real sockets, real state, real storage. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Hono } from "hono"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { sqlite } from "../../../src/adapters/node/SqliteState.js"
import {
  type Clip,
  type ClipJob,
  ClipTimeout,
  ClipUnavailable,
  Disposed,
  InvalidClipRequest,
  type Manager,
  type ManagerOptions,
  manager,
  NoStorage,
  ObjectStorageError,
  PlaybackJobConflict,
  PlaybackJobNotFound,
  path,
  type StateLayer,
  memory as stateInMemory
} from "../../../src/hono.js"
import * as ClipState from "../../../src/services/ClipState.js"
import { filesystem, memory, s3 } from "../../../src/storage.js"
import { bearer, capture, hookCall, KEY, listen } from "./Serve.js"

const config = {
  paths: {
    cam: path({
      record: true,
      recordPath: "/recordings/%path/%Y-%m-%d_%H-%M-%S-%f",
      recordPartDuration: "1s",
      // The recordings of these tests are old.
      recordDeleteAfter: "0s"
    }),
    yard: path("yard/north", {})
  }
}
const window = { start: "2026-01-31T12:00:02Z", duration: 5_000 }
/** For what follows by itself, on a machine that has other things to do as well. */
const PATIENCE = { timeout: 10_000, interval: 10 }
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A folder until the end of the test. */
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "mtx-clips-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** What comes to be known of a promise that rejects. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => assert.fail(`it should have rejected, and resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error
  )

type Options = Partial<ManagerOptions<typeof config.paths>> & { readonly mount?: string }

/** A manager on a socket, whose address is known before it is made; made again by `restart`. */
const site = async ({ mount = "", ...options }: Options = {}) => {
  const log = capture()
  const host: { app: Pick<Hono, "fetch"> } = { app: new Hono() }
  const { url } = await listen({ fetch: (request, ...rest) => host.app.fetch(request, ...rest) })
  const base = `${url}${mount}`
  const start = (more: Options = {}) => {
    const mtx = manager({ base, key: KEY, config, storage: memory(), logger: log.layer, ...options, ...more })
    host.app = mount === "" ? mtx : new Hono().route(mount, mtx)
    onTestFinished(() => mtx.dispose())
    return mtx
  }
  let current = start()

  /** A node of this name: its token, from its config, and what is done with it. */
  const node = async (id: string) => {
    const yaml = await (await fetch(`${base}/?node=${id}`, { headers: bearer() })).text()
    const token = /Bearer ([A-Za-z0-9_-]{43})/.exec(yaml)?.[1]
    assert.isDefined(token)
    const headers = bearer(token)
    const hook = async (form: string) =>
      assert.strictEqual((await fetch(`${base}/hooks?node=${id}`, hookCall(form, headers))).status, 204)
    /** Ten seconds, from noon on. */
    const records = async (second = 0) => {
      const file = `/recordings/cam/2026-01-31_12-00-${String(second).padStart(2, "0")}-000000.mp4`
      await hook(`event=record_segment_create&path=cam&raw_segment_path=${file}`)
      await hook(`event=record_segment_complete&path=cam&segment_duration=10&raw_segment_path=${file}`)
    }
    const lease = (wait = 10) => fetch(`${base}/playback/jobs?node=${id}&wait=${wait}`, { headers })
    /** The next job, which must be there. */
    const take = async () => {
      const reply = await lease()
      assert.strictEqual(reply.status, 200, await reply.clone().text())
      return reply.json()
    }
    const report = (job: { readonly id: string; readonly token: number }, what: Readonly<Record<string, unknown>>) =>
      fetch(`${base}/playback/jobs/${job.id}?node=${id}`, {
        method: "PUT",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ token: job.token, ...what })
      })
    /** Does the next job as a worker would. */
    const serves = async (bytes: Uint8Array<ArrayBuffer>, gaps: ReadonlyArray<unknown> = []) => {
      const job = await take()
      const progress = { status: "progress", phase: "uploading", bytes: 0, total: bytes.length }
      assert.strictEqual((await report(job, progress)).status, 200)
      const put = await fetch(job.upload.url, { method: "PUT", headers: job.upload.headers, body: bytes })
      assert.strictEqual(put.status, 200, await put.text())
      const done = await report(job, { status: "done", size: bytes.length, duration: job.duration, gaps })
      assert.strictEqual(done.status, 200, await done.text())
      return job
    }
    const fails = async (reason: string) =>
      assert.strictEqual(
        (await report(await take(), { status: "failed", reason, message: "as the test wants it" })).status,
        200
      )
    return { records, lease, take, report, serves, fails }
  }
  return {
    base,
    log,
    node,
    get mtx() {
      return current
    },
    restart: async (more?: Options) => {
      await current.dispose()
      current = start(more)
    }
  }
}

const file = new Uint8Array(100_024).map((_, i) => i % 251)

const states: ReadonlyArray<readonly [name: string, state: () => StateLayer]> = [
  ["memory", () => stateInMemory()],
  ["sqlite", () => sqlite({ file: join(folder(), "manager.db") })]
]

describe.each(states)("clips, with state in %s", (_, state) => {
  it("come from a segment's hooks, by a worker with the node's token, as the promised record", async () => {
    const { base, log, mtx, node } = await site({ state: state() })
    const north = await node("north")
    await north.records()
    const asked = mtx.playback.get("cam", { start: new Date(window.start), duration: 5_000 })
    const job = await north.serves(file)
    assert.deepInclude(job, { node: "north", path: "cam", duration: 5_000, format: "mp4", attempt: 1 })

    const clip = await asked
    assert.match(clip.id, UUID_V7)
    const { download, ...record } = clip
    assert.deepStrictEqual<Omit<Clip, "download">>(record, {
      id: job.id,
      duration: 5_000,
      start: "2026-01-31T12:00:02.000Z",
      end: "2026-01-31T12:00:07.000Z",
      size: 100_024,
      bucket: "memory",
      filename: `${job.id}.mp4`,
      mime: "video/mp4",
      url: `${base}/storage/recordings/${job.id}.mp4`,
      gaps: []
    })
    assert.hasAllKeys(download, ["url", "expiresAt"])
    assert.strictEqual(new Date(download.expiresAt).toISOString(), download.expiresAt)
    assert.deepStrictEqual(new Uint8Array(await (await fetch(download.url)).arrayBuffer()), file)
    // Without the signature it does not open.
    assert.strictEqual((await fetch(clip.url)).status, 403)

    // The same window is the same job, however its start is said.
    const again = await mtx.playback.get("cam", { start: Date.parse(window.start), duration: 5_000 })
    assert.strictEqual(again.id, clip.id)
    assert.deepInclude(await mtx.playback.status(clip.id), { state: "done", path: "cam", node: "north", attempts: 0 })
    assert.deepStrictEqual(
      log.lines.filter((line) => !line.startsWith("INFO") && !line.startsWith("DEBUG")),
      []
    )
  })

  it("have gaps, and so have spans", async () => {
    const { mtx, node } = await site({ state: state() })
    const north = await node("north")
    await north.records(0)
    await north.records(20)
    const timeline = await vi.waitUntil(async () => {
      const found = await mtx.playback.spans("cam", { from: "2026-01-31T12:00:00Z", to: new Date("2026-01-31T12:01Z") })
      return found.spans.length === 2 ? found : undefined
    }, PATIENCE)
    const span = (from: number, to: number) => ({
      start: `2026-01-31T12:00:${String(from).padStart(2, "0")}.000Z`,
      end: `2026-01-31T12:00:${to}.000Z`
    })
    const spans = [
      { ...span(0, 10), open: false },
      { ...span(20, 30), open: false }
    ]
    assert.deepStrictEqual(timeline, {
      path: "cam",
      from: "2026-01-31T12:00:00.000Z",
      to: "2026-01-31T12:01:00.000Z",
      spans: spans.map((each) => ({ ...each, nodes: ["north"] })),
      gaps: [span(10, 20), { start: "2026-01-31T12:00:30.000Z", end: "2026-01-31T12:01:00.000Z" }],
      nodes: [{ node: "north", spans }]
    })
    assert.deepInclude(await mtx.playback.spans("yard/north"), { from: null, to: null, spans: [] })

    const asked = mtx.playback.get("cam", { start: "2026-01-31T12:00:05Z", duration: 20_000 })
    await north.serves(file, [span(10, 20)])
    assert.deepInclude(await asked, { duration: 10_000, gaps: [span(10, 20)] })
  })

  it("are given up by who waits, and made all the same", async () => {
    const { mtx, node } = await site({ state: state() })
    const north = await node("north")
    await north.records()
    const late = await rejection(mtx.playback.get("cam", { ...window, timeout: 20 }))
    assert.instanceOf(late, ClipTimeout)
    assert.match(late.message, /20ms/)
    const id = late.id ?? assert.fail("there is a job")
    assert.deepInclude(await mtx.playback.status(id), { state: "queued", clip: null })

    const controller = new AbortController()
    const { signal } = controller
    const left = rejection(mtx.playback.get("cam", { ...window, signal }))
    const stays = mtx.playback.get("cam", { ...window, timeout: "1 minute" })
    controller.abort()
    const aborted = await left
    assert.instanceOf(aborted, DOMException)
    assert.strictEqual(aborted.name, "AbortError")
    const mine = new Error("enough")
    const other = { start: "2026-01-31T12:00:03Z", duration: 1_000 }
    assert.strictEqual(
      await rejection(mtx.playback.get("cam", { ...other, signal: AbortSignal.abort(mine) })),
      mine,
      "as fetch does"
    )

    const job = await north.serves(file)
    assert.strictEqual(job.id, id)
    assert.strictEqual((await stays).id, id)
    // Who was gone before he asked has asked for nothing.
    assert.strictEqual((await north.lease(0)).status, 204)
  })

  it("that failed or were cancelled say so, and can be put back", async () => {
    const { mtx, node } = await site({ state: state() })
    const north = await node("north")
    await north.records()
    const asked = rejection(mtx.playback.get("cam", window))
    await north.fails("NothingRecorded")
    const failed = await asked
    assert.instanceOf(failed, ClipUnavailable)
    assert.strictEqual(failed.reason, "failed")
    assert.include(failed.message, "as the test wants it")
    const { id } = failed
    const status = await mtx.playback.status(id)
    assert.deepInclude(status, { state: "failed", clip: null })
    assert.deepInclude(status?.lastFailure, { reason: "NothingRecorded", node: "north" })

    assert.deepInclude(await mtx.playback.retry(id), { id, state: "queued" })
    const waiting = rejection(mtx.playback.get("cam", window))
    assert.deepInclude(await mtx.playback.cancel(id), { id, state: "cancelled" })
    const cancelled = await waiting
    assert.instanceOf(cancelled, ClipUnavailable)
    assert.strictEqual(cancelled.reason, "cancelled")

    await mtx.playback.retry(id)
    const served = mtx.playback.get("cam", window)
    await north.serves(file)
    assert.strictEqual((await served).id, id)
    assert.instanceOf(await rejection(mtx.playback.retry(id)), PlaybackJobConflict)
    assert.instanceOf(await rejection(mtx.playback.cancel(id)), PlaybackJobConflict)
    const unknown = "01930000-0000-7000-8000-000000000000"
    assert.isUndefined(await mtx.playback.status(unknown))
    assert.isUndefined(await mtx.playback.status("no id"))
    assert.instanceOf(await rejection(mtx.playback.cancel(unknown)), PlaybackJobNotFound)
    assert.instanceOf(await rejection(mtx.playback.retry("no id")), PlaybackJobNotFound)
  })

  it("tell subscribers of each step, whatever those do", async () => {
    const { log, mtx, node } = await site({ state: state() })
    const steps: Array<string> = []
    const jobs: Array<ClipJob> = []
    let finished = () => {}
    const end = new Promise<void>((resolve) => {
      finished = resolve
    })
    // Before it stands: what comes after is heard.
    const first = mtx.playback.subscribe((job) => {
      jobs.push(job)
      steps.push(job.state)
      if (job.state === "done") finished()
    })
    mtx.playback.subscribe(() => {
      throw new Error("a bad guest")
    })
    mtx.playback.subscribe(() => assert.fail("not after it left")).unsubscribe()
    const north = await node("north")
    await north.records()
    const { id } = await mtx.playback.request("cam", window)
    await north.serves(file)
    await end
    assert.deepStrictEqual(steps, ["queued", "leased", "uploading", "done"])
    assert.deepStrictEqual(new Set(jobs.map((job) => job.id)), new Set([id]))
    assert.deepInclude(jobs[2], { sent: 0, total: file.length, node: "north" })
    assert.strictEqual(jobs[3]?.clip?.size, file.length)
    await vi.waitFor(() => assert.include(log.lines.join("\n"), "a bad guest"), PATIENCE)

    first.unsubscribe()
    first.unsubscribe()
    const heard = new Promise<ClipJob>((resolve) => mtx.playback.subscribe(resolve))
    const next = await mtx.playback.request("cam", { ...window, duration: 1_000, priority: 3, format: "fmp4" })
    assert.deepStrictEqual(await heard, next)
    assert.deepInclude(next, { state: "queued", priority: 3, format: "fmp4" })
    assert.strictEqual(steps.length, 4)
  })
})

describe("manager with storage", () => {
  it("keeps recordings, jobs and clips over restarts", async () => {
    const data = folder()
    const here = await site({
      state: sqlite({ file: join(data, "manager.db") }),
      storage: filesystem({ folder: join(data, "clips") })
    })
    const north = await here.node("north")
    await north.records()
    const before = here.mtx
    const { id } = await before.playback.request("cam", window)
    const waiting = rejection(before.playback.get("cam", window))
    await here.restart()
    assert.instanceOf(await waiting, Disposed)
    assert.instanceOf(await rejection(before.playback.get("cam", window)), Disposed)

    assert.deepInclude(await here.mtx.playback.status(id), { id, state: "queued" })
    assert.lengthOf((await here.mtx.playback.spans("cam")).spans, 1)
    const asked = here.mtx.playback.get("cam", window)
    await north.serves(file)
    const clip = await asked
    assert.strictEqual(clip.id, id)

    await here.restart()
    const { download, ...record } = await here.mtx.playback.get("cam", window)
    const { download: old, ...known } = clip
    assert.deepStrictEqual(record, known)
    // What was signed before opens still.
    for (const { url } of [download, old]) assert.strictEqual((await fetch(url)).status, 200)
    assert.deepStrictEqual(
      here.log.lines.filter((line) => line.startsWith("ERROR")),
      []
    )
  })

  it("forgets recordings when the node has deleted them, as the config says", async () => {
    const days = (recordDeleteAfter: string) => ({
      paths: { ...config.paths, cam: path({ ...config.paths.cam.config, recordDeleteAfter }) }
    })
    const here = await site({ state: sqlite({ file: join(folder(), "manager.db") }), config: days("100000d") })
    await (await here.node("north")).records()
    assert.lengthOf((await here.mtx.playback.spans("cam")).spans, 1)
    await here.restart()
    assert.lengthOf((await here.mtx.playback.spans("cam")).spans, 1)
    await here.restart({ config: days("14d") })
    await vi.waitFor(async () => assert.deepStrictEqual((await here.mtx.playback.spans("cam")).spans, []), PATIENCE)
    const reply = await fetch(`${here.base}/recordings?path=cam`, { headers: bearer() })
    assert.deepInclude(await reply.json(), { spans: [], gaps: [], nodes: [] })
  })

  it("takes uploads below the path that it is mounted under", async () => {
    const { base, mtx, node } = await site({ mount: "/mtx" })
    const north = await node("north")
    await north.records()
    const asked = mtx.playback.get("cam", window)
    const job = await north.serves(file)
    assert.isTrue(job.upload.url.startsWith(`${base}/storage/recordings/`))
    const { download, size } = await asked
    assert.strictEqual((await (await fetch(download.url)).arrayBuffer()).byteLength, size)
  })

  it("lets whoever has the key ask and work, and asks `auth` as well where there is one", async () => {
    const open = await site()
    const ask = (base: string) =>
      fetch(`${base}/playback/requests`, {
        method: "POST",
        headers: { ...bearer(), "content-type": "application/json" },
        body: JSON.stringify({ path: "cam", ...window })
      })
    assert.strictEqual((await ask(open.base)).status, 202)
    assert.strictEqual((await (await open.node("north")).lease(0)).status, 200)
    assert.strictEqual((await fetch(`${open.base}/playback/jobs?node=north&wait=0`)).status, 401)

    const asked: Array<readonly [action: string, path: string, node: string, ip: string]> = []
    const strict = await site({
      mount: "/mtx",
      auth: ({ action, actor, payload }) => {
        asked.push([action, payload.path, actor.node, actor.ip])
        return action === "playback.worker" && actor.node === "north"
      }
    })
    assert.strictEqual((await ask(strict.base)).status, 403)
    assert.strictEqual((await (await strict.node("north")).lease(0)).status, 204)
    assert.strictEqual((await (await strict.node("south")).lease(0)).status, 403)
    assert.deepStrictEqual(asked, [
      ["playback.request", "cam", "", "127.0.0.1"],
      ["playback.worker", "", "north", "127.0.0.1"],
      ["playback.worker", "", "south", "127.0.0.1"]
    ])
    // The program itself is not asked.
    assert.deepInclude(await strict.mtx.playback.request("cam", window), { state: "queued" })
  })

  it("says what is wrong with a request, and makes no job of it", async () => {
    const { mtx } = await site()
    const heard: Array<unknown> = []
    await mtx.ready()
    mtx.playback.subscribe((job) => heard.push(job))
    // What JavaScript may say.
    const anyPath: Manager = mtx
    for (const [name, options, wrong] of [
      ["cam", { start: "yesterday", duration: 1_000 }, /start is "yesterday"/],
      ["cam", { start: new Date(Number.NaN), duration: 1_000 }, /start is "Invalid Date"/],
      ["cam", { ...window, duration: 0 }, /^duration: .*from 1 to/],
      ["cam", { ...window, duration: 1.5 }, /^duration: /],
      ["cam", { ...window, priority: 1_000 }, /^priority: /],
      ["../cam", window, /^path: .*"\.\.\/cam"/],
      ["", { ...window, duration: -1 }, /^path: .*; duration: /]
    ] as const) {
      const error = await rejection(anyPath.playback.get(name, options))
      assert.instanceOf(error, InvalidClipRequest)
      assert.match(error.message, wrong)
    }
    for (const [name, between, wrong] of [
      ["cam", { from: "then" }, /^from is "then"/],
      ["cam", { to: Number.NaN }, /^to is "NaN"/],
      ["cam", { from: window.start, to: window.start }, /^to: .*not after from/],
      ["/cam", {}, /^path: "\/cam"/]
    ] as const) {
      const error = await rejection(anyPath.playback.spans(name, between))
      assert.instanceOf(error, InvalidClipRequest)
      assert.match(error.message, wrong)
    }
    assert.deepInclude(await anyPath.playback.spans("nobody/records/this"), { spans: [], gaps: [], nodes: [] })
    // Whatever came of the others would have come before this one.
    const { id } = await mtx.playback.request("cam", window)
    await vi.waitFor(() => assert.deepInclude(heard[0], { id }), PATIENCE)
  })

  it("takes storage from the environment of the first request", async () => {
    const app = manager({
      base: "https://manager.test",
      key: KEY,
      config,
      storage: (env: { readonly BUCKET: string }) => memory({ bucket: env.BUCKET, prefix: "clips/" })
    })
    onTestFinished(() => app.dispose())
    const yaml = await (await app.request("/?node=north", { headers: bearer() }, { BUCKET: "mine" })).text()
    const headers = bearer(/Bearer ([A-Za-z0-9_-]{43})/.exec(yaml)?.[1])
    const { id } = await app.playback.request("cam", window)
    const done = await rejection(app.playback.get("cam", { ...window, timeout: 0 }))
    assert.deepInclude(done, { _tag: "ClipTimeout" })
    const segment = "/recordings/cam/2026-01-31_12-00-00-000000.mp4"
    await app.request(
      "/hooks?node=north",
      hookCall(`event=record_segment_complete&path=cam&segment_duration=10&raw_segment_path=${segment}`, headers)
    )
    const job = await (await app.request("/playback/jobs?node=north&wait=10", { headers })).json()
    assert.strictEqual(job.id, id)
    assert.isTrue(job.upload.url.startsWith(`https://manager.test/storage/clips/${id}.mp4?`))
    assert.strictEqual(
      (await app.request(job.upload.url, { method: "PUT", headers: job.upload.headers, body: file })).status,
      200
    )
    const report = { token: job.token, status: "done", size: file.length, duration: 5_000, gaps: [] }
    const asked = app.playback.get("cam", window)
    await app.request(`/playback/jobs/${id}?node=north`, {
      method: "PUT",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(report)
    })
    assert.deepInclude(await asked, { id, bucket: "mine", url: `https://manager.test/storage/clips/${id}.mp4` })
  })

  it("takes storage from the environment that ready is given, for programs that ask before any request", async () => {
    const bucket: Array<string> = []
    const app = manager({
      base: "https://manager.test",
      key: KEY,
      config,
      storage: (env: { readonly BUCKET: string }) => {
        bucket.push(env.BUCKET)
        return memory()
      }
    })
    onTestFinished(() => app.dispose())
    assert.deepStrictEqual(bucket, [])
    await app.ready({ BUCKET: "mine" })
    assert.deepInclude(await app.playback.request("cam", window), { state: "queued" })
    assert.strictEqual((await app.request("/healthz", {}, { BUCKET: "another" })).status, 200)
    assert.deepStrictEqual(bucket, ["mine"])
  })

  it("does not start over a storage that is set up wrongly", async () => {
    const { mtx } = await site({
      storage: s3({
        endpoint: "no url",
        bucket: "clips",
        credentials: { accessKeyId: "id", secretAccessKey: "secret" }
      })
    })
    const error = await rejection(mtx.ready())
    assert.instanceOf(error, ObjectStorageError)
    assert.strictEqual(error.reason, "Misconfigured")
    assert.throws(() => manager({ base: "https://manager.test", key: KEY, config, timeZone: "Middle/Earth" }), /Earth/)
  })

  it("keeps jobs in memory, and says so, where a state of one's own knows nothing of clips", async () => {
    const state: StateLayer = Layer.map(stateInMemory(), Context.omit(ClipState.ClipState))
    const { log, mtx } = await site({ state })
    assert.deepInclude(await mtx.playback.request("cam", window), { state: "queued" })
    assert.include(log.lines.join("\n"), "WARN clip jobs are kept in memory")
  })
})

describe("manager without storage", () => {
  it("has no clips, by program and over HTTP", async () => {
    const app = manager({ base: "https://manager.test", key: KEY, config })
    onTestFinished(() => app.dispose())
    for (const asked of [
      app.playback.get("cam", window),
      app.playback.request("cam", window),
      app.playback.status("01930000-0000-7000-8000-000000000000"),
      app.playback.spans("cam")
    ]) {
      assert.instanceOf(await rejection(asked), NoStorage)
    }
    app.playback.subscribe(() => undefined).unsubscribe()
    for (const route of ["/playback/jobs", "/recordings/paths", "/storage/recordings/x.mp4"]) {
      const reply = await app.request(route, { headers: bearer() })
      assert.strictEqual(reply.status, 404, route)
      assert.deepInclude(await reply.json(), { _tag: "NotFound" })
    }
  })
})
