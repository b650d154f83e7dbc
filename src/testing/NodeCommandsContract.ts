/**
 * What every NodeCommands layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * nodeCommandsContract("NodeCommands.layerMemory", { layer: NodeCommands.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { type NewCommand, NodeCommands, type NodeCommandsOptions } from "../services/NodeCommands.js"
import { NodeId } from "../services/NodeId.js"

type Make<E> = (options?: NodeCommandsOptions) => Layer.Layer<NodeCommands, E>

export interface NodeCommandsContractOptions<E> {
  /** Makes an empty store of its own each time that the layer is built. */
  readonly layer: Make<E>
  /** Opens one store again and again, for layers that outlive their process. */
  readonly storage?: Effect.Effect<Make<E>, never, Scope.Scope> | undefined
}

const n1 = NodeId.make("n1")
const n2 = NodeId.make("n2")
const kick = (id: string): NewCommand => ({ command: { type: "kick", session: "rtspSession", id }, reason: "a test" })

export const nodeCommandsContract = <E>(name: string, options: NodeCommandsContractOptions<E>): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, NodeCommands>, given?: NodeCommandsOptions) =>
    it.effect(title, () => Effect.provide(body, options.layer(given)))

  describe(`${name} keeps the contract of NodeCommands`, () => {
    test(
      "hands a command to its node with each heartbeat until it is confirmed",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        const [given] = yield* commands.give(n1, [kick("s1")])
        const id = given?.id ?? ""
        assert.strictEqual(given?.state, "waiting")
        assert.deepStrictEqual(commands.unsafeTake(n2), [])
        const out = [{ type: "kick", session: "rtspSession", id: "s1", command: id } as const]
        assert.deepStrictEqual(commands.unsafeTake(n1), out)
        assert.deepStrictEqual(commands.unsafeTake(n1), out)
        assert.strictEqual(Option.getOrThrow(yield* commands.get(id)).state, "sent")
        // Another node can't confirm it.
        yield* commands.confirm(n2, [{ command: id, outcome: "done" }])
        assert.deepStrictEqual(commands.unsafeTake(n1), out)
        yield* commands.confirm(n1, [
          { command: "no-such-command", outcome: "done" },
          { command: id, outcome: "failed", message: "MEDIAMTX_API is not set" }
        ])
        assert.deepStrictEqual(commands.unsafeTake(n1), [])
        const ended = Option.getOrThrow(yield* commands.get(id))
        assert.deepInclude(ended, { state: "failed", message: "MEDIAMTX_API is not set", endedAt: 0 })
        // Confirmed once more by an updater that was not sure: nothing changes.
        yield* commands.confirm(n1, [{ command: id, outcome: "done" }])
        assert.strictEqual(Option.getOrThrow(yield* commands.get(id)).state, "failed")
      })
    )

    test(
      "gives a command that waits already no second time",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        const [first] = yield* commands.give(n1, [kick("s1")])
        const [second, other, again] = yield* commands.give(n1, [kick("s1"), kick("s2"), kick("s2")])
        assert.strictEqual(second?.id, first?.id)
        assert.strictEqual(again?.id, other?.id)
        assert.strictEqual(commands.unsafeTake(n1).length, 2)
        const [elsewhere] = yield* commands.give(n2, [kick("s1")])
        assert.notStrictEqual(elsewhere?.id, first?.id)
      })
    )

    test(
      "lets a command expire that nobody confirms, and forgets it in the end",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        const [given] = yield* commands.give(n1, [kick("s1")])
        const id = given?.id ?? ""
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(commands.unsafeTake(n1).length, 1)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(commands.unsafeTake(n1), [])
        assert.deepInclude(Option.getOrThrow(yield* commands.get(id)), { state: "expired", endedAt: 60_000 })
        yield* TestClock.adjust("10 minutes")
        assert.isTrue(Option.isNone(yield* commands.get(id)))
        assert.deepStrictEqual(yield* commands.list(n1), [])
      }),
      { expires: "1 minute", keep: "5 minutes" }
    )

    test(
      "takes no more for one node than it may, all or none",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        yield* commands.give(n1, [kick("a"), kick("b")])
        const refused = yield* Effect.flip(commands.give(n1, [kick("c"), kick("d")]))
        assert.strictEqual(refused.reason, "Full")
        assert.include(refused.message, "n1")
        assert.strictEqual(commands.unsafeTake(n1).length, 2)
        // What waits already is no more.
        yield* commands.give(n1, [kick("a"), kick("c")])
        yield* commands.give(n2, [kick("a")])
        assert.strictEqual(commands.unsafeTake(n1).length, 3)
      }),
      { maxWaiting: 3 }
    )

    test(
      "keeps only so many of those that ended",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        const given = yield* commands.give(n1, [kick("a"), kick("b"), kick("c")])
        yield* commands.confirm(
          n1,
          given.map(({ id }) => ({ command: id, outcome: "done" as const }))
        )
        assert.deepStrictEqual(
          (yield* commands.list(n1)).map(({ id }) => id),
          given.slice(1).map(({ id }) => id)
        )
      }),
      { maxEnded: 2 }
    )

    test(
      "hands out a hundred at a time, the oldest first",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        const given = yield* commands.give(
          n1,
          Array.from({ length: 150 }, (_, i) => kick(`s${i}`))
        )
        const first = commands.unsafeTake(n1)
        assert.deepStrictEqual(
          first.map(({ command }) => command),
          given.slice(0, 100).map(({ id }) => id)
        )
        yield* commands.confirm(
          n1,
          first.map(({ command }) => ({ command, outcome: "gone" as const }))
        )
        assert.strictEqual(commands.unsafeTake(n1).length, 50)
      })
    )

    test(
      "forgets a node",
      Effect.gen(function* () {
        const commands = yield* NodeCommands
        yield* commands.give(n1, [kick("a")])
        yield* commands.give(n2, [kick("a")])
        yield* commands.forget(n1)
        assert.deepStrictEqual(yield* commands.list(n1), [])
        assert.deepStrictEqual(commands.unsafeTake(n1), [])
        assert.strictEqual(commands.unsafeTake(n2).length, 1)
      })
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("what was given, and what was confirmed, outlives the process", () =>
        Effect.gen(function* () {
          const open = yield* storage
          const id = yield* Effect.gen(function* () {
            const commands = yield* NodeCommands
            const [first, second] = yield* commands.give(n1, [kick("a"), kick("b")])
            yield* commands.give(n2, [{ command: { type: "refresh" }, reason: "a change" }])
            commands.unsafeTake(n1)
            yield* commands.confirm(n1, [{ command: first?.id ?? "", outcome: "gone" }])
            return second?.id ?? ""
          }).pipe(Effect.provide(open()))
          yield* Effect.gen(function* () {
            const commands = yield* NodeCommands
            assert.deepStrictEqual(
              (yield* commands.list(n1)).map(({ state }) => state),
              ["gone", "waiting"]
            )
            assert.deepStrictEqual(
              commands.unsafeTake(n1).map(({ command }) => command),
              [id]
            )
            assert.strictEqual(commands.unsafeTake(n2)[0]?.type, "refresh")
            yield* commands.forget(n2)
          }).pipe(Effect.provide(open()))
          yield* TestClock.adjust("2 days")
          yield* Effect.gen(function* () {
            const commands = yield* NodeCommands
            assert.deepStrictEqual(yield* commands.list(n2), [])
            assert.deepStrictEqual(commands.unsafeTake(n1), [])
          }).pipe(Effect.provide(open()))
        })
      )
    }
  })
}
