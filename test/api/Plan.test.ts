import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ManagerLayer from "../../src/api/ManagerLayer.js"
import * as WebHandler from "../../src/api/WebHandler.js"
import * as AuthPolicy from "../../src/services/AuthPolicy.js"
import type { ConfigPlan } from "../../src/services/ConfigPlan.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { ADMIN_KEY, KEY } from "./Fixture.js"

const reader = (id: string, type = "rtspSession") => ({ type, id })
const path = (name: string, source: string, ...readers: ReadonlyArray<ReturnType<typeof reader>>) => ({
  name,
  available: true,
  online: true,
  source: { type: source, id: `${name}-source` },
  readers
})

/** The API over the real services in memory, on a source that the test may change. */
const world = (value: ConfigSource.ConfigValue) =>
  Effect.gen(function* () {
    const source = yield* ConfigSource.make(value)
    const credentials = Credentials.layer({ key: Redacted.make(KEY), adminKey: Redacted.make(ADMIN_KEY) })
    const services = Layer.provideMerge(FleetState.layerMemory(), HookBus.layerMemory()).pipe(
      Layer.provideMerge(NodeRegistry.layerMemory()),
      Layer.provideMerge(ConfigRenderer.layer({ base: "https://example.com" })),
      Layer.provideMerge(Layer.succeed(ConfigSource.ConfigSource, source)),
      Layer.provideMerge(credentials),
      Layer.provideMerge(AuthPolicy.layer(AuthPolicy.allowAll))
    )
    const context = yield* Layer.build(ManagerLayer.layer.pipe(Layer.provideMerge(services)))
    const handler = yield* Effect.provide(WebHandler.make, context)
    const post = (url: string, body: unknown, key = ADMIN_KEY) =>
      Effect.promise(async () => {
        const response = await handler(
          new Request(`http://manager.test${url}`, {
            method: "POST",
            headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
            body: typeof body === "string" ? body : JSON.stringify(body)
          })
        )
        const text = await response.text()
        // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
        const json = (): any => JSON.parse(text)
        return { status: response.status, text, json }
      })
    const render = (node: string) =>
      Effect.flatMap(Effect.provide(ConfigRenderer.ConfigRenderer, context), (renderer) =>
        renderer.render(NodeId.make(node))
      )
    /** What a node's updater reports. */
    const beat = (node: string, paths: ReadonlyArray<ReturnType<typeof path>>) =>
      Effect.gen(function* () {
        const { hash } = yield* render(node)
        const reply = yield* post(`/nodes/${node}/heartbeat`, { instance: "i", appliedHash: hash, status: "ok", paths })
        assert.strictEqual(reply.status, 200, reply.text)
      })
    const plan = (body: unknown) =>
      Effect.map(post("/plan", body), ({ json, status, text }) => {
        assert.strictEqual(status, 200, text)
        return json() as typeof ConfigPlan.Encoded
      })
    return { source, post, beat, plan, render }
  })

const base = "hls: true\npaths:\n  cam: {}\n  all_others: {}\n"
const value = { config: { hls: true, paths: { cam: {}, all_others: {} } } }

