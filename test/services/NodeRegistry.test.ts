import { assert, describe, it } from "@effect/vitest"
import { Clock, type Duration, Effect, TestClock } from "effect"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { nodeRegistryContract } from "../../src/testing/NodeRegistryContract.js"

nodeRegistryContract("NodeRegistry.layerMemory", { layer: NodeRegistry.layerMemory })

const north = NodeId.make("north")

/** A clock whose wall time is set by hand, while its timers are those of the test clock: a process that was suspended. */
const suspendable = Effect.map(Effect.clock, (inner) => {
  let ahead = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => inner.unsafeCurrentTimeMillis() + ahead,
    currentTimeMillis: Effect.map(inner.currentTimeMillis, (millis) => millis + ahead),
    unsafeCurrentTimeNanos: () => inner.unsafeCurrentTimeNanos() + BigInt(ahead) * 1_000_000n,
    currentTimeNanos: Effect.map(inner.currentTimeNanos, (nanos) => nanos + BigInt(ahead) * 1_000_000n),
    sleep: (duration) => inner.sleep(duration)
  }
  return {
    clock,
    jump: (millis: number) => {
      ahead += millis
    }
  }
})

describe("NodeRegistry and a wall clock that jumps", () => {
  const status = Effect.flatMap(NodeRegistry.NodeRegistry, (registry) =>
    Effect.map(registry.get(north), (found) => (found._tag === "Some" ? found.value.status : undefined))
  )
  for (const [name, jump] of [
    ["forward, or the process was suspended", 3_600_000],
    ["back", -3_600_000]
  ] as const) {
    it.effect(`${name}: nobody is offline before they had the chance to report, and silence still counts`, () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("10 hours")
        const time = yield* suspendable
        const testClock = yield* Effect.clock
        const adjust = (by: Duration.DurationInput) => Effect.withClock(TestClock.adjust(by), testClock)
        yield* Effect.gen(function* () {
          const registry = yield* NodeRegistry.NodeRegistry
          yield* registry.heartbeat(north, { instance: "i", status: "ok" })
          yield* adjust("1 second")
          time.jump(jump)
          yield* adjust("22 seconds")
          assert.strictEqual(yield* status, "online")
          yield* adjust("42 seconds")
          assert.strictEqual(yield* status, "offline")
          yield* registry.observe(north, { via: "hook" })
          yield* adjust("21 seconds")
          assert.strictEqual(yield* status, "online")
          yield* adjust("1 second")
          assert.strictEqual(yield* status, "stale")
        }).pipe(Effect.provide(NodeRegistry.layerMemory()), Effect.withClock(time.clock))
      })
    )
  }
})
