import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { parse } from "yaml"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { curl } from "../../src/mediamtx/HookGenerator.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { relayOf } from "../../src/mediamtx/Relay.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import { mergeConfig } from "../../src/services/internal/mergeConfig.js"
import { NodeId } from "../../src/services/NodeId.js"
import { configRendererContract } from "../../src/testing/ConfigRendererContract.js"
import { describeMediaMTX, freePorts, run } from "../support/MediaMTX.js"

configRendererContract("ConfigRenderer.layer", { layer: ConfigRenderer.layer({ base: "https://example.com" }) })
configRendererContract("ConfigRenderer.layer with every hook", {
  layer: ConfigRenderer.layer({
    base: "https://example.com/mtx/",
    hookConfiguration: { init: true, demand: true, undemand: true },
    refresh: { every: "5 seconds", path: "internal/refresh" }
  })
})

const north = NodeId.make("north")
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

const render = (config: MediaMTXConfig, options: Partial<ConfigRenderer.ConfigRendererOptions> = {}, node = north) =>
  Effect.flatMap(open({ config }, options), ({ renderer }) => renderer.render(node))

const parsed = (yaml: string): Record<string, unknown> => Either.getOrThrow(parseConfigText(yaml)).value
const rules = (config: ConfigRenderer.RenderedConfig) =>
  config.warnings.map(({ fieldText, rule }) => `${rule} ${fieldText}`)

describe("the parts of ours", () => {
  it.effect("are left out one by one", () =>
    Effect.gen(function* () {
      const all = parsed((yield* render({ paths: { cam: {} } })).yaml)
      assert.containsAllKeys(all, ["authMethod", "authHTTPAddress", "runOnConnect", "runOnDisconnect", "pathDefaults"])
      assert.containsAllKeys(all["paths"], ["cam", "mtx-manager"])

      const none = yield* render({ paths: { cam: {} } }, { auth: false, hooks: false, refresh: { mode: "none" } })
      assert.deepStrictEqual(parsed(none.yaml), { paths: { cam: {} } })

      const updater = yield* render({ logLevel: "info" }, { auth: false, hooks: false, refresh: { mode: "updater" } })
      assert.deepStrictEqual(parsed(updater.yaml), { logLevel: "info" })
    })
  )

  it.effect("never leave a config that sets nothing", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(render({}, { auth: false, hooks: false, refresh: { mode: "none" } }))
      assert.strictEqual(failure._tag, "RenderFailed")
      assert.include(failure.message, "open to everyone")
      assert.strictEqual(parsed((yield* render({})).yaml)["authMethod"], "http")
    })
  )

  it.effect("use the URL that the manager is mounted at, and the generator that was given", () =>
    Effect.gen(function* () {
      const { yaml } = yield* render({}, { base: "https://example.com/mtx", hooks: curl })
      assert.match(yaml, /authHTTPAddress: "https:\/\/example\.com\/mtx\/auth\?node=north&token=[\w-]+"/)
      assert.include(yaml, "'https://example.com/mtx/hooks?node=north'")
      assert.include(yaml, "https://example.com/mtx?node=north&every=10")
      assert.match(yaml, /runOnConnect: "curl /)
    })
  )

  it.effect("go to the relay where the node has one, always with the same bytes, and say so", () =>
    Effect.gen(function* () {
      const relay = { address: "updater:9995", nodes: ["north", "edge-*"] }
      const { renderer } = yield* open({ config: { paths: { cam: {} } } }, { relay, refresh: { mode: "updater" } })
      const { yaml } = yield* renderer.render(north)
      assert.match(yaml, /authHTTPAddress: "http:\/\/updater:9995\/auth\?node=north&token=[\w-]+"/)
      assert.include(yaml, "'http://updater:9995/hooks?node=north'")
      assert.notInclude(yaml, "example.com")
      assert.strictEqual(relayOf(yaml), "http://updater:9995")
      for (const id of ["edge-1", "edge-"]) {
        assert.include((yield* renderer.render(NodeId.make(id))).yaml, `http://updater:9995/auth?node=${id}&`)
      }
      for (const id of ["north2", "xedge-1"]) {
        const direct = (yield* renderer.render(NodeId.make(id))).yaml
        assert.include(direct, `https://example.com/auth?node=${id}&`)
        assert.strictEqual(relayOf(direct), undefined)
      }
      const again = yield* render({ paths: { cam: {} } }, { relay, refresh: { mode: "updater" } })
      assert.strictEqual(again.yaml, yaml)
    })
  )

  it.effect("are checked before any node asks", () =>
    Effect.gen(function* () {
      const bad = (options: Partial<ConfigRenderer.ConfigRendererOptions>) =>
        Effect.flip(Effect.asVoid(open({ config: {} }, options)))
      assert.strictEqual((yield* bad({ base: "example.com" }))._tag, "CommandTextError")
      assert.strictEqual((yield* bad({ refresh: { every: "1 second" } }))._tag, "CommandTextError")
      assert.strictEqual((yield* bad({ refresh: { path: "~^x" } }))._tag, "CommandTextError")
      for (const address of ["9995", "http://updater:9995", "updater", "updater:0", "up'dater:1", "a b:1", ":9995"]) {
        assert.match((yield* bad({ relay: { address } })).message, /^relay\.address is not a host and a port/)
      }
      assert.match((yield* bad({ relay: { address: "[::1]:9995", nodes: ["a/b"] } })).message, /^relay\.nodes /)
      // MediaMTX would panic on it.
      assert.strictEqual(
        (yield* bad({ hooks: () => ({ global: { runOnConnect: " " }, path: {} }) }))._tag,
        "CommandTextError"
      )
    })
  )
})

