/** Answers `RolloutsApi` by the Rollout, where the manager has one. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  Rollout,
  type RolloutError,
  type RolloutInfo,
  type RolloutNotActive,
  type RolloutNotFound
} from "../services/Rollout.js"
import { Conflict, NotFound, Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"

export const rolloutsGroup = HttpApiBuilder.group(ManagerApi, "rollouts", (handlers) =>
  Effect.gen(function* () {
    const found = yield* Effect.serviceOption(Rollout)
    const rollout = Option.isSome(found)
      ? Effect.succeed(found.value)
      : Effect.fail(
          new NotFound({ message: "this manager has no rollouts: every node gets a change with its next poll" })
        )
    const act = (
      self: Effect.Effect<RolloutInfo, RolloutNotFound | RolloutNotActive | RolloutError>
    ): Effect.Effect<RolloutInfo, NotFound | Conflict | Unavailable> =>
      Effect.catchTags(self, {
        RolloutNotFound: ({ message }) => Effect.fail(new NotFound({ message })),
        RolloutNotActive: ({ message }) => Effect.fail(new Conflict({ message })),
        RolloutError: (error) =>
          Effect.zipRight(
            Effect.logError("a rollout could not be changed", error),
            Effect.fail(
              new Unavailable({ message: "the rollout could not be written, and goes on as it was", retryAfter: 5 })
            )
          )
      })
    return handlers
      .handle("list", () => Effect.flatMap(rollout, ({ list }) => list))
      .handle("get", ({ path }) =>
        Effect.flatMap(rollout, ({ get }) => Effect.mapError(get(path.id), ({ message }) => new NotFound({ message })))
      )
      .handle("resume", ({ path }) => Effect.flatMap(rollout, ({ resume }) => act(resume(path.id))))
      .handle("abort", ({ path }) => Effect.flatMap(rollout, ({ abort }) => act(abort(path.id))))
      .handle("promote", ({ path }) => Effect.flatMap(rollout, ({ promote }) => act(promote(path.id))))
  })
)
