/**
 * What every FleetState layer must do, as a test suite for vitest: run your own layer through it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { type FleetSnapshot, FleetState, type FleetStateShape, type SessionState } from "../services/FleetState.js"
import { type BusEvent, HookBus, type HookBusShape } from "../services/HookBus.js"
import { NodeId } from "../services/NodeId.js"
import { NodeRegistry, type NodeRegistryShape, type ReportedPath } from "../services/NodeRegistry.js"

export type FleetServices = FleetState | HookBus | NodeRegistry

export interface FleetStateContractOptions<E> {
  /** Makes an empty fleet with a bus and a registry of its own each time that the layer is built. No NodeEventLog. */
  readonly layer: Layer.Layer<FleetServices, E>
  /** For durable layers: gives a layer over one new storage, to be built one after the other. */
  readonly storage?: Effect.Effect<Layer.Layer<FleetServices, E>, never, Scope.Scope>
}

const north = NodeId.make("north")
const south = NodeId.make("south")

const available = (path: string, id: string, type = "rtspSession"): BusEvent => ({
  event: "available",
  path,
  type,
  id,
  query: ""
})
const unavailable = (path: string, id: string, type = "rtspSession"): BusEvent => ({
  event: "unavailable",
  path,
  type,
  id,
  query: ""
})
const online = (path: string, id: string, type = "rtspSession"): BusEvent => ({
  event: "online",
  path,
  type,
  id,
  query: ""
})
const offline = (path: string, id: string, type = "rtspSession"): BusEvent => ({
  event: "offline",
  path,
  type,
  id,
  query: ""
})
const read = (path: string, id: string): BusEvent => ({ event: "read", path, type: "hlsSession", id, query: "" })
const unread = (path: string, id: string): BusEvent => ({ event: "unread", path, type: "hlsSession", id, query: "" })
const connect = (id: string): BusEvent => ({ event: "connect", type: "rtspConn", id })
const disconnect = (id: string): BusEvent => ({ event: "disconnect", type: "rtspConn", id })

const reported = (name: string, source: string | undefined, readers: ReadonlyArray<string> = []): ReportedPath => ({
  name,
  available: source !== undefined,
  online: source !== undefined,
  source: source === undefined ? null : { type: source === "" ? "rtspSource" : "rtspSession", id: source },
  readers: readers.map((id) => ({ type: "hlsSession", id }))
})

/** What a snapshot shows, without times and order. */
const shown = (snapshot: FleetSnapshot) => ({
  paths: snapshot.paths
    .map((p) => `${p.node}/${p.path}${p.available ? " available" : ""}${p.online ? " online" : ""} ${p.readers}`)
    .sort(),
  publishers: snapshot.publishers.map((p) => `${p.node}/${p.path} ${p.type} ${p.id}`).sort(),
  readers: snapshot.readers.map((r) => `${r.node}/${r.path} ${r.id}`).sort(),
  connections: snapshot.connections.map((c) => `${c.node} ${c.id}`).sort()
})
const nothing = { paths: [], publishers: [], readers: [], connections: [] }

interface Fleet {
  readonly fleet: FleetStateShape
  readonly bus: HookBusShape
  readonly registry: NodeRegistryShape
  /** Publishes in order and waits until all is in the picture. */
  readonly say: (...events: ReadonlyArray<BusEvent>) => Effect.Effect<void>
  readonly shown: Effect.Effect<ReturnType<typeof shown>>
}

const services = (context: Context.Context<FleetServices>): Fleet => {
  const fleet = Context.get(context, FleetState)
  const bus = Context.get(context, HookBus)
  return {
    fleet,
    bus,
    registry: Context.get(context, NodeRegistry),
    say: (...events) =>
      Effect.orDie(
        Effect.gen(function* () {
          for (const event of events) yield* bus.publish(north, event)
          yield* fleet.settled(yield* bus.latest)
        })
      ),
    shown: Effect.orDie(Effect.map(fleet.snapshot, shown))
  }
}

