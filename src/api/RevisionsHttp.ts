/** Answers `RevisionsApi` by ConfigRevisions, where the manager has them. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ConfigPlan from "../services/ConfigPlan.js"
import { ConfigRenderer } from "../services/ConfigRenderer.js"
import {
  type AppendError,
  type Appended,
  ConfigRevisions,
  type ConfigRevisionsError,
  type Revision,
  type RevisionInfo,
  type RevisionNotFound
} from "../services/ConfigRevisions.js"
import type { FleetDocument } from "../services/FleetDocument.js"
import { FleetState } from "../services/FleetState.js"
import type { NodeId } from "../services/NodeId.js"
import { type NodeRecord, NodeRegistry } from "../services/NodeRegistry.js"
import {
  Conflict,
  type InvalidRequest,
  NotFound,
  PreconditionFailed,
  PreconditionRequired,
  Unavailable,
  UnsupportedMediaType
} from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"
import { invalidDocument, invalidField } from "./RequestIssues.js"
import { type ConfigChanged, ConfigRevision, JsonBody } from "./RevisionsApi.js"

const JSON_BODY = "application/json"

/** `JsonBody`. */
export const jsonBody: Layer.Layer<JsonBody> = Layer.succeed(
  JsonBody,
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const type = headers["content-type"]
    return type === undefined || /^\s*application\/json\s*(?:;|$)/i.test(type)
      ? Effect.void
      : Effect.fail(
          new UnsupportedMediaType({
            message:
              "a config is taken as JSON here; mtx-manager apply reads YAML files and sends them so, or any YAML reader makes JSON of one",
            supported: [JSON_BODY]
          })
        )
  })
)

const etagOf = ({ hash, revision }: RevisionInfo): string => `"${revision}-${hash.slice(0, 16)}"`

const encodeRevision = Schema.encode(ConfigRevision)

const withEtag = (revision: Revision): ConfigRevision => ({ ...revision, etag: etagOf(revision) })

/** The tags of an `If-Match` or `If-None-Match` header. Weak ones never match: nothing here is equal only in meaning. */
const tagsOf = (header: string): ReadonlyArray<string> =>
  header
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")

const unreadable = (error: ConfigRevisionsError): Effect.Effect<never, Unavailable> =>
  Effect.zipRight(
    Effect.logError("the revisions of the config failed", error),
    Effect.fail(new Unavailable({ message: error.message, retryAfter: 5 }))
  )

const notFound = ({ message }: RevisionNotFound) => Effect.fail(new NotFound({ message }))

const failed = (newest: RevisionInfo | null, message: string): PreconditionFailed =>
  new PreconditionFailed({ message, newest, etag: newest === null ? null : etagOf(newest) })

const number = (name: string, text: string): Effect.Effect<number, InvalidRequest> =>
  /^[0-9]{1,15}$/.test(text)
    ? Effect.succeed(Number(text))
    : Effect.fail(invalidField("request", name, "is not valid", "the number of a revision"))

