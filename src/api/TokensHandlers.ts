/** Answers `TokensApi` by the JwtIssuer, where the manager has one. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { JwtIssuer, type JwtIssuerError } from "../services/JwtIssuer.js"
import { SessionKick } from "../services/SessionKick.js"
import { TokenSessions } from "../services/TokenSessions.js"
import { type InvalidRequest, NotFound, Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"
import { invalidField } from "./RequestIssues.js"

const refused = (error: JwtIssuerError): Effect.Effect<never, InvalidRequest | Unavailable> =>
  error.reason === "InvalidGrant"
    ? Effect.fail(invalidField("body", "", error.message, "permissions that MediaMTX knows, and a shorter lifetime"))
    : Effect.zipRight(
        Effect.logError("a token could not be issued", error),
        Effect.fail(new Unavailable({ message: "tokens can't be issued now", retryAfter: 5 }))
      )

const cannotRevoke = (error: { readonly message: string }): Effect.Effect<never, Unavailable> =>
  Effect.zipRight(
    Effect.logError("a token could not be revoked with its sessions", error),
    Effect.fail(
      new Unavailable({ message: "the token could not be revoked with all its sessions: try again", retryAfter: 5 })
    )
  )

export const tokensGroup = HttpApiBuilder.group(ManagerApi, "tokens", (handlers) =>
  Effect.gen(function* () {
    const none = new NotFound({ message: "this manager issues no tokens: it was put together without a JwtIssuer" })
    const found = yield* Effect.serviceOption(JwtIssuer)
    const issuer = Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(none)
    const tokens = yield* TokenSessions
    const kick = yield* SessionKick
    return handlers
      .handle("issue", ({ payload: { lifetime, ...grant } }) =>
        Effect.flatMap(issuer, ({ issue }) =>
          issue({ ...grant, lifetime: lifetime === undefined ? undefined : Duration.seconds(lifetime) }).pipe(
            Effect.map(({ token, ...rest }) => ({ ...rest, token: Redacted.value(token) })),
            Effect.catchAll(refused)
          )
        )
      )
      .handle("revoke", ({ path: { id } }) =>
        Effect.gen(function* () {
          const { maxLifetime } = yield* issuer
          // A token that was issued just now may live this long, and a little more in whole seconds.
          const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(maxLifetime) + 1000
          const revocation = yield* tokens.revoke(id, until)
          const sessions = (yield* tokens.due).filter(({ token }) => token === id)
          const { given, refused } = yield* kick.kickAll(
            new Set(sessions.map(({ session }) => session)),
            `its token ${id} was revoked`
          )
          return {
            ...revocation,
            kicked: given,
            notKicked: refused.map(({ message, node, session }) => ({ session, node, message }))
          }
        }).pipe(
          Effect.catchTags({
            TokenSessionsError: cannotRevoke,
            NodeCommandsError: cannotRevoke,
            FleetStateError: cannotRevoke,
            NodeRegistryError: cannotRevoke
          })
        )
      )
      .handle("revoked", () => tokens.revoked)
      .handle("keys", () =>
        Effect.flatMap(issuer, ({ jwks }) =>
          Effect.map(jwks, (keys) =>
            HttpServerResponse.unsafeJson(keys, { headers: { "cache-control": "public, max-age=300" } })
          )
        )
      )
  })
)
