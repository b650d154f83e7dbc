/** Clips over HTTP: who may ask, who may work, and what both are told. Real queue, index and storage, in memory. */
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Draining } from "../../src/api/Draining.js"
import * as ManagerLayer from "../../src/api/ManagerLayer.js"
import * as WebHandler from "../../src/api/WebHandler.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import * as MemoryStorage from "../../src/services/ObjectStorage/MemoryStorage.js"
import * as Playback from "../../src/services/Playback.js"
import * as PlaybackQueue from "../../src/services/PlaybackQueue.js"
import * as Recordings from "../../src/services/Recordings.js"
import { ADMIN_KEY, KEY, node, services, tokenOf } from "./Fixture.js"

const BASE = "http://manager.test"
const START = Date.parse("2026-01-31T12:00:00Z")

class Asked extends Context.Tag("test/Asked")<
  Asked,
  { readonly requests: Array<AuthPolicy.AuthRequest>; denied: AuthPolicy.AuthRequest["action"] | undefined }
>() {}
const asked = Layer.sync(Asked, () => ({ requests: [], denied: undefined }))
const policy = Layer.effect(
  AuthPolicy.AuthPolicy,
  Effect.map(Asked, (asked) =>
    AuthPolicy.AuthPolicy.of({
      decide: (request) =>
        Effect.sync(() => {
          asked.requests.push(request)
          return request.action === asked.denied
            ? AuthPolicy.AuthDecision.Deny({ reason: "not today" })
            : AuthPolicy.AuthDecision.Allow({ reason: "test" })
        })
    })
  )
)

const clips = Playback.layer({ partsAbove: 100, partSize: 64 }).pipe(
  Layer.provideMerge(PlaybackQueue.layerMemory()),
  Layer.provideMerge(Recordings.layerMemory()),
  Layer.provideMerge(MemoryStorage.layer({ base: BASE, key: Redacted.make(KEY) }))
)

type Call = (
  path: string,
  options?: {
    readonly method?: string
    readonly key?: string
    readonly json?: unknown
    readonly body?: Uint8Array
    readonly headers?: Readonly<Record<string, string>>
  }
) => Effect.Effect<{
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
  readonly json: any
}>

class Api extends Context.Tag("test/Api")<Api, { readonly call: Call }>() {}

const api = Layer.effect(
  Api,
  Effect.map(WebHandler.make, (handler) => ({
    call: (path, { body, headers = {}, json, key, method = "GET" } = {}) =>
      Effect.promise(async (signal) => {
        const init: RequestInit = {
          method,
          signal,
          headers: {
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
            ...(json === undefined ? {} : { "content-type": "application/json" }),
            ...headers
          }
        }
        if (json !== undefined) init.body = JSON.stringify(json)
        if (body !== undefined) init.body = new Uint8Array(body)
        const response = await handler(new Request(new URL(path, BASE), init))
        const bytes = new Uint8Array(await response.arrayBuffer())
        const text = new TextDecoder().decode(bytes)
        const typed = response.headers.get("content-type") ?? ""
        return {
          status: response.status,
          headers: response.headers,
          bytes,
          json: typed.includes("json") && text !== "" ? JSON.parse(text) : undefined
        }
      })
  }))
)

const all = api.pipe(
  Layer.provideMerge(ManagerLayer.layer),
  Layer.provideMerge(Layer.mergeAll(services, clips, policy)),
  Layer.provideMerge(asked),
  Layer.orDie
)

let windows = 0
/** A window that no other test has asked for, of a path that at least a node without a worker holds. */
const request = (over: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    const { call } = yield* Api
    const json = { path: `cam-${windows++}`, start: new Date(START).toISOString(), duration: 10_000, ...over }
    if (typeof json.path === "string") yield* recorded("parked", json.path)
    return yield* call("/playback/requests", { method: "POST", key: ADMIN_KEY, json })
  })
const poll = (id: string, wait = 0, key?: string) =>
  Effect.gen(function* () {
    const { call } = yield* Api
    return yield* call(`/playback/jobs?node=${id}&wait=${wait}`, { key: key ?? (yield* tokenOf(id)) })
  })
const report = (id: string, job: string, json: unknown) =>
  Effect.gen(function* () {
    const { call } = yield* Api
    return yield* call(`/playback/jobs/${job}?node=${id}`, { method: "PUT", key: yield* tokenOf(id), json })
  })
