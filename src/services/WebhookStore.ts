/**
 * WebhookStore: where webhooks and their outboxes are kept. Several managers may share one: of each webhook only one looks
 * after the outbox at a time, who has claimed it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { Cursor } from "./HookBus.js"
import type {
  DeliveryFilter,
  DeliveryState,
  ReplaySelection,
  WebhookDelivery,
  WebhookId,
  WebhookSettings,
  WebhooksError
} from "./Webhooks.js"

export interface StoredSecret {
  readonly secret: Redacted.Redacted
  /** Until when it signs, in epoch milliseconds; null: until it is rotated. */
  readonly until: number | null
}

/** What an operator changes. */
export interface WebhookConfig {
  readonly settings: WebhookSettings
  /** The newest first. */
  readonly secrets: ReadonlyArray<StoredSecret>
  /** What is up to here in the log is passed over. */
  readonly skip: Cursor
}

export interface StoredWebhook extends WebhookConfig {
  readonly cursor: Cursor
  readonly missed: number
  /** Rises with each change and replay. */
  readonly version: number
}

/** Times in epoch milliseconds. */
export interface OutboxCounts {
  readonly pending: number
  readonly oldestPending: number | null
  readonly dead: number
  readonly lastDelivered: number | null
}

export const noCounts: OutboxCounts = { pending: 0, oldestPending: null, dead: 0, lastDelivered: null }

/** What goes into the outbox. */
export interface NewDelivery {
  readonly cursor: Cursor
  readonly id: string
  /** Deliveries of one stream follow one another. */
  readonly stream: string
  readonly type: string
  readonly node: WebhookDelivery["node"]
  readonly path: string | null
  readonly body: string
  /** When the event was recorded. */
  readonly at: number
  readonly createdAt: number
  readonly deadline: number
}

/** A delivery that waits, without what it consists of. */
export interface PendingDelivery {
  readonly cursor: Cursor
  readonly stream: string
  readonly createdAt: number
  readonly attempts: number
  readonly nextAttempt: number
}

/** A delivery with what it consists of. */
export interface StoredDelivery extends WebhookDelivery {
  readonly stream: string
  readonly body: string
}

/** What came of a try. */
export interface Settlement {
  readonly cursor: Cursor
  readonly state: DeliveryState
  readonly attempts: number
  readonly nextAttempt: number | null
  readonly lastAttempt: number | null
  readonly endedAt: number | null
  readonly status: number | null
  readonly error: string | null
}

export interface Pruning {
  /** How many that were delivered are kept, and from when on. */
  readonly delivered: number
  readonly deliveredSince: number
  readonly dead: number
  readonly deadSince: number
}

