/** Whatever happens in whatever order: what a rollout must never do, and what it must do in the end. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestContext from "effect/TestContext"
import { decode } from "../../src/services/RolloutPolicy.js"
import { rolloutWorld } from "./RolloutWorld.js"

const fleet = ["n1", "n2", "n3", "n4", "n5", "n6"]
const names = ["a", "b", "c", "d"]

type Step =
  | { readonly do: "edit"; readonly name: string }
  | { readonly do: "beat"; readonly node: string; readonly lives: boolean }
  | { readonly do: "pass"; readonly seconds: number }
  | { readonly do: "decide"; readonly what: "resume" | "abort" | "promote" }
  | { readonly do: "restart" }
  /** A node that has the newest config fails for good, while the others live. */
  | { readonly do: "trouble" }

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  {
    weight: 3,
    arbitrary: FastCheck.record({ do: FastCheck.constant("edit" as const), name: FastCheck.constantFrom(...names) })
  },
  {
    weight: 8,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("beat" as const),
      node: FastCheck.constantFrom(...fleet),
      lives: FastCheck.oneof(
        { weight: 4, arbitrary: FastCheck.constant(true) },
        { weight: 1, arbitrary: FastCheck.constant(false) }
      )
    })
  },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("pass" as const),
      seconds: FastCheck.integer({ min: 1, max: 20 })
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("decide" as const),
      what: FastCheck.constantFrom("resume" as const, "abort" as const, "promote" as const)
    })
  },
  { weight: 1, arbitrary: FastCheck.constant({ do: "restart" as const }) },
  { weight: 2, arbitrary: FastCheck.constant({ do: "trouble" as const }) }
)

const section = FastCheck.constantFrom(
  { canary: { nodes: "node=n1" }, soak: "5s", deadline: "30s" },
  { waves: [{ percent: 20 }, { percent: 60 }], soak: "3s", deadline: "30s", splay: "6s" },
  { splay: "15s", tolerate: 1, deadline: "30s" },
  { splay: "90s", deadline: "2m" }
)

it.effect(
  "model: nobody gets what is not on its way, nobody falls back by itself, a halt holds, and all ends well",
  () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(section, FastCheck.array(step, { minLength: 8, maxLength: 30 }), (chosen, steps) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const policy = Either.getOrThrow(decode(chosen))
              const world = yield* rolloutWorld(policy)
              const { beat, beats, given, newest, pass, restart, rollout, set } = world
              yield* beats(fleet)
              /** What nodes have when nothing is on its way. */
              let settled = "a"
              let target = "a"
              let before = new Map(fleet.map((id) => [id, "a"]))
              for (const each of steps) {
                const last = yield* newest
                const halted = last?.state === "halted"
                switch (each.do) {
                  case "edit":
                    target = each.name
                    yield* set(each.name)
                    break
                  case "beat":
                    yield* beat(each.node, each.lives ? {} : { error: `${each.node} fails`, applied: "0".repeat(64) })
                    break
                  case "pass":
                    yield* pass(each.seconds)
                    break
                  case "decide":
                    if (last !== undefined) yield* Effect.either(rollout()[each.what](last.id))
                    break
                  case "trouble": {
                    const first = fleet.find((id) => before.get(id) === target)
                    yield* beats(fleet.filter((id) => id !== first))
                    if (first !== undefined) yield* beat(first, { error: `${first} fails`, applied: "0".repeat(64) })
                    yield* pass(12)
                    break
                  }
                  case "restart":
                    yield* restart
                }
                const now = new Map<string, string>()
                for (const id of fleet) now.set(id, yield* given(id))
                const top = yield* newest
                const over = top === undefined || top.state === "completed" || top.state === "aborted"
                const known = new Set(over ? [settled, target] : [settled, target, ...before.values()])
                for (const [id, name] of now) {
                  assert.isTrue(known.has(name), `${id} has ${name}, which nobody gives`)
                  if (each.do !== "edit" && each.do !== "decide") {
                    // Only forward: to the newest config, or nowhere.
                    const was = before.get(id)
                    assert.isTrue(name === was || name === target, `${id} went from ${was} to ${name}`)
                    if (halted && top?.state === "halted") assert.strictEqual(name, was, "a halt holds")
                  }
                }
                const one = new Set(now.values())
                if (over && top !== undefined) assert.strictEqual(one.size, 1, "what is over leaves nobody behind")
                if (over) settled = now.get("n1") ?? settled
                before = now
              }
              // Everybody lives with it, and whoever has to decide says yes.
              yield* set("z")
              for (let i = 0; i < 16; i++) {
                yield* beats(fleet)
                yield* pass(8)
                const top = yield* newest
                if (top?.state === "halted") yield* rollout().resume(top.id)
              }
              for (const id of fleet) assert.strictEqual(yield* given(id), "z")
              assert.strictEqual((yield* newest)?.state, "completed")
            }).pipe(
              Effect.scoped,
              Logger.withMinimumLogLevel(LogLevel.None),
              Effect.provide(TestContext.TestContext)
            ) as Effect.Effect<void>
          )
        ),
        { numRuns: 12 }
      )
    ),
  60_000
)
