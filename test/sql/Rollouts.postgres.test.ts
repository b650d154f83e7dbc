/** One rollout of several managers: each with a source, a renderer and a store of its own, over one PostgreSQL database. */
import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Layer, Redacted, Scope, TestClock } from "effect"
import { ConfigRenderer } from "../../src/services/ConfigRenderer.js"
import * as ConfigSource from "../../src/services/ConfigSource.js"
import * as Credentials from "../../src/services/Credentials.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeConfigs from "../../src/services/NodeConfigs.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { Rollout, RolloutBehind, RolloutStore } from "../../src/services/Rollout.js"
import { immediate, type RolloutPolicy } from "../../src/services/RolloutPolicy.js"
import * as RolloutRenderer from "../../src/services/RolloutRenderer.js"
import * as SqlRollouts from "../../src/sql/SqlRollouts.js"
import { config } from "../services/RolloutWorld.js"
import { database, describePostgres } from "../support/Postgres.js"

const T = 1_767_225_600_000
const ids = ["n1", "n2", "n3"].map((id) => NodeId.make(id))
const selects = (id: string) => ({
  text: `node=${id}`,
  matches: (labels: Readonly<Record<string, string>>) => labels["node"] === id
})
const policy: RolloutPolicy = {
  ...immediate,
  waves: [{ nodes: selects("n1") }, { nodes: selects("n2") }],
  soak: Duration.seconds(10),
  deadline: Duration.minutes(5)
}

