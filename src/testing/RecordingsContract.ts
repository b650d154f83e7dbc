/**
 * What every Recordings layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * recordingsContract("Recordings.layerMemory", { layer: Recordings.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { recordPath } from "../mediamtx/RecordPath.js"
import * as HookBus from "../services/HookBus.js"
import { NodeId } from "../services/NodeId.js"
import {
  pump,
  Recordings,
  type RecordingsOptions,
  type RecordingsShape,
  type RecordingTimeline
} from "../services/Recordings.js"
import type { RecordSettings } from "../services/RecordSettings.js"

export interface RecordingsContractOptions<E> {
  /** Makes an empty index of its own each time that the layer is built. */
  readonly layer: (options?: RecordingsOptions) => Layer.Layer<Recordings, E>
  /** For durable layers: gives layers over one new storage, to be built one after the other. */
  readonly storage?: Effect.Effect<(options?: RecordingsOptions) => Layer.Layer<Recordings, E>, never, Scope.Scope>
}

const north = NodeId.make("north")
const south = NodeId.make("south")

/** 2026-01-01T00:00:00Z. */
const T = 1_767_225_600_000
const template = Either.getOrThrow(recordPath("/rec/%path/%Y-%m-%d_%H-%M-%S-%f"))
const settings: RecordSettings = {
  recordPath: template,
  segmentDuration: Duration.seconds(10),
  partDuration: Duration.seconds(1),
  deleteAfter: Duration.hours(1)
}
const known: RecordingsOptions = { settings: () => Effect.succeed(settings) }

type Event = HookBus.HookRecord["event"]
const file = (path: string, start: number) => template.render(path, T + start)
const create = (path: string, start: number): Event => ({
  event: "record_segment_create",
  path,
  segmentPath: file(path, start)
})
/** Start and duration in milliseconds. */
const complete = (path: string, start: number, duration: number): Event => ({
  event: "record_segment_complete",
  path,
  segmentPath: file(path, start),
  segmentDuration: duration / 1000
})

/** `0-30 north south`, times in milliseconds since T, `+` for what is being written. */
const shown = ({ spans }: RecordingTimeline) =>
  spans.map(({ end, nodes, open, start }) => [`${start - T}-${end - T}${open ? "+" : ""}`, ...nodes].join(" "))
const gaps = (timeline: RecordingTimeline) => timeline.gaps.map(({ end, start }) => `${start - T}-${end - T}`)

/** Hands records to the index, with cursors of its own, as received now. */
const feeder = (recordings: RecordingsShape) => {
  let cursor = 0
  return (node: NodeId, ...events: ReadonlyArray<Event>) =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const at = clock.unsafeCurrentTimeMillis()
      yield* recordings.ingest(events.map((event) => ({ cursor: ++cursor, node, at, event })))
    })
}

/** Builds the layer in a scope that `close` ends. */
const open = <E>(layer: Layer.Layer<Recordings, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { recordings: Context.get(context, Recordings), close: Scope.close(scope, Exit.void) }
  })

/**
 * Invariants
 * - The spans of a path are the union of its segments, whatever the order of the hooks, and however often they come.
 * - A worker's report is the truth about the time that it is about.
 * - No record of the bus is taken twice, none is left out, over any restart.
 */
