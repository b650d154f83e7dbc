/** `GET /metrics`: for Prometheus. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Unavailable } from "./ApiError.js"
import { MetricsAccess } from "./Security.js"

export class MetricsApi extends HttpApiGroup.make("metrics")
  .add(
    HttpApiEndpoint.get("scrape", "/metrics")
      .addSuccess(HttpApiSchema.Text({ contentType: "text/plain" }))
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Counters and gauges in Prometheus' text format")
      .annotate(OpenApi.Description, "With the admin key, or the key that is for this alone.")
  )
  .middleware(MetricsAccess)
  .annotate(OpenApi.Description, "For Prometheus") {}
