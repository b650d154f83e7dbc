/** `POST /auth`: MediaMTX's external authentication. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { AuthRequestBody } from "../mediamtx/AuthRequest.js"
import { InvalidRequest, PayloadTooLarge, UnsupportedMediaType } from "./ApiError.js"
import { AuthParams } from "./Params.js"
import { AuthCallAccess } from "./Security.js"

export class AuthApi extends HttpApiGroup.make("auth")
  .add(
    HttpApiEndpoint.post("decide", "/auth")
      .setUrlParams(AuthParams)
      .setPayload(AuthRequestBody)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(InvalidRequest)
      .addError(PayloadTooLarge)
      .addError(UnsupportedMediaType)
      .middleware(AuthCallAccess)
      .annotate(OpenApi.Summary, "May this client do this?")
      .annotate(
        OpenApi.Description,
        "204 allows, 401 asks the client for credentials, 403 denies with the reason. Never a redirect."
      )
  )
  .annotate(OpenApi.Description, "Asked by MediaMTX itself") {}
