import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ConfigSourceError } from "../../src/services/ConfigSource.js"
import * as Rollout from "../../src/services/Rollout.js"
import { decode, isOpen, type RolloutPolicy } from "../../src/services/RolloutPolicy.js"
import { rolloutStoreContract } from "../../src/testing/RolloutStoreContract.js"
import { rolloutWorld } from "./RolloutWorld.js"

rolloutStoreContract("Rollout.layerMemoryStore", { layer: Rollout.layerMemoryStore })

const policy = (section: unknown): RolloutPolicy => Either.getOrThrowWith(decode(section), (issues) => issues[0])
const fleet = ["n1", "n2", "n3", "n4"]
const canary = policy({ canary: { nodes: "node=n1" }, soak: "30s", deadline: "1m" })

describe("a change of the config", () => {
  it.scoped("comes to every node at once by default, and is no rollout", () =>
    Effect.gen(function* () {
      const { beats, given, newest, set } = yield* rolloutWorld({})
      yield* beats(fleet)
      yield* set("b")
      for (const id of [...fleet, "new"]) assert.strictEqual(yield* given(id), "b")
      assert.isUndefined(yield* newest)
    })
  )

  it.scoped("comes to each node at a time of its own within the splay, and never goes back", () =>
    Effect.gen(function* () {
      const { beats, given, newest, pass, set } = yield* rolloutWorld(policy({ splay: "20s" }))
      const many = Array.from({ length: 40 }, (_, i) => `node-${i}`)
      yield* beats(many)
      yield* set("b")
      const counts: Array<number> = []
      let before = new Set<string>()
      for (let second = 0; second <= 20; second++) {
        const have = new Set<string>()
        for (const id of many) if ((yield* given(id)) === "b") have.add(id)
        for (const id of before) assert.isTrue(have.has(id), `${id} lost it again`)
        before = have
        counts.push(have.size)
        yield* beats(many)
        yield* pass(1)
      }
      assert.isBelow(counts[0] ?? 0, 5)
      assert.isAbove(counts[10] ?? 0, 8)
      assert.isBelow(counts[10] ?? 0, 32)
      assert.strictEqual(counts[20], 40)
      yield* beats(many)
      yield* pass(2)
      assert.strictEqual((yield* newest)?.state, "completed")
    })
  )

  it.scoped("comes to the canaries first, then to the rest", () =>
    Effect.gen(function* () {
      const { beats, given, newest, pass, rollout, set } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      yield* set("b")
      assert.strictEqual(yield* given("n1"), "b")
      for (const id of ["n2", "n3", "n4", "new"]) assert.strictEqual(yield* given(id), "a")
      yield* beats(fleet)
      yield* pass(1)
      for (let i = 0; i < 3; i++) {
        yield* pass(9.5)
        yield* beats(fleet)
        assert.strictEqual(yield* given("n2"), "a")
      }
      yield* pass(2)
      assert.strictEqual(yield* given("n2"), "b")
      assert.strictEqual(yield* given("new"), "b")
      const running = yield* newest
      assert.deepInclude(running, { id: 1, state: "running" })
      assert.deepStrictEqual(
        running?.waves.map(({ applied, given: has, nodes }) => [nodes, has, applied]),
        [
          [1, 1, 1],
          [3, 3, 0]
        ]
      )
      yield* beats(fleet)
      yield* pass(2)
      assert.strictEqual((yield* newest)?.state, "completed")
      assert.strictEqual((yield* Effect.flip(rollout().abort(1)))._tag, "RolloutNotActive")
      assert.strictEqual((yield* Effect.flip(rollout().abort(7)))._tag, "RolloutNotFound")
    })
  )

  it.scoped("halts when a canary fails, and says why; then it can go on, be given up or be pushed through", () =>
    Effect.gen(function* () {
      const { beat, beats, configs, given, newest, pass, rollout, set } = yield* rolloutWorld(canary)
      // What an updater does: it goes back to what ran before.
      const old = Effect.sync(() => configs.unsafeGet("n1" as never)?.wantedHash ?? "")
      let applied = ""
      const fail = Effect.gen(function* () {
        yield* beats(["n2", "n3", "n4"])
        yield* beat("n1", { error: "port in use", applied })
        yield* pass(2)
        assert.strictEqual((yield* newest)?.state, "running")
        yield* pass(9)
        const halted = yield* newest
        assert.strictEqual(halted?.state, "halted")
        assert.include(halted?.reason, "n1: port in use")
        assert.deepStrictEqual(halted?.failures, [{ node: "n1" as never, reason: "failed", message: "port in use" }])
        yield* beats(["n2", "n3", "n4"])
        yield* pass(120)
        for (const id of ["n2", "n3", "n4"]) assert.strictEqual(yield* given(id), "a")
      })
      yield* beats(fleet)
      applied = yield* old
      yield* set("b")
      yield* fail
      assert.strictEqual(yield* given("n1"), "b")
      assert.strictEqual((yield* rollout().abort(1)).state, "aborted")
      assert.strictEqual(yield* given("n1"), "a")
      yield* beats(fleet)
      yield* pass(5)
      assert.strictEqual(yield* given("n1"), "a")

      yield* beats(fleet)
      yield* set("c")
      assert.strictEqual((yield* newest)?.id, 2)
      yield* fail
      assert.strictEqual((yield* rollout().resume(2)).state, "running")
      yield* beats(["n2", "n3", "n4"])
      yield* beat("n1", { error: "port in use", applied })
      yield* pass(40)
      assert.strictEqual(yield* given("n2"), "c")

      yield* rollout().abort(2)
      yield* beats(fleet)
      yield* set("d")
      yield* fail
      yield* rollout().promote(3)
      for (const id of [...fleet, "new"]) assert.strictEqual(yield* given(id), "d")
      yield* beats(["n2", "n3", "n4"])
      yield* beat("n1", { error: "port in use", applied })
      yield* pass(2)
      assert.strictEqual((yield* newest)?.state, "completed")
    })
  )

  it.scoped("halts when a canary goes silent", () =>
    Effect.gen(function* () {
      const { beats, given, newest, pass, set } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      yield* set("b")
      // n1 is not heard of again: after 22 seconds it is stale.
      for (let i = 0; i < 3; i++) {
        yield* pass(10)
        yield* beats(["n2", "n3", "n4"])
      }
      const halted = yield* newest
      assert.strictEqual(halted?.state, "halted")
      assert.include(halted?.reason, "n1: it is stale since it was given the config")
      assert.strictEqual(yield* given("n2"), "a")
    })
  )

  it.scoped("halts when a canary does not take it in time; nodes that were gone before are not waited for", () =>
    Effect.gen(function* () {
      const { beat, beats, configs, newest, pass, set } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      const old = configs.unsafeGet("n1" as never)?.wantedHash ?? ""
      yield* set("b")
      for (let i = 0; i < 7; i++) {
        yield* beats(["n2", "n3", "n4"])
        yield* beat("n1", { applied: old })
        yield* pass(9)
      }
      assert.include((yield* newest)?.reason, "n1: it has not applied the config within 1m")

      const other = yield* rolloutWorld(canary)
      yield* other.beats(fleet)
      yield* other.pass(60)
      yield* other.beats(["n2", "n3", "n4"])
      yield* other.set("b")
      for (let i = 0; i < 4; i++) {
        yield* other.pass(9)
        yield* other.beats(["n2", "n3", "n4"])
      }
      yield* other.pass(2)
      assert.strictEqual((yield* other.newest)?.state, "completed")
    })
  )

  it.scoped("that comes during another one takes its place; who has that one keeps it", () =>
    Effect.gen(function* () {
      const { beats, given, pass, rollout, set, state } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      yield* set("b")
      assert.strictEqual(yield* given("n1"), "b")
      state.policy = policy({ canary: { nodes: "node=n2" }, soak: "10s" })
      yield* set("c")
      assert.strictEqual(yield* given("n1"), "b")
      assert.strictEqual(yield* given("n2"), "c")
      assert.strictEqual(yield* given("n3"), "a")
      assert.deepStrictEqual(
        (yield* rollout().list).map(({ id, state: of }) => [id, of]),
        [
          [2, "running"],
          [1, "superseded"]
        ]
      )
      // Changed back: nobody is left with what came in between.
      yield* set("a")
      for (const id of fleet) assert.strictEqual(yield* given(id), "a")
      assert.strictEqual((yield* rollout().list)[0]?.state, "aborted")
      for (const name of ["d", "e", "f", "g", "h", "i"]) yield* set(name)
      yield* beats(fleet)
      for (let i = 0; i < 4; i++) {
        yield* pass(9)
        yield* beats(fleet)
      }
      for (const id of fleet) assert.strictEqual(yield* given(id), "i")
    })
  )

  it.scoped("goes on where it was after a restart, also with an edit made meanwhile", () =>
    Effect.gen(function* () {
      const { beats, given, newest, pass, restart, rollout, set, source, whileDown } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      yield* set("b")
      yield* beats(fleet)
      yield* pass(2)
      yield* restart
      assert.strictEqual(yield* given("n1"), "b")
      assert.strictEqual(yield* given("n2"), "a")
      yield* beats(fleet)
      yield* pass(10)
      yield* rollout().abort(1)
      yield* restart
      for (const id of fleet) assert.strictEqual(yield* given(id), "a")
      yield* whileDown(Effect.orDie(source.set({ config: { paths: { c: {} } } })))
      assert.strictEqual((yield* newest)?.state, "running")
      assert.strictEqual(yield* given("n1"), "c")
      assert.strictEqual(yield* given("n2"), "a")
      yield* whileDown(Effect.orDie(source.set({ config: { paths: { d: {} } } })))
      assert.strictEqual(yield* given("n1"), "d")
      assert.strictEqual(yield* given("n2"), "a")
    })
  )

  it.scoped("that interrupts somebody waits for its window", () =>
    Effect.gen(function* () {
      // It is midnight, 1970.
      const { beats, given, newest, pass, set, source } = yield* rolloutWorld(
        policy({ hold: { for: ["node", "listeners"], window: { from: "00:01", to: "05:00" } } })
      )
      yield* beats(fleet)
      yield* set("b")
      for (const id of fleet) assert.strictEqual(yield* given(id), "b")
      yield* beats(fleet)
      yield* pass(2)
      yield* Effect.orDie(source.set({ config: { readTimeout: "20s", paths: { c: {} } } }))
      yield* pass(2)
      const held = yield* newest
      assert.strictEqual(held?.state, "held", held?.reason)
      assert.include(held?.reason, "wave 1 waits for 00:01 to 05:00 UTC: on node n")
      assert.strictEqual(yield* given("n1"), "b")
      yield* beats(fleet)
      yield* pass(60)
      assert.strictEqual(yield* given("n1"), "c")
    })
  )
})

