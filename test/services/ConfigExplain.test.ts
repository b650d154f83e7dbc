import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { explain } from "../../src/services/ConfigExplain.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import { NodeId } from "../../src/services/NodeId.js"

const value: ConfigSource.ConfigValue = {
  config: {
    logLevel: "info",
    pathDefaults: { maxReaders: 1 },
    paths: { "cams/a": { source: "rtsp://u:s3cret-pw@10.0.0.1/x" }, "~^door[0-9]$": {} }
  },
  labels: { "eu-*": { region: "eu" } },
  overlays: [
    { name: "europe", nodes: "region=eu", config: { logLevel: "warn", pathDefaults: { maxReaders: 2 } } },
    { name: "cams", paths: "cams/*", config: { maxReaders: 7 } }
  ],
  nodes: { "eu-1": { paths: { "cams/a": { maxReaders: 9 } } } }
}

describe("explain", () => {
  const given = Effect.flatMap(ConfigSource.make(value), (source) => source.current)
  const ask = (node: string, field: string) =>
    Effect.map(given, (fleet) =>
      Either.map(explain(fleet, NodeId.make(node), field), ({ layers, ...rest }) => ({
        ...rest,
        layers: layers.map(({ counts, field, layer, name, value }) =>
          [layer, name ?? "", field, value, ...(counts ? ["counts"] : [])].join(" ")
        )
      }))
    )

  it.effect("names every layer of a field, lowest first, and the one that counts", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* yield* ask("eu-1", "paths.cams/a.maxReaders"), {
        node: NodeId.make("eu-1"),
        labels: { region: "eu", node: "eu-1" },
        field: 'paths["cams/a"].maxReaders',
        value: 9,
        layers: [
          "mediamtx  pathDefaults.maxReaders 0",
          "base  pathDefaults.maxReaders 1",
          "overlay europe pathDefaults.maxReaders 2",
          "overlay cams maxReaders 7",
          'node eu-1 paths["cams/a"].maxReaders 9 counts'
        ]
      })
      const us = yield* yield* ask("us-1", "logLevel")
      assert.deepStrictEqual(us.layers, ["mediamtx  logLevel info", "base  logLevel info counts"])
      const eu = yield* yield* ask("eu-2", "logLevel")
      assert.strictEqual(eu.value, "warn")
      const none = yield* yield* ask("us-1", "readTimeout")
      assert.lengthOf(none.layers, 1)
      assert.isTrue(none.layers[0]?.endsWith("counts"))
    })
  )

  it.effect("finds the entry that a stream belongs to, and hides secrets", () =>
    Effect.gen(function* () {
      const door = yield* yield* ask("us-1", "paths.door7.maxReaders")
      assert.strictEqual(door.field, 'paths["~^door[0-9]$"].maxReaders')
      assert.strictEqual(door.value, 1)
      const source = yield* yield* ask("us-1", 'paths["cams/a"].source')
      assert.notInclude(JSON.stringify(source), "s3cret")
      assert.include(String(source.value), "10.0.0.1")
    })
  )

  it.effect("says what it does not know", () =>
    Effect.gen(function* () {
      for (const [field, message] of [
        ["logLevl", /logLevel\?/],
        ["paths.cams/a.recrod", /record\?/],
        ["pathDefaults.recrod", /record\?/],
        ["paths.nothing.record", /no path "nothing"/],
        ["paths", /many fields/],
        ["a b", /not the name/],
        ['paths["\\q"].record', /wrong escape/],
        ["toString", /no field/]
      ] as const) {
        const result = yield* ask("us-1", field)
        assert.isTrue(Either.isLeft(result), field)
        if (Either.isLeft(result)) assert.match(`${result.left.message} ${result.left.expected}`, message)
      }
    })
  )
})
