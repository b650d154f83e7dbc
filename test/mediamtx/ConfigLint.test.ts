import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { formatField } from "../../src/mediamtx/ConfigIssue.js"
import { type LintContext, lintConfig, lintRules, lintSeverities } from "../../src/mediamtx/ConfigLint.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"

interface Case {
  readonly rule: string
  readonly bad: MediaMTXConfig
  readonly at: string
  readonly good: ReadonlyArray<MediaMTXConfig>
  readonly context?: LintContext
}

const anybody = (action: "api" | "metrics" | "pprof" | "publish" | "read" | "playback", ips?: Array<string>) => ({
  authInternalUsers: [{ user: "any", ...(ips === undefined ? {} : { ips }), permissions: [{ action }] }]
})
const someone = (action: "api" | "publish", rest: object = {}) => ({
  authInternalUsers: [{ user: "ann", pass: "secret-pw", permissions: [{ action }], ...rest }]
})
const asks = { authMethod: "http", authHTTPAddress: "https://m.example/auth" } as const
const hook = (command: string, name = "cam"): MediaMTXConfig => ({ paths: { [name]: { runOnRead: command } } })

const cases: ReadonlyArray<Case> = [
  {
    rule: "anonymous-api",
    bad: { api: true, ...anybody("api") },
    at: "authInternalUsers[0].permissions[0]",
    good: [
      { api: false, ...anybody("api") },
      { api: true },
      { api: true, ...anybody("api", ["127.0.0.1"]) },
      { api: true, ...someone("api") }
    ]
  },
  {
    rule: "anonymous-api",
    bad: { api: true, ...asks, authHTTPExclude: [{ action: "read" }, { action: "api" }] },
    at: "authHTTPExclude[1]",
    good: [{ api: true, ...asks }]
  },
  {
    rule: "anonymous-api",
    bad: { api: true, authHTTPExclude: [{ action: "api" }] },
    at: "authHTTPExclude[0]",
    good: [{ api: true, ...anybody("api") }],
    context: { managed: true }
  },
  {
    rule: "anonymous-pprof",
    bad: { pprof: true, ...anybody("pprof", ["::/0"]) },
    at: "authInternalUsers[0].permissions[0]",
    good: [{ pprof: true }, { ...anybody("pprof") }]
  },
  {
    rule: "anonymous-metrics",
    bad: { metrics: true, ...anybody("metrics", ["10.0.0.0/8", "0.0.0.0/0"]) },
    at: "authInternalUsers[0].permissions[0]",
    good: [{ metrics: true, ...anybody("metrics", ["10.0.0.0/8"]) }]
  },
  {
    rule: "open-publish",
    bad: { rtmp: false },
    at: "authInternalUsers[0].permissions[0]",
    good: [someone("publish"), asks, anybody("publish", ["192.168.0.0/16"]), anybody("read")]
  },
  {
    rule: "open-publish",
    bad: { authMethod: "internal", ...anybody("publish") },
    at: "authInternalUsers[0].permissions[0]",
    good: [{ rtmp: false }, anybody("publish")],
    context: { managed: true }
  },
  {
    rule: "open-publish",
    bad: { authMethod: "jwt", authJWTJWKS: "https://m.example/jwks", authJWTExclude: [{ action: "publish" }] },
    at: "authJWTExclude[0]",
    good: [{ authMethod: "jwt", authJWTJWKS: "https://m.example/jwks" }]
  },
  {
    rule: "open-publish",
    bad: someone("publish", { pass: "" }),
    at: "authInternalUsers[0].permissions[0]",
    good: [someone("publish")]
  },
  { rule: "open-read", bad: anybody("read"), at: "authInternalUsers[0].permissions[0]", good: [someone("publish")] },
  {
    rule: "open-playback",
    bad: { playback: true, ...anybody("playback") },
    at: "authInternalUsers[0].permissions[0]",
    good: [anybody("playback"), { playback: true, ...anybody("playback", ["127.0.0.1/32"]) }]
  },
  {
    rule: "any-ips",
    bad: { api: true, ...someone("api") },
    at: "authInternalUsers[0].ips",
    good: [
      { api: true, ...someone("api", { ips: ["10.0.0.7"] }) },
      { api: false, ...someone("api") },
      { api: true, ...someone("publish") },
      { api: true, ...asks, ...someone("api") }
    ]
  },
  {
    rule: "plain-password",
    bad: someone("publish"),
    at: "authInternalUsers[0].pass",
    good: [
      someone("publish", { pass: "sha256:j1tsRqDEw9xvq/D7/9tMx6Jh/jMhk3UfjwIB2f1zgMo=" }),
      { ...someone("publish"), rtspAuthMethods: ["digest"] }
    ]
  },
  {
    rule: "auth-http-unencrypted",
    bad: { authMethod: "http", authHTTPAddress: "http://10.0.0.5/auth" },
    at: "authHTTPAddress",
    good: [asks, { authMethod: "http", authHTTPAddress: "http://127.0.0.1:8080/auth" }]
  },
  {
    rule: "rtsp-plain-passwords",
    bad: { ...someone("publish"), rtspEncryption: "optional" },
    at: "rtspEncryption",
    good: [
      anybody("publish"),
      { ...someone("publish"), rtspEncryption: "strict" },
      { ...someone("publish"), rtspAuthMethods: ["digest"] },
      { ...someone("publish"), rtsp: false },
      { ...someone("publish"), rtspAddress: "127.0.0.1:8554" }
    ]
  },
  {
    rule: "rtmp-plain-passwords",
    bad: asks,
    at: "rtmpEncryption",
    good: [
      { ...asks, rtmp: false },
      { ...asks, rtmpEncryption: "strict" },
      { ...asks, rtmpAddress: "[::1]:1935" }
    ]
  },
  {
    rule: "http-plain-passwords",
    bad: { ...asks, webrtc: false },
    at: "hlsEncryption",
    good: [
      { ...asks, hls: false, webrtcEncryption: true },
      { ...asks, hlsAddress: "localhost:8888", webrtcAddress: "127.0.0.1:8889" }
    ]
  },
  { rule: "pprof-all-addresses", bad: { pprof: true }, at: "pprof", good: [{ pprof: false }] },
  {
    rule: "api-all-addresses",
    bad: { api: true, apiAddress: "0.0.0.0:9997" },
    at: "apiAddress",
    good: [{ api: true, apiAddress: "127.0.0.1:9997" }, { apiAddress: ":9997" }]
  },
  {
    rule: "metrics-all-addresses",
    bad: { metrics: true, metricsAddress: "[::]:9998" },
    at: "metricsAddress",
    good: [{ metrics: true, metricsAddress: "10.0.0.7:9998" }]
  },
  {
    rule: "trusted-proxies-any",
    bad: { hlsTrustedProxies: ["10.0.0.1", "0.0.0.0/0"] },
    at: "hlsTrustedProxies[1]",
    good: [{ hlsTrustedProxies: ["10.0.0.0/8"] }]
  },
  {
    rule: "hook-query-in-shell",
    bad: hook("sh -c 'curl http://x/?$MTX_QUERY'"),
    at: "paths.cam.runOnRead",
    good: [hook("curl -d query=$MTX_QUERY http://x/"), hook("sh -c 'echo $MTX_QUERYX'"), hook("sh /hook.sh $MTX_QUERY")]
  },
  {
    rule: "hook-query-in-shell",
    bad: { pathDefaults: { runOnAvailable: "/usr/bin/env bash -lc 'x ${MTX_QUERY}'" }, paths: { a: {}, b: {} } },
    at: "pathDefaults.runOnAvailable",
    good: []
  },
  {
    rule: "hook-query-in-shell",
    bad: hook("busybox sh -c 'x $MTX_QUERY'"),
    at: "paths.cam.runOnRead",
    good: [hook("busybox wget http://x/ --post-data q=$MTX_QUERY")]
  },
  {
    rule: "hook-name-in-shell",
    bad: hook("sh -c 'rm /tmp/$G1'", "~^cam_(.*)$"),
    at: 'paths["~^cam_(.*)$"].runOnRead',
    good: [hook("sh -c 'rm /tmp/$MTX_PATH'"), hook("rm /tmp/$G1", "~^cam_(.*)$")]
  },
  {
    rule: "hook-name-in-shell",
    bad: { pathDefaults: { runOnRead: "sh -c 'ls $MTX_PATH'" }, paths: { all_others: {} } },
    at: "pathDefaults.runOnRead",
    good: [{ pathDefaults: { runOnRead: "sh -c 'ls $MTX_PATH'" }, paths: { cam: {} } }]
  },
  {
    rule: "hook-query-argument",
    bad: hook("curl -d query=$MTX_QUERY http://x/"),
    at: "paths.cam.runOnRead",
    good: [hook("curl -d path=$MTX_PATH http://x/")]
  },
  {
    rule: "hook-image-without-shell",
    bad: { runOnConnect: "echo hello" },
    at: "runOnConnect",
    good: [{ paths: {} }],
    context: { image: "bluenviron/mediamtx:1.20.1" }
  },
  {
    rule: "hook-image-without-shell",
    bad: { paths: {} },
    at: "(config)",
    good: [],
    context: { image: "docker.io/bluenviron/mediamtx", managed: true }
  },
  {
    rule: "record-forever",
    bad: { pathDefaults: { recordDeleteAfter: "0s" }, paths: { a: { record: true }, b: { record: true } } },
    at: "pathDefaults.recordDeleteAfter",
    good: [{ paths: { a: { recordDeleteAfter: "0s" } } }, { paths: { a: { record: true, recordDeleteAfter: "2d" } } }]
  },
  {
    rule: "record-default-retention",
    bad: { paths: { a: { record: true } } },
    at: "paths.a.record",
    good: [{ paths: { a: { record: true, recordDeleteAfter: "14d" } } }, { paths: { a: {} } }]
  },
  {
    rule: "source-plain-password",
    bad: { paths: { a: { source: "rtsp://ann:secret-pw@10.0.0.7/x" } } },
    at: "paths.a.source",
    good: [
      { paths: { a: { source: "rtsps://ann:secret-pw@10.0.0.7/x" } } },
      { paths: { a: { source: "rtsp://10.0.0.7/x" } } }
    ]
  },
  { rule: "dump-packets", bad: { dumpPackets: true }, at: "dumpPackets", good: [{ dumpPackets: false }] }
]

