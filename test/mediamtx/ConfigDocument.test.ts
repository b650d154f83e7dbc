import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import { assert, describe, it } from "vitest"
import {
  type ConfigDocument,
  type ConfigSyntaxError,
  formatIssues,
  formatSyntaxError,
  type ParseConfigOptions,
  type PrintableIssue,
  parseConfigText
} from "../../src/mediamtx/ConfigDocument.js"
import { trapStrings } from "./yamlTraps.js"

const read = (text: string, options?: ParseConfigOptions): ConfigDocument =>
  Either.getOrThrowWith(parseConfigText(text, options), (error) => error)

const refuse = (text: string, options?: ParseConfigOptions): ConfigSyntaxError => {
  const result = parseConfigText(text, options)
  if (Either.isRight(result)) throw new Error(`was read as ${JSON.stringify(result.right.value)}`)
  return result.left
}

const valueOf = (text: string): unknown => read(`a: ${text}`).value["a"]

describe("scalars, as MediaMTX's loader was seen to read them", () => {
  const cases: Readonly<Record<string, unknown>> = {
    yes: true,
    Yes: true,
    YES: true,
    on: true,
    off: false,
    No: false,
    yEs: "yEs",
    y: "y",
    n: "n",
    true: true,
    True: true,
    FALSE: false,
    tRUE: "tRUE",
    '"yes"': "yes",
    "'off'": "off",
    "!!str yes": "yes",
    "[yes, no, 'no']": [true, false, "no"],
    "{k: on}": { k: true },
    null: null,
    Null: null,
    "~": null,
    "": null,
    nULL: "nULL",
    "''": "",
    "1": 1,
    "+1": 1,
    "-0": 0,
    "+-1": 1,
    "--1": "--1",
    "017": 15,
    "-010": -8,
    "08": "08",
    "00": 0,
    "0o17": 15,
    "0o8": "0o8",
    "0x1F": 31,
    "-0x1f": -31,
    "0X1F": "0X1F",
    "0x": "0x",
    "0b11": 3,
    "0b2": "0b2",
    "1_000": 1000,
    _1: "_1",
    "1_": 1,
    "0x_F": 15,
    "1.": 1,
    ".5": 0.5,
    "-.5": -0.5,
    "1.5e3": 1500,
    "1e3": "1e3",
    "1_000.5": 1000.5,
    "1.2.3": "1.2.3",
    "1.5e400": "1.5e400",
    "+.inf": "+.inf",
    ".": ".",
    "1,000": "1,000",
    "12:30": "12:30",
    "12:30:45": "12:30:45",
    "2024-01-01": "2024-01-01",
    "9007199254740991": 9007199254740991,
    "9007199254740993": 9007199254740993n,
    "18446744073709551615": 18446744073709551615n,
    "18446744073709551616": "18446744073709551616",
    "-9223372036854775808": -9223372036854775808n,
    "-9223372036854775809": "-9223372036854775809",
    "rtsp://x:80/#y": "rtsp://x:80/#y",
    "b # comment": "b",
    "b\n  c": "b c",
    '"\\uD83D\\uDE00\\x41\\N"': "😀A\u0085",
    "|\n  x\n  y\n": "x\ny\n",
    "|\n  yes": "yes",
    ">-\n  x\n  y\n": "x y",
    '!!int "3"': 3,
    "!!float 3": 3,
    '!!bool "true"': true,
    "!!null x": null
  }
  for (const [text, expected] of Object.entries(cases)) {
    it(JSON.stringify(text), () => assert.deepStrictEqual(valueOf(text), expected))
  }
})

