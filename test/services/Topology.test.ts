import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { compareConfigs } from "../../src/mediamtx/ReloadImpact.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import { decodeGroups, type FleetGroupInput } from "../../src/services/FleetGroups.js"
import type { AddressRules } from "../../src/services/NodeDirectory.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import * as Topology from "../../src/services/Topology.js"

const node = NodeId.make

const addresses: AddressRules = { "*": { address: "{node}.internal" } }

const config: MediaMTXConfig = {
  record: undefined,
  pathDefaults: { runOnDemand: "", recordDeleteAfter: "2d" },
  paths: {
    "cams/harbour": { source: "rtsp://camera.example/1", record: true, recordPath: "/rec/%path/%s-%f", forward: [] },
    "cams/pier": { runOnInit: "ffmpeg -i pier", runOnInitRestart: true },
    "~^dyn/(.*)$": {},
    other: {}
  }
} as MediaMTXConfig

interface Setup {
  readonly groups: ReadonlyArray<FleetGroupInput>
  readonly config?: MediaMTXConfig
  readonly value?: Partial<ConfigSource.ConfigValue>
  readonly addresses?: AddressRules
  readonly keys?: { readonly key: string; readonly previousKey?: string }
}

/** The services as a manager has them, and what each node reads in its file. */
const open = (setup: Setup) =>
  Effect.gen(function* () {
    const topology = Either.getOrThrowWith(
      decodeGroups(setup.groups, setup.addresses ?? addresses),
      (issues) => new Error(issues.map((issue) => `${issue.fieldText} ${issue.message}`).join("\n"))
    )
    const source = yield* ConfigSource.make({ config: setup.config ?? config, ...setup.value })
    const policy = Layer.succeed(AuthPolicy.AuthPolicy, AuthPolicy.denyAll)
    const services = Layer.mergeAll(
      ConfigRenderer.layer({ base: "https://manager.example", refresh: { mode: "none" } }),
      Topology.guard.pipe(Layer.provide(policy))
    ).pipe(
      Layer.provideMerge(
        Topology.layer({ ...Topology.none, addresses: setup.addresses ?? addresses, groups: topology })
      ),
      Layer.provideMerge(NodeRegistry.layerMemory()),
      Layer.provideMerge(
        Credentials.layer({
          key: Redacted.make(setup.keys?.key ?? "a-key"),
          previousKey: setup.keys?.previousKey === undefined ? undefined : Redacted.make(setup.keys.previousKey)
        })
      ),
      Layer.provideMerge(Layer.succeed(ConfigSource.ConfigSource, source))
    )
    const context = yield* Layer.build(services)
    const run = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context)
    const render = (id: string) =>
      run(Effect.flatMap(ConfigRenderer.ConfigRenderer, (renderer) => renderer.render(node(id))))
    return {
      run,
      source,
      render,
      /** What MediaMTX reads. */
      read: (id: string) => Effect.map(render(id), ({ yaml }) => parse(yaml)),
      poll: (...ids: ReadonlyArray<string>) =>
        run(
          Effect.flatMap(NodeRegistry.NodeRegistry, (registry) =>
            Effect.forEach(ids, (id) => registry.observe(node(id), { via: "config", nextWithin: 10_000 }), {
              discard: true
            })
          )
        ),
      acting: run(Effect.flatMap(Topology.Topology, ({ groups }) => groups)).pipe(
        Effect.map((groups) => groups.map(({ acting }) => String(acting)))
      ),
      ask: (request: Partial<AuthPolicy.AuthRequest> & { readonly user: string; readonly secret: string }) =>
        run(
          Effect.flatMap(AuthPolicy.AuthPolicy, (each) =>
            each.decide({
              node: node("a"),
              action: "read",
              path: "cams/harbour",
              protocol: "rtsp",
              ip: "192.0.2.1",
              token: Redacted.make(""),
              query: Redacted.make(""),
              id: null,
              userAgent: "",
              ...request,
              password: Redacted.make(request.secret)
            })
          )
        )
    }
  })

const parse = (yaml: string): MediaMTXConfig =>
  Either.getOrThrowWith(
    Either.flatMap(parseConfigText(yaml), (document) => validateConfig(document.value)),
    (error) => error
  ).config

const credentialsIn = (url: string | undefined) => {
  const [, user = "", secret = "", rest = ""] = /^rtsps?:\/\/([^:]*):([^@]*)@(.*)$/.exec(url ?? "") ?? []
  return { user, secret, rest }
}

