/** Answers `SessionsApi`. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { NodeCommands } from "../services/NodeCommands.js"
import { SessionKick } from "../services/SessionKick.js"
import { Conflict, NotFound, Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"

const cannot = (error: { readonly message: string }): Effect.Effect<never, Unavailable> =>
  Effect.zipRight(
    Effect.logError("a session could not be ended", error),
    Effect.fail(new Unavailable({ message: "the command could not be given now", retryAfter: 5 }))
  )

export const sessionsGroup = HttpApiBuilder.group(ManagerApi, "sessions", (handlers) =>
  Effect.gen(function* () {
    const sessions = yield* SessionKick
    const commands = yield* NodeCommands
    return handlers
      .handle("kick", ({ path: { id } }) =>
        sessions.kick(id, "POST /sessions/ID/kick").pipe(
          Effect.catchTags({
            SessionNotFound: ({ message }) => Effect.fail(new NotFound({ message })),
            SessionNotKickable: ({ message }) => Effect.fail(new Conflict({ message })),
            NodeCommandsError: (error) =>
              error.reason === "Full"
                ? Effect.fail(new Unavailable({ message: error.message, retryAfter: 30 }))
                : cannot(error),
            FleetStateError: cannot,
            NodeRegistryError: cannot
          })
        )
      )
      .handle("command", ({ path: { id } }) =>
        Effect.flatMap(
          commands.get(id),
          Option.match({
            onNone: () =>
              Effect.fail(
                new NotFound({ message: `there is no command ${id}: those that ended are kept for an hour only` })
              ),
            onSome: Effect.succeed
          })
        )
      )
      .handle("commands", ({ path: { id } }) => commands.list(id))
  })
)
