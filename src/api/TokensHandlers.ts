/** Answers `TokensApi` by the JwtIssuer, where the manager has one. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { JwtIssuer, type JwtIssuerError } from "../services/JwtIssuer.js"
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

export const tokensGroup = HttpApiBuilder.group(ManagerApi, "tokens", (handlers) =>
  Effect.gen(function* () {
    const none = new NotFound({ message: "this manager issues no tokens: it was put together without a JwtIssuer" })
    const found = yield* Effect.serviceOption(JwtIssuer)
    const issuer = Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(none)
    return handlers
      .handle("issue", ({ payload: { lifetime, ...grant } }) =>
        Effect.flatMap(issuer, ({ issue }) =>
          issue({ ...grant, lifetime: lifetime === undefined ? undefined : Duration.seconds(lifetime) }).pipe(
            Effect.map(({ token, ...rest }) => ({ ...rest, token: Redacted.value(token) })),
            Effect.catchAll(refused)
          )
        )
      )
      .handle("keys", () =>
        Effect.flatMap(issuer, ({ jwks }) =>
          Effect.map(jwks, (keys) =>
            HttpServerResponse.unsafeJson(keys, { headers: { "cache-control": "public, max-age=300" } })
          )
        )
      )
  })
)
