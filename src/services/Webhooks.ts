/**
 * Webhooks: events of the log, sent to whoever subscribed, as Standard Webhooks has it.
 *
 * Each webhook has a position in the HookBus. What matches its filter is written to its outbox in one transaction with the
 * new position, and is sent from there: so nothing that a node was told is recorded gets lost, whatever dies when. Events of
 * one stream (a path of a node; a node, for what is about no path) are sent one after the other, in the order of the log; an
 * event that can't be delivered holds back the later ones of its stream, and no other's. It is tried for a day; then it is
 * a dead letter, which can be sent again by hand.
 *
 * An event may be sent more than once, always under the same id: after a crash, or when an answer got lost.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Cursor } from "./HookBus.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/** A UUIDv7. */
export const WebhookId = Schema.UUID.annotations({ identifier: "WebhookId", description: "UUIDv7 of a webhook" })
export type WebhookId = typeof WebhookId.Type

const text = (most: number) => Schema.String.pipe(Schema.maxLength(most))
const patterns = (most: number) =>
  Schema.Array(Schema.NonEmptyString.pipe(Schema.maxLength(200))).pipe(Schema.maxItems(most))

/** What the operator says of a webhook. */
const given = {
  url: Schema.NonEmptyString,
  /** For people. */
  description: text(500),
  /** Names of the events that it wants, such as `available` or `node_*`. Empty: all. */
  types: patterns(50),
  /** Paths, as in auth rules: `cams/front`, `cams/*`, `cams/**`, `~^cam[0-9]+$`. Empty: all, and what is about no path. */
  paths: patterns(100),
  /** Node ids, or patterns such as `eu-*`. Empty: all. */
  nodes: patterns(1000)
}

export const WebhookSettings = Schema.Struct({
  id: WebhookId,
  ...given,
  /** While it is not, nothing is sent; what happens meanwhile waits. */
  enabled: Schema.Boolean,
  /** `gone`: the receiver answered 410, so it was disabled. */
  disabledBy: Schema.NullOr(Schema.Literal("operator", "gone")),
  createdAt: Timestamp,
  updatedAt: Timestamp
})
export type WebhookSettings = typeof WebhookSettings.Type

/** A webhook as it is shown: without its secret. */
export const Webhook = Schema.Struct({
  ...WebhookSettings.fields,
  /** Everything up to here in the log was looked at. */
  cursor: Cursor,
  /** Events that were deleted from the log before they were looked at: it was disabled, or its outbox full, for too long. */
  missed: Schema.NonNegativeInt,
  /** Deliveries that wait, or are tried. */
  pending: Schema.NonNegativeInt,
  /** Since when the oldest of them waits. */
  oldestPending: Schema.NullOr(Timestamp),
  /** Dead letters. */
  dead: Schema.NonNegativeInt,
  lastDelivered: Schema.NullOr(Timestamp),
  /** The secret before the last rotation signs as well until then. */
  previousSecretUntil: Schema.NullOr(Timestamp)
}).annotations({ identifier: "Webhook" })
export type Webhook = typeof Webhook.Type

/** `pending`: waits, or is tried. `delivered`: the receiver took it. `dead`: given up, until somebody replays it. */
export const DeliveryState = Schema.Literal("pending", "delivered", "dead").annotations({ identifier: "DeliveryState" })
export type DeliveryState = typeof DeliveryState.Type

/** An event on its way to one receiver. */
export const WebhookDelivery = Schema.Struct({
  /** `webhook-id` of each try. */
  id: Schema.String,
  /** Where the event is in the log. */
  cursor: Cursor,
  type: Schema.String,
  node: NodeId,
  path: Schema.NullOr(Schema.String),
  state: DeliveryState,
  /** When it was put into the outbox, or back into it. */
  createdAt: Timestamp,
  /** After it, it is tried no more. */
  deadline: Timestamp,
  /** Tries so far. */
  attempts: Schema.NonNegativeInt,
  /** Not tried again before; null: it is over. */
  nextAttempt: Schema.NullOr(Timestamp),
  lastAttempt: Schema.NullOr(Timestamp),
  endedAt: Schema.NullOr(Timestamp),
  /** HTTP status of the last answer, if one came. */
  status: Schema.NullOr(Schema.Int),
  /** Why the last try failed. */
  error: Schema.NullOr(Schema.String)
}).annotations({ identifier: "WebhookDelivery" })
export type WebhookDelivery = typeof WebhookDelivery.Type

/** What came of a try. */
export const WebhookAttempt = Schema.Struct({
  /** `webhook-id` of it. */
  id: Schema.String,
  delivered: Schema.Boolean,
  status: Schema.NullOr(Schema.Int),
  error: Schema.NullOr(Schema.String),
  /** Milliseconds until the answer. */
  took: Schema.NonNegativeInt
}).annotations({ identifier: "WebhookAttempt" })
export type WebhookAttempt = typeof WebhookAttempt.Type

