/**
 * Checks passwords against argon2 hashes without letting them cost what they cost.
 *
 * MediaMTX asks two to three times for one RTSP client, so a pair of hash and password that was checked is remembered, by
 * the SHA-256 of both with a key of this process: the second answer takes microseconds. The same pair is never computed
 * twice at once, and only so many pairs may wait. A caller that gives up (a deadline) doesn't end the computation: its
 * result answers the client's next try.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Argon2, type Argon2Hash, Argon2Unavailable } from "./Argon2.js"
import { equalBytes } from "./Secret.js"
import { sha256Base64 } from "./Sha256.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface PasswordCheckOptions {
  /** How many hashes are computed at once. Default 2; `Argon2Node` has its own bound on top. */
  readonly concurrency?: number | undefined
  /** How many checks may be under way or wait; more are refused at once. Default 64. */
  readonly waiting?: number | undefined
  /** How many right passwords are remembered. Default 10,000. Wrong ones have an eighth of it to themselves. */
  readonly remembered?: number | undefined
}

/**
 * Too many other passwords are being checked.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyChecks extends Data.TaggedError("TooManyChecks") {}

/**
 * @since 0.1.0
 * @category models
 */
export interface PasswordCheck {
  /** The remembered answer, if any. `id` tells hashes apart: that of the secret, or a made-up one for unknown users. */
  readonly remembered: (id: string, password: string) => boolean | undefined
  /** Whether the password gives this hash. */
  readonly verify: (
    id: string,
    hash: Argon2Hash,
    password: Redacted.Redacted
  ) => Effect.Effect<boolean, Argon2Unavailable | TooManyChecks>
}

/** The least recently used goes first: a Map iterates in the order of insertion. */
const boundedSet = (capacity: number) => {
  const keys = new Set<string>()
  return {
    has: (key: string): boolean => {
      if (!keys.delete(key)) return false
      keys.add(key)
      return true
    },
    add: (key: string): void => {
      keys.add(key)
      if (keys.size <= capacity) return
      for (const oldest of keys) {
        keys.delete(oldest)
        return
      }
    }
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: PasswordCheckOptions = {}): Effect.Effect<PasswordCheck, never, Scope.Scope> =>
  Effect.gen(function* () {
    const argon2 = yield* Argon2
    const waiting = options.waiting ?? 64
    const remembered = options.remembered ?? 10_000
    // Apart, so that guessing can't push out what was right.
    const right = boundedSet(Math.max(1, remembered))
    const wrong = boundedSet(Math.max(1, remembered >> 3))
    const running = yield* FiberMap.make<string, boolean, Argon2Unavailable>()
    const run = yield* FiberMap.runtime(running)()
    const semaphore = yield* Effect.makeSemaphore(options.concurrency ?? 2)
    const pepper = Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(18)))

    // The pepper has one length and real ids another than made-up ones, so the three can't run into each other.
    const keyOf = (id: string, password: string): string => sha256Base64(`${pepper}\0${id}\0${password}`)

    const compute = Effect.fnUntraced(function* (key: string, hash: Argon2Hash, password: Redacted.Redacted) {
      const computed = yield* argon2.hash({ ...hash, password })
      const same = equalBytes(computed, hash.hash)
      const memory = same ? right : wrong
      memory.add(key)
      return same
    }, semaphore.withPermits(1))

    let pending = 0
    const finished = Effect.sync(() => {
      pending--
    })

    /** Awaited, not joined: who waits may be interrupted, what computes goes on until the scope closes. */
    const outcome = (fiber: Fiber.RuntimeFiber<boolean, Argon2Unavailable>) =>
      Effect.flatMap(Fiber.await(fiber), (exit) =>
        Exit.isInterrupted(exit) ? Effect.fail(new Argon2Unavailable({ cause: "the manager is stopping" })) : exit
      )

    const recall = (key: string): boolean | undefined => {
      if (right.has(key)) return true
      return wrong.has(key) ? false : undefined
    }

    return {
      remembered: (id, password) => recall(keyOf(id, password)),
      verify: (id, hash, password) =>
        Effect.suspend((): Effect.Effect<boolean, Argon2Unavailable | TooManyChecks> => {
          const key = keyOf(id, Redacted.value(password))
          const known = recall(key)
          if (known !== undefined) return Effect.succeed(known)
          const same = FiberMap.unsafeGet(running, key)
          if (Option.isSome(same)) return outcome(same.value)
          if (pending >= waiting) return Effect.fail(new TooManyChecks())
          pending++
          return outcome(run(key, Effect.ensuring(compute(key, hash, password), finished)))
        })
    }
  })
