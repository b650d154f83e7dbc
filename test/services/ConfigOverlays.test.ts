import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import { NodeId } from "../../src/services/NodeId.js"
import { labelsOf, matchesId, parseSelector, sampleIds } from "../../src/services/NodeLabels.js"

const id = NodeId.make

const selects = (selector: string, labels: Readonly<Record<string, string>>) =>
  Either.getOrThrow(parseSelector(selector)).matches(labels)

describe("NodeLabels", () => {
  it("gives labels by pattern, later over earlier, and the id itself over all", () => {
    const rules = {
      "7": { zone: "own" },
      "eu-1": { zone: "own" },
      "eu-*": { region: "eu", zone: "a" },
      "*-1": { zone: "b" },
      "*": { fleet: "x" }
    }
    assert.deepStrictEqual(labelsOf(rules, "eu-1"), { region: "eu", zone: "own", fleet: "x", node: "eu-1" })
    assert.deepStrictEqual(labelsOf(rules, "eu-2"), { region: "eu", zone: "a", fleet: "x", node: "eu-2" })
    assert.deepStrictEqual(labelsOf(rules, "us-1"), { zone: "b", fleet: "x", node: "us-1" })
    assert.deepStrictEqual(labelsOf(rules, "7"), { fleet: "x", zone: "own", node: "7" })
    assert.deepStrictEqual(labelsOf(undefined, "toString"), { node: "toString" })
    assert.deepStrictEqual(labelsOf({}, "constructor"), { node: "constructor" })
  })

  it("matches patterns of ids, in linear time", () => {
    const cases: ReadonlyArray<readonly [string, string, boolean]> = [
      ["a*c", "abc", true],
      ["a*c", "ac", true],
      ["a*c", "abcd", false],
      ["*", "", true],
      ["**b", "aab", true],
      ["a.c", "abc", false],
      ["a*b*c", "aXbXbc", true]
    ]
    for (const [pattern, text, expected] of cases) assert.strictEqual(matchesId(pattern, text), expected, pattern)
    assert.isFalse(matchesId(`${"a*".repeat(30)}b`, "a".repeat(60)))
  })

  it("chooses by conditions that must all hold", () => {
    const labels = { node: "eu-1", region: "eu", gpu: "true" }
    for (const yes of [
      "region=eu",
      "region=us|eu",
      "region!=us",
      "gpu",
      "!cpu",
      "cpu!=x",
      "node=eu-*",
      " gpu , region = eu "
    ]) {
      assert.isTrue(selects(yes, labels), yes)
    }
    for (const no of ["region=us", "region!=eu", "!gpu", "cpu", "gpu,region=us", "node=us-*", "toString"]) {
      assert.isFalse(selects(no, labels), no)
    }
    for (const wrong of ["", " ", "a=1,,b=2", "=x", "a==b", "!a=b", "a b", "a=", "a=x*", "-a"]) {
      assert.isTrue(Either.isLeft(parseSelector(wrong)), wrong)
    }
  })

  it("finds an id for each rule and each pair of rules", () => {
    const ids = sampleIds({ "eu-*": {}, "*-edge": {}, n1: {} })
    assert.isTrue(ids.some((sample) => matchesId("eu-*", sample) && matchesId("*-edge", sample)))
    assert.isTrue(ids.some((sample) => matchesId("eu-*", sample) && !matchesId("*-edge", sample)))
    assert.include(ids, "n1")
  })
})

const value: ConfigSource.ConfigValue = {
  config: {
    logLevel: "info",
    pathDefaults: { maxReaders: 1 },
    paths: { "cams/a": { record: false }, "cams/b": {}, door: {}, "~^cams/x": {} }
  },
  labels: { "eu-*": { region: "eu" }, "*-edge": { role: "edge" } },
  overlays: [
    { name: "europe", nodes: "region=eu", config: { logLevel: "warn", webrtcAdditionalHosts: ["eu.example.com"] } },
    { name: "cams", paths: "cams/*", config: { record: true, maxReaders: 7 } },
    {
      name: "edges",
      nodes: "role=edge",
      config: { logLevel: "error", paths: { "cams/b": { maxReaders: 9 }, "cams/new": {} } }
    }
  ],
  nodes: { "eu-7": { logLevel: "debug", paths: { "cams/a": { record: false }, "cams/own": { maxReaders: 2 } } } }
}

const world = (given: ConfigSource.ConfigValue = value) =>
  Effect.gen(function* () {
    const source = yield* ConfigSource.make(given)
    const layer = ConfigRenderer.layer({ base: "https://example.com", hooks: false, refresh: { mode: "none" } }).pipe(
      Layer.provide(Layer.succeed(ConfigSource.ConfigSource, source)),
      Layer.provide(Credentials.layer({ key: Redacted.make("key-of-the-tests") }))
    )
    const renderer = yield* Effect.provide(ConfigRenderer.ConfigRenderer, layer)
    const read = (node: string) =>
      Effect.map(renderer.render(id(node)), ({ yaml }) => {
        const { authHTTPAddress: _, ...rest } = Either.getOrThrow(parseConfigText(yaml)).value
        // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
        return rest as any
      })
    return { source, renderer, read }
  })

