/** What a bug is to the caller: an id, under which the log has the cause. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { InternalError } from "./ApiError.js"

/** Logs a defect under a fresh id and gives the error that tells the caller no more than that id. */
export const internalError = (cause: Cause.Cause<unknown>): Effect.Effect<InternalError> =>
  Effect.suspend(() => {
    const id = crypto.randomUUID()
    return Effect.as(
      Effect.annotateLogs(Effect.logError(`internal error ${id}`, cause), "errorId", id),
      new InternalError({ message: `internal error: the manager's log has the cause under ${id}`, id })
    )
  })
