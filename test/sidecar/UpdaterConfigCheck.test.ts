/** What the updater refuses, what it only warns of, and by what it recognises that a change is in force. */
import { assert, describe, it } from "@effect/vitest"
import { checkConfig } from "../../src-sidecar/updater/ConfigCheck.js"
import { rendered } from "../support/Sidecar.js"

const base = "api: yes\napiAddress: :9997\npaths:\n  cam: {}\n  old: {record: no}"
const check = (text: string, more: { readonly serverVersion?: string; readonly previous?: string } = {}) =>
  checkConfig({ text: rendered(text), ...more })

describe("checkConfig", () => {
  it("accepts a config", () => {
    assert.deepStrictEqual(check(base), { accepted: true, problems: [], warnings: [], apiStays: true, probes: [] })
  })

  it.each([
    ["no last line", "paths: {}\n", /part of it is missing/],
    ["nothing but the last line", rendered(""), /part of it is missing/],
    ["something after the last line", `${rendered("paths: {}")}paths2: {}\n`, /part of it is missing/],
    ["only comments", rendered("# hello"), /sets nothing/],
    ["broken YAML", rendered("paths: [\n"), /line \d+/],
    ["a duplicate key", rendered("paths: {}\npaths: {}"), /line 2/],
    ["a boolean where MediaMTX wants a word", rendered("rtspEncryption: no"), /rtspEncryption/],
    [
      "a rule that is broken",
      rendered("paths:\n  cam: {recordDeleteAfter: 1m, recordSegmentDuration: 1h}"),
      /recordDelete/
    ]
  ])("refuses %s, whatever the version", (_, text, says) => {
    for (const serverVersion of [undefined, "v1.20.1"]) {
      const verdict = checkConfig({ text, ...(serverVersion === undefined ? {} : { serverVersion }) })
      assert.isFalse(verdict.accepted)
      assert.match(verdict.problems.join("\n"), says)
    }
  })

  it("refuses what is unreadable or empty also for a newer MediaMTX, and leaves its rules to the manager", () => {
    const serverVersion = "v9.1.0"
    assert.isFalse(check("paths: [", { serverVersion }).accepted)
    assert.isFalse(check("# nothing", { serverVersion }).accepted)
    const verdict = check("rtspEncryption: sometimes\nnewField: 1", { serverVersion })
    assert.isTrue(verdict.accepted)
    assert.match(verdict.warnings.join("\n"), /rtspEncryption/)
    assert.match(verdict.warnings.join("\n"), /newField/)
  })

  it("an unknown field is refused only when the server is surely one that ends at it", () => {
    const text = `${base}\nnewField: 1`
    assert.isFalse(check(text, { serverVersion: "v1.20.1" }).accepted)
    assert.isFalse(check(text, { serverVersion: "v1.15.0" }).accepted)
    for (const more of [{}, { serverVersion: "v1.21.0" }, { serverVersion: "" }]) {
      const verdict = check(text, more)
      assert.isTrue(verdict.accepted)
      assert.match(verdict.warnings.join("\n"), /newField/)
    }
  })

  it("never shows a secret", () => {
    const verdict = check('authInternalUsers:\n  - {user: a, pass: "s3cret!", permissions: 7}\npaths: {}')
    assert.notInclude(JSON.stringify(verdict), "s3cret")
  })

  it("knows whether the API stays where it was", () => {
    const previous = rendered(base)
    assert.isTrue(check(`${base}\nlogLevel: debug`, { previous }).apiStays)
    assert.isFalse(check("api: no\npaths: {}", { previous }).apiStays)
    assert.isFalse(check(base.replace(":9997", ":9998"), { previous }).apiStays)
    assert.isFalse(check(`${base}\napiEncryption: yes`, { previous }).apiStays)
    assert.isFalse(check("paths: {}").apiStays)
  })

  it("names what differs as the API shows it", () => {
    const verdict = check(
      "api: yes\napiAddress: :9997\nlogLevel: debug\nreadTimeout: 20s\npathDefaults: {maxReaders: 3}\npaths:\n" +
        "  old: {record: yes}\n  new/one: {}\n  ~^x(.*)$: {}",
      { previous: rendered(base) }
    )
    assert.deepStrictEqual(verdict.probes, [
      { get: "global/get", field: "logLevel", was: "info", now: "debug" },
      { get: "pathdefaults/get", field: "maxReaders", was: 0, now: 3 },
      { get: "paths/get/old", field: "record", was: false, now: true },
      { get: "paths/get/new/one", was: false, now: true },
      { get: "paths/get/~%5Ex(.*)%24", was: false, now: true },
      { get: "paths/get/cam", was: true, now: false }
    ])
  })

  it("asks a few things only, however much differs", () => {
    const many = Array.from({ length: 2_000 }, (_, index) => `  path${index}: {}`).join("\n")
    assert.strictEqual(check(`${base}\n${many}`, { previous: rendered(base) }).probes.length, 8)
    assert.strictEqual(check(base, { previous: rendered(`${base}\n${many}`) }).probes.length, 8)
  })
})