/** Everybody in the list goes on calling while time passes. */
const passing = (
  fleet: { readonly poll: (...ids: ReadonlyArray<string>) => Effect.Effect<void, NodeRegistry.NodeRegistryError> },
  seconds: number,
  ...alive: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    for (let passed = 0; passed < seconds; passed++) {
      yield* TestClock.adjust("1 second")
      if (passed % 5 === 0) yield* fleet.poll(...alive)
    }
  })

const mirror: FleetGroupInput = { name: "harbour", primary: "a", fallbacks: ["b", "c"], paths: "cams/*" }

describe("a mirror group", () => {
  it.scoped("lets fallbacks pull what is the group's, and nothing else", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [mirror] })
      const [primary, fallback] = [yield* fleet.read("a"), yield* fleet.read("b")]
      assert.deepStrictEqual(Object.keys(fallback.paths ?? {}), Object.keys(primary.paths ?? {}))
      assert.deepStrictEqual(fallback.paths?.["other"], primary.paths?.["other"])
      assert.deepStrictEqual(fallback.paths?.["~^dyn/(.*)$"], primary.paths?.["~^dyn/(.*)$"])
      assert.strictEqual(primary.paths?.["cams/harbour"]?.source, "rtsp://camera.example/1")

      const pulled = fallback.paths?.["cams/harbour"]
      const link = credentialsIn(pulled?.source)
      assert.strictEqual(link.user, "mtx-manager.b")
      assert.match(link.secret, /^[\w-]{43}$/)
      assert.strictEqual(link.rest, "a.internal:8554/cams/harbour")
      // It records as the primary does, and nothing is started twice.
      assert.isTrue(pulled?.record)
      assert.isUndefined(pulled?.sourceOnDemand)
      assert.isUndefined(fallback.paths?.["cams/pier"]?.runOnInit)
      // A node that is in no group shares the config of all.
      assert.isFalse((yield* fleet.render("x")).yaml.includes("mtx-manager.x"))
    })
  )

  it.scoped("is byte-stable, and shows neither the node's own token nor the key", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* open({ groups: [mirror] }), yield* open({ groups: [mirror] })]
      const { yaml } = yield* first.render("b")
      assert.strictEqual(yaml, (yield* second.render("b")).yaml)
      const { secret } = credentialsIn(parse(yaml).paths?.["cams/harbour"]?.source)
      const own = yield* first.run(Effect.flatMap(Credentials.Credentials, ({ nodeToken }) => nodeToken(node("b"))))
      assert.notStrictEqual(secret, Redacted.value(own))
      assert.isFalse(yaml.includes("a-key"))
      const other = credentialsIn((yield* first.read("c")).paths?.["cams/harbour"]?.source)
      assert.notStrictEqual(secret, other.secret)
    })
  )

  it.scoped("keeps its links while a node goes by the previous key", () =>
    Effect.gen(function* () {
      const before = yield* open({ groups: [mirror] })
      const was = yield* before.render("b")
      const fleet = yield* open({ groups: [mirror], keys: { key: "a-new-key", previousKey: "a-key" } })
      const { nodeToken, rotation } = yield* fleet.run(Credentials.Credentials)
      const fresh = yield* fleet.render("b")
      assert.notStrictEqual(fresh.hash, was.hash)

      rotation?.note("a-key", node("b"))
      assert.strictEqual((yield* fleet.render("b")).yaml, was.yaml)
      assert.strictEqual(Redacted.value(yield* nodeToken(node("b"))).length, 43)
      const link = credentialsIn(parse(was.yaml).paths?.["cams/harbour"]?.source)
      assert.strictEqual((yield* fleet.ask({ user: link.user, secret: link.secret }))._tag, "Allow")

      rotation?.booted(node("b"))
      assert.strictEqual((yield* fleet.render("b")).yaml, fresh.yaml)
      const next = credentialsIn(parse(fresh.yaml).paths?.["cams/harbour"]?.source)
      assert.strictEqual((yield* fleet.ask({ user: next.user, secret: next.secret }))._tag, "Allow")
      assert.strictEqual((yield* fleet.ask({ user: link.user, secret: "neither" }))._tag, "Deny")
    })
  )

  it.scoped("hands over when the primary is gone, and back when it is there for a minute", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [mirror] })
      yield* fleet.poll("a", "b", "c")
      const before = {
        a: yield* fleet.render("a"),
        b: yield* fleet.render("b"),
        c: yield* fleet.render("c"),
        x: yield* fleet.render("x")
      }
      yield* passing(fleet, 40, "b", "c")
      assert.deepStrictEqual(yield* fleet.acting, ["a"])
      yield* passing(fleet, 10, "b", "c")
      assert.deepStrictEqual(yield* fleet.acting, ["b"])

      const now = { a: yield* fleet.render("a"), b: yield* fleet.render("b"), c: yield* fleet.render("c") }
      assert.strictEqual(now.a.hash, before.a.hash)
      assert.strictEqual((yield* fleet.render("x")).hash, before.x.hash)
      const [b, c] = [parse(now.b.yaml), parse(now.c.yaml)]
      assert.strictEqual(b.paths?.["cams/harbour"]?.source, "rtsp://camera.example/1")
      assert.strictEqual(b.paths?.["cams/pier"]?.runOnInit, "ffmpeg -i pier")
      assert.strictEqual(credentialsIn(c.paths?.["cams/harbour"]?.source).rest, "b.internal:8554/cams/harbour")

      // What changes on the fallback is what was pulled, and a stream that is not the group's goes on.
      const impact = compareConfigs(parse(before.b.yaml), b).impactOn({
        paths: ["cams/harbour", "cams/pier", "dyn/1", "other"].map((path) => ({ path })),
        publishers: [],
        readers: [],
        connections: []
      } as never)
      assert.deepStrictEqual(
        impact.paths.filter(({ outcome }) => outcome !== "untouched").map(({ path }) => path),
        ["cams/harbour", "cams/pier"]
      )
      assert.isEmpty(impact.listeners)

      // It flaps: each absence starts the minute anew.
      yield* passing(fleet, 25, "a", "b", "c")
      yield* passing(fleet, 30, "b", "c")
      yield* passing(fleet, 50, "a", "b", "c")
      assert.deepStrictEqual(yield* fleet.acting, ["b"])
      yield* passing(fleet, 15, "a", "b", "c")
      assert.deepStrictEqual(yield* fleet.acting, ["a"])
      assert.strictEqual((yield* fleet.render("b")).hash, before.b.hash)
      assert.strictEqual((yield* fleet.render("c")).hash, before.c.hash)
    })
  )

  it.scoped("tells of it, once for each hand-over", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [mirror] })
      yield* fleet.poll("a", "b", "c")
      const told = yield* fleet.run(
        Effect.flatMap(ConfigRenderer.ConfigRenderer, ({ changes }) =>
          Effect.fork(Stream.runCollect(Stream.interruptAfter(changes, Duration.seconds(200))))
        )
      )
      yield* TestClock.adjust("1 millis")
      yield* passing(fleet, 60, "b", "c")
      yield* passing(fleet, 150, "a", "b", "c")
      assert.lengthOf([...(yield* Fiber.join(told))], 2)
    })
  )

  it.scoped("does nothing when the manager was cut off from everybody", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [mirror] })
      yield* fleet.poll("a", "b", "c")
      yield* passing(fleet, 300)
      assert.deepStrictEqual(yield* fleet.acting, ["a"])
      // All come back within their interval, the fallbacks first.
      yield* fleet.poll("a", "c", "b")
      yield* passing(fleet, 120, "a", "b", "c")
      assert.deepStrictEqual(yield* fleet.acting, ["a"])
    })
  )

  it.scoped("fallbacks of the demand kind have the sources themselves, and wait for readers", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [{ ...mirror, fallback: "demand" }], addresses: {} })
      const { paths } = yield* fleet.read("b")
      assert.include(paths?.["cams/harbour"], { source: "rtsp://camera.example/1", sourceOnDemand: true })
      assert.include(paths?.["cams/pier"], { runOnDemand: "ffmpeg -i pier", runOnDemandRestart: true })
      assert.strictEqual(paths?.["cams/pier"]?.runOnInit ?? "", "")
      yield* fleet.poll("a", "b", "c")
      const before = yield* fleet.render("b")
      yield* passing(fleet, 100, "b", "c")
      assert.strictEqual((yield* fleet.render("b")).hash, before.hash)
    })
  )

  it.scoped("leaves the last word to the node's own config", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [mirror],
        value: { nodes: { b: { paths: { "cams/harbour": { record: false, maxReaders: 3 } } } } }
      })
      const path = (yield* fleet.read("b")).paths?.["cams/harbour"]
      assert.include(path, { record: false, maxReaders: 3 })
      assert.strictEqual(credentialsIn(path?.source).rest, "a.internal:8554/cams/harbour")
    })
  )

  it.scoped("is refused on its fallbacks alone when the primary can't be read from", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [mirror],
        value: { nodes: { a: { rtsp: false } } }
      })
      const failed = yield* Effect.flip(fleet.render("b"))
      assert.include(failed.message, "node a, which is to be read from, has rtsp off")
      yield* fleet.render("a")
      yield* fleet.source.set({ config })
      yield* fleet.render("b")
    })
  )
})

