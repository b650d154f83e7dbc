import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { diffConfigs } from "../../src/mediamtx/ConfigDiff.js"
import type { MediaMTXVersion } from "../../src/mediamtx/ConfigField.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { closedBy, listeners } from "../../src/mediamtx/ReloadCascade.js"
import { dropsAnything, type LiveState, reloadImpact } from "../../src/mediamtx/ReloadImpact.js"

const session = (path: string, type: string, id: string) => ({ path, type, id })
const stream = (path: string) => ({ path, available: true })

/** `live1` stands in the config, `dyn/x` lives on a catch-all; as in the experiments on the real server. */
const live: LiveState = {
  paths: [stream("live1"), stream("dyn/x")],
  publishers: [session("live1", "rtspSession", "p1"), session("dyn/x", "rtmpConn", "p2")],
  readers: [
    session("live1", "rtspSession", "r1"),
    session("live1", "hlsSession", "r2"),
    session("live1", "srtConn", "r3"),
    session("dyn/x", "rtspSession", "r4")
  ],
  connections: [
    { type: "rtspConn", id: "c1" },
    { type: "rtspConn", id: "c2" },
    { type: "rtmpConn", id: "p2" },
    { type: "srtConn", id: "r3" }
  ]
}
const base: MediaMTXConfig = { paths: { live1: {}, all_others: {} } }

const outcomes = (after: MediaMTXConfig, before: MediaMTXConfig = base, state: LiveState = live) =>
  Object.fromEntries(reloadImpact(before, after, state).paths.map(({ outcome, path }) => [path, outcome]))

