import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { decodeForm } from "../../src/mediamtx/HookForm.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { isBefore, knownRelease } from "../../src/mediamtx/MediaMTXVersion.js"
import { stringify, type YamlValue } from "../../src/mediamtx/Yaml.js"
import * as ConfigRenderer from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import { NodeId } from "../../src/services/NodeId.js"
import { releaseFields } from "../mediamtx/releaseFields.js"
import { eventually, freePorts, run } from "../support/MediaMTX.js"
import { describeOldMediaMTX, type OldServer } from "../support/OldMediaMTX.js"

const north = NodeId.make("north")
const input = (name: string): MediaMTXConfig =>
  Either.getOrThrow(
    parseConfigText(readFileSync(fileURLToPath(new URL(`../golden/${name}.input.yml`, import.meta.url)), "utf8"))
  ).value

const rendered = (
  config: MediaMTXConfig,
  version: string | undefined,
  options: Partial<ConfigRenderer.ConfigRendererOptions> = {}
): Promise<string> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource.make({ config })
    const renderer = yield* ConfigRenderer.make({ base: "https://example.com", ...options }).pipe(
      Effect.provideService(ConfigSource.ConfigSource, source),
      Effect.provide(Credentials.layer({ key: Redacted.make("SHARED_KEY") }))
    )
    return (yield* renderer.render(north, version)).yaml
  }).pipe(Effect.runPromise)

