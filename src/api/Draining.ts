/**
 * Tells long-lived responses that the server is about to stop, so that they end by themselves, and load balancers that
 * no new work should come.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface DrainingShape {
  /** Begins: event streams end, `/readyz` answers 503. */
  readonly begin: Effect.Effect<void>
  readonly started: Effect.Effect<boolean>
  /** Returns when it begins. */
  readonly wait: Effect.Effect<void>
}

export class Draining extends Context.Tag("mtx-manager/Draining")<Draining, DrainingShape>() {}

/** Begins at the latest when the layer's scope closes. */
export const layer: Layer.Layer<Draining> = Layer.scoped(
  Draining,
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const begin = Effect.asVoid(Deferred.succeed(begun, undefined))
    yield* Effect.addFinalizer(() => begin)
    return Draining.of({ begin, started: Deferred.isDone(begun), wait: Deferred.await(begun) })
  })
)