describe("names", () => {
  it("that are not text become the text of their value, with a warning", () => {
    const { value, warnings } = read("yes: 1\n0x10: 2\n~: 3\n1.0: 4\n1234567.5: 5\n1.0e-7: 6\n007: 7\n")
    assert.sameMembers(Object.keys(value), ["true", "16", "null", "1", "1.2345675e+06", "1e-07", "7"])
    assert.deepInclude(warnings[0], { line: 1, column: 1, length: 3, message: 'MediaMTX reads this name as "true"' })
    assert.strictEqual(warnings.length, 7)
  })

  it("that are text stay, as numbers do that are written as Go prints them", () => {
    const { value, warnings } = read("\"yes\": 1\n'1.0': 2\n5: 3\n~^x$: 4\n-cam: 5\n2024-01-01: 6\n")
    assert.sameMembers(Object.keys(value), ["yes", "1.0", "5", "~^x$", "-cam", "2024-01-01"])
    assert.deepStrictEqual(warnings, [])
  })

  it("that would set a prototype are data", () => {
    const { value } = read("__proto__: {polluted: yes}\n")
    assert.deepStrictEqual(Object.keys(value), ["__proto__"])
    assert.strictEqual(Reflect.get({}, "polluted"), undefined)
  })

  for (const text of [
    "a: 1\na: 2",
    '"a": 1\na: 2',
    '1: a\n"1": b',
    "yes: 1\ntrue: 2",
    "<<: {a: 1}\n<<: {b: 1}",
    "{a: 1, a: 2}"
  ]) {
    it(`are refused twice: ${JSON.stringify(text)}`, () => {
      assert.match(refuse(text).message, /is there twice/)
    })
  }

  for (const text of ["[a]: b", "? {a: 1}\n: b", ": a", "a: {b:1}"]) {
    it(`are refused: ${JSON.stringify(text)}`, () => assert.strictEqual(refuse(text).issues[0].line, 1))
  }
})

