import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigRevisions from "../../src/services/ConfigRevisions.js"
import * as Credentials from "../../src/services/Credentials.js"
import type { FleetDocument } from "../../src/services/FleetDocument.js"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeConfigTexts from "../../src/services/NodeConfigTexts.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"

const eu1 = NodeId.make("eu-1")

const config = (password: string, logLevel: string, passphrase = "first-passphrase"): FleetDocument => ({
  base: {
    paths: { cam: { source: `rtsp://u:${password}@10.0.0.1/x`, srtReadPassphrase: passphrase } },
    authInternalUsers: [{ user: "sam", pass: password, permissions: [{ action: "read" }] }]
  },
  labels: { "eu-*": { region: "eu" } },
  overlays: [{ name: "europe", nodes: "region=eu", config: { logLevel } }]
})

const layer = ConfigRenderer.layer({ base: "https://example.com" }).pipe(
  Layer.provideMerge(ConfigRevisions.layerSource({ seed: Effect.succeed(config("s3cret-1", "info")) })),
  Layer.provideMerge(ConfigRevisions.layerMemory()),
  Layer.provideMerge(
    Credentials.layer({
      key: Redacted.make("key-0123456789abcdef0123456789abcdef"),
      adminKey: Redacted.make("a".repeat(40))
    })
  ),
  Layer.provideMerge(NodeRegistry.layerMemory()),
  Layer.provideMerge(HookBus.layerMemory())
)

const world = Effect.gen(function* () {
  const renderer = yield* ConfigRenderer.ConfigRenderer
  const revisions = yield* ConfigRevisions.ConfigRevisions
  const registry = yield* NodeRegistry.NodeRegistry
  const given = yield* renderer.render(eu1, null)
  const report = (appliedHash: string | undefined) =>
    registry.heartbeat(eu1, { instance: "i", status: "ok", ...(appliedHash === undefined ? {} : { appliedHash }) })
  const texts = (of: { readonly revisions: ConfigRevisions.ConfigRevisionsShape | undefined } = { revisions }) =>
    Effect.flatMap(registry.get(eu1), (record) =>
      Option.isNone(record) ? Effect.dieMessage("no record") : NodeConfigTexts.get(renderer, of.revisions, record.value)
    )
  const append = (next: FleetDocument) =>
    revisions.append({ config: next, author: "ann", note: "", expected: undefined })
  return { append, given, renderer, report, texts }
})

it.scoped("shows what the node runs beside what it should, whatever came in between", () =>
  Effect.gen(function* () {
    const { append, given, renderer, report, texts } = yield* world
    yield* report(given.hash)
    const same = yield* texts()
    assert.deepStrictEqual(same.applied, { hash: given.hash, text: same.wanted?.text ?? "", revision: null })
    yield* append(config("s3cret-1", "warn"))
    yield* append(config("s3cret-2", "error"))
    const { applied, wanted } = yield* texts()
    assert.strictEqual(wanted?.hash, (yield* renderer.render(eu1, null)).hash)
    assert.deepInclude({ ...applied }, { hash: given.hash, revision: 1 })
    const lines = { before: applied?.text?.split("\n") ?? [], after: wanted?.text.split("\n") ?? [] }
    assert.deepStrictEqual(
      lines.after.filter((line) => !lines.before.includes(line)).map((line) => line.trim()),
      ['pass: "(secret) (changed)"', "logLevel: error", 'source: "rtsp://10.0.0.1/... (changed)"']
    )
    assert.include(lines.before, "logLevel: info")
    // The manager's own lines are there, its tokens are not.
    for (const text of [applied?.text, wanted?.text]) {
      assert.match(text ?? "", /^authHTTPAddress: .*example\.com/m, text ?? "")
      assert.match(text ?? "", /runOnConnect: "?\w+ \.\.\./)
      assert.notMatch(text ?? "", /s3cret|first-passphrase|Bearer|token=/)
    }
  }).pipe(Effect.provide(layer))
)

it.scoped("says so where the text of a hash is not known, or none was reported", () =>
  Effect.gen(function* () {
    const { append, given, report, texts } = yield* world
    yield* report(undefined)
    assert.isNull((yield* texts()).applied)
    yield* report("0".repeat(64))
    assert.deepStrictEqual((yield* texts()).applied, { hash: "0".repeat(64), text: null, revision: null })
    yield* report(given.hash)
    yield* append(config("s3cret-1", "warn"))
    assert.strictEqual((yield* texts()).applied?.revision, 1)
    assert.isNull((yield* texts({ revisions: undefined })).applied?.text)
  }).pipe(Effect.provide(layer))
)
