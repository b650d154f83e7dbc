/**
 * What every WebhookStore must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * webhookStoreContract("WebhookStore.layerMemory", { layer: WebhookStore.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { NodeId } from "../services/NodeId.js"
import { type NewDelivery, type Settlement, type WebhookConfig, WebhookStore } from "../services/WebhookStore.js"
import type { WebhookSettings } from "../services/Webhooks.js"

export interface WebhookStoreContractOptions<E> {
  /** Makes an empty store of its own each time that the layer is built. */
  readonly layer: Layer.Layer<WebhookStore, E>
}

/** Beyond 32 bits, as real times are. */
const NOW = 1_800_000_000_000
const DAY = 86_400_000
const A = "018f0000-0000-7000-8000-00000000000a"
const B = "018f0000-0000-7000-8000-00000000000b"

const webhook = (id: string, over: Partial<WebhookSettings> = {}): WebhookConfig & { readonly cursor: number } => ({
  settings: {
    id,
    url: "https://example.com/hook?token=1",
    description: "für \0 Ärger",
    types: ["available", "node_*"],
    paths: ["cams/**"],
    nodes: [],
    enabled: true,
    disabledBy: null,
    createdAt: NOW,
    updatedAt: NOW,
    ...over
  },
  secrets: [{ secret: Redacted.make("whsec_new"), until: null }],
  skip: 0,
  cursor: 3
})

const delivery = (cursor: number, over: Partial<NewDelivery> = {}): NewDelivery => ({
  cursor,
  id: `msg_${cursor}`,
  stream: "n1\ncam",
  type: "available",
  node: NodeId.make("n1"),
  path: "cam",
  body: `{"type":"available","data":"\\u0000 ${cursor}"}`,
  at: NOW + cursor * 1000,
  createdAt: NOW,
  deadline: NOW + DAY,
  ...over
})

const settled = (cursor: number, over: Partial<Settlement> = {}): Settlement => ({
  cursor,
  state: "delivered",
  attempts: 1,
  nextAttempt: null,
  lastAttempt: NOW + 5,
  endedAt: NOW + 6,
  status: 204,
  error: null,
  ...over
})

