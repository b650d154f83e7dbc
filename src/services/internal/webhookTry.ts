/**
 * One try of a webhook, and when the next one is.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import type { WebhookResponse, WebhookSenderShape } from "../WebhookSender.js"
import { sign } from "../WebhookSignature.js"
import type { StoredSecret } from "../WebhookStore.js"

export interface Outcome {
  readonly kind: "delivered" | "failed" | "gone"
  readonly status: number | null
  readonly error: string | null
  /** Milliseconds that the receiver asks for. */
  readonly retryAfter: number | undefined
}

/** How much of an answer's body is told. */
const EXCERPT = 200

/** The secrets that sign at a time, the newest first. */
export const active = (secrets: ReadonlyArray<StoredSecret>, now: number): ReadonlyArray<Redacted.Redacted> =>
  secrets.flatMap(({ secret, until }) => (until === null || until > now ? [secret] : []))

/** `Retry-After`, seconds or a date, in milliseconds from now. */
export const readRetryAfter = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000
  if (!/^[A-Za-z]{3,9},? /.test(trimmed)) return undefined
  const at = Date.parse(trimmed)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

const clean = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim()

const ofResponse = ({ excerpt, retryAfter, status }: WebhookResponse, now: number): Outcome => {
  if (status >= 200 && status < 300) return { kind: "delivered", status, error: null, retryAfter: undefined }
  const said = clean(excerpt).slice(0, EXCERPT)
  const what =
    status === 410
      ? "410: the receiver wants no more"
      : status >= 300 && status < 400
        ? `${status}: a redirect, which is not followed`
        : String(status)
  return {
    kind: status === 410 ? "gone" : "failed",
    status,
    error: said === "" ? `answered ${what}` : `answered ${what}: ${said}`,
    retryAfter: readRetryAfter(retryAfter, now)
  }
}

/** Makes one try. `now`: epoch milliseconds. */
export const attempt = (
  sender: WebhookSenderShape,
  webhook: { readonly url: string; readonly secrets: ReadonlyArray<StoredSecret> },
  message: { readonly id: string; readonly body: string },
  now: number,
  timeout: Duration.Duration
): Effect.Effect<Outcome> => {
  const timestamp = Math.floor(now / 1000)
  const failed = (error: string): Outcome => ({ kind: "failed", status: null, error, retryAfter: undefined })
  return sign(active(webhook.secrets, now), message.id, timestamp, message.body).pipe(
    Effect.flatMap((signature) =>
      sender.send({
        url: webhook.url,
        headers: {
          "content-type": "application/json",
          "user-agent": "mtx-manager",
          "webhook-id": message.id,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": signature
        },
        body: message.body
      })
    ),
    Effect.timeoutTo({
      duration: timeout,
      onSuccess: (response) => ofResponse(response, now),
      onTimeout: () => failed(`no answer within ${Duration.format(timeout)}`)
    }),
    Effect.catchAll((error) => Effect.succeed(failed(clean(error.message).slice(0, EXCERPT))))
  )
}

export interface Backoff {
  readonly first: number
  readonly longest: number
}

/**
 * Milliseconds until the next try after so many failures in a row: doubling, by chance up to a quarter more or less, so that
 * what failed together is not tried together. The receiver may ask for more, up to the longest.
 */
export const pause = (
  { first, longest }: Backoff,
  failures: number,
  retryAfter: number | undefined
): Effect.Effect<number> =>
  Effect.map(Random.nextRange(0.75, 1.25), (chance) =>
    Math.round(
      Math.max(Math.min(longest, first * 2 ** Math.min(failures - 1, 40)) * chance, Math.min(longest, retryAfter ?? 0))
    )
  )
