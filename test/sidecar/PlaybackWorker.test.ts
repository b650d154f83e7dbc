/** The worker against a MediaMTX, a manager and a storage that do what the real ones do on bad days. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { NodeId } from "../../src/services/NodeId.js"
import * as Health from "../../src-sidecar/playback/Health.js"
import { fromEnvironment, type Settings } from "../../src-sidecar/playback/Settings.js"
import * as Worker from "../../src-sidecar/playback/Worker.js"
import { json, openSite, type Site } from "./support/Site.js"
import { type SyntheticTrack, syntheticMp4 } from "./support/SyntheticMp4.js"

const START = Date.parse("2026-01-31T12:00:00Z")
const TOKEN = 7

const folders: Array<string> = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const tracks = (seconds: number): ReadonlyArray<SyntheticTrack> => [
  {
    handler: "vide",
    codec: "avc1",
    timeScale: 90_000,
    each: 3_600,
    samples: seconds * 25,
    size: 400,
    gop: 50
  }
]

const setup = Effect.gen(function* () {
  const site = yield* Effect.acquireRelease(
    Effect.promise(() => openSite()),
    (site) => Effect.promise(() => site.close())
  )
  const spool = mkdtempSync(join(tmpdir(), "mtx-worker-"))
  folders.push(spool)
  const settings: Settings = {
    url: site.url,
    key: Redacted.make("k3y"),
    node: NodeId.make("n1"),
    mediamtxUrl: site.url,
    mediamtxUser: "u",
    mediamtxPassword: Redacted.make("p"),
    spool,
    spoolLimit: 10_000_000,
    concurrency: 1,
    settle: 200,
    logLevel: "error"
  }
  return { site, settings }
})

const offer = (site: Site, over: Readonly<Record<string, unknown>> = {}) => {
  site.jobs.push({
    id: "019b28eb-1ae2-766c-8d00-e12570bb3070",
    node: "n1",
    path: "cam/1",
    start: new Date(START).toISOString(),
    duration: 10_000,
    format: "mp4",
    attempt: 1,
    token: TOKEN,
    leaseMillis: 1_000,
    upload: {
      method: "PUT",
      url: new URL("/upload/clip?signature=s3cret", site.url).href,
      headers: { "content-type": "video/mp4" },
      expiresAt: new Date(START + 1e11).toISOString()
    },
    ...over
  })
}
/** Spans as `/list` tells them: seconds from the window's start. */
const holds =
  (...spans: ReadonlyArray<readonly [from: number, seconds: number]>): Site["list"] =>
  (_request, response) =>
    json(
      response,
      spans.map(([from, seconds]) => ({
        start: new Date(START + from * 1000).toISOString().replace("Z", "250Z"),
        duration: seconds,
        url: "http://evil.invalid/get"
      }))
    )
/** Cuts as long as they are asked for. */
const cuts: Site["get"] = (_request, response, url) => {
  response.writeHead(200, { "content-type": "video/mp4" })
  response.end(syntheticMp4(tracks(Math.round(Number(url.searchParams.get("duration"))))))
}

const spooled = ({ spool }: Settings) => readdirSync(spool).filter((name) => !name.startsWith("health."))

const quiet = Logger.replace(Logger.defaultLogger, Logger.none)
const start = (settings: Settings) => Effect.fork(Effect.provide(Worker.run(settings), Layer.fresh(quiet)))
const reported = (site: Site, status: "done" | "failed" | "released" | "progress") =>
  Effect.promise(() => site.reported(status)).pipe(
    Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => site.reports })
  )
const count = (site: Site, route: string) => site.asked.filter((asked) => asked.route.startsWith(route)).length

// Sockets and files take real time.
const test = (name: string, body: Effect.Effect<void, unknown, import("effect/Scope").Scope>) =>
  it.scopedLive(`${name} (in real time)`, () => body)

