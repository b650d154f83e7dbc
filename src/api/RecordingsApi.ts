/** `GET /recordings`: what the fleet holds of a path. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { staticPathNameProblem } from "../mediamtx/PathName.js"
import { RecordedPath, RecordingTimeline } from "../services/Recordings.js"
import { Timestamp } from "../services/Timestamp.js"
import { NotFound } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

export const RecordingsParams = Schema.Struct({
  path: Schema.String.pipe(
    Schema.filter((name) => staticPathNameProblem(name) === undefined, {
      description: "Name of the path, such as `cam/1`",
      message: () => "the name of a path, such as cam/1",
      jsonSchema: { minLength: 1 }
    })
  ),
  from: Schema.optional(Timestamp).annotations({ description: "Default: from the first recording" }),
  to: Schema.optional(Timestamp).annotations({ description: "Default: to the last recording" })
}).pipe(
  Schema.filter(({ from, to }) => from === undefined || to === undefined || from < to, {
    message: () => "a time `to` that is after `from`"
  })
)

export class RecordingsApi extends HttpApiGroup.make("recordings")
  .add(
    HttpApiEndpoint.get("timeline", "/recordings")
      .setUrlParams(RecordingsParams)
      .addSuccess(RecordingTimeline)
      .addError(NotFound)
      .annotate(OpenApi.Summary, "What is recorded of a path: spans, gaps, and the nodes that hold them")
  )
  .add(
    HttpApiEndpoint.get("paths", "/recordings/paths")
      .addSuccess(Schema.Array(RecordedPath))
      .addError(NotFound)
      .annotate(OpenApi.Summary, "All paths that there are recordings of")
  )
  .middleware(AdminAccess)
  .annotate(OpenApi.Description, "What the fleet has recorded") {}
