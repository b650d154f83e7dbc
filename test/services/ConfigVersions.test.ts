import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { parse } from "yaml"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { releases } from "../../src/mediamtx/MediaMTXVersion.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import { NodeId } from "../../src/services/NodeId.js"
import { releaseFields } from "../mediamtx/releaseFields.js"

const north = NodeId.make("north")
const south = NodeId.make("south")
const credentials = Credentials.layer({ key: Redacted.make("SHARED_KEY") })

const open = (value: ConfigSource.ConfigValue, options: Partial<ConfigRenderer.ConfigRendererOptions> = {}) =>
  Effect.gen(function* () {
    const source = yield* ConfigSource.make(value)
    const renderer = yield* ConfigRenderer.make({ base: "https://example.com", ...options }).pipe(
      Effect.provideService(ConfigSource.ConfigSource, source),
      Effect.provide(credentials)
    )
    return { renderer, source }
  })

const golden = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url))
const input = (name: string): MediaMTXConfig =>
  Either.getOrThrow(parseConfigText(readFileSync(golden(name), "utf8"))).value

type Parsed = Readonly<Record<string, unknown>>
const parsed = (yaml: string): Parsed => parse(yaml)

describe("golden files by release", () => {
  // Written anew with UPDATE_GOLDEN=1; look at the difference before committing it.
  it.effect.each(["1.15.0", "1.15.4", "1.16.3", "1.17.1", "1.18.0", "1.19.3", "1.20.0", "1.20.1"])("%s", (version) =>
    Effect.gen(function* () {
      const { renderer } = yield* open({ config: input("versions.input.yml") })
      const { warnings, yaml } = yield* renderer.render(north, `v${version}`)
      const told = warnings
        .filter(({ rule }) => rule.startsWith("version-"))
        .map(({ fieldText }) => `# left out: ${fieldText}\n`)
        .join("")
      const file = golden(`versions-${version}.golden.yml`)
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, told + yaml)
      assert.strictEqual(told + yaml, readFileSync(file, "utf8"))
    })
  )

  it.effect.each(["minimal", "livecam", "traps", "every-hook", "versions"])(
    "of every release have its names only: %s",
    (name) =>
      Effect.gen(function* () {
        const { renderer } = yield* open(
          { config: input(`${name}.input.yml`) },
          { hookConfiguration: { init: true, demand: true, undemand: true } }
        )
        for (const { global, path, version } of releaseFields) {
          const { pathDefaults, paths, ...globals } = parsed((yield* renderer.render(north, version)).yaml)
          assert.deepStrictEqual(
            Object.keys(globals).filter((field) => global[field] === undefined || global[field].deprecated === true),
            []
          )
          for (const each of [pathDefaults, ...Object.values(paths ?? {})]) {
            assert.deepStrictEqual(
              Object.keys(each ?? {}).filter((field) => path[field] === undefined || path[field].deprecated === true),
              []
            )
          }
        }
      })
  )
})