describe("the playback worker", () => {
  test(
    "cuts, joins, uploads with a length, and reports",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-30, 34], [6, 50])
      site.get = cuts
      offer(site)
      yield* start(settings)
      const done = yield* reported(site, "done")
      const [upload] = site.uploads
      assert.strictEqual(site.uploads.length, 1)
      assert.strictEqual(upload?.headers["content-length"], String(upload?.body.length))
      assert.strictEqual(upload?.headers["content-type"], "video/mp4")
      assert.isUndefined(upload?.headers["authorization"])
      assert.deepInclude(done, { token: TOKEN, size: upload?.body.length, duration: 8_000 })
      const gaps = "gaps" in done ? done.gaps : []
      assert.strictEqual(gaps.length, 1)

      const asked = site.asked.filter(({ route }) => route === "GET /get").map(({ url }) => url.searchParams)
      assert.deepStrictEqual(
        asked.map((params) => [params.get("path"), params.get("start"), params.get("format")]),
        [
          ["cam/1", "2026-01-31T12:00:00.000000Z", "mp4"],
          ["cam/1", "2026-01-31T12:00:06.000250Z", "mp4"]
        ]
      )
      assert.closeTo(Number(asked[0]?.get("duration")), 4.00025, 1e-9)
    })
  )

  test(
    "a cut that broke off is fetched anew",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      let tries = 0
      site.get = (_request, response) => {
        const whole = syntheticMp4(tracks(10))
        response.writeHead(200, { "content-type": "video/mp4" })
        // A chunked body that ends in good order, as MediaMTX's does when it fails.
        response.end(tries++ < 2 ? whole.subarray(0, whole.length - 1_000 * tries) : whole)
      }
      offer(site)
      yield* start(settings)
      yield* reported(site, "done")
      assert.strictEqual(tries, 3)
    })
  )

  test(
    "a cut is uploaded while it comes in; what broke off in the middle is no object",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      const whole = syntheticMp4(tracks(10))
      let resolve = () => {}
      const begun = new Promise<void>((done) => {
        resolve = done
      })
      const broken: Array<boolean> = []
      site.beforeBody = (request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => {
          chunks.push(chunk)
          resolve()
        })
        request.on("error", () => broken.push(true))
        request.on("end", () => {
          site.uploads.push({ target: site.url, headers: request.headers, body: Buffer.concat(chunks) })
          response.end()
        })
      }
      let tries = 0
      site.get = (_request, response) => {
        response.write(whole.subarray(0, whole.length / 2))
        const first = tries++ === 0
        // Only once some of it has been uploaded.
        void begun.then(() => (first ? response.end() : response.end(whole.subarray(whole.length / 2))))
      }
      offer(site)
      yield* start(settings)
      const done = yield* reported(site, "done")
      assert.strictEqual(tries, 2)
      assert.deepStrictEqual(broken, [true])
      assert.strictEqual(site.uploads.length, 1)
      assert.strictEqual("size" in done ? done.size : undefined, site.uploads[0]?.body.length)
    })
  )

  test(
    "a cut that is broken each time is a failure",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = (_request, response) => response.end("this is no film")
      offer(site)
      yield* start(settings)
      assert.deepInclude(yield* reported(site, "failed"), { token: TOKEN, reason: "Truncated" })
      assert.strictEqual(count(site, "PUT /upload"), 0)
      assert.deepStrictEqual(spooled(settings), [])
    })
  )

  test(
    "MediaMTX that can't read a segment right now is asked again",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      let tries = 0
      const list = holds([-5, 60])
      site.list = (request, response, url) =>
        tries++ < 2 ? json(response, { status: "error", error: "EOF" }, 500) : list(request, response, url)
      site.get = cuts
      offer(site)
      yield* start(settings)
      yield* reported(site, "done")
      assert.strictEqual(tries, 3)
    })
  )

  test(
    "a shorter cut than was listed is a gap at its end",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = (_request, response) => response.end(syntheticMp4(tracks(6)))
      offer(site)
      yield* start(settings)
      const done = yield* reported(site, "done")
      assert.deepInclude(done, {
        duration: 6_000,
        gaps: [{ start: START + 6_000, end: START + 10_000 }]
      })
    })
  )

  test(
    "a path that never recorded, and one that says so by 404, have nothing recorded",
    Effect.gen(function* () {
      for (const [status, error] of [
        [404, "no recording segments found"],
        [400, "lstat /rec/cam: no such file or directory"]
      ] as const) {
        const { settings, site } = yield* setup
        site.list = (_request, response) => json(response, { status: "error", error }, status)
        offer(site)
        yield* start(settings)
        const failed = yield* reported(site, "failed")
        assert.deepInclude(failed, { reason: "NothingRecorded" })
        assert.notInclude("message" in failed ? failed.message : "", "/rec/")
      }
    })
  )

  test(
    "a recording that can't be cut, and one that may not, are failures with a reason",
    Effect.gen(function* () {
      for (const [status, error, words, final] of [
        [500, "MPEG-TS format is not supported yet", "recordFormat fmp4", true],
        [401, "authentication error", "denied", false]
      ] as const) {
        const { settings, site } = yield* setup
        site.list = (_request, response) => json(response, { status: "error", error }, status)
        offer(site)
        yield* start(settings)
        const failed = yield* reported(site, "failed")
        assert.deepInclude(failed, { reason: "WorkerError", final })
        assert.include("message" in failed ? failed.message : "", words)
      }
    })
  )

  test(
    "a lease that was lost ends the work: nothing is uploaded",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      const stalled = new Promise<void>((resolve) => {
        site.get = (_request, response) => {
          response.writeHead(200)
          response.on("close", resolve)
        }
      })
      site.report = (_report, response) => json(response, { _tag: "LeaseLost", message: "another has it" }, 409)
      offer(site)
      yield* start(settings)
      yield* Effect.promise(() => stalled)
      assert.deepStrictEqual(
        site.reports.map(({ status }) => status),
        ["progress"]
      )
      assert.strictEqual(count(site, "PUT /upload"), 0)
    })
  )

  test(
    "a manager that is away for a while does not stop the work",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      let failures = 0
      site.report = (report, response) =>
        report.status === "done" && failures++ < 3
          ? response.destroy()
          : json(response, { leaseMillis: report.status === "done" ? 0 : 20_000 })
      offer(site)
      yield* start(settings)
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => failures === 4 })
      assert.strictEqual(site.uploads.length, 1)
    })
  )

  test(
    "stopped, it gives the job back; what it had fetched is not fetched again",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      const uploading = new Promise<void>((resolve) => {
        site.beforeBody = (request) => {
          request.pause()
          resolve()
        }
      })
      offer(site)
      const first = yield* start(settings)
      yield* Effect.promise(() => uploading)
      // The upload begins while the cut is still coming in.
      yield* Effect.repeat(Effect.sleep("10 millis"), {
        until: () => spooled(settings).some((name) => name.endsWith(".mp4"))
      })
      yield* Fiber.interrupt(first)
      assert.deepInclude(yield* reported(site, "released"), { token: TOKEN })
      assert.strictEqual(count(site, "GET /get"), 1)

      site.beforeBody = undefined
      offer(site, { token: TOKEN + 1, attempt: 1 })
      yield* start(settings)
      assert.deepInclude(yield* reported(site, "done"), { token: TOKEN + 1 })
      assert.strictEqual(count(site, "GET /get"), 1)
      // Once its report was answered.
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => spooled(settings).length === 0 })
    })
  )

  test(
    "a clip that does not fit into the spool fails, and leaves no room taken",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      offer(site)
      yield* start({ ...settings, spoolLimit: 50_000 })
      const failed = yield* reported(site, "failed")
      assert.include("message" in failed ? failed.message : "", "SPOOL_LIMIT")
      assert.deepInclude(failed, { final: true })
      assert.deepStrictEqual(spooled(settings), [])
    })
  )

  test(
    "a storage that is busy is tried again, one that refuses is not; signatures are not told",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      let tries = 0
      site.put = (_request, response) => {
        tries++
        if (tries < 3) response.writeHead(503).end("<Error><Code>SlowDown</Code></Error>")
        else
          response.writeHead(403).end("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
      }
      offer(site)
      yield* start(settings)
      const failed = yield* reported(site, "failed")
      assert.strictEqual(tries, 3)
      assert.deepInclude(failed, { reason: "StorageError" })
      const message = "message" in failed ? failed.message : ""
      assert.include(message, "expired")
      assert.notInclude(message, "s3cret")
    })
  )

  /** Parts of 40,000 bytes of the upload that the manager knows, which is another one when it is asked for another. */
  const inParts = (site: Site) => {
    const manager = { upload: "u1", asked: [] as Array<import("../../src/api/PlaybackWire.js").PartsRequest> }
    site.parts = (request, response) => {
      manager.asked.push(request)
      const count = Math.ceil(request.size / 40_000)
      json(response, {
        upload: manager.upload,
        partSize: 40_000,
        leaseMillis: 20_000,
        parts: request.parts
          .filter((partNumber) => partNumber <= count)
          .map((partNumber) => ({
            partNumber,
            method: "PUT",
            url: new URL(`/upload/${manager.upload}?part=${partNumber}`, site.url).href,
            headers: {},
            expiresAt: new Date(START + 1e11).toISOString()
          }))
      })
    }
    site.put = (_request, response, url) => {
      response.writeHead(200, { etag: `"${url.searchParams.get("part")}"` }).end()
    }
    return manager
  }
  const partsOf = (site: Site, upload: string) =>
    site.uploads
      .filter(({ target }) => target.pathname === `/upload/${upload}`)
      .map(({ body, target }) => ({ part: Number(target.searchParams.get("part")), body }))
      .sort((a, b) => a.part - b.part)

  test(
    "a large clip goes in parts, each of its length, and the report names them all",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-30, 34], [6, 50])
      site.get = cuts
      const manager = inParts(site)
      offer(site, { partsAbove: 50_000 })
      yield* start(settings)
      const done = yield* reported(site, "done")
      const sent = partsOf(site, "u1")
      assert.deepStrictEqual(
        sent.map(({ body }) => body.length),
        [40_000, 40_000, done.status === "done" ? done.size - 80_000 : 0]
      )
      assert.deepInclude(done, {
        upload: { id: "u1", parts: [1, 2, 3].map((partNumber) => ({ partNumber, etag: `"${partNumber}"` })) }
      })
      assert.deepStrictEqual(manager.asked, [
        { token: TOKEN, size: 80_000 + (sent[2]?.body.length ?? 0), parts: [1, 2, 3, 4, 5, 6, 7, 8] }
      ])
      // As when it goes in one piece.
      offer(site)
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => site.uploads.length === 4 })
      assert.isTrue(Buffer.concat(sent.map(({ body }) => body)).equals(site.uploads[3]?.body ?? Buffer.alloc(0)))
    })
  )

  test(
    "restarted in the middle of an upload in parts, it sends only what is missing",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      const manager = inParts(site)
      const stuck = new Promise<void>((resolve) => {
        const { put } = site
        site.put = (request, response, url) => {
          if (url.searchParams.get("part") !== "3") return put(request, response, url)
          // Two at a time: the first two are there when the third hangs and nothing else is on its way.
          resolve()
        }
      })
      offer(site, { partsAbove: 50_000 })
      const first = yield* start(settings)
      yield* Effect.promise(() => stuck)
      const noted = () =>
        readdirSync(settings.spool).some(
          (name) =>
            name.endsWith(".upload.json") &&
            JSON.parse(readFileSync(join(settings.spool, name), "utf8")).parts.length === 2
        )
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: noted })
      yield* Fiber.interrupt(first)
      assert.deepInclude(yield* reported(site, "released"), { token: TOKEN })
      assert.deepStrictEqual(
        partsOf(site, "u1").map(({ part }) => part),
        [1, 2, 3]
      )

      inParts(site)
      site.parts = ((ask) => (request, response) => {
        manager.asked.push(request)
        ask(request, response)
      })(site.parts)
      offer(site, { token: TOKEN + 1, partsAbove: 50_000 })
      yield* start(settings)
      const done = yield* reported(site, "done")
      assert.deepInclude(manager.asked.at(-1), { token: TOKEN + 1, upload: "u1", parts: [3] })
      assert.deepStrictEqual(
        partsOf(site, "u1").map(({ part }) => part),
        [1, 2, 3, 3]
      )
      assert.deepInclude(done, {
        upload: { id: "u1", parts: [1, 2, 3].map((partNumber) => ({ partNumber, etag: `"${partNumber}"` })) }
      })
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => spooled(settings).length === 0 })
    })
  )

  test(
    "an upload in parts that the storage has lost is begun anew, and one that it loses each time is a failure",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      site.list = holds([-5, 60])
      site.get = cuts
      const manager = inParts(site)
      const { parts, put } = site
      let gone = 1
      site.put = (request, response, url) => {
        if (url.searchParams.get("part") === "3" && gone-- > 0) {
          response.writeHead(404).end("<Error><Code>NoSuchUpload</Code></Error>")
        } else put(request, response, url)
      }
      site.parts = (request, response) => {
        if (request.upload === undefined) manager.upload = `u${manager.asked.length + 1}`
        parts(request, response)
      }
      offer(site, { partsAbove: 50_000 })
      yield* start(settings)
      const done = yield* reported(site, "done")
      assert.deepStrictEqual(
        manager.asked.map(({ upload }) => upload),
        [undefined, undefined]
      )
      assert.deepInclude(done, {
        upload: { id: "u2", parts: [1, 2, 3].map((partNumber) => ({ partNumber, etag: `"${partNumber}"` })) }
      })
      gone = Number.POSITIVE_INFINITY
      offer(site, { partsAbove: 50_000 })
      assert.deepInclude(yield* reported(site, "failed"), { reason: "StorageError" })
    })
  )

  test(
    "says how it is",
    Effect.gen(function* () {
      const { settings, site } = yield* setup
      assert.isFalse((yield* Health.read(settings.spool)).healthy)
      const health = yield* Health.make(settings.spool)
      yield* health.managerFailed("the key is wrong")
      const beat = yield* Effect.fork(health.beat)
      yield* Effect.repeat(Effect.sleep("10 millis"), {
        until: () => readdirSync(settings.spool).includes("health.json")
      })
      const bad = yield* Health.read(settings.spool)
      assert.isFalse(bad.healthy)
      assert.include(bad.text, "the key is wrong")
      yield* Fiber.interrupt(beat)
      yield* health.managerAnswered
      yield* Effect.fork(health.beat)
      yield* Effect.repeat(Health.read(settings.spool), { until: ({ healthy }) => healthy, times: 1_000 })
      assert.isTrue((yield* Health.read(settings.spool)).healthy)
      yield* Effect.promise(() => site.close())
    })
  )
})