describe("whose value counts", () => {
  it.effect("authentication: the config's, unless told otherwise", () =>
    Effect.gen(function* () {
      const own: MediaMTXConfig = { authMethod: "internal", paths: {} }
      const kept = yield* render(own)
      assert.strictEqual(parsed(kept.yaml)["authMethod"], "internal")
      assert.notProperty(parsed(kept.yaml), "authHTTPAddress")
      assert.include(rules(kept), "auth-not-asked authMethod")

      const replaced = yield* render(own, { auth: true })
      assert.strictEqual(parsed(replaced.yaml)["authMethod"], "http")
      assert.include(rules(replaced), "auth-replaced authMethod")

      const elsewhere = yield* render({ authMethod: "http", authHTTPAddress: "https://other.example/auth" })
      assert.strictEqual(parsed(elsewhere.yaml)["authHTTPAddress"], "https://other.example/auth")

      const never = yield* render(own, { auth: false })
      assert.strictEqual(parsed(never.yaml)["authMethod"], "internal")
      assert.notInclude(rules(never), "auth-not-asked authMethod")
    })
  )

  it.effect("what is allowed without asking: the config's, then the option's", () =>
    Effect.gen(function* () {
      const option = { authHTTPExclude: [{ action: "api" }] } as const
      assert.deepStrictEqual(parsed((yield* render({}, option)).yaml)["authHTTPExclude"], [{ action: "api" }])
      const own = yield* render({ authHTTPExclude: [] }, option)
      assert.deepStrictEqual(parsed(own.yaml)["authHTTPExclude"], [])
      assert.notProperty(parsed((yield* render({})).yaml), "authHTTPExclude")
    })
  )

  it.effect("hooks: the config's, and a warning that we won't hear of them", () =>
    Effect.gen(function* () {
      const config = yield* render({
        runOnConnect: "mine",
        pathDefaults: { runOnRead: "mine", runOnUnread: "" },
        paths: { cam: { runOnAvailable: "mine", runOnDemand: "mine" } }
      })
      const value = parsed(config.yaml)
      assert.strictEqual(value["runOnConnect"], "mine")
      assert.include(String(value["runOnDisconnect"]), "busybox")
      assert.containSubset(value["pathDefaults"], { runOnRead: "mine", runOnUnread: "" })
      assert.deepStrictEqual(rules(config), [
        "hook-not-heard runOnConnect",
        "hook-not-heard pathDefaults.runOnRead",
        "hook-not-heard paths.cam.runOnAvailable"
      ])
    })
  )

  it.effect("the refresh path: the config's path of that name, and no loop", () =>
    Effect.gen(function* () {
      const config = yield* render({ paths: { "mtx-manager": { maxReaders: 1 } } })
      assert.deepStrictEqual(parsed(config.yaml)["paths"], { "mtx-manager": { maxReaders: 1 } })
      assert.include(rules(config), 'refresh-path-taken paths["mtx-manager"]')
    })
  )

  it.effect("init and demand: only where MediaMTX takes them", () =>
    Effect.gen(function* () {
      const config = yield* render(
        {
          paths: {
            publisher: {},
            own: { runOnInit: "mine" },
            pulled: { source: "rtsp://10.0.0.1/x" },
            filler: { alwaysAvailable: true, alwaysAvailableTracks: [{ codec: "H264" }] },
            "~^x": {},
            all_others: {}
          }
        },
        { hookConfiguration: { init: true, demand: true, undemand: true } }
      )
      const paths = parsed(config.yaml)["paths"] as Record<string, Record<string, unknown>>
      const hooks = Object.fromEntries(
        Object.entries(paths).map(([name, path]) => [
          name,
          Object.entries(path).flatMap(([field, text]) =>
            /^runOn(Init|Demand|UnDemand)$/.test(field) && String(text).includes("/hooks?") ? [field] : []
          )
        ])
      )
      assert.deepStrictEqual(hooks, {
        publisher: ["runOnInit", "runOnDemand", "runOnUnDemand"],
        own: ["runOnDemand", "runOnUnDemand"],
        pulled: ["runOnInit"],
        filler: ["runOnInit"],
        "~^x": ["runOnDemand", "runOnUnDemand"],
        all_others: ["runOnDemand", "runOnUnDemand"],
        "mtx-manager": []
      })
      assert.notProperty(parsed(config.yaml)["pathDefaults"], "runOnInit")
    })
  )
})

