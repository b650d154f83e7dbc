/** `POST /plan`: what a change of the config would do, without making it. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ConfigPlan } from "../services/ConfigPlan.js"
import { FleetDocument } from "../services/FleetDocument.js"
import { NodeId } from "../services/NodeId.js"
import { InvalidRequest, Unavailable } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

/** A config as the text of a file, or as data. */
const ConfigInput = Schema.Union(Schema.String, Schema.Record({ key: Schema.String, value: Schema.Unknown }))

export const PlanRequest = Schema.Struct({
  config: Schema.optional(FleetDocument).annotations({
    description: "All of it: what PUT /config takes, in place of what is in force. Beside `node` only"
  }),
  base: Schema.optional(ConfigInput).annotations({ description: "Another base config; absent: the base stays" }),
  labels: FleetDocument.fields.labels.annotations({ description: "Other labels; absent: they stay" }),
  overlays: FleetDocument.fields.overlays.annotations({ description: "Other overlays; absent: they stay" }),
  nodes: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.NullOr(ConfigInput) })).annotations({
    description: "Other overlays by node; null takes a node's overlay away"
  }),
  node: Schema.optional(NodeId).annotations({ description: "Plan for this node only" })
}).annotations({ identifier: "PlanRequest" })
export type PlanRequest = typeof PlanRequest.Type

export class PlanApi extends HttpApiGroup.make("plan")
  .add(
    HttpApiEndpoint.post("plan", "/plan")
      .setPayload(PlanRequest)
      .addSuccess(ConfigPlan)
      .addError(InvalidRequest)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What a change of the config would do")
      .annotate(
        OpenApi.Description,
        "Changes nothing. For each node: the fields that change, and which live streams, readers and listeners they drop. A config that is not valid is 400, with every issue."
      )
  )
  .annotate(OpenApi.Description, "Changes of config, before they are made") {}
