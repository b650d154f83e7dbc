import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, Logger, Option, TestClock } from "effect"
import { NodeId } from "../../src/services/NodeId.js"
import type { PlaybackRequest } from "../../src/services/PlaybackJob.js"
import { PlaybackQueue } from "../../src/services/PlaybackQueue.js"
import * as Recordings from "../../src/services/Recordings.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlPlaybackQueue from "../../src/sql/SqlPlaybackQueue.js"
import { playbackQueueContract } from "../../src/testing/PlaybackQueueContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

playbackQueueContract("SqlPlaybackQueue.layer on SQLite", {
  layer: (options) =>
    Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), SqliteNode.layer({ filename: ":memory:" }))),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) =>
      Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), SqliteNode.layer({ filename, synchronous: "NORMAL" })))
  )
})

const north = NodeId.make("north")
const window = (start: number): PlaybackRequest => ({ path: "cam", start, duration: 1000, format: "mp4", priority: 0 })

/** A queue over the file as its own process would have it. Nothing is closed before the test ends: as after a kill. */
const opened = (filename: string) =>
  Effect.map(
    Layer.build(
      SqlPlaybackQueue.layer({ perNode: 100 }).pipe(
        Layer.provideMerge(SqliteNode.layer({ filename })),
        Layer.provide(Recordings.layerMemory()),
        Layer.fresh
      )
    ),
    (context) => ({ queue: Context.get(context, PlaybackQueue), sql: Context.get(context, SqlClient.SqlClient) })
  )

describe("SqlPlaybackQueue", () => {
  it.scoped("what could not be written has not happened, and nobody has seen it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const { queue, sql } = yield* opened(yield* tempDatabase)
      const { job } = yield* queue.request(window(0))
      const heard = yield* queue.subscribe
      yield* sql`CREATE TRIGGER refuse BEFORE UPDATE ON playback_jobs BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`
      // In one batch with a request that would be taken.
      const exits = yield* Effect.all([Effect.flip(queue.lease(north)), Effect.flip(queue.request(window(5000)))], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        exits.map(({ reason }) => reason),
        ["Storage", "Storage"]
      )
      assert.deepStrictEqual(yield* queue.list(), [job])
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* heard.clear), [])
      yield* sql`DROP TRIGGER refuse`
      const leased = Option.getOrThrow(yield* queue.lease(north))
      assert.deepInclude(leased, { id: job.id, token: 1 })
      assert.lengthOf(yield* queue.list(), 1)
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

  it.scoped("what was acknowledged is there after a kill", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const filename = yield* tempDatabase
      const { queue } = yield* opened(filename)
      yield* Effect.forEach([0, 1, 2, 3], (start) => queue.request(window(start)), { concurrency: "unbounded" })
      const leased = Option.getOrThrow(yield* queue.lease(north))
      yield* queue.complete(leased.id, leased.token, { size: 3 })
      yield* queue.lease(north)
      assert.deepStrictEqual(yield* (yield* opened(filename)).queue.list(), yield* queue.list())
    })
  )

  it.scoped("two processes on one database: one lease, one job of a window, whoever knows what", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000_000)
      const filename = yield* tempDatabase
      const one = yield* opened(filename)
      const { job } = yield* one.queue.request(window(0))
      const other = yield* opened(filename)
      const leased = Option.getOrThrow(yield* other.queue.lease(north))
      assert.strictEqual(leased.id, job.id)
      // It still believes that the job is queued.
      assert.strictEqual((yield* one.queue.get(job.id)).state, "queued")
      assert.isTrue(Option.isNone(yield* one.queue.lease(north)))
      assert.deepStrictEqual(yield* one.queue.get(job.id), leased)
      // The worker may report to either.
      yield* one.queue.complete(job.id, leased.token, { size: 1 })
      const late = yield* Effect.flip(other.queue.progress(job.id, leased.token))
      assert.deepInclude(late, { _tag: "LeaseLost", state: "done" })
      // Neither has seen the other's request.
      const mine = yield* one.queue.request(window(7000))
      const theirs = yield* other.queue.request(window(7000))
      assert.deepStrictEqual([theirs.created, theirs.job.id], [false, mine.job.id])
    })
  )
})