describe("ReloadImpact", () => {
  it.each<readonly [string, MediaMTXConfig, string, string]>([
    ["an unrelated path comes", { paths: { ...base.paths, other: {} } }, "untouched", "untouched"],
    ["recording by default", { ...base, pathDefaults: { record: true } }, "recording-started", "recording-started"],
    ["a hook by default", { ...base, pathDefaults: { runOnRead: "x" } }, "recreated", "recreated"],
    ["a limit by default", { ...base, pathDefaults: { maxReaders: 9 } }, "recreated", "recreated"],
    ["a limit of one path", { paths: { live1: { maxReaders: 9 }, all_others: {} } }, "recreated", "untouched"],
    ["an entry of its own", { paths: { ...base.paths, "dyn/x": {} } }, "untouched", "updated"],
    [
      "an entry that records",
      { paths: { ...base.paths, "dyn/x": { record: true } } },
      "untouched",
      "recording-started"
    ],
    ["an entry with a limit", { paths: { ...base.paths, "dyn/x": { maxReaders: 9 } } }, "untouched", "recreated"],
    ["a pattern that takes it over", { paths: { ...base.paths, "~^dyn/": {} } }, "untouched", "updated"],
    ["a pattern with a limit", { paths: { ...base.paths, "~^dyn/": { maxReaders: 9 } } }, "untouched", "recreated"],
    ["the catch-all goes", { paths: { live1: {} } }, "untouched", "closed"],
    ["a path falls to the catch-all", { paths: { all_others: {} } }, "updated", "untouched"],
    ["users", { ...base, authInternalUsers: [{ user: "any", permissions: [] }] }, "untouched", "untouched"],
    ["playback", { ...base, playback: true }, "untouched", "untouched"],
    ["the log level", { ...base, logLevel: "debug" }, "recreated", "recreated"],
    ["metrics that are off", { ...base, metricsAddress: ":1" }, "recreated", "recreated"],
    ["RTMP", { ...base, rtmpAddress: ":1" }, "untouched", "publisher-dropped"],
    ["RTSP", { ...base, rtspTransports: ["tcp"] }, "publisher-dropped", "readers-dropped"],
    ["HLS", { ...base, hlsVariant: "fmp4" }, "readers-dropped", "untouched"],
    ["a connect hook", { ...base, runOnConnect: "x" }, "publisher-dropped", "publisher-dropped"]
  ])("%s", (_, after, live1, dyn) => {
    expect(outcomes(after)).toEqual({ live1, "dyn/x": dyn })
  })

  it("says back what a default does not reach", () => {
    const before: MediaMTXConfig = { paths: { live1: { maxReaders: 5 }, all_others: {} } }
    const after: MediaMTXConfig = { ...before, pathDefaults: { maxReaders: 7 } }
    expect(outcomes(after, before)).toEqual({ live1: "untouched", "dyn/x": "recreated" })
    const [dyn] = reloadImpact(before, after, live).paths
    expect(dyn?.because).toEqual(["pathDefaults.maxReaders"])
  })

  it("names and counts who is dropped, the worst first", () => {
    const impact = reloadImpact(base, { ...base, hlsVariant: "fmp4", rtmp: false }, live)
    expect(impact.scope).toBe("listeners")
    expect(impact.paths.map(({ path }) => path)).toEqual(["dyn/x", "live1"])
    expect(impact.paths[0]).toMatchObject({
      dropsStream: true,
      droppedPublishers: [session("dyn/x", "rtmpConn", "p2")],
      droppedReaders: [session("dyn/x", "rtspSession", "r4")]
    })
    expect(impact.paths[1]).toMatchObject({
      dropsStream: false,
      droppedReaders: [session("live1", "hlsSession", "r2")],
      keptReaders: 2
    })
    expect(impact.listeners).toMatchObject([
      { listener: "rtmp", outcome: "stopped", sessions: 1, connections: 1 },
      { listener: "hls", outcome: "restarted", sessions: 1, connections: 0 }
    ])
    expect(impact.drops).toEqual({ streams: 1, readers: 2, connections: 1 })
    expect(dropsAnything(impact)).toBe(true)
  })

  it("an always available path keeps its readers when its publisher goes", () => {
    const before: MediaMTXConfig = {
      paths: { live1: { alwaysAvailable: true, alwaysAvailableTracks: [{ codec: "H264" }] } }
    }
    const state = { ...live, publishers: [session("live1", "rtmpConn", "p")], readers: live.readers.slice(0, 3) }
    const [path] = reloadImpact(before, { ...before, rtmpAddress: ":1" }, state).paths.filter((p) => p.path === "live1")
    expect(path).toMatchObject({ outcome: "publisher-dropped", droppedReaders: [], keptReaders: 3 })
  })

  it("a change of recording is felt only where something is recorded", () => {
    const records: MediaMTXConfig = { paths: { live1: { record: true }, all_others: {} } }
    const other: MediaMTXConfig = { ...records, pathDefaults: { recordSegmentDuration: "2h" } }
    expect(outcomes(other, records)).toEqual({ live1: "recording-restarted", "dyn/x": "updated" })
    expect(outcomes(base, records)).toEqual({ live1: "recording-stopped", "dyn/x": "untouched" })
    const silent: LiveState = { ...live, paths: [{ path: "live1", available: false }], publishers: [], readers: [] }
    expect(outcomes(other, records, silent)).toEqual({ live1: "updated" })
  })

  it("the second picture of a camera reaches into the path of the first", () => {
    const camera = (fps: number): MediaMTXConfig => ({
      paths: {
        main: { source: "rpiCamera" },
        small: { source: "rpiCamera", rpiCameraSecondary: true, rpiCameraFPS: fps }
      }
    })
    const state: LiveState = { ...live, paths: [stream("main"), stream("small")], publishers: [], readers: [] }
    const impact = reloadImpact(camera(10), camera(15), state)
    expect(Object.fromEntries(impact.paths.map(({ outcome, path }) => [path, outcome]))).toEqual({
      main: "recreated",
      small: "updated"
    })
    expect(impact.paths[0]?.because).toEqual(["paths.small.rpiCameraFPS"])
  })

  it("fields that wait are named, unless RTSPS restarts anyway", () => {
    expect(reloadImpact(base, { ...base, srtpAddress: ":1" }, live)).toMatchObject({
      scope: "nothing-drops",
      deferred: ["srtpAddress"]
    })
    expect(reloadImpact(base, { ...base, srtpAddress: ":1", rtspsAddress: ":2" }, live).deferred).toEqual([])
  })

  it("warns of hooks while listeners reopen", () => {
    const hooked: MediaMTXConfig = { ...base, pathDefaults: { runOnRead: "x" } }
    expect(reloadImpact(hooked, { ...hooked, hlsVariant: "fmp4" }, live).mayEnd).toBe(true)
    expect(reloadImpact(hooked, { ...hooked, authInternalUsers: [] }, live).mayEnd).toBe(false)
    expect(reloadImpact(base, { ...base, hlsVariant: "fmp4" }, live).mayEnd).toBe(false)
  })

  it.each<readonly [string, MediaMTXConfig, MediaMTXConfig]>([
    ["durations", { readTimeout: "60s" }, { readTimeout: "1m" }],
    ["days", { paths: { live1: { recordDeleteAfter: "24h" } } }, { paths: { live1: {} } }],
    ["sizes", { hlsSegmentMaxSize: "1024K" }, { hlsSegmentMaxSize: "1M" }],
    ["networks", { hlsTrustedProxies: ["10.0.0.1"] }, { hlsTrustedProxies: ["10.0.0.1/32"] }],
    ["bits of the host", { hlsTrustedProxies: ["10.1.2.3/8"] }, { hlsTrustedProxies: ["10.0.0.0/8"] }],
    ["sets", { rtspTransports: ["tcp", "udp"] }, { rtspTransports: ["udp", "tcp"] }],
    ["empty lists", { authHTTPExclude: [] }, {}],
    ["parts left out", { authHTTPExclude: [{ action: "api", path: "" }] }, { authHTTPExclude: [{ action: "api" }] }],
    ["null and nothing", { paths: { a: null } }, { paths: { a: {} } }]
  ])("what MediaMTX takes for equal is equal: %s", (_, a, b) => {
    expect(diffConfigs(a, b)).toEqual([])
    expect(reloadImpact(a, b, live).scope).toBe("none")
  })

  it("the order of a list counts where MediaMTX compares it", () => {
    expect(
      diffConfigs({ rtspAuthMethods: ["basic", "digest"] }, { rtspAuthMethods: ["digest", "basic"] })
    ).toHaveLength(1)
  })

  it("never shows a secret", () => {
    const changes = diffConfigs(
      { paths: { a: { source: "rtsp://u:p4ss@cam/x?token=t0k" }, b: { srtReadPassphrase: "passphrase-1" } } },
      {
        authHTTPAddress: "http://u:p4ss@manager/auth?token=t0k",
        authInternalUsers: [{ user: "u", pass: "p4ss", permissions: [] }],
        webrtcICEServers2: [{ url: "turn:x", username: "u", password: "p4ss" }],
        paths: {
          a: { source: "rtsp://u:p4/ss@cam/x", runOnRead: "curl -H t0k http://x" },
          c: { whepBearerToken: "t0k", forward: [{ dest: "rtmp://x/t0k" }] }
        }
      }
    )
    expect(changes.map(({ field }) => field)).toContain("paths.a.source")
    const text = JSON.stringify(changes)
    for (const secret of ["p4ss", "p4/ss", "t0k", "passphrase-1"]) expect(text).not.toContain(secret)
    expect(text).toContain("rtsp://cam/...")
  })

  it("a listener closed by a field takes the API with it, and the paths take all", () => {
    for (const [kind, parts] of Object.entries(closedBy)) {
      const carriers = parts.filter((part) => !["pprof", "playback", "metrics", "paths", "api"].includes(part))
      expect([kind, carriers.length === 0 || parts.includes("api")]).toEqual([kind, true])
      if (parts.includes("paths")) expect(parts).toEqual(expect.arrayContaining(listeners.slice(0, 8)))
    }
  })

  it("no change is no impact, and every change has one", () => {
    const globals = Object.keys(globalFields).filter((name) => name !== "paths" && name !== "pathDefaults")
    const address = FastCheck.constantFrom(...globals.filter((name) => name.endsWith("Address")))
    FastCheck.assert(
      FastCheck.property(FastCheck.array(address, { maxLength: 5 }), (names) => {
        const after = { ...base, ...Object.fromEntries(names.map((name) => [name, "127.0.0.1:1"])) }
        const impact = reloadImpact(base, after, live)
        expect(impact.changes.map(({ field }) => field).sort()).toEqual([...new Set(names)].sort())
        expect(impact.scope === "none").toBe(names.length === 0)
        expect(reloadImpact(after, after, live).paths.every(({ outcome }) => outcome === "untouched")).toBe(true)
        // Whoever is dropped was there.
        expect(impact.drops.readers).toBeLessThanOrEqual(live.readers.length)
      })
    )
  })
})

