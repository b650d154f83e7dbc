/** Uploads in parts on a bucket: what becomes of their parts, whatever becomes of the job. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../../src/services/NodeId.js"
import * as ObjectStorage from "../../src/services/ObjectStorage.js"
import * as Playback from "../../src/services/Playback.js"
import * as PlaybackQueue from "../../src/services/PlaybackQueue.js"
import * as Recordings from "../../src/services/Recordings.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlPlaybackQueue from "../../src/sql/SqlPlaybackQueue.js"
import { s3 } from "../../src/storage.js"
import { tempDatabase } from "../sql/support/TempDatabase.js"
import { s3Double } from "../support/S3Double.js"

const north = NodeId.make("north")
const south = NodeId.make("south")
const MEBIBYTE = 1024 * 1024
const size = 12 * MEBIBYTE

const setup = Effect.gen(function* () {
  const now = Date.now()
  yield* TestClock.setTime(now)
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => s3Double()),
    (server) => Effect.promise(() => server.close())
  )
  const filename = yield* tempDatabase
  const storage = s3({
    endpoint: server.endpoint,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    bucket: server.bucket,
    region: server.region,
    retries: 0
  })
  /** A manager over the same bucket and database. */
  const manager = Effect.gen(function* () {
    const services = yield* Layer.build(
      Playback.layer({ partsAbove: 1, partSize: 5 * MEBIBYTE }).pipe(
        Layer.provideMerge(SqlPlaybackQueue.layer()),
        Layer.provideMerge(Recordings.layerMemory()),
        Layer.provideMerge(
          ObjectStorage.layer(storage, { base: "https://example.com", key: Redacted.make("shared-key") })
        ),
        Layer.provide(SqliteNode.layer({ filename }))
      )
    )
    const recordings = Context.get(services, Recordings.Recordings)
    for (const node of [north, south]) {
      yield* recordings.reconcile(node, "cam", [{ start: now - 600_000, end: now - 60_000 }])
    }
    return {
      playback: Context.get(services, Playback.Playback),
      queue: Context.get(services, PlaybackQueue.PlaybackQueue)
    }
  })
  const window = { path: "cam", start: now - 500_000, duration: 10_000, format: "mp4" as const, priority: 0 }
  return { server, manager, window }
})

type Manager = Effect.Effect.Success<Effect.Effect.Success<typeof setup>["manager"]>

const lease = ({ playback }: Manager, node: NodeId) =>
  Effect.map(playback.lease(node, 0), (found) => Option.getOrThrow(found).job)

const send = (granted: Playback.PartsGranted) =>
  Effect.forEach(granted.parts, ({ partNumber, upload }) =>
    Effect.promise(async () => {
      const body = new Uint8Array(Number(upload.headers["content-length"])).fill(partNumber)
      const response = await fetch(Redacted.value(upload.url), { method: "PUT", headers: upload.headers, body })
      await response.arrayBuffer()
      return { partNumber, etag: response.headers.get("etag") ?? "", status: response.status }
    })
  )

const gone = (uploads: ReadonlyMap<string, unknown>) =>
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve))).pipe(
    Effect.repeat({ until: () => uploads.size === 0 })
  )

describe("uploads in parts", () => {
  it.scoped("a manager that was restarted completes what was begun before", () =>
    Effect.gen(function* () {
      const { manager, server, window } = yield* setup
      const begun = yield* Effect.scoped(
        Effect.gen(function* () {
          const first = yield* manager
          yield* first.playback.request(window)
          const job = yield* lease(first, north)
          const granted = yield* first.playback.parts(north, job.id, 1, { size, parts: [1, 2, 3, 4] })
          assert.strictEqual(granted.parts.length, 3)
          return { id: job.id, uploadId: granted.uploadId, parts: yield* send(granted) }
        })
      )
      const { playback } = yield* manager
      yield* playback.complete(north, begun.id, 1, { size, uploadId: begun.uploadId, parts: begun.parts })
      const { clip } = yield* playback.status(begun.id)
      assert.strictEqual(clip?.size, size)
      assert.strictEqual(server.objects.get(`recordings/${begun.id}.mp4`)?.body.length, size)
      assert.strictEqual(server.uploads.size, 0)
    })
  )

  it.scoped("are thrown away when another node has the job, it is cancelled, or it expires", () =>
    Effect.gen(function* () {
      const { manager, server, window } = yield* setup
      const started = yield* manager
      const { playback, queue } = started
      const begin = (id: string, node: NodeId, token: number) =>
        Effect.flatMap(playback.parts(node, id, token, { size, parts: [3] }), send)
      const { id } = yield* playback.request(window)
      yield* lease(started, north)
      yield* begin(id, north, 1)
      yield* TestClock.adjust("21 seconds")
      // The same node may go on with it.
      assert.strictEqual(server.uploads.size, 1)
      yield* lease(started, south)
      yield* gone(server.uploads)
      assert.strictEqual((yield* Effect.flip(begin(id, north, 1)))._tag, "LeaseLost")
      assert.strictEqual(server.uploads.size, 0)

      yield* begin(id, south, 2)
      yield* playback.cancel(id)
      yield* gone(server.uploads)

      const { id: other } = yield* playback.request({ ...window, duration: 11_000 })
      yield* lease(started, north)
      yield* begin(other, north, 1)
      // A storage that is away at that moment is asked again.
      server.next.push((response) => response.writeHead(503).end())
      yield* playback.cancel(other)
      while (server.next.length > 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.strictEqual(server.uploads.size, 1)
      yield* TestClock.adjust("5 minutes")
      yield* gone(server.uploads)
      yield* queue.abandoned.pipe(Effect.repeat({ until: (jobs) => jobs.length === 0 }))
    })
  )
})
