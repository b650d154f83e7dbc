/**
 * What every ConfigRenderer must do, as a test suite for vitest: run your own renderer through it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { parse } from "yaml"
import { END_MARKER } from "../mediamtx/EndMarker.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { ConfigRenderer, type ConfigRendererShape, type RenderFailed } from "../services/ConfigRenderer.js"
import * as ConfigSource from "../services/ConfigSource.js"
import * as Credentials from "../services/Credentials.js"
import { NodeId } from "../services/NodeId.js"

export interface ConfigRendererContractOptions<E> {
  /** Renders for a manager at `https://example.com`. */
  readonly layer: Layer.Layer<ConfigRenderer, E, ConfigSource.ConfigSource | Credentials.Credentials>
}

const north = NodeId.make("north")
const south = NodeId.make("south")
const KEY = "the-shared-key"

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** What a running node must not see change, or its streams drop: all of ours that isn't inside of a path of the user's. */
const lasting = (yaml: string, paths: ReadonlyArray<string>): Record<string, unknown> => {
  const config: unknown = parse(yaml)
  if (!isObject(config)) return {}
  const all = isObject(config["paths"]) ? config["paths"] : {}
  return { ...config, paths: Object.fromEntries(paths.map((name) => [name, all[name]])) }
}

/** The paths that a config has before anything is edited, ours among them. */
const pathsOf = (yaml: string): ReadonlyArray<string> => {
  const config: unknown = parse(yaml)
  return isObject(config) && isObject(config["paths"]) ? Object.keys(config["paths"]) : []
}

const sha256 = (bytes: Uint8Array): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new Uint8Array(bytes))),
    (digest) => Encoding.encodeHex(new Uint8Array(digest))
  )