const open = <E>(layer: Layer.Layer<FleetServices, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { ...services(context), close: Scope.close(scope, Exit.void) }
  })

/** One thing that reaches the manager. Times in milliseconds from the start of the history. */
export type Delivery = { readonly at: number; readonly node: "north" | "south" } & (
  | { readonly event: BusEvent }
  | { readonly report: ReadonlyArray<ReportedPath> }
)

/** The event with its time, if it has one, moved from the start of a history to `start`. */
export const eventAt = (event: BusEvent, start: number): BusEvent =>
  "since" in event && event.since !== undefined ? { ...event, since: event.since + start } : event

/** What happened on two nodes, as it reached the manager, and what is true at its end. */
export interface History {
  readonly deliveries: ReadonlyArray<Delivery>
  readonly end: number
  readonly truth: ReturnType<typeof shown>
}

/** Late by up to this much, each hook for itself: far more than MediaMTX's own few milliseconds. */
const SKEW = 1000

/**
 * Random lives of two nodes with two paths and a static source each: publishers, readers and connections come and go; hooks
 * arrive out of order, some twice; path lists arrive late; nodes restart and go offline without a word about what was open.
 *
 * `lossy`: hooks of publishers and readers get lost as well, and each node reports its paths in the end.
 */
export const histories = (lossy: boolean): FastCheck.Arbitrary<History> => {
  const step = FastCheck.record({
    act: FastCheck.constantFrom(
      "publish",
      "publish",
      "read",
      "read",
      "read",
      "connect",
      "static",
      "report",
      "restart",
      "offline"
    ),
    node: FastCheck.constantFrom("north" as const, "south" as const),
    path: FastCheck.constantFrom("a", "b"),
    pick: FastCheck.nat(1000),
    wait: FastCheck.oneof(FastCheck.constant(0), FastCheck.integer({ min: 1, max: 50 }), FastCheck.nat(5000)),
    late: FastCheck.array(FastCheck.nat(SKEW), { minLength: 8, maxLength: 8 }),
    lost: FastCheck.array(FastCheck.nat(9), { minLength: 8, maxLength: 8 }),
    twice: FastCheck.boolean()
  })
  return FastCheck.array(step, { minLength: 1, maxLength: 60 }).map((steps) => {
    const deliveries: Array<Delivery> = []
    let now = 0
    let ids = 0
    const fresh = () => {
      const sources = new Map<string, string>()
      const readers = new Map<string, Set<string>>([
        ["a", new Set()],
        ["b", new Set()]
      ])
      return {
        sources,
        readers,
        connections: new Set<string>(),
        staticSince: undefined as number | undefined,
        staticAt: -9999
      }
    }
    const world = { north: fresh(), south: fresh() }
    const truthOf = (node: "north" | "south"): ReadonlyArray<ReportedPath> => {
      const of = world[node]
      const paths: Array<ReportedPath> = []
      for (const [path, id] of of.sources) paths.push(reported(path, id, [...(of.readers.get(path) ?? [])]))
      if (of.staticSince !== undefined) paths.push(reported("cam", ""))
      return paths
    }
    for (const { act, late, lost, node, path, pick, twice, wait } of steps) {
      now += wait
      const of = world[node]
      let n = 0
      const deliver = (event: BusEvent, losable = true) => {
        const i = n++ % 8
        const at = now + (late[i] ?? 0)
        if (lossy && losable && lost[i] === 0) return
        deliveries.push({ at, node, event })
        if (twice && i === 0) deliveries.push({ at: now + (late[7] ?? 0), node, event })
      }
      /** No hook of this node is on its way, and none that follows is taken for one of before. */
      const quiet = () => {
        now += SKEW + 1
      }
      switch (act) {
        case "publish": {
          const current = of.sources.get(path)
          if (current === undefined) {
            const id = `s${++ids}`
            of.sources.set(path, id)
            deliver(available(path, id))
            deliver(online(path, id))
          } else {
            of.sources.delete(path)
            deliver(unavailable(path, current))
            deliver(offline(path, current))
            for (const id of of.readers.get(path) ?? []) deliver(unread(path, id))
            of.readers.get(path)?.clear()
          }
          break
        }
        case "read": {
          const readers = of.readers.get(path) ?? new Set()
          if (!of.sources.has(path)) break
          const leaving = [...readers][pick % 3]
          if (leaving === undefined) {
            const id = `r${++ids}`
            readers.add(id)
            deliver(read(path, id))
          } else {
            readers.delete(leaving)
            deliver(unread(path, leaving))
          }
          break
        }
        case "connect": {
          const leaving = [...of.connections][pick % 2]
          if (leaving === undefined) {
            const id = `c${++ids}`
            of.connections.add(id)
            deliver(connect(id), false)
          } else {
            of.connections.delete(leaving)
            deliver(disconnect(leaving), false)
          }
          break
        }
        case "static": {
          // A source without an id comes back seconds later, not within the time that hooks may be late.
          if (now - of.staticAt <= SKEW) quiet()
          of.staticAt = now
          if (of.staticSince === undefined) {
            of.staticSince = now
            deliveries.push({ at: now, node, event: available("cam", "", "rtspSource") })
          } else {
            of.staticSince = undefined
            deliveries.push({ at: now, node, event: unavailable("cam", "", "rtspSource") })
          }
          break
        }
        case "report":
          deliveries.push({ at: now + (late[0] ?? 0), node, report: truthOf(node) })
          break
        case "restart":
        case "offline": {
          quiet()
          world[node] = fresh()
          deliveries.push({
            at: now + (late[0] ?? 0),
            node,
            event:
              act === "restart"
                ? { event: "node_restarted", since: now }
                : { event: "node_offline", previous: "stale", since: now }
          })
          // What happens from here on happens after it.
          now += 1
        }
      }
    }
    let end = now + 5000
    if (lossy) {
      for (const node of ["north", "south"] as const) deliveries.push({ at: end, node, report: truthOf(node) })
      end += 1
    }
    const truth = {
      paths: [] as string[],
      publishers: [] as string[],
      readers: [] as string[],
      connections: [] as string[]
    }
    for (const node of ["north", "south"] as const) {
      for (const { name, readers, source } of truthOf(node)) {
        truth.paths.push(`${node}/${name} available online ${readers.length}`)
        truth.publishers.push(`${node}/${name} ${source?.type} ${source?.id}`)
        for (const reader of readers) truth.readers.push(`${node}/${name} ${reader.id}`)
      }
      for (const id of world[node].connections) truth.connections.push(`${node} ${id}`)
    }
    for (const list of Object.values(truth)) list.sort()
    return { deliveries: deliveries.sort((a, b) => a.at - b.at), end, truth }
  })
}

