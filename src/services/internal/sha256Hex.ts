import * as Effect from "effect/Effect"

const encoder = new TextEncoder()

/**
 * SHA-256 in lower-case hex, off the thread where the runtime can do that: for what may be large. Texts in UTF-8.
 *
 * @internal
 */
export const sha256Hex = (content: string | Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() =>
      crypto.subtle.digest("SHA-256", typeof content === "string" ? encoder.encode(content) : content)
    ),
    (digest) => {
      let hex = ""
      for (const byte of new Uint8Array(digest)) hex += byte.toString(16).padStart(2, "0")
      return hex
    }
  )
