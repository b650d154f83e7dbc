/** `/streams`: where a viewer reads a stream. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { viewerProtocols } from "../services/NodeDirectory.js"
import { LocatedStream } from "../services/StreamLocator.js"
import { GroupState } from "../services/Topology.js"
import { Forbidden, InvalidRequest, NotFound, Unauthorized, Unavailable } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

/** What the locator takes; every other parameter is the viewer's, and stays in the URL that it is sent to. */
export const StreamParams = Schema.Struct({
  protocol: Schema.optional(Schema.Literal(...viewerProtocols)).annotations({
    description: "How the viewer reads (default hls)"
  }),
  near: Schema.optional(Schema.String.pipe(Schema.maxLength(200))).annotations({
    description: "Where the viewer is, best first: values of labels or conditions on them, such as eu-west,region=eu"
  }),
  format: Schema.optional(Schema.Literal("json", "redirect")).annotations({
    description: "json: all URLs, the best first, as with Accept: application/json (default redirect)"
  })
})
export type StreamParams = typeof StreamParams.Type

/** Where the stream is, the best first. */
export const StreamLocations = Schema.Struct({
  path: Schema.String,
  protocol: Schema.Literal(...viewerProtocols),
  streams: Schema.NonEmptyArray(LocatedStream)
}).annotations({ identifier: "StreamLocations" })
export type StreamLocations = typeof StreamLocations.Type

/** `*` is the path, slashes and all. */
export class StreamsApi extends HttpApiGroup.make("streams")
  .add(
    HttpApiEndpoint.get("locate", "/streams/*")
      .setPath(Schema.Struct({ "*": Schema.String }))
      .setUrlParams(StreamParams)
      .addSuccess(StreamLocations)
      .addError(InvalidRequest)
      .addError(Unauthorized)
      .addError(Forbidden)
      .addError(NotFound)
      .addError(Unavailable)
      .annotate(OpenApi.Summary, "Send a viewer to a node that has the stream")
      .annotate(
        OpenApi.Description,
        "302 with the URL in Location, or the list of URLs. Who may ask is set by locator.access: whoever the auth policy lets read the stream (the default), whoever has the admin key, or everybody. 404: there is no such stream. 503: there is, but on no live node right now."
      )
  )
  .add(
    HttpApiEndpoint.get("groups", "/groups")
      .addSuccess(Schema.Array(GroupState))
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Who acts in each group of nodes")
  )
  .annotate(OpenApi.Description, "Where streams are, and which nodes stand in for each other") {}
