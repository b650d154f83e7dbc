/**
 * What every HookBus layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * hookBusContract("HookBus.layerMemory", { layer: HookBus.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import {
  type BusEvent,
  type Cursor,
  HookBus,
  type HookBusError,
  type HookBusShape,
  type HookRecord,
  type HookRetention,
  type Published,
  trimInterval
} from "../services/HookBus.js"
import { NodeId } from "../services/NodeId.js"

export interface HookBusContractOptions<E> {
  /** Makes an empty bus of its own each time that the layer is built. */
  readonly layer: (retention?: HookRetention) => Layer.Layer<HookBus, E>
  /** For durable layers: gives layers over one new storage, to be built one after the other. */
  readonly storage?: Effect.Effect<(retention?: HookRetention) => Layer.Layer<HookBus, E>, never, Scope.Scope>
}

const north = NodeId.make("north")
const south = NodeId.make("south")

/** An event that never counts as a repetition, told from others by its number. */
const numbered = (n: number): BusEvent => ({ event: "init", path: `p${n}` })
const cursors = (records: Iterable<HookRecord>) => Array.from(records, ({ cursor }) => cursor)
const everything = (bus: HookBusShape) => bus.read({ after: 0, limit: 1_000_000 })

/** One turn of the event loop: what is under way may go on. */
const turn = Effect.async<void>((resume) => void setTimeout(() => resume(Effect.void), 0))

/** Waits, in turns of the event loop and not in time, until `check` holds. */
const eventually = <E>(what: string, check: Effect.Effect<boolean, E>, left = 2000): Effect.Effect<void, E> =>
  Effect.flatMap(check, (holds) => {
    if (holds) return Effect.void
    return left === 0 ? Effect.dieMessage(`never: ${what}`) : Effect.zipRight(turn, eventually(what, check, left - 1))
  })

/** The same for what the schedule does: where the storage is slow, the schedule begins anew after the jump of the clock. */
const onSchedule = <E>(what: string, check: Effect.Effect<boolean, E>, left = 20): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    let turns = left === 0 ? 0 : 100
    const look: Effect.Effect<boolean, E> = Effect.flatMap(check, (holds) =>
      holds || turns-- === 0 ? Effect.succeed(holds) : Effect.zipRight(turn, look)
    )
    return Effect.flatMap(look, (holds) => {
      if (holds) return Effect.void
      return left === 0
        ? Effect.dieMessage(`never: ${what}`)
        : Effect.zipRight(TestClock.adjust(trimInterval), onSchedule(what, check, left - 1))
    })
  })

const publishNumbers = (bus: HookBusShape, from: number, count: number, node = north) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => from + index),
    (n) => bus.publish(node, numbered(n)),
    { concurrency: "unbounded" }
  )

/** The thing that an event is about, told independently of the implementation: undefined when it never collapses. */
const subject = (node: string, event: BusEvent): string | undefined => {
  switch (event.event) {
    case "connect":
    case "disconnect":
      return event.id === "" ? undefined : JSON.stringify(["connection", node, event.type, event.id])
    case "available":
    case "unavailable":
      return event.id === "" ? undefined : JSON.stringify(["availability", node, event.path, event.id])
    case "online":
    case "offline":
      return event.id === "" ? undefined : JSON.stringify(["presence", node, event.path, event.id])
    case "read":
    case "unread":
      return event.id === "" ? undefined : JSON.stringify(["reader", node, event.path, event.id])
    case "record_segment_create":
    case "record_segment_complete":
      return JSON.stringify(["segment", node, event.path, event.segmentPath])
    default:
      return undefined
  }
}

/** Events of a small world, so that repetitions are frequent. */
const smallWorld: FastCheck.Arbitrary<readonly [NodeId, BusEvent]> = FastCheck.tuple(
  FastCheck.constantFrom(north, south),
  FastCheck.record({
    event: FastCheck.constantFrom(
      "connect" as const,
      "disconnect" as const,
      "available" as const,
      "unavailable" as const,
      "online" as const,
      "offline" as const,
      "read" as const,
      "unread" as const,
      "record_segment_create" as const,
      "record_segment_complete" as const,
      "init" as const,
      "node_restarted" as const
    ),
    path: FastCheck.constantFrom("a", "b"),
    id: FastCheck.constantFrom("", "1", "2"),
    type: FastCheck.constantFrom("srtConn", "rtspConn")
  }).map(({ event, path, id, type }): BusEvent => {
    switch (event) {
      case "connect":
      case "disconnect":
        return { event, type, id }
      case "init":
        return { event, path }
      case "record_segment_create":
        return { event, path, segmentPath: `/recordings/${path}/${id}.mp4` }
      case "record_segment_complete":
        return { event, path, segmentPath: `/recordings/${path}/${id}.mp4`, segmentDuration: 10.054195012 }
      case "node_restarted":
        return { event }
      default:
        return { event, path, query: "user=***", type, id }
    }
  })
)

