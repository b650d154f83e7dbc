/**
 * What every RolloutStore must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * rolloutStoreContract("Rollout.layerMemoryStore", { layer: Rollout.layerMemoryStore })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { NodeId } from "../services/NodeId.js"
import { type RolloutRecord, RolloutStore } from "../services/Rollout.js"

export interface RolloutStoreContractOptions<E> {
  /** Makes an empty store of its own each time that the layer is built. */
  readonly layer: Layer.Layer<RolloutStore, E>
}

const record = (id: number, over: Partial<RolloutRecord> = {}): RolloutRecord => ({
  id,
  state: "running",
  // Beyond 32 bits, as real times are.
  stateSince: 1_800_000_000_000,
  reason: "",
  createdAt: 1_800_000_000_000,
  from: "a",
  to: "b",
  revision: null,
  failures: [{ node: NodeId.make("n1"), reason: "failed", message: "port in use" }],
  policy: {
    splay: 1000,
    soak: 60_000,
    deadline: 300_000,
    tolerate: 0,
    hold: { for: ["node"], window: { from: 120, to: 300, zone: "UTC", days: [0, 6], text: "02:00 to 05:00 UTC" } }
  },
  waves: [
    { nodes: [NodeId.make("n1")], releasedAt: 1_800_000_000_000, paused: 12.5, wellSince: null },
    { nodes: [], releasedAt: null, paused: 0, wellSince: null }
  ],
  excused: [],
  promoted: false,
  ...over
})

export const rolloutStoreContract = <E>(name: string, options: RolloutStoreContractOptions<E>): void => {
  describe(`${name} keeps the contract of RolloutStore`, () => {
    it.effect("gives back what was saved, and nothing when nothing was", () =>
      Effect.gen(function* () {
        const store = yield* RolloutStore
        assert.deepStrictEqual(yield* store.load, { settled: undefined, stack: [], rollouts: [] })
        assert.isUndefined(yield* store.config("a"))
        // Longer than one row, with characters of more than one byte where it is cut.
        const long = "ä€".repeat(200_000)
        const configs = new Map([
          ["a", "{}"],
          ["b", long]
        ])
        yield* store.save({
          settled: "a",
          stack: [2],
          rollouts: [record(1), record(2)],
          oldest: 0,
          configs,
          keep: new Set(["a", "b"])
        })
        assert.deepStrictEqual(yield* store.load, { settled: "a", stack: [2], rollouts: [record(1), record(2)] })
        assert.strictEqual(yield* store.config("b"), long)
        assert.strictEqual(yield* store.config("a"), "{}")
      }).pipe(Effect.provide(options.layer))
    )

    it.effect("replaces a rollout, and forgets configs and rollouts that nobody needs", () =>
      Effect.gen(function* () {
        const store = yield* RolloutStore
        const save = (change: Partial<Parameters<typeof store.save>[0]>) =>
          store.save({
            settled: "a",
            stack: [],
            rollouts: [],
            oldest: 0,
            configs: new Map(),
            keep: new Set(),
            ...change
          })
        yield* save({ rollouts: [record(1), record(2)], configs: new Map([["a", "1"]]), keep: new Set(["a"]) })
        yield* save({
          settled: "b",
          rollouts: [record(2, { state: "completed", failures: [] }), record(3)],
          oldest: 2,
          configs: new Map([
            ["a", "1"],
            ["b", "2"]
          ]),
          keep: new Set(["b"])
        })
        const loaded = yield* store.load
        assert.strictEqual(loaded.settled, "b")
        assert.deepStrictEqual(
          loaded.rollouts.map(({ id, state }) => [id, state]),
          [
            [2, "completed"],
            [3, "running"]
          ]
        )
        assert.isUndefined(yield* store.config("a"))
        assert.strictEqual(yield* store.config("b"), "2")
      }).pipe(Effect.provide(options.layer))
    )
  })
}