describe("overlays", () => {
  it.effect("go over the base in their order, and the node's own over them all", () =>
    Effect.gen(function* () {
      const { read } = yield* world()
      const plain = yield* read("us-1")
      assert.strictEqual(plain.logLevel, "info")
      assert.deepStrictEqual(plain.paths, {
        "cams/a": { record: true, maxReaders: 7 },
        "cams/b": { record: true, maxReaders: 7 },
        door: {},
        "~^cams/x": {}
      })
      const eu = yield* read("eu-1")
      assert.strictEqual(eu.logLevel, "warn")
      assert.deepStrictEqual(eu.webrtcAdditionalHosts, ["eu.example.com"])
      const edge = yield* read("eu-1-edge")
      assert.strictEqual(edge.logLevel, "error")
      assert.deepStrictEqual(edge.paths["cams/b"], { record: true, maxReaders: 9 })
      assert.deepStrictEqual(edge.paths["cams/new"], { record: true, maxReaders: 7 }, "whichever layer it comes from")
      const own = yield* read("eu-7")
      assert.strictEqual(own.logLevel, "debug")
      assert.deepStrictEqual(own.paths["cams/a"], { record: false, maxReaders: 7 })
      assert.deepStrictEqual(own.paths["cams/own"], { record: true, maxReaders: 2 })
      assert.deepStrictEqual(own.webrtcAdditionalHosts, ["eu.example.com"])
    })
  )

  it.effect("leave the bytes of nodes alone that they don't concern", () =>
    Effect.gen(function* () {
      const { renderer, source } = yield* world()
      const all = ["us-1", "eu-1", "eu-2", "x-edge", "eu-7"].map((name) => id(name))
      const hashes = () => Effect.forEach(all, (node) => Effect.map(renderer.render(node), ({ hash }) => hash))
      const before = yield* hashes()
      const [europe, ...others] = value.overlays ?? []
      assert.isDefined(europe)
      const changed = { name: "europe", nodes: "region=eu", config: { ...europe?.config, logLevel: "debug" as const } }
      const fleet = yield* source.current
      const after = yield* source.set({ ...value, overlays: [changed, ...others] })
      assert.strictEqual(after.base, fleet.base)
      assert.strictEqual(after.overlays?.[1], fleet.overlays?.[1], "the very same object")
      const now = yield* hashes()
      assert.deepStrictEqual(
        all.filter((_, index) => before[index] !== now[index]),
        [id("eu-1"), id("eu-2")]
      )
      assert.strictEqual(yield* source.set({ ...value, overlays: [changed, ...others] }), after)
      yield* source.set(value)
      assert.deepStrictEqual(yield* hashes(), before)
      const bare = yield* source.set({ config: value.config })
      assert.isUndefined(bare.overlays)
      assert.isUndefined(bare.labels)
    })
  )

  it.effect("are tried on every kind of node before they are taken, and say where the error is", () =>
    Effect.gen(function* () {
      const { source } = yield* world()
      const before = yield* source.current
      const refusal = (next: unknown) =>
        Effect.map(Effect.flip(source.set({ ...value, ...(next as ConfigSource.ConfigValue) })), ({ errors }) =>
          errors.map(({ fieldText, message }) => `${fieldText}: ${message}`)
        )
      const typo = yield* refusal({ overlays: [{ name: "a", nodes: "region=eu", config: { logLevl: "x" } }] })
      assert.lengthOf(typo, 1)
      assert.match(typo[0] ?? "", /^overlays\[0\]\.config\.logLevl: /)
      // Each is fine alone; only a node with both labels can't have both.
      const both = yield* refusal({
        overlays: [
          { name: "a", nodes: "region=eu", config: { pathDefaults: { recordDeleteAfter: "1h" } } },
          { name: "b", nodes: "role=edge", config: { pathDefaults: { recordSegmentDuration: "2h" } } }
        ]
      })
      assert.isAbove(both.length, 0)
      const ofPath = yield* refusal({ overlays: [{ name: "a", paths: "cams/*", config: { maxReaders: "many" } }] })
      assert.isTrue(
        ofPath.every((text) => text.startsWith("overlays[0].config.maxReaders: ")),
        ofPath.join()
      )
      // With no label at all, by its id alone.
      assert.isAbove((yield* refusal({ overlays: [{ name: "a", nodes: "node=z-9", config: { rtsp: 7 } }] })).length, 0)
      const outline = yield* refusal({
        labels: { "a b": {}, ok: { node: "x", "-": "y", z: {} } },
        overlays: [
          { name: "a", nodes: "region==eu", config: {} },
          { name: "a", config: {} },
          { name: "b", paths: "/x", config: {} },
          { name: "c", confg: {} },
          7
        ]
      })
      assert.deepStrictEqual(
        outline.map((text) => text.slice(0, text.indexOf(": "))),
        [
          'labels["a b"]',
          "labels.ok.node",
          'labels.ok["-"]',
          "labels.ok.z",
          "overlays[0].nodes",
          "overlays[1].name",
          "overlays[2].paths",
          "overlays[3].confg",
          "overlays[3].config",
          "overlays[4]"
        ]
      )
      assert.strictEqual(yield* source.current, before)
    })
  )

  it.effect("of a base that no longer goes with them refuse the base", () =>
    Effect.gen(function* () {
      const { source } = yield* world({
        ...value,
        overlays: [{ name: "a", nodes: "region=eu", config: { pathDefaults: { recordDeleteAfter: "1h" } } }]
      })
      const before = yield* source.current
      const error = yield* Effect.flip(
        source.set({
          config: { pathDefaults: { recordSegmentDuration: "2h", recordDeleteAfter: "1d" }, paths: { cam: {} } },
          labels: value.labels,
          overlays: [{ name: "a", nodes: "region=eu", config: { pathDefaults: { recordDeleteAfter: "1h" } } }]
        })
      )
      assert.isTrue(
        error.errors.some(({ fieldText }) => fieldText.startsWith("overlays[0].config.")),
        error.message
      )
      assert.strictEqual(yield* source.current, before)
    })
  )
})
