/**
 * Secrets and signatures of webhooks, as Standard Webhooks has them: HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const PREFIX = "whsec_"
/** What a new secret has. */
const BYTES = 32
const encoder = new TextEncoder()

const keyBytes = (secret: string): Uint8Array | undefined => {
  if (!secret.startsWith(PREFIX)) return undefined
  const decoded = Encoding.decodeBase64(secret.slice(PREFIX.length))
  return decoded._tag === "Right" && decoded.right.length >= 24 && decoded.right.length <= 64
    ? decoded.right
    : undefined
}

/** `whsec_` and 24 to 64 bytes in base64. */
export const WebhookSecret = Schema.Redacted(
  Schema.String.pipe(
    Schema.filter((text) => keyBytes(text) !== undefined, {
      message: () => "whsec_ and 24 to 64 random bytes in base64"
    })
  )
).annotations({ identifier: "WebhookSecret", description: "whsec_ and 24 to 64 random bytes in base64" })

/** A new secret. */
export const newSecret: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(PREFIX + Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(BYTES))))
)

/**
 * The `webhook-signature` header: one signature for each secret, the newest first, with spaces between.
 *
 * @param timestamp seconds since 1970, as in `webhook-timestamp`
 */
export const sign = (
  secrets: ReadonlyArray<Redacted.Redacted>,
  id: string,
  timestamp: number,
  body: string
): Effect.Effect<string> =>
  Effect.promise(async () => {
    const content = encoder.encode(`${id}.${timestamp}.${body}`)
    const signatures = await Promise.all(
      secrets.map(async (secret) => {
        const bytes = keyBytes(Redacted.value(secret))
        // They are checked where they come in.
        if (bytes === undefined) throw new Error("the secret of a webhook is none")
        const key = await crypto.subtle.importKey(
          "raw",
          new Uint8Array(bytes),
          { name: "HMAC", hash: "SHA-256" },
          false,
          ["sign"]
        )
        return `v1,${Encoding.encodeBase64(new Uint8Array(await crypto.subtle.sign("HMAC", key, content)))}`
      })
    )
    return signatures.join(" ")
  })
