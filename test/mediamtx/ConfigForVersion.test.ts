import { describe, expect, it } from "vitest"
import type { AnyConfigField, MediaMTXVersion } from "../../src/mediamtx/ConfigField.js"
import { configForVersion, hasRawQuery, olderRelease } from "../../src/mediamtx/ConfigForVersion.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../../src/mediamtx/DeprecatedFields.js"
import { defaultIn } from "../../src/mediamtx/FieldHistory.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { goDurationToNanos } from "../../src/mediamtx/GoDuration.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import { isBefore, knownRelease, parseVersion, releases } from "../../src/mediamtx/MediaMTXVersion.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { stringSizeToBytes } from "../../src/mediamtx/StringSize.js"
import { checkUpgrade } from "../../src/mediamtx/UpgradeCheck.js"
import { releaseFields } from "./releaseFields.js"

const live: Readonly<Record<"global" | "path", Readonly<Record<string, AnyConfigField>>>> = {
  global: globalFields,
  path: pathFields
}
const old = { global: deprecatedGlobalFields, path: deprecatedPathFields }

/** Durations and sizes that mean the same are the same; so are transports in any order. */
const canonical = (type: string, value: unknown): unknown =>
  Array.isArray(value)
    ? value.every((item) => typeof item === "string")
      ? [...value].sort()
      : value
    : typeof value !== "string"
      ? value
      : type === "duration"
        ? goDurationToNanos(value)
        : type === "size"
          ? stringSizeToBytes(value)
          : value

describe("the tables against the structs of every release", () => {
  it("know the same releases", () => {
    expect(releases).toEqual(releaseFields.map(({ version }) => version))
  })

  describe.each(releaseFields)("$version", ({ version, ...fields }) => {
    it.each(["global", "path"] as const)("has the %s fields that the tables say, with their defaults", (kind) => {
      const real = fields[kind]
      for (const [name, row] of Object.entries(live[kind])) {
        if (name === "pathDefaults" || name === "paths") continue
        expect([name, Object.hasOwn(real, name)]).toEqual([name, !isBefore(version, row.since)])
        if (isBefore(version, row.since)) continue
        expect([name, canonical(row.type.name, real[name]?.default)]).toEqual([
          name,
          canonical(row.type.name, defaultIn(row, version))
        ])
      }
    })

    it.each(["global", "path"] as const)("has the old %s names that the tables say", (kind) => {
      const real = fields[kind]
      for (const [name, row] of Object.entries(old[kind])) {
        expect([name, Object.hasOwn(real, name)]).toEqual([name, !isBefore(version, row.since)])
        // These two have no mark of being old in the source.
        if (isBefore(version, row.since) || name === "serverKey" || name === "serverCert") continue
        expect([name, real[name]?.deprecated === true]).toEqual([name, !isBefore(version, row.deprecatedSince)])
      }
      const known = new Set([...Object.keys(live[kind]), ...Object.keys(old[kind])])
      expect(Object.keys(real).filter((name) => !known.has(name))).toEqual([])
    })
  })
})

/** A config that uses every field there is, each with another value than its default where that goes without harm. */
const everything: MediaMTXConfig = {
  ...Object.fromEntries(
    Object.entries(globalFields).flatMap(([name, { default: value }]) =>
      name === "paths" || name === "pathDefaults" ? [] : [[name, typeof value === "boolean" ? !value : value]]
    )
  ),
  // WebRTC is off, so that the oldest are not told what would make them check it.
  webrtcIPsFromInterfaces: true,
  pathDefaults: Object.fromEntries(Object.entries(pathFields).map(([name, row]) => [name, row.default])),
  paths: {
    cam: {
      alwaysAvailable: true,
      alwaysAvailableTracks: [{ codec: "H264" }],
      forward: [{ dest: "rtsp://10.0.0.1/x" }, { dest: "whip://10.0.0.1/x", whipBearerToken: "t" }],
      rtspScale: "2",
      rtspUDPSourcePortRange: [1000, 2000],
      runOnAvailable: "/bin/true",
      runOnOnline: "/bin/true",
      whepBearerToken: "t"
    },
    pi: {
      source: "rpiCamera",
      rpiCameraCodec: "mjpeg",
      rpiCameraH264Profile: "high",
      rpiCameraH264Level: "4.2"
    },
    empty: {}
  }
}

