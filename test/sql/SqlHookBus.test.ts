import { spawn } from "node:child_process"
import { once } from "node:events"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Either, Fiber, Layer, Logger, Metric, Stream, TestClock } from "effect"
import { type BusEvent, HookBus, trimInterval } from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import { hookBusContract } from "../../src/testing/HookBusContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

hookBusContract("SqlHookBus.layer on SQLite", {
  layer: (retention) => Layer.provide(SqlHookBus.layer(retention), SqliteNode.layer({ filename: ":memory:" })),
  storage: Effect.map(
    tempDatabase,
    (filename) => (retention) => Layer.provide(SqlHookBus.layer(retention), SqliteNode.layer({ filename }))
  )
})

const node = NodeId.make("north")
const numbered = (n: number): BusEvent => ({ event: "init", path: `p${n}` })
const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** The bus and the database under it. */
const open = (filename: string, options?: SqlHookBus.SqlHookBusOptions) =>
  SqlHookBus.layer(options).pipe(Layer.provideMerge(SqliteNode.layer({ filename })))

describe("SqlHookBus", () => {
  it.scoped("publishers of one turn share one insert; a batch of repetitions costs none", () => {
    const inserts: Array<string> = []
    const counting = Statement.setTransformer((statement) =>
      Effect.sync(() => {
        const [text] = statement.compile()
        if (text.includes("INSERT INTO hook_log")) inserts.push(text)
        return statement
      })
    )
    return Effect.gen(function* () {
      const bus = yield* HookBus
      yield* Effect.forEach(range(200), (n) => bus.publish(node, numbered(n)), { concurrency: "unbounded" })
      assert.strictEqual(inserts.length, 1)
      yield* Effect.forEach(range(30), (n) => bus.publish(node, numbered(n)), { concurrency: "unbounded" })
      assert.strictEqual(inserts.length, 2)
      assert.strictEqual(inserts[0], inserts[1], "one text for any size, so that it is prepared once")
      const connect: BusEvent = { event: "connect", type: "srtConn", id: "c1" }
      yield* bus.publish(node, connect)
      yield* Effect.forEach(range(30), () => bus.publish(node, connect), { concurrency: "unbounded" })
      assert.strictEqual(inserts.length, 3)
      assert.strictEqual(yield* bus.latest, 231)
    }).pipe(Effect.provide(Layer.provide(open(":memory:"), counting)))
  })

  it.scoped("with trimAtStart, what became too old while nobody ran is gone without waiting for the schedule", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const session = <A, E>(
        options: SqlHookBus.SqlHookBusOptions,
        use: (bus: typeof HookBus.Service) => Effect.Effect<A, E>
      ) => Effect.flatMap(HookBus, use).pipe(Effect.provide(open(filename, options)))
      yield* session({}, (bus) => bus.publish(node, numbered(0)))
      yield* TestClock.adjust("2 hours")
      const left = (trimAtStart: boolean) =>
        session({ maxAge: "1 hour", trimAtStart }, (bus) =>
          Effect.zipRight(Effect.repeatN(turn, 20), bus.read({ after: 0, limit: 10 }))
        )
      assert.strictEqual((yield* left(false)).length, 1)
      assert.strictEqual((yield* left(true)).length, 0)
    })
  )

  it.scoped("more publishers than it holds: some are told Overloaded at once, nobody else is harmed", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      const sql = yield* SqlClient.SqlClient
      const locked = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      // The writer has to wait for the end of another's transaction, so the queue fills up behind it.
      const holder = yield* Effect.fork(
        sql.withTransaction(Effect.zipRight(Deferred.succeed(locked, undefined), Deferred.await(release)))
      )
      yield* Deferred.await(locked)
      const publish = (n: number) => Effect.fork(Effect.either(bus.publish(node, numbered(n))))
      const inCommit = yield* Effect.forEach(range(10), publish)
      // Until the writer has taken them: it gathers for up to 16 turns.
      yield* Effect.repeatN(turn, 20)
      const queued = yield* Effect.forEach(range(50), (n) => publish(100 + n))
      yield* turn
      const refused = yield* Effect.either(bus.publish(node, numbered(999)))
      assert.strictEqual(Either.isLeft(refused) ? refused.left.reason : "", "Overloaded")
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(holder)
      const answers = yield* Effect.forEach([...inCommit, ...queued], Fiber.join)
      assert.strictEqual(answers.filter(Either.isRight).length, 60)
      assert.strictEqual((yield* bus.read({ after: 0, limit: 100 })).length, 60)
      assert.isFalse((yield* bus.publish(node, numbered(999))).duplicate)
    }).pipe(Effect.provide(open(":memory:", { maxQueued: 50 })))
  )

  it.scoped("disk full: each publisher of the batch gets WriteFailed, and the bus goes on when there is room", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        const sql = yield* SqlClient.SqlClient
        const connect: BusEvent = { event: "connect", type: "srtConn", id: "c1" }
        yield* bus.publish(node, numbered(0))
        const pages = Number((yield* sql`PRAGMA page_count`.values)[0]?.[0])
        yield* sql.unsafe(`PRAGMA max_page_count = ${pages}`)
        const big: BusEvent = { event: "node_config_failed", error: "x".repeat(10_000) }
        const answers = yield* Effect.forEach(
          [...range(20).map(() => big), connect, connect],
          (event) => Effect.either(bus.publish(node, event)),
          { concurrency: "unbounded" }
        )
        for (const answer of answers) {
          assert.strictEqual(Either.isLeft(answer) ? answer.left.reason : "recorded", "WriteFailed")
        }
        assert.strictEqual(yield* bus.latest, 1)
        yield* sql.unsafe(`PRAGMA max_page_count = ${pages + 1000}`)
        // It was never recorded, so it is no repetition.
        assert.deepStrictEqual(yield* bus.publish(node, connect), { cursor: 2, duplicate: false })
        assert.strictEqual((yield* bus.read({ after: 0, limit: 10 })).length, 2)
      }).pipe(Effect.provide(open(filename)), Effect.provide(Logger.remove(Logger.defaultLogger)))
    })
  )

  it.scoped("a row that does not decode is skipped, logged and counted; subscribers go on", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        yield* Effect.forEach(range(10), (n) => bus.publish(node, numbered(n)), { concurrency: "unbounded" })
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE hook_log SET event = '{"event":"from_the_future"}' WHERE cursor = 3`
        yield* sql`UPDATE hook_log SET event = 'no json', node = '' WHERE cursor IN (4, 9, 10)`
      }).pipe(Effect.provide(open(filename)))

      const logged: Array<string> = []
      const logger = Logger.make(({ message, annotations }) => {
        logged.push(`${String(message)} ${JSON.stringify(Array.from(annotations))}`)
      })
      const skipped = Metric.value(
        Metric.counter("mtx_manager_hook_rows_unreadable_total", {
          description: "Rows of the hook log that were skipped because they do not decode",
          incremental: true
        })
      )
      const before = yield* skipped
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        const readable = [1, 2, 5, 6, 7, 8]
        for (let round = 0; round < 2; round++) {
          assert.deepStrictEqual(
            (yield* bus.read({ after: 0, limit: 100 })).map(({ cursor }) => cursor),
            readable
          )
        }
        assert.deepStrictEqual(
          (yield* bus.read({ after: 2, limit: 2 })).map(({ cursor }) => cursor),
          [5, 6]
        )
        const subscriber = yield* Effect.fork(Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 7)))
        yield* turn
        yield* bus.publish(node, numbered(10))
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(yield* Fiber.join(subscriber)).map(({ cursor }) => cursor),
          [...readable, 11]
        )
      }).pipe(Effect.provide(open(filename)), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.strictEqual(logged.length, 1, logged.join("\n"))
      assert.include(logged[0], "3,4,9,10")
      assert.strictEqual((yield* skipped).count - before.count, 4)
    })
  )

  it.scoped("trims many rows in steps, without losing what is published meanwhile", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      yield* Effect.forEach(range(5000), (n) => bus.publish(node, numbered(n)), { concurrency: "unbounded" })
      yield* TestClock.adjust(trimInterval)
      yield* Effect.forEach(range(50), (n) => Effect.zipRight(turn, bus.publish(node, numbered(5000 + n))))
      const sql = yield* SqlClient.SqlClient
      // What was there at the time of the trim is cut to 100, later ones wait for the next.
      assert.deepStrictEqual(yield* sql`SELECT MIN(cursor), MAX(cursor), COUNT(*) FROM hook_log`.values, [
        [4901, 5050, 150]
      ])
    }).pipe(Effect.provide(open(":memory:", { maxRecords: 100 })))
  )

  it.scoped("a subscriber far behind reads the table and joins the newest in memory without a gap", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        yield* Effect.forEach(range(1700), (n) => bus.publish(node, numbered(n)), { concurrency: "unbounded" })
      }).pipe(Effect.provide(open(filename)))
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        const behind = yield* Effect.fork(Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 3400)))
        yield* Effect.forEach(range(1700), (n) => bus.publish(node, numbered(1700 + n)), { concurrency: 100 })
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(yield* Fiber.join(behind)).map(({ event, cursor }) => [cursor, event]),
          range(3400).map((n) => [n + 1, numbered(n)])
        )
      }).pipe(Effect.provide(open(filename)))
    })
  )

  it.scopedLive("kill -9 in a storm: every acknowledged event is there after the restart", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const require = createRequire(import.meta.url)
      const runner = join(dirname(require.resolve("vite-node/package.json")), "vite-node.mjs")
      const script = fileURLToPath(new URL("./support/hookStorm.ts", import.meta.url))
      const acknowledged = yield* Effect.promise(async () => {
        const child = spawn(process.execPath, [runner, script, filename], { stdio: ["ignore", "pipe", "inherit"] })
        const closed = once(child, "close")
        const lines: Array<string> = []
        for await (const line of createInterface({ input: child.stdout })) {
          lines.push(line)
          if (lines.length === 3000) child.kill("SIGKILL")
        }
        const [code, signal] = await closed
        assert.deepStrictEqual([code, signal], [null, "SIGKILL"])
        return lines
      })
      assert.isAtLeast(acknowledged.length, 3000)
      yield* Effect.gen(function* () {
        const bus = yield* HookBus
        const records = yield* bus.read({ after: 0, limit: 1_000_000 })
        const lines = new Set(
          records.map(({ cursor, event }) => `${cursor} ${event.event === "init" ? event.path : ""}`)
        )
        assert.deepStrictEqual(
          acknowledged.filter((line) => /^\d+ p\d+$/.test(line) && !lines.has(line)),
          []
        )
        // Nothing twice, and no hole.
        assert.strictEqual(new Set(records.map(({ event }) => JSON.stringify(event))).size, records.length)
        assert.deepStrictEqual(
          records.map(({ cursor }) => cursor),
          range(records.length).map((n) => n + 1)
        )
        assert.strictEqual((yield* bus.publish(node, numbered(0))).cursor, records.length + 1)
      }).pipe(Effect.provide(open(filename)))
    })
  )
})