describe("a group of edges", () => {
  const edges: FleetGroupInput = { name: "world", origins: ["a"], edges: "role=edge" }
  const value = { labels: { "edge-*": { role: "edge" } } }

  it.scoped("has the origin's paths, pulled when somebody reads, and nothing of its own that opens cameras", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [edges], value })
      const { paths } = yield* fleet.read("edge-1")
      assert.sameMembers(Object.keys(paths ?? {}), ["cams/harbour", "cams/pier", "~^(.*(?:^dyn/(.*)$).*)$", "other"])
      for (const path of Object.values(paths ?? {})) {
        assert.isTrue(path?.sourceOnDemand)
        assert.isUndefined(path?.record)
        assert.strictEqual(credentialsIn(path?.source).user, "mtx-manager.edge-1")
      }
      // MediaMTX puts groups into sources, but not the name.
      assert.strictEqual(credentialsIn(paths?.["~^(.*(?:^dyn/(.*)$).*)$"]?.source).rest, "a.internal:8554/$G1")
      assert.strictEqual((yield* fleet.read("a")).paths?.["cams/harbour"]?.source, "rtsp://camera.example/1")
    })
  )

  it.scoped("takes back what path defaults would give to every path", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [edges],
        value,
        config: {
          pathDefaults: { record: true, recordPath: "/rec/%path/%s-%f", runOnDemand: "ffmpeg" },
          paths: { cam: {}, all_others: {} }
        }
      })
      const { paths } = yield* fleet.read("edge-1")
      assert.include(paths?.["cam"], { record: false, runOnDemand: "" })
      assert.strictEqual(credentialsIn(paths?.["~^(.*)$"]?.source).rest, "a.internal:8554/$G1")
      assert.notProperty(paths, "all_others")
    })
  )

  it.scoped("has none of what path defaults say of paths that are published to, nor has a fallback", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [edges, { name: "pair", primary: "a", fallbacks: ["b"] }],
        value,
        config: {
          pathDefaults: {
            alwaysAvailable: true,
            alwaysAvailableTracks: [{ codec: "H264" }],
            srtPublishPassphrase: "0123456789",
            forward: [{ dest: "rtmp://cdn.example/live" }],
            runOnAvailable: "restream",
            overridePublisher: false
          },
          paths: { cam: {}, own: { srtReadPassphrase: "9876543210", forward: [{ dest: "rtmp://other.example/x" }] } }
        }
      })
      for (const id of ["edge-1", "b"]) {
        const { pathDefaults, paths } = yield* fleet.read(id)
        for (const name of ["cam", "own"]) {
          assert.include(paths?.[name], { alwaysAvailable: false, srtPublishPassphrase: "" }, id)
          assert.deepStrictEqual(paths?.[name]?.forward, [], id)
        }
        assert.strictEqual(paths?.["own"]?.srtReadPassphrase, "9876543210")
        assert.strictEqual(pathDefaults?.alwaysAvailable, true)
      }
    })
  )

  it.scoped("counts an overlay of paths once, where the stream is made", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [{ name: "pair", primary: "a", fallbacks: ["b"], paths: "cams/*" }],
        value: {
          overlays: [
            { name: "limits", paths: "cams/*", config: { maxReaders: 7, runOnReadRestart: true } },
            { name: "others", paths: "other", config: { maxReaders: 3 } },
            { name: "sources", nodes: "node=b", paths: "cams/*", config: { source: "publisher" } }
          ]
        }
      })
      const { paths } = yield* fleet.read("b")
      assert.strictEqual(paths?.["cams/harbour"]?.maxReaders, 7)
      assert.strictEqual(credentialsIn(paths?.["cams/harbour"]?.source).user, "mtx-manager.b")
      assert.strictEqual(paths?.["other"]?.maxReaders, 3)
    })
  )

  it.scoped("reads from the next origin when the first is gone", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [{ ...edges, origins: ["a", "b"] }], value })
      yield* fleet.poll("a", "b")
      yield* passing(fleet, 60, "b")
      const { paths } = yield* fleet.read("edge-1")
      assert.strictEqual(credentialsIn(paths?.["other"]?.source).rest, "b.internal:8554/other")
    })
  )

  it.scoped("may be a fallback that reads from itself in a circle without end", () =>
    Effect.gen(function* () {
      const fleet = yield* open({
        groups: [
          { name: "one", primary: "a", fallbacks: ["b"], paths: "cams/*" },
          { name: "two", primary: "b", fallbacks: ["a"], paths: "other" }
        ]
      })
      assert.strictEqual(
        credentialsIn((yield* fleet.read("b")).paths?.["cams/pier"]?.source).rest,
        "a.internal:8554/cams/pier"
      )
      assert.strictEqual(credentialsIn((yield* fleet.read("a")).paths?.["other"]?.source).rest, "b.internal:8554/other")
    })
  )
})

