import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { describeMediaMTX } from "../support/MediaMTX.js"
import { readClip } from "../support/RtspClient.js"
import { type Flip, makeRig, type RigOptions } from "./reloadRig.js"

/** Another value of a field's own type, where nothing more particular is needed. */
const another = (
  name: string,
  row: { readonly type: { readonly name: string }; readonly default: unknown }
): unknown => {
  const value = row.default
  if (typeof value === "boolean") return !value
  if (typeof value === "number") return value + 1
  if (Array.isArray(value)) return row.type.name.includes("IP or CIDR") ? ["10.0.0.0/8"] : ["http://127.0.0.1:1"]
  switch (row.type.name) {
    case "duration":
      return "11s"
    case "size":
      return "40M"
    case "command":
      return "/bin/true"
    default:
      if (/ServerKey$/.test(name)) return "other.key"
      if (/ServerCert$/.test(name)) return "other.crt"
      return "abcdef0123456789"
  }
}

/** Global fields whose other value must be a particular one. FREE is replaced by a free address. */
const FREE = "(free)"
const globalValues: Readonly<Record<string, unknown>> = {
  logLevel: "info",
  logDestinations: ["stdout", "file"],
  writeQueueSize: 1024,
  udpMaxPayloadSize: 1400,
  udpReadBufferSize: 65_536,
  authMethod: "http",
  authHTTPAddress: "http://127.0.0.1:9/auth",
  authInternalUsers: [
    {
      user: "any",
      permissions: [
        { action: "publish" },
        { action: "read" },
        { action: "playback" },
        { action: "api" },
        { action: "metrics" }
      ]
    }
  ],
  authHTTPExclude: [{ action: "metrics" }],
  authJWTExclude: [{ action: "metrics" }],
  authJWTJWKS: "http://127.0.0.1:9/jwks",
  rtspTransports: ["tcp", "udp"],
  rtspEncryption: "no",
  rtpAddress: "127.0.0.1:19000",
  rtcpAddress: "127.0.0.1:19001",
  srtpAddress: "127.0.0.1:19004",
  srtcpAddress: "127.0.0.1:19005",
  multicastIPRange: "224.2.0.0/16",
  rtspAuthMethods: ["basic", "digest"],
  rtmpEncryption: "no",
  hlsVariant: "fmp4",
  hlsSegmentDuration: "2s",
  hlsPartDuration: "300ms",
  hlsDirectory: "segments",
  webrtcIPsFromInterfacesList: ["lo"],
  webrtcAdditionalHosts: ["localhost"],
  webrtcICEServers2: [{ url: "stun:127.0.0.1:3478" }],
  rtspAddress: FREE,
  rtspsAddress: FREE,
  rtmpAddress: FREE,
  rtmpsAddress: FREE,
  hlsAddress: FREE,
  webrtcAddress: FREE,
  webrtcLocalUDPAddress: FREE,
  webrtcLocalTCPAddress: FREE,
  srtAddress: FREE,
  moqHTTP2Address: FREE,
  moqHTTP3Address: FREE,
  moqQUICAddress: FREE,
  apiAddress: FREE,
  metricsAddress: FREE,
  pprofAddress: FREE,
  playbackAddress: FREE
}

/** Those that differ from their defaults in the rig's own config: the other value of a switch is "off". */
const switches = ["api", "metrics", "pprof", "playback"]

/** Left alone, these would spoil what comes after them. */
const restored = new Set([
  ...switches,
  ...["logLevel", "logDestinations", "logStructured", "dumpPackets", "authMethod", "authHTTPAddress"],
  ...["rtsp", "rtspEncryption", "rtspTransports", "rtmp", "rtmpEncryption", "hls", "webrtc", "srt", "moq"],
  // A command that is being started holds the listeners for an instant: a listener that closes then can't be opened again at once, and the server ends.
  ...["runOnConnect", "runOnConnectRestart", "runOnDisconnect"],
  ...["apiEncryption", "hlsEncryption", "hlsAlwaysRemux", "webrtcIPsFromInterfaces"]
])

const globalFlips: ReadonlyArray<Flip> = Object.entries(globalFields)
  .filter(([name]) => name !== "pathDefaults" && name !== "paths")
  .map(([name, row]) => ({
    name,
    at: "global",
    set: { [name]: switches.includes(name) ? false : (globalValues[name] ?? another(name, row)) },
    restore: restored.has(name),
    byFile: name === "api" || name === "apiEncryption" || name === "apiAddress"
  }))

const pathValues: Readonly<Record<string, unknown>> = {
  maxReaders: 50,
  alwaysAvailableTracks: [{ codec: "H264" }],
  forward: [{ dest: "rtmp://127.0.0.1:9/x" }],
  record: false,
  recordPath: "./elsewhere/%path/%Y-%m-%d_%H-%M-%S-%f",
  recordFormat: "mpegts",
  recordPartDuration: "2s",
  recordSegmentDuration: "2h",
  recordDeleteAfter: "2d",
  rtspTransport: "tcp",
  rtspRangeType: "npt",
  rtspRangeStart: "1s",
  rtspScale: "2",
  rtspUDPSourcePortRange: [40_000, 50_000],
  moqTransport: "webtransport",
  rpiCameraExposure: "short",
  rpiCameraAWB: "daylight",
  rpiCameraAWBGains: [1, 2],
  rpiCameraDenoise: "cdn_fast",
  rpiCameraMetering: "spot",
  rpiCameraAfMode: "manual",
  rpiCameraAfRange: "macro",
  rpiCameraAfSpeed: "fast",
  rpiCameraCodec: "softwareH264",
  rpiCameraH264Profile: "main",
  rpiCameraH264Level: "4.0",
  sourceRedirect: "/other",
  source: "rtsp://127.0.0.1:9/none"
}
const pathRestored = new Set([
  ...["source", "sourceRedirect", "sourceOnDemand", "alwaysAvailable", "record"],
  // A source that can't do this is not pulled any more.
  ...["rtspRangeType", "rtspRangeStart", "rtspScale"]
])

