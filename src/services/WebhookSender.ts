/** WebhookSender: makes the one HTTP request of a try, to where webhooks may go, and follows no redirect. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export interface WebhookRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface WebhookResponse {
  readonly status: number
  /** The header as it came. */
  readonly retryAfter: string | undefined
  /** The beginning of the body, if any. */
  readonly excerpt: string
}

/**
 * No answer came.
 * - `Refused`: nothing was sent, as webhooks may not go there.
 * - `Unreachable`: the name or the connection.
 * - `Timeout`: not in time.
 */
export class WebhookSendError extends Schema.TaggedError<WebhookSendError>()("WebhookSendError", {
  reason: Schema.Literal("Refused", "Unreachable", "Timeout"),
  message: Schema.String
}) {}

export interface WebhookSenderShape {
  /** An interrupted request is broken off. */
  readonly send: (request: WebhookRequest) => Effect.Effect<WebhookResponse, WebhookSendError>
  /** Why webhooks can't have this URL; undefined when they can. Looks no name up. */
  readonly problem: (url: string) => string | undefined
}

export class WebhookSender extends Context.Tag("mtx-manager/WebhookSender")<WebhookSender, WebhookSenderShape>() {}
