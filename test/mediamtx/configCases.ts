/**
 * For each rule a config that breaks it and a near one that keeps it. Used against our validator and against the real
 * server. Everything stands on a base with all servers off and all listeners on 127.0.0.1 with a port of the system's choice.
 */
import { globalFields } from "../../src/mediamtx/GlobalFields.js"

export interface ConfigCase {
  readonly rule: string
  readonly bad: Readonly<Record<string, unknown>>
  readonly good: Readonly<Record<string, unknown>>
  /** Where the issue is. */
  readonly at: string
  /** What the real server does with `bad`: refuse the file, end at the start, or take it. */
  readonly real: "refuses" | "ends" | "takes"
  /** It is a warning only. */
  readonly warning?: true
}

const addresses = Object.fromEntries(
  Object.entries(globalFields)
    .filter(([name, row]) => row.unit === "host:port" && name !== "webrtcLocalTCPAddress")
    .map(([name]) => [name, "127.0.0.1:0"])
)

export const base: Readonly<Record<string, unknown>> = {
  ...addresses,
  // These come in pairs, which the system can't choose.
  rtpAddress: "127.0.0.1:45910",
  rtcpAddress: "127.0.0.1:45911",
  srtpAddress: "127.0.0.1:45912",
  srtcpAddress: "127.0.0.1:45913",
  rtsp: false,
  rtmp: false,
  hls: false,
  webrtc: false,
  srt: false,
  moq: false
}

const cam = (path: unknown, more?: Readonly<Record<string, unknown>>) => ({ ...more, paths: { cam: path } })
const regex = (path: unknown) => ({ paths: { "~^cam(.*)$": path } })

const refused = (
  rule: string,
  at: string,
  bad: Readonly<Record<string, unknown>>,
  good: Readonly<Record<string, unknown>>
): ConfigCase => ({ rule, at, bad, good, real: "refuses" })

const path = (rule: string, at: string, bad: unknown, good: unknown, more?: Readonly<Record<string, unknown>>) =>
  refused(rule, `paths.cam.${at}`, cam(bad, more), cam(good, more))

const other = (
  rule: string,
  at: string,
  real: "ends" | "takes",
  bad: Readonly<Record<string, unknown>>,
  good: Readonly<Record<string, unknown>>
): ConfigCase => ({ rule, at, bad, good, real })

const warned = (
  rule: string,
  at: string,
  bad: Readonly<Record<string, unknown>>,
  good: Readonly<Record<string, unknown>>
): ConfigCase => ({ rule, at, bad, good, real: "takes", warning: true })

const user = (fields: unknown) => ({ authInternalUsers: [fields] })
const read = [{ action: "read" }]
const udp = { rtsp: true, rtspTransports: ["udp"] }
const multicast = { rtsp: true, rtspTransports: ["multicast"] }
const strict = { rtspEncryption: "strict" }
const argon2 = "argon2:$argon2id$v=19$m=4096,t=3,p=1$MTIzNDU2Nzg$Ux/LWeTgJQPyfMMJo1myR64+o8rALHoPmlE1i/TR+58"
const tracks = [{ codec: "H264" }]
const rpi = { source: "rpiCamera" }

