/**
 * Who may call what: security as middleware tags, without the implementation (see `Access`).
 *
 * A credential is the admin key, the shared key or a node's token. It comes as `Authorization: Bearer`, as the password
 * of `Authorization: Basic` (browsers, curl; the user name may be the node id), or, for `POST /auth` alone, as `?token=`.
 */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import type { Principal } from "../services/Principal.js"
import { Forbidden, Unauthorized } from "./ApiError.js"

/** Who the request's credential belongs to. */
export class CurrentPrincipal extends Context.Tag("mtx-manager/CurrentPrincipal")<CurrentPrincipal, Principal>() {}

const failure = Schema.Union(Unauthorized, Forbidden)

const bearer = HttpApiSecurity.annotate(
  HttpApiSecurity.bearer,
  OpenApi.Description,
  "The admin key, the shared key or a node's token"
)
const basic = HttpApiSecurity.annotate(
  HttpApiSecurity.basic,
  OpenApi.Description,
  "The same secret as the password; any user name"
)
const token = HttpApiSecurity.apiKey({ in: "query", key: "token" })

/** The admin key only. */
export class AdminAccess extends HttpApiMiddleware.Tag<AdminAccess>()("mtx-manager/AdminAccess", {
  failure,
  provides: CurrentPrincipal,
  security: { bearer, basic }
}) {}

/** The admin key, or the key that is for metrics alone. */
export class MetricsAccess extends HttpApiMiddleware.Tag<MetricsAccess>()("mtx-manager/MetricsAccess", {
  failure,
  security: { bearer, basic }
}) {}

/** A caller that may act as the node the request is about: that node's token, the shared key or the admin key. */
export class NodeAccess extends HttpApiMiddleware.Tag<NodeAccess>()("mtx-manager/NodeAccess", {
  failure,
  provides: CurrentPrincipal,
  security: { bearer, basic }
}) {}

/** As `NodeAccess`, with the token in the query as well, because MediaMTX can't send headers. */
export class AuthCallAccess extends HttpApiMiddleware.Tag<AuthCallAccess>()("mtx-manager/AuthCallAccess", {
  failure,
  provides: CurrentPrincipal,
  security: { token, bearer, basic }
}) {}

/** As `NodeAccess`, for the routes of workers: the node is in the query. */
export class WorkerAccess extends HttpApiMiddleware.Tag<WorkerAccess>()("mtx-manager/WorkerAccess", {
  failure,
  provides: CurrentPrincipal,
  security: { bearer, basic }
}) {}

/** `GET /playback/jobs`: with `wait` a worker asks for its node, without it an admin. */
export class JobsAccess extends HttpApiMiddleware.Tag<JobsAccess>()("mtx-manager/JobsAccess", {
  failure,
  provides: CurrentPrincipal,
  security: { bearer, basic }
}) {}