describe("a config for an older release", () => {
  it.each(releaseFields)("has no name that $version lacks", ({ version, ...fields }) => {
    const fitted = configForVersion(everything, version)
    expect(fitted).toBeDefined()
    const { pathDefaults, paths, ...globals } = fitted?.config ?? {}
    expect(Object.keys(globals).filter((name) => !Object.hasOwn(fields.global, name))).toEqual([])
    for (const path of [pathDefaults, ...Object.values(paths ?? {})]) {
      expect(Object.keys(path ?? {}).filter((name) => !Object.hasOwn(fields.path, name))).toEqual([])
    }
    // Nor an old name where there is a new one.
    expect(Object.keys(globals).filter((name) => fields.global[name]?.deprecated === true)).toEqual([])
  })

  it.each(releases)("reads back as what was meant, but for what was told to be left out: %s", (version) => {
    const fitted = configForVersion(everything, version)
    const said = new Set(fitted?.issues.map(({ fieldText }) => fieldText))
    const read = validateConfig(fitted?.config)
    // A value that was refused can leave a hole that no node ever gets.
    if (read._tag === "Left") throw read.left
    const { config } = read.right
    for (const [name, value] of Object.entries(everything)) {
      if (name === "paths" || name === "pathDefaults" || said.has(name)) continue
      const row = live.global[name]
      const lost = row !== undefined && isBefore(version, row.since) && row.renamedFrom === undefined
      // What is left out in silence is what the server does by itself.
      if (!lost) expect([name, Reflect.get(config, name) ?? row?.default]).toEqual([name, value])
    }
    const name = (path: string) => (isBefore(version, "1.19.3") ? undefined : path)
    expect(config.paths?.["cam"]?.runOnAvailable).toBe("/bin/true")
    expect(config.paths?.["cam"]?.runOnOnline).toBe(name("/bin/true"))
    expect(config.paths?.["pi"]?.rpiCameraH264Profile).toBe("high")
    expect(config.paths?.["pi"]?.rpiCameraH264Level).toBe("4.2")
  })

  it("is the very same for the newest, and for what is newer still", () => {
    for (const version of ["1.20.1", "1.20.2", "1.21.0", "2.0.0"] as const) {
      expect(configForVersion(everything, version)?.config).toBe(everything)
    }
  })

  it("does not exist for a release that is older than all that are known", () => {
    expect(olderRelease("1.14.0")).toBe("unknown")
    expect(configForVersion(everything, "1.14.0")).toBeUndefined()
  })

  it("leaves out in silence what the release does anyway", () => {
    const quiet: MediaMTXConfig = {
      moq: false,
      logStructured: false,
      dumpPackets: false,
      hlsCDNSecret: "",
      authJWTIssuer: "",
      rtspTrustedProxies: [],
      pathDefaults: { alwaysAvailable: false, forward: [], runOnOnline: "", rtspScale: "" }
    }
    expect(configForVersion(quiet, "1.15.0")).toEqual({ config: {}, issues: [] })
  })

  it("is refused altogether by choice, or loses its unknown fields with a warning", () => {
    const config: MediaMTXConfig = { logStructured: true, paths: { cam: { rtspScale: "2" } } }
    const texts = (policy?: "drop" | "refuse") =>
      configForVersion(config, "1.15.0", policy)?.issues.map(
        ({ fieldText, rule, severity }) => `${severity} ${rule} ${fieldText}`
      )
    expect(texts()).toEqual([
      "warning version-field-missing logStructured",
      "warning version-field-missing paths.cam.rtspScale"
    ])
    expect(texts("refuse")).toEqual([
      "error version-field-missing logStructured",
      "error version-field-missing paths.cam.rtspScale"
    ])
  })
})

