import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ConfigHistory from "../../../src/adapters/node/ConfigHistory.js"
import * as ManagerLayer from "../../../src/adapters/node/ManagerLayer.js"
import { ConfigRenderer } from "../../../src/services/ConfigRenderer.js"
import { ConfigRevisions } from "../../../src/services/ConfigRevisions.js"
import { ConfigSource } from "../../../src/services/ConfigSource.js"
import { NodeId } from "../../../src/services/NodeId.js"
import * as SqliteNode from "../../../src/sql/SqliteNode.js"

const eventually = (what: string, check: Effect.Effect<boolean>) =>
  check.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutFail({ duration: "15 seconds", onTimeout: () => new Error(`never: ${what}`) }),
    Effect.orDie
  )

const place = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-manager-history-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => {
    const config = join(folder, "config")
    mkdirSync(join(config, "nodes"), { recursive: true })
    const write = (file: string, text: string) => writeFileSync(join(config, file), text)
    write("base.yml", "logLevel: info\npaths: { cam: {} }\n")
    write("nodes/eu.1.yml", "rtmp: no\n")
    const open = (configSource?: ConfigHistory.ConfigSourceKind) =>
      Layer.build(
        ConfigHistory.layer({ config, configSource }).pipe(
          Layer.provide(SqliteNode.layer({ filename: join(folder, "manager.db") })),
          Layer.provide(NodeContext.layer),
          Layer.provide(Logger.remove(Logger.defaultLogger)),
          Layer.fresh
        )
      ).pipe(
        Effect.map((context) => ({
          source: Context.get(context, ConfigSource),
          revisions: Context.get(context, ConfigRevisions)
        }))
      )
    return { config, write, open }
  }
)

describe("the server's config and its history", () => {
  it.scopedLive("from files: each accepted edit is a revision that names the files, and the API changes nothing", () =>
    Effect.gen(function* () {
      const { config, open, write } = yield* place
      const { revisions, source } = yield* open()
      assert.strictEqual((yield* source.current).revision, 1)
      assert.deepInclude(yield* revisions.newest, {
        revision: 1,
        author: "files",
        origin: "seed",
        note: "base.yml, nodes/eu.1.yml"
      })
      write("nodes/eu.1.yml", "rtmp: no\nsrt: no\n")
      yield* eventually(
        "it is recorded",
        Effect.map(source.current, ({ revision }) => revision === 2)
      )
      assert.deepInclude(yield* revisions.newest, { author: "files", origin: "files", note: "nodes/eu.1.yml" })
      write("overlays.yml", "labels: { eu.*: { region: eu } }\n")
      yield* eventually(
        "labels are a change",
        Effect.map(revisions.newest, (newest) => newest?.note === "overlays.yml")
      )
      write("base.yml", "logLevel: loud\n")
      yield* eventually(
        "it is refused",
        Effect.map(source.rejected, (refusal) => refusal !== undefined)
      )
      assert.strictEqual((yield* revisions.list()).length, 3)
      const error = yield* Effect.flip(revisions.append({ config: { base: { rtmp: false } }, author: "ann" }))
      assert.strictEqual(error._tag, "RevisionsReadOnly")
      assert.include(error.message, config)
      assert.include(error.message, "--config-source revisions")
    })
  )

  it.scopedLive("from revisions: seeded by the files, which are not looked at any more; and back to files", () =>
    Effect.gen(function* () {
      const { open, write } = yield* place
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { revisions, source } = yield* open("revisions")
          const seeded = yield* revisions.newest
          assert.deepInclude(seeded, { revision: 1, author: "seed", origin: "seed" })
          assert.match(seeded?.note ?? "", /^taken over from /)
          assert.deepStrictEqual(seeded?.config, {
            base: { logLevel: "info", paths: { cam: {} } },
            nodes: { "eu.1": { rtmp: false } }
          })
          write("base.yml", "logLevel: debug\n")
          yield* revisions.append({ config: { base: { logLevel: "warn" } }, author: "ann" })
          assert.deepInclude(yield* source.current, { revision: 2, base: { logLevel: "warn" } })
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { source } = yield* open("revisions")
          assert.deepInclude(yield* source.current, { revision: 2, base: { logLevel: "warn" } })
        })
      )
      const { revisions, source } = yield* open("files")
      assert.deepInclude(yield* source.current, { revision: 3, base: { logLevel: "debug" } })
      assert.deepInclude(yield* revisions.newest, { revision: 3, author: "files", note: "base.yml, nodes/eu.1.yml" })
    })
  )

  it.scopedLive("is not seeded by files of which a part is refused", () =>
    Effect.gen(function* () {
      const { open, write } = yield* place
      write("nodes/eu.1.yml", "rtmp: perhaps\n")
      const error = yield* Effect.flip(open("revisions"))
      assert.strictEqual(error._tag, "ConfigSourceError")
      assert.include(error.message, "eu.1.yml:1:1: error: rtmp")
      write("nodes/eu.1.yml", "rtmp: no\n")
      const { revisions } = yield* open("revisions")
      assert.strictEqual((yield* revisions.newest)?.revision, 1)
    })
  )
})

describe("the server's renderer", () => {
  it.scopedLive("explains, rollouts or not", () =>
    Effect.gen(function* () {
      const { config } = yield* place
      const context = yield* Layer.build(
        ManagerLayer.services({
          base: "https://example.com",
          key: Redacted.make("key-of-the-tests"),
          config,
          rules: join(config, "manager.yml"),
          database: ":memory:",
          clips: join(config, "clips")
        }).pipe(Layer.provide(NodeContext.layer), Layer.provide(Logger.remove(Logger.defaultLogger)))
      )
      const renderer = Context.get(context, ConfigRenderer)
      const found = yield* renderer.explain?.(NodeId.make("eu.1"), "rtmp") ?? Effect.dieMessage("it can't")
      assert.deepInclude(found.layers.at(-1), { layer: "node", name: "eu.1", value: false, counts: true })
      assert.strictEqual((yield* Context.get(context, ConfigRevisions).newest)?.revision, 1)
    })
  )
})
