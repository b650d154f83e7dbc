import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { formatField, InvalidConfig } from "../../src/mediamtx/ConfigIssue.js"
import { makeConfigValidator, type ValidConfig, validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { MediaMTXConfigSchema } from "../../src/mediamtx/MediaMTXConfigSchema.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { base, configCases } from "./configCases.js"

const valid = (input: unknown): ValidConfig => Either.getOrThrow(validateConfig(input))
const isValid = (input: unknown) => Either.isRight(validateConfig(input))

/** A path with eighty fields set, as a new object. */
const bigPath = () =>
  Object.fromEntries(
    Object.entries(pathFields)
      .slice(1, 81)
      .map(([name, row]) => [name, structuredClone(row.default)])
  )

const manyPaths = (count: number): Record<string, Record<string, unknown>> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`cam${index}`, bigPath()]))

describe("validateConfig", () => {
  it("hands back the very objects that needed no rewriting", () => {
    const config = { ...base, pathDefaults: { record: true }, paths: { a: { maxReaders: 3 }, "~^b": {} } }
    const result = valid(config)
    expect(result.config).toBe(config)
    expect(result.warnings).toEqual([])
  })

  it("hands back the same path objects beside one that needed rewriting", () => {
    const same = { maxReaders: 3 }
    const result = valid({
      ...base,
      paths: { same, old: { runOnReady: "true" }, empty: null, record: { record: null } }
    })
    expect(result.config.paths?.["same"]).toBe(same)
    expect(result.config.paths).toEqual({ same, old: { runOnAvailable: "true" }, empty: {}, record: {} })
  })

  it("does not touch what it was given", () => {
    const freeze = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return
      Object.freeze(value)
      for (const item of Object.values(value)) freeze(item)
    }
    for (const item of configCases) {
      const config = structuredClone({ ...base, ...item.bad })
      const before = JSON.stringify(config)
      freeze(config)
      validateConfig(config)
      expect(JSON.stringify(config)).toBe(before)
    }
  })

  it("takes nulls and undefineds out, everywhere", () => {
    const result = valid({
      ...base,
      logFile: null,
      hlsPartDuration: null,
      sysLogPrefix: undefined,
      authInternalUsers: [{ user: "u", pass: null, permissions: [{ action: "read", path: null }] }],
      paths: { a: { source: null, recordPartDuration: null, forward: null, record: true, maxReaders: undefined } }
    })
    expect(result.config).toEqual({
      ...base,
      // A null duration is 0 for MediaMTX where no path is around it.
      hlsPartDuration: "0s",
      authInternalUsers: [{ user: "u", permissions: [{ action: "read" }] }],
      paths: { a: { record: true } }
    })
    expect(Object.keys(result.config)).not.toContain("sysLogPrefix")
    expect(JSON.stringify(result.config)).not.toContain("null")
  })

  it("takes its own results, without anything left to say about old names", () => {
    for (const item of configCases) {
      for (const input of [item.bad, item.good]) {
        const result = validateConfig({ ...base, ...input })
        if (Either.isLeft(result)) continue
        const again = valid(result.right.config)
        expect(again.config).toBe(result.right.config)
        expect(again.warnings.filter((issue) => /deprecated|alias/.test(issue.rule))).toEqual([])
      }
    }
  })

  it("has a readable message", () => {
    const result = validateConfig({ ...base, paths: { "~^a.b$": { recrod: true }, "1": { record: "yes" } } })
    if (Either.isRight(result)) throw new Error("was taken")
    expect(result.left).toBeInstanceOf(InvalidConfig)
    expect(result.left.message).toBe(
      [
        "the MediaMTX config is invalid: 2 errors",
        '  error paths["1"].record: is the text "yes" (expected true or false; did you mean true?) [wrong-type]',
        '  error paths["~^a.b$"].recrod: is not a field of MediaMTX (expected a known field, in exact case; did you mean record?) [unknown-field]'
      ].join("\n")
    )
  })

  it("survives being sent as JSON", () => {
    const result = validateConfig({ readTimeout: 1 })
    if (Either.isRight(result)) throw new Error("was taken")
    const encoded = JSON.parse(JSON.stringify(Schema.encodeSync(InvalidConfig)(result.left)))
    const decoded = Schema.decodeUnknownSync(InvalidConfig)(encoded)
    expect(decoded.issues).toEqual(result.left.issues)
    expect(encoded._tag).toBe("InvalidConfig")
  })

  it("never throws, whatever it is given", () => {
    const names = [
      ...Object.keys(globalFields),
      ...Object.keys(pathFields),
      "runOnReady",
      "publishPass",
      "protocols",
      "x"
    ]
    const value = FC.oneof(
      { maxDepth: 3 },
      FC.anything(),
      FC.constantFrom(null, undefined, "", "10s", 0, true, [], {}, [{}], [null])
    )
    const object = FC.dictionary(FC.constantFrom(...names), value, { maxKeys: 6 })
    FC.assert(
      FC.property(
        object,
        object,
        FC.dictionary(
          FC.oneof(FC.constantFrom("a", "~^a", "all", "~(", "__proto__"), FC.string()),
          FC.oneof(object, value),
          {
            maxKeys: 4
          }
        ),
        (globals, pathDefaults, paths) => {
          const result = validateConfig({ ...globals, pathDefaults, paths })
          if (Either.isLeft(result)) expect(result.left.errors.length).toBeGreaterThan(0)
          else expect(isValid(result.right.config)).toBe(true)
        }
      ),
      { numRuns: 500 }
    )
  })
})

