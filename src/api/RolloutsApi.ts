/** `/rollouts`: how changes of the config come to the nodes. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { RolloutDetail, RolloutInfo } from "../services/Rollout.js"
import { Conflict, InvalidRequest, NotFound, Unavailable } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

const Id = Schema.Struct({ id: Schema.NumberFromString.pipe(Schema.int(), Schema.positive()) })

const act = <const Name extends string>(name: Name, summary: string) =>
  HttpApiEndpoint.post(name, `/rollouts/:id/${name}`)
    .setPath(Id)
    .addSuccess(RolloutInfo)
    .addError(InvalidRequest)
    .addError(NotFound)
    .addError(Conflict)
    .addError(Unavailable)
    .middleware(AdminAccess)
    .annotate(OpenApi.Summary, summary)

export class RolloutsApi extends HttpApiGroup.make("rollouts")
  .add(
    HttpApiEndpoint.get("list", "/rollouts")
      .addSuccess(Schema.Array(RolloutInfo))
      .addError(NotFound)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "The last rollouts, the newest first")
  )
  .add(
    HttpApiEndpoint.get("get", "/rollouts/:id")
      .setPath(Id)
      .addSuccess(RolloutDetail)
      .addError(InvalidRequest)
      .addError(NotFound)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "A rollout with its nodes")
  )
  .add(act("resume", "Go on after a halt: the nodes that failed are not looked at again"))
  .add(act("abort", "Back to the config from before it, for every node"))
  .add(act("promote", "To every node now, without waves, windows and halts"))
  .annotate(OpenApi.Description, "Changes of the config on their way to the nodes") {}
