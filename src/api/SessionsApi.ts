/** `/sessions` and `/commands`: what is to end on a node, and what became of it. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { CommandRecord } from "../services/NodeCommands.js"
import { Conflict, InvalidRequest, NotFound, Unavailable } from "./ApiError.js"
import { NodePath } from "./Params.js"
import { AdminAccess } from "./Security.js"

const Id = Schema.Struct({ id: Schema.NonEmptyString.pipe(Schema.maxLength(200)) })

export class SessionsApi extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.post("kick", "/sessions/:id/kick")
      .setPath(Id)
      .addSuccess(CommandRecord, { status: 202 })
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Conflict)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "End a publisher's or reader's session")
      .annotate(
        OpenApi.Description,
        "The command waits for the next heartbeat of the node's updater. 404: no node has such a session. 409: nobody can tell the node, because it runs without mtx-updater or that has no MEDIAMTX_API; or MediaMTX can't end this kind."
      )
  )
  .add(
    HttpApiEndpoint.get("command", "/commands/:id")
      .setPath(Id)
      .addSuccess(CommandRecord)
      .addError(InvalidRequest)
      .addError(NotFound)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What became of a command to a node")
  )
  .add(
    HttpApiEndpoint.get("commands", "/nodes/:id/commands")
      .setPath(NodePath)
      .addSuccess(Schema.Array(CommandRecord))
      .addError(InvalidRequest)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "The commands of a node: those that wait, and those that ended lately")
  )
  .annotate(OpenApi.Description, "Sessions on nodes, ended through their updaters") {}
