import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { CommandTextError } from "../../src/mediamtx/CommandText.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { splitHookCommand } from "../../src/mediamtx/HookCommand.js"
import { hookEventNames } from "../../src/mediamtx/HookEvent.js"
import {
  busybox,
  curl,
  defaultHookConfiguration,
  type HookGenerator,
  hookField,
  makeHookGenerator
} from "../../src/mediamtx/HookGenerator.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { goArguments } from "../support/GoCommand.js"
import { give, type ScriptedServer, scriptedServer } from "../support/ScriptedServer.js"

const everything = Object.fromEntries(hookEventNames.map((event) => [event, true]))
const texts = (commands: ReturnType<HookGenerator>): ReadonlyArray<string> =>
  Object.values({ ...commands.global, ...commands.path })

describe("hook commands", () => {
  it("are these bytes", () => {
    const hooks = busybox({ base: "https://example.com/hooks", key: "SHARED_KEY", node: "cam-1", ...everything })
    const wget =
      "busybox timeout 10 busybox wget -q -O /dev/null --header 'Authorization: Bearer SHARED_KEY' --post-data"
    const url = "'https://example.com/hooks?node=cam-1'"
    assert.deepStrictEqual(hooks.global, {
      runOnConnect: `${wget} 'event=connect&type=$MTX_CONN_TYPE&id=$MTX_CONN_ID' ${url}`,
      runOnDisconnect: `${wget} 'event=disconnect&type=$MTX_CONN_TYPE&id=$MTX_CONN_ID' ${url}`
    })
    const source = "path=$MTX_PATH&type=$MTX_SOURCE_TYPE&id=$MTX_SOURCE_ID&query=$MTX_QUERY"
    const reader = "path=$MTX_PATH&type=$MTX_READER_TYPE&id=$MTX_READER_ID&query=$MTX_QUERY"
    assert.deepStrictEqual(hooks.path, {
      runOnInit: `${wget} 'event=init&path=$MTX_PATH' ${url}`,
      runOnDemand: `${wget} 'event=demand&path=$MTX_PATH&query=$MTX_QUERY' ${url}`,
      runOnUnDemand: `${wget} 'event=undemand&path=$MTX_PATH&query=$MTX_QUERY' ${url}`,
      runOnAvailable: `${wget} 'event=available&${source}' ${url}`,
      runOnUnavailable: `${wget} 'event=unavailable&${source}' ${url}`,
      runOnOnline: `${wget} 'event=online&${source}' ${url}`,
      runOnOffline: `${wget} 'event=offline&${source}' ${url}`,
      runOnRead: `${wget} 'event=read&${reader}' ${url}`,
      runOnUnread: `${wget} 'event=unread&${reader}' ${url}`,
      runOnRecordSegmentCreate: `${wget} 'event=record_segment_create&path=$MTX_PATH&raw_segment_path=$MTX_SEGMENT_PATH' ${url}`,
      runOnRecordSegmentComplete: `${wget} 'event=record_segment_complete&path=$MTX_PATH&segment_duration=$MTX_SEGMENT_DURATION&raw_segment_path=$MTX_SEGMENT_PATH' ${url}`
    })
  })

  it("spread into a config that MediaMTX takes, with any kind of path", () => {
    const hooks = busybox({ base: "https://example.com/hooks", ...defaultHookConfiguration })
    const config = {
      webrtc: true,
      ...hooks.global,
      pathDefaults: { ...hooks.path },
      paths: {
        live: {},
        camera: { source: "rtsp://10.0.0.1/live" },
        "~^dynamic_(.*)$": {}
      }
    } satisfies MediaMTXConfig
    assert.isTrue(Either.isRight(validateConfig(config)))
  })

  it("are switched one by one, unmentioned ones by default", () => {
    for (const event of hookEventNames) {
      const field = hookField(event)
      const fields = (on: boolean) => {
        const { global, path } = busybox({ base: "http://m", [event]: on })
        return Object.keys({ ...global, ...path })
      }
      assert.include(fields(true), field)
      assert.notInclude(fields(false), field)
    }
    const { global, path } = busybox({ base: "http://m" })
    assert.deepStrictEqual(
      Object.keys({ ...global, ...path }),
      hookEventNames.filter((event) => defaultHookConfiguration[event]).map(hookField)
    )
  })

  it("hold neither header nor node when none is given, and a Redacted key in the clear", () => {
    const [bare] = texts(busybox({ base: "http://m/hooks" }))
    assert.notInclude(bare ?? "", "--header")
    assert.include(bare ?? "", "'http://m/hooks'")
    assert.deepStrictEqual(
      busybox({ base: "http://m", key: Redacted.make("abc") }),
      busybox({ base: new URL("http://m"), key: "abc" })
    )
  })

  it.each([
    ["key", { key: "a'b" }],
    ["key", { key: "a$HOME" }],
    ["key", { key: "a b" }],
    ["key", { key: "a`id`" }],
    ["key", { key: 'a"' }],
    ["key", { key: "a\\" }],
    ["key", { key: "a\nb" }],
    ["key", { key: "clé" }],
    ["key", { key: "" }],
    ["base", { base: "example.com" }],
    ["base", { base: "ftp://example.com" }],
    ["base", { base: "https://user:pw@example.com" }],
    ["base", { base: "https://example.com/#x" }],
    ["base", { base: "https://example.com/$HOME" }],
    ["base", { base: "https://example.com/it's" }],
    ["timeout", { timeout: 0 }],
    ["timeout", { timeout: 1.5 }]
  ] as const)("refuse a bad %s: %o", (option, bad) => {
    for (const generator of [busybox, curl]) {
      try {
        generator({ base: "https://example.com", ...bad })
        assert.fail("was accepted")
      } catch (error) {
        assert.instanceOf(error, CommandTextError)
        assert.strictEqual(error.option, option)
        if ("key" in bad && bad.key !== "") assert.notInclude(error.message, bad.key)
      }
    }
  })

  it("never make another word from what a client sent", () => {
    const hooks = [busybox, curl].flatMap((generator) =>
      texts(generator({ base: "https://example.com/hooks", key: "k", node: "n", ...everything }))
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.constantFrom(...hooks), FastCheck.string({ unit: "binary" }), (command, hostile) => {
        const env = new Proxy<Record<string, string>>({}, { get: () => hostile })
        const words = splitHookCommand(command)
        const given = goArguments(command, env)
        assert.strictEqual(given.length, words.length)
        // A hostile value only ever follows "key=": it is never an option.
        for (const [index, word] of given.entries()) if (word !== words[index]) assert.match(word, /^event=\w+&/)
      }),
      { numRuns: 300 }
    )
  })

  it("do not depend on anything but their options", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.webUrl({ withFragments: false }),
        FastCheck.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
        (base, key) => {
          FastCheck.pre(!/['"$`\\]/.test(new URL(base).href))
          assert.deepStrictEqual(busybox({ base, key, node: "a" }), busybox({ node: "a", key, base: new URL(base) }))
        }
      ),
      { numRuns: 100 }
    )
  })

  it("can be of the user's own making", () => {
    const mine: HookGenerator = makeHookGenerator(({ body, url }) => `report '${url}' 'body=${body}'`)
    assert.strictEqual(
      mine({ base: "http://m/hooks", node: "n" }).global.runOnConnect,
      "report 'http://m/hooks?node=n' 'body=event=connect&type=$MTX_CONN_TYPE&id=$MTX_CONN_ID'"
    )
  })
})