export const configCases: ReadonlyArray<ConfigCase> = [
  // Types, as the loader reads them.
  refused("unknown-field", "LogLevel", { LogLevel: "info" }, { logLevel: "info" }),
  path("unknown-field", "recrod", { recrod: true }, { record: true }),
  refused("unknown-field", "pathDefaults.api", { pathDefaults: { api: true } }, { pathDefaults: { record: true } }),
  refused("unknown-field", "authInternalUsers[0].name", user({ name: "u" }), user({ user: "u", permissions: read })),
  path("unknown-field", "forward[0].url", { forward: [{ url: "x" }] }, { forward: [{ dest: "rtsp://h/p" }] }),
  refused("wrong-type", "readTimeout", { readTimeout: 10 }, { readTimeout: "10s" }),
  refused("wrong-type", "hlsSegmentMaxSize", { hlsSegmentMaxSize: 50 }, { hlsSegmentMaxSize: "50M" }),
  refused("wrong-type", "metrics", { metrics: "yes" }, { metrics: false }),
  refused("wrong-type", "api", { api: 0 }, { api: false }),
  refused("wrong-type", "rtspEncryption", { rtspEncryption: false }, { rtspEncryption: "no" }),
  refused("wrong-type", "writeQueueSize", { writeQueueSize: "512" }, { writeQueueSize: 512 }),
  refused("wrong-type", "writeQueueSize", { writeQueueSize: 512.5 }, { writeQueueSize: 1 }),
  refused("wrong-type", "udpReadBufferSize", { udpReadBufferSize: -1 }, { udpReadBufferSize: 0 }),
  refused("wrong-type", "logFile", { logFile: 7 }, { logFile: "7" }),
  refused("wrong-type", "authHTTPExclude", { authHTTPExclude: null }, { authHTTPExclude: [] }),
  refused("wrong-type", "apiAllowOrigins", { apiAllowOrigins: "*" }, { apiAllowOrigins: ["*"] }),
  refused("wrong-type", "logLevel", { logLevel: null }, { logFile: null }),
  refused(
    "wrong-type",
    "pathDefaults.recordMaxPartSize",
    { pathDefaults: { recordMaxPartSize: null } },
    { pathDefaults: { record: null } }
  ),
  refused("wrong-type", "pathDefaults.forward", { pathDefaults: { forward: null } }, cam({ forward: null })),
  refused("wrong-type", "pathDefaults", { pathDefaults: [] }, { pathDefaults: null }),
  refused("wrong-type", "paths", { paths: [] }, { paths: null }),
  refused("wrong-type", "paths.cam", { paths: { cam: true } }, { paths: { cam: null } }),
  path("wrong-type", "rpiCameraBrightness", { rpiCameraBrightness: "0" }, { rpiCameraBrightness: 0.5 }),
  refused("unknown-value", "logLevel", { logLevel: "trace" }, { logLevel: "debug" }),
  refused("unknown-value", "logDestinations[0]", { logDestinations: ["stderr"] }, { logDestinations: ["stdout"] }),
  refused("unknown-value", "authMethod", { authMethod: "none" }, { authMethod: "internal" }),
  refused("unknown-value", "rtspTransports[1]", { rtspTransports: ["udp", "quic"] }, { rtspTransports: ["udp"] }),
  refused("unknown-value", "rtmpEncryption", { rtmpEncryption: "maybe" }, { rtmpEncryption: "optional" }),
  refused("unknown-value", "hlsVariant", { hlsVariant: "lowlatency" }, { hlsVariant: "lowLatency" }),
  refused("unknown-value", "rtspAuthMethods[0]", { rtspAuthMethods: ["bearer"] }, { rtspAuthMethods: ["basic"] }),
  refused(
    "unknown-value",
    "authInternalUsers[0].permissions[0].action",
    user({ user: "u", permissions: [{ action: "write" }] }),
    user({ user: "u", permissions: [{ action: "publish" }] })
  ),
  path("unknown-value", "recordFormat", { recordFormat: "mkv" }, { recordFormat: "mpegts" }),
  path("unknown-value", "rtspTransport", { rtspTransport: "auto" }, { rtspTransport: "automatic" }),
  path("unknown-value", "rtspRangeType", { rtspRangeType: "utc" }, { rtspRangeType: "" }),
  path("unknown-value", "moqTransport", { moqTransport: "tcp" }, { moqTransport: "webtransport" }),
  path("unknown-value", "rpiCameraExposure", { ...rpi, rpiCameraExposure: "x" }, { ...rpi, rpiCameraExposure: "long" }),
  path("unknown-value", "rpiCameraAWB", { ...rpi, rpiCameraAWB: "x" }, { ...rpi, rpiCameraAWB: "cloudy" }),
  path("unknown-value", "rpiCameraDenoise", { ...rpi, rpiCameraDenoise: "x" }, { ...rpi, rpiCameraDenoise: "cdn_hq" }),
  path("unknown-value", "rpiCameraMetering", { ...rpi, rpiCameraMetering: "x" }, { ...rpi, rpiCameraMetering: "spot" }),
  path("unknown-value", "rpiCameraAfMode", { ...rpi, rpiCameraAfMode: "x" }, { ...rpi, rpiCameraAfMode: "manual" }),
  path("unknown-value", "rpiCameraAfRange", { ...rpi, rpiCameraAfRange: "x" }, { ...rpi, rpiCameraAfRange: "macro" }),
  path("unknown-value", "rpiCameraAfSpeed", { ...rpi, rpiCameraAfSpeed: "x" }, { ...rpi, rpiCameraAfSpeed: "fast" }),
  path(
    "unknown-value",
    "rpiCameraH264Profile",
    { ...rpi, rpiCameraH264Profile: "x" },
    { ...rpi, rpiCameraH264Profile: "high" }
  ),
  path(
    "unknown-value",
    "rpiCameraH264Level",
    { ...rpi, rpiCameraH264Level: "5.0" },
    { ...rpi, rpiCameraH264Level: "4.2" }
  ),
  path(
    "unknown-value",
    "rpiCameraCodec",
    { ...rpi, rpiCameraCodec: "h264" },
    { ...rpi, rpiCameraCodec: "softwareH264" }
  ),
  refused("invalid-duration", "writeTimeout", { writeTimeout: "10 s" }, { writeTimeout: "1d10s" }),
  path("invalid-duration", "recordDeleteAfter", { recordDeleteAfter: "1w" }, { recordDeleteAfter: "7d" }),
  path("invalid-size", "recordMaxPartSize", { recordMaxPartSize: "50" }, { recordMaxPartSize: "50MiB" }),
  refused(
    "invalid-ip-network",
    "apiTrustedProxies[0]",
    { apiTrustedProxies: ["10.0.0.0/33"] },
    { apiTrustedProxies: ["10.0.0.0/8", "::1"] }
  ),
  refused(
    "invalid-credential",
    "authInternalUsers[0].user",
    user({ user: "a b", permissions: read }),
    user({ user: "a.b", permissions: read })
  ),
  refused(
    "invalid-credential",
    "authInternalUsers[0].pass",
    user({ user: "a", pass: "argon2:$argon2id$v=19$m=4096", permissions: read }),
    user({ user: "a", pass: argon2, permissions: read })
  ),
  refused(
    "invalid-credential",
    "authInternalUsers[0].pass",
    user({ user: "a", pass: "sha256:%%", permissions: read }),
    user({ user: "sha256:rl3rgi4NcZkpAEcacZnQ2VuOfJ0FxAqCRaKB/SwdZoQ=", permissions: read })
  ),
  path(
    "always-available-track",
    "alwaysAvailableTracks[0].sampleRate",
    { alwaysAvailableTracks: [{ codec: "Opus", sampleRate: 48000 }] },
    { alwaysAvailableTracks: [{ codec: "Opus" }] }
  ),
  path(
    "always-available-track",
    "alwaysAvailableTracks[0].sampleRate",
    { alwaysAvailableTracks: [{ codec: "MPEG4Audio", sampleRate: 8000, channelCount: 1 }] },
    { alwaysAvailableTracks: [{ codec: "MPEG4Audio", sampleRate: 22050, channelCount: 1 }] }
  ),
  path(
    "always-available-track",
    "alwaysAvailableTracks[0].channelCount",
    { alwaysAvailableTracks: [{ codec: "LPCM", sampleRate: 8000 }] },
    { alwaysAvailableTracks: [{ codec: "G711", sampleRate: 8000, channelCount: 1, muLaw: true }] }
  ),

  // Global rules.
  refused("read-timeout-positive", "readTimeout", { readTimeout: "0s" }, { readTimeout: "1ns" }),
  refused("read-timeout-positive", "readTimeout", { readTimeout: null }, { writeTimeout: "1m" }),
  refused("write-timeout-positive", "writeTimeout", { writeTimeout: "-1d" }, { writeTimeout: "1d" }),
  refused("write-queue-size-power", "writeQueueSize", { writeQueueSize: 500 }, { writeQueueSize: 1024 }),
  refused("write-queue-size-power", "writeQueueSize", { writeQueueSize: 0 }, { writeQueueSize: 1 }),
  refused("udp-max-payload-size", "udpMaxPayloadSize", { udpMaxPayloadSize: 1473 }, { udpMaxPayloadSize: 1472 }),
  refused(
    "user-name-required",
    "authInternalUsers[0].user",
    user({ pass: "x", permissions: read }),
    user({ user: "any", permissions: read })
  ),
  refused(
    "any-user-password",
    "authInternalUsers[0].pass",
    user({ user: "any", pass: "x" }),
    user({ user: "some", pass: "x" })
  ),
  refused(
    "auth-http-address-required",
    "authHTTPAddress",
    { authMethod: "http" },
    { authMethod: "http", authHTTPAddress: "http://h" }
  ),
  refused(
    "auth-http-address-url",
    "authHTTPAddress",
    { authMethod: "http", authHTTPAddress: "ftp://h" },
    { authMethod: "internal", authHTTPAddress: "ftp://h" }
  ),
  refused(
    "auth-jwt-jwks-required",
    "authJWTJWKS",
    { authMethod: "jwt" },
    { authMethod: "jwt", authJWTJWKS: "https://h" }
  ),
  refused("auth-jwt-jwks-url", "authJWTJWKS", { authMethod: "jwt", authJWTJWKS: "h" }, { authJWTJWKS: "h" }),
  refused(
    "auth-jwt-claim-key-required",
    "authJWTClaimKey",
    { authMethod: "jwt", authJWTJWKS: "https://h", authJWTClaimKey: "" },
    { authMethod: "jwt", authJWTJWKS: "https://h", authJWTClaimKey: "c" }
  ),
  ...["api", "metrics", "pprof", "playback", "rtmp", "hls", "webrtc"].map((server) =>
    refused(
      `${server}-address-required`,
      `${server}Address`,
      { [server]: true, [`${server}Address`]: "" },
      { [server]: false, [`${server}Address`]: "" }
    )
  ),
  refused(
    "rtsp-address-required",
    "rtspAddress",
    { rtsp: true, rtspAddress: "" },
    { rtsp: true, ...strict, rtspAddress: "" }
  ),
  refused(
    "rtp-address-required",
    "rtpAddress",
    { ...udp, rtpAddress: "" },
    { rtsp: true, rtspTransports: ["tcp"], rtpAddress: "" }
  ),
  refused("rtcp-address-required", "rtcpAddress", { ...udp, rtcpAddress: "" }, { ...udp, ...strict, rtcpAddress: "" }),
  refused(
    "multicast-ip-range-required",
    "multicastIPRange",
    { ...multicast, multicastIPRange: "" },
    { ...udp, multicastIPRange: "" }
  ),
  refused(
    "multicast-rtp-port-required",
    "multicastRTPPort",
    { ...multicast, multicastRTPPort: 0 },
    { ...multicast, ...strict, multicastRTPPort: 0 }
  ),
  refused(
    "multicast-rtcp-port-required",
    "multicastRTCPPort",
    { ...multicast, multicastRTCPPort: 0 },
    { multicastRTCPPort: 0 }
  ),
  refused(
    "rtsps-address-required",
    "rtspsAddress",
    { rtsp: true, ...strict, rtspsAddress: "" },
    { rtsp: true, rtspsAddress: "" }
  ),
  refused("srtp-address-required", "srtpAddress", { ...udp, ...strict, srtpAddress: "" }, { ...udp, srtpAddress: "" }),
  refused(
    "srtcp-address-required",
    "srtcpAddress",
    { ...udp, rtspEncryption: "optional", srtcpAddress: "" },
    { ...udp, srtcpAddress: "" }
  ),
  refused(
    "multicast-srtp-port-required",
    "multicastSRTPPort",
    { ...multicast, ...strict, multicastSRTPPort: 0 },
    { ...multicast, multicastSRTPPort: 0 }
  ),
  refused(
    "multicast-srtcp-port-required",
    "multicastSRTCPPort",
    { ...multicast, ...strict, multicastSRTCPPort: 0 },
    { multicastSRTCPPort: 0 }
  ),
  refused(
    "rtsp-auth-methods-required",
    "rtspAuthMethods",
    { rtsp: true, rtspAuthMethods: [] },
    { rtspAuthMethods: [] }
  ),
  refused(
    "rtsp-digest-internal-only",
    "rtspAuthMethods",
    { rtsp: true, rtspAuthMethods: ["digest"], authMethod: "http", authHTTPAddress: "http://h" },
    { rtsp: true, rtspAuthMethods: ["basic", "digest"] }
  ),
  refused(
    "rtsp-digest-plain-only",
    "authInternalUsers[0].pass",
    { rtsp: true, rtspAuthMethods: ["digest"], ...user({ user: "u", pass: argon2, permissions: read }) },
    { rtsp: true, rtspAuthMethods: ["digest"], ...user({ user: "u", pass: "p", permissions: read }) }
  ),
  refused("hls-cdn-secret-characters", "hlsCDNSecret", { hlsCDNSecret: "a b" }, { hlsCDNSecret: "a!b" }),
  refused(
    "ice-server-url",
    "webrtcICEServers2[0].url",
    { webrtc: true, webrtcICEServers2: [{ url: "http://h" }] },
    { webrtc: true, webrtcICEServers2: [{ url: "stun:h:3478" }] }
  ),
  refused(
    "webrtc-listener-required",
    "webrtcLocalUDPAddress",
    { webrtc: true, webrtcLocalUDPAddress: "" },
    { webrtc: true, webrtcLocalUDPAddress: "", webrtcICEServers2: [{ url: "turns:h:1" }] }
  ),
  refused(
    "webrtc-hosts-required",
    "webrtcAdditionalHosts",
    { webrtc: true, webrtcIPsFromInterfaces: false },
    { webrtc: true, webrtcIPsFromInterfaces: false, webrtcAdditionalHosts: ["h"] }
  ),
  refused(
    "moq-quic-address-required",
    "moqQUICAddress",
    { moq: true, moqQUICAddress: "" },
    { moq: false, moqQUICAddress: "" }
  ),
  other(
    "listen-address",
    "apiAddress",
    "ends",
    { api: true, apiAddress: "9997" },
    { api: true, apiAddress: "127.0.0.1:0" }
  ),
  other(
    "listen-address",
    "rtmpAddress",
    "ends",
    { rtmp: true, rtmpAddress: "127.0.0.1:70000" },
    { rtmpAddress: "127.0.0.1:70000" }
  ),
  other(
    "listen-clash",
    "metricsAddress",
    "ends",
    { api: true, apiAddress: "127.0.0.1:45997", metrics: true, metricsAddress: "127.0.0.1:45997" },
    { api: true, apiAddress: "127.0.0.1:0", metrics: true, metricsAddress: "127.0.0.1:0" }
  ),
  other(
    "rtp-port-pair",
    "rtpAddress",
    "ends",
    { ...udp, rtpAddress: "127.0.0.1:45901", rtcpAddress: "127.0.0.1:45902" },
    { ...udp, rtpAddress: "127.0.0.1:45900", rtcpAddress: "127.0.0.1:45901" }
  ),
  other(
    "rtp-port-pair",
    "rtcpAddress",
    "ends",
    { ...udp, rtpAddress: "127.0.0.1:45900", rtcpAddress: "127.0.0.1:45902" },
    { rtpAddress: "127.0.0.1:45900", rtcpAddress: "127.0.0.1:45902" }
  ),
  warned(
    "permission-path-regex",
    "authInternalUsers[0].permissions[0].path",
    user({ user: "u", permissions: [{ action: "read", path: "~(" }] }),
    user({ user: "u", permissions: [{ action: "read", path: "~^a" }] })
  ),
  warned(
    "exclude-opens-admin",
    "authHTTPExclude[0]",
    { authMethod: "http", authHTTPAddress: "http://h", authHTTPExclude: [{ action: "api" }] },
    { authMethod: "http", authHTTPAddress: "http://h", authHTTPExclude: [{ action: "metrics" }] }
  ),
  warned("encryption-alias", "rtmpEncryption", { rtmpEncryption: "yes" }, { rtmpEncryption: "strict" }),

  // Names of paths.
  refused("path-name", 'paths["/cam"]', { paths: { "/cam": {} } }, { paths: { "cam/1": {} } }),
  refused("path-name", 'paths["cam/"]', { paths: { "cam/": {} } }, { paths: { "cam-": {} } }),
  refused("path-name", 'paths["cam/../x"]', { paths: { "cam/../x": {} } }, { paths: { "cam/..x": {} } }),
  refused("path-name", 'paths["cam 1"]', { paths: { "cam 1": {} } }, { paths: { "1": {} } }),
  refused("path-name", 'paths[""]', { paths: { "": {} } }, { paths: { _: {} } }),
  refused("path-name-regex", 'paths["~^(?!x)"]', { paths: { "~^(?!x)": {} } }, { paths: { "~^(?i)x": {} } }),
  refused("path-name-regex", 'paths["~("]', { paths: { "~(": {} } }, { paths: { "~": {} } }),
  refused("catch-all-alias", "paths.all_others", { paths: { all: {}, all_others: {} } }, { paths: { all_others: {} } }),
  warned(
    "catch-all-not-last",
    'paths["~^.*$"]',
    { paths: { "~^.*$": {}, "~^cam": {} } },
    { paths: { all_others: {}, "~^cam": {} } }
  ),
  warned("path-name-ignored", "paths.cam.name", cam({ name: "other" }), cam({ name: "cam" })),

  // Path rules.
  path(
    "srt-publish-passphrase-source",
    "srtPublishPassphrase",
    { source: "rtsp://h", srtPublishPassphrase: "0123456789" },
    { srtPublishPassphrase: "0123456789" }
  ),
  path(
    "srt-publish-passphrase-length",
    "srtPublishPassphrase",
    { srtPublishPassphrase: "short" },
    { srtPublishPassphrase: "x".repeat(79) }
  ),
  path(
    "srt-read-passphrase-length",
    "srtReadPassphrase",
    { srtReadPassphrase: "x".repeat(80) },
    { srtReadPassphrase: "x".repeat(10) }
  ),
  path("redirect-useless", "sourceRedirect", { sourceRedirect: "/x" }, { source: "redirect", sourceRedirect: "/x" }),
  path("redirect-required", "source", { source: "redirect" }, { source: "redirect", sourceRedirect: "rtsp://h/x" }),
  path(
    "redirect-target",
    "sourceRedirect",
    { source: "redirect", sourceRedirect: "/x/" },
    { source: "redirect", sourceRedirect: "/x" }
  ),
  path(
    "redirect-target",
    "sourceRedirect",
    { source: "redirect", sourceRedirect: "http://h" },
    { source: "redirect", sourceRedirect: "rtsps://u:p@h%/x" }
  ),
  path("source-unknown", "source", { source: "publish" }, { source: "publisher" }),
  path("source-unknown", "source", { source: "RTSP://h" }, { source: "rtsp://h" }),
  path("source-unknown", "source", { source: "webrtc://h" }, { source: "wheps://h" }),
  path("source-url", "source", { source: "rtsp://" }, { source: "rtsps+ws://h:$G1/$G2" }),
  path("source-url", "source", { source: "rtmp://h:port" }, { source: "rtmp://h:1935/x#k" }),
  path("source-url", "source", { source: "http://h/%zz" }, { source: "https://[::1]:80/%20" }),
  path("source-url", "source", { source: "srt://u:p^@h" }, { source: "srt://h:1?streamid=read:x" }),
  path("source-credentials", "source", { source: "moqt://user@h" }, { source: "moqt://user:pass@h" }),
  path("source-credentials", "source", { source: "whep://:pass@h" }, { source: "whep://h" }),
  path("source-port", "source", { source: "udp+mpegts://h" }, { source: "udp+mpegts://h:1234" }),
  path("source-port", "source", { source: "udp://239.0.0.1" }, { source: "udp://239.0.0.1:5000" }),
  path("rtp-sdp-required", "source", { source: "udp+rtp://h:1234" }, { source: "udp+rtp://h:1234", rtpSDP: "v=0" }),
  path(
    "source-on-demand-publisher",
    "sourceOnDemand",
    { sourceOnDemand: true },
    { sourceOnDemand: true, source: "rtsp://h" }
  ),
  refused(
    "source-on-demand-required",
    'paths["~^cam(.*)$"].source',
    regex({ source: "rtsp://h/$G1" }),
    regex({ source: "rtsp://h/$G1", sourceOnDemand: true })
  ),
  path("forward-empty", "forward[0].dest", { forward: [{}] }, { forward: [] }),
  path(
    "forward-url",
    "forward[0].dest",
    { forward: [{ dest: "rtsp:/x" }] },
    { forward: [{ dest: "rtsp://h/$MTX_PATH" }] }
  ),
  path(
    "forward-credentials",
    "forward[1].dest",
    { forward: [{ dest: "srt://h" }, { dest: "rtmp://u@h" }] },
    { forward: [{ dest: "rtmp://u:p@h" }] }
  ),
  path("forward-scheme", "forward[0].dest", { forward: [{ dest: "http://h" }] }, { forward: [{ dest: "WHIP://h" }] }),
  refused(
    "always-available-regex",
    'paths["~^cam(.*)$"].alwaysAvailable',
    regex({ alwaysAvailable: true, alwaysAvailableTracks: tracks }),
    cam({ alwaysAvailable: true, alwaysAvailableTracks: tracks })
  ),
  path(
    "always-available-on-demand",
    "sourceOnDemand",
    { alwaysAvailable: true, alwaysAvailableTracks: tracks, source: "rtsp://h", sourceOnDemand: true },
    { alwaysAvailable: true, alwaysAvailableTracks: tracks, source: "rtsp://h" }
  ),
  path(
    "always-available-run-on-demand",
    "runOnUnDemand",
    { alwaysAvailable: true, alwaysAvailableTracks: tracks, runOnUnDemand: "true" },
    { runOnUnDemand: "true", alwaysAvailableTracks: tracks }
  ),
  path(
    "always-available-file-or-tracks",
    "alwaysAvailableFile",
    { alwaysAvailable: true, alwaysAvailableTracks: tracks, alwaysAvailableFile: "x.mp4" },
    { alwaysAvailable: false, alwaysAvailableTracks: tracks, alwaysAvailableFile: "x.mp4" }
  ),
  path(
    "always-available-needs-stand-in",
    "alwaysAvailable",
    { alwaysAvailable: true },
    { alwaysAvailable: true, alwaysAvailableTracks: tracks }
  ),
  path(
    "always-available-absolute-timestamp",
    "useAbsoluteTimestamp",
    { alwaysAvailable: true, alwaysAvailableTracks: tracks, useAbsoluteTimestamp: true },
    { useAbsoluteTimestamp: true }
  ),
  path("record-path-needs-path", "recordPath", { recordPath: "./x/%s-%f" }, { recordPath: "./%path/%s" }),
  path(
    "record-path-needs-time",
    "recordPath",
    { recordPath: "./%path/%Y-%m-%d_%H-%M" },
    { recordPath: "./%path/%Y-%m-%d_%H-%M-%S" }
  ),
  path(
    "record-path-needs-microseconds",
    "recordPath",
    { recordPath: "./%path/%s" },
    { recordPath: "./%path/%s-%f" },
    { playback: true }
  ),
  refused(
    "record-path-needs-microseconds",
    "pathDefaults.recordPath",
    { playback: true, pathDefaults: { recordPath: "./%path/%s" }, paths: { a: {}, b: null } },
    { playback: true, pathDefaults: { recordPath: "./%path/%s" }, paths: {} }
  ),
  path(
    "record-segment-duration-max",
    "recordSegmentDuration",
    { recordSegmentDuration: "1d1s", recordDeleteAfter: "7d" },
    { recordSegmentDuration: "24h" }
  ),
  path("record-delete-after-min", "recordDeleteAfter", { recordDeleteAfter: "59m" }, { recordDeleteAfter: "0s" }),
  path(
    "record-delete-after-min",
    "recordSegmentDuration",
    { recordSegmentDuration: "12h" },
    { recordSegmentDuration: "12h", recordDeleteAfter: "12h" },
    { pathDefaults: { recordDeleteAfter: "2h" } }
  ),
  refused(
    "run-on-init-regex",
    'paths["~^cam(.*)$"].runOnInit',
    regex({ runOnInit: "true" }),
    cam({ runOnInit: "true" })
  ),
  refused(
    "run-on-init-regex",
    "pathDefaults.runOnInit",
    { pathDefaults: { runOnInit: "true" }, paths: { all_others: null } },
    { pathDefaults: { runOnInit: "true" } }
  ),
  path("run-on-demand-publisher", "runOnDemand", { runOnDemand: "true", source: "rtsp://h" }, { runOnDemand: "true" }),
  path("rpi-camera-width-positive", "rpiCameraWidth", { ...rpi, rpiCameraWidth: 0 }, { rpiCameraWidth: 0 }),
  path("rpi-camera-height-positive", "rpiCameraHeight", { ...rpi, rpiCameraHeight: 0 }, { ...rpi, rpiCameraHeight: 1 }),
  path(
    "rpi-camera-mjpeg-width",
    "rpiCameraWidth",
    { ...rpi, rpiCameraCodec: "mjpeg", rpiCameraWidth: 2048 },
    { ...rpi, rpiCameraCodec: "mjpeg", rpiCameraWidth: 2040 }
  ),
  path(
    "rpi-camera-mjpeg-height",
    "rpiCameraHeight",
    { ...rpi, rpiCameraCodec: "mjpeg", rpiCameraHeight: 1081 },
    { ...rpi, rpiCameraHeight: 1081 }
  ),
  path(
    "rpi-camera-awb-gains",
    "rpiCameraAWBGains",
    { ...rpi, rpiCameraAWBGains: [1] },
    { ...rpi, rpiCameraAWBGains: [1, 2.5] }
  ),
  refused(
    "rpi-camera-primary-duplicate",
    "paths.b.source",
    { paths: { a: rpi, b: rpi } },
    { paths: { a: rpi, b: { ...rpi, rpiCameraCamID: 1 } } }
  ),
  refused(
    "rpi-camera-secondary-without-primary",
    "paths.b.rpiCameraSecondary",
    { paths: { a: { ...rpi, rpiCameraCamID: 1 }, b: { ...rpi, rpiCameraSecondary: true } } },
    { paths: { a: rpi, b: { ...rpi, rpiCameraSecondary: true } } }
  ),
  refused(
    "rpi-camera-secondary-duplicate",
    "paths.c.rpiCameraSecondary",
    { paths: { a: rpi, b: { ...rpi, rpiCameraSecondary: true }, c: { ...rpi, rpiCameraSecondary: true } } },
    { paths: { a: rpi, b: { ...rpi, rpiCameraSecondary: true } } }
  ),
  refused(
    "legacy-credentials-exclusive",
    "authInternalUsers",
    { authInternalUsers: globalFields.authInternalUsers.default, paths: { cam: { publishUser: "p" } } },
    { paths: { cam: { publishUser: "p" } } }
  ),
  refused(
    "legacy-credentials-exclusive",
    "authInternalUsers",
    { ...user({ user: "u", permissions: read }), paths: { cam: { publishUser: "p" } } },
    cam({ readUser: "r", readPass: "s" })
  ),
  other(
    "legacy-password-without-user",
    "paths.cam.readPass",
    "takes",
    cam({ readPass: "s" }),
    cam({ readUser: "r", readPass: "s" })
  ),
  other("hook-blank", "paths.cam.runOnRead", "takes", cam({ runOnRead: " \t" }), cam({ runOnRead: "" })),
  other("hook-blank", "runOnConnect", "takes", { runOnConnect: "'' x" }, { runOnConnect: "x ''" }),
  other(
    "hook-unbalanced",
    "pathDefaults.runOnUnread",
    "takes",
    { pathDefaults: { runOnUnread: "echo 'x" } },
    { pathDefaults: { runOnUnread: "echo 'x'" } }
  ),
  other(
    "hook-unbalanced",
    "runOnDisconnect",
    "takes",
    { runOnDisconnect: "echo x\\" },
    { runOnDisconnect: 'echo "\\""' }
  ),
  other(
    "rtsp-udp-source-port-range",
    "paths.cam.rtspUDPSourcePortRange",
    "takes",
    cam({ source: "rtsp://127.0.0.1:1/x", sourceOnDemand: true, rtspUDPSourcePortRange: [1] }),
    cam({ source: "rtsp://127.0.0.1:1/x", sourceOnDemand: true, rtspUDPSourcePortRange: [1000, 2000] })
  ),
  warned(
    "playback-needs-fmp4",
    "paths.cam.recordFormat",
    cam({ record: true, recordFormat: "mpegts" }, { playback: true }),
    cam({ record: true }, { playback: true })
  ),
  warned(
    "unix-rtp-unstable",
    "paths.cam.source",
    cam({ source: "unix+rtp:///nowhere", rtpSDP: "v=0" }),
    cam({ source: "publisher" })
  ),
  warned(
    "hook-no-shell",
    "paths.cam.runOnRead",
    cam({ runOnRead: "echo a > b" }),
    cam({ runOnRead: "sh -c 'echo a > b'" })
  ),
  warned(
    "hook-option-injection",
    "paths.cam.runOnRead",
    cam({ runOnRead: "echo $MTX_PATH" }),
    cam({ runOnRead: "echo path=$MTX_PATH" })
  ),
  warned("deprecated-field", "paths.cam.runOnReady", cam({ runOnReady: "true" }), cam({ runOnAvailable: "true" })),
  warned("deprecated-wins", "readBufferCount", { readBufferCount: 256, writeQueueSize: 512 }, { writeQueueSize: 256 })
]