/** The server on a text, with its ports moved to free local ones by variables, which go over the file. */
const withServer = async <A>(
  { bin }: OldServer,
  text: string,
  then: (server: ReturnType<typeof run>, api: string) => Promise<A>,
  more: Readonly<Record<string, string>> = {}
): Promise<A> => {
  const [rtsp, rtmp, hls, webrtc, ice, srt, api] = await freePorts(7)
  const folder = mkdtempSync(join(tmpdir(), "mtx-manager-old-"))
  const file = join(folder, "mediamtx.yml")
  writeFileSync(file, text)
  const local = (port: number | undefined) => `127.0.0.1:${port}`
  const server = run(bin, [file], {
    cwd: folder,
    env: {
      MTX_LOGLEVEL: "info",
      MTX_LOGSTRUCTURED: "no",
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
      // The refresh loop must not reach for /etc on a developer's machine.
      PATH: folder,
      ...more
    }
  })
  try {
    return await then(server, `http://${local(api)}`)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const started = /\[API\] (?:started with )?listener/
const everyHook = { init: true, demand: true, undemand: true }

describeOldMediaMTX("configs for an older server", (server) => {
  const { version } = server

  it.each(["minimal", "livecam", "traps", "every-hook", "versions"])(
    "%s is taken, without one word of a deprecated name",
    { timeout: 30_000 },
    async (name) => {
      const text = await rendered(input(name), version, { hookConfiguration: everyHook })
      await withServer(server, text, async (process) => {
        await process.waitFor(started)
        assert.notMatch(process.output(), / ERR (?!\[path )/)
        assert.notMatch(process.output(), / WAR .*deprecated/)
      })
    }
  )

  it("is not what the newest gets", { timeout: 30_000 }, async () => {
    if (knownRelease(version) === "1.20.1") return
    const text = await rendered(input("versions"), undefined, { hookConfiguration: everyHook })
    await withServer(server, text, async (process) => {
      await process.waitFor(/ERR: .*(?:unknown field|unsupported scheme)/)
    })
  })

  it("has the fields and defaults that the tables' history says", { timeout: 30_000 }, async () => {
    const fields = releaseFields.find((release) => release.version === version)
    if (fields === undefined) throw new Error(`nothing is known of ${version}`)
    const text = stringify({ authMethod: "internal" })
    await withServer(server, text, async (process, api) => {
      await process.waitFor(started)
      for (const [kind, url] of [
        ["global", "/v3/config/global/get"],
        ["path", "/v3/config/pathdefaults/get"]
      ] as const) {
        const real: Readonly<Record<string, unknown>> = await (await fetch(api + url)).json()
        const names = Object.entries(fields[kind]).flatMap(([name, field]) => (field.deprecated === true ? [] : [name]))
        // In the file they are, in the API they are not.
        const hidden = ["serverKey", "serverCert"]
        assert.sameMembers(
          Object.keys(real).filter((name) => !hidden.includes(name)),
          names.filter((name) => !hidden.includes(name))
        )
      }
    })
  })

  it("asks about the API, although it was open by default before 1.20.1", { timeout: 30_000 }, async () => {
    const asked: Array<string> = []
    const manager = createServer((request, response) => {
      request.on("data", (chunk) => asked.push(String(chunk)))
      request.on("end", () => response.writeHead(403).end())
    })
    await new Promise<void>((resolve) => manager.listen(0, "127.0.0.1", resolve))
    const address = manager.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    try {
      const text = await rendered({ paths: { cam: {} } }, version, { base: `http://127.0.0.1:${port}` })
      const open = text.replace("authHTTPExclude: []\n", "")
      const statusOf = (config: string) =>
        withServer(server, config, async (process, api) => {
          await process.waitFor(started)
          return (await fetch(`${api}/v3/paths/list`)).status
        })
      assert.strictEqual(await statusOf(text), 401)
      assert.include(asked.join(), `"action":"api"`)
      // What would be without it: proof that the line is what closes the door.
      if (isBefore(version, "1.20.1")) assert.strictEqual(await statusOf(open), 200)
    } finally {
      await new Promise((resolve) => manager.close(resolve))
    }
  })

  it("reports the client's query whole, and nothing that the client makes up beside it", {
    timeout: 60_000
  }, async () => {
    const bodies: Array<string> = []
    const manager = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk) => {
        body += String(chunk)
      })
      request.on("end", () => {
        bodies.push(body)
        response.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve) => manager.listen(0, "127.0.0.1", resolve))
    const address = manager.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const query = "a=1&event=evil&path=elsewhere&raw_segment_path=x&b=%41"
    try {
      const config: MediaMTXConfig = { authMethod: "internal", moq: false, paths: { all_others: {} } }
      const text = await rendered(config, version, { base: `http://127.0.0.1:${port}`, refresh: { mode: "none" } })
      await withServer(
        server,
        text,
        async (process) => {
          await process.waitFor(started)
          const [, rtsp = ""] = /\[RTSP\] [^\n]*?(127\.0\.0\.1:\d+)/.exec(process.output()) ?? []
          const publisher = run("ffmpeg", [
            ...["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=d=20:s=128x96:r=10", "-c:v", "libx264", "-g", "10"],
            ...["-rtsp_transport", "tcp", "-f", "rtsp", `rtsp://${rtsp}/cam?${query}`]
          ])
          try {
            await eventually("the stream is reported", () =>
              Promise.resolve(bodies.some((body) => body.startsWith("event=available")))
            )
          } finally {
            await publisher.stop()
          }
        },
        { PATH: process.env["PATH"] ?? "" }
      )
      const body = bodies.find((each) => each.startsWith("event=available")) ?? ""
      const event = Either.getOrThrow(decodeForm(body))
      assert.deepInclude(event, { event: "available", path: "cam", type: "rtspSession", query })
    } finally {
      await new Promise((resolve) => manager.close(resolve))
    }
  })

  it("keeps servers that are off from ending the node", { timeout: 30_000 }, async () => {
    const config: MediaMTXConfig = {
      webrtc: false,
      webrtcLocalUDPAddress: "",
      webrtcLocalTCPAddress: "",
      rtsp: false,
      rtspAuthMethods: [],
      paths: { cam: {} }
    }
    const values = (text: string) => Either.getOrThrow(parseConfigText(text)).value as Record<string, YamlValue>
    const text = await rendered(config, version)
    await withServer(
      server,
      text,
      async (process) => {
        await process.waitFor(started)
      },
      // Variables must not give back what the file leaves out.
      { MTX_WEBRTCLOCALUDPADDRESS: String(values(text)["webrtcLocalUDPAddress"] ?? ":8189") }
    )
  })
})
