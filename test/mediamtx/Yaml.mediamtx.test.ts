import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { afterAll, assert, beforeAll, it } from "vitest"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { stringify } from "../../src/mediamtx/Yaml.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"
import { trapStrings } from "./yamlTraps.js"

const Global = Schema.Struct({ sysLogPrefix: Schema.String, logFile: Schema.String, apiAddress: Schema.String })
const Path = Schema.Struct({ name: Schema.String, rpiCameraTextOverlay: Schema.String, maxReaders: Schema.Number })

/** All that MediaMTX's rule for static names allows and a reader of YAML could stumble over. */
const trapNames = [
  ..."yes No on off y n true null 1 017 0x10 1_000 1e3 2024-01-01 -cam - -- 1.5 a/b .a __proto__".split(" "),
  "~^x$"
]

describeMediaMTX("the real MediaMTX reads what was written, byte for byte", (bin) => {
  let folder: string
  let server: Running
  let base: string

  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(base + path)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  const globalText = trapStrings.filter((trap) => trap.length < 100).join("")

  beforeAll(async () => {
    const [port = 0] = await freePorts(1)
    base = `http://127.0.0.1:${port}`
    folder = await mkdtemp(join(tmpdir(), "yaml-"))
    const paths = new Map<string, { rpiCameraTextOverlay: string; maxReaders: number }>()
    for (const [index, trap] of trapStrings.entries()) {
      paths.set(`trap${index}`, { rpiCameraTextOverlay: trap, maxReaders: index })
    }
    for (const [index, name] of trapNames.entries()) paths.set(name, { rpiCameraTextOverlay: name, maxReaders: index })
    const config = {
      logLevel: "debug",
      logDestinations: ["stdout"],
      logFile: "no",
      sysLogPrefix: globalText,
      api: true,
      apiAddress: `127.0.0.1:${port}`,
      rtsp: false,
      rtmp: false,
      hls: false,
      webrtc: false,
      srt: false,
      moq: false,
      paths: Object.fromEntries(paths)
    }
    const file = join(folder, "mediamtx.yml")
    await writeFile(file, stringify(config))
    server = run(bin, [file], { cwd: folder })
    await eventually("the control API", () =>
      server.child.exitCode === null ? get("/v3/info") : Promise.resolve(server.output())
    )
  }, 30_000)

  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it("has started and not refused the file", () => {
    assert.strictEqual(server.child.exitCode, null, server.output())
  })

  it("global strings", async () => {
    const global = Schema.decodeUnknownSync(Global)(await get("/v3/config/global/get"))
    assert.strictEqual(global.sysLogPrefix, globalText)
    assert.strictEqual(global.logFile, "no")
    assert.strictEqual(base, `http://${global.apiAddress}`)
  })

  it("strings in paths", async () => {
    for (const [index, trap] of trapStrings.entries()) {
      const path = Schema.decodeUnknownSync(Path)(await get(`/v3/config/paths/get/trap${index}`))
      assert.deepStrictEqual(path, { name: `trap${index}`, rpiCameraTextOverlay: trap, maxReaders: index })
    }
  })

  it("names of paths", async () => {
    for (const [index, name] of trapNames.entries()) {
      const path = Schema.decodeUnknownSync(Path)(await get(`/v3/config/paths/get/${encodeURIComponent(name)}`))
      assert.deepStrictEqual(path, { name, rpiCameraTextOverlay: name, maxReaders: index })
    }
  })
})

describeMediaMTX("the real MediaMTX and our reader agree on what a text means", (bin) => {
  let folder: string
  let serversOff: string
  let port: number

  beforeAll(async () => {
    port = (await freePorts(1))[0] ?? 0
    folder = await mkdtemp(join(tmpdir(), "yaml-"))
    serversOff = stringify({
      api: true,
      apiAddress: `127.0.0.1:${port}`,
      ...{ rtsp: false, rtmp: false, hls: false, webrtc: false, srt: false, moq: false }
    })
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  const start = async (text: string): Promise<Running> => {
    const file = join(folder, "mediamtx.yml")
    await writeFile(file, text)
    return run(bin, [file], { cwd: folder })
  }

  const Settings = Schema.Struct({
    rpiCameraTextOverlay: Schema.String,
    maxReaders: Schema.Number,
    overridePublisher: Schema.Boolean
  })

  it("values and names", async () => {
    const text = `${serversOff}pathDefaults: &defaults
  rpiCameraTextOverlay: 1e3
  maxReaders: 017
  overridePublisher: false
paths:
  yes: {rpiCameraTextOverlay: 2024-01-01, maxReaders: 0x1F, overridePublisher: Off}
  0x10: {rpiCameraTextOverlay: y, maxReaders: 1_000, overridePublisher: on}
  1.0: {rpiCameraTextOverlay: 12:30:45, maxReaders: 0b11, overridePublisher: YES}
  ~: {rpiCameraTextOverlay: 08x, maxReaders: +1, overridePublisher: no}
  folded:
    maxReaders: 1
    overridePublisher: true
    rpiCameraTextOverlay: >-
      a
      b
`
    const config = Either.getOrThrow(parseConfigText(text))
    const { paths } = Schema.decodeUnknownSync(
      Schema.Struct({ paths: Schema.Record({ key: Schema.String, value: Settings }) })
    )(config.value)
    assert.sameMembers(Object.keys(paths), ["true", "16", "1", "null", "folded"])
    const server = await start(text)
    try {
      for (const [name, settings] of Object.entries(paths)) {
        const real = await eventually(name, async () => {
          if (server.child.exitCode !== null) return server.output()
          const response = await fetch(`http://127.0.0.1:${port}/v3/config/paths/get/${name}`)
          return response.ok && response.json()
        })
        assert.deepStrictEqual(Schema.decodeUnknownSync(Settings)(real), settings)
      }
    } finally {
      await server.stop()
    }
  })

  for (const [what, text] of Object.entries({
    "a duplicate name": "logLevel: info\nlogLevel: debug\n",
    "two documents": "logLevel: info\n---\nlogLevel: debug\n",
    "a comment before ---": "# a comment\n---\nlogLevel: info\n",
    "a directive": "%YAML 1.2\n---\nlogLevel: info\n",
    "a tab": "pathDefaults:\n\tmaxReaders: 1\n",
    "a tab on a blank line": "logLevel: info\n\t\nrtsp: false\n",
    "a byte order mark": "\ufefflogLevel: info\n",
    infinity: "readTimeout: .inf\n",
    "an unknown alias": "logLevel: *level\n",
    "a list": "- logLevel\n",
    "a word": "logLevel\n"
  })) {
    it(`both refuse ${what}`, async () => {
      assert.isTrue(Either.isLeft(parseConfigText(text)))
      const server = await start(text)
      assert.strictEqual(await server.exited, 1)
      assert.match(server.output(), /ERR/)
    })
  }
})
