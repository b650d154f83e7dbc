import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { assert, describe, it } from "vitest"
import * as Oracle from "yaml"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import {
  renderPath,
  renderSection,
  stringify,
  stringifyEither,
  type YamlValue,
  type YamlValueError
} from "../../src/mediamtx/Yaml.js"
import { trapStrings } from "./yamlTraps.js"

const text = fc.oneof(
  fc.constantFrom(...trapStrings),
  fc.tuple(fc.constantFrom(...trapStrings), fc.constantFrom(...trapStrings)).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" })
)
const number = fc
  .oneof(
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(1e21, 1e-7, 2 ** 53, 2 ** 60, 1e300, 5e-324, 123456789012345680000)
  )
  .map((value) => (value === 0 ? 0 : value))
const name = text.filter((value) => JSON.stringify(value).length < 400)
const { value } = fc.letrec<{ value: YamlValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 5 })
  )
}))
const document = fc.dictionary(name, value, { maxKeys: 6 })

/** Without the prototypes, which are not data. */
const data = (input: unknown): unknown => JSON.parse(JSON.stringify(input))

const rejects = (input: YamlValue): YamlValueError => {
  const result = stringifyEither(input)
  if (Either.isRight(result)) throw new Error(`was written as ${result.right}`)
  return result.left
}

describe("every reader reads back what was written", () => {
  for (const version of ["1.2", "1.1"] as const) {
    it(`YAML ${version}`, () => {
      fc.assert(
        fc.property(document, (input) => {
          assert.deepStrictEqual(data(Oracle.parse(stringify(input), { version })), data(input))
        }),
        { numRuns: 400 }
      )
    })
  }

  it("our reader of MediaMTX's dialect, without a warning", () => {
    fc.assert(
      fc.property(document, (input) => {
        const read = Either.getOrThrow(parseConfigText(stringify(input)))
        assert.deepStrictEqual(data(read.value), data(input))
        assert.deepStrictEqual(read.warnings, [])
      }),
      { numRuns: 400 }
    )
  })

  it("each trap as value, as name and as item", () => {
    for (const trap of trapStrings) {
      const input = { value: trap, items: [trap, [trap]], ...(trap.length < 1000 && { [trap]: { [trap]: trap } }) }
      for (const version of ["1.1", "1.2"] as const) {
        assert.deepStrictEqual(data(Oracle.parse(stringify(input), { version })), data(input))
      }
    }
  })

  it("any value at the top", () => {
    fc.assert(
      fc.property(value, (input) => {
        assert.deepStrictEqual(data(Oracle.parse(stringify(input))), data(input))
      })
    )
  })
})

describe("the text", () => {
  it("is what a person would write", () => {
    const config = {
      logLevel: "info",
      logDestinations: ["stdout"],
      readTimeout: "10s",
      writeQueueSize: 512,
      api: false,
      rtspEncryption: "no",
      rtspTransports: [],
      authInternalUsers: [
        {
          user: "any",
          pass: "",
          ips: [],
          permissions: [{ action: "publish", path: "" }, { action: "read" }]
        },
        {}
      ],
      pathDefaults: {},
      paths: {
        cam: { source: "rtsp://10.0.0.12:554/live", record: true, rpiCameraAWBGains: [0, 1.5] },
        all_others: {},
        "~^dyn_(.*)$": { runOnAvailable: 'wget -qO- "https://example.com/?p=$MTX_PATH"\n' },
        yes: { maxReaders: 3 }
      }
    }
    assert.strictEqual(
      stringify(config),
      String.raw`logLevel: info
logDestinations:
  - stdout
readTimeout: "10s"
writeQueueSize: 512
api: false
rtspEncryption: "no"
rtspTransports: []
authInternalUsers:
  - user: any
    pass: ""
    ips: []
    permissions:
      - action: publish
        path: ""
      - action: read
  - {}
pathDefaults: {}
paths:
  cam:
    source: "rtsp://10.0.0.12:554/live"
    record: true
    rpiCameraAWBGains:
      - 0
      - 1.5
  all_others: {}
  "~^dyn_(.*)$":
    runOnAvailable: "wget -qO- \"https://example.com/?p=$MTX_PATH\"\n"
  "yes":
    maxReaders: 3
`
    )
  })

  it("nests lists in lists", () => {
    assert.strictEqual(
      stringify({ a: [["x", ["z"]], [], [{ b: [1] }]] }),
      "a:\n  - - x\n    - - z\n  - []\n  - - b:\n        - 1\n"
    )
  })

  it("is never empty, never folded, never with a character one cannot see", () => {
    assert.strictEqual(stringify({}), "{}\n")
    assert.strictEqual(stringify([]), "[]\n")
    assert.strictEqual(stringify({ a: undefined }), "{}\n")
    assert.strictEqual(stringify({ a: "x ".repeat(5000) }).split("\n").length, 2)
    assert.strictEqual(
      stringify({ a: "\u0000\u0007\u007f\u0085\u00a0\u200b\u2028\u202e\ufeff\uffff\u{e0001}é😀" }),
      String.raw`a: "\u0000\u0007\u007F\u0085\u00A0\u200B\u2028\u202E\uFEFF\uFFFF\U000E0001é😀"
`
    )
    fc.assert(
      fc.property(document, (input) => {
        assert.match(
          stringify(input),
          /^(?:[\x20-\x7e]|[^\0-\xa0\u2028\u2029\ufeff])+(?:\n(?:[\x20-\x7e]|[^\0-\xa0\u2028\u2029\ufeff])+)*\n$/u
        )
      })
    )
  })

  it("writes numbers that stay numbers", () => {
    const written = (input: number | bigint) => stringify({ num: input }).slice(5, -1)
    assert.strictEqual(written(-0), "0")
    assert.strictEqual(written(-1.5), "-1.5")
    assert.strictEqual(written(1e21), "1.0e+21")
    assert.strictEqual(written(1e-7), "1.0e-7")
    assert.strictEqual(written(2 ** 60), "1152921504606847000.0")
    assert.strictEqual(written(18446744073709551615n), "18446744073709551615")
  })

  it("leaves out null and undefined fields, but no path", () => {
    assert.strictEqual(
      stringify({ a: null, b: undefined, paths: { cam: null, gone: undefined, on: { source: null } } }),
      'paths:\n  cam: {}\n  "on": {}\n'
    )
    assert.strictEqual(renderPath("cam", undefined), "  cam: {}\n")
    assert.strictEqual(renderSection("rtmp", null), "")
  })

  it("is the same for the same input, and not changed by what was written before", () => {
    fc.assert(
      fc.property(document, document, (one, other) => {
        const before = stringify(one)
        stringify(other)
        assert.strictEqual(stringify(structuredClone(one)), before)
      })
    )
  })
})