export const webhookStoreContract = <E>(name: string, options: WebhookStoreContractOptions<E>): void => {
  describe(`${name} keeps the contract of WebhookStore`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, WebhookStore>) =>
      it.effect(title, () => Effect.provide(body, options.layer))
    const version = Effect.flatMap(WebhookStore, (store) =>
      Effect.map(store.list, ([found]) => found?.[0].version ?? 0)
    )
    const cursors = (deliveries: ReadonlyArray<{ readonly cursor: number }>) => deliveries.map(({ cursor }) => cursor)

    test(
      "gives back webhooks as they were put in, the oldest first, and forgets them",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        assert.deepStrictEqual(yield* store.list, [])
        yield* store.insert(webhook(B))
        yield* store.insert(webhook(A, { enabled: false, disabledBy: "gone" }))
        const found = yield* store.list
        assert.deepStrictEqual(
          found.map(([{ settings }]) => settings.id),
          [A, B]
        )
        const mine = found.find(([{ settings }]) => settings.id === B)
        assert.deepStrictEqual(mine?.[0].settings, webhook(B).settings)
        assert.deepStrictEqual(
          mine?.[0].secrets.map(({ secret, until }) => [Redacted.value(secret), until]),
          [["whsec_new", null]]
        )
        assert.deepInclude(mine?.[0], { cursor: 3, missed: 0, skip: 0 })
        assert.deepStrictEqual(mine?.[1], { pending: 0, oldestPending: null, dead: 0, lastDelivered: null })
        assert.isTrue(yield* store.remove(A))
        assert.isFalse(yield* store.remove(A))
        assert.deepStrictEqual(
          (yield* store.list).map(([{ settings }]) => settings.id),
          [B]
        )
      })
    )

    test(
      "changes settings, secrets and what is passed over, and counts the changes",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        const before = yield* version
        const changed = yield* store.change(A, ({ secrets, settings }) => ({
          settings: { ...settings, url: "https://example.net/" },
          secrets: [
            { secret: Redacted.make("whsec_newer"), until: null },
            ...secrets.map(({ secret }) => ({ secret, until: NOW }))
          ],
          skip: 7
        }))
        assert.isTrue(Option.isSome(changed))
        const [found] = yield* store.list
        assert.deepInclude(found?.[0], { cursor: 3, skip: 7, version: before + 1 })
        assert.strictEqual(found?.[0].settings.url, "https://example.net/")
        assert.deepStrictEqual(
          found?.[0].secrets.map(({ secret, until }) => [Redacted.value(secret), until]),
          [
            ["whsec_newer", null],
            ["whsec_new", NOW]
          ]
        )
        assert.isTrue(Option.isNone(yield* store.change(B, (same) => same)))
      })
    )

    test(
      "moves the cursor together with what comes into the outbox, once claimed",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        assert.deepStrictEqual(
          (yield* store.claim(60_000)).map(({ settings }) => settings.id),
          [A]
        )
        assert.isTrue(yield* store.enqueue(A, 9, [delivery(5), delivery(8, { stream: "n1", path: null })], 0))
        assert.isTrue(yield* store.enqueue(A, 12, [], 2))
        // A repetition changes nothing.
        assert.isTrue(yield* store.enqueue(A, 12, [delivery(5, { id: "msg_other" })], 0))
        assert.isFalse(yield* store.enqueue(B, 12, [delivery(5)], 0))
        const [found] = yield* store.list
        assert.deepInclude(found?.[0], { cursor: 12, missed: 2 })
        assert.deepStrictEqual(found?.[1], { pending: 2, oldestPending: NOW, dead: 0, lastDelivered: null })
        assert.deepStrictEqual(yield* store.pending(A), [
          { cursor: 5, stream: "n1\ncam", createdAt: NOW, attempts: 0, nextAttempt: NOW },
          { cursor: 8, stream: "n1", createdAt: NOW, attempts: 0, nextAttempt: NOW }
        ])
        const stored = Option.getOrThrow(yield* store.delivery(A, 5))
        assert.deepInclude(stored, {
          id: "msg_5",
          body: delivery(5).body,
          state: "pending",
          node: NodeId.make("n1"),
          path: "cam",
          deadline: NOW + DAY,
          error: null
        })
        assert.isTrue(Option.isNone(yield* store.delivery(A, 6)))
        assert.isTrue(Option.isNone(yield* store.delivery(B, 5)))
      })
    )

    test(
      "takes in what became of deliveries, of those that wait only",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        yield* store.claim(60_000)
        yield* store.enqueue(A, 4, [delivery(1), delivery(2), delivery(3), delivery(4)], 0)
        yield* store.settle(A, [
          settled(1),
          settled(2, { state: "dead", status: null, error: "no answer \0 ü", attempts: 9 }),
          settled(3, { state: "pending", endedAt: null, nextAttempt: NOW + 99, status: 500, error: "answered 500" })
        ])
        yield* store.settle(A, [settled(2)])
        yield* store.settle(A, [])
        yield* store.settle(B, [settled(4)])
        const all = yield* store.deliveries(A, {})
        assert.deepStrictEqual(
          all.map(({ attempts, cursor, nextAttempt, state, status }) => [cursor, state, attempts, nextAttempt, status]),
          [
            [4, "pending", 0, NOW, null],
            [3, "pending", 1, NOW + 99, 500],
            [2, "dead", 9, null, null],
            [1, "delivered", 1, null, 204]
          ]
        )
        assert.isFalse(all.some((row) => "body" in row))
        assert.include(all[2]?.error ?? "", "no answer")
        const [found] = yield* store.list
        assert.deepStrictEqual(found?.[1], { pending: 2, oldestPending: NOW, dead: 1, lastDelivered: NOW + 6 })
        assert.strictEqual(yield* store.dead(A), 1)
        assert.deepStrictEqual(cursors(yield* store.deliveries(A, { state: "pending" })), [4, 3])
        assert.deepStrictEqual(cursors(yield* store.deliveries(A, { before: 4, limit: 2 })), [3, 2])
        assert.deepStrictEqual(yield* store.deliveries(B, {}), [])
      })
    )

    test(
      "makes what is over wait again: one, a time, all that are dead",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        yield* store.claim(60_000)
        yield* store.enqueue(
          A,
          6,
          [1, 2, 3, 4, 5, 6].map((n) => delivery(n)),
          0
        )
        yield* store.settle(
          A,
          [1, 2, 3].map((n) => settled(n, { state: "dead", status: 500, error: "x", attempts: 4 }))
        )
        yield* store.settle(A, [settled(4), settled(5)])
        const before = yield* version
        const waiting = Effect.map(store.deliveries(A, { state: "pending" }), cursors)
        const replay = (selection: Parameters<typeof store.replay>[1]) =>
          store.replay(A, selection, NOW + 7, NOW + 7 + DAY)

        assert.strictEqual(yield* replay({ id: "msg_6" }), 0)
        assert.strictEqual(yield* replay({ id: "msg_9" }), 0)
        assert.strictEqual(yield* version, before)
        assert.strictEqual(yield* replay({ id: "msg_4" }), 1)
        assert.deepStrictEqual(yield* waiting, [6, 4])
        assert.deepInclude(Option.getOrThrow(yield* store.delivery(A, 4)), {
          id: "msg_4",
          body: delivery(4).body,
          attempts: 0,
          createdAt: NOW + 7,
          nextAttempt: NOW + 7,
          deadline: NOW + 7 + DAY,
          endedAt: null
        })
        assert.strictEqual(yield* version, before + 1)
        // From then on, and before then.
        assert.strictEqual(yield* replay({ from: NOW + 2000, to: NOW + 3000 }), 1)
        assert.deepStrictEqual(yield* waiting, [6, 4, 2])
        assert.strictEqual(yield* replay({ from: NOW + 3000, delivered: true }), 2)
        assert.deepStrictEqual(yield* waiting, [6, 5, 4, 3, 2])
        assert.strictEqual(yield* replay({}), 1)
        assert.strictEqual(yield* store.dead(A), 0)
        assert.deepStrictEqual(cursors(yield* store.pending(A)), [1, 2, 3, 4, 5, 6])
        assert.strictEqual(yield* store.replay(B, {}, NOW, NOW), 0)
      })
    )

    test(
      "deletes the oldest of what is over, and nothing that waits",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        yield* store.claim(60_000)
        yield* store.enqueue(
          A,
          9,
          [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => delivery(n)),
          0
        )
        yield* store.settle(
          A,
          [1, 2, 3, 4].map((n) => settled(n, { endedAt: NOW + n }))
        )
        yield* store.settle(
          A,
          [5, 6, 7, 8].map((n) => settled(n, { state: "dead", endedAt: NOW + n }))
        )
        const keep = { delivered: 100, deliveredSince: 0, dead: 100, deadSince: 0 }
        assert.strictEqual(yield* store.prune(A, keep), 0)
        assert.strictEqual(yield* store.prune(A, { ...keep, delivered: 3, dead: 3 }), 1)
        assert.deepStrictEqual(cursors(yield* store.deliveries(A, {})), [9, 8, 7, 6, 4, 3, 2])
        assert.strictEqual(yield* store.prune(A, { ...keep, deliveredSince: NOW + 3, deadSince: NOW + 8 }), 2)
        assert.deepStrictEqual(cursors(yield* store.deliveries(A, {})), [9, 8, 4, 3])
        assert.strictEqual(yield* store.prune(A, { ...keep, delivered: 0, dead: 0 }), 1)
        assert.deepStrictEqual(cursors(yield* store.deliveries(A, {})), [9])
      })
    )

    test(
      "takes hundreds at once, and forgets them with their webhook",
      Effect.gen(function* () {
        const store = yield* WebhookStore
        yield* store.insert(webhook(A))
        yield* store.claim(60_000)
        const many = Array.from({ length: 600 }, (_, n) => delivery(n + 1))
        assert.isTrue(yield* store.enqueue(A, 600, many, 0))
        yield* store.settle(
          A,
          many.map(({ cursor }) => settled(cursor))
        )
        assert.lengthOf(yield* store.deliveries(A, { state: "delivered", limit: 1000 }), 600)
        yield* store.remove(A)
        yield* store.insert(webhook(A))
        assert.deepStrictEqual(yield* store.deliveries(A, {}), [])
      })
    )
  })
}
