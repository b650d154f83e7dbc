import * as SqlClient from "@effect/sql/SqlClient"
import { assert, it } from "@effect/vitest"
import { Chunk, Context, Effect, Fiber, Layer, Stream } from "effect"
import { type BusEvent, HookBus } from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import { hookBusContract } from "../../src/testing/HookBusContract.js"
import { database, describePostgres } from "../support/Postgres.js"

const north = NodeId.make("north")
const numbered = (n: number): BusEvent => ({ event: "init", path: `p${n}` })
const range = (count: number) => Array.from({ length: count }, (_, n) => n)

await describePostgres("on PostgreSQL", (server) => {
  hookBusContract("SqlHookBus.layer on PostgreSQL", {
    layer: (retention) => Layer.fresh(Layer.provide(SqlHookBus.layer(retention), database(server))),
    storage: Effect.sync(() => {
      const one = database(server)
      return (retention) => Layer.fresh(Layer.provide(SqlHookBus.layer(retention), one))
    })
  })

  /** As managers of their own, over one database. */
  const managers = (count: number) =>
    Effect.suspend(() => {
      const one = database(server)
      return Effect.forEach(
        range(count),
        () =>
          Effect.map(
            Layer.build(Layer.fresh(SqlHookBus.layer({ maxBatch: 7 }).pipe(Layer.provideMerge(one)))),
            (context) => ({ bus: Context.get(context, HookBus), sql: Context.get(context, SqlClient.SqlClient) })
          ),
        { concurrency: "unbounded" }
      )
    })

  it.scoped(
    "managers that publish at the same time: each subscriber of each sees all, in the order of the cursors",
    () =>
      Effect.gen(function* () {
        const all = yield* managers(3)
        const count = 600
        const followed = yield* Effect.forEach(all, ({ bus }) =>
          Effect.fork(bus.subscribe({ after: 0 }).pipe(Stream.take(count), Stream.runCollect))
        )
        // Who jumps in at any time must not miss what was on its way.
        const late = yield* Effect.forEach(range(20), (i) =>
          Effect.fork(
            Effect.gen(function* () {
              yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, i * 15)))
              const { bus } = all[i % 3] ?? assert.fail("three managers")
              const before = yield* bus.read({ after: 0, limit: 10_000 })
              const after = before[before.length - 1]?.cursor ?? 0
              const rest = yield* bus.subscribe({ after }).pipe(Stream.take(count - before.length), Stream.runCollect)
              return [...before, ...rest].map(({ cursor }) => cursor)
            })
          )
        )
        const published = yield* Effect.forEach(
          range(count),
          (n) => (all[n % 3] ?? assert.fail("three managers")).bus.publish(north, numbered(n)),
          { concurrency: "unbounded" }
        )
        const cursors = published.map(({ cursor }) => cursor).sort((a, b) => a - b)
        assert.strictEqual(new Set(cursors).size, count)
        for (const fiber of followed) {
          const records = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
          assert.deepStrictEqual(
            records.map(({ cursor }) => cursor),
            cursors
          )
        }
        for (const fiber of late) assert.deepStrictEqual(yield* Fiber.join(fiber), cursors)
      })
  )

  it.scoped("a hook that is repeated to another manager is known again, at once and in a storm", () =>
    Effect.gen(function* () {
      const all = yield* managers(3)
      const connect = (id: number): BusEvent => ({ event: "connect", type: "srtConn", id: `c${id}` })
      const published = yield* Effect.forEach(
        range(150),
        (n) => (all[n % 3] ?? assert.fail("three managers")).bus.publish(north, connect(Math.floor(n / 3))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(published.filter(({ duplicate }) => !duplicate).length, 50)
      assert.strictEqual(new Set(published.map(({ cursor }) => cursor)).size, 50)
    })
  )

  it.scoped("cursors go on when every record was trimmed and the manager started again", () =>
    Effect.gen(function* () {
      const one = database(server)
      const open = Layer.build(Layer.fresh(SqlHookBus.layer().pipe(Layer.provideMerge(one))))
      const first = yield* open
      yield* Effect.forEach(range(5), (n) => Context.get(first, HookBus).publish(north, numbered(n)))
      yield* Context.get(first, SqlClient.SqlClient)`DELETE FROM hook_log`
      const bus = Context.get(yield* open, HookBus)
      assert.strictEqual(yield* bus.latest, 5)
      assert.strictEqual((yield* bus.publish(north, numbered(6))).cursor, 6)
    })
  )

  it.scoped("when the database drops every connection, managers go on by themselves and still hear each other", () =>
    Effect.gen(function* () {
      const [one, other] = yield* managers(2)
      if (one === undefined || other === undefined) return assert.fail("two managers")
      yield* one.bus.publish(north, numbered(0))
      const heard = yield* Effect.fork(
        other.bus.subscribe({ after: 0 }).pipe(Stream.take(2), Stream.runCollect, Effect.map(Chunk.size))
      )
      yield* one.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND application_name = 'mtx-manager'`
      // A publisher may meet a connection that is just being closed.
      yield* Effect.retry(one.bus.publish(north, numbered(1)), { times: 20 })
      assert.strictEqual(yield* Fiber.join(heard), 2)
    })
  )
})