/** What guards something: the last release that can't say it, and the config that would be less guarded without. */
const guards: ReadonlyArray<readonly [field: string, last: MediaMTXVersion, config: MediaMTXConfig]> = [
  ["authHTTPFingerprint", "1.16.0", { authHTTPFingerprint: "ab" }],
  ["authJWTIssuer", "1.16.3", { authJWTIssuer: "https://example.com" }],
  ["authJWTAudience", "1.16.3", { authJWTAudience: "cams" }],
  ["rtspTrustedProxies", "1.19.0", { rtspTrustedProxies: ["10.0.0.1"] }],
  ["rtmpTrustedProxies", "1.19.0", { rtmpTrustedProxies: ["10.0.0.1"] }],
  ...(["api", "metrics", "pprof", "playback", "hls", "webrtc"] as const).flatMap(
    (server) =>
      [
        [`${server}AllowOrigins`, "1.15.3", { [`${server}AllowOrigins`]: ["https://a.example", "https://b.example"] }],
        [`${server}AllowOrigins`, "1.15.3", { [`${server}AllowOrigins`]: ["https://*.example"] }]
      ] as const
  ),
  ["paths.cam.source", "1.20.0", { paths: { cam: { source: "moqt://10.0.0.1/x" } } }],
  [
    "paths.cam.forward[0].destFingerprint",
    "1.20.0",
    { paths: { cam: { forward: [{ dest: "rtsps://10.0.0.1/x", destFingerprint: "ab" }] } } }
  ],
  ["paths.cam.runOnRead", "1.18.0", { paths: { cam: { runOnRead: "sh -c 'echo $MTX_QUERY >> log'" } } }]
]

describe("what guards something", () => {
  it.each(guards)("%s is never left out before %s's successor", (field, last, config) => {
    const at = releases.findIndex((release) => release === last)
    const next = releases[at + 1]
    const errors = (version: MediaMTXVersion) =>
      configForVersion(config, version)?.issues.filter(({ severity }) => severity === "error")
    // The forward list as a whole is unknown before 1.20.0, where nothing is sent anywhere.
    const first = field.includes("forward") ? at : 0
    for (const version of releases.slice(first, at + 1)) {
      expect([version, errors(version)?.map(({ fieldText }) => fieldText)]).toEqual([version, [field]])
    }
    if (next === undefined) throw new Error(`nothing comes after ${last}`)
    expect(errors(next)).toEqual([])
  })

  it("is every field whose row says so", () => {
    const marked = Object.entries({ ...globalFields, ...pathFields }).flatMap(([name, row]) =>
      row.lacking === "refuse" ? [name] : []
    )
    expect(new Set(marked)).toEqual(new Set(guards.flatMap(([field]) => (field.includes(".") ? [] : [field]))))
  })

  it("holds for the calls that were open by default until 1.20.1", () => {
    const config: MediaMTXConfig = { authMethod: "http", authHTTPAddress: "https://example.com/auth" }
    expect(configForVersion(config, "1.20.0")?.config["authHTTPExclude"]).toEqual([])
    expect(configForVersion(config, "1.15.0")?.config["authHTTPExclude"]).toEqual([])
    expect(configForVersion(config, "1.20.1")?.config["authHTTPExclude"]).toBeUndefined()
    const own = { ...config, authHTTPExclude: [{ action: "metrics" as const }] }
    expect(configForVersion(own, "1.20.0")?.config["authHTTPExclude"]).toEqual([{ action: "metrics" }])
    expect(configForVersion({ authMethod: "internal" }, "1.20.0")?.config).toEqual({ authMethod: "internal" })
  })
})

describe("old spellings", () => {
  it("keep the one origin", () => {
    expect(configForVersion({ apiAllowOrigins: ["https://a.example"] }, "1.15.3")?.config).toEqual({
      apiAllowOrigin: "https://a.example"
    })
    expect(configForVersion({ hlsAllowOrigins: [] }, "1.15.3")?.config).toEqual({ hlsAllowOrigin: "" })
    expect(configForVersion({ hlsAllowOrigins: ["*"] }, "1.15.3")?.config).toEqual({ hlsAllowOrigin: "*" })
  })

  it("have the read buffer in every path", () => {
    const config: MediaMTXConfig = { udpReadBufferSize: 9, pathDefaults: { record: true } }
    expect(configForVersion(config, "1.15.3")?.config).toEqual({
      rtspUDPReadBufferSize: 9,
      pathDefaults: {
        record: true,
        rtspUDPReadBufferSize: 9,
        mpegtsUDPReadBufferSize: 9,
        rtpUDPReadBufferSize: 9
      }
    })
  })

  it("have the encoder's settings twice, or not at all", () => {
    const of = (path: MediaMTXConfig["pathDefaults"]) => configForVersion({ pathDefaults: path }, "1.19.1")?.config
    expect(of({ rpiCameraH264Profile: "auto" })).toEqual({})
    expect(of({ rpiCameraH264Profile: "main" })).toEqual({
      pathDefaults: { rpiCameraHardwareH264Profile: "main", rpiCameraSoftwareH264Profile: "main" }
    })
  })

  it("of MoQ's addresses are those of 1.19.0, and none before", () => {
    expect(configForVersion({ moqHTTP2Address: ":1" }, "1.19.0")?.config).toEqual({ moqHTTPS2Address: ":1" })
    expect(configForVersion({ moqHTTP2Address: ":1" }, "1.18.2")?.issues).toHaveLength(1)
  })
})

