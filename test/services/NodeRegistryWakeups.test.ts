/** A registry that is not always in memory: woken when there is something to do. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, TestClock } from "effect"
import { NodeId } from "../../src/services/NodeId.js"
import { NodeRegistry, type NodeRegistryOptions, type Wakeups } from "../../src/services/NodeRegistry.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import { tempDatabase } from "../sql/support/TempDatabase.js"

const north = NodeId.make("north")

const recorder = (since: number) =>
  Effect.map(Deferred.make<void>(), (ready) => {
    const planned: Array<number> = []
    const wakeups: Wakeups = { since, ready: Deferred.await(ready), plan: (at) => void planned.push(at) }
    return { begin: Deferred.succeed(ready, undefined), planned, wakeups }
  })

const session = <A, E>(
  filename: string,
  options: NodeRegistryOptions,
  use: (registry: typeof NodeRegistry.Service) => Effect.Effect<A, E>
) =>
  Effect.flatMap(NodeRegistry, use).pipe(
    Effect.provide(Layer.provide(SqlNodeRegistry.layer(options), SqliteNode.layer({ filename })))
  )

describe("NodeRegistry with wakeups", () => {
  it.scoped("says when the next deadline is, each time that it has looked", () =>
    Effect.gen(function* () {
      const { begin, planned, wakeups } = yield* recorder(0)
      yield* session(":memory:", { wakeups }, (registry) =>
        Effect.gen(function* () {
          yield* registry.observe(north, { via: "hook" })
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(planned, [], "not before it may begin")
          yield* begin
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(planned, [Number.POSITIVE_INFINITY], "nobody has promised anything")
          yield* registry.heartbeat(north, { instance: "a", status: "ok" })
          yield* TestClock.adjust("1 second")
          assert.strictEqual(planned.at(-1), 2_000 + 22_000)
        })
      )
    })
  )

  it.scoped("silence counts while nobody was in memory, and is told when there is somebody to hear it", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const first = yield* recorder(0)
      yield* first.begin
      yield* session(filename, { wakeups: first.wakeups }, (registry) =>
        registry.heartbeat(north, { instance: "a", status: "ok" })
      )
      yield* TestClock.adjust("1 minute")
      const second = yield* recorder(0)
      yield* session(filename, { wakeups: second.wakeups }, (registry) =>
        Effect.scoped(
          Effect.gen(function* () {
            // Time that the rest of the manager needs to start.
            yield* TestClock.adjust("5 seconds")
            const changes = yield* registry.subscribe
            yield* second.begin
            const stale = yield* changes.take
            const offline = yield* changes.take
            assert.deepStrictEqual([stale.event.event, offline.event.event], ["node_stale", "node_offline"])
            assert.strictEqual(Option.getOrThrow(yield* registry.get(north)).status, "offline")
          })
        )
      )
    })
  )

  it.scoped("silence from before `since` does not count", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      const first = yield* recorder(0)
      yield* first.begin
      yield* session(filename, { wakeups: first.wakeups }, (registry) =>
        registry.heartbeat(north, { instance: "a", status: "ok" })
      )
      yield* TestClock.adjust("1 minute")
      const second = yield* recorder(60_000)
      yield* second.begin
      yield* session(filename, { wakeups: second.wakeups }, (registry) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("21 seconds")
          assert.strictEqual(Option.getOrThrow(yield* registry.get(north)).status, "online")
          assert.strictEqual(second.planned.at(-1), 60_000 + 22_000)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(Option.getOrThrow(yield* registry.get(north)).status, "stale")
        })
      )
    })
  )
})