describe("anchors and merge keys", () => {
  it("below an anchor yes is text, as for MediaMTX, with a warning", () => {
    const { value, warnings } = read("a: &x {k: yes, l: true}\nb: *x\nc: yes\n")
    assert.deepStrictEqual(value, { a: { k: "yes", l: true }, b: { k: "yes", l: true }, c: true })
    assert.include(warnings[0]?.message, "as text")
  })

  it("the last one wins, as for MediaMTX, with a warning where that surprises", () => {
    assert.deepStrictEqual(read("<<: [{a: 1}, {a: 2, b: 3}]\nb: 4\n").value, { a: 2, b: 4 })
    const { value, warnings } = read("a: 1\n<<: {a: 2}\n")
    assert.deepStrictEqual(value, { a: 2 })
    assert.deepInclude(warnings[0], { line: 2, column: 1 })
  })

  it("copies do not share objects", () => {
    const { value } = read("a: &x {k: [1]}\nb: *x\n")
    assert.deepStrictEqual(value["a"], value["b"])
    assert.notStrictEqual(value["a"], value["b"])
  })

  it("what was set by an anchor of the same name before", () => {
    assert.deepStrictEqual(read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n").value, { a: 1, b: 1, c: 2, d: 2 })
  })

  it("aliases that grow without bound, recurse or point nowhere are refused", () => {
    const letters = [..."abcdefghij"]
    const bomb = letters
      .map((letter, index) => {
        const items =
          index === 0
            ? "1, 1, 1, 1, 1, 1, 1, 1, 1"
            : Array.from({ length: 9 }, () => `*${letters[index - 1]}`).join(", ")
        return `${letter}: &${letter} [${items}]`
      })
      .join("\n")
    assert.include(refuse(bomb, { maxAliasedNodes: 10_000 }).message, "over 10000 values")
    assert.include(refuse("a: &x [*x]").message, "never end")
    assert.include(refuse("a: &x {b: [*x]}").message, "never end")
    assert.include(refuse("a: *nope").message, "no anchor &nope")
    assert.include(refuse("<<: 3").message, "<< takes")
    const merges = `d: &d {a: 1, b: 2}\npaths:\n${Array.from({ length: 1000 }, (_, index) => `  c${index}: {<<: *d}\n`).join("")}`
    assert.strictEqual(read(merges).warnings.length, 0)
  })
})

describe("whole texts", () => {
  it("CRLF, indented lists, a leading ---", () => {
    assert.deepStrictEqual(read("---\r\na:\r\n- 1\r\n- b: 2\r\n  c: 3\r\n").value, { a: [1, { b: 2, c: 3 }] })
    assert.deepStrictEqual(read('{"a": {"b": [1, null, "yes"]}}').value, { a: { b: [1, null, "yes"] } })
  })

  for (const text of ["", "\n\n", "# comment\n", "---\n", "~", "{}", "null\n"]) {
    it(`nothing is set in ${JSON.stringify(text)}`, () => {
      const document = read(text)
      assert.deepStrictEqual(document.value, {})
      assert.isTrue(document.isEmpty)
    })
  }

  it("something is set", () => assert.isFalse(read("paths:\n").isEmpty))

  const refused: ReadonlyArray<readonly [text: string, line: number, column: number, message: RegExp]> = [
    ["- a\n", 1, 1, /is a list/],
    ["hello\n", 1, 1, /single value/],
    ["a: 1\n---\nb: 2\n", 2, 1, /second document/],
    ["a: 1\n---\n", 2, 1, /second document/],
    ["---\n---\na: 1\n", 2, 1, /second document/],
    ["# x\n---\na: 1\n", 1, 1, /comment before `---`/],
    ["a: 1\n...\n# x\n", 3, 1, /comment after `\.\.\.`/],
    ["%YAML 1.1\n---\na: 1\n", 1, 1, /directives/],
    ["\ufeffa: 1\n", 1, 1, /byte order mark/],
    ["a:\n\tb: 1\n", 2, 1, /tab/],
    ["a:\n  b: 1\n\t# c\n", 3, 1, /tab/],
    ["a: 1\n\t\nb: 2\n", 2, 1, /tab/],
    ["a: .inf\n", 1, 4, /infinity/],
    ["a: -.INF\n", 1, 4, /infinity/],
    ["a: .nan\n", 1, 4, /infinity or NaN/],
    ["a: !custom b\n", 1, 12, /tag/],
    ["a: !!int x\n", 1, 10, /tag/],
    ["a: b: c\n", 1, 4, /second `:`/],
    ["a: @b\n", 1, 4, /cannot begin/],
    ["a:\n  b: 1\n c: 2\n", 3, 1, /indentation/],
    ["a: [1, 2\nb: 3\n", 2, 1, /not closed/],
    ['a: "x\n', 2, 1, /not closed/],
    ["a: 1\nb\nc: 1\n", 2, 1, /name/]
  ]
  for (const [text, line, column, message] of refused) {
    it(`refused: ${JSON.stringify(text)}`, () => {
      const [issue] = refuse(text).issues
      assert.match(issue.message, message)
      assert.deepInclude(issue, { line, column })
    })
  }

  it("a tab is fine where it is not indentation", () => {
    assert.deepStrictEqual(read('a:\tb\t# c\nd: |\n  x\n  \ty\ne: "x\n  \ty"\n').value, {
      a: "b",
      d: "x\n\ty\n",
      e: "x y"
    })
  })

  it("all errors come at once, in order", () => {
    const error = refuse("a: 1\na: 2\nb: .inf\nc: *nope\nd: {e: 1, e: 2}\n", { file: "x.yml" })
    assert.deepStrictEqual(
      error.issues.map((issue) => issue.line),
      [2, 3, 4, 5]
    )
    assert.match(error.message, /^x\.yml:2:1: .*\nx\.yml:3:4: /)
  })

  it("limits", () => {
    assert.include(refuse("a: éé", { maxBytes: 6 }).message, "longer than 6 bytes")
    assert.deepStrictEqual(read("a: éé", { maxBytes: 7 }).value, { a: "éé" })
    for (const open of ["[", "{a: ", "- ", "? "]) {
      assert.include(refuse(open.repeat(20_000)).message, "nested too deeply")
    }
    assert.include(refuse(`a: ${"[".repeat(100)}${"]".repeat(100)}`).message, "over 64 levels")
  })

  it("messages hold no text of the file but names", () => {
    for (const text of [
      "pass: hunter2\n  hunter2: }",
      "a: }hunter2",
      'pass: "hunter2',
      "- hunter2\nb: c",
      "pass: [hunter2"
    ]) {
      assert.notInclude(JSON.stringify(refuse(text)), "hunter2")
    }
  })

  it("no text makes it throw", () => {
    const soup = fc.array(
      fc.oneof(fc.constantFrom(...trapStrings, "\n", "\n  ", ": ", "- ", "\t", ", "), fc.string()),
      { maxLength: 12 }
    )
    fc.assert(
      fc.property(soup, (parts) => {
        const result = parseConfigText(parts.join(""))
        if (Either.isLeft(result)) {
          for (const issue of result.left.issues)
            assert.isTrue(issue.line >= 1 && issue.column >= 1 && issue.length >= 1)
        }
        return true
      }),
      { numRuns: 500 }
    )
  })
})

describe("positionOf", () => {
  const text = `logLevel: info
paths:
  "~^cam$":
    record: yes
    forward:
      - dest: rtmp://x
      - dest:
          long
  yes: { maxReaders: 1 }
`
  const { positionOf } = read(text)

  it("names and values", () => {
    assert.deepStrictEqual(positionOf(["logLevel"]), { line: 1, column: 1, length: 8 })
    assert.deepStrictEqual(positionOf(["logLevel"], "value"), { line: 1, column: 11, length: 4 })
    assert.deepStrictEqual(positionOf(["paths", "~^cam$"]), { line: 3, column: 3, length: 8 })
    assert.deepStrictEqual(positionOf(["paths", "~^cam$", "record"], "value"), { line: 4, column: 13, length: 3 })
    assert.deepStrictEqual(positionOf(["paths", "true", "maxReaders"]), { line: 9, column: 10, length: 10 })
  })

  it("items, by number or digits", () => {
    assert.deepStrictEqual(positionOf(["paths", "~^cam$", "forward", 0, "dest"]), { line: 6, column: 9, length: 4 })
    assert.deepStrictEqual(positionOf(["paths", "~^cam$", "forward", "1", "dest"], "value"), {
      line: 8,
      column: 11,
      length: 4
    })
    assert.deepStrictEqual(positionOf(["paths", "~^cam$", "forward", 1]), { line: 7, column: 9, length: 5 })
  })

  it("the nearest ancestor of what is not there", () => {
    assert.deepStrictEqual(positionOf(["paths", "~^cam$", "source"]), positionOf(["paths", "~^cam$"]))
    assert.deepStrictEqual(
      positionOf(["paths", "~^cam$", "forward", 7, "dest"]),
      positionOf(["paths", "~^cam$", "forward"])
    )
    assert.deepStrictEqual(positionOf(["nope"]), { line: 1, column: 1, length: 14 })
    assert.strictEqual(read("").positionOf(["nope"]), undefined)
  })

  it("what comes through an alias or a merge is where it was written, but its own name is its own", () => {
    const merged = read("d: &d\n  a: 1\nb:\n  <<: *d\n  c: 2\ne: *d\n")
    assert.deepStrictEqual(merged.positionOf(["b", "a"]), { line: 2, column: 3, length: 1 })
    assert.deepStrictEqual(merged.positionOf(["e"]), { line: 6, column: 1, length: 1 })
    assert.deepStrictEqual(merged.positionOf(["e", "a"], "value"), { line: 2, column: 6, length: 1 })
  })

  it("with CRLF and without a value", () => {
    const crlf = read("a: 1\r\nb:\r\n  c: x\r\n")
    assert.deepStrictEqual(crlf.positionOf(["b", "c"], "value"), { line: 3, column: 6, length: 1 })
    assert.deepStrictEqual(read("a:\nb: 1\n").positionOf(["a"], "value")?.line, 1)
  })
})

describe("document", () => {
  it("edits keep comments, order and spelling, and are read back as MediaMTX reads them", () => {
    const text = `# mine
rtsp: yes   # keep
readTimeout: 10s
paths:
  # the gate
  cam: {}
  "yes":
    source: publisher
`
    const { document } = read(text)
    assert.strictEqual(document.toString({ lineWidth: 0 }), text.replace("yes   #", "yes #"))
    document.setIn(["paths", "yes", "record"], true)
    document.setIn(["paths", "yes", "runOnInit"], "on")
    document.setIn(["logLevel"], "1_000")
    document.setIn(["maxReaders"], 3)
    document.setIn(["rtmp"], false)
    const edited = document.toString({ lineWidth: 0 })
    assert.include(edited, "# the gate")
    assert.include(edited, "rtsp: yes # keep")
    assert.deepStrictEqual(read(edited).value, {
      rtsp: true,
      readTimeout: "10s",
      paths: { cam: {}, yes: { source: "publisher", record: true, runOnInit: "on" } },
      logLevel: "1_000",
      maxReaders: 3,
      rtmp: false
    })
  })
})

describe("formatIssues", () => {
  const text = `paths:
  cam:
    sorce: publisher
    source: rtsp://admin:p@ss/word@10.0.0.1:554/x?token=abc
    srtReadPassphrase: short secret # comment
    runOnInit: 'curl -u bob:hunter2 -H "Authorization: Bearer abcdef" http://h/?k=v'
authInternalUsers:
  - {user: bob, pass: "hunter 2", ips: []}
  - pass:
      hunter2
`
  const document = read(text)
  const print = (issue: Partial<PrintableIssue> & Pick<PrintableIssue, "field">, color = false) =>
    formatIssues({
      text,
      file: "mediamtx.yml",
      color,
      positionOf: document.positionOf,
      issues: [{ severity: "error", message: "is wrong", ...issue }]
    })

  it("prints like a compiler", () => {
    assert.strictEqual(
      print({
        field: ["paths", "cam", "sorce"],
        message: "unknown field",
        rule: "unknown-field",
        expected: "a field of a path",
        suggestion: "source",
        hint: "names are case-sensitive"
      }),
      `mediamtx.yml:3:5: error: unknown field [unknown-field]
  3 |     sorce: publisher
    |     ^^^^^
    = expected: a field of a path
    = did you mean \`source\`?
    = hint: names are case-sensitive
`
    )
  })

  it("without a position it names the field", () => {
    assert.strictEqual(
      formatIssues({ text: "", file: "x.yml", issues: [{ severity: "warning", message: "no", field: ["a", "b"] }] }),
      "x.yml: warning: no (at a.b)\n"
    )
    assert.strictEqual(formatIssues({ text: "", file: "x.yml", issues: [] }), "")
  })

  it("masks secrets on the source line", () => {
    assert.include(print({ field: ["paths", "cam", "source"] }), "source: rtsp://***@10.0.0.1:554/x?***\n")
    assert.include(print({ field: ["paths", "cam", "srtReadPassphrase"] }), "    srtReadPassphrase: ***\n")
    assert.include(
      print({ field: ["paths", "cam", "runOnInit"] }),
      `runOnInit: 'curl -u *** -H "Authorization: ***" http://h/?***'\n`
    )
    assert.include(print({ field: ["authInternalUsers", 0, "ips"] }), "  - {user: bob, pass: ***, ips: []}\n")
    const { line, column } = document.positionOf(["authInternalUsers", 1, "pass"], "value") ?? { line: 0, column: 0 }
    assert.strictEqual(line, 10)
    assert.include(
      print({ field: ["authInternalUsers", "1", "pass"], position: { line, column, length: 7 } }),
      "10 |       ***\n    |       ^^^\n"
    )
    assert.include(print({ field: [], position: { line, column, length: 7 } }), "10 |       ***\n")
  })

  it("the underline follows the masked text", () => {
    const ips = document.positionOf(["authInternalUsers", 0, "ips"])
    const [, source = "", underline = ""] = print({ field: ["authInternalUsers", 0, "ips"], position: ips }).split("\n")
    assert.strictEqual(underline.indexOf("^"), source.indexOf("ips"))
    assert.strictEqual(underline.trimEnd().length - underline.indexOf("^"), 3)
  })

  it("masks URLs and credentials in what it is told to say", () => {
    const out = print({
      field: ["paths", "cam", "source"],
      message: 'invalid source "rtsp://u:p@h/?a=b"\nsecond line',
      expected: "like rtsp://u:p@h/",
      suggestion: "rtsps://u:p@h/"
    })
    assert.notMatch(out, /u:p|a=b/)
    assert.include(out.split("\n")[0], "second line")
  })

  it("never lets the file or a message steer the terminal", () => {
    const evil = "a: \u001b[2J\u202e\tb\n"
    const out = formatIssues({
      text: evil,
      file: "x\u001b.yml",
      issues: [{ severity: "error", message: "no\u001b[0m", field: ["a"], position: { line: 1, column: 1, length: 1 } }]
    })
    assert.notMatch(out, /[\u001b\u202e\t]/)
  })

  it("long lines are cut around the underline", () => {
    const long = `a: ${"x".repeat(500)}HERE${"y".repeat(500)}\n`
    const out = formatIssues({
      text: long,
      file: "x",
      issues: [{ severity: "error", message: "m", field: ["a"], position: { line: 1, column: 504, length: 4 } }]
    })
    const [, source = "", underline = ""] = out.split("\n")
    assert.isBelow(source.length, 180)
    assert.strictEqual(underline.indexOf("^^^^"), source.indexOf("HERE"))
  })

  it("a line of a megabyte is no denial of service", () => {
    for (const part of ["x", " ", "-", "key", "'", '"', "a:", "key: ", "://", " - ", "=", "pass "]) {
      const line = part.repeat(1_000_000 / part.length)
      const out = formatIssues({
        text: line,
        file: "x",
        issues: [{ severity: "error", message: "m", field: [], position: { line: 1, column: 500_000 } }]
      })
      assert.isBelow(out.length, 1000)
    }
  })

  it("colours only if asked", () => {
    assert.notInclude(print({ field: ["paths"] }), "\u001b")
    assert.include(print({ field: ["paths"] }, true), "\u001b[1;31merror:\u001b[0m")
  })

  it("no secret of a text comes out, wherever the issue is", () => {
    const secret = "Hunter2Hunter2"
    const lines = [
      `pass: ${secret}`,
      `hlsCDNSecret: "${secret}"`,
      `'password' : ${secret}`,
      `- pass: ${secret}`,
      `x: {a: 1, token: ${secret}}`,
      `source: rtsp://u:${secret}@h/`,
      `source: srt://h?streamid=read:x:u:${secret}`,
      `authHTTPAddress: https://m/auth?token=${secret}`,
      `runOnInit: wget --header "X-Key: ${secret}" http://h/`,
      `runOnInit: wget --password=${secret} http://h/`,
      `runOnInit: wget --http-password ${secret} -O x`,
      `runOnInit: ffmpeg -i "rtsp://u:${secret}@h/"`,
      `runOnInit: curl -H 'authorization: Basic ${secret}' http://h/`,
      `rtspServerKey: |\n  ${secret}\n  ${secret}`
    ]
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.nat(3), fc.nat(60), fc.nat(60), (line, row, column, length) => {
        const out = formatIssues({
          text: `first: 1\n${line}\nlast: 1\n`,
          file: "x",
          issues: [
            {
              severity: "error",
              message: "m",
              field: [],
              position: { line: row + 1, column: column + 1, length: length + 1 }
            }
          ]
        })
        assert.notInclude(out, "Hunter2")
      }),
      { numRuns: 2000 }
    )
  })

  it("syntax errors", () => {
    const bad = "logLevel: info\npass: hunter2\npass: hunter3\n"
    assert.strictEqual(
      formatSyntaxError(refuse(bad, { file: "m.yml" }), bad),
      `m.yml:3:1: error: the name "pass" is there twice
  3 | pass: ***
    | ^^^^
    = hint: keep one of the two
`
    )
  })
})
