import { describe, expect, it } from "vitest"
import { effectivePath } from "../../src/mediamtx/EffectivePath.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { makePathMatcher, matchPath } from "../../src/mediamtx/PathMatch.js"

describe("effectivePath", () => {
  const config = {
    pathDefaults: { record: true, maxReaders: 5 },
    paths: { cam: { maxReaders: 7, source: "rtsp://h", recordPath: undefined }, empty: null }
  }

  it("lays the path over pathDefaults over the defaults", () => {
    const path = effectivePath(config, "cam")
    expect(Object.keys(path ?? {}).sort()).toEqual(Object.keys(pathFields).sort())
    expect(path).toMatchObject({
      name: "cam",
      maxReaders: 7,
      record: true,
      source: "rtsp://h",
      recordPath: pathFields.recordPath.default,
      runOnRead: ""
    })
    expect(effectivePath(config, "empty")).toMatchObject({ name: "empty", maxReaders: 5, source: "publisher" })
  })

  it("has nothing for a key that is not there", () => {
    expect(effectivePath(config, "other")).toBeUndefined()
    expect(effectivePath(config, "toString")).toBeUndefined()
    expect(effectivePath({}, "cam")).toBeUndefined()
  })
})

describe("matchPath", () => {
  const match = (keys: ReadonlyArray<string>, name: string) => makePathMatcher(keys)(name)

  it.each([
    ["the exact name first", ["cam1", "~^cam", "all_others"], "cam1", "cam1", []],
    ["a regular expression before the catch-all", ["all_others", "~^cam(.*)$"], "cam7", "~^cam(.*)$", ["7"]],
    ["the first regular expression in byte order", ["~^c(.)m", "~^b", "~(am)"], "cam", "~(am)", ["am"]],
    ["the catch-all last, whatever its place", ["all", "~z"], "az", "~z", []],
    ["the catch-all for all the rest", ["all", "~z"], "a", "all", []],
    ["a catch-all that is written as an expression in its own place", ["~^.*$", "~^a"], "ab", "~^.*$", []],
    ["an expression anywhere in the name", ["~am"], "x/cam/y", "~am", []],
    ["groups that took no part as empty", ["~^(a)|(b)$"], "b", "~^(a)|(b)$", ["", "b"]]
  ] as const)("finds %s", (_, keys, name, key, groups) => {
    expect(match(keys, name)).toEqual({ key, groups })
  })

  it.each(["", "/a", "a/", "a/../b", "a b", "a?b"])(
    "refuses the name %j before it tries a regular expression",
    (name) => {
      expect(match(["all_others", "~.*"], name)).toBeUndefined()
    }
  )

  it("finds nothing where nothing fits", () => {
    expect(match(["cam", "~^x"], "other")).toBeUndefined()
    expect(matchPath({}, "cam")).toBeUndefined()
    expect(matchPath({ paths: { cam: null } }, "cam")).toEqual({ key: "cam", groups: [] })
  })
})
