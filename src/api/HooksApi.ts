/** `POST /hooks`: what MediaMTX's lifecycle hooks report. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { HookEvent } from "../mediamtx/HookEvent.js"
import { HookFormFields } from "../mediamtx/HookForm.js"
import { InvalidRequest, PayloadTooLarge, Unavailable, UnsupportedMediaType } from "./ApiError.js"
import { NodeParams } from "./Params.js"
import { NodeAccess } from "./Security.js"

export class HooksApi extends HttpApiGroup.make("hooks")
  .add(
    HttpApiEndpoint.post("publish", "/hooks")
      .setUrlParams(NodeParams)
      .setPayload(
        Schema.Union(
          HookEvent,
          Schema.Array(HookEvent).pipe(Schema.minItems(1), Schema.maxItems(100)),
          HookFormFields.pipe(HttpApiSchema.withEncoding({ kind: "UrlParams" }))
        )
      )
      .addSuccess(HttpApiSchema.NoContent)
      .addError(InvalidRequest)
      .addError(PayloadTooLarge)
      .addError(UnsupportedMediaType)
      .addError(Unavailable)
      .middleware(NodeAccess)
      .annotate(OpenApi.Summary, "Report a hook")
      .annotate(
        OpenApi.Description,
        "Answered with 204 when the event is durable. A list is recorded in its order; when one of it can't be stored, neither is any after it."
      )
  )
  .annotate(OpenApi.Description, "What nodes report by their lifecycle hooks") {}
