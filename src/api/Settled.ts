/** Effects that have their value already, such as `Effect.succeed(x)`: on hot paths they are used without a fiber. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The exit of an effect that is one and succeeded; undefined for all that must be run. */
export const settled = <A, E>(self: Effect.Effect<A, E>): Exit.Success<A, never> | undefined =>
  // An effect that is an Exit is the Exit of that effect: its value is an A.
  Exit.isExit(self) && Exit.isSuccess(self) ? (self as Exit.Success<A, never>) : undefined