await describePostgres("rollouts of several managers on PostgreSQL", (server) => {
  const world = Effect.gen(function* () {
    yield* TestClock.setTime(T)
    const shared = database(server)
    // That these are the same to all is theirs to see to, and tested there.
    const nodes = yield* Layer.build(
      Layer.mergeAll(NodeConfigs.layerMemory(), FleetState.layerMemory()).pipe(
        Layer.provideMerge(Layer.merge(HookBus.layerMemory(), NodeRegistry.layerMemory()))
      )
    )
    const registry = Context.get(nodes, NodeRegistry.NodeRegistry)
    const configs = Context.get(nodes, NodeConfigs.NodeConfigs)
    const manager = (folder = "a") =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
        const source = yield* Scope.extend(ConfigSource.make(config(folder)), scope)
        const services = yield* RolloutRenderer.layer({
          base: "https://example.com",
          policy: Effect.succeed(policy)
        }).pipe(
          Layer.provide(Layer.succeed(ConfigSource.ConfigSource, source)),
          Layer.provide(Layer.provide(SqlRollouts.layer, shared)),
          Layer.provide(Credentials.layer({ key: Redacted.make("key-of-the-tests") })),
          Layer.provide(Layer.succeedContext(nodes)),
          Layer.fresh,
          Layer.buildWithScope(scope)
        )
        const renderer = Context.get(services, ConfigRenderer)
        const rollout = Context.get(services, Rollout)
        const given = (node: NodeId) =>
          Effect.map(
            Effect.orDie(renderer.render(node)),
            ({ yaml }) => /^ {2}"?([a-z]+)"?: \{\}$/m.exec(yaml)?.[1] ?? "?"
          )
        return {
          rollout,
          edit: (name: string) => Effect.orDie(source.set(config(name))),
          /** What all nodes get of this manager. */
          gives: Effect.map(Effect.forEach(ids, given), (names) => names.join("")),
          /** They call it, and say that they run what it gives. */
          beats: Effect.forEach(ids, (node) =>
            Effect.gen(function* () {
              const record = yield* registry.heartbeat(node, { instance: "i", status: "ok", every: 10 })
              const { hash } = yield* renderer.render(node, record)
              configs.unsafeNote(node, hash, { applied: hash, error: null })
            }).pipe(Effect.orDie)
          ),
          states: Effect.map(rollout.list, (all) => all.map(({ id, state }) => `${id} ${state}`)),
          close: Scope.close(scope, Exit.void)
        }
      })
    return { manager }
  })
  type Manager = Effect.Effect.Success<ReturnType<Effect.Effect.Success<typeof world>["manager"]>>
  const look = (managers: ReadonlyArray<Manager>) =>
    Effect.forEach(managers, ({ rollout }) => rollout.look, { concurrency: "unbounded", discard: true })
  /** Time in which nodes call, and all managers look after the rollout at the same moments. */
  const pass = (seconds: number, managers: ReadonlyArray<Manager>) =>
    Effect.gen(function* () {
      for (let left = seconds; left > 0; left -= 5) {
        yield* TestClock.adjust("5 seconds")
        yield* look(managers)
        // Behind a round robin.
        yield* managers[(left / 5) % managers.length]?.beats ?? Effect.void
      }
      yield* look(managers)
    })

  it.scoped("all of them give what one has begun, go on when it is gone, and do what any of them is told", () =>
    Effect.gen(function* () {
      const { manager } = yield* world
      const a = yield* manager()
      const b = yield* manager()
      for (const { beats } of [a, b]) yield* beats
      // Only one of them has seen the edit so far.
      yield* a.edit("b")
      yield* look([a])
      yield* look([a, b])
      assert.deepStrictEqual([yield* a.gives, yield* b.gives], ["baa", "baa"])
      yield* a.close
      const c = yield* manager("b")
      yield* pass(20, [b, c])
      assert.deepStrictEqual([yield* b.gives, yield* c.gives], ["bba", "bba"])
      assert.deepStrictEqual(yield* b.states, ["1 running"])

      const aborted = yield* c.rollout.abort(1)
      assert.strictEqual(aborted.state, "aborted")
      // The other one is told by whoever asks it first.
      assert.deepStrictEqual(yield* b.states, ["1 aborted"])
      assert.deepStrictEqual([yield* b.gives, yield* c.gives], ["aaa", "aaa"])
      assert.strictEqual((yield* Effect.flip(b.rollout.resume(1)))._tag, "RolloutNotActive")
      // It comes late with what was given up meanwhile.
      yield* b.edit("b")
      yield* pass(10, [b, c])
      assert.deepStrictEqual([yield* b.states, yield* b.gives], [["1 aborted"], "aaa"])
      // One that starts with the edit that was given up does not begin it anew either.
      const d = yield* manager("b")
      yield* pass(10, [b, c, d])
      assert.deepStrictEqual([yield* d.states, yield* d.gives], [["1 aborted"], "aaa"])
    })
  )

  it.scoped("one edit that all see at the same moment is one rollout, and each wave goes out once", () =>
    Effect.gen(function* () {
      const { manager } = yield* world
      const all = [yield* manager(), yield* manager(), yield* manager()]
      for (const { beats } of all) yield* beats
      for (const { edit } of all) yield* edit("b")
      yield* look(all)
      assert.deepStrictEqual(yield* Effect.forEach(all, ({ gives }) => gives), ["baa", "baa", "baa"])
      yield* pass(40, all)
      assert.deepStrictEqual(yield* Effect.forEach(all, ({ gives }) => gives), ["bbb", "bbb", "bbb"])
      const [shown, ...others] = yield* Effect.forEach(all, ({ rollout }) => rollout.list)
      for (const each of others) assert.deepStrictEqual(each, shown)
      assert.deepStrictEqual(
        shown?.map(({ id, state }) => [id, state]),
        [[1, "completed"]]
      )
      const [first = 0, second = 0, third = 0] = shown?.[0]?.waves.map(({ releasedAt }) => releasedAt ?? 0) ?? []
      assert.isTrue(first >= T && second - first >= 10_000 && third - second >= 10_000)
    })
  )

  it.scoped("one that is behind does not bring back what others have left behind", () =>
    Effect.gen(function* () {
      const { manager } = yield* world
      const [a, b] = [yield* manager(), yield* manager()]
      for (const { beats } of [a, b]) yield* beats
      yield* a.edit("b")
      yield* look([a])
      yield* a.edit("c")
      yield* look([a])
      yield* b.edit("b")
      yield* look([b])
      assert.deepStrictEqual(yield* b.states, ["2 running", "1 superseded"])
      assert.strictEqual(yield* b.gives, "caa")
      yield* b.edit("c")
      yield* pass(40, [a, b])
      assert.deepStrictEqual(yield* a.states, ["2 completed", "1 superseded"])
      assert.deepStrictEqual([yield* a.gives, yield* b.gives], ["ccc", "ccc"])
      // An older config again is a change, whoever makes it.
      yield* b.edit("b")
      yield* pass(40, [a, b])
      assert.deepStrictEqual((yield* a.states)[0], "3 completed")
      assert.strictEqual(yield* a.gives, "bbb")
    })
  )

  it.scoped("of two that write on the same knowledge, the second is refused and told", () =>
    Effect.gen(function* () {
      const shared = database(server)
      const stores = yield* Effect.all(
        [1, 2].map(() => Layer.build(Layer.fresh(Layer.provide(SqlRollouts.layer, shared))))
      )
      const [one, two] = stores.map((context) => Context.get(context, RolloutStore))
      if (one === undefined || two === undefined) return assert.fail("there are two")
      const change = (settled: string) => ({
        ...{ settled, stack: [], rollouts: [], oldest: 0, keep: new Set([settled]) },
        configs: new Map([[settled, "{}"]])
      })
      for (const store of [one, two]) yield* store.load
      yield* one.save(change("x"))
      const late = yield* Effect.flip(two.save(change("y")))
      assert.instanceOf(late, RolloutBehind)
      assert.deepInclude(yield* two.shared?.news ?? Effect.void, { settled: "x" })
      assert.isUndefined(yield* two.shared?.news ?? Effect.void)
      yield* two.save(change("y"))
      assert.deepInclude(yield* one.shared?.news ?? Effect.void, { settled: "y" })
      assert.isUndefined(yield* one.config("x"))
    })
  )
})