describe("nodes that a source refuses", () => {
  const refusal = new ConfigSource.ConfigSourceError({ origin: "nodes/north.yml", message: "nodes/north.yml:1:1: bad" })
  const fleets = (
    source: ConfigSource.SettableConfigSource,
    refuse: () => boolean
  ): ConfigSource.ConfigSourceShape => ({
    ...source,
    current: Effect.map(source.current, (fleet) =>
      refuse() ? { ...fleet, revision: 1_000, refused: new Map([[north, refusal]]) } : fleet
    )
  })
  const openRefusing = (refuse: () => boolean) =>
    Effect.gen(function* () {
      const source = yield* ConfigSource.make({ config: { paths: { cam: {} } } })
      return yield* ConfigRenderer.make({ base: "https://example.com" }).pipe(
        Effect.provideService(ConfigSource.ConfigSource, fleets(source, refuse)),
        Effect.provide(credentials)
      )
    })

  it.effect("get nothing, when they never had anything", () =>
    Effect.gen(function* () {
      const renderer = yield* openRefusing(() => true)
      const failure = yield* Effect.flip(renderer.render(north))
      assert.include(failure.message, "nodes/north.yml:1:1: bad")
      assert.deepStrictEqual(
        (yield* renderer.failures).map(({ node }) => node),
        [north]
      )
      yield* renderer.render(NodeId.make("south"))
    })
  )

  it.effect("keep what they had", () =>
    Effect.gen(function* () {
      let refuse = false
      const renderer = yield* openRefusing(() => refuse)
      const before = yield* renderer.render(north)
      refuse = true
      // Others go on meanwhile, and must not take it away.
      yield* renderer.render(NodeId.make("south"))
      assert.strictEqual((yield* renderer.render(north)).yaml, before.yaml)
      assert.strictEqual((yield* renderer.failures).length, 1)
      refuse = false
      assert.strictEqual((yield* renderer.render(north)).yaml, before.yaml)
      assert.strictEqual((yield* renderer.failures).length, 0)
    })
  )
})

describe("a node whose overlay can't be rendered", () => {
  it.effect("keeps the config that it shared with others, whatever becomes of theirs", () =>
    Effect.gen(function* () {
      const { renderer, source } = yield* open({ config: { paths: { cam: {} } } })
      const south = NodeId.make("south")
      const before = yield* renderer.render(north)
      yield* renderer.render(south)
      // Valid by itself, not together with authentication by the manager.
      const nodes = { north: { rtspAuthMethods: ["digest"] } } as const
      yield* source.set({ config: { paths: { cam: {} } }, nodes })
      for (const door of ["door1", "door2"]) {
        yield* source.set({ config: { paths: { [door]: {} } }, nodes })
        assert.include((yield* renderer.render(south)).yaml, door)
        assert.strictEqual((yield* renderer.render(north)).yaml, before.yaml)
        assert.deepStrictEqual(
          (yield* renderer.failures).map(({ node }) => node),
          [north]
        )
      }
      yield* source.set({ config: { paths: { door3: {} } } })
      assert.include((yield* renderer.render(north)).yaml, "door3")
      assert.deepStrictEqual(yield* renderer.failures, [])
    })
  )
})