describe("the parts", () => {
  it("sections and paths add up to the whole", () => {
    fc.assert(
      fc.property(document, fc.dictionary(name, value, { minKeys: 1, maxKeys: 4 }), (globals, paths) => {
        const config = { ...globals, paths }
        const parts = Object.keys(config).map((key) =>
          key === "paths"
            ? `paths:\n${Object.keys(paths)
                .map((path) => renderPath(path, paths[path]))
                .join("")}`
            : renderSection(key, Object.getOwnPropertyDescriptor(config, key)?.value)
        )
        assert.strictEqual(stringify(config), parts.join(""))
      })
    )
  })

  it("an empty paths section", () => {
    assert.strictEqual(renderSection("paths", {}), "paths: {}\n")
  })
})

describe("what cannot be written is a typed error that says where", () => {
  const cyclic: { [key: string]: YamlValue } = {}
  cyclic["self"] = cyclic

  const cases: ReadonlyArray<readonly [YamlValueError["reason"], ReadonlyArray<string | number>, YamlValue]> = [
    ["notFinite", ["paths", "cam", "gain"], { paths: { cam: { gain: Number.NaN } } }],
    ["notFinite", ["list", 1], { list: [1, Number.POSITIVE_INFINITY] }],
    ["integerRange", ["n"], { n: 2n ** 64n }],
    ["integerRange", ["n"], { n: -(2n ** 63n) - 1n }],
    ["loneSurrogate", ["a", "b"], { a: { b: "x\ud800y" } }],
    ["loneSurrogate", ["a", "\udc00"], { a: { "\udc00": 1 } }],
    ["nullInList", ["a", 1, 0], { a: [1, [null]] }],
    ["nullInList", ["a", 0], { a: [undefined] }],
    ["keyTooLong", ["paths"], { paths: { ["x".repeat(1025)]: {} } }]
  ]
  for (const [reason, field, input] of cases) {
    it(`${reason} at ${field.join(".")}`, () => {
      const error = rejects(input)
      assert.strictEqual(error.reason, reason)
      assert.deepStrictEqual(error.field, field)
    })
  }

  it("objects that contain themselves", () => {
    assert.strictEqual(rejects(cyclic).reason, "tooDeep")
    const list: Array<YamlValue> = []
    list.push(list)
    assert.strictEqual(rejects({ list }).reason, "tooDeep")
  })

  it("objects that are not plain data, which would come out as {}", () => {
    // The type forbids these; callers without types, or behind a cast as here, do not.
    for (const input of [new Date(0), new Map([["a", 1]]), Redacted.make("secret"), () => 1, Symbol("s")]) {
      const error = rejects({ a: input as unknown as YamlValue })
      assert.strictEqual(error.reason, "notPlainData")
      assert.notInclude(error.message, "secret")
    }
  })

  it("the longest name that can be read back", () => {
    const input = { ["x".repeat(1024)]: 1, ["~".repeat(1022)]: 2 }
    assert.deepStrictEqual(Oracle.parse(stringify(input)), input)
    assert.deepStrictEqual(Either.getOrThrow(parseConfigText(stringify(input))).value, input)
  })
})
