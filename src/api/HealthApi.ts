/** `/healthz` and `/readyz`: for supervisors and load balancers; no credential. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Unavailable } from "./ApiError.js"

export const Health = Schema.Struct({ status: Schema.Literal("ok") }).annotations({ identifier: "Health" })

export class HealthApi extends HttpApiGroup.make("health")
  .add(HttpApiEndpoint.get("alive", "/healthz").addSuccess(Health).annotate(OpenApi.Summary, "The process answers"))
  .add(
    HttpApiEndpoint.get("ready", "/readyz")
      .addSuccess(Health)
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Configs can be rendered and events can be stored")
  )
  .annotate(OpenApi.Description, "For supervisors and load balancers") {}
