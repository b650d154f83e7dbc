/** What a whole fleet that calls in one moment costs: a few writes, not one for each node. Counted, not timed. */
import { it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { assert, describe } from "vitest"
import { HookBus } from "../../src/services/HookBus.js"
import * as NodeConfigs from "../../src/services/NodeConfigs.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"

const NODES = 1_000
const ids = Array.from({ length: NODES }, (_, i) => NodeId.make(`node-${i}`))
/** What one write takes at most: 200 rows. */
const FEWEST = NODES / 200

const countingStore = () => {
  const writes: Array<ReadonlyArray<NodeRegistry.StoredNode>> = []
  const store: NodeRegistry.NodeStore = {
    load: Effect.succeed([]),
    write: (upsert) =>
      Effect.sync(() => {
        writes.push(upsert)
      })
  }
  return { store, writes }
}

describe("a fleet that calls in one moment", () => {
  it.scoped("new nodes that wait for their heartbeats to be durable share writes", () =>
    Effect.gen(function* () {
      const { store, writes } = countingStore()
      const registry = yield* NodeRegistry.make({ store })
      yield* Effect.forEach(ids, (id) => registry.heartbeat(id, { instance: "one", status: "ok" }), {
        concurrency: "unbounded",
        discard: true
      })
      assert.isAtMost(writes.length, FEWEST + 1)
      assert.strictEqual(new Set(writes.flat().map(({ record }) => record.id)).size, NODES)
    })
  )

  it.scoped("nodes that come one a turn of the event loop share writes, too", () =>
    Effect.gen(function* () {
      const { store, writes } = countingStore()
      const registry = yield* NodeRegistry.make({ store })
      const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
      for (const id of ids.slice(0, 160)) {
        yield* registry.observe(id, { via: "config", boot: true })
        yield* turn
      }
      // 16 turns are waited for at most.
      assert.isAtMost(writes.length, 160 / 8)
    })
  )

  it.scoped("statuses of configs are logged together: those of different nodes, each node's in order", () =>
    Effect.gen(function* () {
      let waiting: Array<() => void> = []
      const batches: Array<number> = []
      const logged: Array<readonly [NodeId, string]> = []
      const bus = HookBus.of({
        publish: (node, event) =>
          Effect.async((resume) => {
            if (event.event === "node_config") logged.push([node, event.status])
            waiting.push(() => resume(Effect.succeed({ cursor: 1, duplicate: false })))
            // A commit of all that came within one turn.
            if (waiting.length === 1) {
              setImmediate(() => {
                const batch = waiting
                waiting = []
                batches.push(batch.length)
                for (const done of batch) done()
              })
            }
          }),
        subscribe: () => Stream.never,
        read: () => Effect.succeed([]),
        latest: Effect.succeed(0)
      })
      const configs = yield* NodeConfigs.make().pipe(Effect.provide(Layer.succeed(HookBus, bus)))
      const [a, b] = ["a".repeat(64), "b".repeat(64)] as const
      for (const id of ids) configs.unsafeNote(id, a, { applied: a, error: undefined })
      for (const id of ids) configs.unsafeNote(id, b, { applied: a, error: undefined })
      const all = Effect.suspend(() => (logged.length < 2 * NODES ? Effect.fail("not yet") : Effect.void))
      yield* Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))).pipe(
        Effect.zipRight(all),
        Effect.retry({ times: 10_000 })
      )
      assert.isAtMost(batches.length, (2 * NODES) / 100)
      for (const id of ids) {
        assert.deepStrictEqual(
          logged.filter(([node]) => node === id).map(([, status]) => status),
          ["applied", "wanted"]
        )
      }
    })
  )
})