export interface WebhookStoreShape {
  /** The oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<readonly [StoredWebhook, OutboxCounts]>, WebhooksError>
  readonly insert: (webhook: WebhookConfig & { readonly cursor: Cursor }) => Effect.Effect<void, WebhooksError>
  /** None: there is no such webhook. */
  readonly change: (
    id: WebhookId,
    change: (webhook: StoredWebhook) => WebhookConfig
  ) => Effect.Effect<Option.Option<StoredWebhook>, WebhooksError>
  /** False: there is none. */
  readonly remove: (id: WebhookId) => Effect.Effect<boolean, WebhooksError>
  /** The webhooks that are this manager's for the next `millis`: its own, and those that are nobody's (any more). */
  readonly claim: (millis: number) => Effect.Effect<ReadonlyArray<StoredWebhook>, WebhooksError>
  /** They are nobody's. */
  readonly release: Effect.Effect<void, WebhooksError>
  /**
   * Puts deliveries into the outbox and moves the cursor, all or nothing. False, and nothing happens, when the webhook is not
   * this manager's.
   */
  readonly enqueue: (
    id: WebhookId,
    cursor: Cursor,
    deliveries: ReadonlyArray<NewDelivery>,
    missed: number
  ) => Effect.Effect<boolean, WebhooksError>
  /** All that wait, in order of the log. */
  readonly pending: (id: WebhookId) => Effect.Effect<ReadonlyArray<PendingDelivery>, WebhooksError>
  readonly delivery: (id: WebhookId, cursor: Cursor) => Effect.Effect<Option.Option<StoredDelivery>, WebhooksError>
  /** Of deliveries that wait. Nothing happens to those of a webhook that is not this manager's. */
  readonly settle: (id: WebhookId, settled: ReadonlyArray<Settlement>) => Effect.Effect<void, WebhooksError>
  /** The newest first. */
  readonly deliveries: (
    id: WebhookId,
    filter: DeliveryFilter
  ) => Effect.Effect<ReadonlyArray<WebhookDelivery>, WebhooksError>
  /** Makes deliveries wait again, as if they had not been tried. Returns how many. */
  readonly replay: (
    id: WebhookId,
    selection: ReplaySelection,
    now: number,
    deadline: number
  ) => Effect.Effect<number, WebhooksError>
  /** Deletes the oldest of what is over. Returns how many dead letters were deleted. */
  readonly prune: (id: WebhookId, pruning: Pruning) => Effect.Effect<number, WebhooksError>
  /** How many dead letters there are. */
  readonly dead: (id: WebhookId) => Effect.Effect<number, WebhooksError>
  /** Emits when others may have changed something, in bounded time. Undefined: there are no others. */
  readonly changes: Stream.Stream<void> | undefined
}

export class WebhookStore extends Context.Tag("mtx-manager/WebhookStore")<WebhookStore, WebhookStoreShape>() {}

interface Outbox {
  webhook: StoredWebhook
  readonly deliveries: Map<Cursor, StoredDelivery & { readonly at: number }>
}

/** What a replay is about. */
const selected = (
  delivery: { readonly id: string; readonly state: DeliveryState; readonly at: number },
  { delivered, from, id, to }: ReplaySelection
): boolean => {
  if (delivery.state === "pending") return false
  if (id !== undefined) return delivery.id === id
  if (delivery.state === "delivered" && delivered !== true) return false
  return (from === undefined || delivery.at >= from) && (to === undefined || delivery.at < to)
}

const shown = ({
  attempts,
  createdAt,
  cursor,
  deadline,
  endedAt,
  error,
  id,
  lastAttempt,
  nextAttempt,
  node,
  path,
  state,
  status,
  type
}: StoredDelivery): WebhookDelivery => ({
  id,
  cursor,
  type,
  node,
  path,
  state,
  createdAt,
  deadline,
  attempts,
  nextAttempt,
  lastAttempt,
  endedAt,
  status,
  error
})

