/** `GET /jwks.json` and `POST /tokens`: signed tokens that nodes check by themselves. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { JsonWebKeySet } from "../services/JwtIssuer.js"
import { Timestamp } from "../services/Timestamp.js"
import { InvalidRequest, NotFound, Unavailable } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

/** What a token is to allow. */
export const TokenRequest = Schema.Struct({
  permissions: Schema.NonEmptyArray(
    Schema.Struct({
      action: Schema.Literal("publish", "read", "playback", "api", "metrics", "pprof"),
      /** A path's name, or `~` and an RE2 expression; absent: every path. */
      path: Schema.optional(Schema.String)
    })
  ),
  /** Who it is for, as nodes log it. */
  subject: Schema.optional(Schema.String.pipe(Schema.maxLength(200))),
  /** Seconds; absent: the issuer's default (one hour). */
  lifetime: Schema.optional(Schema.Int.pipe(Schema.positive()))
}).annotations({ identifier: "TokenRequest" })
export type TokenRequest = typeof TokenRequest.Type

export const IssuedToken = Schema.Struct({
  token: Schema.String,
  expiresAt: Timestamp,
  keyId: Schema.String
}).annotations({ identifier: "IssuedToken" })
export type IssuedToken = typeof IssuedToken.Type

export class TokensApi extends HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.post("issue", "/tokens")
      .setPayload(TokenRequest)
      .addSuccess(IssuedToken, { status: 201 })
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Issue a token for nodes with authMethod jwt")
      .middleware(AdminAccess)
  )
  .add(
    HttpApiEndpoint.get("keys", "/jwks.json")
      .addSuccess(JsonWebKeySet)
      .addError(NotFound)
      .annotate(OpenApi.Summary, "The public keys that nodes check tokens with")
      .annotate(OpenApi.Description, "Needs no credential. To be cached for five minutes at most.")
  )
  .annotate(OpenApi.Description, "Signed tokens that nodes check by themselves") {}
