/**
 * One runtime behind an app: made once, at once or at the first use, and closed once.
 *
 * Where it can't be made (a database that can't be opened), requests are told so, and the next one after a pause tries
 * again.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"

export interface Lifecycle<A> {
  /** What was made, if it is there already. */
  readonly current: () => A | undefined
  /** Makes it, if need be. Rejects with what went wrong. */
  readonly start: () => Promise<A>
  readonly disposed: () => boolean
  readonly dispose: () => Promise<void>
}

/** Milliseconds after a failed start in which no new one is tried. */
const PAUSE = 1_000

/** Told to those who use what was disposed. */
export class Disposed extends Error {
  override readonly name = "Disposed"
  constructor() {
    super("the manager has been disposed")
  }
}

/** What an effect failed with, as something to throw. */
export const thrown = (cause: Cause.Cause<unknown>): unknown => Cause.squash(cause)

export const make = <R, E, A>(
  layer: Layer.Layer<R, E>,
  /** Makes what is used, in the context of the layer. */
  build: Effect.Effect<A, never, R>,
  /** Runs before the layer's scope is closed. */
  stop: (value: A) => Effect.Effect<void>,
  /** Where a failed start is told: the layer's own logger has not come about then. */
  logger: Layer.Layer<never> = Layer.empty
): Lifecycle<A> => {
  let runtime: ManagedRuntime.ManagedRuntime<R, E> | undefined
  let current: A | undefined
  let starting: Promise<A> | undefined
  let failedAt: number | undefined
  let ended: Promise<void> | undefined

  const begin = async (): Promise<A> => {
    const mine = ManagedRuntime.make(layer)
    runtime = mine
    const exit = await mine.runPromiseExit(build)
    if (Exit.isSuccess(exit)) {
      if (ended !== undefined) throw new Disposed()
      current = exit.value
      return exit.value
    }
    failedAt = performance.now()
    await mine.dispose()
    await Effect.runPromise(Effect.provide(Effect.logError("the manager could not start", exit.cause), logger))
    throw thrown(exit.cause)
  }

  const start = (): Promise<A> => {
    if (ended !== undefined) return Promise.reject(new Disposed())
    if (failedAt !== undefined && performance.now() - failedAt >= PAUSE) {
      failedAt = undefined
      starting = undefined
    }
    if (starting === undefined) {
      starting = begin()
      // Whoever waits for it is told; where nobody waits, the log has it.
      starting.catch(() => undefined)
    }
    return starting
  }

  const end = async (): Promise<void> => {
    await starting?.catch(() => undefined)
    const value = current
    current = undefined
    if (value !== undefined) await Effect.runPromise(stop(value))
    await runtime?.dispose()
  }

  return {
    current: () => current,
    start,
    disposed: () => ended !== undefined,
    dispose: () => {
      ended ??= end()
      return ended
    }
  }
}
