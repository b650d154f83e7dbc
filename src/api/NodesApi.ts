/** `/nodes`: who is in the fleet, and the report of a node's updater. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Heartbeat, NodeRecord } from "../services/NodeRegistry.js"
import { InvalidRequest, NotFound, PayloadTooLarge, Unavailable, UnsupportedMediaType } from "./ApiError.js"
import { NodePath } from "./Params.js"
import { AdminAccess, NodeAccess } from "./Security.js"

/** Something the manager wants an updater to do. None is defined yet; updaters skip names that they don't know. */
export const NodeCommand = Schema.Struct({ name: Schema.String }).annotations({ identifier: "NodeCommand" })

/** The answer to a heartbeat. */
export const HeartbeatReply = Schema.Struct({
  /** SHA-256 (hex) of the config that this node should run; null when it can't be rendered right now. */
  configHash: Schema.NullOr(Schema.String),
  commands: Schema.Array(NodeCommand)
}).annotations({ identifier: "HeartbeatReply" })
export type HeartbeatReply = typeof HeartbeatReply.Type

export class NodesApi extends HttpApiGroup.make("nodes")
  .add(
    HttpApiEndpoint.get("list", "/nodes")
      .addSuccess(Schema.Array(NodeRecord))
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "All nodes, by id")
  )
  .add(
    HttpApiEndpoint.get("get", "/nodes/:id")
      .setPath(NodePath)
      .addSuccess(NodeRecord)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "One node")
  )
  .add(
    HttpApiEndpoint.del("remove", "/nodes/:id")
      .setPath(NodePath)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Forget a node")
      .annotate(OpenApi.Description, "It comes back as new with its next call.")
  )
  .add(
    HttpApiEndpoint.post("heartbeat", "/nodes/:id/heartbeat")
      .setPath(NodePath)
      .setPayload(Heartbeat)
      .addSuccess(HeartbeatReply)
      .addError(InvalidRequest)
      .addError(PayloadTooLarge)
      .addError(UnsupportedMediaType)
      .addError(Unavailable)
      .middleware(NodeAccess)
      .annotate(OpenApi.Summary, "Report of a node's updater")
  )
  .annotate(OpenApi.Description, "The nodes of the fleet") {}
