/**
 * What every TokenSessions layer must do, as a test suite for vitest: run your own layer through it.
 *
 * @example
 * ```ts
 * tokenSessionsContract("TokenSessions.layerMemory", { layer: TokenSessions.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../services/NodeId.js"
import { newTokenId, TokenSessions, type TokenSessionsOptions } from "../services/TokenSessions.js"

type Make<E> = (options?: TokenSessionsOptions) => Layer.Layer<TokenSessions, E>

export interface TokenSessionsContractOptions<E> {
  /** Makes an empty store of its own each time that the layer is built. */
  readonly layer: Make<E>
  /** Opens one store again and again, for layers that outlive their process. */
  readonly storage?: Effect.Effect<Make<E>, never, Scope.Scope> | undefined
}

const n1 = NodeId.make("n1")
const HOUR = 3_600_000

export const tokenSessionsContract = <E>(name: string, options: TokenSessionsContractOptions<E>): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, TokenSessions>, given?: TokenSessionsOptions) =>
    it.effect(title, () => Effect.provide(body, options.layer(given)))
  const dueNow = Effect.flatMap(TokenSessions, ({ due }) =>
    Effect.map(due, (all) => all.map(({ session }) => session).sort())
  )

  describe(`${name} keeps the contract of TokenSessions`, () => {
    test(
      "a token that was taken back counts no more, until it would have expired",
      Effect.gen(function* () {
        const tokens = yield* TokenSessions
        const [a, b] = [newTokenId(), newTokenId()]
        assert.isFalse(tokens.unsafeIsRevoked(a))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* tokens.revoke(a, HOUR), { id: a, revokedAt: 1000, until: HOUR })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* tokens.revoke(a, HOUR), { id: a, revokedAt: 1000, until: HOUR })
        assert.isTrue(tokens.unsafeIsRevoked(a))
        assert.isFalse(tokens.unsafeIsRevoked(b))
        assert.deepStrictEqual(
          (yield* tokens.revoked).map(({ id }) => id),
          [a]
        )
        yield* TestClock.adjust("1 hour")
        assert.isFalse(tokens.unsafeIsRevoked(a))
        assert.deepStrictEqual(yield* tokens.revoked, [])
      })
    )

    test(
      "sessions are due with the end of their token, for two minutes",
      Effect.gen(function* () {
        const tokens = yield* TokenSessions
        const [a, b, c] = [newTokenId(), newTokenId(), newTokenId()]
        tokens.unsafeNote(n1, "s1", { id: a, expiresAt: 60_000 })
        tokens.unsafeNote(n1, "s2", { id: b, expiresAt: 120_000 })
        tokens.unsafeNote(n1, "s3", { id: c, expiresAt: HOUR })
        // The one that let it in is the one that counts.
        tokens.unsafeNote(n1, "s1", { id: c, expiresAt: HOUR })
        assert.deepStrictEqual(yield* dueNow, [])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* dueNow, ["s1"])
        yield* tokens.revoke(c, HOUR)
        assert.deepStrictEqual(yield* dueNow, ["s1", "s3"])
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(yield* dueNow, ["s1", "s2", "s3"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* dueNow, ["s2"])
        // One that comes in late, before its node has heard: due as well.
        tokens.unsafeNote(n1, "s4", { id: c, expiresAt: HOUR })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* dueNow, ["s4"])
      })
    )

    test(
      "is bounded: the oldest sessions go, and no more tokens are taken back than it remembers",
      Effect.gen(function* () {
        const tokens = yield* TokenSessions
        for (const session of ["s1", "s2", "s3", "", "\0", "x".repeat(500)]) {
          tokens.unsafeNote(n1, session, { id: newTokenId(), expiresAt: 0 })
        }
        assert.deepStrictEqual(yield* dueNow, ["s2", "s3"])
        yield* tokens.revoke(newTokenId(), 60_000)
        yield* tokens.revoke(newTokenId(), HOUR)
        assert.strictEqual((yield* Effect.flip(tokens.revoke(newTokenId(), HOUR))).reason, "Full")
        yield* TestClock.adjust("1 minute")
        yield* tokens.revoke(newTokenId(), HOUR)
      }),
      { maxSessions: 2, maxRevoked: 2 }
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("revoked tokens and sessions outlive the process", () =>
        Effect.gen(function* () {
          const open = yield* storage
          const [a, b] = [newTokenId(), newTokenId()]
          yield* Effect.gen(function* () {
            const tokens = yield* TokenSessions
            yield* tokens.revoke(a, HOUR)
            tokens.unsafeNote(n1, "s1", { id: b, expiresAt: 60_000 })
            tokens.unsafeNote(n1, "s2", { id: b, expiresAt: null })
          }).pipe(Effect.provide(open()))
          yield* TestClock.adjust("1 minute")
          yield* Effect.gen(function* () {
            const tokens = yield* TokenSessions
            assert.isTrue(tokens.unsafeIsRevoked(a))
            assert.deepStrictEqual(yield* dueNow, ["s1"])
            yield* TestClock.adjust("5 minutes")
            assert.deepStrictEqual(yield* dueNow, [])
          }).pipe(Effect.provide(open()))
          yield* TestClock.adjust("1 hour")
          yield* Effect.gen(function* () {
            const tokens = yield* TokenSessions
            assert.isFalse(tokens.unsafeIsRevoked(a))
            yield* tokens.revoke(b, 3 * HOUR)
            assert.deepStrictEqual(yield* dueNow, ["s2"])
          }).pipe(Effect.provide(open()))
        })
      )
    }
  })
}
