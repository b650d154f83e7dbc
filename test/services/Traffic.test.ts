import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../../src/services/NodeId.js"
import type { ReportedPath } from "../../src/services/NodeRegistry.js"
import * as Traffic from "../../src/services/Traffic.js"

const north = NodeId.make("north")
const south = NodeId.make("south")

const path = (name: string, bytesReceived?: number, bytesSent?: number): ReportedPath => ({
  name,
  available: true,
  online: true,
  source: null,
  readers: [],
  ...(bytesReceived === undefined ? {} : { bytesReceived }),
  ...(bytesSent === undefined ? {} : { bytesSent })
})

/** Sums and streams, without times and totals. */
const shown = ({ nodes, receivedPerSecond, sentPerSecond, streams }: Traffic.FleetTraffic) => ({
  nodes,
  received: receivedPerSecond,
  sent: sentPerSecond,
  streams: streams.map((each) => `${each.node} ${each.path} ${each.receivedPerSecond}/${each.sentPerSecond}`)
})

it.effect("a second is the difference between two reports", () =>
  Effect.gen(function* () {
    const traffic = yield* Traffic.make
    traffic.unsafeReport(north, { paths: [path("cam", 1_000_000, 5_000_000), path("old")] })
    traffic.unsafeReport(south, { paths: [path("cam", 10, 0)] })
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 10 })), {
      nodes: 2,
      received: 0,
      sent: 0,
      streams: ["north cam 0/0", "south cam 0/0"]
    })
    yield* TestClock.adjust("10 seconds")
    // Of one that is new since, all is new; one that went down has begun anew.
    traffic.unsafeReport(north, { paths: [path("cam", 3_000_000, 4_000), path("new", 500, 100)] })
    traffic.unsafeReport(south, { paths: [path("cam", 10, 90)] })
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 10 })), {
      nodes: 2,
      received: 200_050,
      sent: 419,
      streams: ["north cam 200000/400", "north new 50/10", "south cam 0/9"]
    })
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 1, path: "cam" })), {
      nodes: 2,
      received: 200_000,
      sent: 409,
      streams: ["north cam 200000/400"]
    })
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 0, node: south })), {
      nodes: 1,
      received: 0,
      sent: 9,
      streams: []
    })
  })
)

it.effect("a node that has fallen silent, was removed, or reports no bytes does not count", () =>
  Effect.gen(function* () {
    const traffic = yield* Traffic.make
    traffic.unsafeReport(NodeId.make("plain"), { paths: [path("cam")] })
    traffic.unsafeReport(NodeId.make("none"), {})
    traffic.unsafeReport(north, { paths: [path("cam", 1, 1)] })
    traffic.unsafeReport(south, { paths: [path("cam", 1, 1)], every: 60 })
    assert.strictEqual((yield* traffic.get({ top: 0 })).nodes, 2)
    yield* TestClock.adjust("61 seconds")
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 5 })).streams, ["south cam 0/0"])
    // It is back: what it counted while nobody listened is no rate.
    traffic.unsafeReport(north, { paths: [path("cam", 9_000_000, 1)] })
    assert.strictEqual((yield* traffic.get({ top: 0, node: north })).receivedPerSecond, 0)
    traffic.unsafeForget(north)
    assert.strictEqual((yield* traffic.get({ top: 0, node: north })).nodes, 0)
  })
)

it.effect("reports that come upon each other, or without time between, tell no rate", () =>
  Effect.gen(function* () {
    const traffic = yield* Traffic.make
    traffic.unsafeReport(north, { paths: [path("cam", 1000, 0)] })
    traffic.unsafeReport(north, { paths: [path("cam", 9000, 0)] })
    yield* TestClock.adjust("2 seconds")
    traffic.unsafeReport(north, { paths: [path("cam", 3000, 0)] })
    assert.strictEqual((yield* traffic.get({ top: 0 })).receivedPerSecond, 1000)
    yield* TestClock.adjust("2 seconds")
    traffic.unsafeReport(north, { paths: [] })
    assert.deepStrictEqual(shown(yield* traffic.get({ top: 5 })), { nodes: 1, received: 0, sent: 0, streams: [] })
  })
)
