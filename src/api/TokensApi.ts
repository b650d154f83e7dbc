/** `GET /jwks.json` and `POST /tokens`: signed tokens that nodes check by themselves. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { JsonWebKeySet } from "../services/JwtIssuer.js"
import { CommandRecord } from "../services/NodeCommands.js"
import { NodeId } from "../services/NodeId.js"
import { Timestamp } from "../services/Timestamp.js"
import { Revocation, TokenId } from "../services/TokenSessions.js"
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
  keyId: Schema.String,
  /** By which it can be taken back: its `jti`. */
  id: TokenId
}).annotations({ identifier: "IssuedToken" })
export type IssuedToken = typeof IssuedToken.Type

/** What taking a token back has done. */
export const RevokedToken = Schema.Struct({
  ...Revocation.fields,
  /** Commands to end the sessions that are known to have come in by it. */
  kicked: Schema.Array(CommandRecord),
  /** Sessions that nobody can be told to end, and why. */
  notKicked: Schema.Array(Schema.Struct({ session: Schema.String, node: NodeId, message: Schema.String }))
}).annotations({ identifier: "RevokedToken" })
export type RevokedToken = typeof RevokedToken.Type

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
    HttpApiEndpoint.post("revoke", "/tokens/:id/revoke")
      .setPath(Schema.Struct({ id: TokenId }))
      .addSuccess(RevokedToken)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Take a token back, and end the sessions that came in by it")
      .annotate(
        OpenApi.Description,
        "Where the manager decides (authMethod http), it denies the token from now on. A node with authMethod jwt goes on taking it until it expires; there, sessions are ended as far as they are known: those whose token stood in the URL."
      )
      .middleware(AdminAccess)
  )
  .add(
    HttpApiEndpoint.get("revoked", "/tokens/revoked")
      .addSuccess(Schema.Array(Revocation))
      .annotate(OpenApi.Summary, "Tokens that were taken back and have not expired")
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