/** A path that was listed once stays listed until a list says otherwise: only those with a stream are compared. */
export const streams = (picture: ReturnType<typeof shown>): ReturnType<typeof shown> => ({
  ...picture,
  paths: picture.paths.filter((path) => path.includes(" available"))
})

/** What a watcher has been told is there; undefined where it can't be told. */
const watch = (fleet: FleetStateShape) => {
  if (fleet.unsafeWatch === undefined) return undefined
  const there = { publisher: new Set<SessionState>(), reader: new Set<SessionState>() }
  fleet.unsafeWatch({
    opened: (kind, session) => {
      assert.isFalse(there[kind].has(session), "opened twice")
      there[kind].add(session)
    },
    closed: (kind, session) => assert.isTrue(there[kind].delete(session), "closed, but never opened")
  })
  return {
    now: () => ({
      publishers: [...there.publisher].map((p) => `${p.node}/${p.path} ${p.type} ${p.id}`).sort(),
      readers: [...there.reader].map((r) => `${r.node}/${r.path} ${r.id}`).sort()
    })
  }
}

/**
 * Invariants
 * - The picture depends on what happened, not on the order (within seconds) or number in which it is told.
 * - An end is final for its session, whether or not its start was heard.
 * - A node's restart, death or removal closes what was open before it, and nothing that was opened after it.
 * - A node's own path list is the truth, except for what hooks said in the last two seconds.
 * - A crash or restart at any moment leads to the same picture as none.
 */