const property = <T>(
  arbitrary: FastCheck.Arbitrary<T>,
  runs: number,
  check: (value: T) => Effect.Effect<void, unknown>
) =>
  Effect.promise(() =>
    FastCheck.assert(
      // Each run is a program of its own, as fast-check knows promises only.
      FastCheck.asyncProperty(arbitrary, (value) => Effect.runPromise(check(value))),
      { numRuns: runs }
    )
  )

/** Declares the suite. Call it at the top level of a test file. */
export const hookBusContract = <E>(name: string, options: HookBusContractOptions<E>): void => {
  const fresh = (retention?: HookRetention) => options.layer(retention)
  const withBus = <A, E2>(use: (bus: HookBusShape) => Effect.Effect<A, E2, Scope.Scope>, retention?: HookRetention) =>
    Effect.scoped(Effect.flatMap(HookBus, use)).pipe(Effect.provide(fresh(retention)))

  describe(`${name}: the contract of HookBus`, () => {
    describe("order", () => {
      it.effect("an empty log is at 0 and holds nothing", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* bus.latest, 0)
            assert.deepStrictEqual(yield* everything(bus), [])
          })
        )
      )

      it.effect("a record is what was published, by whom and when, at the cursor that publish returned", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const events: ReadonlyArray<BusEvent> = [
              { event: "connect", type: "srtConn", id: "c1" },
              { event: "init", path: "a" },
              { event: "demand", path: "a", query: "" },
              { event: "available", path: "a/b-c_d.e", query: "token=***", type: "rtspSession", id: "s1" },
              {
                event: "read",
                path: "a",
                query: 'é "\\\n\u0000\ud83d\ude00\ud800 &=+%00',
                type: "hlsSession",
                id: "s2"
              },
              { event: "record_segment_create", path: "a", segmentPath: "/recordings/a/1 '&=.mp4" },
              { event: "record_segment_complete", path: "a", segmentPath: "/recordings/a/1.mp4", segmentDuration: 0.1 },
              { event: "node_online", previous: "offline" },
              { event: "node_config_failed", error: "line 1: no\nline 2" }
            ]
            const expected: Array<HookRecord> = []
            for (const event of events) {
              yield* TestClock.adjust("1500 millis")
              const { cursor, duplicate } = yield* bus.publish(south, event)
              assert.isFalse(duplicate)
              assert.isAbove(cursor, expected[expected.length - 1]?.cursor ?? 0)
              expected.push({ cursor, node: south, at: (expected.length + 1) * 1500, event })
              assert.strictEqual(yield* bus.latest, cursor)
            }
            assert.deepStrictEqual(yield* everything(bus), expected)
          })
        )
      )

      it.effect("concurrent publishers each get a cursor of their own, and the log is in the order of cursors", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const published = yield* publishNumbers(bus, 0, 700)
            const records = yield* everything(bus)
            const byCursor = new Map(records.map(({ cursor, event }) => [cursor, event]))
            assert.strictEqual(byCursor.size, 700)
            published.forEach(({ cursor }, n) => {
              assert.deepStrictEqual(byCursor.get(cursor), numbered(n))
            })
            assert.deepStrictEqual(
              cursors(records),
              cursors(records).toSorted((a, b) => a - b)
            )
          })
        )
      )

      it.effect("one after the other, one node's events are in the order in which they were published", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            yield* Effect.forEach([3, 1, 2], (n) => bus.publish(north, numbered(n)))
            assert.deepStrictEqual(
              (yield* everything(bus)).map(({ event }) => event),
              [3, 1, 2].map(numbered)
            )
          })
        )
      )

      it.effect("read pages through the log", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            yield* publishNumbers(bus, 0, 25)
            const all = yield* everything(bus)
            const paged: Array<HookRecord> = []
            for (;;) {
              const page = yield* bus.read({ after: paged[paged.length - 1]?.cursor ?? 0, limit: 10 })
              if (page.length === 0) break
              assert.isAtMost(page.length, 10)
              paged.push(...page)
            }
            assert.deepStrictEqual(paged, all)
            assert.deepStrictEqual(yield* bus.read({ after: 0, limit: 0 }), [])
            assert.deepStrictEqual(yield* bus.read({ after: 1_000_000, limit: 10 }), [])
          })
        )
      )
    })

    describe("subscribe", () => {
      it.effect("replays what came after a cursor", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const published = yield* publishNumbers(bus, 0, 600)
            const all = yield* everything(bus)
            for (const index of [0, 1, 299, 598]) {
              const after = all[index]?.cursor ?? 0
              const got = yield* Stream.runCollect(Stream.take(bus.subscribe({ after }), published.length - index - 1))
              assert.deepStrictEqual(Chunk.toReadonlyArray(got), all.slice(index + 1))
            }
            assert.deepStrictEqual(
              Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 600))),
              all
            )
          })
        )
      )

      it.effect("without a cursor gives only what comes from then on, all of it", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            yield* publishNumbers(bus, 0, 10)
            const before = yield* bus.latest
            const first = yield* Deferred.make<Cursor>()
            const got = yield* Ref.make<ReadonlyArray<HookRecord>>([])
            yield* Effect.forkScoped(
              Stream.runForEach(bus.subscribe(), (record) =>
                Effect.zipRight(
                  Ref.update(got, (records) => [...records, record]),
                  Deferred.succeed(first, record.cursor)
                )
              )
            )
            // The subscription starts some time after the fork: publish until it is heard.
            let n = 10
            yield* eventually(
              "the subscriber hears an event",
              Effect.zipRight(
                Effect.suspend(() => bus.publish(north, numbered(n++))),
                Deferred.isDone(first)
              )
            )
            yield* publishNumbers(bus, n, 300)
            const start = yield* Deferred.await(first)
            assert.isAbove(start, before)
            const expected = yield* bus.read({ after: start - 1, limit: 10_000 })
            yield* eventually(
              "it has them all",
              Effect.map(Ref.get(got), (records) => records.length >= expected.length)
            )
            assert.deepStrictEqual(yield* Ref.get(got), expected)
          })
        )
      )

      it.effect("from replay to live without a gap or a repeat, whatever is published meanwhile", () =>
        property(
          FastCheck.record({
            before: FastCheck.nat({ max: 600 }),
            bursts: FastCheck.array(FastCheck.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 }),
            starts: FastCheck.array(FastCheck.nat({ max: 1000 }), { minLength: 1, maxLength: 4 })
          }),
          15,
          ({ before, bursts, starts }) =>
            withBus((bus) =>
              Effect.gen(function* () {
                yield* publishNumbers(bus, 0, before)
                const total = before + bursts.reduce((sum, size) => sum + size, 0)
                const subscribers = yield* Effect.forEach(starts, (start) => {
                  // 0..1000 per mille of what is there at the start.
                  const after = Math.floor((before * start) / 1000)
                  return Effect.fork(Stream.runCollect(Stream.take(bus.subscribe({ after }), total - after))).pipe(
                    Effect.map((fiber) => ({ after, fiber }))
                  )
                })
                let n = before
                for (const size of bursts) {
                  yield* Effect.fork(publishNumbers(bus, n, size))
                  n += size
                  yield* turn
                }
                for (const { after, fiber } of subscribers) {
                  const got = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
                  assert.deepStrictEqual(got, yield* bus.read({ after, limit: total }))
                  assert.strictEqual(new Set(got.map(({ event }) => JSON.stringify(event))).size, total - after)
                }
              })
            )
        )
      )

      it.effect(
        "a subscriber that stands still holds up neither publishers nor other subscribers, and misses nothing",
        () =>
          withBus((bus) =>
            Effect.gen(function* () {
              const released = yield* Deferred.make<void>()
              const stuck = yield* Effect.fork(
                bus.subscribe({ after: 0 }).pipe(
                  Stream.tap(() => Deferred.await(released)),
                  Stream.take(2500),
                  Stream.runCollect
                )
              )
              for (let n = 0; n < 2500; n += 500) yield* publishNumbers(bus, n, 500)
              const all = yield* everything(bus)
              assert.strictEqual(all.length, 2500)
              const quick = yield* Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 2500))
              assert.deepStrictEqual(Chunk.toReadonlyArray(quick), all)
              assert.isTrue((yield* Fiber.poll(stuck))._tag === "None")
              yield* Deferred.succeed(released, undefined)
              assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(stuck)), all)
            })
          )
      )

      it.effect("a subscriber can leave at any time", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const waiting = yield* Effect.fork(Stream.runDrain(bus.subscribe()))
            yield* turn
            yield* Fiber.interrupt(waiting)
            yield* publishNumbers(bus, 0, 3)
            assert.strictEqual((yield* everything(bus)).length, 3)
          })
        )
      )
    })

    describe("repetitions", () => {
      const reader = (event: "read" | "unread", id = "r1", path = "a"): BusEvent => ({
        event,
        path,
        query: "",
        type: "srtConn",
        id
      })

      it.effect("a hook that repeats the last one of its subject is the first one, and is not recorded", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const first = yield* bus.publish(north, reader("read"))
            yield* bus.publish(north, reader("read", "r2"))
            yield* TestClock.adjust("1 hour")
            const again = yield* bus.publish(north, reader("read"))
            assert.deepStrictEqual(again, { cursor: first.cursor, duplicate: true })
            assert.strictEqual((yield* everything(bus)).length, 2)
          })
        )
      )

      it.effect("once it ended, the same start is new; so is the end after it", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const names = ["read", "unread", "unread", "read", "read", "unread"] as const
            const published = yield* Effect.forEach(names, (name) => bus.publish(north, reader(name)))
            assert.deepStrictEqual(
              published.map(({ duplicate }) => duplicate),
              [false, false, true, false, true, false]
            )
          })
        )
      )

      it.effect("of many at the same time one is recorded, and each is told where", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const published = yield* Effect.forEach(
              Array.from({ length: 50 }, () => reader("read")),
              (event) => bus.publish(north, event),
              { concurrency: "unbounded" }
            )
            const records = yield* everything(bus)
            assert.strictEqual(records.length, 1)
            assert.isTrue(published.every(({ cursor }) => cursor === records[0]?.cursor))
            assert.strictEqual(published.filter(({ duplicate }) => !duplicate).length, 1)
          })
        )
      )

      it.effect("another node, path or id is another subject; available and online are two", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const source = (event: "available" | "online"): BusEvent => ({
              event,
              path: "a",
              query: "",
              type: "srtConn",
              id: "r1"
            })
            const published = yield* Effect.forEach(
              [
                [north, reader("read")],
                [south, reader("read")],
                [north, reader("read", "r2")],
                [north, reader("read", "r1", "b")],
                [north, source("available")],
                [north, source("online")],
                [north, { event: "connect", type: "srtConn", id: "r1" }],
                [north, { event: "connect", type: "rtspConn", id: "r1" }]
              ] as const,
              ([node, event]) => bus.publish(node, event)
            )
            assert.isTrue(published.every(({ duplicate }) => !duplicate))
          })
        )
      )

      it.effect("what has no identity, or rightly happens again, is always recorded", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const events: ReadonlyArray<BusEvent> = [
              { event: "init", path: "a" },
              { event: "demand", path: "a", query: "" },
              { event: "undemand", path: "a", query: "" },
              { event: "node_restarted" },
              { event: "node_online", previous: "stale" },
              { event: "connect", type: "srtConn", id: "" },
              reader("read", "")
            ]
            for (const event of events) {
              const first = yield* bus.publish(north, event)
              const second = yield* bus.publish(north, event)
              assert.isFalse(second.duplicate, event.event)
              assert.isAbove(second.cursor, first.cursor)
            }
          })
        )
      )

      it.effect(
        "a relay's delivery counts once, also of what may happen again; another run, node or number is new",
        () =>
          withBus((bus) =>
            Effect.gen(function* () {
              const init = (delivery: string): BusEvent => ({ event: "init", path: "a", delivery })
              const first = yield* bus.publish(north, init("run-00001.7"))
              const second = yield* bus.publish(north, init("run-00001.8"))
              assert.isFalse(first.duplicate || second.duplicate)
              for (const delivery of ["run-00001.8", "run-00001.7"]) {
                assert.deepStrictEqual(yield* bus.publish(north, init(delivery)), {
                  cursor: second.cursor,
                  duplicate: true
                })
              }
              assert.isFalse((yield* bus.publish(north, init("run-00002.1"))).duplicate)
              assert.isFalse((yield* bus.publish(south, init("run-00001.1"))).duplicate)
              assert.isFalse((yield* bus.publish(north, init("run-00001.10"))).duplicate)
              // The relay lost patience with the first of them.
              const both = yield* Effect.all(
                [bus.publish(north, init("run-00001.11")), bus.publish(north, init("run-00001.11"))],
                { concurrency: "unbounded" }
              )
              assert.deepStrictEqual(
                both.map(({ duplicate }) => duplicate),
                [false, true]
              )
              assert.strictEqual(both[0].cursor, both[1].cursor)
              assert.strictEqual((yield* everything(bus)).length, 6)
            })
          )
      )

      it.effect("is a repetition if and only if the last record of its subject has the same name", () =>
        property(FastCheck.array(smallWorld, { maxLength: 80 }), 40, (calls) =>
          withBus((bus) =>
            Effect.gen(function* () {
              const last = new Map<string, { readonly name: string; readonly cursor: Cursor }>()
              for (const [node, event] of calls) {
                const published = yield* bus.publish(node, event)
                const key = subject(node, event)
                const before = key === undefined ? undefined : last.get(key)
                if (before?.name === event.event) {
                  assert.deepStrictEqual(published, { cursor: before.cursor, duplicate: true })
                } else {
                  assert.isFalse(published.duplicate)
                  if (key !== undefined) last.set(key, { name: event.event, cursor: published.cursor })
                }
              }
            })
          )
        )
      )

      it.effect("holds under concurrent publishers, too", () =>
        property(FastCheck.array(smallWorld, { minLength: 60, maxLength: 160 }), 25, (calls) =>
          withBus((bus) =>
            Effect.gen(function* () {
              const published = yield* Effect.forEach(calls, ([node, event]) => bus.publish(node, event), {
                concurrency: "unbounded"
              })
              const records = yield* everything(bus)
              const byCursor = new Map(records.map((record) => [record.cursor, record]))
              const fresh = published.filter(({ duplicate }) => !duplicate)
              assert.deepStrictEqual(
                fresh.map(({ cursor }) => cursor).toSorted((a, b) => a - b),
                cursors(records)
              )
              published.forEach(({ cursor, duplicate }, index) => {
                const [node, event] = calls[index] ?? [north, numbered(0)]
                const record = byCursor.get(cursor)
                assert.isDefined(record)
                assert.strictEqual(record?.event.event, event.event)
                assert.strictEqual(record?.node, node)
                if (duplicate)
                  assert.strictEqual(subject(record?.node ?? "", record?.event ?? event), subject(node, event))
              })
              const last = new Map<string, string>()
              for (const { node, event } of records) {
                const key = subject(node, event)
                if (key === undefined) continue
                assert.notStrictEqual(last.get(key), event.event, "recorded twice in a row")
                last.set(key, event.event)
              }
            })
          )
        )
      )
    })

    describe("retention", () => {
      it.effect("keeps the newest records only, and goes on counting", () =>
        withBus(
          (bus) =>
            Effect.gen(function* () {
              yield* publishNumbers(bus, 0, 25)
              const newest = yield* bus.latest
              yield* TestClock.adjust(trimInterval)
              yield* onSchedule(
                "10 are left",
                Effect.map(everything(bus), (records) => records.length === 10)
              )
              assert.strictEqual(yield* bus.latest, newest)
              const left = yield* everything(bus)
              assert.deepStrictEqual(
                left.map(({ event }) => event),
                Array.from({ length: 10 }, (_, index) => numbered(15 + index))
              )
              // A subscriber that was away for too long goes on with the oldest that is left.
              const got = yield* Stream.runCollect(Stream.take(bus.subscribe({ after: 1 }), 10))
              assert.deepStrictEqual(Chunk.toReadonlyArray(got), left)
            }),
          { maxRecords: 10 }
        )
      )

      it.effect("drops what is too old, all of it if need be, and never gives out a cursor again", () =>
        withBus(
          (bus) =>
            Effect.gen(function* () {
              yield* publishNumbers(bus, 0, 5)
              yield* TestClock.adjust("40 minutes")
              yield* publishNumbers(bus, 5, 5)
              yield* TestClock.adjust("30 minutes")
              yield* onSchedule(
                "the second five are left",
                Effect.map(everything(bus), (records) => records.length === 5)
              )
              assert.deepStrictEqual(
                (yield* everything(bus)).map(({ event }) => event),
                [5, 6, 7, 8, 9].map(numbered)
              )
              yield* TestClock.adjust("1 hour")
              yield* onSchedule(
                "nothing is left",
                Effect.map(everything(bus), (records) => records.length === 0)
              )
              const newest = yield* bus.latest
              const late = yield* Effect.fork(Stream.runCollect(Stream.take(bus.subscribe({ after: 2 }), 1)))
              yield* turn
              const { cursor } = yield* bus.publish(north, numbered(10))
              assert.isAbove(cursor, newest)
              assert.deepStrictEqual(cursors(yield* Fiber.join(late)), [cursor])
            }),
          { maxAge: "1 hour" }
        )
      )

      it.effect("trims by its schedule again and again", () =>
        withBus(
          (bus) =>
            Effect.gen(function* () {
              for (let round = 0; round < 3; round++) {
                yield* publishNumbers(bus, round * 20, 20)
                yield* TestClock.adjust(trimInterval)
                yield* onSchedule(
                  "3 are left",
                  Effect.map(everything(bus), (records) => records.length === 3)
                )
              }
            }),
          { maxRecords: 3 }
        )
      )
    })

    describe("interruption and close", () => {
      it.effect("an interrupted publisher's event is there once or not at all, and the bus goes on", () =>
        withBus((bus) =>
          Effect.gen(function* () {
            const fibers = yield* Effect.forEach(
              Array.from({ length: 300 }, (_, n) => n),
              (n) => Effect.fork(bus.publish(north, numbered(n)))
            )
            yield* Effect.yieldNow()
            yield* Fiber.interruptAll(fibers.filter((_, n) => n % 3 === 0))
            const exits = yield* Effect.forEach(fibers, Fiber.await)
            yield* bus.publish(north, numbered(300))
            const records = yield* everything(bus)
            const paths = records.map(({ event }) => JSON.stringify(event))
            assert.strictEqual(new Set(paths).size, paths.length, "nothing twice")
            const byCursor = new Map(records.map(({ cursor, event }) => [cursor, event]))
            exits.forEach((exit, n) => {
              if (Exit.isSuccess(exit)) assert.deepStrictEqual(byCursor.get(exit.value.cursor), numbered(n))
              else assert.strictEqual(n % 3, 0)
            })
          })
        )
      )

      const open = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(fresh(), scope)
        const bus = yield* Effect.provide(HookBus, context)
        return { bus, close: Scope.close(scope, Exit.void) }
      })

      it.effect("on close every publisher is acknowledged or told, subscribers get the last records and end", () =>
        Effect.gen(function* () {
          const { bus, close } = yield* open
          const subscriber = yield* Effect.fork(Stream.runCollect(bus.subscribe({ after: 0 })))
          const waiting = yield* Effect.fork(Stream.runCollect(bus.subscribe({ after: 1_000_000 })))
          yield* publishNumbers(bus, 0, 10)
          const publishers = yield* Effect.forEach(
            Array.from({ length: 500 }, (_, n) => n),
            (n) => Effect.fork(Effect.either(bus.publish(north, numbered(10 + n))))
          )
          yield* Effect.yieldNow()
          yield* close
          const answers: ReadonlyArray<Either.Either<Published, HookBusError>> = yield* Effect.forEach(
            publishers,
            Fiber.join
          )
          const acknowledged = answers.filter(Either.isRight).map(({ right }) => right.cursor)
          for (const answer of answers) if (Either.isLeft(answer)) assert.strictEqual(answer.left.reason, "Closed")
          const got = cursors(yield* Fiber.join(subscriber))
          assert.deepStrictEqual(
            acknowledged.filter((cursor) => !got.includes(cursor)),
            []
          )
          assert.strictEqual((yield* Fiber.join(waiting)).length, 0)
        })
      )

      it.effect("after the close a publisher is told and a subscription ends at once", () =>
        Effect.gen(function* () {
          const { bus, close } = yield* open
          yield* publishNumbers(bus, 0, 3)
          yield* close
          const error = yield* Effect.flip(bus.publish(north, numbered(3)))
          assert.strictEqual(error._tag, "HookBusError")
          assert.strictEqual(error.reason, "Closed")
          assert.strictEqual(yield* Stream.runCount(bus.subscribe()), 0)
        })
      )

      it.effect("a subscriber that stands still does not hold up the close", () =>
        Effect.gen(function* () {
          const { bus, close } = yield* open
          const began = yield* Deferred.make<void>()
          const stuck = yield* Effect.fork(
            Stream.runForEach(bus.subscribe({ after: 0 }), () =>
              Effect.zipRight(Deferred.succeed(began, undefined), Effect.never)
            )
          )
          yield* publishNumbers(bus, 0, 2000)
          yield* Deferred.await(began)
          yield* close
          yield* Fiber.interrupt(stuck)
        })
      )
    })

    const storage = options.storage
    if (storage !== undefined) {
      describe("durability", () => {
        const session = <A, E2>(
          layer: Layer.Layer<HookBus, E>,
          use: (bus: HookBusShape) => Effect.Effect<A, E2, Scope.Scope>
        ) => Effect.scoped(Effect.flatMap(HookBus, use)).pipe(Effect.provide(layer))

        it.scoped("everything that was acknowledged is there after a restart, and cursors go on", () =>
          Effect.gen(function* () {
            const layer = yield* storage
            const before = yield* session(layer(), (bus) =>
              Effect.zipRight(publishNumbers(bus, 0, 2500), everything(bus))
            )
            assert.strictEqual(before.length, 2500)
            yield* session(layer(), (bus) =>
              Effect.gen(function* () {
                assert.deepStrictEqual(yield* everything(bus), before)
                const newest = yield* bus.latest
                assert.strictEqual(newest, before[before.length - 1]?.cursor)
                const replay = yield* Effect.fork(Stream.runCollect(Stream.take(bus.subscribe({ after: 0 }), 2501)))
                const { cursor } = yield* bus.publish(north, numbered(2500))
                assert.isAbove(cursor, newest)
                assert.deepStrictEqual(cursors(yield* Fiber.join(replay)), [...cursors(before), cursor])
              })
            )
          })
        )

        it.scoped("repetitions are known across a restart", () =>
          Effect.gen(function* () {
            const layer = yield* storage
            const connect: BusEvent = { event: "connect", type: "srtConn", id: "c1" }
            const ended: BusEvent = { event: "connect", type: "srtConn", id: "c2" }
            const relayed: BusEvent = { event: "init", path: "a", delivery: "run-00001.3" }
            const first = yield* session(layer(), (bus) =>
              Effect.zipLeft(
                bus.publish(north, connect),
                Effect.all([
                  bus.publish(north, ended),
                  bus.publish(north, { ...ended, event: "disconnect" }),
                  bus.publish(north, relayed)
                ])
              )
            )
            yield* session(layer(), (bus) =>
              Effect.gen(function* () {
                assert.deepStrictEqual(yield* bus.publish(north, connect), { cursor: first.cursor, duplicate: true })
                assert.isFalse((yield* bus.publish(north, ended)).duplicate)
                assert.isTrue((yield* bus.publish(north, relayed)).duplicate)
              })
            )
          })
        )

        it.scoped("a cursor is not given out again after everything was trimmed and the bus restarted", () =>
          Effect.gen(function* () {
            const layer = yield* storage
            const retention: HookRetention = { maxAge: "1 minute" }
            const newest = yield* session(layer(retention), (bus) =>
              Effect.gen(function* () {
                yield* publishNumbers(bus, 0, 10)
                yield* TestClock.adjust("10 minutes")
                yield* eventually(
                  "nothing is left",
                  Effect.map(everything(bus), (records) => records.length === 0)
                )
                return yield* bus.latest
              })
            )
            yield* session(layer(retention), (bus) =>
              Effect.gen(function* () {
                assert.strictEqual(yield* bus.latest, newest)
                assert.isAbove((yield* bus.publish(north, numbered(10))).cursor, newest)
              })
            )
          })
        )
      })
    }
  })
}
