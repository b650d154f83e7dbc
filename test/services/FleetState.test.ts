import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Layer, Schema, TestClock } from "effect"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import * as internal from "../../src/services/internal/fleetState.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { eventAt, fleetStateContract, type History, histories } from "../../src/testing/FleetStateContract.js"

fleetStateContract("FleetState.layerMemory", {
  layer: Layer.provideMerge(FleetState.layerMemory(), Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory()))
})

const north = NodeId.make("north")

/** What is open, and nothing else: as a store would keep it. */
const openRows = (state: internal.State): Array<string> => {
  const rows: Array<string> = []
  for (const [node, of] of state.nodes) {
    const view = internal.view(node, of)
    for (const { path, type, id } of view.publishers) rows.push(`${node} source ${path} ${type} ${id}`)
    for (const { path, id } of view.readers) rows.push(`${node} reader ${path} ${id}`)
    for (const { id } of view.connections) rows.push(`${node} connection ${id}`)
    for (const path of view.paths) if (path.available) rows.push(`${node} path ${path.path} ${path.readers}`)
  }
  return rows.sort()
}
const truth = ({ truth }: History): Array<string> =>
  [
    ...truth.publishers.map((text) => text.replace(/^(\w+)\/(\w+) (\w+) (\w*)$/, "$1 source $2 $3 $4")),
    ...truth.readers.map((text) => text.replace(/^(\w+)\/(\w+) (\w+)$/, "$1 reader $2 $3")),
    ...truth.connections.map((text) => text.replace(/^(\w+) (\w+)$/, "$1 connection $2")),
    ...truth.paths.map((text) => text.replace(/^(\w+)\/(\w+) available online (\d+)$/, "$1 path $2 $3"))
  ].sort()

const start = 1_000_000
const play = (history: History, state: internal.State, from = 0): internal.State => {
  let cursor = 0
  history.deliveries.forEach((delivery, i) => {
    const node = NodeId.make(delivery.node)
    const at = start + delivery.at
    if ("event" in delivery) {
      cursor++
      if (i >= from) internal.apply(state, { cursor, node, at, event: eventAt(delivery.event, start) })
    } else if (i >= from) {
      internal.reconcile(state, node, delivery.report, at)
    }
  })
  return state
}

/** The rows that a store would hold after all writes. */
const stored = (state: internal.State): ReadonlyArray<internal.Row> =>
  [...(state.dirty?.values() ?? [])].filter(({ gone }) => !gone)

