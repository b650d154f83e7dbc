import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as EventStream from "../../src/api/EventStream.js"
import { HookBus, layerMemory } from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"

const n1 = NodeId.make("n1")
const n2 = NodeId.make("n2")
const init = (path: string) => ({ event: "init" as const, path })

const idsOf = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map((found) => Number(found[1]))

describe("EventStream", () => {
  it.effect("begins with where it stands, then every record after it, old and new", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      yield* bus.publish(n1, init("a"))
      yield* bus.publish(n1, init("b"))
      const stream = yield* EventStream.encode(bus, { after: 1 }, Effect.never)
      const reading = yield* Effect.fork(Stream.runCollect(Stream.take(stream, 3)))
      yield* Effect.yieldNow()
      yield* bus.publish(n2, init("c"))
      const text = Chunk.join(yield* Fiber.join(reading), "")
      assert.deepStrictEqual(idsOf(text), [1, 2, 3])
      assert.include(text, '"path":"c"')
    }).pipe(Effect.provide(layerMemory()))
  )

  it.effect("filters by node and by event", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      yield* bus.publish(n1, init("a"))
      yield* bus.publish(n2, init("b"))
      yield* bus.publish(n1, { event: "connect", type: "rtspConn", id: "1" })
      const collect = (filter: EventStream.EventFilter) =>
        Effect.flatMap(EventStream.encode(bus, { after: 0, ...filter }, Effect.never), (stream) =>
          Effect.map(Stream.runCollect(Stream.take(stream, 2)), (chunks) => idsOf(Chunk.join(chunks, "")))
        )
      assert.deepStrictEqual(yield* collect({ node: n2 }), [0, 2])
      assert.deepStrictEqual(yield* collect({ event: "connect" }), [0, 3])
    }).pipe(Effect.provide(layerMemory()))
  )

  it.effect("says that it is alive while nothing happens", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      const stream = yield* EventStream.encode(bus, {}, Effect.never)
      const reading = yield* Effect.fork(Stream.runCollect(Stream.take(stream, 3)))
      yield* TestClock.adjust("31 seconds")
      const [, ...ticks] = Chunk.toReadonlyArray(yield* Fiber.join(reading))
      assert.deepStrictEqual(ticks, [": keep-alive\n\n", ": keep-alive\n\n"])
    }).pipe(Effect.provide(layerMemory()))
  )

  it.effect("ends when it is told to", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus
      const stop = yield* Deferred.make<void>()
      const stream = yield* EventStream.encode(bus, {}, Deferred.await(stop))
      const reading = yield* Effect.fork(Stream.runCollect(stream))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(stop, undefined)
      assert.strictEqual(Chunk.size(yield* Fiber.join(reading)), 1)
    }).pipe(Effect.provide(layerMemory()))
  )

  it.effect.prop(
    "is read back the same, wherever the chunks are cut",
    [
      FastCheck.array(FastCheck.tuple(FastCheck.nat(), FastCheck.json()), { maxLength: 5 }),
      FastCheck.array(FastCheck.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 }),
      FastCheck.constantFrom("\n", "\r\n")
    ],
    ([events, cuts, newline]) =>
      Effect.gen(function* () {
        const text = events
          .map(([id, data]) => `: comment${newline}id: ${id}${newline}data: ${data}${newline}${newline}`)
          .join("")
        const chunks: Array<string> = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = cuts[i % cuts.length] ?? 1
          chunks.push(text.slice(at, at + size))
          at += size
        }
        const read = yield* Stream.runCollect(EventStream.decode(Stream.fromIterable(chunks)))
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(read),
          events.map(([id, data]) => ({ id: String(id), data }))
        )
      })
  )
})
