/**
 * What every JwtKeys layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * jwtKeysContract("JwtKeys.layerMemory", { layer: JwtKeys.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { type JwtKey, JwtKeys } from "../services/JwtKeys.js"

export interface JwtKeysContractOptions<E> {
  /** Makes an empty store of its own each time that the layer is built. */
  readonly layer: Layer.Layer<JwtKeys, E>
}

const key = (id: string, follows: string, activeAt: number): JwtKey => ({
  id,
  follows,
  publishedAt: activeAt - 1,
  activeAt,
  privateJwk: Redacted.make(`{"of":"${id}"}`)
})
const plain = (keys: ReadonlyArray<JwtKey>) =>
  keys.map((stored) => ({ ...stored, privateJwk: Redacted.value(stored.privateJwk) }))

export const jwtKeysContract = <E>(name: string, options: JwtKeysContractOptions<E>): void => {
  describe(`${name} keeps the contract of JwtKeys`, () => {
    it.effect("gives back what was added, in the order in which keys become active", () =>
      Effect.gen(function* () {
        const keys = yield* JwtKeys
        assert.deepStrictEqual(yield* keys.list, [])
        // Beyond 32 bits, as real times are.
        const [a, b, c] = [key("a", "", 0), key("b", "a", 1_800_000_000_000), key("c", "b", 1_800_000_000_001)]
        assert.isTrue(yield* keys.add(b))
        assert.isTrue(yield* keys.add(c))
        assert.isTrue(yield* keys.add(a))
        assert.deepStrictEqual(plain(yield* keys.list), plain([a, b, c]))
      }).pipe(Effect.provide(options.layer))
    )

    it.effect("lets one key follow another, and one be the first", () =>
      Effect.gen(function* () {
        const keys = yield* JwtKeys
        const first = yield* Effect.all([keys.add(key("a", "", 1)), keys.add(key("b", "", 2))], {
          concurrency: "unbounded"
        })
        assert.strictEqual(first.filter(Boolean).length, 1)
        const [root] = yield* keys.list
        const won = yield* Effect.forEach(["c", "d", "e"], (id) => keys.add(key(id, root?.id ?? "", 3)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(won.filter(Boolean).length, 1)
        assert.isFalse(yield* keys.add(key(root?.id ?? "", "x", 4)))
        assert.strictEqual((yield* keys.list).length, 2)
      }).pipe(Effect.provide(options.layer))
    )

    it.effect("forgets what was removed, and minds no id that is not there", () =>
      Effect.gen(function* () {
        const keys = yield* JwtKeys
        yield* keys.add(key("a", "", 1))
        yield* keys.add(key("b", "a", 2))
        yield* keys.remove([])
        yield* keys.remove(["a", "never"])
        assert.deepStrictEqual(
          (yield* keys.list).map(({ id }) => id),
          ["b"]
        )
      }).pipe(Effect.provide(options.layer))
    )

    it.effect("doesn't show private keys when it is logged", () =>
      Effect.gen(function* () {
        const keys = yield* JwtKeys
        yield* keys.add(key("a", "", 1))
        assert.notInclude(JSON.stringify(yield* keys.list), "of")
      }).pipe(Effect.provide(options.layer))
    )
  })
}
