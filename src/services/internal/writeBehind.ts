/**
 * Writes down what has changed in memory, some time after it did: for what nobody waits for.
 *
 * A failed write is tried again with the next one. What is left at the end of the scope is written then. A quiet owner wakes
 * nobody.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface WriteBehind<K> {
  /** Marks a key. At most as many are marked as the owner has. */
  readonly changed: (key: K) => void
  /** Writes now what is marked. */
  readonly flush: Effect.Effect<void>
}

/** Keys that go to the store in one write: it is one statement, and the event loop waits for it. */
const AT_ONCE = 500

export const makeWriteBehind = <K, E extends { readonly message: string }>(options: {
  readonly write: (keys: ReadonlyArray<K>) => Effect.Effect<void, E>
  readonly every: Duration.DurationInput
  /** What is written, for the log: "the sessions of tokens". */
  readonly what: string
}): Effect.Effect<WriteBehind<K>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const marked = new Set<K>()
    const wake = yield* Effect.makeLatch(false)
    const lock = yield* Effect.makeSemaphore(1)
    let failing = false

    const flush = Effect.gen(function* () {
      const keys = [...marked]
      marked.clear()
      for (let i = 0; i < keys.length; i += AT_ONCE) {
        const slice = keys.slice(i, i + AT_ONCE)
        yield* Effect.tapError(options.write(slice), () =>
          Effect.sync(() => {
            for (const key of keys.slice(i)) marked.add(key)
            wake.unsafeOpen()
          })
        )
      }
      failing = false
    }).pipe(
      Effect.catchAll((error) => {
        if (failing) return Effect.void
        failing = true
        return Effect.logWarning(`${options.what} could not be written, will try again`, error)
      }),
      lock.withPermits(1),
      Effect.uninterruptible
    )

    yield* Effect.addFinalizer(() => flush)
    yield* wake.await.pipe(
      Effect.zipRight(wake.close),
      Effect.zipRight(Effect.delay(flush, options.every)),
      Effect.forever,
      Effect.forkScoped
    )
    return {
      changed: (key) => {
        marked.add(key)
        wake.unsafeOpen()
      },
      flush
    }
  })