describe("what we put in ourselves", () => {
  const text = (version: string, options: Partial<ConfigRenderer.ConfigRendererOptions> = {}) =>
    Effect.flatMap(open({ config: { paths: { cam: {} } } }, options), ({ renderer }) => renderer.render(north, version))

  it.effect("reports by the hooks that there are, in the form that is safe there", () =>
    Effect.gen(function* () {
      const hooks = (yaml: string) => Object.entries(parsed(yaml)["pathDefaults"] ?? {})
      const of = (list: ReadonlyArray<readonly [string, unknown]>) => list.map(([name]) => name)
      const old = hooks((yield* text("1.18.0")).yaml)
      assert.includeMembers(of(old), ["runOnReady", "runOnNotReady", "runOnRead"])
      assert.notIncludeMembers(of(old), ["runOnAvailable"])
      for (const gone of ["runOnAvailable", "runOnUnavailable", "runOnOnline", "runOnOffline"]) {
        assert.notInclude(of(old), gone)
      }
      for (const [, command] of old) assert.notInclude(command, "&query=")
      assert.include(String(new Map(old).get("runOnReady")), "&raw_query=$MTX_QUERY'")
      // The wire names stay: the manager hears of the same event from every release.
      assert.include(String(new Map(old).get("runOnReady")), "event=available&")
      const middle = hooks((yield* text("1.18.1")).yaml)
      assert.include(String(new Map(middle).get("runOnReady")), "&query=$MTX_QUERY'")
      const now = hooks((yield* text("1.19.3")).yaml)
      assert.includeMembers(of(now), ["runOnAvailable", "runOnUnavailable", "runOnOnline", "runOnOffline"])
    })
  )

  it.effect("leaves nothing open that is closed on the newest", () =>
    Effect.gen(function* () {
      for (const version of releases) {
        const config = parsed((yield* text(version)).yaml)
        assert.strictEqual(config["authMethod"], "http")
        assert.deepStrictEqual([version, config["authHTTPExclude"]], [version, version === "1.20.1" ? undefined : []])
      }
      const own = yield* text("1.18.0", { authHTTPExclude: [{ action: "metrics" }] })
      assert.deepStrictEqual(parsed(own.yaml)["authHTTPExclude"], [{ action: "metrics" }])
    })
  )

  it.effect("warns of nothing of our own", () =>
    Effect.gen(function* () {
      for (const version of releases) assert.deepStrictEqual([...(yield* text(version)).warnings], [])
    })
  )

  it.effect("lets the loop repeat what the node said, and changes nothing for those that say nothing", () =>
    Effect.gen(function* () {
      const { renderer } = yield* open({ config: { paths: { cam: {} } } })
      const silent = yield* renderer.render(north)
      assert.notInclude(silent.yaml, "version=")
      assert.strictEqual((yield* renderer.render(north, null)).yaml, silent.yaml)
      assert.strictEqual((yield* renderer.render(north, "v0.0.0")).yaml, silent.yaml)
      const told = yield* renderer.render(north, "v1.20.1")
      assert.strictEqual(told.yaml.replace("&version=1.20.1", ""), silent.yaml)
      assert.include((yield* renderer.render(north, "v1.18.0")).yaml, "?node=north&every=10&version=1.18.0")
      // Byte by byte the same as before, whoever asked in between.
      assert.include((yield* renderer.render(north)).yaml, "&version=1.18.0")
      assert.strictEqual((yield* renderer.render(north, null)).hash, silent.hash)
    })
  )

  it.effect("leaves the loop alone where an updater tells it", () =>
    Effect.gen(function* () {
      const { renderer } = yield* open({ config: { paths: { cam: {} } } })
      const silent = yield* renderer.render(north)
      const now = yield* renderer.render(north, { mediamtxVersion: "v1.20.1", instance: "a" })
      assert.strictEqual(now.hash, silent.hash)
      const old = yield* renderer.render(north, { mediamtxVersion: "v1.18.0", instance: "a" })
      assert.include(old.yaml, "runOnReady")
      assert.notInclude(old.yaml, "version=")
      assert.include((yield* renderer.render(north, { mediamtxVersion: "v1.18.0", instance: null })).yaml, "version=")
    })
  )
})