describe("the cache", () => {
  it.effect("gives the same answer again, and hashes only what has changed", () =>
    Effect.gen(function* () {
      const { renderer, source } = yield* open({ config: { paths: { cam: {} } }, nodes: { south: {} } })
      const first = yield* renderer.render(north)
      assert.strictEqual(yield* renderer.render(north), first)
      const fleet = yield* source.set({
        config: { paths: { cam: {} } },
        nodes: { south: { paths: { door: {} } } }
      })
      const second = yield* renderer.render(north)
      assert.strictEqual(second.hash, first.hash)
      assert.strictEqual(second.revision, fleet.revision)
    })
  )

  it.effect("holds ten thousand nodes in little memory", () =>
    Effect.gen(function* () {
      const paths = Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [
          `cam${index}`,
          { source: `rtsp://10.0.0.1/${index}`, maxReaders: 10 }
        ])
      )
      const { renderer } = yield* open({ config: { paths } })
      const one = yield* renderer.render(north)
      const used = () => {
        const { arrayBuffers, heapUsed } = process.memoryUsage()
        return heapUsed + arrayBuffers
      }
      const before = used()
      let grown = Number.POSITIVE_INFINITY
      for (let node = 0; node < 10_000; node++) {
        yield* renderer.render(NodeId.make(`node-${node}`))
        // The least after most are there: what is garbage differs from moment to moment.
        if (node > 9_000 && node % 100 === 0) grown = Math.min(grown, used() - before)
      }
      const copies = one.bytes.length * 9_000
      assert.isBelow(grown, copies / 2, `grown by ${grown} bytes; copies would be ${copies}`)
    })
  )

  it.effect("tells of changes", () =>
    Effect.gen(function* () {
      const { renderer, source } = yield* open({ config: { paths: {} } })
      const told = yield* Effect.fork(Stream.runHead(renderer.changes))
      yield* Effect.yieldNow()
      let next = 0
      while ((yield* Fiber.poll(told))._tag === "None") {
        yield* source.set({ config: { paths: { [`p${next++}`]: {} } } })
        yield* Effect.yieldNow()
      }
      const change = yield* Fiber.join(told)
      assert.strictEqual(change._tag, "Some")
    })
  )
})

describe("the text", () => {
  const scalar = FastCheck.oneof(
    FastCheck.string({ unit: "grapheme" }),
    FastCheck.constantFrom("yes", "no", "1", "1e3", "0x1", "null", "~", "", " ", "#", "a: b", "- x", "é", "\u2028")
  )
  const path = FastCheck.record(
    {
      source: FastCheck.constantFrom("publisher", "rtsp://u:p@10.0.0.1/x", "srt://10.0.0.1:9000?a=b&c=%20"),
      record: FastCheck.boolean(),
      maxReaders: FastCheck.nat(1000),
      rpiCameraTextOverlay: scalar,
      whepBearerToken: scalar
    },
    { requiredKeys: [] }
  )
  const config = FastCheck.record(
    {
      logLevel: FastCheck.constantFrom("error", "warn", "info", "debug"),
      rtspEncryption: FastCheck.constantFrom("no", "optional"),
      logFile: scalar,
      hlsAllowOrigins: FastCheck.array(scalar, { maxLength: 3 }),
      pathDefaults: path,
      paths: FastCheck.dictionary(
        FastCheck.oneof(
          FastCheck.stringMatching(/^[a-zA-Z0-9_-]{1,8}$/),
          FastCheck.constantFrom("yes", "1", "~^a(.*)$", "all_others")
        ),
        path,
        { maxKeys: 6 }
      )
    },
    { requiredKeys: [] }
  )

  it.effect("parsed back is the config and our parts, and nothing else, for two different readers", () =>
    Effect.gen(function* () {
      let seen = 0
      for (const sample of FastCheck.sample(config, { numRuns: 150, seed: 7 })) {
        const value: MediaMTXConfig = JSON.parse(JSON.stringify(sample))
        if (Either.isLeft(validateConfig(value))) continue
        const rendered = yield* Effect.either(render(value))
        if (Either.isLeft(rendered)) continue
        seen++
        const { yaml } = rendered.right
        const ours = parsed((yield* render({})).yaml)
        const expected = {
          ...value,
          ...ours,
          pathDefaults: { ...value.pathDefaults, ...(ours["pathDefaults"] as object) },
          paths: { ...value.paths, ...(ours["paths"] as object) }
        }
        assert.deepStrictEqual(parsed(yaml), expected)
        assert.deepStrictEqual(parse(yaml), expected)
      }
      assert.isAbove(seen, 50)
    })
  )
})

