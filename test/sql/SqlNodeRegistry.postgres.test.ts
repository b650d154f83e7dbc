import * as SqlClient from "@effect/sql/SqlClient"
import { assert, it } from "@effect/vitest"
import { Chunk, Context, Effect, Layer, TestClock } from "effect"
import { HookBus } from "../../src/services/HookBus.js"
import * as NodeEventLog from "../../src/services/NodeEventLog.js"
import { NodeId } from "../../src/services/NodeId.js"
import { NodeRegistry } from "../../src/services/NodeRegistry.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import { database, describePostgres } from "../support/Postgres.js"

const T = 1_767_225_600_000
const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const beat = { instance: "i1", status: "ok" as const, every: 10, startedAt: T - 1000 }
const turn = Effect.async<void>((resume) => void setTimeout(() => resume(Effect.void), 2))

/** In turns of the event loop, for what goes over the database. */
const eventually = <E>(what: string, check: Effect.Effect<boolean, E>, left = 3000): Effect.Effect<void, E> =>
  Effect.flatMap(check, (holds) => {
    if (holds) return Effect.void
    return left === 0 ? Effect.dieMessage(`never: ${what}`) : Effect.zipRight(turn, eventually(what, check, left - 1))
  })

await describePostgres("NodeRegistry of several managers on PostgreSQL", (server) => {
  const managers = (count: number) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(T)
      const one = database(server)
      const services = NodeEventLog.layer.pipe(
        Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())),
        Layer.provideMerge(one),
        Layer.fresh
      )
      return yield* Effect.forEach(
        range(count),
        () =>
          Effect.map(Layer.build(services), (context) => ({
            registry: Context.get(context, NodeRegistry),
            bus: Context.get(context, HookBus),
            sql: Context.get(context, SqlClient.SqlClient)
          })),
        { concurrency: "unbounded" }
      )
    })
  const logged = (bus: HookBus["Type"]) =>
    Effect.map(bus.read({ after: 0, limit: 10_000 }), (records) =>
      records.map(({ event, node }) => `${node} ${event.event}`).sort()
    )

  it.scoped("a node that calls all of them at once is discovered once, and each of them knows it", () =>
    Effect.gen(function* () {
      const all = yield* managers(3)
      const nodes = range(20).map((n) => NodeId.make(`n${n}`))
      yield* Effect.forEach(
        nodes.flatMap((node) => all.map(({ registry }) => ({ node, registry }))),
        ({ node, registry }) => registry.heartbeat(node, beat),
        { concurrency: "unbounded" }
      )
      for (const { bus, registry } of all) {
        yield* eventually(
          "all are listed",
          Effect.map(registry.list, (list) => list.length === nodes.length)
        )
        yield* eventually(
          "all is logged",
          Effect.map(logged(bus), (events) => events.length >= nodes.length)
        )
        assert.deepStrictEqual(yield* logged(bus), nodes.map((node) => `${node} node_discovered`).sort())
      }
    })
  )

  it.scoped("a heartbeat to one keeps the node alive for the others; silence is noticed once", () =>
    Effect.gen(function* () {
      const all = yield* managers(3)
      const [one, other, third] = all
      if (one === undefined || other === undefined || third === undefined) return assert.fail("three managers")
      const node = NodeId.make("north")
      yield* one.registry.heartbeat(node, beat)
      const heard = yield* other.registry.subscribe
      // It moves from one to the other, as behind a round robin, and never calls the third.
      for (const n of range(8)) {
        yield* TestClock.adjust("10 seconds")
        yield* ([one, other][n % 2] ?? one).registry.heartbeat(node, beat)
        const now = T + (n + 1) * 10_000
        // Half a second of the clock: then it is written.
        yield* TestClock.adjust("500 millis")
        yield* TestClock.setTime(now)
        yield* eventually(
          "the third has heard of it",
          Effect.map(third.registry.list, ([record]) => record?.lastSeen === now && record.status === "online")
        )
      }
      assert.deepStrictEqual(yield* logged(third.bus), ["north node_discovered"])
      yield* TestClock.adjust("23 seconds")
      yield* TestClock.adjust("20 seconds")
      for (const { registry } of all) {
        yield* eventually(
          "it is offline",
          Effect.map(registry.list, ([record]) => record?.status === "offline")
        )
      }
      const events = ["north node_discovered", "north node_offline", "north node_stale"]
      for (const { bus } of all) {
        yield* eventually(
          "it is logged",
          Effect.map(logged(bus), ({ length }) => length >= events.length)
        )
        assert.deepStrictEqual(yield* logged(bus), events)
      }
      const told = Chunk.toReadonlyArray(yield* heard.takeAll.pipe(Effect.map(([messages]) => messages)))
      assert.include(
        told.map(({ event }) => event.event),
        "node_offline"
      )
      // It comes back at one of them.
      yield* third.registry.observe(node, { via: "hook" })
      yield* eventually(
        "it is back for all",
        Effect.map(
          Effect.forEach(all, ({ registry }) => registry.list),
          (lists) => lists.every(([record]) => record?.status === "online")
        )
      )
      yield* eventually(
        "it is logged",
        Effect.map(logged(one.bus), (all) => all.includes("north node_online"))
      )
      assert.lengthOf(yield* logged(one.bus), 4)
    })
  )

  it.scoped("a node that one removes is gone for all, and new with its next call", () =>
    Effect.gen(function* () {
      const all = yield* managers(2)
      const [one, other] = all
      if (one === undefined || other === undefined) return assert.fail("two managers")
      const node = NodeId.make("north")
      yield* one.registry.heartbeat(node, beat)
      yield* eventually(
        "the other knows",
        Effect.map(other.registry.list, ({ length }) => length === 1)
      )
      yield* other.registry.remove(node)
      yield* eventually(
        "it is gone",
        Effect.map(one.registry.list, ({ length }) => length === 0)
      )
      yield* one.registry.observe(node, { via: "auth" })
      yield* eventually(
        "the other knows",
        Effect.map(other.registry.list, ({ length }) => length === 1)
      )
      yield* eventually(
        "it is logged",
        Effect.map(logged(one.bus), ({ length }) => length >= 3)
      )
      assert.deepStrictEqual(yield* logged(one.bus), [
        "north node_discovered",
        "north node_discovered",
        "north node_removed"
      ])
    })
  )
})
