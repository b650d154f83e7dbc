/** Ends sessions when the token that let them in expires or is taken back, through the updaters of their nodes. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import { SessionKick } from "./SessionKick.js"
import { TokenSessions } from "./TokenSessions.js"

/** How often it is looked, while there are such sessions: a node's heartbeat takes about as long again. */
const EVERY = Duration.seconds(5)

/** One look; ends what is due and was not told yet. */
export const makeLook: Effect.Effect<Effect.Effect<void>, never, TokenSessions | SessionKick> = Effect.gen(
  function* () {
    const tokens = yield* TokenSessions
    const kick = yield* SessionKick
    /** Those that a command was given for, or that can't be told: once is enough. */
    let told = new Set<string>()

    return Effect.gen(function* () {
      const due = yield* tokens.due
      const ids = new Set(due.map(({ session }) => session))
      told = new Set([...told].filter((session) => ids.has(session)))
      const fresh = new Set([...ids].filter((session) => !told.has(session)))
      if (fresh.size === 0) return
      const { given, refused } = yield* kick.kickAll(fresh, "its token has expired or was revoked")
      for (const { command } of given) if (command.type === "kick") told.add(command.id)
      for (const { message, session } of refused) {
        told.add(session)
        yield* Effect.logWarning(`a session outlives its token: ${message}`)
      }
    }).pipe(
      Effect.catchAll((error) =>
        Effect.logWarning("sessions could not be ended with their tokens, will try again", error)
      )
    )
  }
)

export const make: Effect.Effect<void, never, TokenSessions | SessionKick | Scope> = Effect.gen(function* () {
  const tokens = yield* TokenSessions
  const look = yield* makeLook
  yield* tokens.awaitAny.pipe(Effect.zipRight(look), Effect.repeat(Schedule.spaced(EVERY)), Effect.forkScoped)
})

export const layer: Layer.Layer<never, never, TokenSessions | SessionKick> = Layer.scopedDiscard(make)
