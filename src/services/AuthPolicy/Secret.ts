/**
 * Secrets as they stand in a config: plain text, `sha256:BASE64` or `argon2:PHC-STRING`, the same formats as MediaMTX's.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import {
  Argon2,
  type Argon2Hash,
  type Argon2Unavailable,
  format as formatArgon2,
  parse as parseArgon2
} from "./Argon2.js"
import { sha256Base64 } from "./Sha256.js"

/**
 * A secret, ready to be compared with. Of `plain` and `sha256` the SHA-256 digest is kept (in base64), so comparing takes the same
 * time for every guess of the same length.
 *
 * @since 0.1.0
 * @category models
 */
export type Secret =
  | { readonly _tag: "Digest"; readonly digest: string }
  | {
      readonly _tag: "Argon2"
      /** Tells hashes apart, and is shorter than they are. */
      readonly id: string
      readonly argon2: Argon2Hash
    }

/**
 * Reads a secret, or says what is wrong with it without quoting it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = (text: string): Either.Either<Secret, string> => {
  if (text === "") return Either.left("is empty, which would let everyone in")
  if (text.startsWith("sha256:")) {
    const decoded = Either.getOrUndefined(Encoding.decodeBase64(text.slice("sha256:".length)))
    return decoded?.length === 32
      ? Either.right({ _tag: "Digest", digest: Encoding.encodeBase64(decoded) })
      : Either.left("is not sha256: with the 44 base64 characters of a SHA-256 digest (not hex)")
  }
  if (text.startsWith("argon2:")) {
    return Either.mapBoth(parseArgon2(text.slice("argon2:".length)), {
      onLeft: (problem) => `${problem}, after argon2:`,
      onRight: (argon2): Secret => ({ _tag: "Argon2", id: sha256Base64(text), argon2 })
    })
  }
  if (text.startsWith("$argon2")) return Either.left("looks like an argon2 hash without argon2: before it")
  return Either.right({ _tag: "Digest", digest: digest(text) })
}

/**
 * Whether two byte strings are the same, in a time that tells nothing about where they differ.
 *
 * @since 0.1.0
 * @category predicates
 */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.length ^ b.length
  for (let i = 0; i < b.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/**
 * What a `Digest` secret of this text holds.
 *
 * @since 0.1.0
 * @category conversions
 */
export const digest: (text: string) => string = sha256Base64

/** OWASP's choice of 2024 for argon2id with one lane: 19 MiB, 2 passes. About 55 ms. */
const DEFAULT = { variant: "argon2id", memory: 19_456, time: 2, lanes: 1, length: 32 } as const

/**
 * Makes the text that stands in a config for a password. `argon2` for what people choose; `sha256` only for long random
 * tokens, since it can be guessed at billions a second.
 *
 * @example
 * ```ts
 * yield* hashSecret(Redacted.make("correct horse"), "argon2") // argon2:$argon2id$v=19$m=19456,t=2,p=1$...$...
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const hashSecret = (
  password: Redacted.Redacted,
  format: "sha256" | "argon2"
): Effect.Effect<string, Argon2Unavailable> => {
  if (format === "sha256") return Effect.sync(() => `sha256:${sha256Base64(Redacted.value(password))}`)
  return Effect.gen(function* () {
    const argon2 = yield* Argon2
    const salt = crypto.getRandomValues(new Uint8Array(16))
    const hash = yield* argon2.hash({ ...DEFAULT, salt, password })
    return `argon2:${formatArgon2({ ...DEFAULT, salt, hash })}`
  })
}
