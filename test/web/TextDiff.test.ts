/** The differences that are shown between two texts. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type DiffLine, diffLines } from "../../src/web/parts/TextDiff.js"

const sideOf = (lines: ReadonlyArray<DiffLine>, other: DiffLine["kind"]) =>
  lines.filter(({ kind }) => kind !== other).map(({ text }) => text)

/** How many lines two lists share at most, in order: by the textbook's table. */
const shared = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const line of a) {
    const next = [0]
    for (const [j, other] of b.entries()) {
      next.push(line === other ? (row[j] ?? 0) + 1 : Math.max(row[j + 1] ?? 0, next[j] ?? 0))
    }
    row = next
  }
  return row[b.length] ?? 0
}

describe("diffLines", () => {
  it("shows what was taken out and what was put in", () => {
    const show = (a: string, b: string) =>
      diffLines(a.split(" "), b.split(" "))
        .map(({ kind, text }) => ({ same: "", out: "-", in: "+" })[kind] + text)
        .join(" ")
    assert.strictEqual(show("a b c", "a b c"), "a b c")
    assert.strictEqual(show("a b c", "a x c"), "a -b +x c")
    assert.strictEqual(show("a b c", "b c d"), "-a b c +d")
    assert.strictEqual(show("a b", "c d"), "-a -b +c +d")
  })

  it("has both texts in it, and as much of them as one as there can be", () => {
    const text = FastCheck.array(FastCheck.constantFrom("a", "b", "c", "d"), { maxLength: 30 })
    FastCheck.assert(
      FastCheck.property(text, text, (a, b) => {
        const lines = diffLines(a, b)
        assert.deepStrictEqual(sideOf(lines, "in"), a)
        assert.deepStrictEqual(sideOf(lines, "out"), b)
        assert.strictEqual(lines.filter(({ kind }) => kind === "same").length, shared(a, b))
      }),
      { numRuns: 500 }
    )
  })

  it("gives up on texts that have nothing in common, in time", () => {
    const [a, b] = ["a", "b"].map((of) => Array.from({ length: 5_000 }, (_, i) => `${of}${i}`))
    const lines = diffLines(a ?? [], b ?? [])
    assert.deepStrictEqual(sideOf(lines, "in"), a)
    assert.deepStrictEqual(sideOf(lines, "out"), b)
  })
})