/** Where a webhook begins in the log: with what happens from now on, or after a cursor (0: all that is kept). */
const From = Schema.Union(Schema.Literal("now"), Cursor)

export const NewWebhook = Schema.Struct({
  url: given.url,
  description: Schema.optional(given.description),
  types: Schema.optional(given.types),
  paths: Schema.optional(given.paths),
  nodes: Schema.optional(given.nodes),
  enabled: Schema.optional(Schema.Boolean),
  from: Schema.optional(From)
}).annotations({ identifier: "NewWebhook" })
export type NewWebhook = typeof NewWebhook.Type

/** What is absent stays. */
export const WebhookChange = Schema.Struct({
  url: Schema.optional(given.url),
  description: Schema.optional(given.description),
  types: Schema.optional(given.types),
  paths: Schema.optional(given.paths),
  nodes: Schema.optional(given.nodes),
  enabled: Schema.optional(Schema.Boolean),
  /** Passes over what it has not looked at yet. What is in its outbox stays. */
  from: Schema.optional(Schema.Literal("now"))
}).annotations({ identifier: "WebhookChange" })
export type WebhookChange = typeof WebhookChange.Type

export class WebhookNotFound extends Schema.TaggedError<WebhookNotFound>()("WebhookNotFound", {
  message: Schema.String
}) {}

/** What was asked for can't be had: by field, what is wrong, and what would be right. */
export class InvalidWebhook extends Schema.TaggedError<InvalidWebhook>()("InvalidWebhook", {
  message: Schema.String,
  issues: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String, expected: Schema.String }))
}) {}

/**
 * - `Full`: there are as many webhooks as there may be.
 * - `Storage`: they could not be read or written. What was asked for was not done.
 */
export class WebhooksError extends Schema.TaggedError<WebhooksError>()("WebhooksError", {
  reason: Schema.Literal("Full", "Storage"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined
  /** Only what is before this place in the log: the next page. */
  readonly before?: Cursor | undefined
  /** At most this many (default 100). */
  readonly limit?: number | undefined
}

/** What is to be sent again. Without any of these: all dead letters. */
export interface ReplaySelection {
  /** This one, delivered or dead. */
  readonly id?: string | undefined
  /** Those whose event was recorded from then on, and before then. */
  readonly from?: Timestamp | undefined
  readonly to?: Timestamp | undefined
  /** Also what was delivered (default false). */
  readonly delivered?: boolean | undefined
}

/** What of the webhooks is in the hands of this manager, for metrics. */
export interface WebhookGauges {
  readonly enabled: number
  readonly disabled: number
  readonly pending: number
  readonly dead: number
  /** Since when the oldest pending delivery waits, in epoch milliseconds. */
  readonly oldestPending: number | undefined
}

type Of<A> = Effect.Effect<A, WebhookNotFound | WebhooksError>

export interface WebhooksShape {
  /** The oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<Webhook>, WebhooksError>
  readonly get: (id: WebhookId) => Of<Webhook>
  /** The secret is told here, and never again. */
  readonly create: (
    webhook: NewWebhook
  ) => Effect.Effect<{ readonly webhook: Webhook; readonly secret: Redacted.Redacted }, InvalidWebhook | WebhooksError>
  readonly update: (
    id: WebhookId,
    change: WebhookChange
  ) => Effect.Effect<Webhook, InvalidWebhook | WebhookNotFound | WebhooksError>
  /** With its deliveries. */
  readonly remove: (id: WebhookId) => Of<void>
  /** Another secret. Until `overlap` is over (default a day), the one before signs as well. */
  readonly rotateSecret: (
    id: WebhookId,
    options?: { readonly overlap?: Duration.DurationInput | undefined }
  ) => Of<{ readonly webhook: Webhook; readonly secret: Redacted.Redacted }>
  /** Sends an event of the type `test` right now, once, whether or not the webhook is enabled. */
  readonly test: (id: WebhookId) => Of<WebhookAttempt>
  /** The newest first. */
  readonly deliveries: (id: WebhookId, filter?: DeliveryFilter) => Of<ReadonlyArray<WebhookDelivery>>
  /** Puts deliveries back into the outbox, each in its place in its stream, for another day. Returns how many. */
  readonly replay: (id: WebhookId, selection?: ReplaySelection) => Of<number>
  readonly unsafeGauges: () => WebhookGauges
}

export class Webhooks extends Context.Tag("mtx-manager/Webhooks")<Webhooks, WebhooksShape>() {}