describe("MediaMTXConfigSchema", () => {
  it("accepts, refuses and rewrites exactly like validateConfig", () => {
    const decode = Schema.decodeUnknownEither(MediaMTXConfigSchema, { errors: "all" })
    for (const item of configCases) {
      for (const input of [
        { ...base, ...item.bad },
        { ...base, ...item.good }
      ]) {
        const ours = validateConfig(input)
        const schema = decode(input)
        expect([item.rule, Either.isRight(schema)]).toEqual([item.rule, Either.isRight(ours)])
        if (Either.isRight(ours) && Either.isRight(schema)) expect(schema.right).toEqual(ours.right.config)
        if (Either.isLeft(ours) && Either.isLeft(schema)) {
          for (const issue of ours.left.errors) expect(schema.left.message).toContain(issue.message)
        }
      }
    }
  })
})

describe("ConfigValidator", () => {
  it("sees a change of a path object that is not frozen", () => {
    const validator = makeConfigValidator()
    const cam: Record<string, unknown> = { record: true, forward: [{ dest: "rtsp://h" }] }
    const config = { ...base, paths: { cam } }
    const fine = () => Either.isRight(validator.validate(config))
    expect(fine()).toBe(true)
    cam["recordPath"] = "x"
    expect(fine()).toBe(false)
    delete cam["recordPath"]
    expect(fine()).toBe(true)
    const forward = cam["forward"]
    if (Array.isArray(forward)) forward[0].dest = "nope"
    expect(fine()).toBe(false)
    cam["forward"] = []
    expect(fine()).toBe(true)
    cam["source"] = cam["record"]
    expect(fine()).toBe(false)
  })

  it("sees a change inside of a list of a frozen path object", () => {
    const validator = makeConfigValidator()
    const forward = [{ dest: "rtsp://h" }]
    const config = { ...base, paths: { cam: Object.freeze({ forward }) } }
    expect(Either.isRight(validator.validate(config))).toBe(true)
    forward.push({ dest: "" })
    expect(Either.isRight(validator.validate(config))).toBe(false)
  })

  it("sees that an object was changed and then frozen", () => {
    const validator = makeConfigValidator()
    const cam: Record<string, unknown> = {}
    expect(Either.isRight(validator.validate({ ...base, paths: { cam } }))).toBe(true)
    cam["record"] = "yes"
    Object.freeze(cam)
    expect(Either.isRight(validator.validate({ ...base, paths: { cam } }))).toBe(false)
  })

  it("checks the same path object anew under other defaults, globals and kinds of name", () => {
    const validator = makeConfigValidator()
    const cam = Object.freeze({ runOnInit: "true", recordSegmentDuration: "12h" })
    const rules = (config: object) =>
      Either.match(validator.validate({ ...base, ...config }), {
        onLeft: (invalid) => invalid.issues.map((issue) => `${issue.rule} ${issue.fieldText}`),
        onRight: () => []
      })
    expect(rules({ paths: { cam } })).toEqual([])
    expect(rules({ pathDefaults: { recordDeleteAfter: "1h" }, paths: { cam } })).toEqual([
      "record-delete-after-min paths.cam.recordSegmentDuration"
    ])
    expect(rules({ recordDeleteAfter: "1h", paths: { cam } })).toContain(
      "record-delete-after-min paths.cam.recordSegmentDuration"
    )
    expect(rules({ paths: { cam, "~^x": cam } })).toEqual(['run-on-init-regex paths["~^x"].runOnInit'])
    expect(rules({ playback: true, pathDefaults: { recordPath: "%path%s" }, paths: { cam } })).toEqual([
      "record-path-needs-microseconds pathDefaults.recordPath"
    ])
    expect(rules({ paths: { cam } })).toEqual([])
  })

  it("says the same from memory as anew", () => {
    const validator = makeConfigValidator()
    for (const round of [1, 2]) {
      for (const item of configCases) {
        const config = { ...base, ...item.bad }
        const [remembered, anew] = [validator.validate(config), makeConfigValidator().validate(config)]
        const issues = (result: typeof anew) =>
          Either.match(result, { onLeft: (invalid) => invalid.issues, onRight: (ok) => ok.warnings })
        expect([round, issues(remembered)]).toEqual([round, issues(anew)])
      }
    }
  })

  it("is quick with a thousand big paths, and quicker when one changed", () => {
    const validator = makeConfigValidator()
    const time = (run: () => void) => {
      const start = performance.now()
      run()
      return performance.now() - start
    }
    const paths = manyPaths(1000)
    for (const path of Object.values(paths)) Object.freeze(path)
    const cold = time(() => expect(Either.isRight(validator.validate({ ...base, paths }))).toBe(true))
    const warm = Array.from({ length: 9 }, (_, index) => {
      const next = { ...paths, [`cam${index}`]: { ...bigPath(), record: true } }
      return time(() => expect(Either.isRight(validator.validate({ ...base, paths: next }))).toBe(true))
    }).sort((a, b) => a - b)
    // Generous: the point is that it does not check everything again. The bench has the real figures.
    expect(warm[4]).toBeLessThan(cold / 2)
  })
})

describe("formatField", () => {
  it.each([
    [[], "(config)"],
    [["paths", "cam", "record"], "paths.cam.record"],
    [["paths", "7", "forward", "0", "dest"], 'paths["7"].forward[0].dest'],
    [["paths", "a-b"], 'paths["a-b"]'],
    [["paths", 'a"b'], 'paths["a\\"b"]']
  ])("%j", (field, expected) => expect(formatField(field)).toBe(expected))
})