export const revisionsGroup = HttpApiBuilder.group(ManagerApi, "revisions", (handlers) =>
  Effect.gen(function* () {
    const none = new NotFound({ message: "this manager keeps no revisions: its config is in its program" })
    const found = yield* Effect.serviceOption(ConfigRevisions)
    const revisions = Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(none)
    const renderer = yield* ConfigRenderer
    const registry = yield* NodeRegistry
    const fleet = yield* FleetState

    const newest = Effect.flatMap(revisions, (service) =>
      Effect.flatMap(service.newest, (revision) =>
        revision === undefined
          ? Effect.fail(new NotFound({ message: "there is no revision yet" }))
          : Effect.succeed(revision)
      )
    )

    /** The revision that `If-Match` names, if it is the newest. Undefined: whatever is newest. */
    const expected = (header: string) =>
      Effect.flatMap(revisions, (service) =>
        Effect.flatMap(service.newest, (revision): Effect.Effect<number | undefined, PreconditionFailed> => {
          const tags = tagsOf(header)
          if (tags.includes("*")) {
            return revision === undefined
              ? Effect.fail(failed(null, "there is no revision yet"))
              : Effect.succeed(undefined)
          }
          if (revision !== undefined && tags.includes(etagOf(revision))) return Effect.succeed(revision.revision)
          if (revision === undefined) return Effect.fail(failed(null, "there is no revision yet"))
          const { config: _, ...info } = revision
          const text = `the newest revision is ${info.revision}, by ${info.author}: get it, and make the change anew`
          return Effect.fail(failed(info, text))
        })
      )

    const known = registry.list.pipe(
      Effect.catchAll((error) =>
        Effect.zipRight(
          Effect.logError("the node registry can't be read", error),
          Effect.fail(new Unavailable({ message: "the node registry can't be read", retryAfter: 5 }))
        )
      )
    )

    /** What a config would do. It is no part of the change: where it can't be told, the change goes on. */
    const impactOf = (document: FleetDocument, records: ReadonlyArray<NodeRecord>) =>
      Effect.gen(function* () {
        const change = yield* ConfigPlan.replaceBy(document)
        const plan = yield* ConfigPlan.plan(renderer, {
          change,
          snapshot: yield* fleet.snapshot,
          nodes: ConfigPlan.nodesOf({}, records, undefined)
        })
        const nodes: { [outcome in ConfigPlan.NodePlan["outcome"]]: number } = {
          unchanged: 0,
          reloads: 0,
          keeps: 0,
          starts: 0
        }
        for (const { outcome } of plan.nodes) nodes[outcome]++
        return { drops: plan.drops, nodes }
      }).pipe(
        Effect.catchTags({
          // Said in full by the change itself.
          InvalidConfig: () => Effect.succeed(null),
          PlanNotSupported: () => Effect.succeed(null),
          FleetStateError: (error) =>
            Effect.as(Effect.logWarning("the fleet's state can't be read: the impact is not known", error), null)
        })
      )

    const changed = (
      document: FleetDocument,
      make: (nodes: ReadonlyArray<NodeId>) => Effect.Effect<Appended, AppendError | RevisionNotFound>
    ) =>
      Effect.gen(function* () {
        const records = yield* known
        const impact = yield* impactOf(document, records)
        const { created, revision, warnings } = yield* make(records.map(({ id }) => id)).pipe(
          Effect.catchTags({
            InvalidConfig: (error) => Effect.fail(invalidDocument(error)),
            RevisionConflict: ({ message, newest }) => Effect.fail(failed(newest, message)),
            RevisionsReadOnly: ({ message }) => Effect.fail(new Conflict({ message })),
            RevisionNotFound: notFound,
            ConfigRevisionsError: unreadable
          })
        )
        const { config: _, ...info } = revision
        const body: ConfigChanged = { created, revision: info, etag: etagOf(revision), warnings, impact }
        return body
      })

    /** Before anything is worked out: here files are what counts. */
    const writable = Effect.flatMap(revisions, (service) =>
      service.readOnly === undefined
        ? Effect.succeed(service)
        : Effect.fail(new Conflict({ message: service.readOnly }))
    )

    return handlers
      .handle("current", ({ headers }) =>
        Effect.gen(function* () {
          const revision = yield* newest
          const etag = etagOf(revision)
          const tags = tagsOf(headers["if-none-match"] ?? "")
          if (tags.includes(etag) || tags.includes(`W/${etag}`)) {
            return HttpServerResponse.empty({ status: 304, headers: { etag } })
          }
          // What was stored was read by this very schema.
          const body = yield* Effect.orDie(encodeRevision(withEtag(revision)))
          return HttpServerResponse.unsafeJson(body, { headers: { etag, "cache-control": "no-store" } })
        })
      )
      .handle("put", ({ headers, payload: { author, config, note } }) =>
        Effect.gen(function* () {
          const service = yield* writable
          const match = headers["if-match"]
          if (match === undefined) {
            return yield* new PreconditionRequired({
              message:
                "If-Match is missing: give the ETag of the revision that the change was made from (GET /config has it), or * for whatever is newest"
            })
          }
          const from = yield* expected(match)
          return yield* changed(config, (nodes) =>
            service.append({ config, author: author || "admin", note, expected: from, known: nodes })
          )
        })
      )
      .handle("rollback", ({ headers, payload: { author, note, to } }) =>
        Effect.gen(function* () {
          const service = yield* writable
          const match = headers["if-match"]
          const from = match === undefined ? undefined : yield* expected(match)
          const { config } = yield* service
            .get(to)
            .pipe(Effect.catchTags({ RevisionNotFound: notFound, ConfigRevisionsError: unreadable }))
          return yield* changed(config, (nodes) =>
            service.rollback({ to, author: author || "admin", note, expected: from, known: nodes })
          )
        })
      )
      .handle("list", ({ urlParams: { before, limit = 50 } }) =>
        Effect.gen(function* () {
          const service = yield* revisions
          const below = before === undefined ? undefined : yield* number("before", before)
          // One more than asked for tells whether there are more.
          const rows = yield* Effect.catchAll(service.list({ before: below, limit: limit + 1 }), unreadable)
          const page = rows.slice(0, limit)
          return { revisions: page, next: rows.length > limit ? (page.at(-1)?.revision ?? null) : null }
        })
      )
      .handle("revision", ({ path }) =>
        Effect.gen(function* () {
          const service = yield* revisions
          const revision = yield* service
            .get(yield* number("revision", path.revision))
            .pipe(Effect.catchTags({ RevisionNotFound: notFound, ConfigRevisionsError: unreadable }))
          return withEtag(revision)
        })
      )
      .handle("diff", ({ urlParams }) =>
        Effect.gen(function* () {
          const service = yield* revisions
          const to = urlParams.to === undefined ? (yield* newest).revision : yield* number("to", urlParams.to)
          const from = urlParams.from === undefined ? Math.max(0, to - 1) : yield* number("from", urlParams.from)
          const changes = yield* service
            .diff(from, to)
            .pipe(Effect.catchTags({ RevisionNotFound: notFound, ConfigRevisionsError: unreadable }))
          return { from, to, changes }
        })
      )
      .handle("explain", ({ urlParams: { field, node } }) =>
        renderer.explain === undefined
          ? Effect.fail(new Unavailable({ message: "this manager's ConfigRenderer can't explain", retryAfter: 3600 }))
          : renderer.explain(node, field).pipe(
              Effect.catchTags({
                NotExplained: ({ expected, message }) =>
                  Effect.fail(invalidField("request", "field", message, expected)),
                // Groups that contradict the config: the node keeps what it has.
                InvalidConfig: ({ message }) => Effect.fail(new Unavailable({ message, retryAfter: 60 }))
              })
            )
      )
  })
)
