import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as ConfigRevisions from "../../src/services/ConfigRevisions.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import type { FleetDocument } from "../../src/services/FleetDocument.js"
import { configRevisionsContract } from "../../src/testing/ConfigRevisionsContract.js"
import { configSourceContract } from "../../src/testing/ConfigSourceContract.js"

configRevisionsContract("ConfigRevisions.layerMemory", {
  layer: ConfigRevisions.layerMemory,
  storage: Effect.map(
    ConfigRevisions.makeMemoryStore,
    (store) => (options) =>
      Layer.provide(ConfigRevisions.layer(options), Layer.succeed(ConfigRevisions.RevisionStore, store))
  )
})

const documentOf = ({ config, labels, nodes, overlays }: ConfigSource.ConfigValue): FleetDocument =>
  JSON.parse(JSON.stringify({ base: config, labels, overlays, nodes }))

configSourceContract("ConfigRevisions.source", {
  open: (value) =>
    Effect.gen(function* () {
      const context = yield* Layer.build(
        ConfigRevisions.layerSource({ seed: Effect.succeed(documentOf(value)) }).pipe(
          Layer.provideMerge(ConfigRevisions.layerMemory())
        )
      )
      const revisions = yield* Effect.provide(ConfigRevisions.ConfigRevisions, context)
      const source = yield* Effect.provide(ConfigSource.ConfigSource, context)
      return {
        source,
        offer: (next) => Effect.ignore(revisions.append({ config: documentOf(next), author: "test" }))
      }
    })
})

configSourceContract("ConfigRevisions.recorded", {
  open: (value) =>
    Effect.gen(function* () {
      const inner = yield* ConfigSource.make(value)
      const context = yield* Layer.build(
        ConfigRevisions.layerRecorded(Effect.succeed(inner)).pipe(
          Layer.provide(ConfigRevisions.layerMemory({ readOnly: "edit the files" }))
        )
      )
      const source = yield* Effect.provide(ConfigSource.ConfigSource, context)
      return { source, offer: (next) => Effect.ignore(inner.set(next)) }
    })
})

describe("ConfigRevisions.recorded", () => {
  it.scoped("puts a config in force that can't be recorded, and records it when it can", () =>
    Effect.gen(function* () {
      const real = yield* ConfigRevisions.makeMemoryStore
      let broken = false
      const store = Layer.succeed(ConfigRevisions.RevisionStore, {
        ...real,
        insert: (...args) =>
          Effect.suspend(() =>
            broken
              ? new ConfigRevisions.ConfigRevisionsError({ reason: "WriteFailed", message: "the disk is full" })
              : real.insert(...args)
          )
      })
      const context = yield* Layer.build(Layer.provide(ConfigRevisions.layer({ readOnly: "edit the files" }), store))
      const revisions = yield* Effect.provide(ConfigRevisions.ConfigRevisions, context)
      const inner = yield* ConfigSource.make({ config: { logLevel: "info" } })
      const source = yield* Effect.provide(
        ConfigRevisions.recorded(inner, { note: (changes) => `${changes.length} fields` }),
        context
      )
      assert.strictEqual((yield* source.current).revision, 1)
      broken = true
      yield* inner.set({ config: { logLevel: "warn" } })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* source.current).base, { logLevel: "warn" })
      assert.strictEqual((yield* source.current).revision, 1)
      // Another edit is not held up by one that waits to be recorded.
      yield* inner.set({ config: { logLevel: "error" } })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* source.current).base, { logLevel: "error" })
      broken = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* source.current).revision, 2)
      const newest = yield* revisions.newest
      assert.deepInclude(newest, { revision: 2, note: "1 fields", config: { base: { logLevel: "error" } } })
    })
  )

  it.scoped("begins at the revision that holds what is there", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(ConfigRevisions.layerMemory({ readOnly: "edit the files" }))
      const open = (logLevel: "info" | "warn") =>
        Effect.gen(function* () {
          const inner = yield* ConfigSource.make({ config: { logLevel } })
          return (yield* (yield* ConfigRevisions.recorded(inner)).current).revision
        }).pipe(Effect.provide(context), Effect.scoped)
      assert.strictEqual(yield* open("info"), 1)
      assert.strictEqual(yield* open("info"), 1)
      assert.strictEqual(yield* open("warn"), 2)
    })
  )
})

describe("ConfigRevisions.source", () => {
  it.scoped("has nothing to serve without a revision or a seed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ConfigRevisions.source().pipe(Effect.provide(ConfigRevisions.layerMemory())))
      assert.strictEqual(error._tag, "ConfigSourceError")
    })
  )

  it.scoped("seeds once", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(ConfigRevisions.layerMemory())
      const open = (logLevel: string) =>
        Effect.flatMap(
          ConfigRevisions.source({ seed: Effect.succeed({ base: { logLevel } }), seedNote: "from the folder" }),
          (source) => source.current
        ).pipe(Effect.provide(context))
      assert.deepStrictEqual((yield* open("warn")).base, { logLevel: "warn" })
      assert.deepStrictEqual((yield* open("error")).base, { logLevel: "warn" })
      const revisions = yield* Effect.provide(ConfigRevisions.ConfigRevisions, context)
      assert.deepInclude(yield* revisions.newest, { revision: 1, author: "seed", note: "from the folder" })
    })
  )

  it.scoped("does not start on a revision that this version finds invalid", () =>
    Effect.gen(function* () {
      const store = yield* ConfigRevisions.makeMemoryStore
      const text = JSON.stringify({ base: { field: "of the future" } })
      yield* store.insert(
        {
          revision: 4,
          at: 0,
          author: "x",
          note: "",
          origin: "edit",
          restores: null,
          hash: "h",
          changes: { total: 0, fields: [] }
        },
        text,
        0
      )
      const error = yield* Effect.flip(
        Layer.build(Layer.provide(ConfigRevisions.layer(), Layer.succeed(ConfigRevisions.RevisionStore, store)))
      )
      assert.strictEqual(error._tag, "ConfigSourceError")
      assert.include(error.message, "revision 4")
    })
  )
})
