/**
 * What every NodeRegistry layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * nodeRegistryContract("NodeRegistry.layerMemory", { layer: NodeRegistry.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../services/NodeId.js"
import {
  type Heartbeat,
  type NodeChange,
  NodeRegistry,
  type NodeRegistryOptions,
  type NodeRegistryShape
} from "../services/NodeRegistry.js"

export interface NodeRegistryContractOptions<E> {
  /** Makes an empty registry of its own each time that the layer is built. */
  readonly layer: (options?: NodeRegistryOptions) => Layer.Layer<NodeRegistry, E>
  /** For durable layers: gives layers over one new storage, to be built one after the other. */
  readonly storage?: Effect.Effect<(options?: NodeRegistryOptions) => Layer.Layer<NodeRegistry, E>, never, Scope.Scope>
}

const north = NodeId.make("north")
const south = NodeId.make("south")
const hash = (digit: string) => digit.repeat(64)
const beat = (more: Partial<Heartbeat> = {}): Heartbeat => ({ instance: "a", status: "ok", ...more })

/** By the default policy: 2 intervals of 10 s and 2 s of tolerance, then 4. */
const STALE = 22_000
const OFFLINE = 42_000

const record = (registry: NodeRegistryShape, node: NodeId) =>
  Effect.flatMap(
    registry.get(node),
    Option.match({ onNone: () => Effect.dieMessage(`no node ${node}`), onSome: Effect.succeed })
  )
const status = (registry: NodeRegistryShape, node: NodeId) =>
  Effect.map(record(registry, node), (record) => record.status)

/** What has arrived since the last call. */
const taken = (mailbox: Mailbox.ReadonlyMailbox<NodeChange>) => Effect.map(mailbox.clear, Chunk.toReadonlyArray)
const names = (changes: ReadonlyArray<NodeChange>) => changes.map(({ node, event }) => `${node} ${event.event}`)

/** Builds the layer in a scope that `close` ends. */
const open = <E>(layer: Layer.Layer<NodeRegistry, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { registry: Context.get(context, NodeRegistry), close: Scope.close(scope, Exit.void) }
  })

/**
 * Invariants
 * - A call makes a node online; only time makes it stale, then offline, and only if it promised to call again.
 * - Silence counts from the later of the last call and the start of the layer.
 * - Every change of status is one event, and the events of a node name the statuses in an unbroken chain.
 * - What a heartbeat or a removal acknowledged, and after an orderly end everything, is there after a restart.
 */