describe("settings", () => {
  const good = { URL: "https://m.example/", KEY: "k", NODE: "n1", MEDIAMTX_URL: "http://u:p%40@mediamtx:9996" }

  it("has what the compose file gives", () => {
    const settings = Either.getOrThrow(fromEnvironment({ ...good, SPOOL_LIMIT: "500MiB", SETTLE: "1500ms" }))
    assert.strictEqual(settings.url.href, "https://m.example/")
    assert.strictEqual(settings.mediamtxUrl.href, "http://mediamtx:9996/")
    assert.strictEqual(settings.mediamtxUser, "u")
    assert.strictEqual(settings.mediamtxPassword && Redacted.value(settings.mediamtxPassword), "p@")
    assert.strictEqual(settings.spoolLimit, 500 * 1024 * 1024)
    assert.strictEqual(settings.settle, 1_500)
    assert.strictEqual(settings.concurrency, 2)
  })

  it("tells all that is wrong at once, and no secret", () => {
    const problems = Either.getLeft(
      fromEnvironment({ URL: "ftp://x", NODE: "-", KEY: "", SPOOL_LIMIT: "much", CONCURRENCY: "0" })
    )
    const text = problems._tag === "Some" ? problems.value.join("\n") : ""
    for (const name of ["URL", "KEY", "NODE", "MEDIAMTX_URL", "SPOOL_LIMIT", "CONCURRENCY"]) {
      assert.match(text, new RegExp(`^${name} is not `, "m"))
    }
    assert.notInclude(text, "much")
  })
})