export const recordingsContract = <E>(name: string, options: RecordingsContractOptions<E>): void => {
  const test = (
    title: string,
    body: (recordings: RecordingsShape) => Effect.Effect<void, unknown, Scope.Scope>,
    layerOptions: RecordingsOptions = known
  ) =>
    it.scoped(title, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(T)
        const context = yield* Layer.build(options.layer(layerOptions))
        yield* body(Context.get(context, Recordings))
      })
    )

  describe(`${name} keeps the contract of Recordings`, () => {
    test("segments that follow each other are one span; a gap splits them", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        yield* TestClock.adjust("2 minutes")
        yield* feed(
          north,
          complete("cam", 0, 10_040),
          complete("cam", 10_045, 10_000),
          complete("cam", 20_045, 9_955),
          complete("cam", 50_000, 10_000)
        )
        const timeline = yield* recordings.timeline("cam")
        assert.deepStrictEqual(shown(timeline), ["0-30000 north", "50000-60000 north"])
        assert.deepStrictEqual(gaps(timeline), ["30000-50000"])
        assert.deepStrictEqual([timeline.from, timeline.to], [T, T + 60_000])
        const part = yield* recordings.timeline("cam", { from: T + 25_000, to: T + 90_000 })
        assert.deepStrictEqual(shown(part), ["25000-30000 north", "50000-60000 north"])
        assert.deepStrictEqual(gaps(part), ["30000-50000", "60000-90000"])
        // The future is no gap.
        assert.deepStrictEqual(gaps(yield* recordings.timeline("cam", { from: T + 50_000, to: T + 900_000 })), [
          "60000-120000"
        ])
        const none = yield* recordings.timeline("other")
        assert.deepStrictEqual([none.spans, none.gaps, none.from, none.to], [[], [], null, null])
      }))

    test("mirrors: the union, and who holds how much of a window", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        yield* TestClock.adjust("2 minutes")
        yield* feed(north, complete("cam", 0, 30_000))
        yield* feed(south, complete("cam", 20_000, 30_000), complete("b", 0, 1000))
        const timeline = yield* recordings.timeline("cam")
        assert.deepStrictEqual(shown(timeline), ["0-50000 north south"])
        assert.deepStrictEqual(
          timeline.nodes.map(({ node, spans }) => [node, spans.map((span) => span.start - T)]),
          [
            ["north", [0]],
            ["south", [20_000]]
          ]
        )
        const coverage = (start: number, end: number) => recordings.coverage("cam", T + start, T + end)
        assert.deepStrictEqual(yield* coverage(22_000, 28_000), [
          { node: north, covered: 6000, complete: true },
          { node: south, covered: 6000, complete: true }
        ])
        assert.deepStrictEqual(yield* coverage(25_000, 45_000), [
          { node: south, covered: 20_000, complete: true },
          { node: north, covered: 5000, complete: false }
        ])
        // Short of the window by less than the tolerance.
        assert.deepStrictEqual(yield* coverage(-500, 10_000), [{ node: north, covered: 10_000, complete: true }])
        assert.deepStrictEqual(yield* coverage(60_000, 70_000), [])
        assert.deepStrictEqual(
          (yield* recordings.paths).map((path) => [
            path.path,
            path.nodes.join(),
            path.start - T,
            path.end - T,
            path.open
          ]),
          [
            ["b", "south", 0, 1000, false],
            ["cam", "north,south", 0, 50_000, false]
          ]
        )
      }))

    test("an open segment grows, is closed by its end, and is not believed in for ever", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        const now = Effect.map(recordings.timeline("cam"), shown)
        yield* TestClock.adjust(1000)
        yield* feed(north, create("cam", 0))
        assert.deepStrictEqual(yield* now, ["0-1000+ north"])
        yield* TestClock.adjust(4000)
        assert.deepStrictEqual(yield* now, ["0-5000+ north"])
        yield* TestClock.adjust(6000)
        // The create of the next one overtakes the end of this one.
        yield* feed(north, create("cam", 10_020))
        assert.deepStrictEqual(yield* now, ["0-11000+ north"])
        yield* feed(north, complete("cam", 0, 10_018))
        assert.deepStrictEqual(yield* now, ["0-11000+ north"])
        yield* TestClock.adjust(9000)
        yield* feed(north, complete("cam", 10_020, 8_000))
        assert.deepStrictEqual(yield* now, ["0-18020 north"])
        // A late create of what is complete.
        yield* feed(north, create("cam", 10_020))
        assert.deepStrictEqual(yield* now, ["0-18020 north"])
        // The node dies: nothing more is heard.
        yield* TestClock.adjust(40_000)
        yield* feed(north, create("cam", 60_000))
        yield* TestClock.adjust(30_000)
        assert.deepStrictEqual(yield* now, ["0-18020 north", "60000-90000+ north"])
        yield* TestClock.adjust(60_000)
        assert.deepStrictEqual(yield* now, ["0-18020 north", "60000-70000 north"])
      }))

    test("a restarted node writes to its old files no more; a removed one holds nothing", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        yield* feed(north, create("cam", 0), complete("b", -10_000, 5000))
        yield* feed(south, create("cam", 0))
        yield* TestClock.adjust(4000)
        yield* feed(north, { event: "node_restarted", since: T + 3000 })
        yield* TestClock.adjust(4000)
        assert.deepStrictEqual(
          (yield* recordings.timeline("cam")).nodes.map(({ node, spans }) => [node, (spans[0]?.end ?? 0) - T]),
          [
            ["north", 3000],
            ["south", 8000]
          ]
        )
        yield* feed(north, { event: "node_removed" })
        assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), ["0-8000+ south"])
        assert.deepStrictEqual(
          (yield* recordings.paths).map(({ path }) => path),
          ["cam"]
        )
      }))

    test("a segment longer than MediaMTX makes any, and than a clock can show, is not recorded", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        yield* feed(north, create("cam", 0), complete("cam", 0, 1e308), complete("cam", 10_000, 1e15))
        yield* feed(north, complete("yard", 0, 1e300), complete("yard", 0, 10_000))
        const { from, to } = yield* recordings.timeline("cam")
        assert.deepStrictEqual([from, to], [null, null])
        assert.deepStrictEqual(
          (yield* recordings.paths).map(({ end, path, start }) => [path, start - T, end - T]),
          [["yard", 0, 10_000]]
        )
      }))

    test("a worker's report is the truth: what is listed is there, what is not is gone", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        const now = Effect.map(recordings.timeline("cam"), shown)
        yield* TestClock.adjust("2 minutes")
        yield* feed(north, complete("cam", 0, 30_000), complete("cam", 60_000, 10_000))
        yield* feed(south, complete("cam", 0, 30_000))
        const span = (start: number, end: number) => ({ start: T + start, end: T + end })
        yield* recordings.reconcile(north, "cam", [span(5000, 20_000), span(80_000, 90_000)])
        assert.deepStrictEqual(
          (yield* recordings.timeline("cam")).nodes.map(({ node, spans }) => [
            node,
            ...spans.map(({ end, start }) => `${start - T}-${end - T}`)
          ]),
          [
            ["north", "5000-20000", "80000-90000"],
            ["south", "0-30000"]
          ]
        )
        yield* recordings.reconcile(south, "cam", [])
        assert.deepStrictEqual(yield* now, ["5000-20000 north", "80000-90000 north"])
        // Only about a part of the time.
        yield* recordings.reconcile(north, "cam", [span(12_000, 15_000)], {
          within: { from: T + 10_000, to: T + 85_000 }
        })
        assert.deepStrictEqual(yield* now, ["5000-10000 north", "12000-15000 north", "85000-90000 north"])
        yield* recordings.reconcile(north, "cam", [])
        assert.deepStrictEqual(yield* recordings.paths, [])
      }))

    test("a report does not undo what hooks said a moment ago", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        const now = Effect.map(recordings.timeline("cam"), shown)
        yield* TestClock.adjust(31_000)
        yield* feed(north, create("cam", 30_000), complete("cam", 20_000, 10_000))
        // Read before either.
        yield* recordings.reconcile(north, "cam", [{ start: T, end: T + 28_500 }])
        assert.deepStrictEqual(yield* now, ["0-31000+ north"])
        // What is written lags behind by a part.
        yield* TestClock.adjust(5000)
        yield* recordings.reconcile(north, "cam", [{ start: T, end: T + 35_000 }])
        assert.deepStrictEqual(yield* now, ["0-36000+ north"])
        // It ended long ago, and the hook was lost.
        yield* TestClock.adjust(20_000)
        yield* recordings.reconcile(north, "cam", [{ start: T, end: T + 37_000 }])
        assert.deepStrictEqual(yield* now, ["0-37000 north"])
      }))

    test("what a node deletes for its age is no longer in the index", (recordings) =>
      Effect.gen(function* () {
        const feed = feeder(recordings)
        yield* TestClock.adjust("30 minutes")
        yield* feed(north, complete("cam", 0, 60_000), complete("cam", 120_000, 1_600_000))
        yield* TestClock.adjust("35 minutes")
        // The first span is gone, the second is cut off, at the last sweep. Where the storage is slow, the schedule begins
        // anew after the jump of the clock.
        const cut = Effect.gen(function* () {
          const horizon = (yield* Clock.currentTimeMillis) - 3_600_000
          const [span, ...others] = (yield* recordings.timeline("cam")).spans
          return others.length === 0 && span !== undefined && horizon - span.start <= 60_000 && span.start <= horizon
        })
        for (let left = 10; !(yield* cut); left--) {
          assert.isAbove(left, 0, "the index is swept")
          yield* TestClock.adjust("1 minute")
        }
        yield* TestClock.adjust("1 hour")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* recordings.paths, [])
      }))

    test(
      "without settings, times are those at which the hooks arrive, and nothing is removed",
      (recordings) =>
        Effect.gen(function* () {
          const feed = feeder(recordings)
          yield* TestClock.adjust(1000)
          yield* feed(north, create("cam", 0))
          yield* TestClock.adjust(9100)
          yield* feed(north, complete("cam", 0, 10_050))
          yield* TestClock.adjust(90_000)
          yield* feed(north, complete("cam", 5, 10_000))
          assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), ["0-10050 north", "90100-100100 north"])
          yield* TestClock.adjust("3 days")
          assert.lengthOf((yield* recordings.timeline("cam")).spans, 2)
        }),
      { sweepEvery: "1 hour" }
    )

    test("records that are not newer than the cursor change nothing", (recordings) =>
      Effect.gen(function* () {
        const take = (cursor: number, event: Event) => recordings.ingest([{ cursor, node: north, at: T, event }])
        yield* take(5, complete("cam", -60_000, 10_000))
        yield* take(5, complete("cam", -30_000, 10_000))
        yield* take(4, { event: "node_removed" })
        assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), ["-60000--50000 north"])
        assert.strictEqual(yield* recordings.cursor, 5)
        yield* recordings.rewind(0)
        yield* take(1, complete("cam", -30_000, 10_000))
        assert.lengthOf((yield* recordings.timeline("cam")).spans, 2)
      }))

    test("subscribers hear of what changes", (recordings) =>
      Effect.gen(function* () {
        const changes = yield* recordings.subscribe
        const feed = feeder(recordings)
        yield* feed(north, complete("cam", -60_000, 10_000), { event: "init", path: "x" })
        yield* feed(north, complete("cam", -60_000, 10_000))
        yield* recordings.reconcile(south, "b", [{ start: T - 9000, end: T - 4000 }])
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* changes.clear), [
          { node: north, path: "cam" },
          { node: south, path: "b" }
        ])
      }))

    it.effect("any order and repetition of the hooks gives the union of the segments", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(T + 3_000_000)
        yield* Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(
              FastCheck.array(
                FastCheck.record({ start: FastCheck.nat(300), duration: FastCheck.integer({ min: 1, max: 40 }) }),
                { minLength: 1, maxLength: 20 }
              ),
              FastCheck.array(FastCheck.nat(), { minLength: 60, maxLength: 60 }),
              (segments, order) => {
                // Half seconds, so that neighbours can be closer than the tolerance.
                const held = new Array<boolean>(400).fill(false)
                for (const { duration, start } of segments) held.fill(true, start, start + duration)
                // A hole that is not longer than the tolerance is none.
                held.forEach((_, i) => {
                  for (const hole of [1, 2]) {
                    if (i > 0 && held[i - 1] && !held[i] && held[i + hole]) held.fill(true, i, i + hole)
                  }
                })
                const expected: Array<string> = []
                held.forEach((on, i) => {
                  if (on && !held[i - 1]) expected.push(`${i * 500}-${held.indexOf(false, i) * 500} north`)
                })
                // Each once or twice, in any order.
                const hooks = [...segments, ...segments.slice(0, 7)]
                  .map(({ duration, start }, i) => ({
                    rank: order[i] ?? 0,
                    event: complete("cam", start * 500, duration * 500)
                  }))
                  .sort((a, b) => a.rank - b.rank)
                return Effect.gen(function* () {
                  yield* TestClock.setTime(T + 3_000_000)
                  const recordings = Context.get(yield* Layer.build(options.layer(known)), Recordings)
                  yield* feeder(recordings)(north, ...hooks.map(({ event }) => event))
                  assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), expected)
                }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext), Effect.runPromise)
              }
            ),
            { numRuns: 40 }
          )
        )
      })
    )

    it.scoped("the pump takes each record of the bus once, from where it was", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(T + 60_000)
        const context = yield* Layer.build(
          Layer.provideMerge(options.layer(known), HookBus.layerMemory({ maxRecords: 1000 }))
        )
        const bus = Context.get(context, HookBus.HookBus)
        const recordings = Context.get(context, Recordings)
        yield* bus.publish(north, complete("cam", 0, 10_000))
        yield* bus.publish(north, { event: "init", path: "cam" })
        yield* Layer.build(Layer.provide(pump, Layer.succeedContext(context)))
        assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), ["0-10000 north"])
        const { cursor } = yield* bus.publish(north, complete("cam", 20_000, 10_000))
        yield* recordings.settled(cursor)
        assert.deepStrictEqual(shown(yield* recordings.timeline("cam")), ["0-10000 north", "20000-30000 north"])
        assert.strictEqual(yield* recordings.cursor, 3)
      })
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("spans, open segments and the cursor are there after a restart, and removed ones are not", () =>
        Effect.gen(function* () {
          yield* TestClock.setTime(T + 100_000)
          const layer = (yield* storage)(known)
          const first = yield* open(layer)
          const feed = feeder(first.recordings)
          yield* feed(north, complete("cam", 0, 10_000), complete("cam", 30_000, 10_000), create("cam", 95_000))
          yield* feed(north, complete("cam", 10_000, 20_000), complete("b", 0, 1000))
          yield* feed(south, complete("cam", 0, 10_000))
          yield* feed(south, { event: "node_removed" })
          yield* first.recordings.reconcile(north, "b", [])
          const before = yield* first.recordings.timeline("cam")
          yield* feed(north, { event: "init", path: "cam" })
          yield* first.close

          const second = yield* open(layer)
          assert.deepStrictEqual(yield* second.recordings.timeline("cam"), before)
          assert.deepStrictEqual(shown(before), ["0-40000 north", "95000-100000+ north"])
          assert.lengthOf(yield* second.recordings.paths, 1)
          assert.strictEqual(yield* second.recordings.cursor, 8)
          yield* second.recordings.ingest([{ cursor: 9, node: north, at: T, event: complete("cam", 95_000, 5000) }])
          yield* second.close

          const third = yield* open(layer)
          assert.deepStrictEqual(shown(yield* third.recordings.timeline("cam")), [
            "0-40000 north",
            "95000-100000 north"
          ])
          yield* third.close
        })
      )
    }
  })
}
