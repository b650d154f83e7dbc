/**
 * What every NodeConfigs layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * nodeConfigsContract("NodeConfigs.layerMemory", {
 *   layer: (options) => NodeConfigs.layerMemory(options).pipe(Layer.provideMerge(HookBus.layerMemory()))
 * })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { HookBus } from "../services/HookBus.js"
import { NodeConfigs, type NodeConfigsOptions } from "../services/NodeConfigs.js"
import { NodeId } from "../services/NodeId.js"

type Make<E> = (options?: NodeConfigsOptions) => Layer.Layer<NodeConfigs | HookBus, E>

export interface NodeConfigsContractOptions<E> {
  /** Makes empty stores of its own each time that the layer is built. */
  readonly layer: Make<E>
  /** Opens one store again and again, for layers that outlive their process. */
  readonly storage?: Effect.Effect<Make<E>, never, Scope.Scope> | undefined
}

const n1 = NodeId.make("n1")
const hash = (letter: string) => letter.repeat(64)
const [A, B, C] = [hash("a"), hash("b"), hash("c")]
const says = (applied: string | undefined, error?: string | null) => ({ applied, error })

export const nodeConfigsContract = <E>(name: string, options: NodeConfigsContractOptions<E>): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, NodeConfigs | HookBus>, given?: NodeConfigsOptions) =>
    it.effect(title, () => Effect.provide(body, options.layer(given)))

  describe(`${name} keeps the contract of NodeConfigs`, () => {
    test(
      "a node takes a config, then the next one, with the times of both",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        const status = () => configs.unsafeGet(n1)?.configStatus
        assert.isUndefined(configs.unsafeGet(n1))
        configs.unsafeNote(n1, A)
        assert.strictEqual(status(), "unknown")
        yield* TestClock.adjust("1 second")
        configs.unsafeNote(n1, A, says(A))
        const applied = { configStatus: "applied", configSince: 1000, wantedHash: A, wantedSince: 0 } as const
        assert.deepStrictEqual(configs.unsafeGet(n1), applied)
        yield* TestClock.adjust("1 minute")
        configs.unsafeNote(n1, A, says(A))
        assert.deepStrictEqual(configs.unsafeGet(n1), applied)
        configs.unsafeNote(n1, B)
        const wanted = {
          configStatus: "wanted",
          configSince: 61_000,
          wantedHash: B,
          wantedSince: 61_000
        } as const
        assert.deepStrictEqual(configs.unsafeGet(n1), wanted)
        yield* TestClock.adjust("10 seconds")
        configs.unsafeNote(n1, B, says(A))
        assert.deepStrictEqual(configs.unsafeGet(n1), wanted)
        configs.unsafeNote(n1, B, says(B))
        assert.strictEqual(status(), "applied")
      })
    )

    test(
      "a node that fails says why, until it has a config that works",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        const status = () => configs.unsafeGet(n1)?.configStatus
        configs.unsafeNote(n1, A, says(A, null))
        configs.unsafeNote(n1, B, says(A, null))
        configs.unsafeNote(n1, B, says(A, "port in use"))
        assert.strictEqual(status(), "failed")
        assert.strictEqual(configs.unsafeError(n1), "port in use")
        // An answer to the old config is none to the new one.
        configs.unsafeNote(n1, C)
        assert.strictEqual(status(), "wanted")
        configs.unsafeNote(n1, C, says(A, "port in use"))
        assert.strictEqual(status(), "wanted")
        // Nor is what is left of two complaints, when one of them was settled.
        configs.unsafeNote(n1, B)
        configs.unsafeNote(n1, B, says(A, "port in use; no API"))
        configs.unsafeNote(n1, C)
        configs.unsafeNote(n1, C, says(A, "port in use"))
        assert.strictEqual(status(), "wanted")
        configs.unsafeNote(n1, C, says(A, "another port in use"))
        assert.strictEqual(status(), "failed")
        configs.unsafeNote(n1, A)
        configs.unsafeNote(n1, A, says(A, "another port in use"))
        assert.strictEqual(status(), "applied")
        configs.unsafeNote(n1, A, says(A, null))
        assert.isNull(configs.unsafeError(n1))
      })
    )

    test(
      "the same complaint over and over is one in the end",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        configs.unsafeNote(n1, A, says(A, "the disk is full"))
        configs.unsafeNote(n1, B, says(A, "the disk is full"))
        assert.strictEqual(configs.unsafeGet(n1)?.configStatus, "wanted")
        yield* TestClock.adjust("61 seconds")
        configs.unsafeNote(n1, B, says(A, "the disk is full"))
        assert.strictEqual(configs.unsafeGet(n1)?.configStatus, "failed")
      }),
      { grace: "1 minute" }
    )

    test(
      "a node that runs something else has drifted",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        const status = () => configs.unsafeGet(n1)?.configStatus
        configs.unsafeNote(n1, A, says(A))
        configs.unsafeNote(n1, A, says(C))
        assert.strictEqual(status(), "drifted")
        configs.unsafeNote(n1, A, says(A))
        assert.strictEqual(status(), "applied")
        // On the way to a new one it has time, and only what it says then counts: not that somebody asks.
        configs.unsafeNote(n1, B, says(A))
        yield* TestClock.adjust("5 minutes")
        configs.unsafeNote(n1, B)
        assert.strictEqual(status(), "wanted")
        configs.unsafeNote(n1, B, says(A))
        assert.strictEqual(status(), "drifted")
        configs.unsafeNote(n1, B, says(B))
        assert.strictEqual(status(), "applied")
      }),
      { grace: "1 minute" }
    )

    test(
      "publishes what changed, and nothing twice",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        const bus = yield* HookBus
        for (let i = 0; i < 3; i++) configs.unsafeNote(n1, A, says(A, null))
        configs.unsafeNote(n1, B)
        for (let i = 0; i < 3; i++) configs.unsafeNote(n1, B, says(A, "port in use"))
        const records = yield* Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 3))
        assert.deepStrictEqual(
          [...records].map(({ event }) => event),
          [
            { event: "node_config", status: "applied", previous: "unknown", wanted: A, applied: A },
            { event: "node_config", status: "wanted", previous: "applied", wanted: B, applied: A },
            { event: "node_config", status: "failed", previous: "wanted", wanted: B, applied: A, error: "port in use" }
          ]
        )
        assert.strictEqual(yield* bus.latest, 3)
      })
    )

    test(
      "tells subscribers, forgets a node, and holds no more than it may",
      Effect.gen(function* () {
        const configs = yield* NodeConfigs
        configs.unsafeNote(n1, A, says(A))
        configs.unsafeNote(NodeId.make("n2"), A, says(A))
        assert.isUndefined(configs.unsafeGet(NodeId.make("n2")))
        yield* configs.forget(n1)
        assert.isUndefined(configs.unsafeGet(n1))
        configs.unsafeNote(NodeId.make("n2"), A, says(A))
        assert.strictEqual(configs.unsafeGet(NodeId.make("n2"))?.configStatus, "applied")
      }),
      { maxNodes: 1 }
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("where nodes stand outlives the process", () =>
        Effect.gen(function* () {
          const open = yield* storage
          yield* Effect.gen(function* () {
            const configs = yield* NodeConfigs
            configs.unsafeNote(n1, A, says(A, null))
            configs.unsafeNote(NodeId.make("gone"), A, says(A))
            yield* TestClock.adjust("5 seconds")
            configs.unsafeNote(n1, B, says(A, "port in use"))
            yield* configs.forget(NodeId.make("gone"))
          }).pipe(Effect.provide(open()))
          yield* TestClock.adjust("1 minute")
          yield* Effect.gen(function* () {
            const configs = yield* NodeConfigs
            assert.deepStrictEqual(configs.unsafeGet(n1), {
              configStatus: "failed",
              configSince: 5000,
              wantedHash: B,
              wantedSince: 5000
            })
            assert.strictEqual(configs.unsafeError(n1), "port in use")
            assert.isUndefined(configs.unsafeGet(NodeId.make("gone")))
          }).pipe(Effect.provide(open()))
        })
      )
    }
  })
}