export const makeMemory: Effect.Effect<WebhookStoreShape> = Effect.sync(() => {
  const outboxes = new Map<WebhookId, Outbox>()
  const all = (id: WebhookId) => [...(outboxes.get(id)?.deliveries.values() ?? [])].sort((a, b) => a.cursor - b.cursor)
  const countsOf = (id: WebhookId): OutboxCounts => {
    const deliveries = all(id)
    const pending = deliveries.filter(({ state }) => state === "pending")
    const delivered = deliveries.flatMap(({ endedAt, state }) =>
      state === "delivered" && endedAt !== null ? [endedAt] : []
    )
    return {
      pending: pending.length,
      oldestPending: pending.length === 0 ? null : Math.min(...pending.map(({ createdAt }) => createdAt)),
      dead: deliveries.filter(({ state }) => state === "dead").length,
      lastDelivered: delivered.length === 0 ? null : Math.max(...delivered)
    }
  }
  return WebhookStore.of({
    list: Effect.sync(() =>
      [...outboxes.values()]
        .map(({ webhook }) => [webhook, countsOf(webhook.settings.id)] as const)
        .sort(([a], [b]) => (a.settings.id < b.settings.id ? -1 : 1))
    ),
    insert: (webhook) =>
      Effect.sync(() => {
        outboxes.set(webhook.settings.id, { webhook: { ...webhook, missed: 0, version: 1 }, deliveries: new Map() })
      }),
    change: (id, change) =>
      Effect.sync(() => {
        const outbox = outboxes.get(id)
        if (outbox === undefined) return Option.none()
        const { secrets, settings, skip } = change(outbox.webhook)
        outbox.webhook = { ...outbox.webhook, settings, secrets, skip, version: outbox.webhook.version + 1 }
        return Option.some(outbox.webhook)
      }),
    remove: (id) => Effect.sync(() => outboxes.delete(id)),
    claim: () => Effect.sync(() => [...outboxes.values()].map(({ webhook }) => webhook)),
    release: Effect.void,
    enqueue: (id, cursor, deliveries, missed) =>
      Effect.sync(() => {
        const outbox = outboxes.get(id)
        if (outbox === undefined) return false
        for (const delivery of deliveries) {
          if (outbox.deliveries.has(delivery.cursor)) continue
          outbox.deliveries.set(delivery.cursor, {
            ...delivery,
            state: "pending",
            attempts: 0,
            nextAttempt: delivery.createdAt,
            lastAttempt: null,
            endedAt: null,
            status: null,
            error: null
          })
        }
        outbox.webhook = { ...outbox.webhook, cursor, missed: outbox.webhook.missed + missed }
        return true
      }),
    pending: (id) =>
      Effect.sync(() =>
        all(id).flatMap(({ attempts, createdAt, cursor, nextAttempt, state, stream }) =>
          state === "pending" ? [{ cursor, stream, createdAt, attempts, nextAttempt: nextAttempt ?? createdAt }] : []
        )
      ),
    delivery: (id, cursor) => Effect.sync(() => Option.fromNullable(outboxes.get(id)?.deliveries.get(cursor))),
    settle: (id, settled) =>
      Effect.sync(() => {
        const deliveries = outboxes.get(id)?.deliveries
        for (const settlement of settled) {
          const known = deliveries?.get(settlement.cursor)
          if (known?.state === "pending") deliveries?.set(known.cursor, { ...known, ...settlement })
        }
      }),
    deliveries: (id, { before, limit = 100, state }) =>
      Effect.sync(() =>
        all(id)
          .filter(
            (delivery) =>
              (state === undefined || delivery.state === state) && (before === undefined || delivery.cursor < before)
          )
          .reverse()
          .slice(0, limit)
          .map(shown)
      ),
    replay: (id, selection, now, deadline) =>
      Effect.sync(() => {
        const outbox = outboxes.get(id)
        if (outbox === undefined) return 0
        const again = all(id).filter((delivery) => selected(delivery, selection))
        for (const delivery of again) {
          outbox.deliveries.set(delivery.cursor, {
            ...delivery,
            state: "pending",
            createdAt: now,
            deadline,
            attempts: 0,
            nextAttempt: now,
            endedAt: null
          })
        }
        if (again.length > 0) outbox.webhook = { ...outbox.webhook, version: outbox.webhook.version + 1 }
        return again.length
      }),
    prune: (id, pruning) =>
      Effect.sync(() => {
        const outbox = outboxes.get(id)
        if (outbox === undefined) return 0
        const prune = (state: DeliveryState, keep: number, since: number): number => {
          const over = all(id).filter((delivery) => delivery.state === state)
          const old = over.filter(({ endedAt }, at) => at < over.length - keep || (endedAt ?? 0) < since)
          for (const { cursor } of old) outbox.deliveries.delete(cursor)
          return old.length
        }
        prune("delivered", pruning.delivered, pruning.deliveredSince)
        return prune("dead", pruning.dead, pruning.deadSince)
      }),
    dead: (id) => Effect.sync(() => countsOf(id).dead),
    changes: undefined
  })
})

/** Gone with the process. */
export const layerMemory: Layer.Layer<WebhookStore> = Layer.effect(WebhookStore, makeMemory)
