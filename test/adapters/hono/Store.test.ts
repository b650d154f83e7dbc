import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Store from "../../../src/adapters/hono/Store.js"

interface Fleet {
  readonly nodes: ReadonlyArray<{ readonly id: string; readonly status: string; readonly at: number }>
  readonly count: number
}
const node = (id: string, status = "online", at = 0) => ({ id, status, at })
const fleet = (nodes: Fleet["nodes"], count = 0): Fleet => ({ nodes, count })

const setUp = (options: Partial<Store.StoreOptions<Fleet>> = {}) => {
  const errors: Array<string> = []
  const source = Store.make<Fleet>({
    initial: fleet([]),
    onError: (error, what) => errors.push(`${what}: ${String(error)}`),
    ...options
  })
  return { ...source, errors }
}

/** A promise that is settled from outside. */
const gate = () => {
  let open = () => {}
  let fail = (_: Error) => {}
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open: () => open(), fail: (error: Error) => fail(error) }
}

describe("Store", () => {
  it("shows what was published last, as one object for as long as nothing changed", () => {
    const { publish, store } = setUp()
    assert.deepStrictEqual(store.getSnapshot().context, fleet([]))
    const next = fleet([node("a")])
    publish(next)
    assert.strictEqual(store.getSnapshot().context, next)
    assert.strictEqual(store.getSnapshot(), store.getSnapshot())
    publish(next)
    assert.strictEqual(store.getSnapshot(), store.getSnapshot())
  })

  it("reads what is newer than what was published, where it can", () => {
    let newest: Fleet | undefined
    const { store } = setUp({ pull: () => newest })
    assert.strictEqual(store.getSnapshot().context.count, 0)
    newest = fleet([], 7)
    assert.strictEqual(store.getSnapshot().context.count, 7)
    assert.strictEqual(store.select((context) => context.count).get(), 7)
  })

  it("tells every subscriber of every change until it unsubscribes", () => {
    const { publish, store } = setUp()
    const seen: Array<string> = []
    const first = store.subscribe(({ context }) => seen.push(`first ${context.count}`))
    store.subscribe(({ context }) => seen.push(`second ${context.count}`))
    publish(fleet([], 1))
    first.unsubscribe()
    first.unsubscribe()
    publish(fleet([], 2))
    assert.deepStrictEqual(seen, ["first 1", "second 1", "second 2"])
  })

  it("says once that somebody subscribed", () => {
    let times = 0
    const { store } = setUp({ onFirstSubscriber: () => times++ })
    store.getSnapshot()
    const selection = store.select((context) => context.count)
    assert.strictEqual(times, 0)
    selection.subscribe(() => undefined)
    store.subscribe(() => undefined)
    assert.strictEqual(times, 1)
  })

  it("lets nobody suffer for a subscriber that throws or rejects", async () => {
    const { errors, publish, store } = setUp()
    const seen: Array<number> = []
    store.subscribe(() => {
      throw new Error("thrown")
    })
    store.subscribe(() => Promise.reject(new Error("rejected")))
    store.subscribe(({ context }) => seen.push(context.count))
    publish(fleet([], 1))
    await Promise.resolve().then(() => undefined)
    publish(fleet([], 2))
    await Promise.resolve().then(() => undefined)
    assert.deepStrictEqual(seen, [1, 2])
    assert.deepStrictEqual(errors.sort(), [
      "a subscriber of the store: Error: rejected",
      "a subscriber of the store: Error: rejected",
      "a subscriber of the store: Error: thrown",
      "a subscriber of the store: Error: thrown"
    ])
  })

  it("gives a slow subscriber the newest when it is ready, and holds up no other", async () => {
    const { publish, store } = setUp()
    const slow: Array<number> = []
    const quick: Array<number> = []
    const gates = [gate(), gate()]
    store.subscribe(({ context }) => {
      slow.push(context.count)
      return gates[slow.length - 1]?.promise
    })
    store.subscribe(({ context }) => quick.push(context.count))
    for (let count = 1; count <= 5; count++) publish(fleet([], count))
    assert.deepStrictEqual([slow, quick], [[1], [1, 2, 3, 4, 5]])
    gates[0]?.open()
    await gates[0]?.promise
    await Promise.resolve()
    assert.deepStrictEqual(slow, [1, 5])
    // It goes on after a failure as well.
    publish(fleet([], 6))
    gates[1]?.fail(new Error("slow and broken"))
    await gates[1]?.promise.catch(() => undefined)
    await Promise.resolve()
    assert.deepStrictEqual(slow, [1, 5, 6])
  })

  it("does not tell a subscriber that left while it was busy", async () => {
    const { publish, store } = setUp()
    const seen: Array<number> = []
    const { open, promise } = gate()
    const subscription = store.subscribe(({ context }) => {
      seen.push(context.count)
      return promise
    })
    publish(fleet([], 1))
    publish(fleet([], 2))
    subscription.unsubscribe()
    open()
    await promise
    await Promise.resolve()
    assert.deepStrictEqual(seen, [1])
  })

  it("takes subscriptions and their ends while it tells", () => {
    const { publish, store } = setUp()
    const seen: Array<string> = []
    const inner: Array<Store.Subscription> = []
    const outer = store.subscribe(() => {
      seen.push("outer")
      outer.unsubscribe()
      inner.push(store.subscribe(() => seen.push("inner")))
    })
    publish(fleet([], 1))
    publish(fleet([], 2))
    assert.deepStrictEqual(seen, ["outer", "inner"])
  })

  describe("select", () => {
    it("tells when the part is no longer deeply equal, and not of the present value", () => {
      const { publish, store } = setUp()
      publish(fleet([node("a")], 1))
      const seen: Array<ReadonlyArray<string>> = []
      const ids = store.select((context) => context.nodes.map(({ id }) => id))
      ids.subscribe((value) => seen.push(value))
      publish(fleet([node("a", "stale")], 2))
      publish(fleet([node("a"), node("b")], 3))
      publish(fleet([node("a"), node("b")], 4))
      assert.deepStrictEqual(seen, [["a", "b"]])
      assert.deepStrictEqual(ids.get(), ["a", "b"])
    })

    it("tells when `changed` says true, compared with what it told last", () => {
      const { publish, store } = setUp()
      const asked: Array<readonly [number, number]> = []
      const seen: Array<number> = []
      store
        .select(
          (context) => context.count,
          (previous, next) => {
            asked.push([previous, next])
            return Math.abs(next - previous) >= 10
          }
        )
        .subscribe((count) => seen.push(count))
      for (const count of [4, 8, 12, 16, 25]) publish(fleet([], count))
      assert.deepStrictEqual(seen, [12, 25])
      assert.deepStrictEqual(asked, [
        [0, 4],
        [0, 8],
        [0, 12],
        [12, 16],
        [12, 25]
      ])
    })

    it("reports what a selector or `changed` throws, and goes on", () => {
      const { errors, publish, store } = setUp()
      const seen: Array<string> = []
      store
        .select((context) => {
          if (context.count === 1) throw new Error("no")
          return context.nodes[0]?.id ?? "none"
        })
        .subscribe((id) => seen.push(id))
      store
        .select(
          (context) => context.count,
          () => {
            throw new Error("never")
          }
        )
        .subscribe(() => seen.push("wrong"))
      publish(fleet([], 1))
      publish(fleet([node("a")], 2))
      assert.deepStrictEqual(seen, ["a"])
      assert.deepStrictEqual(errors, ["a selector: Error: no", "a selector: Error: never", "a selector: Error: never"])
    })

    it("asks the selector only while somebody is subscribed", () => {
      const { publish, store } = setUp()
      let asked = 0
      const selection = store.select(() => asked++)
      publish(fleet([], 1))
      assert.strictEqual(asked, 0)
      const subscription = selection.subscribe(() => undefined)
      publish(fleet([], 2))
      const before = asked
      subscription.unsubscribe()
      publish(fleet([], 3))
      assert.strictEqual(asked, before)
      selection.subscribe(() => undefined)
      publish(fleet([], 4))
      assert.isAbove(asked, before)
    })
  })

  describe("deepEqual", () => {
    it("agrees with a round trip through JSON on JSON", () => {
      FastCheck.assert(
        FastCheck.property(FastCheck.jsonValue(), FastCheck.jsonValue(), (a, b) => {
          // JSON has no -0.
          const plain = (value: unknown) => JSON.stringify(sorted(value))
          const [left, right] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))]
          return (
            Store.deepEqual(left, structuredClone(left)) &&
            Store.deepEqual(left, right) === (plain(left) === plain(right))
          )
        })
      )
    })

    it("tells maps, sets, dates and numbers apart by what they hold", () => {
      class Thing {
        readonly x = 1
      }
      const same: ReadonlyArray<readonly [unknown, unknown]> = [
        [Number.NaN, Number.NaN],
        [new Date(5), new Date(5)],
        [new Map([["a", [1]]]), new Map([["a", [1]]])],
        [new Set([1, 2]), new Set([2, 1])],
        [Object.create(null), {}]
      ]
      const different: ReadonlyArray<readonly [unknown, unknown]> = [
        [{ a: undefined }, {}],
        [{ a: undefined }, { b: undefined }],
        [[], {}],
        [{}, []],
        [[1], [1, 2]],
        [null, {}],
        [0, "0"],
        [new Date(5), new Date(6)],
        [new Date(5), 5],
        [new Map([["a", 1]]), new Map([["b", 1]])],
        [new Map(), new Set()],
        [new Set([1]), new Set([2])],
        [new Set(), new Map()],
        [new Thing(), new Thing()]
      ]
      for (const [i, [a, b]] of same.entries()) assert.isTrue(Store.deepEqual(a, b), `same ${i}`)
      for (const [i, [a, b]] of different.entries()) {
        assert.isFalse(Store.deepEqual(a, b), `different ${i}`)
        assert.isFalse(Store.deepEqual(b, a), `different ${i}, the other way`)
      }
    })
  })
})

/** A form whose JSON is the same for equal values only. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return ["array", ...value.map(sorted)]
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return ["object", ...entries.map(([key, inner]) => [key, sorted(inner)])]
}