describe("what nodes show each other", () => {
  it.scoped("opens the group's paths on its sources by RTSP, to read, and nothing else", () =>
    Effect.gen(function* () {
      const fleet = yield* open({ groups: [mirror, { name: "w", origins: ["o"], edges: "role=edge", paths: "other" }] })
      const link = credentialsIn((yield* fleet.read("b")).paths?.["cams/harbour"]?.source)
      const ask = (request: Partial<AuthPolicy.AuthRequest> & { user?: string; secret?: string } = {}) =>
        Effect.map(fleet.ask({ ...link, ...request }), ({ _tag }) => _tag)
      assert.strictEqual(yield* ask(), "Allow")
      assert.strictEqual(yield* ask({ path: "other" }), "Deny")
      assert.strictEqual(yield* ask({ action: "publish" }), "Deny")
      assert.strictEqual(yield* ask({ action: "playback" }), "Deny")
      assert.strictEqual(yield* ask({ action: "api", path: "" }), "Deny")
      assert.strictEqual(yield* ask({ protocol: "hls" }), "Deny")
      // On no other node, not even one that the reader may read from: there it shows something else.
      assert.strictEqual(yield* ask({ node: node("c") }), "Deny")
      assert.strictEqual(yield* ask({ node: node("o") }), "Deny")
      assert.strictEqual(yield* ask({ node: undefined }), "Deny")
      assert.strictEqual(yield* ask({ user: "mtx-manager.c" }), "Deny")
      assert.strictEqual(yield* ask({ user: "mtx-manager.../x" }), "Deny")
      assert.strictEqual(yield* ask({ secret: "" }), "Deny")
      assert.strictEqual(yield* ask({ secret: "a-key" }), "Deny")
      // Everybody else is the policy's.
      assert.strictEqual((yield* fleet.ask({ ...link, user: "someone" })).reason, "everything is denied")
    })
  )
})

