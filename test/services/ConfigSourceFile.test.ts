import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { stringify, type YamlValue } from "../../src/mediamtx/Yaml.js"
import type { ConfigValue } from "../../src/services/ConfigSource.js"
import * as ConfigSourceFile from "../../src/services/ConfigSourceFile.js"
import { NodeId } from "../../src/services/NodeId.js"
import { configSourceContract } from "../../src/testing/ConfigSourceContract.js"

type Needs = FileSystem.FileSystem | Path.Path
const platform = NodeContext.layer.pipe(Layer.merge(Logger.remove(Logger.defaultLogger)))
const onNode = <A, E, R>(effect: Effect.Effect<A, E, R | Needs | Scope.Scope>) => effect.pipe(Effect.provide(platform))

const quick = { settle: "20 millis", poll: "300 millis" } as const
const text = (config: unknown) => stringify(config as YamlValue)

const folder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = yield* fs.makeTempDirectoryScoped()
  const at = (...names: ReadonlyArray<string>) => path.join(root, ...names)
  const write = (name: string, content: string) =>
    fs
      .makeDirectory(path.dirname(at(name)), { recursive: true })
      .pipe(Effect.zipRight(fs.writeFileString(at(name), content)), Effect.orDie)
  return { fs, root, at, write }
})

const writeAll = (write: (name: string, content: string) => Effect.Effect<void>, value: ConfigValue) =>
  Effect.gen(function* () {
    for (const [node, overlay] of Object.entries(value.nodes ?? {})) yield* write(`nodes/${node}.yml`, text(overlay))
    yield* write("base.yml", text(value.config))
  })

configSourceContract("ConfigSourceFile over a folder", {
  open: (value) =>
    Effect.gen(function* () {
      const { root, write } = yield* folder
      yield* writeAll(write, value)
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      return { source, offer: (next: ConfigValue) => writeAll(write, next) }
    }).pipe(onNode)
})

const eventually = (what: string, check: Effect.Effect<boolean>) =>
  check.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutFail({ duration: "15 seconds", onTimeout: () => new Error(`never: ${what}`) })
  )

const north = NodeId.make("north")