export const nodeRegistryContract = <E>(name: string, options: NodeRegistryContractOptions<E>): void => {
  const test = (
    title: string,
    body: (registry: NodeRegistryShape) => Effect.Effect<void, unknown, Scope.Scope>,
    layerOptions?: NodeRegistryOptions
  ) =>
    it.scoped(title, () =>
      Effect.gen(function* () {
        // Not at zero, so that a time that was never set shows.
        yield* TestClock.adjust("1 hour")
        const context = yield* Layer.build(options.layer(layerOptions))
        yield* body(Context.get(context, NodeRegistry))
      })
    )

  describe(`${name} keeps the contract of NodeRegistry`, () => {
    test("the first call of a node adds it, with all that the call tells", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        assert.isTrue(Option.isNone(yield* registry.get(north)))
        yield* registry.observe(north, { via: "auth", address: "192.0.2.1" })
        const found = yield* record(registry, north)
        assert.deepStrictEqual(found, {
          id: north,
          status: "online",
          statusSince: 3_600_000,
          firstSeen: 3_600_000,
          lastSeen: 3_600_000,
          lastSeenBy: "auth",
          dueAt: null,
          address: "192.0.2.1",
          instance: null,
          mediamtxVersion: null,
          startedAt: null,
          appliedHash: null,
          error: null,
          disk: null
        })
        const seen = yield* taken(changes)
        assert.deepStrictEqual(names(seen), ["north node_discovered"])
        assert.deepStrictEqual(seen[0]?.record, found)
        yield* TestClock.adjust("3 seconds")
        yield* registry.observe(north, { via: "hook" })
        const later = yield* record(registry, north)
        assert.deepStrictEqual(later, { ...found, lastSeen: 3_603_000, lastSeenBy: "hook" })
        assert.deepStrictEqual(yield* taken(changes), [])
      }))

    test("list is in order of the ids, whatever the order of their calls", (registry) =>
      Effect.gen(function* () {
        for (const id of ["b", "c", "a"]) yield* registry.observe(NodeId.make(id), { via: "hook" })
        const ids = Effect.map(registry.list, (records) => records.map(({ id }) => id as string))
        assert.deepStrictEqual(yield* ids, ["a", "b", "c"])
        yield* registry.remove(NodeId.make("b"))
        yield* registry.observe(NodeId.make("aa"), { via: "hook" })
        assert.deepStrictEqual(yield* ids, ["a", "aa", "c"])
      }))

    test("calls of an updater whose MediaMTX is gone do not keep the node alive; its return does", (registry) =>
      Effect.gen(function* () {
        const base = { instance: "i", status: "ok", every: 10 } as const
        const gone = { ...base, status: "failed", error: "it does not answer", serving: false, paths: [] } as const
        yield* registry.heartbeat(north, { ...base, startedAt: 3_600_000 })
        // Of this one nobody has ever seen a MediaMTX: it may be the updater's settings that are wrong.
        yield* registry.heartbeat(south, base)
        const changes = yield* registry.subscribe
        for (let seconds = 0; seconds < 50; seconds += 10) {
          yield* TestClock.adjust("10 seconds")
          for (const node of [north, south]) {
            yield* registry.heartbeat(node, gone)
            yield* registry.observe(node, { via: "config" })
            yield* registry.observe(node, { via: "hook" })
          }
        }
        const found = yield* record(registry, north)
        assert.deepStrictEqual(
          [found.status, found.lastSeen, found.error, found.startedAt],
          ["offline", 3_600_000, "it does not answer", 3_600_000]
        )
        assert.strictEqual(yield* status(registry, south), "online")
        assert.deepStrictEqual(
          names(yield* taken(changes)).filter((name) => name.startsWith("north")),
          ["north node_config_failed", "north node_stale", "north node_offline"]
        )
        yield* registry.heartbeat(north, { ...base, startedAt: 3_645_000 })
        assert.deepStrictEqual(names(yield* taken(changes)), ["north node_online", "north node_restarted"])
        assert.strictEqual((yield* record(registry, north)).lastSeen, 3_650_000)
        // A MediaMTX that boots, or that keeps its config fresh by itself, is there.
        yield* registry.heartbeat(north, gone)
        yield* TestClock.adjust("5 seconds")
        yield* registry.observe(north, { via: "config", boot: true })
        assert.strictEqual((yield* record(registry, north)).lastSeen, 3_655_000)
      }))

    test("a node that promised nothing may be silent for ever", (registry) =>
      Effect.gen(function* () {
        yield* registry.observe(north, { via: "config" })
        yield* registry.observe(south, { via: "hook" })
        yield* TestClock.adjust("2 hours")
        assert.strictEqual(yield* status(registry, north), "online")
        assert.strictEqual(yield* status(registry, south), "online")
      }))

    test("a promise that is not kept makes a node stale, then offline, each at its time", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        yield* registry.heartbeat(north, beat())
        assert.strictEqual((yield* record(registry, north)).dueAt, 3_610_000)
        yield* TestClock.adjust(STALE - 1)
        assert.strictEqual(yield* status(registry, north), "online")
        yield* TestClock.adjust(1)
        const stale = yield* record(registry, north)
        assert.strictEqual(stale.status, "stale")
        assert.strictEqual(stale.statusSince, 3_600_000 + STALE)
        assert.strictEqual(stale.lastSeen, 3_600_000)
        yield* TestClock.adjust(OFFLINE - STALE - 1)
        assert.strictEqual(yield* status(registry, north), "stale")
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* status(registry, north), "offline")
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(
          (yield* taken(changes)).map(({ event }) => event),
          [
            { event: "node_discovered" },
            { event: "node_stale", previous: "online", since: 3_600_000 + STALE },
            { event: "node_offline", previous: "stale", since: 3_600_000 + OFFLINE }
          ]
        )
      }))

    test("each node is held to its own promise: a poll's, a heartbeat's, the policy's", (registry) =>
      Effect.gen(function* () {
        const slow = NodeId.make("slow")
        yield* registry.observe(north, { via: "config", nextWithin: 1000 })
        yield* registry.heartbeat(south, beat({ every: 60 }))
        yield* registry.heartbeat(slow, beat())
        yield* TestClock.adjust(4000)
        assert.strictEqual(yield* status(registry, north), "stale")
        yield* TestClock.adjust(2000)
        assert.strictEqual(yield* status(registry, north), "offline")
        yield* TestClock.adjust(STALE - 6000)
        assert.strictEqual(yield* status(registry, slow), "stale")
        assert.strictEqual(yield* status(registry, south), "online")
        yield* TestClock.adjust(122_000 - STALE)
        assert.strictEqual(yield* status(registry, south), "stale")
      }))

    test(
      "the policy says when silence counts",
      (registry) =>
        Effect.gen(function* () {
          yield* registry.heartbeat(north, beat())
          yield* TestClock.adjust(3000)
          assert.strictEqual(yield* status(registry, north), "stale")
          yield* TestClock.adjust(2000)
          assert.strictEqual(yield* status(registry, north), "offline")
        }),
      { policy: { interval: "1 second", staleAfter: 3, offlineAfter: 5, tolerance: 0 } }
    )

    test("any call moves the deadline and brings a node back", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        yield* registry.heartbeat(north, beat())
        yield* TestClock.adjust(STALE - 1000)
        yield* registry.observe(north, { via: "auth" })
        assert.strictEqual((yield* record(registry, north)).dueAt, 3_600_000 + STALE - 1000 + 10_000)
        yield* TestClock.adjust(STALE - 1)
        assert.strictEqual(yield* status(registry, north), "online")
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* status(registry, north), "stale")
        yield* registry.observe(north, { via: "hook" })
        assert.strictEqual(yield* status(registry, north), "online")
        yield* TestClock.adjust(OFFLINE)
        assert.strictEqual(yield* status(registry, north), "offline")
        yield* registry.heartbeat(north, beat())
        assert.strictEqual(yield* status(registry, north), "online")
        assert.deepStrictEqual(names(yield* taken(changes)), [
          "north node_discovered",
          "north node_stale",
          "north node_online",
          "north node_stale",
          "north node_offline",
          "north node_online"
        ])
      }))

    test("a boot is a restart, and voids the promise of the process before", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        yield* registry.observe(north, { via: "config", boot: true })
        assert.deepStrictEqual(names(yield* taken(changes)), ["north node_discovered"])
        yield* registry.heartbeat(north, beat({ startedAt: 1000 }))
        yield* TestClock.adjust("5 seconds")
        yield* registry.observe(north, { via: "config", boot: true })
        assert.deepStrictEqual(
          (yield* taken(changes)).map(({ event }) => event),
          [{ event: "node_restarted", since: 3_605_000 }]
        )
        assert.strictEqual((yield* record(registry, north)).dueAt, null)
        // The first report of the new process is no second restart.
        yield* registry.heartbeat(north, beat({ startedAt: 2000 }))
        assert.deepStrictEqual(yield* taken(changes), [])
        yield* registry.observe(south, { via: "config", nextWithin: 1000 })
        yield* registry.observe(south, { via: "config", boot: true })
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* status(registry, south), "online")
      }))

    test("the release that a poll tells is remembered, until another one is told", (registry) =>
      Effect.gen(function* () {
        const told = Effect.map(record(registry, north), ({ mediamtxVersion }) => mediamtxVersion)
        yield* registry.observe(north, { via: "config", boot: true, mediamtxVersion: "v1.18.0" })
        assert.strictEqual(yield* told, "v1.18.0")
        yield* registry.observe(north, { via: "config", boot: true })
        yield* registry.observe(north, { via: "hook" })
        assert.strictEqual(yield* told, "v1.18.0")
        if (registry.unsafeGet !== undefined) {
          assert.strictEqual(registry.unsafeGet(north)?.mediamtxVersion, "v1.18.0")
        }
        yield* registry.observe(north, { via: "config", boot: true, mediamtxVersion: "v1.20.1" })
        assert.strictEqual(yield* told, "v1.20.1")
        yield* registry.heartbeat(north, beat({ mediamtxVersion: "v1.19.3" }))
        assert.strictEqual(yield* told, "v1.19.3")
      }))

    test("a restart is told by the start of MediaMTX, not by that of its updater", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        const restarts = Effect.map(taken(changes), (changes) =>
          changes.flatMap(({ event }) => (event.event === "node_restarted" ? [event.since] : []))
        )
        const at = (millis: number) => 3_600_000 + millis
        yield* registry.heartbeat(north, beat({ startedAt: at(-5000) }))
        yield* TestClock.adjust("10 seconds")
        yield* registry.heartbeat(north, beat({ startedAt: at(-5000), instance: "b" }))
        yield* registry.heartbeat(north, beat({ instance: "c" }))
        assert.deepStrictEqual(yield* restarts, [])
        yield* TestClock.adjust("10 seconds")
        yield* registry.heartbeat(north, beat({ startedAt: at(17_000), instance: "c" }))
        assert.deepStrictEqual(yield* restarts, [at(17_000)])
        // One that was overtaken on its way.
        yield* registry.heartbeat(north, beat({ startedAt: at(-5000), instance: "c" }))
        yield* registry.heartbeat(north, beat({ startedAt: at(17_000), instance: "c" }))
        assert.deepStrictEqual(yield* restarts, [])
        // Another machine, whose clock is far behind; then one that is far ahead: the time stays in what is possible.
        yield* TestClock.adjust("10 seconds")
        yield* registry.heartbeat(north, beat({ startedAt: 5, instance: "d" }))
        assert.deepStrictEqual(yield* restarts, [at(20_000)])
        yield* TestClock.adjust("10 seconds")
        yield* registry.heartbeat(north, beat({ startedAt: at(999_999_999), instance: "d" }))
        assert.deepStrictEqual(yield* restarts, [at(40_000)])
      }))

    test("config events: each new hash, and each distinct error once", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        yield* registry.observe(north, { via: "config", appliedHash: hash("a") })
        yield* registry.observe(north, { via: "config", appliedHash: hash("a") })
        yield* registry.observe(north, { via: "config" })
        yield* registry.heartbeat(north, beat({ appliedHash: hash("a") }))
        yield* registry.heartbeat(north, beat({ appliedHash: hash("b") }))
        yield* registry.heartbeat(north, beat({ status: "failed", error: "no such field" }))
        yield* registry.heartbeat(north, beat({ status: "failed", error: "no such field" }))
        assert.strictEqual((yield* record(registry, north)).error, "no such field")
        yield* registry.heartbeat(north, beat({ status: "failed", error: "port in use" }))
        yield* registry.heartbeat(north, beat({ appliedHash: hash("b") }))
        assert.strictEqual((yield* record(registry, north)).error, null)
        yield* registry.heartbeat(north, beat({ status: "failed", error: "port in use" }))
        yield* registry.heartbeat(north, beat({ status: "failed" }))
        assert.deepStrictEqual(
          (yield* taken(changes)).map(({ event }) => event),
          [
            { event: "node_discovered" },
            { event: "node_config_applied", hash: hash("a") },
            { event: "node_config_applied", hash: hash("b") },
            { event: "node_config_failed", error: "no such field" },
            { event: "node_config_failed", error: "port in use" },
            { event: "node_config_failed", error: "port in use" },
            { event: "node_config_failed", error: "no reason given" }
          ]
        )
      }))

    test("heartbeat returns the record with what it told", (registry) =>
      Effect.gen(function* () {
        const told = yield* registry.heartbeat(
          north,
          beat({
            instance: "i-1",
            mediamtxVersion: "v1.20.1",
            startedAt: 3_000_000,
            appliedHash: hash("c"),
            disk: { free: 1, total: 2 },
            every: 5
          }),
          { address: "192.0.2.7" }
        )
        assert.deepStrictEqual(told, yield* record(registry, north))
        assert.deepInclude(told, {
          instance: "i-1",
          mediamtxVersion: "v1.20.1",
          startedAt: 3_000_000,
          appliedHash: hash("c"),
          disk: { free: 1, total: 2 },
          dueAt: 3_605_000,
          address: "192.0.2.7",
          lastSeenBy: "heartbeat"
        })
        // What the next one leaves out is still so.
        const next = yield* registry.heartbeat(north, beat({ instance: "i-1" }))
        assert.deepInclude(next, { mediamtxVersion: "v1.20.1", startedAt: 3_000_000, disk: { free: 1, total: 2 } })
      }))

    test("what a node says is kept up to a bound", (registry) =>
      Effect.gen(function* () {
        const long = "x".repeat(1_000_000)
        const told = yield* registry.heartbeat(
          north,
          beat({ instance: long, mediamtxVersion: long, status: "failed", error: `a\0b${long}`, every: 1e300 })
        )
        assert.isBelow(JSON.stringify(told).length, 4000)
        assert.isNotNull(new Date(told.dueAt ?? Number.NaN).toISOString())
      }))

    test("a removed node is forgotten, and new with its next call", (registry) =>
      Effect.gen(function* () {
        const changes = yield* registry.subscribe
        yield* registry.heartbeat(north, beat({ every: 1 }))
        yield* registry.remove(north)
        assert.isTrue(Option.isNone(yield* registry.get(north)))
        assert.deepStrictEqual(yield* registry.list, [])
        yield* TestClock.adjust("1 hour")
        const again = yield* Effect.either(registry.remove(north))
        assert.isTrue(Either.isLeft(again) && again.left._tag === "NodeNotFound")
        yield* registry.observe(north, { via: "hook" })
        const seen = yield* taken(changes)
        assert.deepStrictEqual(names(seen), ["north node_discovered", "north node_removed", "north node_discovered"])
        assert.isUndefined(seen[1]?.record)
      }))

    test(
      "beyond maxNodes a new id is refused, a known one is not",
      (registry) =>
        Effect.gen(function* () {
          yield* registry.observe(north, { via: "hook" })
          yield* registry.observe(south, { via: "hook" })
          const third = NodeId.make("third")
          for (const call of [registry.observe(third, { via: "hook" }), registry.heartbeat(third, beat())]) {
            const refused = yield* Effect.either(call)
            assert.isTrue(Either.isLeft(refused) && refused.left.reason === "Full")
          }
          yield* registry.observe(north, { via: "hook" })
          assert.lengthOf(yield* registry.list, 2)
          yield* registry.remove(south)
          yield* registry.observe(third, { via: "hook" })
          assert.lengthOf(yield* registry.list, 2)
        }),
      { maxNodes: 2 }
    )

    test("a clock that is set back neither wedges nor flaps", (registry) =>
      Effect.gen(function* () {
        yield* registry.heartbeat(north, beat())
        yield* registry.heartbeat(south, beat())
        const changes = yield* registry.subscribe
        yield* TestClock.setTime(0)
        // Whoever is next to look at the clock finds it there.
        yield* TestClock.adjust("1 second")
        yield* registry.observe(south, { via: "hook" })
        assert.strictEqual(yield* status(registry, north), "online")
        assert.deepStrictEqual(yield* taken(changes), [])
        // A sleeper of the test clock wakes by absolute time: at the hour again, having been set forward.
        yield* TestClock.setTime(3_602_000)
        yield* TestClock.adjust(OFFLINE + 2000)
        assert.strictEqual(yield* status(registry, north), "offline")
        assert.strictEqual(yield* status(registry, south), "offline")
        assert.deepStrictEqual(names(yield* taken(changes)).sort(), [
          "north node_offline",
          "north node_stale",
          "south node_offline",
          "south node_stale"
        ])
      }))

    test(
      "a subscriber that does not keep up loses the oldest changes, the others lose none",
      (registry) =>
        Effect.gen(function* () {
          const idle = yield* registry.subscribe
          const busy = yield* registry.subscribe
          const seen: Array<NodeChange> = []
          for (let i = 0; i < 50; i++) {
            yield* registry.observe(NodeId.make(`n${i}`), { via: "hook" })
            seen.push(...(yield* taken(busy)))
          }
          assert.lengthOf(seen, 50)
          assert.deepStrictEqual(
            names(yield* taken(idle)),
            Array.from({ length: 10 }, (_, i) => `n${i + 40} node_discovered`)
          )
        }),
      { changesBuffer: 10 }
    )

    it.scoped("changes ends when the registry does, after the last change", () =>
      Effect.gen(function* () {
        const { close, registry } = yield* open(options.layer())
        const seen: Array<NodeChange> = []
        const all = yield* Effect.fork(
          Stream.runForEach(registry.changes, (change) => Effect.sync(() => void seen.push(change)))
        )
        const mailbox = yield* registry.subscribe
        // Nobody can tell from outside when the stream has begun, except by what it brings.
        let last = 0
        while (seen.length === 0) {
          yield* registry.observe(NodeId.make(`n${++last}`), { via: "hook" })
          yield* Effect.yieldNow()
        }
        yield* registry.observe(north, { via: "hook" })
        yield* close
        yield* Fiber.join(all)
        assert.strictEqual(names(seen).pop(), "north node_discovered")
        const buffered = Chunk.toReadonlyArray(yield* Stream.runCollect(Mailbox.toStream(mailbox)))
        assert.lengthOf(buffered, last + 1)
        assert.deepStrictEqual(yield* Effect.scoped(Effect.flatMap(registry.subscribe, (late) => late.takeAll)), [
          Chunk.empty(),
          true
        ])
      })
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("everything is there after an orderly restart", () =>
        Effect.gen(function* () {
          const layer = yield* storage
          yield* TestClock.adjust("1 hour")
          const first = yield* open(layer())
          yield* first.registry.heartbeat(
            north,
            beat({ mediamtxVersion: "v1", startedAt: 77, appliedHash: hash("d"), disk: { free: 0.5, total: 1e15 } }),
            { address: "2001:db8::1" }
          )
          yield* first.registry.heartbeat(south, beat({ status: "failed", error: "a \"b\"\n'c' é 🎥" }))
          yield* first.registry.observe(NodeId.make("gone"), { via: "hook" })
          yield* first.registry.observe(NodeId.make("quiet"), { via: "auth" })
          yield* first.registry.remove(NodeId.make("gone"))
          yield* TestClock.adjust("11 seconds")
          yield* first.registry.observe(north, { via: "hook" })
          const before = yield* first.registry.list
          yield* first.close
          const second = yield* open(layer())
          assert.deepStrictEqual(yield* second.registry.list, before)
          yield* second.close
        })
      )

      it.scoped("a restart of the manager gives every node the time to report", () =>
        Effect.gen(function* () {
          const layer = yield* storage
          const first = yield* open(layer())
          yield* first.registry.heartbeat(north, beat())
          yield* first.registry.observe(south, { via: "hook" })
          yield* first.close
          yield* TestClock.adjust("1 hour")
          const second = yield* open(layer())
          const changes = yield* second.registry.subscribe
          yield* TestClock.adjust(STALE - 1)
          assert.strictEqual(yield* status(second.registry, north), "online")
          yield* TestClock.adjust(1)
          assert.strictEqual(yield* status(second.registry, north), "stale")
          yield* second.close
          const third = yield* open(layer())
          assert.strictEqual(yield* status(third.registry, north), "stale")
          yield* TestClock.adjust(OFFLINE - 1)
          assert.strictEqual(yield* status(third.registry, north), "stale")
          yield* TestClock.adjust(1)
          assert.strictEqual(yield* status(third.registry, north), "offline")
          assert.strictEqual(yield* status(third.registry, south), "online")
          yield* third.close
          assert.deepStrictEqual(names(yield* taken(changes)), ["north node_stale"])
        })
      )

      it.scoped("what was acknowledged is written without an orderly end; times follow soon", () =>
        Effect.gen(function* () {
          const layer = yield* storage
          // Never closed: as if the process had been killed.
          const { registry } = yield* open(layer({ writeBehind: "2 seconds" }))
          yield* registry.heartbeat(north, beat({ startedAt: 5 }))
          yield* registry.heartbeat(south, beat())
          yield* registry.remove(south)
          yield* TestClock.adjust("1 second")
          yield* registry.observe(north, { via: "hook" })
          yield* TestClock.adjust("2 seconds")
          const second = yield* open(layer())
          assert.deepStrictEqual(yield* second.registry.list, yield* registry.list)
          assert.strictEqual((yield* record(second.registry, north)).lastSeen, 1000)
          yield* second.close
        })
      )
    }

    // The model: one node, seconds as steps, statuses by their definition.
    type Command =
      | { readonly do: "wait"; readonly seconds: number }
      | { readonly do: "observe"; readonly every: number | undefined; readonly boot: boolean }
      | { readonly do: "heartbeat"; readonly every: number | undefined }
      | { readonly do: "restart" }
    const every = FastCheck.option(FastCheck.integer({ min: 1, max: 30 }), { nil: undefined })
    const commands = FastCheck.array(
      FastCheck.oneof(
        {
          weight: 4,
          arbitrary: FastCheck.record({ do: FastCheck.constant("wait" as const), seconds: FastCheck.nat(70) })
        },
        {
          weight: 3,
          arbitrary: FastCheck.record({ do: FastCheck.constant("observe" as const), every, boot: FastCheck.boolean() })
        },
        { weight: 2, arbitrary: FastCheck.record({ do: FastCheck.constant("heartbeat" as const), every }) },
        { weight: 1, arbitrary: FastCheck.record({ do: FastCheck.constant("restart" as const) }) }
      ),
      { minLength: 5, maxLength: 25 }
    )
    it.scoped("model: any sequence of calls, silence and restarts gives the status that the policy defines", () =>
      Effect.forEach(
        FastCheck.sample(commands, { numRuns: 40, seed: 20261124 }),
        (sequence: ReadonlyArray<Command>) =>
          Effect.gen(function* () {
            const layer = storage === undefined ? undefined : yield* storage
            let current = yield* open(layer?.() ?? options.layer())
            let changes = yield* current.registry.subscribe
            const start = yield* Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())
            let now = 0
            let heardAt: number | undefined
            let floor = 0
            let interval: number | undefined
            let expected: "online" | "stale" | "offline" = "online"
            const chain: Array<string> = []
            const collect = Effect.map(taken(changes), () => undefined)
            yield* collect
            const read = Effect.suspend(() =>
              Effect.map(taken(changes), (seen) => {
                for (const { event } of seen) {
                  if (event.event === "node_discovered") chain.push("online")
                  if (event.event === "node_online" || event.event === "node_stale" || event.event === "node_offline") {
                    assert.strictEqual(event.previous, chain[chain.length - 1])
                    chain.push(event.event.slice(5))
                  }
                }
              })
            )
            for (const command of sequence) {
              switch (command.do) {
                case "wait": {
                  yield* TestClock.adjust(Duration.seconds(command.seconds))
                  for (let second = 0; second < command.seconds; second++) {
                    now++
                    if (heardAt === undefined || interval === undefined) continue
                    const silent = now - Math.max(heardAt, floor)
                    if (expected === "online" && silent >= 2 * interval + 2) expected = "stale"
                    if (expected === "stale" && silent >= 4 * interval + 2) expected = "offline"
                  }
                  break
                }
                case "observe": {
                  yield* current.registry.observe(north, {
                    via: "config",
                    boot: command.boot,
                    nextWithin: command.every === undefined ? undefined : command.every * 1000
                  })
                  interval = command.every ?? (command.boot ? undefined : interval)
                  heardAt = now
                  expected = "online"
                  break
                }
                case "heartbeat": {
                  yield* current.registry.heartbeat(
                    north,
                    command.every === undefined ? beat() : beat({ every: command.every })
                  )
                  interval = command.every ?? 10
                  heardAt = now
                  expected = "online"
                  break
                }
                case "restart": {
                  yield* current.registry.get(north)
                  yield* read
                  yield* current.close
                  current = yield* open(layer?.() ?? options.layer())
                  changes = yield* current.registry.subscribe
                  floor = now
                  if (layer === undefined) {
                    heardAt = interval = undefined
                    expected = "online"
                    chain.length = 0
                  }
                }
              }
              // First: where managers share a database, what came of the time is in by then.
              const found = yield* current.registry.get(north)
              yield* read
              if (heardAt === undefined) {
                assert.isTrue(Option.isNone(found))
              } else {
                assert.isTrue(Option.isSome(found))
                if (Option.isSome(found)) {
                  assert.strictEqual(found.value.status, expected)
                  assert.strictEqual(found.value.lastSeen, start + heardAt * 1000)
                  assert.strictEqual(
                    found.value.dueAt,
                    interval === undefined ? null : start + (heardAt + interval) * 1000
                  )
                  assert.strictEqual(chain[chain.length - 1], expected)
                }
              }
            }
            yield* current.close
          }).pipe(Effect.scoped),
        { discard: true }
      )
    )
  })
}