/** What else must be set for a field to be valid. */
const companions: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  sourceRedirect: { source: "redirect", srtPublishPassphrase: "" },
  source: { srtPublishPassphrase: "" },
  alwaysAvailable: { alwaysAvailableTracks: [{ codec: "H264" }] },
  rpiCameraSecondary: {}
}

const pathFlips = (at: "pathDefaults" | "path"): ReadonlyArray<Flip> =>
  Object.entries(pathFields)
    .filter(([name]) => name !== "name")
    .map(([name, row]) => {
      // A publisher can't be on demand; the pulled path can.
      const path = name === "sourceOnDemand" ? "pull1" : "live1"
      return {
        name: `${at === "path" ? path : at}.${name}`,
        at: at === "path" ? { path } : at,
        set: { [name]: pathValues[name] ?? another(name, row), ...companions[name] },
        restore: pathRestored.has(name),
        byFile: false
      }
    })

describeMediaMTX("ReloadImpact says what the real server does", (bin) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-reload-media-"))
  const inFolder = (name: string) => join(folder, name)
  let rigOptions: Omit<RigOptions, "kind">
  beforeAll(() => {
    const tool = (command: string, args: ReadonlyArray<string>) => {
      const { error, status, stderr } = spawnSync(command, args, { encoding: "utf8" })
      if (error !== undefined || status !== 0) throw new Error(`${command} is needed: ${error ?? stderr}`)
    }
    const picture = ["-f", "lavfi", "-i", "color=c=red:size=64x64:rate=10", "-t", "2", "-c:v", "libx264"]
    const plain = ["-threads", "1", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-pix_fmt", "yuv420p"]
    tool("ffmpeg", ["-v", "error", "-y", ...picture, ...plain, "-f", "h264", inFolder("clip.h264")])
    tool("ffmpeg", ["-v", "error", "-y", ...picture, ...plain, inFolder("clip.mp4")])
    const subject = ["-subj", "/CN=localhost", "-days", "2"]
    const pair = ["-keyout", inFolder("server.key"), "-out", inFolder("server.crt")]
    tool("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...pair, ...subject])
    rigOptions = {
      bin,
      clip: readClip(readFileSync(inFolder("clip.h264"))),
      movie: inFolder("clip.mp4"),
      key: inFolder("server.key"),
      cert: inFolder("server.crt")
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const only = process.env["RELOAD_ONLY"]

  /** Several nodes share the work, each flip on one of them. */
  const runAll = async (kind: RigOptions["kind"], flips: ReadonlyArray<Flip>, nodes: number) => {
    const chosen = only === undefined ? flips : flips.filter(({ name }) => new RegExp(only).test(name))
    const wrong: Array<string> = []
    const seen = new Map<string, number>()
    const rounds = Array.from({ length: nodes }, (_, index) => chosen.filter((_, at) => at % nodes === index))
    await Promise.all(
      rounds.map(async (round) => {
        if (round.length === 0) return
        let rig = await makeRig({ ...rigOptions, kind })
        try {
          for (const flip of round) {
            const began = performance.now()
            const set = Object.fromEntries(
              await Promise.all(
                Object.entries(flip.set).map(
                  async ([name, value]) => [name, value === FREE ? await rig.address() : value] as const
                )
              )
            )
            const found = await rig.flip({ ...flip, set }).catch(async (error: unknown) => {
              // Whatever state that left behind, the others are to be judged on a clean one.
              await rig.close()
              rig = await makeRig({ ...rigOptions, kind })
              return [`${flip.name}: ${String(error)}`]
            })
            wrong.push(...found)
            if (only !== undefined) console.info(flip.name, Math.round(performance.now() - began), found)
          }
        } finally {
          for (const [what, times] of rig.seen) seen.set(what, (seen.get(what) ?? 0) + times)
          await rig.close()
        }
      })
    )
    return { wrong, seen }
  }

  it("for every global field", { timeout: 240_000 }, async () => {
    const { seen, wrong } = await runAll("global", globalFlips, 3)
    expect(wrong).toEqual([])
    if (only !== undefined) return
    // Nothing of this is true for want of anything to see.
    for (const what of ["recreated", "publisher-dropped", "readers-dropped", "untouched"]) {
      expect([what, (seen.get(what) ?? 0) > 10]).toEqual([what, true])
    }
  })

  it.each(["path", "pathDefaults"] as const)(
    "for every field of a path, set in %s",
    { timeout: 240_000 },
    async (at) => {
      const { seen, wrong } = await runAll("paths", pathFlips(at), 2)
      expect(wrong).toEqual([])
      if (only !== undefined) return
      for (const what of ["recreated", "recording-restarted", "updated"]) {
        expect([what, (seen.get(what) ?? 0) > 5]).toEqual([what, true])
      }
    }
  )
})