describe("ConfigSourceFile", () => {
  it.scopedLive("sees new, renamed-over, rewritten and deleted files", () =>
    Effect.gen(function* () {
      const { at, fs, root, write } = yield* folder
      yield* write("base.yml", "logLevel: info\n")
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      const level = Effect.map(source.current, ({ base }) => base.logLevel)

      yield* write("base.yml", "logLevel: warn\n")
      yield* eventually(
        "written in place",
        Effect.map(level, (found) => found === "warn")
      )

      yield* write(".base.yml.swp", "logLevel: debug\n")
      yield* fs.rename(at(".base.yml.swp"), at("base.yml"))
      yield* eventually(
        "renamed over, as editors do",
        Effect.map(level, (found) => found === "debug")
      )

      // The folder of overlays didn't exist when the source began to watch.
      yield* write("nodes/north.yml", "logLevel: error\n")
      yield* eventually(
        "a new overlay",
        Effect.map(source.current, ({ nodes }) => nodes.get(north)?.logLevel === "error")
      )
      yield* fs.remove(at("nodes", "north.yml"))
      yield* eventually(
        "a deleted overlay",
        Effect.map(source.current, ({ nodes }) => nodes.size === 0)
      )
    }).pipe(onNode)
  )

  it.scopedLive("names file, line and column, and what would be right", () =>
    Effect.gen(function* () {
      const { at, root, write } = yield* folder
      yield* write("base.yml", "paths:\n  cam:\n    record: yes\n")
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      const refusal = (pattern: RegExp) =>
        eventually(
          String(pattern),
          Effect.map(source.rejected, (found) => pattern.test(found?.message ?? ""))
        )
      const escaped = (name: string) => at(name).replaceAll(/[.\\/]/g, "\\$&")

      yield* write("base.yml", "paths:\n  cam:\n    recrod: yes\n")
      yield* refusal(new RegExp(`${escaped("base.yml")}:3:5: .*[\\s\\S]*record`))
      yield* write("base.yml", "paths:\n  cam: {\n")
      yield* refusal(new RegExp(`${escaped("base.yml")}:\\d+:\\d+: `))
      for (const nothing of ["", "# only a comment\n", "{}\n"]) {
        yield* write("base.yml", nothing)
        yield* refusal(/base\.yml:1:1: error: sets nothing/)
      }
      yield* write("nodes/north.yml", "logLevel: loud\n")
      yield* refusal(new RegExp(`${escaped("nodes/north.yml")}:1:1`))
      yield* write("nodes/a b.yml", "logLevel: info\n")
      yield* refusal(/a b\.yml: error: is not named by a node id/)
      assert.deepStrictEqual((yield* source.current).base, { paths: { cam: { record: true } } })
    }).pipe(onNode)
  )

  it.scopedLive("keeps a node's last good overlay, and refuses a node that never had one", () =>
    Effect.gen(function* () {
      const { root, write } = yield* folder
      yield* write("base.yml", "logLevel: info\n")
      yield* write("nodes/north.yml", "logLevel: debug\n")
      yield* write("nodes/south.yml", "logLevel: loud\n")
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      const first = yield* source.current
      assert.deepStrictEqual([...(first.refused?.keys() ?? [])], ["south"])
      assert.deepStrictEqual([...first.nodes.keys()], ["north"])

      yield* write("nodes/north.yml", "logLevel: [\n")
      yield* write("base.yml", "logLevel: warn\n")
      yield* eventually(
        "the new base",
        Effect.map(source.current, ({ base }) => base.logLevel === "warn")
      )
      assert.deepStrictEqual((yield* source.current).nodes.get(north), { logLevel: "debug" })
      const { message = "" } = (yield* source.rejected) ?? {}
      assert.include(message, "north.yml")
      assert.include(message, "south.yml")

      // A base that the overlay doesn't go with: nothing is left to give to that node.
      yield* write("nodes/north.yml", "paths: {cam: {recordDeleteAfter: 1h}}\n")
      yield* eventually(
        "mended",
        Effect.map(source.current, ({ nodes }) => nodes.get(north)?.paths !== undefined)
      )
      yield* write("base.yml", "pathDefaults: {recordSegmentDuration: 2h, recordDeleteAfter: 4h}\n")
      yield* eventually(
        "refused",
        Effect.map(source.current, ({ refused }) => refused?.has(north) === true)
      )
      yield* write("base.yml", "pathDefaults: {recordSegmentDuration: 1h}\n")
      yield* eventually(
        "taken again",
        Effect.map(source.current, ({ nodes }) => nodes.has(north))
      )
    }).pipe(onNode)
  )

  it.scopedLive("keeps the base in force when its file is gone", () =>
    Effect.gen(function* () {
      const { at, fs, root, write } = yield* folder
      yield* write("base.yml", "logLevel: warn\n")
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      yield* fs.remove(at("base.yml"))
      yield* eventually(
        "refused",
        Effect.map(source.rejected, (found) => /can't be read/.test(found?.message ?? ""))
      )
      assert.strictEqual((yield* source.current).base.logLevel, "warn")
    }).pipe(onNode)
  )

  it.scopedLive("takes a single file, and notices when it is replaced", () =>
    Effect.gen(function* () {
      const { at, fs, write } = yield* folder
      yield* write("mediamtx.yml", "logLevel: warn\n")
      const source = yield* ConfigSourceFile.make({ path: at("mediamtx.yml"), ...quick })
      assert.strictEqual((yield* source.current).base.logLevel, "warn")
      yield* write("other", "logLevel: debug\n")
      yield* fs.rename(at("other"), at("mediamtx.yml"))
      yield* eventually(
        "replaced",
        Effect.map(source.current, ({ base }) => base.logLevel === "debug")
      )
    }).pipe(onNode)
  )

  it.scopedLive("does not start without a base that sets something", () =>
    Effect.gen(function* () {
      const { at, root, write } = yield* folder
      const missing = yield* Effect.flip(ConfigSourceFile.make({ path: at("nowhere"), ...quick }))
      assert.include(missing.message, "nowhere")
      const noBase = yield* Effect.flip(ConfigSourceFile.make({ path: root, ...quick }))
      assert.include(noBase.message, "base.yml")
      yield* write("base.yml", "# nothing\n")
      const empty = yield* Effect.flip(ConfigSourceFile.make({ path: root, ...quick }))
      assert.include(empty.message, "base.yml:1:1: error: sets nothing")
    }).pipe(onNode)
  )

  it.scopedLive("never takes a file that is being written in place", () =>
    Effect.gen(function* () {
      const { at, fs, root, write } = yield* folder
      const whole = `logLevel: warn\n${Array.from({ length: 50 }, (_, index) => `# line ${index}\n`).join("")}paths: {cam: {}, door: {}}\n`
      yield* write("base.yml", "logLevel: info\npaths: {cam: {}}\n")
      const source = yield* ConfigSourceFile.make({ path: root, settle: "150 millis", poll: "300 millis" })
      const seen = new Set<string>()
      const watch = Effect.map(source.current, ({ base }) => void seen.add(Object.keys(base.paths ?? {}).join()))
      // Every prefix of it is a valid config; a slow writer is half-way most of the time.
      const file = yield* fs.open(at("base.yml"), { flag: "w" })
      for (const line of whole.split(/(?<=\n)/)) {
        yield* file.write(new TextEncoder().encode(line))
        yield* Effect.sleep("10 millis")
        yield* watch
      }
      yield* eventually(
        "the whole",
        Effect.map(source.current, ({ base }) => base.logLevel === "warn")
      )
      yield* watch
      assert.deepStrictEqual([...seen], ["cam", "cam,door"])
      assert.isUndefined(yield* source.rejected)
    }).pipe(onNode)
  )

  it.scopedLive("reads overlays.yml: edits go with the base, errors are at their lines", () =>
    Effect.gen(function* () {
      const { at, fs, root, write } = yield* folder
      const overlays = (level: string) =>
        `labels:\n  eu-*: { region: eu, rack: 7 }\noverlays:\n  - name: europe\n    nodes: region=eu\n    config:\n      logLevel: ${level}\n  - name: cams\n    paths: cam*\n    config: { maxReaders: 4 }\n`
      yield* write("base.yml", "paths: { cam: {} }\n")
      yield* write("overlays.yml", overlays("warn"))
      yield* write("nodes/eu-1.yml", "rtmp: no\n")
      const source = yield* ConfigSourceFile.make({ path: root, ...quick })
      const first = yield* source.current
      assert.deepStrictEqual(first.labels, { "eu-*": { region: "eu", rack: "7" } })
      assert.deepStrictEqual(
        first.overlays?.map(({ config, name }) => [name, config]),
        [
          ["europe", { logLevel: "warn" }],
          ["cams", { maxReaders: 4 }]
        ]
      )

      const refused = (pattern: RegExp) =>
        eventually(
          `it is refused: ${pattern}`,
          Effect.map(source.rejected, (refusal) => pattern.test(refusal?.message ?? ""))
        )
      yield* write("overlays.yml", overlays("loud"))
      yield* refused(/overlays\.yml:7:7: error: overlays\[0\]\.config\.logLevel: /)
      yield* write("overlays.yml", overlays("warn").replace("region=eu", "region==eu"))
      yield* refused(/overlays\.yml:5:5: error: overlays\[0\]\.nodes: /)
      yield* write("overlays.yml", overlays("warn").replace("overlays:", "overlay:"))
      yield* refused(/overlays\.yml:3:1: error: overlay: is not known here/)
      yield* write("overlays.yml", "labels: [\n")
      yield* refused(/overlays\.yml:\d+:\d+: error/)
      assert.strictEqual(yield* source.current, first)

      yield* write("overlays.yml", overlays("debug"))
      yield* eventually(
        "a good one is taken",
        Effect.map(source.current, ({ overlays }) => JSON.stringify(overlays).includes("debug"))
      )
      yield* fs.remove(at("overlays.yml"))
      yield* eventually(
        "without the file there are none",
        Effect.map(source.current, (fleet) => fleet.overlays === undefined && fleet.labels === undefined)
      )
    }).pipe(onNode)
  )

  it.scopedLive("does not start on a bad overlays.yml: the base alone may lack what it was to forbid", () =>
    Effect.gen(function* () {
      const { root, write } = yield* folder
      yield* write("base.yml", "paths: { cam: {} }\n")
      yield* write("overlays.yml", "overlays:\n  - name: a\n    config: { logLevel: loud }\n")
      const error = yield* Effect.flip(ConfigSourceFile.make({ path: root, ...quick }))
      assert.include(error.message, "overlays.yml:3:15: error: overlays[0].config.logLevel")
    }).pipe(onNode)
  )
})
