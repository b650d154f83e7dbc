/** `/playback`: clips are asked for here, and workers beside the nodes take the jobs from here. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { NodeId } from "../services/NodeId.js"
import { PlaybackStatus } from "../services/Playback.js"
import { PlaybackJobId, PlaybackJobState, PlaybackRequest } from "../services/PlaybackJob.js"
import { Conflict, Forbidden, InvalidRequest, LeaseLost, NotFound, Unavailable } from "./ApiError.js"
import { PartsReply, PartsRequest, WorkerJob, WorkerReply, WorkerReport } from "./PlaybackWire.js"
import { AdminAccess, JobsAccess, WorkerAccess } from "./Security.js"

/** Longest that one request waits, in seconds: proxies close what is silent for a minute. */
export const LONGEST_WAIT = 50

const Wait = Schema.NumberFromString.pipe(Schema.between(0, 3_600))

const JobPath = Schema.Struct({ id: PlaybackJobId })

export const JobsParams = Schema.Struct({
  node: Schema.optional(NodeId).annotations({
    description: "Of a worker: its node. Of an admin: who has or served it"
  }),
  wait: Schema.optional(Wait).annotations({
    description: `Given by workers: seconds to wait for a job (at most ${LONGEST_WAIT} are waited). Without it jobs are listed`
  }),
  state: Schema.optional(PlaybackJobState),
  path: Schema.optional(Schema.NonEmptyString),
  limit: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1_000))),
  before: Schema.optional(PlaybackJobId).annotations({ description: "Only jobs that were requested before this one" })
})

export class PlaybackApi extends HttpApiGroup.make("playback")
  .add(
    HttpApiEndpoint.post("request", "/playback/requests")
      .setPayload(PlaybackRequest)
      .addSuccess(PlaybackStatus, { status: 202 })
      .addError(InvalidRequest)
      .addError(Forbidden)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Ask for a clip")
      .annotate(
        OpenApi.Description,
        "Of one window there is one job as long as it is alive or its clip exists: asking again gives the same one."
      )
  )
  .add(
    HttpApiEndpoint.get("jobs", "/playback/jobs")
      .setUrlParams(JobsParams)
      .addSuccess(Schema.Union(Schema.Array(PlaybackStatus), WorkerJob))
      .addSuccess(HttpApiSchema.NoContent)
      .addError(Forbidden)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(JobsAccess)
      .annotate(OpenApi.Summary, "Admins: all jobs. Workers, with `wait`: the next job of their node")
      .annotate(OpenApi.Description, "A worker gets one leased job with its signed upload, or 204 when there was none.")
  )
  .add(
    HttpApiEndpoint.get("job", "/playback/jobs/:id")
      .setPath(JobPath)
      .setUrlParams(
        Schema.Struct({
          wait: Schema.optional(Wait).annotations({
            description: `Seconds to wait for the job's end (at most ${LONGEST_WAIT} are waited)`
          })
        })
      )
      .addSuccess(PlaybackStatus)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "One job, with its clip when it is done")
  )
  .add(
    HttpApiEndpoint.put("report", "/playback/jobs/:id")
      .setPath(JobPath)
      .setUrlParams(Schema.Struct({ node: NodeId }))
      .setPayload(WorkerReport)
      .addSuccess(WorkerReply)
      .addError(InvalidRequest)
      .addError(LeaseLost)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(WorkerAccess)
      .annotate(OpenApi.Summary, "Report of a worker: progress, done, failed, released")
  )
  .add(
    HttpApiEndpoint.post("parts", "/playback/jobs/:id/parts")
      .setPath(JobPath)
      .setUrlParams(Schema.Struct({ node: NodeId }))
      .setPayload(PartsRequest)
      .addSuccess(PartsReply)
      .addError(InvalidRequest)
      .addError(LeaseLost)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(WorkerAccess)
      .annotate(OpenApi.Summary, "For workers: upload a large clip in parts")
      .annotate(
        OpenApi.Description,
        "Begins an upload, or goes on with one, and gives a signed request for each part that is named. The report `done` then names the upload and the `ETag` of every part. Renews the lease."
      )
  )
  .add(
    HttpApiEndpoint.del("cancel", "/playback/jobs/:id")
      .setPath(JobPath)
      .addSuccess(PlaybackStatus)
      .addError(NotFound)
      .addError(Conflict)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "End a job that is not done")
  )
  .add(
    HttpApiEndpoint.post("retry", "/playback/jobs/:id/retry")
      .setPath(JobPath)
      .addSuccess(PlaybackStatus, { status: 202 })
      .addError(Forbidden)
      .addError(NotFound)
      .addError(Conflict)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Put back a job that failed, expired or was cancelled")
  )
  .annotate(OpenApi.Description, "Clips of what was recorded") {}
