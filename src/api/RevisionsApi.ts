/** `/config`: the fleet's config and its revisions. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { ConfigIssue } from "../mediamtx/ConfigIssue.js"
import { Explanation } from "../services/ConfigExplain.js"
import { ConfigPlan, NodePlan } from "../services/ConfigPlan.js"
import { DocumentChange } from "../services/FleetDiff.js"
import { FleetDocument } from "../services/FleetDocument.js"
import { NodeId } from "../services/NodeId.js"
import { LONGEST_AUTHOR, LONGEST_NOTE, RevisionInfo } from "../services/RevisionInfo.js"
import {
  Conflict,
  InvalidRequest,
  NotFound,
  PreconditionFailed,
  PreconditionRequired,
  Unavailable,
  UnsupportedMediaType
} from "./ApiError.js"
import { AdminAccess } from "./Security.js"

/** Refuses a body that is not JSON, before anything is made of it. */
export class JsonBody extends HttpApiMiddleware.Tag<JsonBody>()("mtx-manager/JsonBody", {
  failure: UnsupportedMediaType
}) {}

const Etag = Schema.String.annotations({
  description: 'The revision as an entity tag, quotes included, as in the ETag header: "12-9f86d081884c7d65"'
})

/** A revision as it goes over the wire. It holds the config's secrets. */
export const ConfigRevision = Schema.Struct({
  ...RevisionInfo.fields,
  etag: Etag,
  config: FleetDocument
}).annotations({ identifier: "ConfigRevision" })
export type ConfigRevision = typeof ConfigRevision.Type

export const RevisionPage = Schema.Struct({
  /** The newest first. */
  revisions: Schema.Array(RevisionInfo),
  /** For `before`, to get those that follow. Null: there are no older ones. */
  next: Schema.NullOr(Schema.Int)
}).annotations({ identifier: "RevisionPage" })

export const ConfigDifference = Schema.Struct({
  from: Schema.Int,
  to: Schema.Int,
  changes: Schema.Array(DocumentChange)
}).annotations({ identifier: "ConfigDifference" })

/** What came of a change. */
export const ConfigChanged = Schema.Struct({
  /** False: the config is what it was, and `revision` is the one that was there. */
  created: Schema.Boolean,
  revision: RevisionInfo,
  etag: Etag,
  /** What works but is deprecated or dangerous. */
  warnings: Schema.Array(ConfigIssue),
  /** What it does to the nodes that have called, as it was when it was made. Null: this manager can't tell. */
  impact: Schema.NullOr(
    Schema.Struct({
      drops: ConfigPlan.fields.drops,
      /** How many nodes come to what. */
      nodes: Schema.Record({ key: NodePlan.fields.outcome, value: Schema.NonNegativeInt })
    })
  )
}).annotations({ identifier: "ConfigChanged" })
export type ConfigChanged = typeof ConfigChanged.Type

const Author = Schema.optional(
  Schema.String.pipe(Schema.maxLength(LONGEST_AUTHOR), Schema.pattern(/^[^\p{Cc}]*$/u))
).annotations({ description: "Who makes the change, in their own words (default admin)" })
const Note = Schema.optional(Schema.String.pipe(Schema.maxLength(LONGEST_NOTE))).annotations({
  description: "Why"
})

export const ConfigEdit = Schema.Struct({ config: FleetDocument, author: Author, note: Note }).annotations({
  identifier: "ConfigEdit"
})
export const ConfigRollback = Schema.Struct({
  to: Schema.Int.annotations({ description: "The revision whose config is wanted back" }),
  author: Author,
  note: Note
}).annotations({ identifier: "ConfigRollback" })

const Match = Schema.Struct({
  "if-match": Schema.optional(Schema.String).annotations({
    description: "The ETag of the revision that the change was made from; * is whatever is newest"
  })
})

export class RevisionsApi extends HttpApiGroup.make("revisions")
  .add(
    HttpApiEndpoint.get("current", "/config")
      .setHeaders(Schema.Struct({ "if-none-match": Schema.optional(Schema.String) }))
      .addSuccess(ConfigRevision)
      .addSuccess(HttpApiSchema.Empty(304).annotations({ description: "It is still the one that was named" }))
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "The newest revision, with the config and its secrets")
  )
  .add(
    HttpApiEndpoint.put("put", "/config")
      .setHeaders(Match)
      .setPayload(ConfigEdit)
      .addSuccess(ConfigChanged)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Conflict)
      .addError(PreconditionFailed)
      .addError(PreconditionRequired)
      .addError(Unavailable)
      .middleware(JsonBody)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Replace the whole config")
      .annotate(
        OpenApi.Description,
        "Needs If-Match, so that of two editors the second is told of the first (412). Taken when it is valid for every node, else 400 with every issue. 409 where files are what counts."
      )
  )
  .add(
    HttpApiEndpoint.post("rollback", "/config/rollback")
      .setHeaders(Match)
      .setPayload(ConfigRollback)
      .addSuccess(ConfigChanged)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Conflict)
      .addError(PreconditionFailed)
      .addError(Unavailable)
      .middleware(JsonBody)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Bring the config of an older revision back, as a new one")
      .annotate(OpenApi.Description, "If-Match may be given, and counts then.")
  )
  .add(
    HttpApiEndpoint.get("list", "/config/revisions")
      .setUrlParams(
        Schema.Struct({
          // Text, because `before` means something else to other routes, and a wrong one is to be told in its own words.
          before: Schema.optional(Schema.String).annotations({ description: "Only revisions below this number" }),
          limit: Schema.optional(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 1_000)))
        })
      )
      .addSuccess(RevisionPage)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "All revisions, the newest first, without their configs")
  )
  .add(
    HttpApiEndpoint.get("revision", "/config/revisions/:revision")
      .setPath(Schema.Struct({ revision: Schema.String }))
      .addSuccess(ConfigRevision)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "One revision, with the config and its secrets")
  )
  .add(
    HttpApiEndpoint.get("diff", "/config/diff")
      .setUrlParams(
        Schema.Struct({
          from: Schema.optional(Schema.String).annotations({
            description: "A revision; 0 is nothing at all (default: the one before `to`)"
          }),
          to: Schema.optional(Schema.String).annotations({ description: "A revision (default: the newest)" })
        })
      )
      .addSuccess(ConfigDifference)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "What differs between two revisions, without secrets")
  )
  .add(
    HttpApiEndpoint.get("explain", "/config/explain")
      .setUrlParams(
        Schema.Struct({
          node: NodeId,
          field: Schema.NonEmptyString.annotations({ description: "logLevel, pathDefaults.record, paths.cam.record" })
        })
      )
      .addSuccess(Explanation)
      .addError(InvalidRequest)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Which layer the value of a field on a node comes from")
  )
  .annotate(OpenApi.Description, "The fleet's config: base, labels, overlays, nodes; and its revisions") {}
