/**
 * JwtKeys: where the keys that sign tokens are kept, so that a restart of the manager doesn't make every token worthless.
 *
 * Several managers may share one store: each key names the one that it follows, and only one key can follow another.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** The keys could not be read or written. */
export class JwtKeysError extends Schema.TaggedError<JwtKeysError>()("JwtKeysError", {
  reason: Schema.Literal("ReadFailed", "WriteFailed"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** A key pair with its place in time. Times are in epoch milliseconds. */
export interface JwtKey {
  /** `kid` of its tokens: the thumbprint of the public key (RFC 7638). */
  readonly id: string
  /** Id of the key before it; empty for the first. */
  readonly follows: string
  /** When it was made; it has been in the JWKS ever since. */
  readonly publishedAt: number
  /** From when on it signs, until the next key does. */
  readonly activeAt: number
  /** The private key as a JSON Web Key, in JSON. */
  readonly privateJwk: Redacted.Redacted
}

export interface JwtKeysShape {
  /** All keys, in the order in which they become active. */
  readonly list: Effect.Effect<ReadonlyArray<JwtKey>, JwtKeysError>
  /** Adds a key. False, and nothing happens, when another one follows the same key: list them again. */
  readonly add: (key: JwtKey) => Effect.Effect<boolean, JwtKeysError>
  /** Ids that are not there are no error. */
  readonly remove: (ids: ReadonlyArray<string>) => Effect.Effect<void, JwtKeysError>
}

export class JwtKeys extends Context.Tag("mtx-manager/JwtKeys")<JwtKeys, JwtKeysShape>() {}

export const makeMemory: Effect.Effect<JwtKeysShape> = Effect.sync(() => {
  let keys: ReadonlyArray<JwtKey> = []
  return {
    list: Effect.sync(() => keys),
    add: (key) =>
      Effect.sync(() => {
        if (keys.some(({ follows, id }) => follows === key.follows || id === key.id)) return false
        keys = [...keys, key].sort((a, b) => a.activeAt - b.activeAt)
        return true
      }),
    remove: (ids) =>
      Effect.sync(() => {
        keys = keys.filter(({ id }) => !ids.includes(id))
      })
  }
})

/** Gone with the process: nodes refuse the tokens of the next one for up to an hour, until they fetch its keys. */
export const layerMemory: Layer.Layer<JwtKeys> = Layer.effect(JwtKeys, makeMemory)
