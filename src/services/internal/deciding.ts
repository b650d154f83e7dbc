/**
 * Decisions that may be known already: then nothing has to be run for them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AuthDecision } from "../AuthPolicy.js"

/** A decision that is known already, or how to come to it. */
export type Deciding = AuthDecision | Effect.Effect<AuthDecision>

export const toEffect = (deciding: Deciding): Effect.Effect<AuthDecision> =>
  Effect.isEffect(deciding) ? deciding : Effect.succeed(deciding)

/** The decision when no effect has to run for it: `Effect.succeed` is an exit already. */
export const known = (deciding: Deciding): AuthDecision | undefined => {
  if (!Effect.isEffect(deciding)) return deciding
  return Exit.isExit(deciding) && Exit.isSuccess(deciding)
    ? // The guard forgets the type of the effect's value, which is the type of the exit's.
      (deciding.value as AuthDecision)
    : undefined
}

/** Goes on with the decision: now if it is known. */
export const andThen = (deciding: Deciding, f: (decision: AuthDecision) => Deciding): Deciding => {
  const decision = known(deciding)
  return decision === undefined ? Effect.flatMap(toEffect(deciding), (late) => toEffect(f(late))) : f(decision)
}
