/** `GET /traffic`: the bytes that streams carry. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { NodeId } from "../services/NodeId.js"
import { FleetTraffic } from "../services/Traffic.js"
import { InvalidRequest } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

export const TrafficParams = Schema.Struct({
  node: Schema.optional(NodeId),
  path: Schema.optional(Schema.NonEmptyString).annotations({ description: "Only the streams of this path" }),
  top: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(0, 10_000))).annotations({
    description: "How many streams are listed, the busiest first (default 100); the sums are of all"
  })
})

export class TrafficApi extends HttpApiGroup.make("traffic")
  .add(
    HttpApiEndpoint.get("get", "/traffic")
      .setUrlParams(TrafficParams)
      .addSuccess(FleetTraffic)
      .addError(InvalidRequest)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Bytes in a second, of the fleet and of its busiest streams")
      .annotate(
        OpenApi.Description,
        "From what updaters with MEDIAMTX_API report with their heartbeats, to this manager. A node that keeps its own config fresh, without an updater, reports no bytes."
      )
  )
  .annotate(OpenApi.Description, "The bytes that streams carry") {}
