import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Ref, Scope, TestClock } from "effect"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeEventLog from "../../src/services/NodeEventLog.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"

const north = NodeId.make("north")
const names = Effect.flatMap(HookBus.HookBus, (bus) =>
  Effect.map(bus.read({ after: 0, limit: 1_000_000 }), (records) =>
    records.map(({ event, node }) => `${node} ${event.event}`)
  )
)
const heartbeat: NodeRegistry.Heartbeat = { instance: "i", status: "ok" }

/** A real bus that refuses to write while `broken` holds a reason. */
const fragile = (broken: Ref.Ref<HookBus.HookBusError["reason"] | undefined>) =>
  Layer.effect(
    HookBus.HookBus,
    Effect.map(HookBus.HookBus, (bus) => ({
      ...bus,
      publish: (node: NodeId, event: HookBus.BusEvent) =>
        Effect.flatMap(Ref.get(broken), (reason) =>
          reason === undefined
            ? bus.publish(node, event)
            : Effect.fail(new HookBus.HookBusError({ reason, message: "refused by the test" }))
        )
    }))
  ).pipe(Layer.provide(HookBus.layerMemory()))

/** Starts the log in a scope of its own. */
const start = Effect.gen(function* () {
  const scope = yield* Scope.make()
  yield* Layer.buildWithScope(NodeEventLog.layer, scope)
  return Scope.close(scope, Exit.void)
})

describe("NodeEventLog", () => {
  it.scoped("every change from the first moment is on the bus, in order, and soon", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry.NodeRegistry
      yield* start
      yield* registry.heartbeat(north, heartbeat)
      yield* TestClock.adjust("1 minute")
      yield* registry.observe(north, { via: "config", boot: true })
      yield* registry.remove(north)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* names, [
        "north node_discovered",
        "north node_stale",
        "north node_offline",
        "north node_online",
        "north node_restarted",
        "north node_removed"
      ])
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory())))
  )

  it.scoped("the fall of a whole fleet loses nothing", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry.NodeRegistry
      const close = yield* start
      for (let i = 0; i < 5000; i++) yield* registry.heartbeat(NodeId.make(`n${i}`), heartbeat)
      yield* TestClock.adjust("1 minute")
      yield* close
      const all = yield* names
      assert.lengthOf(all, 15_000)
      const of = all.filter((name) => name.startsWith("n4711 "))
      assert.deepStrictEqual(of, ["n4711 node_discovered", "n4711 node_stale", "n4711 node_offline"])
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory())))
  )

  it.scoped("what is left is forwarded when the layer ends", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry.NodeRegistry
      const close = yield* start
      for (let i = 0; i < 1000; i++) yield* registry.observe(NodeId.make(`n${i}`), { via: "hook" })
      yield* close
      assert.lengthOf(yield* names, 1000)
      yield* registry.observe(north, { via: "hook" })
      assert.lengthOf(yield* names, 1000)
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory())))
  )

  it.scoped("also when the end is an interruption, as it is at SIGTERM", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry.NodeRegistry
      const bus = yield* HookBus.HookBus
      const running = yield* Effect.fork(Layer.launch(NodeEventLog.layer))
      let first = 0
      while ((yield* bus.latest) === 0) {
        yield* registry.observe(NodeId.make(`first${++first}`), { via: "hook" })
        yield* Effect.yieldNow()
      }
      const before = yield* bus.latest
      for (let i = 0; i < 1000; i++) yield* registry.observe(NodeId.make(`n${i}`), { via: "hook" })
      assert.isBelow(yield* bus.latest, before + 1000)
      yield* Fiber.interrupt(running)
      assert.lengthOf(
        (yield* names).filter((name) => name.startsWith("n")),
        1000
      )
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory())))
  )

  it.scoped("a bus that fails is tried again, and never holds up the registry", () =>
    Effect.gen(function* () {
      const broken = yield* Ref.make<HookBus.HookBusError["reason"] | undefined>("WriteFailed")
      yield* Effect.gen(function* () {
        const registry = yield* NodeRegistry.NodeRegistry
        yield* start
        yield* registry.observe(north, { via: "config", nextWithin: 1000 })
        yield* TestClock.adjust("20 seconds")
        yield* registry.observe(north, { via: "hook" })
        assert.deepStrictEqual(yield* names, [])
        yield* Ref.set(broken, undefined)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual((yield* names).slice(0, 4), [
          "north node_discovered",
          "north node_stale",
          "north node_offline",
          "north node_online"
        ])
      }).pipe(Effect.provide(Layer.merge(fragile(broken), NodeRegistry.layerMemory())))
    })
  )

  it.scoped("a bus that never recovers holds up the end for three seconds, one that was shut down not at all", () =>
    Effect.gen(function* () {
      const broken = yield* Ref.make<HookBus.HookBusError["reason"] | undefined>("WriteFailed")
      yield* Effect.gen(function* () {
        const registry = yield* NodeRegistry.NodeRegistry
        const close = yield* start
        yield* registry.observe(north, { via: "hook" })
        const closing = yield* Effect.fork(close)
        yield* TestClock.adjust(2999)
        assert.isNull(closing.unsafePoll())
        yield* TestClock.adjust(1)
        yield* Fiber.join(closing)
        yield* Ref.set(broken, "Closed")
        const again = yield* start
        yield* registry.observe(NodeId.make("south"), { via: "hook" })
        yield* again
      }).pipe(Effect.provide(Layer.merge(fragile(broken), NodeRegistry.layerMemory())))
    })
  )
})
