/** `GET /auth/decisions` and `POST /auth/dry-run`: what was decided, and what other rules would have decided. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { AuthProtocol, AuthRequestBody } from "../mediamtx/AuthRequest.js"
import { DecisionOutcome, DecisionPage } from "../services/DecisionLog.js"
import { NodeId } from "../services/NodeId.js"
import { DryRunReport } from "../services/PolicyDryRun.js"
import { Timestamp } from "../services/Timestamp.js"
import { Conflict, InvalidRequest } from "./ApiError.js"
import { LONGEST_WAIT } from "./PlaybackApi.js"
import { AdminAccess } from "./Security.js"

const Flag = Schema.transformLiterals(["true", true], ["false", false])
const Text = Schema.NonEmptyString.pipe(Schema.maxLength(1000))

export const DecisionsParams = Schema.Struct({
  since: Schema.optional(Timestamp).annotations({ description: "Those whose last call was then or later" }),
  until: Schema.optional(Timestamp).annotations({ description: "Those whose first call was before" }),
  outcome: Schema.optional(DecisionOutcome),
  prompt: Schema.optional(Flag).annotations({
    description: "`false` leaves out calls without credentials that were only told to bring some"
  }),
  node: Schema.optional(NodeId),
  action: Schema.optional(AuthRequestBody.fields.action),
  protocol: Schema.optional(AuthProtocol),
  path: Schema.optional(Text).annotations({
    description: "A path, or a pattern as in auth rules: `cams/*`, `cams/**`, `~^cam[0-9]+$`"
  }),
  user: Schema.optional(Text).annotations({ description: "The name that was given, or whose secret it was" }),
  ip: Schema.optional(Text).annotations({ description: "An address, or a network such as 10.0.0.0/8" }),
  rule: Schema.optional(Text).annotations({ description: "Name or place of the rule that decided: `auth.rules[2]`" }),
  limit: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1_000))).annotations({
    description: "Default 100"
  }),
  cursor: Schema.optional(Text).annotations({ description: "`next` of a page: what is older" }),
  after: Schema.optional(Text).annotations({
    description: "`follow` of a page: what has come, or was repeated, since then, in that order"
  }),
  wait: Schema.optional(Schema.NumberFromString.pipe(Schema.between(0, 3_600))).annotations({
    description: `With \`after\`: seconds to wait for something (at most ${LONGEST_WAIT} are waited)`
  })
})
export type DecisionsParams = typeof DecisionsParams.Type

export const DryRunRequest = Schema.Struct({
  auth: Schema.Union(Schema.String, Schema.Record({ key: Schema.String, value: Schema.Unknown })).annotations({
    description:
      "The rules: the text of a manager.yml (its section `auth`), the text of that section alone, or the section as data"
  }),
  since: Schema.optional(Timestamp).annotations({ description: "Default: from the oldest decision that is kept" }),
  until: Schema.optional(Timestamp),
  limit: Schema.optional(Schema.Int.pipe(Schema.between(1, 1_000))).annotations({
    description: "Entries in each of the two lists (default 200)"
  })
}).annotations({ identifier: "DryRunRequest" })
export type DryRunRequest = typeof DryRunRequest.Type

export class DecisionsApi extends HttpApiGroup.make("decisions")
  .add(
    HttpApiEndpoint.get("list", "/auth/decisions")
      .setUrlParams(DecisionsParams)
      .addSuccess(DecisionPage)
      .addError(InvalidRequest)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What nodes were told about who may do what, and why")
      .annotate(
        OpenApi.Description,
        "The last hour, the newest first. To follow it, ask with `after` (the last page's `follow`) and `wait`: it answers as soon as there is something. An entry that comes again has the same `id` and a higher `count`."
      )
  )
  .add(
    HttpApiEndpoint.post("dryRun", "/auth/dry-run")
      .setPayload(DryRunRequest)
      .addSuccess(DryRunReport)
      .addError(InvalidRequest)
      .addError(Conflict)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What other auth rules would have answered in the last hour")
      .annotate(
        OpenApi.Description,
        "Changes nothing. Rules that are not valid are 400, with every issue. Secrets are not in the log: whose secret was right counts under the other rules as long as the user has the same one there; else the call is `unknown`, where that matters."
      )
  )
  .annotate(OpenApi.Description, "Auth decisions: the log, and dry runs of other rules") {}
