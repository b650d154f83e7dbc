/** `/nodes`: who is in the fleet, and the report of a node's updater. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ConfigIssue } from "../mediamtx/ConfigIssue.js"
import { DeliveredCommand } from "../services/NodeCommand.js"
import { NodeConfig } from "../services/NodeConfigs.js"
import { NodeConfigTexts } from "../services/NodeConfigTexts.js"
import { Heartbeat, NodeRecord } from "../services/NodeRegistry.js"
import { InvalidRequest, NotFound, PayloadTooLarge, Unavailable, UnsupportedMediaType } from "./ApiError.js"
import { NodePath } from "./Params.js"
import { AdminAccess, NodeAccess } from "./Security.js"

/** A node: what it was last heard to say, and where it stands with its config. */
export const NodeView = Schema.Struct({ ...NodeRecord.fields, ...NodeConfig.fields }).annotations({
  identifier: "NodeView"
})
export type NodeView = typeof NodeView.Type

/** One node alone: also what is to be said of the config that it gets. */
export const NodeDetail = Schema.Struct({
  ...NodeView.fields,
  /** Why none can be rendered for it, so that it keeps what it has; null when there is one. */
  configProblem: Schema.NullOr(Schema.String),
  /** What was left out for its older MediaMTX, is deprecated, or dangerous. */
  configWarnings: Schema.Array(ConfigIssue)
}).annotations({ identifier: "NodeDetail" })
export type NodeDetail = typeof NodeDetail.Type

/** The answer to a heartbeat. */
export const HeartbeatReply = Schema.Struct({
  /** SHA-256 (hex) of the config that this node should run; null when it can't be rendered right now. */
  configHash: Schema.NullOr(Schema.String),
  /** Updaters skip those that they don't know, and confirm the others by their ids with the next heartbeat. */
  commands: Schema.Array(DeliveredCommand)
}).annotations({ identifier: "HeartbeatReply" })
export type HeartbeatReply = typeof HeartbeatReply.Type

export class NodesApi extends HttpApiGroup.make("nodes")
  .add(
    HttpApiEndpoint.get("list", "/nodes")
      .addSuccess(Schema.Array(NodeView))
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "All nodes, by id")
  )
  .add(
    HttpApiEndpoint.get("get", "/nodes/:id")
      .setPath(NodePath)
      .addSuccess(NodeDetail)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "One node")
  )
  .add(
    HttpApiEndpoint.get("config", "/nodes/:id/config")
      .setPath(NodePath)
      .addSuccess(NodeConfigTexts)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What a node should run and what it says it runs, without secrets")
      .annotate(
        OpenApi.Description,
        "A node reports a hash; the text behind it is looked for among the newest 20 revisions. The file itself is `GET /?node=ID`."
      )
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