describe("hook commands, run as MediaMTX runs them", () => {
  let server: ScriptedServer
  beforeAll(async () => {
    server = await scriptedServer((_, response) => give(response, 200, "ok"))
  })
  afterAll(() => server.close())

  const env = {
    MTX_PATH: "-O/etc/evil/cam.1",
    MTX_CONN_TYPE: "rtspConn",
    MTX_CONN_ID: "c1",
    MTX_SOURCE_TYPE: "srtConn",
    MTX_SOURCE_ID: "s1",
    MTX_READER_TYPE: "hlsSession",
    MTX_READER_ID: "r1",
    MTX_QUERY: "a%3D1%26event%3Devil%22%3B%24%28id%29",
    MTX_SEGMENT_PATH: "/rec/ä b&event=evil%20'\"$HOME.mp4",
    MTX_SEGMENT_DURATION: "10.054195012"
  }

  it.each([
    ["busybox", busybox],
    ["curl", curl]
  ] as const)("%s posts the body as it stands", async (_, generator) => {
    server.asked.length = 0
    const { global, path } = generator({ base: `${server.base}/hooks`, key: "K", node: "n 1", ...everything })
    const commands = { ...global, ...path }
    for (const command of Object.values(commands)) {
      const [program, ...rest] = goArguments(command, env)
      await promisify(execFile)(program ?? "", rest)
    }
    assert.strictEqual(server.asked.length, 13)
    for (const asked of server.asked) {
      assert.strictEqual(asked.method, "POST")
      assert.strictEqual(asked.url, "/hooks?node=n%201")
      assert.strictEqual(asked.headers.authorization, "Bearer K")
      assert.strictEqual(asked.headers["content-type"], "application/x-www-form-urlencoded")
    }
    const bodies = server.asked.map((asked) => Buffer.from(asked.body, "latin1").toString("utf8"))
    expect(bodies).toContain("event=connect&type=rtspConn&id=c1")
    expect(bodies).toContain(`event=read&path=${env.MTX_PATH}&type=hlsSession&id=r1&query=${env.MTX_QUERY}`)
    expect(bodies).toContain(
      `event=record_segment_complete&path=${env.MTX_PATH}&segment_duration=10.054195012&raw_segment_path=${env.MTX_SEGMENT_PATH}`
    )
  })
})