export const fleetStateContract = <E>(name: string, options: FleetStateContractOptions<E>): void => {
  const test = (title: string, body: (fleet: Fleet) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.scoped(title, () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        yield* body(services(yield* Layer.build(options.layer)))
      })
    )

  describe(`${name} keeps the contract of FleetState`, () => {
    test("a stream and its parties come and go", ({ say, ...it }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* it.shown, nothing)
        yield* say(connect("c1"), available("cam", "s1"), online("cam", "s1"), read("cam", "r1"), read("cam", "r2"))
        assert.deepStrictEqual(yield* it.shown, {
          paths: ["north/cam available online 2"],
          publishers: ["north/cam rtspSession s1"],
          readers: ["north/cam r1", "north/cam r2"],
          connections: ["north c1"]
        })
        const snapshot = yield* it.fleet.snapshot
        assert.strictEqual(snapshot.paths[0]?.since, 3_600_000)
        assert.strictEqual(snapshot.cursor, yield* it.bus.latest)
        yield* say(unread("cam", "r1"), unread("cam", "r2"), disconnect("c1"), offline("cam", "s1"))
        yield* say(unavailable("cam", "s1"))
        assert.deepStrictEqual(yield* it.shown, nothing)
      }))

    test("an end that overtakes its start leaves no ghost", ({ say, shown }) =>
      Effect.gen(function* () {
        yield* say(unread("cam", "r1"), disconnect("c1"), offline("cam", "s1"), unavailable("cam", "s1"))
        yield* say(read("cam", "r1"), connect("c1"), available("cam", "s1"), online("cam", "s1"))
        assert.deepStrictEqual(yield* shown, nothing)
      }))

    test("an end without a start, and one that comes twice, change nothing", ({ say, shown }) =>
      Effect.gen(function* () {
        yield* say(available("cam", "s1"), unread("cam", "other"), disconnect("x"), unavailable("dog", "s9"))
        const before = yield* shown
        yield* say(unread("cam", "other"), disconnect("x"))
        assert.deepStrictEqual(yield* shown, before)
        assert.deepStrictEqual(before.paths, ["north/cam available online 0"])
      }))

    test("one session replaces another, in any order of their hooks", ({ say, shown }) =>
      Effect.gen(function* () {
        yield* say(available("cam", "s1"), online("cam", "s1"))
        yield* say(online("cam", "s2"), unavailable("cam", "s1"), available("cam", "s2"), offline("cam", "s1"))
        assert.deepStrictEqual((yield* shown).publishers, ["north/cam rtspSession s2"])
      }))

    test("a static source is a publisher without an id, and comes back under the same name", ({ say, shown }) =>
      Effect.gen(function* () {
        const on = available("cam", "", "rtspSource")
        const off = unavailable("cam", "", "rtspSource")
        yield* say(on)
        assert.deepStrictEqual((yield* shown).publishers, ["north/cam rtspSource "])
        yield* say(off)
        assert.deepStrictEqual(yield* shown, nothing)
        yield* say(on)
        assert.deepStrictEqual((yield* shown).paths, ["north/cam available online 0"])
      }))

    test("alwaysAvailable: a path is available without a publisher, and stays so without one", ({ say, ...it }) =>
      Effect.gen(function* () {
        yield* say(available("cam", "", ""))
        assert.deepStrictEqual(yield* it.shown, { ...nothing, paths: ["north/cam available 0"] })
        yield* say(online("cam", "s1"), read("cam", "r1"))
        assert.deepStrictEqual((yield* it.shown).paths, ["north/cam available online 1"])
        yield* TestClock.adjust("10 seconds")
        yield* it.fleet.reconcile(north, [reported("cam", "s1", ["r1"])])
        yield* say(offline("cam", "s1"))
        assert.deepStrictEqual(yield* it.shown, {
          ...nothing,
          paths: ["north/cam available 1"],
          readers: ["north/cam r1"]
        })
      }))

    test("readers end with their stream, even if nobody says so", ({ say, shown }) =>
      Effect.gen(function* () {
        yield* say(available("cam", "s1"), read("cam", "r1"))
        yield* TestClock.adjust("10 seconds")
        yield* say(read("cam", "r2"), unavailable("cam", "s1"))
        // The one that just came may be a reader of the next stream.
        assert.deepStrictEqual((yield* shown).readers, ["north/cam r2"])
      }))

    for (const event of ["node_restarted", "node_offline", "node_removed"] as const) {
      test(`${event} closes what was open on that node, and nothing newer`, ({ say, ...it }) =>
        Effect.gen(function* () {
          yield* say(connect("c1"), available("cam", "s1"), read("cam", "r1"), { event: "init", path: "cam" })
          yield* it.bus.publish(south, available("cam", "s5"))
          yield* TestClock.adjust("10 seconds")
          const since = 3_600_000 + 10_000
          // The event reaches the bus late: hooks of the time after it came first.
          yield* say(connect("c2"))
          yield* TestClock.adjust("1 second")
          yield* say(
            event === "node_offline" ? { event, previous: "stale", since: since - 1 } : { event, since: since - 1 }
          )
          assert.deepStrictEqual(yield* it.shown, {
            paths: ["south/cam available online 0"],
            publishers: ["south/cam rtspSession s5"],
            readers: [],
            connections: ["north c2"]
          })
        }))
    }

    test("a path list opens what hooks missed and closes what ended unheard", ({ say, ...it }) =>
      Effect.gen(function* () {
        yield* say(
          available("gone", "s1"),
          read("gone", "r1"),
          available("cam", "s2"),
          read("cam", "r2"),
          connect("c1")
        )
        yield* TestClock.adjust("10 seconds")
        yield* it.fleet.reconcile(north, [
          reported("cam", "s2", ["r3"]),
          reported("idle", undefined),
          reported("static", ""),
          { ...reported("always", undefined), available: true }
        ])
        assert.deepStrictEqual(yield* it.shown, {
          paths: [
            "north/always available 0",
            "north/cam available online 1",
            "north/idle 0",
            "north/static available online 0"
          ],
          publishers: ["north/cam rtspSession s2", "north/static rtspSource "],
          readers: ["north/cam r3"],
          connections: ["north c1"]
        })
        yield* TestClock.adjust("10 seconds")
        yield* it.fleet.reconcile(north, [])
        assert.deepStrictEqual(yield* it.shown, { ...nothing, connections: ["north c1"] })
      }))

    test("a path list does not undo what hooks said while it was on its way", ({ say, ...it }) =>
      Effect.gen(function* () {
        yield* say(available("old", "s1"), read("old", "r1"), available("static", "", "rtspSource"))
        yield* TestClock.adjust("10 seconds")
        yield* say(available("new", "s2"), unread("old", "r1"), unavailable("static", "", "rtspSource"))
        yield* TestClock.adjust("1 second")
        yield* it.fleet.reconcile(north, [reported("old", "s1", ["r1"]), reported("static", "")])
        assert.deepStrictEqual(streams(yield* it.shown), {
          ...nothing,
          paths: ["north/new available online 0", "north/old available online 0"],
          publishers: ["north/new rtspSession s2", "north/old rtspSession s1"]
        })
      }))

    test("a restart that a heartbeat tells of does not close what the same heartbeat lists", ({ say, ...it }) =>
      Effect.gen(function* () {
        yield* say(available("cam", "s1"), read("cam", "r1"))
        yield* TestClock.adjust("10 seconds")
        yield* say(available("cam", "s2"))
        yield* TestClock.adjust("1 second")
        yield* it.fleet.reconcile(north, [reported("cam", "s2", ["r2"])])
        yield* say({ event: "node_restarted", since: 3_600_000 + 9000 })
        assert.deepStrictEqual(yield* it.shown, {
          ...nothing,
          paths: ["north/cam available online 1"],
          publishers: ["north/cam rtspSession s2"],
          readers: ["north/cam r2"]
        })
      }))

    test("the snapshot is the same object until something changes", ({ say, ...it }) =>
      Effect.gen(function* () {
        yield* it.registry.observe(north, { via: "hook" })
        yield* say(available("cam", "s1"))
        const first = yield* it.fleet.snapshot
        assert.strictEqual(yield* it.fleet.snapshot, first)
        assert.deepStrictEqual(
          first.nodes.map(({ id }) => id),
          [north]
        )
        yield* say({ event: "record_segment_create", path: "cam", segmentPath: "/r/1.mp4" }, unread("cam", "nobody"))
        yield* TestClock.adjust("1 second")
        yield* it.registry.observe(north, { via: "hook" })
        assert.strictEqual(yield* it.fleet.snapshot, first)
        yield* it.registry.heartbeat(north, { instance: "i", status: "ok", disk: { free: 1, total: 2 } })
        const second = yield* it.fleet.snapshot
        assert.notStrictEqual(second, first)
        assert.deepStrictEqual(second.nodes[0]?.disk, { free: 1, total: 2 })
        yield* say(read("cam", "r1"))
        assert.notStrictEqual(yield* it.fleet.snapshot, second)
      }))

    test("changes brings the picture now, then at most one per pace, the newest", ({ say, ...it }) =>
      Effect.gen(function* () {
        const seen: Array<FleetSnapshot> = []
        yield* Effect.forkScoped(
          Stream.runForEach(it.fleet.changes, (snapshot) => Effect.sync(() => void seen.push(snapshot)))
        )
        yield* TestClock.adjust("1 second")
        assert.lengthOf(seen, 1)
        for (let i = 0; i < 20; i++) yield* say(read("cam", `r${i}`))
        yield* TestClock.adjust("1 second")
        assert.isAtMost(seen.length, 3)
        assert.lengthOf(seen[seen.length - 1]?.readers ?? [], 20)
        const count = seen.length
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(seen, count)
      }))

    it.scoped("changes ends with the layer", () =>
      Effect.gen(function* () {
        const { close, fleet } = yield* open(options.layer)
        const all = yield* Effect.fork(Stream.runCollect(fleet.changes))
        yield* TestClock.adjust("1 second")
        yield* close
        assert.isAtLeast(Chunk.size(yield* Fiber.join(all)), 1)
      })
    )

    test("settled waits for a record that is yet to come", ({ bus, fleet }) =>
      Effect.gen(function* () {
        const latest = yield* bus.latest
        const waiting = yield* Effect.fork(fleet.settled(latest + 2))
        yield* bus.publish(north, available("cam", "s1"))
        yield* fleet.settled(latest + 1)
        assert.isNull(waiting.unsafePoll())
        yield* bus.publish(north, read("cam", "r1"))
        yield* Fiber.join(waiting)
        assert.lengthOf((yield* fleet.snapshot).readers, 1)
      }))

    const replay = (history: History, { bus, fleet }: Fleet, start: number, from = 0, to = history.deliveries.length) =>
      Effect.gen(function* () {
        for (const delivery of history.deliveries.slice(from, to)) {
          yield* TestClock.setTime(start + delivery.at)
          const node = NodeId.make(delivery.node)
          if ("event" in delivery) yield* bus.publish(node, eventAt(delivery.event, start))
          else yield* fleet.reconcile(node, delivery.report)
        }
      })
    for (const lossy of [false, true]) {
      it.scoped(
        lossy
          ? "model: whatever is lost, the nodes' path lists lead to the truth"
          : "model: whatever the order and the repetitions, the hooks lead to the truth",
        () =>
          Effect.forEach(
            FastCheck.sample(histories(lossy), { numRuns: 20, seed: 7 }),
            (history) =>
              Effect.gen(function* () {
                const now = yield* Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())
                const it = services(yield* Layer.build(Layer.fresh(options.layer)))
                for (const node of [north, south]) yield* it.registry.observe(node, { via: "hook" })
                const early = watch(it.fleet)
                yield* replay(history, it, now)
                yield* it.fleet.settled(yield* it.bus.latest)
                yield* TestClock.setTime(now + history.end)
                const picture = yield* it.shown
                for (const watched of [early, watch(it.fleet)]) {
                  if (watched === undefined) continue
                  assert.deepStrictEqual(watched.now(), {
                    publishers: picture.publishers,
                    readers: picture.readers
                  })
                }
                assert.deepStrictEqual(lossy ? picture : streams(picture), history.truth)
              }).pipe(Effect.scoped),
            { discard: true }
          )
      )
    }

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("model: a crash and a restart at any moment lose and double nothing", () =>
        Effect.forEach(
          FastCheck.sample(FastCheck.tuple(histories(false), FastCheck.nat(), FastCheck.nat()), {
            numRuns: 12,
            seed: 8
          }),
          ([history, a, b]) =>
            Effect.gen(function* () {
              const now = yield* Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeMillis())
              const layer = yield* storage
              const count = history.deliveries.length + 1
              const [one = 0, two = 0] = [a % count, b % count].sort((x, y) => x - y)
              const first = yield* open(layer)
              for (const node of [north, south]) yield* first.registry.observe(node, { via: "hook" })
              yield* replay(history, first, now, 0, one)
              yield* first.close
              // The second one is never closed: as if the process had been killed.
              const second = yield* open(layer)
              yield* replay(history, second, now, one, two)
              const third = yield* open(layer)
              yield* replay(history, third, now, two)
              yield* third.fleet.settled(yield* third.bus.latest)
              const picture = yield* third.shown
              assert.deepStrictEqual({ ...streams(picture), connections: picture.connections }, history.truth)
              yield* third.close
            }).pipe(Effect.scoped),
          { discard: true }
        )
      )

      it.scoped("an end is remembered over a restart, and so is what is open", () =>
        Effect.gen(function* () {
          const layer = yield* storage
          yield* TestClock.adjust("1 hour")
          const first = yield* open(layer)
          yield* first.registry.observe(north, { via: "hook" })
          yield* first.say(available("cam", "s1"), read("cam", "r1"), unread("cam", "r2"), disconnect("c1"))
          const before = yield* first.fleet.snapshot
          yield* first.close
          yield* TestClock.adjust("2 seconds")
          const second = yield* open(layer)
          const { at, ...after } = yield* second.fleet.snapshot
          assert.deepStrictEqual({ ...after, at: before.at }, before)
          assert.isAbove(at, before.at)
          yield* second.say(read("cam", "r2"), connect("c1"))
          assert.deepStrictEqual(yield* second.shown, shown(before))
          yield* second.close
        })
      )

      it.scoped("rows of nodes that the registry knows to be gone are closed at the start", () =>
        Effect.gen(function* () {
          const layer = yield* storage
          const first = yield* open(layer)
          yield* first.registry.heartbeat(south, { instance: "i", status: "ok", every: 1 })
          yield* first.registry.observe(north, { via: "hook" })
          yield* first.bus.publish(south, available("cam", "s1"))
          yield* first.bus.publish(NodeId.make("unknown"), available("cam", "s2"))
          yield* first.say(available("cam", "s3"))
          yield* TestClock.adjust("1 minute")
          assert.lengthOf((yield* first.shown).publishers, 3)
          yield* first.close
          const second = yield* open(layer)
          assert.deepStrictEqual((yield* second.shown).publishers, ["north/cam rtspSession s3"])
          yield* second.close
        })
      )
    }
  })
}