describe("POST /plan", () => {
  it.scoped("says for each node what a new base drops, the worst first, and changes nothing", () =>
    Effect.gen(function* () {
      const { beat, plan, render, source } = yield* world(value)
      yield* beat("calm", [path("other", "rtspSession", reader("r0"))])
      yield* beat("hit", [
        path("cam", "rtspSession", reader("r1"), reader("r2", "hlsSession")),
        path("other", "srtConn", reader("r3"))
      ])
      const before = yield* source.current
      const { yaml } = yield* render("hit")
      const found = yield* plan({ base: base.replace("cam: {}", "cam: { maxReaders: 5 }") })
      assert.deepStrictEqual(found.drops, { nodes: 1, streams: 1, readers: 2, connections: 0 })
      assert.deepStrictEqual(
        found.nodes.map(({ inSync, node, outcome, status }) => [node, outcome, status, inSync]),
        [
          ["hit", "reloads", "online", true],
          ["calm", "reloads", "online", true]
        ]
      )
      assert.deepStrictEqual(found.nodes[0]?.impact?.changes, [
        { field: "paths.cam.maxReaders", before: 0, after: 5, reload: "recreate" }
      ])
      assert.deepStrictEqual(
        found.nodes[0]?.impact?.paths.map(({ droppedReaders, outcome, path }) => [
          path,
          outcome,
          droppedReaders.length
        ]),
        [
          ["cam", "recreated", 2],
          ["other", "untouched", 0]
        ]
      )
      assert.strictEqual(yield* source.current, before)
      assert.strictEqual((yield* render("hit")).yaml, yaml)
    })
  )

  it.scoped(
    "compares configs as nodes are given them: a hook of the user's own in place of ours drops everything",
    () =>
      Effect.gen(function* () {
        const { beat, plan } = yield* world(value)
        yield* beat("n1", [path("cam", "rtspSession", reader("r1"))])
        const found = yield* plan({ base: { ...value.config, pathDefaults: { runOnRead: "/bin/true" } } })
        const [n1] = found.nodes
        assert.deepStrictEqual(
          n1?.impact?.changes.map(({ field }) => field),
          ["pathDefaults.runOnRead"]
        )
        assert.strictEqual(n1?.impact?.paths[0]?.outcome, "recreated")
        assert.isFalse(JSON.stringify(found).includes(KEY))
        // The same text in another order of fields is no change at all to MediaMTX.
        const reordered = yield* plan({ base: "paths:\n  all_others: {}\n  cam: {}\nhls: yes\n" })
        assert.strictEqual(reordered.nodes[0]?.impact?.scope ?? "none", "none")
        assert.deepStrictEqual(reordered.drops, { nodes: 0, streams: 0, readers: 0, connections: 0 })
      })
  )

  it.scoped("plans overlays: a new one, one that goes, one that the new base leaves without a config", () =>
    Effect.gen(function* () {
      const { beat, plan } = yield* world({
        config: { paths: { cam: {} } },
        nodes: { own: { paths: { cam: { sourceOnDemand: true, source: "rtsp://10.0.0.1/x" } } } }
      })
      yield* beat("own", [path("cam", "rtspSource")])
      yield* beat("plain", [path("cam", "rtmpConn")])

      const taken = yield* plan({ nodes: { own: null } })
      assert.deepStrictEqual(
        taken.nodes.map(({ node, outcome }) => [node, outcome]),
        [
          ["own", "reloads"],
          ["plain", "unchanged"]
        ]
      )
      assert.strictEqual(taken.drops.streams, 1)

      const given = yield* plan({ nodes: { plain: "rtmp: no\n" } })
      assert.deepInclude(given.nodes[0]?.impact?.paths[0], { outcome: "publisher-dropped", path: "cam" })
      assert.strictEqual(given.nodes[0]?.node, "plain")

      const stuck = yield* plan({ base: { paths: { cam: { srtPublishPassphrase: "0123456789" } } } })
      const own = stuck.nodes.find(({ node }) => node === "own")
      assert.strictEqual(own?.outcome, "keeps")
      assert.include(own?.reason ?? "", "srtPublishPassphrase")
      assert.strictEqual(own?.impact, null)

      const one = yield* plan({ base: { paths: {} }, node: "never-called" })
      assert.deepStrictEqual(
        one.nodes.map(({ node, status }) => [node, status]),
        [["never-called", null]]
      )
    })
  )

  const overlaid = {
    config: { hls: true, paths: { cam: {}, door: {} } },
    labels: { "eu-*": { region: "eu" }, "us-*": { region: "us" } },
    overlays: [{ name: "europe", nodes: "region=eu", config: { rtmp: false } }]
  }
  const nodes = ["eu-1", "eu-2", "us-1"]
  const outcomes = (plan: typeof ConfigPlan.Encoded) =>
    Object.fromEntries(plan.nodes.map(({ node, outcome }) => [node, outcome]))

  it.scoped("plans labels and overlays, each node with those that select it", () =>
    Effect.gen(function* () {
      const { beat, plan } = yield* world(overlaid)
      for (const node of nodes) {
        const door = node === "us-1" ? "rtmpConn" : "srtConn"
        yield* beat(node, [path("cam", "rtspSession", reader("r1")), path("door", door, reader("r2"))])
      }
      const europe = yield* plan({
        overlays: [...overlaid.overlays, { name: "limit", nodes: "region=eu", paths: "c*", config: { maxReaders: 5 } }]
      })
      assert.deepStrictEqual(outcomes(europe), { "eu-1": "reloads", "eu-2": "reloads", "us-1": "unchanged" })
      assert.deepStrictEqual(europe.drops, { nodes: 2, streams: 2, readers: 2, connections: 0 })
      assert.deepStrictEqual(
        europe.nodes[0]?.impact?.paths.map(({ because, outcome, path }) => [path, outcome, because]),
        [
          ["cam", "recreated", ["paths.cam.maxReaders"]],
          ["door", "untouched", []]
        ]
      )

      // Labels alone: the overlays that are there take hold of other nodes.
      const moved = yield* plan({ labels: { "us-1": { region: "eu" } } })
      assert.deepStrictEqual(
        moved.nodes.map(({ impact, node }) => [node, impact?.drops.streams, impact?.changes]),
        [
          ["us-1", 1, [{ field: "rtmp", before: true, after: false, reload: "rtmp" }]],
          ["eu-1", 0, [{ field: "rtmp", before: false, after: true, reload: "rtmp" }]],
          ["eu-2", 0, [{ field: "rtmp", before: false, after: true, reload: "rtmp" }]]
        ]
      )
      const kept = yield* plan({ labels: overlaid.labels })
      assert.deepStrictEqual(new Set(Object.values(outcomes(kept))), new Set(["unchanged"]))

      // A new base comes under the overlays that stay.
      const under = yield* plan({ base: { paths: { cam: {}, door: {} }, hls: true, rtmp: false } })
      assert.deepStrictEqual(outcomes(under), { "eu-1": "unchanged", "eu-2": "unchanged", "us-1": "reloads" })
    })
  )

  it.scoped("plans a whole config in place of what is in force, as PUT /config would take it", () =>
    Effect.gen(function* () {
      const { beat, plan, post } = yield* world({ ...overlaid, nodes: { "eu-2": { rtmp: true } } })
      for (const node of nodes) yield* beat(node, [path("door", "rtmpConn", reader("r2"))])
      const { config: base, ...rest } = overlaid
      assert.deepStrictEqual(outcomes(yield* plan({ config: { base, ...rest, nodes: { "eu-2": { rtmp: true } } } })), {
        "eu-1": "unchanged",
        "eu-2": "unchanged",
        "us-1": "unchanged"
      })
      // What it does not name is gone: here the node's own, and the overlay.
      const bare = yield* plan({ config: { base: { ...base, rtmp: false } } })
      assert.deepStrictEqual(outcomes(bare), { "eu-1": "unchanged", "eu-2": "reloads", "us-1": "reloads" })
      assert.deepStrictEqual(bare.drops, { nodes: 2, streams: 2, readers: 2, connections: 0 })

      const refused = yield* post("/plan", {
        config: { base: { bogus: 1 }, overlays: [{ name: "o", config: { logLevl: "x" } }] }
      })
      assert.strictEqual(refused.status, 400)
      assert.deepStrictEqual(
        refused.json().issues.map(({ field }: { readonly field: string }) => field),
        ["config.base.bogus"]
      )
      const both = yield* post("/plan", { config: { base }, base, nodes: {} })
      assert.deepStrictEqual(
        both.json().issues.map(({ field, message }: Record<string, string>) => [field, message]),
        [
          ["base", "stands beside config"],
          ["nodes", "stands beside config"]
        ]
      )
    })
  )

  it.scoped("refuses what is not valid with every issue and its place", () =>
    Effect.gen(function* () {
      const { post } = yield* world(value)
      const issues = (body: unknown) =>
        Effect.map(post("/plan", body), ({ json, status }) => {
          assert.strictEqual(status, 400)
          const { _tag, issues } = json()
          assert.strictEqual(_tag, "InvalidRequest")
          return issues as ReadonlyArray<{
            readonly field: string
            readonly message: string
            readonly expected: string
          }>
        })
      const many = yield* issues({ base: "paths:\n  cam:\n    maxReaders: x\n    sorce: publisher\n" })
      assert.sameMembers(
        many.map(({ field }) => field),
        ["base.paths.cam.maxReaders", "base.paths.cam.sorce"]
      )
      assert.isTrue(many.every(({ message }) => /^line \d, column 5: /.test(message)))
      assert.isTrue(many.some(({ expected }) => expected.includes("did you mean source")))
      assert.deepStrictEqual(
        (yield* issues({ base: 'paths:\n  cam: "open\n' })).map(({ field }) => field),
        ["base"]
      )
      assert.deepStrictEqual(
        (yield* issues({ nodes: { n1: { paths: { cam: { bogus: 1 } } } } })).map(({ field }) => field),
        ["nodes.n1.paths.cam.bogus"]
      )
      assert.deepStrictEqual(
        (yield* issues({ nodes: { "a b": {} } })).map(({ message }) => message),
        ["is not a node id"]
      )
      yield* issues({ base: 7 })
      const overlays = yield* issues({
        labels: { "eu-*": { region: "eu" } },
        overlays: [{ name: "europe", nodes: "region=eu", config: { logLevl: "warn" } }]
      })
      assert.deepStrictEqual(
        overlays.map(({ expected, field }) => [field, expected.includes("did you mean logLevel?")]),
        [["overlays[0].config.logLevl", true]]
      )
      assert.deepStrictEqual(
        (yield* issues({ overlays: [{ name: "x", nodes: "region=", config: {} }] })).map(({ field }) => field),
        ["overlays[0].nodes"]
      )
    })
  )

  it.scoped("is for the admin key alone", () =>
    Effect.gen(function* () {
      const { post } = yield* world(value)
      assert.strictEqual((yield* post("/plan", {}, "nobody")).status, 401)
      assert.strictEqual((yield* post("/plan", {}, KEY)).status, 403)
      assert.strictEqual((yield* post("/plan", {})).status, 200)
    })
  )
})
