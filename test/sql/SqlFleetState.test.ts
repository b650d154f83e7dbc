import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, TestClock } from "effect"
import { FleetState } from "../../src/services/FleetState.js"
import { HookBus } from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as SqlFleetState from "../../src/sql/SqlFleetState.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import { fleetStateContract } from "../../src/testing/FleetStateContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

const withDatabase = (filename: string) =>
  SqlFleetState.layer().pipe(
    Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())),
    Layer.provideMerge(SqliteNode.layer({ filename, synchronous: "NORMAL" })),
    Layer.fresh
  )

fleetStateContract("SqlFleetState.layer on SQLite", {
  layer: withDatabase(":memory:"),
  storage: Effect.map(tempDatabase, withDatabase)
})

const north = NodeId.make("north")

describe("SqlFleetState", () => {
  const stored = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql`SELECT kind, id, ended FROM fleet_rows ORDER BY id`.values
    const cursor = yield* sql`SELECT cursor FROM fleet_cursor`.values
    return { rows, cursor: cursor[0]?.[0] }
  })

  it.effect("rows and cursor are written together or not at all, and tried again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* HookBus
      const fleet = yield* FleetState
      const say = Effect.fnUntraced(function* (event: "connect" | "disconnect", id: string) {
        const { cursor } = yield* bus.publish(north, { event, type: "rtspConn", id })
        yield* fleet.settled(cursor)
      })
      yield* say("connect", "c1")
      yield* TestClock.adjust("1 second")
      const first = { rows: [["connection", "c1", null]], cursor: 1 }
      assert.deepStrictEqual(yield* stored, first)

      yield* sql`CREATE TRIGGER refuse BEFORE UPDATE ON fleet_cursor BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`
      yield* say("connect", "c2")
      yield* say("disconnect", "c1")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* stored, first)
      // In memory it goes on.
      assert.lengthOf((yield* fleet.snapshot).connections, 1)

      yield* sql`DROP TRIGGER refuse`
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* stored, {
        rows: [
          ["connection", "c1", 1000],
          ["connection", "c2", null]
        ],
        cursor: 3
      })

      // A minute later the end is forgotten, on disk as well.
      yield* TestClock.adjust("2 minutes")
      yield* say("disconnect", "c2")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* stored, { rows: [["connection", "c2", 123_000]], cursor: 4 })
    }).pipe(Effect.provide(withDatabase(":memory:")), Effect.provide(Logger.remove(Logger.defaultLogger)))
  )
})