describe("the rollout section", () => {
  it("says what is wrong with it, and where", () => {
    const read = decode({
      splay: "soon",
      canary: { percent: 0 },
      waves: [{ nodes: "region=" }, { percent: 5, nodes: "gpu" }, 3],
      tolerate: -1,
      hold: { for: ["cats"], window: { from: "25:00", to: "05:00", zone: "Moon/Base", days: ["someday"] } },
      canaries: 1
    })
    assert.deepStrictEqual(Either.isLeft(read) ? read.left.map(({ fieldText }) => fieldText).sort() : [], [
      "rollout.canaries",
      "rollout.canary.percent",
      "rollout.hold.for",
      "rollout.hold.window.days",
      "rollout.hold.window.from",
      "rollout.hold.window.zone",
      "rollout.splay",
      "rollout.tolerate",
      "rollout.waves[0].nodes",
      "rollout.waves[1]",
      "rollout.waves[2]"
    ])
    assert.isTrue(Duration.equals(policy(undefined).splay, 0))
  })

  it("knows when a window is open: by the zone, over midnight, on its days", () => {
    const window = (value: object) => {
      const { hold } = policy({ hold: { window: value } })
      if (hold === undefined) throw new Error("no hold")
      return (iso: string) => isOpen(hold.window, Date.parse(iso))
    }
    const night = window({ from: "02:00", to: "05:00", zone: "Europe/Berlin" })
    assert.isFalse(night("2026-07-01T23:59:00Z"))
    assert.isTrue(night("2026-07-02T00:00:00Z"))
    assert.isTrue(night("2026-07-02T02:59:59Z"))
    assert.isFalse(night("2026-07-02T03:00:00Z"))
    assert.isTrue(night("2026-12-02T03:59:59Z"))
    // From Saturday evening to Sunday morning.
    const weekend = window({ from: "22:00", to: "06:00", days: ["sat"] })
    assert.isTrue(weekend("2026-11-28T23:00:00Z"))
    assert.isTrue(weekend("2026-11-29T05:00:00Z"))
    assert.isFalse(weekend("2026-11-28T05:00:00Z"))
    assert.isFalse(weekend("2026-11-29T23:00:00Z"))
  })
})

describe("a node for which the new config is not valid", () => {
  it.scoped("keeps what it has, halts the rollout, and gets nothing of an older one that was given up", () =>
    Effect.gen(function* () {
      const { beats, given, newest, pass, rollout, set, source } = yield* rolloutWorld(canary)
      yield* beats(fleet)
      yield* set("b")
      assert.strictEqual(yield* given("n1"), "b")
      yield* rollout().abort(1)
      yield* beats(fleet)
      // Valid for all but n1, whose own config is taken as a file's would be that is refused.
      const { revision } = yield* source.current
      const base = { paths: { c: {} } }
      const why = new ConfigSourceError({ origin: "n1.yml", message: "it is not valid" })
      const mixed = {
        revision: revision + 1,
        base,
        nodes: new Map(),
        refused: new Map([["n1" as never, why]]),
        warnings: []
      }
      source.unsafeReplace(mixed)
      yield* pass(1)
      yield* pass(2)
      assert.strictEqual(yield* given("n1"), "a")
      const halted = yield* newest
      assert.strictEqual(halted?.state, "halted")
      assert.strictEqual(halted?.failures[0]?.reason, "unrenderable")
      assert.strictEqual(yield* given("n2"), "a")
    })
  )
})