const goldenFolder = fileURLToPath(new URL("../golden", import.meta.url))
const golden = (name: string) => join(goldenFolder, name)

/** Each renders `NAME.input.yml`, with `NAME.node.yml` on top where there is one, to `NAME.golden.yml`. */
const examples: Readonly<Record<string, Partial<ConfigRenderer.ConfigRendererOptions>>> = {
  minimal: {},
  livecam: { authHTTPExclude: [{ action: "metrics" }, { action: "pprof" }], refresh: { every: "5 seconds" } },
  traps: {
    base: "https://example.com/mtx?tenant=a",
    refresh: { path: "internal/refresh", file: "/config/mediamtx.yml" }
  },
  overlay: { hooks: curl, refresh: { mode: "none" } },
  "every-hook": { hookConfiguration: { init: true, demand: true, undemand: true } },
  "internal-auth": { refresh: { mode: "updater" } }
}

const renderExample = (name: string) =>
  Effect.gen(function* () {
    const read = (file: string): MediaMTXConfig => parsed(readFileSync(golden(file), "utf8"))
    const overlay = `${name}.node.yml`
    const { renderer } = yield* open(
      { config: read(`${name}.input.yml`), ...(existsSync(golden(overlay)) && { nodes: { north: read(overlay) } }) },
      examples[name]
    )
    return yield* renderer.render(north)
  })

describe("golden files", () => {
  // Written anew with UPDATE_GOLDEN=1; look at the difference before committing it.
  it.effect.each(Object.keys(examples))("%s", (name) =>
    Effect.gen(function* () {
      const { yaml } = yield* renderExample(name)
      const file = golden(`${name}.golden.yml`)
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, yaml)
      assert.strictEqual(yaml, readFileSync(file, "utf8"))
    })
  )

  it("hold what the example and its overlay say", () => {
    const overlay = mergeConfig(
      parsed(readFileSync(golden("overlay.input.yml"), "utf8")),
      parsed(readFileSync(golden("overlay.node.yml"), "utf8"))
    )
    assert.strictEqual(overlay.pathDefaults?.maxReaders, 10)
    assert.containSubset(parsed(readFileSync(golden("overlay.golden.yml"), "utf8")), {
      logLevel: "debug",
      pathDefaults: { maxReaders: 10 },
      paths: { cam: { source: "rtsp://10.0.0.1/live", sourceOnDemand: false }, extra: { runOnAvailable: "/bin/true" } }
    })
  })
})

describeMediaMTX("golden files in the real server", (bin) => {
  // Environment variables go over the file, so that the very bytes are loaded and yet only free local ports are opened.
  it.each(Object.keys(examples))("%s is accepted", { timeout: 30_000 }, async (name) => {
    const [rtsp, rtmp, hls, webrtc, ice, srt, api] = await freePorts(7)
    const folder = mkdtempSync(join(tmpdir(), "mtx-manager-golden-"))
    const local = (port: number | undefined) => `127.0.0.1:${port}`
    const server = run(bin, [golden(`${name}.golden.yml`)], {
      cwd: folder,
      env: {
        MTX_LOGLEVEL: "info",
        MTX_RTSPADDRESS: local(rtsp),
        MTX_RTSPTRANSPORTS: "tcp",
        MTX_RTMPADDRESS: local(rtmp),
        MTX_HLSADDRESS: local(hls),
        MTX_WEBRTCADDRESS: local(webrtc),
        MTX_WEBRTCLOCALUDPADDRESS: local(ice),
        MTX_SRTADDRESS: local(srt),
        MTX_MOQ: "no",
        MTX_API: "yes",
        MTX_APIADDRESS: local(api),
        // Our refresh loop must not reach for /etc on a developer's machine; it waits seconds before it would.
        PATH: folder
      }
    })
    try {
      await server.waitFor(/\[API\] started with listener/)
      // The cameras of the examples are nowhere; everything else is an error of the config.
      assert.notMatch(server.output(), / ERR (?!\[path )/)
    } finally {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
