/** What one manager is told, others know: services whose layers share a PostgreSQL database. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, TestClock } from "effect"
import { FleetState } from "../../src/services/FleetState.js"
import { HookBus } from "../../src/services/HookBus.js"
import { NodeCommands } from "../../src/services/NodeCommands.js"
import { NodeConfigs } from "../../src/services/NodeConfigs.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as Recordings from "../../src/services/Recordings.js"
import { newTokenId, TokenSessions } from "../../src/services/TokenSessions.js"
import * as SqlFleetState from "../../src/sql/SqlFleetState.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqlNodeCommands from "../../src/sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../src/sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import * as SqlRecordings from "../../src/sql/SqlRecordings.js"
import * as SqlTokenSessions from "../../src/sql/SqlTokenSessions.js"
import { database, describePostgres } from "../support/Postgres.js"

const T = 1_767_225_600_000
const n1 = NodeId.make("n1")
const turn = Effect.async<void>((resume) => void setTimeout(() => resume(Effect.void), 2))
const eventually = <E>(what: string, check: Effect.Effect<boolean, E>, left = 3000): Effect.Effect<void, E> =>
  Effect.flatMap(check, (holds) => {
    if (holds) return Effect.void
    return left === 0 ? Effect.dieMessage(`never: ${what}`) : Effect.zipRight(turn, eventually(what, check, left - 1))
  })

await describePostgres("services of several managers on PostgreSQL", (server) => {
  const two = Effect.gen(function* () {
    yield* TestClock.setTime(T)
    const one = database(server)
    const services = Layer.mergeAll(
      SqlNodeCommands.layer(),
      SqlTokenSessions.layer(),
      SqlNodeConfigs.layer(),
      SqlFleetState.layer(),
      Recordings.pump.pipe(Layer.provideMerge(SqlRecordings.layer()))
    ).pipe(
      Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())),
      Layer.provide(one),
      Layer.fresh
    )
    return { a: yield* Layer.build(services), b: yield* Layer.build(services) }
  })

  it.scoped("a command goes out with a heartbeat to any of them, and is confirmed to any", () =>
    Effect.gen(function* () {
      const { a, b } = yield* two
      const [one, other] = [Context.get(a, NodeCommands), Context.get(b, NodeCommands)]
      const command = { type: "refresh" as const }
      const [given] = yield* one.give(n1, [{ command, reason: "test" }])
      if (given === undefined) return assert.fail("one is given")
      // Given again to the other at once, it is the same.
      const [again] = yield* other.give(n1, [{ command, reason: "test" }])
      assert.strictEqual(again?.id, given.id)
      assert.deepStrictEqual(
        other.unsafeTake(n1).map((each) => each.command),
        [given.id]
      )
      yield* other.confirm(n1, [{ command: given.id, outcome: "done" }])
      assert.deepStrictEqual(
        (yield* one.list(n1)).map(({ state }) => state),
        ["done"]
      )
      assert.deepStrictEqual(one.unsafeTake(n1), [])
    })
  )

  it.scoped("a token that one takes back counts for none, and others end its sessions", () =>
    Effect.gen(function* () {
      const { a, b } = yield* two
      const [one, other] = [Context.get(a, TokenSessions), Context.get(b, TokenSessions)]
      const id = newTokenId()
      one.unsafeNote(n1, "s1", { id, expiresAt: T + 3_600_000 })
      yield* TestClock.adjust("1 second")
      yield* other.revoke(id, T + 3_600_000)
      yield* eventually(
        "it is taken back for the first",
        Effect.sync(() => one.unsafeIsRevoked(id))
      )
      for (const tokens of [one, other]) {
        yield* eventually(
          "it is due",
          Effect.map(tokens.due, ([due]) => due?.session === "s1")
        )
      }
    })
  )

  it.scoped("what a node says of its config to one, all know", () =>
    Effect.gen(function* () {
      const { a, b } = yield* two
      const hash = "a".repeat(64)
      Context.get(a, NodeConfigs).unsafeNote(n1, hash, { applied: hash, error: null })
      yield* TestClock.adjust("1 second")
      yield* eventually(
        "the other knows",
        Effect.sync(() => Context.get(b, NodeConfigs).unsafeGet(n1)?.configStatus === "applied")
      )
    })
  )

  it.scoped("what a worker lists to one, all know", () =>
    Effect.gen(function* () {
      const { a, b } = yield* two
      const [one, other] = [Context.get(a, Recordings.Recordings), Context.get(b, Recordings.Recordings)]
      yield* one.reconcile(n1, "cam", [{ start: T - 60_000, end: T - 30_000 }])
      yield* eventually(
        "the other knows",
        Effect.map(other.coverage("cam", T - 50_000, T - 40_000), ([held]) => held?.node === n1)
      )
      yield* other.reconcile(n1, "cam", [])
      yield* eventually(
        "it is gone",
        Effect.map(one.paths, ({ length }) => length === 0)
      )
    })
  )

  it.scoped("each draws the same picture of one log, and the stored one never goes back", () =>
    Effect.gen(function* () {
      const { a, b } = yield* two
      yield* Context.get(a, HookBus).publish(n1, {
        event: "available",
        path: "cam",
        id: "s1",
        type: "srtConn",
        query: ""
      })
      yield* Context.get(b, HookBus).publish(n1, {
        event: "read",
        path: "cam",
        id: "r1",
        type: "webRTCSession",
        query: ""
      })
      const { cursor } = yield* Context.get(a, HookBus).publish(n1, {
        event: "record_segment_complete",
        path: "cam",
        segmentPath: "/r/cam/x.mp4",
        segmentDuration: 10
      })
      for (const context of [a, b]) {
        const fleet = Context.get(context, FleetState)
        yield* fleet.settled(cursor)
        const { paths, readers } = yield* fleet.snapshot
        assert.deepStrictEqual([paths.length, readers.length], [1, 1])
        const recordings = Context.get(context, Recordings.Recordings)
        yield* recordings.settled(cursor)
        assert.lengthOf(yield* recordings.paths, 1)
      }
    })
  )
})
