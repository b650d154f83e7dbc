import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { type BusEvent, type HookRecord, layerMemory } from "../../src/services/HookBus.js"
import { LastEvents, subjectOf } from "../../src/services/internal/hookBusSubject.js"
import { RecordWindow } from "../../src/services/internal/hookBusWindow.js"
import { NodeId } from "../../src/services/NodeId.js"
import { hookBusContract } from "../../src/testing/HookBusContract.js"

hookBusContract("HookBus.layerMemory", { layer: layerMemory })

describe("LastEvents", () => {
  it("is bounded, and forgets those that were not heard of for the longest time", () => {
    const last = new LastEvents(800)
    last.set("long-lived", "read", 1, 0)
    for (let n = 0; n < 10_000; n++) {
      last.set(`s${n}`, "read", n + 2, n)
      assert.isAtMost(last.size, 800)
      // As a hook with Restart does: it is heard again and again, so it stays.
      if (n % 100 === 0) assert.strictEqual(last.repeats("long-lived", "read", n)?.cursor, 1)
    }
    assert.isUndefined(last.repeats("s0", "read", 10_000))
    assert.strictEqual(last.repeats("s9999", "read", 10_000)?.cursor, 10_001)
    assert.isAtLeast(last.size, 700)
  })

  it("forgets what ended a while ago, and never what is still open", () => {
    const last = new LastEvents()
    last.set("open", "read", 1, 0)
    last.set("ended", "unread", 2, 10)
    last.set("segment", "record_segment_complete", 3, 20)
    last.set("ended lately", "disconnect", 4, 100)
    last.forgetEnded(50)
    assert.deepStrictEqual(
      (["open", "ended", "segment", "ended lately"] as const).map(
        (subject, index) =>
          last.repeats(
            subject,
            (["read", "unread", "record_segment_complete", "disconnect"] as const)[index] ?? "init",
            60
          )?.cursor
      ),
      [1, undefined, undefined, 4]
    )
  })
})

describe("subjectOf", () => {
  it("one node can't make up the subject of another, nor one field spill into the next of another event's family", () => {
    const connect = (type: string, id: string): BusEvent => ({ event: "connect", type, id })
    const keys = [
      subjectOf("a", connect("t", "1")),
      subjectOf("a", connect("t", "2")),
      subjectOf("a.t", connect("t", "1")),
      subjectOf("a", { event: "read", path: "t", query: "", type: "t", id: "1" }),
      subjectOf("a", { event: "available", path: "t", query: "", type: "t", id: "1" }),
      subjectOf("a", { event: "online", path: "t", query: "", type: "t", id: "1" }),
      subjectOf("a", { event: "record_segment_create", path: "t", segmentPath: "1" })
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
  })
})

describe("RecordWindow", () => {
  const node = NodeId.make("north")
  const record = (cursor: number): HookRecord => ({ cursor, node, at: cursor, event: { event: "node_restarted" } })

  it("holds what an array would hold, whatever is pushed and trimmed", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 1, max: 3000 }),
        FastCheck.array(
          FastCheck.oneof(
            FastCheck.record({
              push: FastCheck.integer({ min: 1, max: 1500 }),
              gap: FastCheck.constantFrom(0, 0, 0, 3)
            }),
            FastCheck.record({ trim: FastCheck.integer({ min: 0, max: 1200 }) })
          ),
          { maxLength: 12 }
        ),
        (capacity, steps) => {
          const window = new RecordWindow(capacity)
          let model: Array<number> = []
          let cursor = 0
          for (const step of steps) {
            if ("push" in step) {
              if (step.gap > 0) model = []
              cursor += step.gap
              for (let n = 0; n < step.push; n++) {
                model.push(++cursor)
                window.push(record(cursor))
              }
              model = model.slice(-capacity)
            } else {
              const upTo = (model[0] ?? 0) + step.trim
              window.trim(upTo)
              model = model.filter((kept) => kept > upTo)
            }
            assert.strictEqual(window.size, model.length)
            assert.strictEqual(window.oldest?.cursor, model[0])
            const oldest = model[0]
            if (oldest === undefined) continue
            assert.isTrue(window.covers(oldest - 1))
            assert.isFalse(window.covers(oldest - 2))
            for (const after of [0, oldest - 1, oldest, oldest + 700, cursor - 1, cursor, cursor + 5]) {
              assert.deepStrictEqual(
                window.after(after, 50).map((kept) => kept.cursor),
                model.filter((kept) => kept > after).slice(0, 50)
              )
            }
          }
        }
      ),
      { numRuns: 40 }
    )
  })
})
