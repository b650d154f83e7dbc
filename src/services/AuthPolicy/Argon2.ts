/**
 * Argon2, the slow and memory-hard password hash: what computes it, and how its strings are written.
 *
 * Who computes it is exchangeable. The default runs WebAssembly in the calling thread, which works in Node, Bun, Deno and
 * browsers but blocks it for as long as a hash takes (64 MiB, t=3, p=4: about 270 ms); `Argon2Node.layer` runs it in worker
 * threads. Cloudflare Workers forbid compiling WebAssembly at run time: provide a function of your own there, or use
 * `sha256:` secrets that are long and random.
 *
 * @example
 * ```ts
 * // Pure JavaScript for a runtime without WebAssembly
 * const Argon2Noble = Layer.succeed(Argon2, {
 *   hash: ({ password, salt, memory, time, lanes, length }) =>
 *     Effect.promise(() => argon2idAsync(password, salt, { m: memory, t: time, p: lanes, dkLen: length }))
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/**
 * The parameters that are hashed with the password.
 *
 * @since 0.1.0
 * @category models
 */
export interface Argon2Parameters {
  readonly variant: "argon2id" | "argon2i" | "argon2d"
  /** KiB. */
  readonly memory: number
  /** Passes over the memory. */
  readonly time: number
  readonly lanes: number
  readonly salt: Uint8Array
  /** Bytes of the hash. */
  readonly length: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Argon2Input extends Argon2Parameters {
  readonly password: Redacted.Redacted
}

/**
 * This runtime can't compute the hash.
 *
 * @since 0.1.0
 * @category errors
 */
export class Argon2Unavailable extends Data.TaggedError("Argon2Unavailable")<{ readonly cause: unknown }> {
  override get message(): string {
    return `argon2 can't be computed in this runtime: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Argon2Shape {
  readonly hash: (input: Argon2Input) => Effect.Effect<Uint8Array, Argon2Unavailable>
}

/**
 * Imported by a name that bundlers don't follow: a Worker would carry 85 KiB (gzip) that it may not even run.
 */
const wasmModule: string = "hash-wasm"

/** WebAssembly in the calling thread. Loaded at the first use, since most never need it. */
const inProcess: Argon2Shape = {
  hash: (input) =>
    Effect.tryPromise({
      try: async () => {
        const wasm: typeof import("hash-wasm") = await import(/* @vite-ignore */ wasmModule)
        return wasm[input.variant]({
          password: Redacted.value(input.password),
          salt: input.salt,
          memorySize: input.memory,
          iterations: input.time,
          parallelism: input.lanes,
          hashLength: input.length,
          outputType: "binary"
        })
      },
      catch: (cause) => new Argon2Unavailable({ cause })
    })
}

/**
 * Who computes argon2. A reference: it needs no layer, and any layer replaces its default.
 *
 * @since 0.1.0
 * @category tags
 */
export class Argon2 extends Context.Reference<Argon2>()("mtx-manager/Argon2", {
  defaultValue: (): Argon2Shape => inProcess
}) {}

/**
 * Beyond these a single login could take the manager's memory or minutes of its time, so such a hash is refused.
 *
 * @since 0.1.0
 * @category limits
 */
export const LIMITS = { memory: 256 * 1024, time: 10, lanes: 16 }

/**
 * An argon2 string, taken apart: the parameters and the hash that the right password gives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Argon2Hash extends Argon2Parameters {
  readonly hash: Uint8Array
}

const phc =
  /^\$(argon2(?:id|i|d))\$v=([0-9]{1,3})\$m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,10})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

const bytes = (base64: string): Uint8Array | undefined =>
  Either.getOrUndefined(Encoding.decodeBase64(base64.padEnd(Math.ceil(base64.length / 4) * 4, "=")))

/**
 * Reads `$argon2id$v=19$m=65536,t=3,p=4$SALT$HASH` (base64 without padding), or says what is wrong with it. The text never
 * quotes the string.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = (text: string): Either.Either<Argon2Hash, string> => {
  const match = phc.exec(text)
  if (match === null) return Either.left("is not of the form $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH")
  const [, variant, version, m, t, p, saltText = "", hashText = ""] = match
  const [memory, time, lanes] = [Number(m), Number(t), Number(p)]
  const salt = bytes(saltText)
  const hash = bytes(hashText)
  if (version !== "19") return Either.left(`has version ${version}; only 19 is known`)
  if (lanes < 1 || lanes > LIMITS.lanes) return Either.left(`has p=${p}; it must be 1 to ${LIMITS.lanes}`)
  if (time < 1 || time > LIMITS.time) return Either.left(`has t=${t}; it must be 1 to ${LIMITS.time}`)
  if (memory < 8 * lanes || memory > LIMITS.memory) {
    return Either.left(`has m=${m}; it must be ${8 * lanes} to ${LIMITS.memory} KiB (256 MiB)`)
  }
  if (salt === undefined || salt.length < 8 || salt.length > 64)
    return Either.left("has a salt that isn't 8 to 64 bytes of base64")
  if (hash === undefined || hash.length < 16 || hash.length > 64)
    return Either.left("has a hash that isn't 16 to 64 bytes of base64")
  if (variant !== "argon2id" && variant !== "argon2i" && variant !== "argon2d")
    return Either.left("is of an unknown variant")
  return Either.right({ variant, memory, time, lanes, salt, length: hash.length, hash })
}

const unpadded = (data: Uint8Array): string => Encoding.encodeBase64(data).replace(/=+$/, "")

/**
 * Writes what {@link parse} reads.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = ({ variant, memory, time, lanes, salt, hash }: Argon2Hash): string =>
  `$${variant}$v=19$m=${memory},t=${time},p=${lanes}$${unpadded(salt)}$${unpadded(hash)}`
