import { regex } from "arkregex"
import { describe, expect, expectTypeOf, it } from "vitest"
import { InvalidPath, type PathNameOf, path, plainConfig } from "../../src/mediamtx/TypedPath.js"

describe("path", () => {
  it("takes its name from the key, a text or a pattern", () => {
    const config = plainConfig({
      webrtc: true,
      paths: {
        fixed: path({}),
        static: path("static_path", { record: true }),
        dynamic: path(regex("dynamic_(.*)"), { maxReaders: 2 }),
        plain: {},
        nothing: null
      }
    })
    expect(config).toEqual({
      webrtc: true,
      paths: {
        fixed: {},
        static_path: { record: true },
        "~^dynamic_(.*)$": { maxReaders: 2 },
        plain: {},
        nothing: null
      }
    })
  })

  it("anchors a pattern at both ends, once", () => {
    const names = (source: string, flags?: string) => path(new RegExp(source, flags), {}).name
    expect(names("cam_(.*)")).toBe("~^cam_(.*)$")
    expect(names("^cam_(.*)$")).toBe("~^cam_(.*)$")
    expect(names("^cam_(.*)")).toBe("~^cam_(.*)$")
    expect(names("cam\\$")).toBe("~^cam\\$$")
    expect(names("a|b")).toBe("~^(?:a|b)$")
    expect(names("^a|b$")).toBe("~^(?:^a|b$)$")
    expect(names("^(a|[|)])$")).toBe("~^(a|[|)])$")
    expect(names("cam", "i")).toBe("~(?i)^cam$")
  })

  it.each([
    ["look-ahead", /^(?!x)y$/],
    ["look-behind", /(?<=x)y/],
    ["back-reference", /(a)\1/],
    ["sticky flag", /a/y]
  ])("refuses %s, which RE2 has not", (_, pattern) => {
    expect(() => path(pattern, {})).toThrow(InvalidPath)
  })

  it.each(["", "/cam", "cam/", "a/../b", "a b", "~(", "~^(?!x)"])("refuses the name %j", (name) => {
    expect(() => path(name, {})).toThrow(InvalidPath)
  })

  it("refuses two entries of one name", () => {
    expect(() => plainConfig({ paths: { a: path("b", {}), b: {} } })).toThrow(/two entries/)
    expect(() => plainConfig({ paths: { "not a name": path({}) } })).toThrow(InvalidPath)
  })

  it("has names in its type", () => {
    const paths = {
      fixed: path({}),
      static: path("static_path", {}),
      dynamic: path(regex("^dynamic_(.*)$"), {}),
      plain: {},
      empty: null
    }
    expectTypeOf<PathNameOf<typeof paths>>().toEqualTypeOf<
      "fixed" | "static_path" | `dynamic_${string}` | "plain" | "empty"
    >()
    const get = (name: PathNameOf<typeof paths>) => name
    get("dynamic_7")
    // @ts-expect-error the key is not the name
    get("static")
    // @ts-expect-error no such path
    get("other")

    const open = { all_others: {}, fixed: path({}) }
    expectTypeOf<PathNameOf<typeof open>>().toEqualTypeOf<string>()
    const untyped = { any: path(/^x/, {}) }
    expectTypeOf<PathNameOf<typeof untyped>>().toEqualTypeOf<string>()
    // @ts-expect-error a field that MediaMTX has not
    path({ recrod: true })
    // @ts-expect-error a wrong type
    path("cam", { record: "yes" })
  })
})
