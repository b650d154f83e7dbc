import { readFile } from "node:fs/promises"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { RE2JS } from "re2js"
import { assert, describe, it } from "vitest"
import { compileRe2, re2Problem } from "../../src/mediamtx/Re2.js"

const Strings = Schema.Array(Schema.String)
/** What Go 1.26 said: a pattern and its error, or a pattern, texts, and the match and groups in each (null: none). */
const Golden = Schema.parseJson(
  Schema.Array(
    Schema.Union(
      Schema.Tuple(Schema.String, Schema.String),
      Schema.Tuple(Schema.String, Strings, Schema.Array(Schema.NullOr(Strings)))
    )
  )
)

const matchOf = (pattern: string, text: string): ReadonlyArray<string> | undefined => {
  const compiled = compileRe2(pattern)
  if (typeof compiled === "string") throw new Error(compiled)
  return compiled.match(text)
}

describe("Go's regular expressions", () => {
  it("refuses what Go refuses, and finds what Go finds", async () => {
    const golden = Schema.decodeUnknownSync(Golden)(
      await readFile(new URL("../golden/go-regexp.json", import.meta.url), "utf8")
    )
    let [refused, matched] = [0, 0]
    for (const [pattern, outcome, matches] of golden) {
      const compiled = compileRe2(pattern)
      if (matches === undefined) {
        refused++
        assert.isString(compiled, JSON.stringify(pattern))
        // The text of an error names the same thing; where it ends may differ.
        const kind = (text: unknown) => String(text).replace(/: `.*/s, "")
        assert.strictEqual(kind(compiled), kind(outcome), JSON.stringify(pattern))
        continue
      }
      if (typeof compiled === "string") throw new Error(compiled)
      for (const [index, text] of [...outcome].entries()) {
        const found = compiled.match(text)
        if (found !== undefined) matched++
        assert.deepStrictEqual(found, matches[index] ?? undefined, JSON.stringify([pattern, text]))
      }
    }
    assert.isAbove(refused, 50)
    assert.isAbove(matched, 200)
  })

  it("agrees with re2js on patterns and texts of all kinds", () => {
    const atom = fc.constantFrom(
      ...[
        "a",
        "b",
        "k",
        "-",
        "_",
        "/",
        "7",
        "é",
        "Δ",
        "😀",
        "\n",
        ".",
        "^",
        "$",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "\\d",
        "\\W"
      ],
      ...["\\s", "[a-c]", "[^a]", "[]a]", "[a-]", "[[:alpha:]]", "[^\\d_]", "\\pL", "\\P{Lu}", "\\p{^Greek}", "\\x61"],
      ...["\\x{394}", "\\101", "\\.", "\\Qa.b\\E", "()", "(?:)", "(?i:k)", "(?i:[a-k])", "(?s:.)", "(?m:^)", "[\\w-]"]
    )
    const junk = fc.constantFrom(
      ...[
        "(",
        ")",
        "|",
        "*",
        "[",
        "\\",
        "{",
        "}",
        "{2}",
        "{0}",
        "{1001}",
        "(?=a)",
        "(?<!a)",
        "\\1",
        "\\pX",
        "(?i)",
        "\\E"
      ]
    )
    const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
      pattern: fc.array(tie("part"), { maxLength: 5 }).map((parts) => parts.join("")),
      part: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        { weight: 8, arbitrary: atom },
        { weight: 1, arbitrary: junk },
        { weight: 3, arbitrary: tie("pattern").map((inner) => `(${inner})`) },
        { weight: 2, arbitrary: fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(?:${a}|${b})`) },
        {
          weight: 3,
          arbitrary: fc
            .tuple(tie("part"), fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}?"))
            .map(([inner, times]) => `(?:${inner})${times}`)
        }
      )
    }))
    const text = fc.string({
      unit: fc.constantFrom(..."abckK7-_/éÉΔδ😀\n. ", "\u212a"),
      maxLength: 8
    })
    let [accepted, refused, matched] = [0, 0, 0]
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 4 }), (source, texts) => {
        let oracle: RE2JS | undefined
        try {
          oracle = RE2JS.compile(source)
        } catch {
          refused++
        }
        assert.strictEqual(re2Problem(source) === undefined, oracle !== undefined)
        if (oracle === undefined) return
        accepted++
        for (const one of texts) {
          const matcher = oracle.matcher(one)
          const found = matchOf(source, one)
          assert.strictEqual(found !== undefined, matcher.find(), one)
          if (found !== undefined) {
            matched++
            assert.strictEqual(found[0], matcher.group(0) ?? "", one)
            assert.strictEqual(found.length, matcher.groupCount() + 1)
          }
        }
      }),
      { numRuns: 2000 }
    )
    assert.isAbove(Math.min(accepted, refused, matched), 100)
  })

  it("is linear in the text, whatever the pattern", () => {
    const begun = performance.now()
    for (const pattern of ["^(a+)+$", "(a*)*b", "(a|a)*$b", "(?:a?){100}a{100}b", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
      assert.isUndefined(matchOf(pattern, `${"a".repeat(2000)}-`), pattern)
    }
    // A backtracking engine needs longer than the world is old.
    assert.isBelow(performance.now() - begun, 30_000)
  })

  it("has Go's limits, and stands what is near to them", () => {
    const problem = (source: string) => re2Problem(source)?.message ?? ""
    assert.include(problem("(".repeat(1000) + ")".repeat(1000)), "nests too deeply")
    assert.include(problem(`${"(?:".repeat(1000)}${")*".repeat(1000)}`), "nests too deeply")
    assert.include(problem("(xx?){1000}".repeat(1000)), "too large")
    assert.include(problem("((((((((((x{2}){2}){2}){2}){2}){2}){2}){2}){2}){2})"), "repeat count")
    assert.isDefined(matchOf("(".repeat(900) + ")".repeat(900), "a"))
    assert.isDefined(matchOf(`${"(?:".repeat(5000)}a${")".repeat(5000)}`, "a"))
    assert.isDefined(matchOf("a{0,1000}(?:b?){1000}", "aaab"))
  })

  it("says what is wrong, and where", () => {
    assert.deepStrictEqual(re2Problem("cam(?=x)"), {
      message: '"cam(?=x)": error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
      expected: "a regular expression in RE2 syntax (no look-around, no back-references)"
    })
  })
})