const lintValid = (config: MediaMTXConfig, context: LintContext | undefined) => {
  const valid = validateConfig(config)
  if (Either.isLeft(valid)) throw valid.left
  return lintConfig(valid.right.config, context)
}

describe("config lint", () => {
  it.each(cases.map((item, index) => [`${item.rule} #${index}`, item] as const))("%s", (_, item) => {
    const found = lintValid(item.bad, item.context).filter(({ rule }) => rule.id === item.rule)
    expect(found.map(({ field }) => formatField(field))).toEqual([item.at])
    for (const good of item.good) {
      expect(lintValid(good, item.context).filter(({ rule }) => rule.id === item.rule)).toEqual([])
    }
  })

  it("has a case for every rule, and an id of its own for each", () => {
    const covered = new Set(cases.map(({ rule }) => rule))
    expect(lintRules.map(({ id }) => id).filter((id) => !covered.has(id))).toEqual([])
    expect(new Set(lintRules.map(({ id }) => id)).size).toBe(lintRules.length)
    expect(lintRules.every(({ severity }) => lintSeverities.includes(severity))).toBe(true)
  })

  it("takes no image for one without a shell that may have one", () => {
    const with_ = (image: string) => lintConfig({ runOnConnect: "echo hello" }, { image }).map(({ rule }) => rule.id)
    for (const image of ["bluenviron/mediamtx:latest-ffmpeg", "bluenviron/mediamtx:1.20.1-ffmpeg-rpi", "me/own:1"]) {
      expect(with_(image)).not.toContain("hook-image-without-shell")
    }
    expect(with_("bluenviron/mediamtx@sha256:00")).toContain("hook-image-without-shell")
  })

  it("repeats no secret", () => {
    const text = JSON.stringify(
      lintConfig({
        api: true,
        ...someone("api"),
        paths: { a: { source: "rtsp://ann:secret-pw@10.0.0.7/x" } }
      }).map(({ field, message }) => [field, message])
    )
    expect(text).not.toContain("secret-pw")
  })
})
