import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import type { ConfigIssue } from "../../src/mediamtx/ConfigIssue.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { globalRules } from "../../src/mediamtx/GlobalRules.js"
import { pathRules } from "../../src/mediamtx/PathRules.js"
import { base, configCases } from "./configCases.js"

const issuesOf = (config: unknown): ReadonlyArray<ConfigIssue> =>
  Either.match(validateConfig(config), { onLeft: (invalid) => invalid.issues, onRight: (valid) => valid.warnings })

const brief = (issues: ReadonlyArray<ConfigIssue>) =>
  issues.map((issue) => `${issue.severity} ${issue.rule} ${issue.fieldText}`)

describe("config rules", () => {
  it("start from a base that is valid without a warning", () => {
    expect(issuesOf(base)).toEqual([])
  })

  it.each(configCases.map((item, index) => [`${item.rule} #${index}`, item] as const))("%s", (_, item) => {
    const severity = item.warning === true ? "warning" : "error"
    // Cases about old names break another rule by an old name, which has its warning of course.
    const relevant = (config: unknown) =>
      brief(issuesOf(config)).filter((text) => item.rule === "deprecated-field" || !text.includes("deprecated-field"))
    expect(relevant({ ...base, ...item.bad })).toEqual([`${severity} ${item.rule} ${item.at}`])
    expect(relevant({ ...base, ...item.good })).toEqual([])
  })

  it("all have a case", () => {
    const covered = new Set(configCases.map((item) => item.rule))
    const rules = [...globalRules, ...pathRules]
    expect(rules.map((rule) => rule.id).filter((id) => !covered.has(id))).toEqual([])
    expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length)
  })

  it("report everything at once", () => {
    const issues = issuesOf({
      ...base,
      readTimeout: 10,
      writeQueueSize: 500,
      LogLevel: "info",
      playback: true,
      playbackAddress: "",
      paths: { "/a": { source: "nope", recordPath: "x" }, b: 7 }
    })
    expect(brief(issues)).toEqual([
      "error wrong-type readTimeout",
      "error unknown-field LogLevel",
      'error path-name paths["/a"]',
      'error source-unknown paths["/a"].source',
      'error record-path-needs-path paths["/a"].recordPath',
      'error record-path-needs-time paths["/a"].recordPath',
      'error record-path-needs-microseconds paths["/a"].recordPath',
      "error wrong-type paths.b",
      "error write-queue-size-power writeQueueSize",
      "error playback-address-required playbackAddress"
    ])
  })

  it("blame pathDefaults once for what many paths inherit", () => {
    const issues = issuesOf({ ...base, pathDefaults: { recordPath: "./%path" }, paths: { a: {}, b: {}, c: {} } })
    expect(brief(issues)).toEqual(["error record-path-needs-time pathDefaults.recordPath"])
  })

  it("never show a secret", () => {
    const secret = "hunter2secret"
    const issues = issuesOf({
      ...base,
      authMethod: "http",
      authHTTPAddress: `ftp://u:${secret}@h/?token=${secret}`,
      hlsCDNSecret: `${secret} x`,
      authInternalUsers: [{ user: "any", pass: `${secret} x` }, { pass: secret }],
      webrtc: true,
      webrtcICEServers2: [{ url: `http://u:${secret}@h`, password: 73319 }],
      paths: {
        a: { source: `rtsp://${secret}@h`, srtReadPassphrase: secret.slice(0, 9) },
        b: { source: `nope://u:${secret}@h`, forward: [{ dest: `rtsp://u:${secret}^@h/${secret}` }] },
        c: { source: `rtsp://u:a#${secret}@h` },
        d: { source: `redirect`, sourceRedirect: `http://u:${secret}@h` }
      }
    })
    expect(issues.length).toBeGreaterThan(9)
    expect(JSON.stringify(issues)).not.toContain(secret.slice(0, 9))
    expect(JSON.stringify(issues)).not.toContain("73319")
    expect(JSON.stringify(issues)).toContain("is a number")
  })

  it.each([
    [{ paths: { cam: { runOnRedy: "x" } } }, "runOnAvailable"],
    [{ source: "rtsp://h" }, "pathDefaults.source"],
    [{ paths: { cam: { logLevel: "info" } } }, "logLevel at the top level"],
    [{ paths: { cam: { RECORD: true } } }, "record"],
    [{ readTimeout: 10 }, '"10s"'],
    [{ readTimeout: "10" }, '"10s"'],
    [{ metrics: "yes" }, "true"],
    [{ hlsSegmentMaxSize: 1048576 }, '"1M"'],
    [{ rtspEncryption: false }, '"no"'],
    [{ paths: { cam: { source: "publish" } } }, '"publisher"'],
    [{ paths: { cam: { source: "rtps://h" } } }, "rtsp://..."],
    [{ paths: { " cam/": {} } }, '"cam"']
  ])("suggest what was meant: %j", (config, suggestion) => {
    const issues = issuesOf({ ...base, ...config })
    expect(issues.map((issue) => issue.suggestion)).toEqual([suggestion])
  })

  it.each([[null], [undefined], [[]], ["x"], [7]])("refuse what is no object: %j", (input) => {
    expect(brief(issuesOf(input))).toEqual(["error wrong-type (config)"])
  })

  it("take no harm from names of Object's own properties", () => {
    const hostile = JSON.parse('{"__proto__": {"x": 1}, "constructor": 1, "paths": {"__proto__": {}, "toString": {}}}')
    expect(brief(issuesOf({ ...base, ...hostile }))).toEqual([
      "error unknown-field __proto__",
      "error unknown-field constructor"
    ])
  })

  it("keep paths with such names, which MediaMTX takes", () => {
    const given = JSON.parse('{"paths": {"__proto__": null, "toString": {"record": true}}}')
    const valid = Either.getOrThrow(validateConfig({ ...base, ...given }))
    expect(JSON.stringify(valid.config.paths)).toBe('{"__proto__":{},"toString":{"record":true}}')
  })
})