describe("groups as they are written", () => {
  const wrong = (groups: unknown, rules: AddressRules = addresses) =>
    Either.match(decodeGroups(groups, rules), {
      onLeft: (issues) => issues.map(({ fieldText, message }) => `${fieldText} ${message}`),
      onRight: () => []
    })

  it("say all that is wrong, and where", () => {
    assert.deepStrictEqual(wrong({}), ["groups is not a list"])
    assert.deepStrictEqual(wrong([{ name: "x" }]), ["groups[0] says of no node what it does"])
    assert.deepStrictEqual(
      wrong([
        { name: "x", primary: "a b", fallbacks: ["b", "b"], fallback: "other", failoverAfter: 5, pathz: "x" },
        { name: "x", origins: [], edges: "role=", paths: "/x" }
      ]).sort(),
      [
        "groups[0].failoverAfter is not a duration",
        "groups[0].fallback is no way to stand in",
        "groups[0].fallbacks[1] is in this group already",
        "groups[0].pathz is not known here",
        "groups[0].primary is not a node id",
        'groups[1].edges has "", which is no value of a label',
        "groups[1].name is the name of a group above",
        "groups[1].origins is not a list of nodes",
        "groups[1].paths starts or ends with a slash, which no path does"
      ]
    )
  })

  it("need the address of everyone who is read from", () => {
    assert.deepStrictEqual(wrong([mirror], {}), [
      "groups[0].primary is read from by other nodes, and nothing says how they reach node a",
      "groups[0].fallbacks[0] is read from by other nodes, and nothing says how they reach node b"
    ])
    assert.deepStrictEqual(wrong([{ ...mirror, fallback: "demand" }], {}), [])
    assert.lengthOf(wrong([{ name: "w", origins: ["a", "b"], edges: "role=edge" }], { a: { address: "a" } }), 1)
  })
})