describe("the reducer of FleetState", () => {
  for (const lossy of [false, true]) {
    it(`leads to the truth from any history${lossy ? ", lossy as it may be" : ""}`, () => {
      FastCheck.assert(
        FastCheck.property(histories(lossy), (history) => {
          assert.deepStrictEqual(openRows(play(history, internal.make(true))), truth(history))
        }),
        { numRuns: 1500 }
      )
    })
  }

  it("is idempotent: records that were applied before change nothing", () => {
    FastCheck.assert(
      FastCheck.property(histories(false), (history) => {
        const state = play(history, internal.make(false))
        const { version } = state
        const before = openRows(state)
        let cursor = 0
        for (const delivery of history.deliveries) {
          if (!("event" in delivery)) continue
          cursor++
          internal.apply(state, { cursor, node: NodeId.make(delivery.node), at: 0, event: delivery.event })
        }
        assert.strictEqual(state.version, version)
        assert.deepStrictEqual(openRows(state), before)
      }),
      { numRuns: 200 }
    )
  })

  it("what a store was told to keep is what is open, wherever it is cut", () => {
    FastCheck.assert(
      FastCheck.property(histories(false), FastCheck.nat(), (history, cut) => {
        const at = cut % (history.deliveries.length + 1)
        const first = play({ ...history, deliveries: history.deliveries.slice(0, at) }, internal.make(true))
        const second = internal.make(true)
        for (const row of [...stored(first)].sort((a, b) => (a.ended ?? 0) - (b.ended ?? 0))) {
          internal.restore(second, internal.row(row))
        }
        second.cursor = first.cursor
        assert.deepStrictEqual(openRows(second), openRows(first))
        assert.deepStrictEqual(openRows(play(history, second, at)), truth(history))
      }),
      { numRuns: 500 }
    )
  })

  it("remembers ends for a minute, and no more of them than it may", () => {
    const state = internal.make(true)
    let cursor = 0
    const say = (at: number, event: HookBus.BusEvent) =>
      internal.apply(state, { cursor: ++cursor, node: north, at, event })
    for (let i = 0; i < internal.MAX_TOMBSTONES + 10; i++)
      say(0, { event: "disconnect", type: "rtspConn", id: `c${i}` })
    assert.strictEqual(state.tombstones.size, internal.MAX_TOMBSTONES)
    say(internal.TOMBSTONE_WINDOW + 1, { event: "disconnect", type: "rtspConn", id: "last" })
    assert.strictEqual(state.tombstones.size, 1)
    assert.strictEqual(stored(state).length, 1)
    // After the clock was set back, those of the future are no use either.
    say(-internal.TOMBSTONE_WINDOW * 3, { event: "disconnect", type: "rtspConn", id: "first" })
    assert.strictEqual(state.tombstones.size, 1)
  })

  it("keeps no more of one node than it may, and nothing that MediaMTX would not send", () => {
    const state = internal.make(false)
    let cursor = 0
    const connect = (id: string) =>
      internal.apply(state, { cursor: ++cursor, node: north, at: 0, event: { event: "connect", type: "x", id } })
    for (let i = 0; i < internal.MAX_ROWS_PER_NODE + 5; i++) connect(`c${i}`)
    assert.strictEqual(state.nodes.get(north)?.size, internal.MAX_ROWS_PER_NODE)
    const other = internal.make(false)
    for (const id of ["a\0b", "x".repeat(2000)]) {
      internal.apply(other, { cursor: ++cursor, node: north, at: 0, event: { event: "connect", type: "x", id } })
      internal.apply(other, { cursor: ++cursor, node: north, at: 0, event: { event: "disconnect", type: "x", id } })
    }
    assert.strictEqual(other.nodes.size + other.tombstones.size, 0)
  })

  it("closes rows of before a clock was set back", () => {
    const state = internal.make(false)
    const day = 86_400_000
    internal.apply(state, { cursor: 1, node: north, at: day, event: { event: "connect", type: "x", id: "c" } })
    internal.apply(state, {
      cursor: 2,
      node: north,
      at: day,
      event: { event: "read", path: "cam", type: "x", id: "r", query: "" }
    })
    internal.reconcile(state, north, [], 1000)
    assert.deepStrictEqual(openRows(state), ["north connection c"])
    internal.apply(state, { cursor: 3, node: north, at: 2000, event: { event: "node_restarted", since: 2000 } })
    assert.deepStrictEqual(openRows(state), [])
    assert.strictEqual(state.nodes.size, 0)
  })
})

describe("FleetState.layerMemory", () => {
  it.effect("starts from what the bus still holds, closes nodes nobody knows, and encodes", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus.HookBus
      const registry = yield* NodeRegistry.NodeRegistry
      yield* registry.observe(north, { via: "hook" })
      for (let i = 0; i < 100; i++) {
        yield* bus.publish(north, { event: "read", path: "cam", type: "hlsSession", id: `r${i}`, query: "" })
      }
      yield* bus.publish(NodeId.make("ghost"), { event: "connect", type: "rtspConn", id: "c" })
      const snapshot = yield* Effect.flatMap(FleetState.FleetState, (fleet) => fleet.snapshot).pipe(
        Effect.provide(FleetState.layerMemory())
      )
      // The bus keeps ten records; the last of them is the ghost's.
      assert.lengthOf(snapshot.readers, 9)
      assert.lengthOf(snapshot.connections, 0)
      assert.strictEqual(snapshot.cursor, 101)
      const wire = yield* Schema.encode(FleetState.FleetSnapshot)(snapshot)
      assert.deepStrictEqual(yield* Schema.decode(FleetState.FleetSnapshot)(wire), snapshot)
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory({ maxRecords: 10 }), NodeRegistry.layerMemory())))
  )

  it.effect("does not wait for records that were trimmed away", () =>
    Effect.gen(function* () {
      const bus = yield* HookBus.HookBus
      yield* bus.publish(north, { event: "connect", type: "rtspConn", id: "c" })
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* bus.read({ after: 0, limit: 10 }), [])
      yield* Effect.gen(function* () {
        const fleet = yield* FleetState.FleetState
        yield* fleet.settled(yield* bus.latest)
        assert.strictEqual((yield* fleet.snapshot).cursor, 1)
      }).pipe(Effect.provide(FleetState.layerMemory()))
    }).pipe(Effect.provide(Layer.merge(HookBus.layerMemory({ maxAge: "1 minute" }), NodeRegistry.layerMemory())))
  )
})