describe("older releases", () => {
  const outcomes = (before: MediaMTXConfig, after: MediaMTXConfig, version: MediaMTXVersion) => {
    const { entries, listeners, scope } = reloadImpact(before, after, live, version)
    return {
      entries: entries.map(({ outcome }) => outcome),
      listeners: listeners.map(({ listener }) => listener),
      scope
    }
  }
  const base: MediaMTXConfig = { paths: { live1: {} } }

  it("could not change how they record in place, in 1.15.0", () => {
    const after: MediaMTXConfig = { paths: { live1: { recordPartDuration: "5s" } } }
    expect(outcomes(base, after, "1.15.0").entries).toEqual(["recreate"])
    expect(outcomes(base, after, "1.15.1").entries).toEqual(["recorder"])
    const on: MediaMTXConfig = { paths: { live1: { record: true } } }
    expect(outcomes(base, on, "1.15.0").entries).toEqual(["recorder"])
  })

  it("opened the camera anew for another text on its picture, before 1.18.2", () => {
    const camera = (text: string): MediaMTXConfig => ({
      paths: { live1: { source: "rpiCamera", rpiCameraTextOverlay: text } }
    })
    expect(outcomes(camera("a"), camera("b"), "1.18.1").entries).toEqual(["recreate"])
    expect(outcomes(camera("a"), camera("b"), "1.18.2").entries).toEqual(["hot"])
  })

  it("left metrics alone when the write timeout changed, before 1.15.2", () => {
    const on: MediaMTXConfig = { ...base, metrics: true }
    const after: MediaMTXConfig = { ...on, writeTimeout: "5s" }
    expect(outcomes(on, after, "1.15.1").listeners).not.toContain("metrics")
    expect(outcomes(on, after, "1.15.2").listeners).toContain("metrics")
    for (const version of ["1.15.1", "1.15.2"] as const) expect(outcomes(on, after, version).scope).toBe("node")
  })

  it("have no MoQ before 1.19.0, and defaults of their own", () => {
    const after: MediaMTXConfig = { ...base, readTimeout: "5s" }
    expect(outcomes(base, after, "1.18.2").listeners).not.toContain("moq")
    expect(outcomes(base, after, "1.19.0").listeners).toContain("moq")
    expect(outcomes(base, { ...base, udpMaxPayloadSize: 1472 }, "1.16.0").scope).toBe("none")
    expect(outcomes(base, { ...base, udpMaxPayloadSize: 1472 }, "1.16.1").scope).toBe("node")
  })

  it("copied less of a second picture into the path of the first, before 1.19.2", () => {
    const camera = (bitrate: number): MediaMTXConfig => ({
      paths: {
        live1: { source: "rpiCamera" },
        small: { source: "rpiCamera", rpiCameraSecondary: true, rpiCameraBitrate: bitrate }
      }
    })
    expect(outcomes(camera(1), camera(2), "1.19.1").entries).toEqual(["hot"])
    expect(outcomes(camera(1), camera(2), "1.19.2").entries).toContain("recreate")
  })
})
