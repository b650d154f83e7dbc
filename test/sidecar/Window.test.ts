import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import {
  formatTime,
  gapsBetween,
  type Interval,
  isCovered,
  NEGLIGIBLE,
  parseTime,
  plan
} from "../../src-sidecar/playback/Window.js"

const base = Date.parse("2026-01-31T12:00:00Z") * 1000
const second = 1_000_000
const at = (start: number, end: number): Interval => ({ start: base + start * second, end: base + end * second })

describe("times", () => {
  it("keeps microseconds, rounds the rest up, reads zones", () => {
    assert.strictEqual(parseTime("2026-01-31T12:00:00.000250Z"), base + 250)
    assert.strictEqual(parseTime("2026-01-31T12:00:00.0000001Z"), base + 1)
    assert.strictEqual(parseTime("2026-01-31T14:00:00+02:00"), base)
    assert.strictEqual(parseTime("2026-01-31T12:00:00.999999999Z"), base + second)
    for (const text of ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z"]) {
      assert.isUndefined(parseTime(text), text)
    }
  })

  it("what is written is read again", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 0, max: base * 2 }), (micros) => {
        assert.strictEqual(parseTime(formatTime(micros)), micros)
      })
    )
  })
})

describe("plan", () => {
  it("cuts by spans, and names what is missing", () => {
    const found = plan(at(0, 30), [at(20, 40), at(-5, 10)])
    assert.deepStrictEqual(found.pieces, [at(0, 10), at(20, 30)])
    assert.deepStrictEqual(found.gaps, [at(10, 20)])
  })

  it("begins with the first span and ends with the last", () => {
    assert.deepStrictEqual(plan(at(0, 30), [at(4, 26)]), { pieces: [at(4, 26)], gaps: [at(0, 4), at(26, 30)] })
    assert.deepStrictEqual(plan(at(0, 30), []), { pieces: [], gaps: [at(0, 30)] })
  })

  it("asks for no seam between segments", () => {
    const found = plan(at(0, 10), [at(0, 5), at(5.02, 10)])
    assert.deepStrictEqual(found.gaps, [])
    assert.strictEqual(found.pieces.length, 2)
  })

  it("a window is covered when a span reaches its end", () => {
    assert.isTrue(isCovered(at(0, 10), [at(-3, 2), at(8, 10)]))
    assert.isFalse(isCovered(at(0, 10), [at(0, 9.999)]))
    assert.isFalse(isCovered(at(0, 10), [at(10, 20)]))
  })

  const spans = FastCheck.array(
    FastCheck.tuple(FastCheck.integer({ min: -60_000, max: 60_000 }), FastCheck.integer({ min: 1, max: 40_000 })),
    { maxLength: 8 }
  ).map((list) => list.map(([start, length]) => at(start / 1000, (start + length) / 1000)))

  it("pieces lie in the window and in one span each, in order, and with the gaps they make up the window", () => {
    FastCheck.assert(
      FastCheck.property(spans, (spans) => {
        const window = at(0, 30)
        const { gaps, pieces } = plan(window, spans)
        let before = window.start
        for (const { end, start } of pieces) {
          assert.isAtLeast(start, before)
          assert.isAbove(end, start)
          assert.isTrue(spans.some((span) => span.start <= start && end <= span.end))
          before = end
        }
        assert.isAtMost(before, window.end)
        const all = [...pieces, ...gaps].sort((a, b) => a.start - b.start)
        let covered = window.start
        for (const { end, start } of all) {
          assert.isBelow(Math.abs(start - covered), NEGLIGIBLE)
          covered = end
        }
        assert.isBelow(Math.abs(window.end - covered), NEGLIGIBLE)
        assert.deepStrictEqual(gapsBetween(window, pieces), gaps)
      })
    )
  })
})
