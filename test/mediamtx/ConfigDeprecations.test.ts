import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../../src/mediamtx/DeprecatedFields.js"
import { base } from "./configCases.js"
import { deprecationCases } from "./deprecationCases.js"

const run = (input: Readonly<Record<string, unknown>>) => {
  const { config, warnings } = Either.getOrThrow(validateConfig({ ...base, ...input }))
  const changed = Object.fromEntries(
    Object.entries(config).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name]))
  )
  return { changed, warnings: warnings.map((issue) => `${issue.rule} ${issue.fieldText}`) }
}

describe("old names", () => {
  it.each(deprecationCases.map((item) => [item.name, item] as const))("%s", (_, item) => {
    expect(run(item.old)).toEqual({ changed: item.live, warnings: item.warnings })
  })

  it("each have a case", () => {
    const all = JSON.stringify(deprecationCases.map((item) => item.old))
    for (const name of [...Object.keys(deprecatedGlobalFields), ...Object.keys(deprecatedPathFields)]) {
      expect(all).toContain(`"${name}":`)
    }
  })

  it("are not set when they are null, like behind the pointers that hold them", () => {
    const everything = Object.fromEntries(Object.keys(deprecatedGlobalFields).map((name) => [name, null]))
    const inPath = Object.fromEntries(Object.keys(deprecatedPathFields).map((name) => [name, null]))
    expect(run({ ...everything, pathDefaults: inPath, paths: { cam: inPath } })).toEqual({
      changed: { pathDefaults: {}, paths: { cam: {} } },
      warnings: []
    })
  })

  it("have their values checked under their own name", () => {
    const result = validateConfig({
      ...base,
      protocols: ["quic"],
      paths: { a: { runOnReady: " ", publishUser: "a b" } }
    })
    if (Either.isRight(result)) throw new Error("was taken")
    expect(result.left.issues.map((issue) => `${issue.rule} ${issue.fieldText}`)).toEqual([
      "unknown-value protocols[0]",
      "hook-blank paths.a.runOnReady",
      "invalid-credential paths.a.publishUser"
    ])
  })
})
