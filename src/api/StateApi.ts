/** `GET /state` and `GET /events`: the fleet now, and what happens in it. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { FleetSnapshot } from "../services/FleetState.js"
import { Unavailable } from "./ApiError.js"
import { EventsParams } from "./Params.js"
import { AdminAccess } from "./Security.js"

export class StateApi extends HttpApiGroup.make("state")
  .add(
    HttpApiEndpoint.get("snapshot", "/state")
      .addSuccess(FleetSnapshot)
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Nodes, paths, publishers, readers and connections")
  )
  .add(
    HttpApiEndpoint.get("events", "/events")
      .setUrlParams(EventsParams)
      .setHeaders(Schema.Struct({ "last-event-id": Schema.optional(Schema.String) }))
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Server-sent events")
      .annotate(
        OpenApi.Description,
        "Each event's `data` is a HookRecord in JSON and its `id` the record's cursor. Without `after` and `Last-Event-ID` it starts with what happens from now on."
      )
  )
  .middleware(AdminAccess)
  .annotate(OpenApi.Description, "The fleet now, and what happens in it") {}