export const configRendererContract = <E>(name: string, options: ConfigRendererContractOptions<E>): void => {
  const withSource = <A, F>(
    value: ConfigSource.ConfigValue,
    use: (renderer: ConfigRendererShape, source: ConfigSource.SettableConfigSource) => Effect.Effect<A, F>
  ) =>
    Effect.gen(function* () {
      const source = yield* ConfigSource.make(value)
      const renderer = yield* Layer.build(
        options.layer.pipe(
          Layer.provide(Layer.succeed(ConfigSource.ConfigSource, source)),
          Layer.provide(Credentials.layer({ key: Redacted.make(KEY) }))
        )
      )
      return yield* Effect.flatMap(ConfigRenderer, (service) => use(service, source)).pipe(Effect.provide(renderer))
    })

  const base: MediaMTXConfig = {
    logLevel: "warn",
    rtspEncryption: "no",
    paths: { cam: { source: "rtsp://10.0.0.1/live" }, yes: {}, "~^dynamic_(.*)$": {} }
  }

  describe(`${name}: the ConfigRenderer contract`, () => {
    it.scoped("gives whole texts with their hash", () =>
      withSource({ config: base }, (renderer) =>
        Effect.gen(function* () {
          const config = yield* renderer.render(north)
          assert.strictEqual(config.node, north)
          assert.isTrue(config.yaml.endsWith(`\n${END_MARKER}\n`))
          assert.strictEqual(config.yaml.split("\n").filter((line) => line === END_MARKER).length, 1)
          assert.deepStrictEqual(config.bytes, new TextEncoder().encode(config.yaml))
          assert.strictEqual(config.hash, yield* sha256(config.bytes))
          assert.strictEqual(config.etag, `"${config.hash}"`)
        })
      )
    )

    it.scoped("says what the source says, and more", () =>
      withSource({ config: base }, (renderer) =>
        Effect.gen(function* () {
          const parsed: unknown = parse((yield* renderer.render(north)).yaml)
          assert.containSubset(parsed, base)
        })
      )
    )

    it.scoped("holds the token of its node, never the key", () =>
      withSource({ config: base }, (renderer) =>
        Effect.gen(function* () {
          const { yaml } = yield* renderer.render(north)
          assert.notInclude(yaml, KEY)
          const tokens = yield* Credentials.make({ key: Redacted.make(KEY) })
          assert.include(yaml, Redacted.value(yield* tokens.nodeToken(north)))
          assert.notInclude(yaml, Redacted.value(yield* tokens.nodeToken(south)))
        })
      )
    )

    it.scoped("gives equal bytes for equal configs, whatever objects they are", () =>
      Effect.gen(function* () {
        const copy: MediaMTXConfig = JSON.parse(JSON.stringify(base))
        const one = yield* withSource({ config: base }, (renderer) => renderer.render(north))
        const other = yield* withSource({ config: copy, nodes: { south: {} } }, (renderer) => renderer.render(north))
        assert.strictEqual(one.yaml, other.yaml)
        const overlaid = yield* withSource({ config: copy, nodes: { north: {} } }, (renderer) => renderer.render(north))
        assert.strictEqual(one.yaml, overlaid.yaml)
      })
    )

    it.scoped("follows the source, and leaves what lasts alone when another path changes", () =>
      withSource({ config: base }, (renderer, source) =>
        Effect.gen(function* () {
          const before = yield* renderer.render(north)
          assert.strictEqual((yield* renderer.render(north)).hash, before.hash)
          yield* source.set({ config: { ...base, paths: { ...base.paths, extra: { record: true } } } })
          const after = yield* renderer.render(north)
          assert.notStrictEqual(after.hash, before.hash)
          assert.strictEqual(after.hash, yield* sha256(after.bytes))
          assert.isAbove(after.revision, before.revision)
          assert.include(after.yaml, "\n  extra:\n    record: true\n")
          const paths = pathsOf(before.yaml)
          assert.deepStrictEqual(lasting(after.yaml, paths), lasting(before.yaml, paths))
          yield* source.set({ config: base })
          assert.strictEqual((yield* renderer.render(north)).yaml, before.yaml)
        })
      )
    )

    it.scoped("never changes what lasts, whatever other paths do", () =>
      withSource({ config: base }, (renderer, source) =>
        Effect.gen(function* () {
          const { yaml } = yield* renderer.render(north)
          const paths = pathsOf(yaml)
          const before = lasting(yaml, paths)
          const edits = FastCheck.sample(
            FastCheck.dictionary(
              FastCheck.stringMatching(/^[a-z0-9]{1,8}$/),
              FastCheck.record({ record: FastCheck.boolean(), maxReaders: FastCheck.nat(100) }),
              { maxKeys: 5 }
            ),
            { numRuns: 30, seed: 1 }
          )
          for (const edit of edits) {
            yield* source.set({ config: { ...base, paths: { ...edit, ...base.paths } } })
            assert.deepStrictEqual(lasting((yield* renderer.render(north)).yaml, paths), before)
          }
        })
      )
    )

    it.scoped("gives overlays to their nodes only", () =>
      withSource({ config: base, nodes: { south: { paths: { cam: { record: true } } } } }, (renderer) =>
        Effect.gen(function* () {
          const parsed: unknown = parse((yield* renderer.render(south)).yaml)
          assert.containSubset(parsed, { paths: { cam: { source: "rtsp://10.0.0.1/live", record: true } } })
          assert.notInclude((yield* renderer.render(north)).yaml, "record: true")
        })
      )
    )

    it.scoped("keeps a node's last good config when its newest can't be rendered", () =>
      withSource({ config: base }, (renderer, source) =>
        Effect.gen(function* () {
          const before = yield* renderer.render(north)
          // Valid by itself; not together with authentication by the manager.
          yield* source.set({ config: { ...base, rtspAuthMethods: ["digest"] } })
          const during = yield* renderer.render(north)
          assert.strictEqual(during.yaml, before.yaml)
          assert.strictEqual(during.revision, before.revision)
          const failures = yield* renderer.failures
          assert.deepStrictEqual(
            failures.map(({ node }) => node),
            [north]
          )
          assert.isAbove(failures[0]?.issues.length ?? 0, 0)
          yield* source.set({ config: { ...base, logLevel: "debug" } })
          assert.include((yield* renderer.render(north)).yaml, "logLevel: debug")
          assert.deepStrictEqual(yield* renderer.failures, [])
        })
      )
    )

    it.scoped("fails for a node that never had a good one, and for no other", () =>
      withSource({ config: base, nodes: { south: { rtspAuthMethods: ["digest"] } } }, (renderer) =>
        Effect.gen(function* () {
          const failure: RenderFailed = yield* Effect.flip(renderer.render(south))
          assert.strictEqual(failure._tag, "RenderFailed")
          assert.strictEqual(failure.node, south)
          assert.include(failure.message, "rtspAuthMethods")
          assert.deepStrictEqual(
            (yield* renderer.failures).map(({ node }) => node),
            [south]
          )
          yield* renderer.render(north)
        })
      )
    )
  })
}
