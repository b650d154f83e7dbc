/**
 * Tokens of JwtIssuer at the door of the real MediaMTX. The issuer's clock is the TestClock, so that days of rotation pass at
 * once; the node's hour between two fetches of the JWKS is ended by its own API.
 */
import { writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, Runtime, TestClock } from "effect"
import { jwt } from "../../src/auth.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import * as JwtIssuer from "../../src/services/JwtIssuer.js"
import * as JwtKeys from "../../src/services/JwtKeys.js"
import { tempFolder } from "../sql/support/TempDatabase.js"
import { describeMediaMTX, eventually, freePorts, type Running, run } from "../support/MediaMTX.js"

const makeIssuer = Effect.flatMap(JwtKeys.makeMemory, (keys) =>
  Effect.provideService(JwtIssuer.make({ period: "3 hours", issuer: "https://example.com" }), JwtKeys.JwtKeys, keys)
)

/** Serves an issuer's JWKS. */
const jwksServer = Effect.fn(function* (issuer: JwtIssuer.JwtIssuerShape) {
  const runtime = yield* Effect.runtime()
  let server: Server | undefined
  let port = 0
  let asked = 0
  const start = Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        server = createServer((_, response) => {
          asked += 1
          Runtime.runPromise(runtime)(issuer.jwks).then((jwks) => {
            response.writeHead(200, { "content-type": "application/json" })
            response.end(JSON.stringify(jwks))
          })
        })
        server.listen(port, "127.0.0.1", () => {
          const address = server?.address()
          if (typeof address === "object" && address !== null) port = address.port
          resolve()
        })
      })
  )
  const stop = Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        if (server === undefined) return resolve()
        server.close(() => resolve())
        server.closeAllConnections()
        server = undefined
      })
  )
  yield* Effect.acquireRelease(start, () => stop)
  return { start, stop, asked: () => asked, url: `http://127.0.0.1:${port}/jwks.json` }
})

const process = (start: () => Running) =>
  Effect.acquireRelease(Effect.sync(start), (running) => Effect.promise(() => running.stop()))

/** The status of an RTSP DESCRIBE: 200 for who may read. */
const describeStatus = (port: number, target: string, password?: string) =>
  Effect.promise(
    () =>
      new Promise<number>((resolve, reject) => {
        const authorization =
          password === undefined ? "" : `Authorization: Basic ${Buffer.from(`any:${password}`).toString("base64")}\r\n`
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(`DESCRIBE rtsp://127.0.0.1:${port}/${target} RTSP/1.0\r\nCSeq: 1\r\n${authorization}\r\n`)
        )
        let text = ""
        socket.on("data", (chunk) => {
          text += chunk.toString("latin1")
          const status = /^RTSP\/1\.0 (\d+)/.exec(text)?.[1]
          if (status === undefined) return
          socket.destroy()
          resolve(Number(status))
        })
        socket.on("error", reject)
        socket.on("close", () => reject(new Error(`no answer: ${text}`)))
      })
  )