const status = (job: string) => Effect.flatMap(Api, ({ call }) => call(`/playback/jobs/${job}`, { key: ADMIN_KEY }))

/** Makes this node one of those that hold the path. */
const recorded = (id: string, path: string, from = START - 60_000, to = START + 60_000) =>
  Effect.flatMap(Recordings.Recordings, (recordings) =>
    Effect.orDie(recordings.reconcile(node(id), path, [{ start: from, end: to }]))
  )
const upload = (target: { readonly url: string; readonly headers: Record<string, string> }, body: Uint8Array) =>
  Effect.flatMap(Api, ({ call }) => call(target.url, { method: "PUT", body, headers: target.headers }))

/** A job that this node's worker has. */
const leased = (id: string) =>
  Effect.gen(function* () {
    const path = `cam-of-${id}`
    yield* recorded(id, path)
    const asked = yield* request({ path })
    const given = yield* poll(id)
    assert.strictEqual(given.status, 200)
    assert.strictEqual(given.json.id, asked.json.id)
    return given.json
  })

// Real time: leases, long polls and signatures are what is looked at.
layer(all, { excludeTestServices: true })("clips over HTTP, in real time", (it) => {
  describe("requests", () => {
    it.effect("of one window there is one job", () =>
      Effect.gen(function* () {
        const first = yield* request({ path: "cam/one" })
        assert.strictEqual(first.status, 202)
        assert.strictEqual(first.json.state, "queued")
        assert.isNull(first.json.clip)
        assert.strictEqual(first.json.end, new Date(START + 10_000).toISOString())
        assert.strictEqual((yield* request({ path: "cam/one" })).json.id, first.json.id)
        assert.notStrictEqual((yield* request({ path: "cam/one", format: "fmp4" })).json.id, first.json.id)
        assert.notStrictEqual((yield* request({ path: "cam/one", duration: 9_999 })).json.id, first.json.id)
      })
    )

    it.effect("too far in the future are refused, with the limit", () =>
      Effect.gen(function* () {
        for (const start of [new Date(Date.now() + 8 * 86_400_000).toISOString(), "+200000-01-01T00:00:00Z"]) {
          const { json, status } = yield* request({ start })
          assert.strictEqual(status, 400)
          assert.strictEqual(json._tag, "InvalidRequest")
          assert.strictEqual(json.issues[0].field, "start")
        }
        const { json } = yield* request({ start: new Date(Date.now() + 8 * 86_400_000).toISOString() })
        assert.include(json.message, "7d")
      })
    )

    it.effect("what is wrong is told by field", () =>
      Effect.gen(function* () {
        for (const [field, value] of [
          ["path", "../etc"],
          ["start", "yesterday"],
          ["duration", 0],
          ["duration", "10s"],
          ["format", "avi"]
        ] as const) {
          const { json, status } = yield* request({ [field]: value })
          assert.strictEqual(status, 400, field)
          assert.strictEqual(json._tag, "InvalidRequest")
          assert.strictEqual(json.issues[0].field, field)
        }
      })
    )

    it.effect("are for admins, and for those whom the policy lets", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const asked = yield* Asked
        const json = { path: "cam", start: new Date(START).toISOString(), duration: 1_000 }
        const ask = (key?: string) => call("/playback/requests", { method: "POST", json, ...(key && { key }) })
        assert.strictEqual((yield* ask()).status, 401)
        assert.strictEqual((yield* ask(KEY)).status, 403)
        asked.denied = "playback.request"
        asked.requests.length = 0
        const denied = yield* ask(ADMIN_KEY)
        asked.denied = undefined
        assert.strictEqual(denied.status, 403)
        assert.include(denied.json.message, "playback.request")
        assert.include(denied.json.message, "not today")
        const [question] = asked.requests
        assert.strictEqual(question?.path, "cam")
        assert.isUndefined(question?.node)
        assert.notInclude(
          [
            question?.user,
            ...[question?.password, question?.token, question?.query].map((s) => s && Redacted.value(s))
          ],
          ADMIN_KEY
        )
      })
    )
  })

  describe("workers", () => {
    it.effect("get the jobs of their own node, by its token", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        yield* recorded("n-own", "cam-own")
        const { json } = yield* request({ path: "cam-own" })
        assert.strictEqual((yield* call("/playback/jobs?node=n-own&wait=0")).status, 401)
        assert.strictEqual((yield* poll("n-own", 0, yield* tokenOf("n-other"))).status, 401)
        assert.strictEqual((yield* poll("n-other")).status, 204)
        const given = yield* poll("n-own")
        assert.strictEqual(given.status, 200)
        assert.deepInclude(given.json, {
          id: json.id,
          node: "n-own",
          path: "cam-own",
          start: new Date(START).toISOString(),
          duration: 10_000,
          format: "mp4",
          attempt: 1,
          token: 1
        })
        assert.strictEqual(given.json.leaseMillis, 20_000)
        assert.strictEqual((yield* poll("n-own")).status, 204)
        // A node's token is no admin's: it lists nothing.
        assert.strictEqual((yield* call("/playback/jobs?node=n-own", { key: yield* tokenOf("n-own") })).status, 403)
        assert.strictEqual((yield* call("/playback/jobs?node=n-own", { key: ADMIN_KEY })).json.length, 1)
      })
    )

    it.effect("are asked for by the policy", () =>
      Effect.gen(function* () {
        const asked = yield* Asked
        asked.denied = "playback.worker"
        asked.requests.length = 0
        const { json, status } = yield* poll("n-denied")
        asked.denied = undefined
        assert.strictEqual(status, 403)
        assert.include(json.message, "playback.worker")
        assert.strictEqual(asked.requests[0]?.node, node("n-denied"))
      })
    )

    it.effect("wait for a job, and have it as soon as it is there", () =>
      Effect.gen(function* () {
        yield* recorded("n-wait", "cam-wait")
        const waiting = yield* Effect.fork(poll("n-wait", 20))
        yield* Effect.sleep("100 millis")
        const { json } = yield* request({ path: "cam-wait" })
        const [took, given] = yield* Effect.timed(Fiber.join(waiting))
        assert.strictEqual(given.json.id, json.id)
        assert.isBelow(Duration.toMillis(took), 2_000)
      })
    )

    it.effect("upload by the signed request, and the clip is what was promised", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const job = yield* leased("n-done")
        const body = new TextEncoder().encode("a clip, nearly")
        const gaps = [{ start: new Date(START).toISOString(), end: new Date(START + 2_000).toISOString() }]
        const progress = yield* report("n-done", job.id, {
          status: "progress",
          token: 1,
          phase: "uploading",
          bytes: 3,
          total: body.length
        })
        assert.deepStrictEqual(progress.json, { leaseMillis: 20_000 })
        assert.deepInclude((yield* status(job.id)).json, {
          state: "uploading",
          node: "n-done",
          sent: 3,
          total: body.length
        })

        const wrongType = { ...job.upload, headers: { ...job.upload.headers, "content-type": "text/html" } }
        assert.strictEqual((yield* upload(wrongType, body)).status, 403)
        assert.strictEqual((yield* upload(job.upload, body)).status, 200)
        const done = { status: "done", token: 1, size: body.length, duration: 8_010, gaps }
        assert.deepStrictEqual((yield* report("n-done", job.id, done)).json, { leaseMillis: 0 })
        // Its answer may have been lost.
        assert.strictEqual((yield* report("n-done", job.id, done)).status, 200)

        const { clip, state } = (yield* status(job.id)).json
        assert.strictEqual(state, "done")
        const { download, ...promised } = clip
        assert.deepStrictEqual(promised, {
          id: job.id,
          duration: 8_000,
          start: new Date(START).toISOString(),
          end: new Date(START + 10_000).toISOString(),
          size: body.length,
          bucket: "memory",
          filename: `${job.id}.mp4`,
          mime: "video/mp4",
          url: `${BASE}/storage/recordings/${job.id}.mp4`,
          gaps
        })
        const got = yield* call(download.url)
        assert.strictEqual(got.status, 200)
        assert.deepStrictEqual(got.bytes, body)
        assert.include(got.headers.get("content-disposition") ?? "", clip.filename)
        const part = yield* call(download.url, { headers: { range: "bytes=2-5" } })
        assert.strictEqual(part.status, 206)
        assert.deepStrictEqual(part.bytes, body.slice(2, 6))
        assert.strictEqual((yield* call(clip.url)).status, 403)
        // Asked again, it is there at once.
        assert.strictEqual((yield* request({ path: job.path })).json.clip.size, body.length)
      })
    )

    it.effect("upload what is large in parts, which become the clip when all are there", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const job = yield* leased("n-parts")
        assert.strictEqual(job.partsAbove, 100)
        const body = Uint8Array.from({ length: 150 }, (_, index) => index)
        const parts = (json: Readonly<Record<string, unknown>>) =>
          Effect.flatMap(tokenOf("n-parts"), (key) =>
            call(`/playback/jobs/${job.id}/parts?node=n-parts`, { method: "POST", key, json })
          )
        const wanted = { token: 1, size: 150, parts: [1, 2, 3, 4] }
        const { json: first } = yield* parts(wanted)
        assert.deepInclude(first, { partSize: 64, leaseMillis: 20_000 })
        const send = (partNumber: number, from = first) =>
          Effect.map(
            upload(from.parts[partNumber - 1], body.slice((partNumber - 1) * 64, partNumber * 64)),
            ({ headers, status }) => ({ status, part: { partNumber, etag: headers.get("etag") } })
          )
        const one = yield* send(1)
        assert.strictEqual(one.status, 200)
        // Of the length that it has to have, and no other.
        assert.strictEqual((yield* upload(first.parts[2], body)).status, 400)

        // The worker was restarted: a later lease goes on with the same upload.
        yield* report("n-parts", job.id, { status: "released", token: 1 })
        assert.strictEqual((yield* parts(wanted)).status, 409)
        assert.strictEqual((yield* poll("n-parts")).json.token, 2)
        const { json: second } = yield* parts({ token: 2, size: 150, upload: first.upload, parts: [2, 3] })
        assert.strictEqual(second.upload, first.upload)
        assert.deepStrictEqual(
          second.parts.map(({ partNumber }: { partNumber: number }) => partNumber),
          [2, 3]
        )
        const rest = [yield* send(3), yield* send(2)]
        const done = {
          status: "done",
          token: 2,
          size: 150,
          duration: 10_000,
          gaps: [],
          upload: { id: first.upload, parts: [...rest.map(({ part }) => part), one.part] }
        }
        assert.strictEqual((yield* report("n-parts", job.id, { ...done, token: 1 })).status, 409)
        assert.strictEqual((yield* report("n-parts", job.id, done)).status, 200)
        // Its answer may have been lost.
        assert.strictEqual((yield* report("n-parts", job.id, done)).status, 200)
        const { clip } = (yield* status(job.id)).json
        assert.deepStrictEqual((yield* call(clip.download.url)).bytes, body)
        // What comes late changes nothing.
        assert.strictEqual((yield* send(1)).status, 404)
      })
    )

    it.effect("whose parts are lost begin anew, and nothing stays behind", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const job = yield* leased("n-lost-parts")
        const ask = (id: string, json: Readonly<Record<string, unknown>>, of = "n-lost-parts") =>
          Effect.flatMap(tokenOf(of), (key) =>
            call(`/playback/jobs/${id}/parts?node=${of}`, { method: "POST", key, json })
          )
        const { json: first } = yield* ask(job.id, { token: 1, size: 150, parts: [1] })
        const done = {
          status: "done",
          token: 1,
          size: 150,
          duration: 10_000,
          gaps: [],
          upload: { id: first.upload, parts: [{ partNumber: 1, etag: '"never"' }] }
        }
        const answer = yield* report("n-lost-parts", job.id, done)
        assert.strictEqual(answer.status, 409)
        assert.include(answer.json.message, "can't be joined")
        // The upload is gone before long, and its URL opens nothing.
        yield* upload(first.parts[0], new Uint8Array(64)).pipe(Effect.repeat({ until: ({ status }) => status === 404 }))
        for (const bad of [{ size: 0 }, { parts: [0] }, { parts: [10_001] }, { size: 6e12 }]) {
          const refused = yield* ask(job.id, { token: 1, size: 150, parts: [], ...bad })
          assert.strictEqual(refused.json._tag, "InvalidRequest")
        }

        const other = yield* leased("n-ended-parts")
        const wanted = { token: 1, size: 150, upload: first.upload, parts: [1] }
        assert.strictEqual((yield* ask(other.id, wanted)).json._tag, "LeaseLost")
        const { json: begun } = yield* ask(other.id, wanted, "n-ended-parts")
        assert.notStrictEqual(begun.upload, first.upload)
        assert.strictEqual((yield* upload(begun.parts[0], new Uint8Array(64))).status, 200)
        yield* call(`/playback/jobs/${other.id}`, { method: "DELETE", key: ADMIN_KEY })
        yield* upload(begun.parts[0], new Uint8Array(64)).pipe(Effect.repeat({ until: ({ status }) => status === 404 }))
      })
    )

    it.effect("are not believed: what they say to have uploaded is looked at", () =>
      Effect.gen(function* () {
        const job = yield* leased("n-lies")
        const done = { status: "done", token: 1, size: 5, duration: 10_000, gaps: [] }
        const nothing = yield* report("n-lies", job.id, done)
        assert.strictEqual(nothing.status, 409)
        assert.strictEqual(nothing.json._tag, "LeaseLost")
        assert.deepInclude((yield* status(job.id)).json, { state: "queued", attempts: 1 })
        assert.strictEqual((yield* status(job.id)).json.lastFailure.reason, "StorageError")
      })
    )

    it.effect("whose token is stale, or who are of another node, get 409 and change nothing", () =>
      Effect.gen(function* () {
        const job = yield* leased("n-stale")
        const progress = { status: "progress", token: 1, phase: "fetching", bytes: 0, total: null }
        for (const [who, token] of [
          ["n-stale", 2],
          ["n-stale", 0],
          ["n-thief", 1]
        ] as const) {
          const { json, status } = yield* report(who, job.id, { ...progress, token })
          assert.strictEqual(status, 409, `${who} ${token}`)
          assert.strictEqual(json._tag, "LeaseLost")
        }
        assert.strictEqual((yield* report("n-stale", job.id, { status: "released", token: 1 })).status, 200)
        assert.strictEqual((yield* report("n-stale", job.id, progress)).status, 409)
        const again = yield* poll("n-stale")
        assert.deepInclude(again.json, { id: job.id, token: 2, attempt: 1 })
        assert.notStrictEqual(again.json.upload.url, job.upload.url)
        assert.strictEqual((yield* report("n-stale", job.id, progress)).status, 409)
      })
    )

    it.effect("say what is recorded, and the index has it", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const job = yield* leased("n-list")
        const iso = (offset: number) => new Date(START + offset).toISOString()
        const answer = yield* report("n-list", job.id, {
          status: "progress",
          token: 1,
          phase: "fetching",
          bytes: 0,
          total: null,
          recorded: { from: iso(0), to: iso(10_000), spans: [{ start: iso(0), end: iso(4_000) }] }
        })
        assert.strictEqual(answer.status, 200)
        const url = `/recordings?path=${job.path}&from=${iso(0)}&to=${iso(10_000)}`
        const { json } = yield* call(url, { key: ADMIN_KEY })
        assert.deepStrictEqual(json.spans, [
          { start: iso(0), end: iso(10_000), open: false, nodes: ["n-list", "parked"] }
        ])
        assert.deepStrictEqual(json.nodes[0], {
          node: "n-list",
          spans: [{ start: iso(0), end: iso(4_000), open: false }]
        })
        const paths = yield* call("/recordings/paths", { key: ADMIN_KEY })
        assert.include(
          paths.json.map(({ path }: { path: string }) => path),
          job.path
        )
        assert.strictEqual((yield* call(url, { key: KEY })).status, 403)
      })
    )

    it.effect("and what can't be asked of the index is told by field", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const noon = "2026-01-31T12:00:00Z"
        for (const [query, field] of [
          ["", "path"],
          ["path=", "path"],
          ["path=%2Fcam", "path"],
          ["path=..%2Fcam", "path"],
          ["path=cam&from=yesterday", "from"],
          ["path=cam&to=NaN", "to"],
          [`path=cam&from=${noon}&to=${noon}`, ""],
          ["path=cam&path=yard", "path"]
        ]) {
          const { json, status } = yield* call(`/recordings?${query}`, { key: ADMIN_KEY })
          assert.strictEqual(status, 400, query)
          assert.strictEqual(json._tag, "InvalidRequest", query)
          assert.deepInclude(json.issues[0], { field }, query)
        }
        const nothing = yield* call("/recordings?path=nobody/records/this", { key: ADMIN_KEY })
        assert.strictEqual(nothing.status, 200)
        assert.deepInclude(nothing.json, { from: null, to: null, spans: [], gaps: [], nodes: [] })
        // The longest time that can be said is answered as well.
        const all = `/recordings?path=cam-of-n-list&from=${encodeURIComponent("-271821-04-20T00:00:00Z")}&to=${encodeURIComponent("+275760-09-13T00:00:00Z")}`
        assert.strictEqual((yield* call(all, { key: ADMIN_KEY })).status, 200)
      })
    )
  })

  describe("jobs", () => {
    it.effect("are cancelled, and put back", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const { json: job } = yield* request()
        const cancel = call(`/playback/jobs/${job.id}`, { method: "DELETE", key: ADMIN_KEY })
        assert.strictEqual((yield* cancel).json.state, "cancelled")
        assert.strictEqual((yield* cancel).json.state, "cancelled")
        const retry = call(`/playback/jobs/${job.id}/retry`, { method: "POST", key: ADMIN_KEY })
        // To put it back is to ask for it.
        const asked = yield* Asked
        asked.denied = "playback.request"
        const denied = yield* retry
        asked.denied = undefined
        assert.strictEqual(denied.status, 403)
        assert.deepInclude(asked.requests.at(-1), { action: "playback.request", path: job.path })
        assert.strictEqual((yield* status(job.id)).json.state, "cancelled")
        assert.strictEqual((yield* retry).json.state, "queued")
        const conflict = yield* retry
        assert.strictEqual(conflict.status, 409)
        assert.strictEqual(conflict.json._tag, "Conflict")
      })
    )

    it.effect("that are cancelled are taken from their workers", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const job = yield* leased("n-cancel")
        yield* call(`/playback/jobs/${job.id}`, { method: "DELETE", key: ADMIN_KEY })
        const progress = { status: "progress", token: 1, phase: "fetching", bytes: 0, total: null }
        const answer = yield* report("n-cancel", job.id, progress)
        assert.deepInclude(answer.json, { _tag: "LeaseLost", state: "cancelled" })
      })
    )

    it.effect("are waited for", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const { json: job } = yield* request()
        const waiting = yield* Effect.fork(call(`/playback/jobs/${job.id}?wait=20`, { key: ADMIN_KEY }))
        yield* Effect.sleep("50 millis")
        yield* call(`/playback/jobs/${job.id}`, { method: "DELETE", key: ADMIN_KEY })
        assert.strictEqual((yield* Fiber.join(waiting)).json.state, "cancelled")
      })
    )

    it.effect("that nobody has asked for are not there", () =>
      Effect.gen(function* () {
        const unknown = "019b28eb-1ae2-766c-8d00-e12570bb3070"
        assert.strictEqual((yield* status(unknown)).status, 404)
        assert.strictEqual((yield* status("nonsense")).status, 400)
      })
    )
  })

  it.effect("a manager that stops lets its workers go at once", () =>
    Effect.gen(function* () {
      const draining = yield* Draining
      const waiting = yield* Effect.fork(poll("n-drain", 20))
      yield* Effect.sleep("50 millis")
      yield* draining.begin
      assert.strictEqual((yield* Fiber.join(waiting)).status, 204)
    })
  )
})

layer(Layer.orDie(api.pipe(Layer.provideMerge(ManagerLayer.layer), Layer.provideMerge(services))))(
  "a manager without storage",
  (it) => {
    it.effect("has no clips, and says so", () =>
      Effect.gen(function* () {
        const { call } = yield* Api
        const wanted = { path: "cam", start: new Date(START).toISOString(), duration: 1_000 }
        const asked = yield* call("/playback/requests", { method: "POST", key: ADMIN_KEY, json: wanted })
        for (const { json, status } of [asked, yield* poll("n1")]) {
          assert.strictEqual(status, 404)
          assert.include(json.message, "no clips")
        }
        assert.strictEqual((yield* call("/recordings?path=cam", { key: ADMIN_KEY })).status, 404)
        assert.strictEqual((yield* call("/storage/recordings/x.mp4")).status, 404)
      })
    )
  }
)
