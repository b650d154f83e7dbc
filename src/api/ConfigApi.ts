/** `GET /`: a node's mediamtx.yml. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Unavailable } from "./ApiError.js"
import { ConfigParams } from "./Params.js"
import { NodeAccess } from "./Security.js"

const Yaml = HttpApiSchema.Text({ contentType: "text/yaml" }).annotations({
  description: "The whole config; its last line is `# end of mtx-manager config`, and it is never empty"
})

export class ConfigApi extends HttpApiGroup.make("config")
  .add(
    HttpApiEndpoint.get("get", "/")
      .setUrlParams(ConfigParams)
      .setHeaders(Schema.Struct({ "if-none-match": Schema.optional(Schema.String) }))
      .addSuccess(Yaml)
      .addSuccess(HttpApiSchema.Empty(304))
      .addError(Unavailable)
      .middleware(NodeAccess)
      .annotate(OpenApi.Summary, "The config of a node")
      .annotate(
        OpenApi.Description,
        "The ETag is the SHA-256 of the file in quotes: send it as If-None-Match to get 304 while nothing changed."
      )
  )
  .annotate(OpenApi.Description, "What a node boots from and polls") {}