describe("servers that are off", () => {
  it("have no say in releases that check them all the same", () => {
    const off: MediaMTXConfig = {
      webrtc: false,
      webrtcLocalUDPAddress: "",
      webrtcIPsFromInterfaces: false,
      rtsp: false,
      rtspAuthMethods: []
    }
    expect(configForVersion(off, "1.15.6")).toEqual({ config: { webrtc: false, rtsp: false }, issues: [] })
    expect(configForVersion(off, "1.16.0")?.config).toEqual(off)
  })
})

describe("versions", () => {
  it("are read from what servers call themselves", () => {
    expect(parseVersion("v1.19.3")).toBe("1.19.3")
    expect(parseVersion("1.19.3")).toBe("1.19.3")
    expect(parseVersion("v1.19.3-4-gabcdef0")).toBe("1.19.3")
    for (const text of ["", "v0.0.0", "latest", "1.19", "1.19.3.4", "vv1.2.3", " 1.2.3"]) {
      expect([text, parseVersion(text)]).toEqual([text, undefined])
    }
  })

  it("between two releases are taken for the older one", () => {
    expect(knownRelease("1.18.9")).toBe("1.18.2")
    expect(knownRelease("1.14.9")).toBeUndefined()
    expect(knownRelease("3.0.0")).toBe("1.20.1")
  })

  it("before 1.18.1 hand on queries raw", () => {
    expect(hasRawQuery("1.18.0")).toBe(true)
    expect(hasRawQuery("1.18.1")).toBe(false)
  })
})

describe("an upgrade", () => {
  const config: MediaMTXConfig = {
    authMethod: "http",
    authHTTPAddress: "https://example.com/auth",
    logStructured: true,
    pathDefaults: { runOnAvailable: "/bin/true", rtspScale: "2" },
    paths: { a: { runOnAvailable: "/bin/false" }, b: {} }
  }

  it("tells what begins, what is renamed, what does something else by itself and what becomes available", () => {
    const report = checkUpgrade(config, "1.15.0", "1.20.1")
    expect(report?.begins.map(({ fieldText }) => fieldText)).toEqual(["logStructured", "pathDefaults.rtspScale"])
    expect(report?.vanishes).toEqual([])
    expect(report?.refused).toEqual([])
    expect(report?.renamed).toEqual([{ before: "runOnReady", after: "runOnAvailable", places: 2 }])
    expect(report?.defaults).toEqual([
      { field: "udpMaxPayloadSize", before: 1472, after: 1452 },
      { field: "moq", before: false, after: true }
      // Not authHTTPExclude: the older one's default is written over.
    ])
    expect(report?.available).toContain("pathDefaults.forward")
    expect(report?.available).not.toContain("apiAllowOrigins")
    expect(report?.behaviour).toHaveLength(5)
  })

  it("back tells what vanishes and what is refused", () => {
    const report = checkUpgrade({ ...config, authJWTIssuer: "x" }, "1.20.1", "1.15.0")
    expect(report?.vanishes.map(({ fieldText }) => fieldText)).toEqual(["logStructured", "pathDefaults.rtspScale"])
    expect(report?.refused.map(({ fieldText }) => fieldText)).toEqual(["authJWTIssuer"])
    expect(report?.renamed).toEqual([{ before: "runOnAvailable", after: "runOnReady", places: 2 }])
    expect(report?.available).toEqual([])
  })

  it("to the same release is nothing", () => {
    const report = checkUpgrade(config, "1.18.0", "1.18.0")
    expect([report?.begins, report?.vanishes, report?.renamed, report?.defaults, report?.available]).toEqual([
      [],
      [],
      [],
      [],
      []
    ])
  })
})