describe("which release a node gets a config for", () => {
  const has = (yaml: string) => (yaml.includes("runOnReady") ? "old" : "new")

  it.effect("is what it says, else its label, else the option, else the newest", () =>
    Effect.gen(function* () {
      const config: MediaMTXConfig = { paths: { cam: {} } }
      const { renderer } = yield* open(
        { config, labels: { south: { "mediamtx-version": "1.18.0" } } },
        { mediamtxVersion: "1.19.3" }
      )
      assert.strictEqual((yield* renderer.render(north)).mediamtxVersion, "1.19.3")
      assert.strictEqual((yield* renderer.render(south)).mediamtxVersion, "1.18.0")
      assert.strictEqual((yield* renderer.render(south, "1.20.1")).mediamtxVersion, undefined)
      assert.strictEqual((yield* renderer.render(north, "1.15.9")).mediamtxVersion, "1.15.6")
      // Stated, not said by the node: its loop has nothing to repeat.
      const stated = yield* renderer.render(south, null)
      assert.notInclude(stated.yaml, "&version=")
      assert.strictEqual(has(stated.yaml), "old")
      const plain = yield* open({ config })
      assert.strictEqual(has((yield* plain.renderer.render(north)).yaml), "new")
    })
  )

  it.effect("is none that is older than all that are known", () =>
    Effect.gen(function* () {
      const { renderer } = yield* open({ config: { paths: { cam: {} } } })
      const failure = yield* Effect.flip(renderer.render(north, "v1.14.0"))
      assert.include(failure.message, "MediaMTX 1.14.0 is older than 1.15.0")
      const refused = yield* Effect.flip(open({ config: { paths: { cam: {} } } }, { mediamtxVersion: "1.14.0" }))
      assert.include(refused.message, "use 1.15.0 to 1.20.1")
    })
  )

  it.effect("is tried in a preview, too", () =>
    Effect.gen(function* () {
      const { renderer } = yield* open({ config: { paths: { cam: {} } } })
      const preview = yield* renderer.preview?.({ base: { paths: { cam: { record: true } } } }) ?? Effect.die("none")
      assert.strictEqual(has(yield* preview.render(north, "1.18.0")), "old")
      assert.strictEqual(has(yield* preview.render(north)), "new")
      const failure = yield* Effect.flip(preview.render(north, "1.14.0"))
      assert.strictEqual(failure._tag, "RenderFailed")
    })
  )
})

describe("a change that an older node can't take", () => {
  it.effect("lets it keep its config where something is guarded, while others go on", () =>
    Effect.gen(function* () {
      const config: MediaMTXConfig = { authMethod: "jwt", authJWTJWKS: "https://example.com/k", paths: { cam: {} } }
      const { renderer, source } = yield* open({ config })
      const before = yield* renderer.render(north, "1.16.3")
      yield* source.set({ config: { ...config, authJWTIssuer: "https://example.com" } })
      const after = yield* renderer.render(north, "1.16.3")
      assert.strictEqual(after.yaml, before.yaml)
      const [failure] = yield* renderer.failures
      assert.strictEqual(failure?.node, north)
      assert.include(failure?.message, "authJWTIssuer")
      assert.include((yield* renderer.render(south, "1.17.0")).yaml, "authJWTIssuer")
      assert.include((yield* renderer.render(south)).yaml, "authJWTIssuer")
    })
  )

  it.effect("never lets it keep a config in another release's words", () =>
    Effect.gen(function* () {
      const config: MediaMTXConfig = {
        authMethod: "jwt",
        authJWTJWKS: "https://example.com/k",
        authJWTIssuer: "x",
        paths: { cam: {} }
      }
      const { renderer } = yield* open({ config })
      yield* renderer.render(north, "1.20.1")
      assert.strictEqual((yield* Effect.flip(renderer.render(north, "1.16.3"))).node, north)
    })
  )

  it.effect("is left out with a warning, or refused by choice", () =>
    Effect.gen(function* () {
      const config: MediaMTXConfig = { paths: { cam: { rtspScale: "2" } } }
      const dropping = yield* open({ config })
      const dropped = yield* dropping.renderer.render(north, "1.18.0")
      assert.deepStrictEqual(
        dropped.warnings.map(({ fieldText, rule }) => `${rule} ${fieldText}`),
        ["version-field-missing paths.cam.rtspScale"]
      )
      assert.notInclude(dropped.yaml, "rtspScale")
      const refusing = yield* open({ config }, { unknownFields: "refuse" })
      assert.include((yield* Effect.flip(refusing.renderer.render(north, "1.18.0"))).message, "rtspScale")
      assert.include((yield* refusing.renderer.render(north, "1.20.0")).yaml, "rtspScale")
    })
  )

  it.effect("of one path leaves the others' bytes alone", () =>
    Effect.gen(function* () {
      const { renderer } = yield* open({
        config: { paths: { a: { rtspScale: "2", maxReaders: 3 }, b: { maxReaders: 2 } } }
      })
      const { yaml } = yield* renderer.render(north, "1.19.1")
      assert.deepStrictEqual(parsed(yaml)["paths"] instanceof Object, true)
      assert.containSubset(parsed(yaml), { paths: { a: { maxReaders: 3 }, b: { maxReaders: 2 } } })
      assert.isTrue(Either.isRight(validateConfig(parsed(yaml))))
    })
  )
})
