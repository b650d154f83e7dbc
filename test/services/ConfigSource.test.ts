import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import { adopt, mergeConfig } from "../../src/services/internal/mergeConfig.js"
import { NodeId } from "../../src/services/NodeId.js"
import { configSourceContract } from "../../src/testing/ConfigSourceContract.js"

configSourceContract("ConfigSource.make", {
  open: (value) =>
    Effect.map(ConfigSource.make(value), (source) => ({ source, offer: (next) => Effect.ignore(source.set(next)) }))
})

describe("ConfigSource.fromValue", () => {
  it.effect("is a layer with overlays", () =>
    Effect.gen(function* () {
      const source = yield* ConfigSource.ConfigSource
      const fleet = yield* source.current
      assert.strictEqual(fleet.revision, 1)
      assert.deepStrictEqual(fleet.nodes.get(NodeId.make("a")), { logLevel: "debug" })
    }).pipe(Effect.provide(ConfigSource.fromValue({ paths: {} }, { nodes: { a: { logLevel: "debug" } } })))
  )

  it.effect("says which overlay is wrong", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ConfigSource.make({ config: {}, nodes: { a: JSON.parse('{"pathz":{}}') } }))
      assert.include(error.message, "nodes.a.pathz")
      const name = yield* Effect.flip(ConfigSource.make({ config: {}, nodes: { "../a": {} } }))
      assert.include(name.message, "node id")
    })
  )

  it.effect("is not changed by what happens to the value later, and doesn't freeze it", () =>
    Effect.gen(function* () {
      const config = { paths: { cam: { maxReaders: 1 } } }
      const source = yield* ConfigSource.make({ config })
      config.paths.cam.maxReaders = 2
      assert.deepStrictEqual((yield* source.current).base, { paths: { cam: { maxReaders: 1 } } })
      yield* source.set({ config })
      assert.deepStrictEqual((yield* source.current).base, { paths: { cam: { maxReaders: 2 } } })
    })
  )

  it.effect("doesn't count an equal config as a change", () =>
    Effect.gen(function* () {
      const source = yield* ConfigSource.make({ config: { paths: { cam: {} } }, nodes: { a: {} } })
      const before = yield* source.current
      assert.strictEqual(yield* source.set({ config: { paths: { cam: {} } }, nodes: { a: {} } }), before)
    })
  )
})

describe("mergeConfig", () => {
  it("replaces fields, merges pathDefaults and paths field by field, replaces lists", () => {
    const base: MediaMTXConfig = {
      logLevel: "info",
      rtspTransports: ["udp", "tcp"],
      pathDefaults: { record: true, maxReaders: 5 },
      paths: { a: { record: true, maxReaders: 1 }, b: {} }
    }
    const overlay: MediaMTXConfig = {
      logLevel: "debug",
      rtspTransports: ["tcp"],
      pathDefaults: { maxReaders: 6 },
      paths: { a: { maxReaders: 2 }, c: {}, b: null }
    }
    const merged = mergeConfig(base, overlay)
    assert.deepStrictEqual(merged, {
      logLevel: "debug",
      rtspTransports: ["tcp"],
      pathDefaults: { record: true, maxReaders: 6 },
      paths: { a: { record: true, maxReaders: 2 }, b: {}, c: {} }
    })
    assert.strictEqual(merged.paths?.["b"], base.paths?.["b"])
    assert.strictEqual(mergeConfig(base, overlay).paths?.["a"], merged.paths?.["a"], "equal input, the same object")
  })
})

describe("adopt", () => {
  const json = FastCheck.jsonValue({ maxDepth: 4 })
  it("is equal to what was given, frozen, and the previous where they are equal", () => {
    FastCheck.assert(
      FastCheck.property(json, json, (a, b) => {
        const first = adopt(undefined, a)
        assert.deepStrictEqual(first, a)
        assert.strictEqual(adopt(first, structuredClone(a)), first)
        const second = adopt(first, b)
        assert.deepStrictEqual(second, b)
        if (typeof b === "object" && b !== null) {
          assert.isTrue(Object.isFrozen(second))
          assert.strictEqual(adopt(undefined, second), second, "frozen is taken as it is")
        }
        assert.strictEqual(JSON.stringify(second), JSON.stringify(b), "same order of fields")
      }),
      { numRuns: 300 }
    )
  })

  it("keeps the objects of siblings", () => {
    const before = adopt(undefined, { a: { x: [1] }, b: { y: 1 } }) as { a: object; b: object }
    const after = adopt(before, { a: { x: [1] }, b: { y: 2 } }) as { a: object; b: object }
    assert.strictEqual(after.a, before.a)
    assert.notStrictEqual(after.b, before.b)
  })
})

describe("what a source refuses", () => {
  it.effect("is said by set as well", () =>
    Effect.gen(function* () {
      const source = yield* ConfigSource.make({ config: {} })
      const result = yield* Effect.either(source.set({ config: JSON.parse('{"logLevl":"info"}') }))
      assert.isTrue(Either.isLeft(result))
      assert.strictEqual((yield* source.rejected)?._tag, "InvalidConfig")
    })
  )
})