describeMediaMTX("a node that checks tokens by itself", (bin) => {
  it.scoped(
    "lets in who holds a token of ours, and nobody else, through rotations and while the manager is away",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const [rtsp = 0, hls = 0, api = 0] = yield* Effect.promise(() => freePorts(3))
        yield* TestClock.setTime(Date.now())
        const issuer = yield* makeIssuer
        const jwks = yield* jwksServer(issuer)
        const config = {
          ...jwt({
            jwks: jwks.url,
            issuer: "https://example.com",
            exclude: [{ action: "api", path: "" }]
          }).global,
          api: true,
          apiAddress: `127.0.0.1:${api}`,
          rtspAddress: `127.0.0.1:${rtsp}`,
          rtspTransports: ["tcp"],
          rtspEncryption: "no",
          hlsAddress: `127.0.0.1:${hls}`,
          hlsAlwaysRemux: true,
          hlsVariant: "mpegts",
          hlsSegmentDuration: "1s",
          rtmp: false,
          webrtc: false,
          srt: false,
          moq: false,
          paths: { cam: {}, other: {} }
        } satisfies MediaMTXConfig
        const file = join(folder, "mediamtx.yml")
        // JSON is YAML.
        writeFileSync(file, JSON.stringify(config))
        const node = yield* process(() => run(bin, [file], { cwd: folder }))
        yield* Effect.promise(() => node.waitFor(/\[API\] started/))

        const token = (permission: JwtIssuer.JwtPermission, from = issuer) =>
          Effect.map(from.issue({ permissions: [permission] }), (issued) => Redacted.value(issued.token))
        const post = (path: string) => Effect.promise(() => fetch(`http://127.0.0.1:${api}${path}`, { method: "POST" }))
        const hlsStatus = (bearer?: string, query = "") =>
          Effect.promise(async () => {
            const response = await fetch(`http://127.0.0.1:${hls}/cam/index.m3u8${query}`, {
              headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
            })
            await response.arrayBuffer()
            return response.status
          })
        const isLive = Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${api}/v3/paths/get/cam`)
          // MediaMTX's own answer; only this field is used.
          return response.ok && ((await response.json()) as { readonly available?: boolean }).available === true
        })

        // In: a publisher by ?jwt=, readers by query, by password and by bearer.
        const publishing = yield* token({ action: "publish", path: "cam" })
        const publisher = yield* process(() =>
          run("ffmpeg", [
            ...[
              "-hide_banner",
              "-loglevel",
              "error",
              "-nostdin",
              "-re",
              "-f",
              "lavfi",
              "-i",
              "testsrc=size=160x120:rate=10"
            ],
            ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"],
            ...["-f", "rtsp", "-rtsp_transport", "tcp", `rtsp://127.0.0.1:${rtsp}/cam?jwt=${publishing}`]
          ])
        )
        yield* Effect.promise(() => eventually("cam is published", () => Effect.runPromise(isLive)))
        const first = yield* token({ action: "read", path: "cam" })
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${first}`), 200)
        assert.strictEqual(yield* describeStatus(rtsp, "cam", first), 200)
        assert.strictEqual(
          yield* describeStatus(rtsp, `cam?jwt=${yield* token({ action: "read", path: "~^ca" })}`),
          200
        )
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${yield* token({ action: "read" })}`), 200)
        yield* Effect.promise(() =>
          eventually("HLS by bearer", async () => (await Effect.runPromise(hlsStatus(first))) === 200)
        )
        // One fetch for all of them.
        assert.strictEqual(jwks.asked(), 1)

        // Out: no token, another path or action, an expired one, another issuer's, one that was touched.
        const now = Date.now()
        yield* TestClock.setTime(now - 2 * 3_600_000)
        const expired = yield* token({ action: "read", path: "cam" })
        yield* TestClock.setTime(now)
        const stranger = yield* token({ action: "read" }, yield* makeIssuer)
        const refused = yield* Effect.all(
          [
            describeStatus(rtsp, "cam"),
            ...[
              yield* token({ action: "read", path: "other" }),
              yield* token({ action: "read", path: "~^am" }),
              yield* token({ action: "publish", path: "cam" }),
              expired,
              stranger,
              `${first.slice(0, -6)}AAAAAA`
            ].flatMap((bad) => [describeStatus(rtsp, `cam?jwt=${bad}`), hlsStatus(bad)]),
            hlsStatus(),
            // MediaMTX takes no token from the query of HLS, on purpose.
            hlsStatus(undefined, `?jwt=${first}`)
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(refused, Array(refused.length).fill(401))

        // The next key is published. The node, with its copy of before, goes on.
        yield* TestClock.adjust("116 minutes")
        assert.strictEqual((yield* issuer.jwks).keys.length, 2)
        const before = yield* token({ action: "read", path: "cam" })
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${before}`), 200)
        // Its hour is over, and it fetches both keys. Then the second one signs.
        assert.isTrue((yield* post("/v3/auth/jwks/refresh")).ok)
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${before}`), 200)
        assert.strictEqual(jwks.asked(), 2)
        yield* TestClock.adjust("64 minutes")
        const second = yield* issuer.issue({ permissions: [{ action: "read", path: "cam" }] })
        assert.strictEqual(second.keyId, (yield* issuer.jwks).keys[1]?.kid)
        const after = Redacted.value(second.token)
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${after}`), 200)
        assert.strictEqual(yield* hlsStatus(after), 200)
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${first}`), 200)

        // The manager goes away: nobody notices for what is left of the node's hour.
        yield* jwks.stop
        for (const good of [first, before, after])
          assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${good}`), 200)
        assert.strictEqual(yield* hlsStatus(after), 200)
        // After it, newcomers are turned away until the manager is back; who is in stays in.
        assert.isTrue((yield* post("/v3/auth/jwks/refresh")).ok)
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${after}`), 401)
        yield* jwks.start
        assert.strictEqual(yield* describeStatus(rtsp, `cam?jwt=${after}`), 200)
        assert.isTrue(yield* isLive)
        assert.isNull(publisher.child.exitCode)
      }),
    120_000
  )
})
