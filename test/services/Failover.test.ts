import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import type { MirrorGroup } from "../../src/services/FleetGroups.js"
import { decide, LOOK_AGAIN, UNHEARD } from "../../src/services/internal/failover.js"
import { NodeId } from "../../src/services/NodeId.js"
import type { NodeRecord } from "../../src/services/NodeRegistry.js"

const [a, b, c] = [NodeId.make("a"), NodeId.make("b"), NodeId.make("c")]

const group: MirrorGroup = {
  kind: "mirror",
  name: "harbour",
  primary: a,
  fallbacks: [b, c],
  fallback: "takeover",
  paths: undefined,
  onDemand: false,
  failoverMillis: 5_000,
  returnMillis: 60_000
}

const NOW = 10_000_000
const second = 1_000

type State = readonly [status: NodeRecord["status"], since: number, lastSeen?: number, firstSeen?: number]

const records =
  (states: Readonly<Record<string, State | undefined>>) =>
  (node: NodeId): NodeRecord | undefined => {
    const state = states[node]
    if (state === undefined) return undefined
    const [status, since, lastSeen, firstSeen] = state
    return {
      id: node,
      status,
      statusSince: NOW + since,
      firstSeen: NOW + (firstSeen ?? -1_000 * second),
      lastSeen: NOW + (lastSeen ?? (status === "online" ? -second : since - 42 * second)),
      lastSeenBy: "config",
      dueAt: null,
      address: null,
      instance: null,
      mediamtxVersion: null,
      startedAt: null,
      appliedHash: null,
      error: null,
      disk: null
    }
  }

const settled = (before: NodeId | undefined, states: Readonly<Record<string, State | undefined>>, of = group) =>
  decide(of, before, { record: records(states), now: NOW, listeningSince: NOW - 3_600 * second })

const up: State = ["online", -1_000 * second]

describe("who acts in a group", () => {
  it("is the primary as long as it is not offline", () => {
    assert.deepStrictEqual(settled(undefined, { a: up, b: up, c: up }), { acting: a, lookAt: undefined })
    assert.deepStrictEqual(settled(a, { a: ["stale", -20 * second], b: up, c: up }), { acting: a, lookAt: undefined })
  })

  it("is the next one when the primary has been offline for failoverAfter, and not before", () => {
    assert.deepStrictEqual(settled(a, { a: ["offline", -4 * second], b: up, c: up }), {
      acting: a,
      lookAt: NOW + second
    })
    assert.deepStrictEqual(settled(a, { a: ["offline", -5 * second], b: up, c: up }), { acting: b, lookAt: undefined })
    assert.deepStrictEqual(settled(a, { a: ["offline", -5 * second], b: ["offline", -9 * second], c: up }), {
      acting: c,
      lookAt: undefined
    })
  })

  it("stays when nobody has called since: it is the manager that was cut off", () => {
    const silent: State = ["online", -1_000 * second, -30 * second]
    assert.deepStrictEqual(settled(a, { a: ["offline", -20 * second], b: silent, c: silent }), {
      acting: a,
      lookAt: NOW + LOOK_AGAIN
    })
    assert.deepStrictEqual(settled(a, { a: ["offline", -9 * second], b: ["offline", -8 * second] }), {
      acting: a,
      lookAt: undefined
    })
  })

  it("goes back to the primary when that has been online for returnAfter", () => {
    assert.deepStrictEqual(settled(b, { a: ["online", -59 * second], b: up }), { acting: b, lookAt: NOW + second })
    assert.deepStrictEqual(settled(b, { a: ["online", -60 * second], b: up }), { acting: a, lookAt: undefined })
  })

  it("goes back at once when the one that stood in is gone too", () => {
    assert.strictEqual(settled(b, { a: ["online", -2 * second], b: ["offline", -6 * second] })?.acting, a)
  })

  it("goes on after a restart of the manager with whoever stood in", () => {
    // It came back ten seconds ago, while b was there all the time.
    assert.deepStrictEqual(settled(undefined, { a: ["online", -10 * second], b: up }), {
      acting: b,
      lookAt: NOW + 50 * second
    })
    // It was never away: this is when it first called.
    assert.strictEqual(settled(undefined, { a: ["online", -10 * second, -second, -10 * second], b: up })?.acting, a)
    assert.strictEqual(settled(undefined, { a: ["offline", -100 * second], b: up })?.acting, b)
  })

  it("gives a primary that has never called a minute", () => {
    const at = (sinceStart: number) =>
      decide(group, undefined, { record: records({ b: up }), now: NOW, listeningSince: NOW - sinceStart })
    assert.deepStrictEqual(at(10 * second), { acting: a, lookAt: NOW - 10 * second + UNHEARD })
    assert.strictEqual(at(UNHEARD + 6 * second)?.acting, b)
  })

  it("never changes where fallbacks don't take over", () => {
    for (const fallback of ["pull", "demand"] as const) {
      assert.strictEqual(settled(a, { a: ["offline", -99 * second], b: up }, { ...group, fallback })?.acting, a)
    }
  })

  it("is always one of the group, never one that is offline while another has called since, and settles in one step", () => {
    const state = FastCheck.option(
      FastCheck.tuple(
        FastCheck.constantFrom("online", "stale", "offline"),
        FastCheck.integer({ min: -200 * second, max: 0 }),
        FastCheck.integer({ min: -200 * second, max: 0 })
      ),
      { nil: undefined }
    )
    FastCheck.assert(
      FastCheck.property(state, state, state, FastCheck.constantFrom(undefined, a, b, c), (ofA, ofB, ofC, before) => {
        const states = { a: ofA, b: ofB, c: ofC } as Readonly<Record<string, State | undefined>>
        const first = settled(before, states)
        assert.isDefined(first)
        if (first === undefined) return
        const again = settled(first.acting, states)
        assert.strictEqual(again?.acting, first.acting)
        if (first.lookAt !== undefined) assert.isAbove(first.lookAt, NOW)
        const acting = states[first.acting]
        if (acting?.[0] !== "offline" || acting[1] > -5 * second) return
        for (const other of [a, b, c]) {
          const [status, , lastSeen] = states[other] ?? ["offline", 0, 0]
          if (other !== first.acting && status === "online") assert.isAtMost(lastSeen ?? 0, acting[1])
        }
      }),
      { numRuns: 500 }
    )
  })
})
