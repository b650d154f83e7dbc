/**
 * Every error the manager's HTTP API answers with: one JSON shape, `{_tag, message, ...details}`.
 *
 * No error carries a secret, a stack trace or a value that the caller sent: what was wrong is told by field and by what
 * would be right.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import { RevisionInfo } from "../services/RevisionInfo.js"

/** One thing that is wrong with a request: where, what, and what would be right. */
export const RequestIssue = Schema.Struct({
  /** Dotted path of the field; empty for the request as a whole. */
  field: Schema.String,
  message: Schema.String,
  expected: Schema.String
}).annotations({ identifier: "RequestIssue" })
export type RequestIssue = typeof RequestIssue.Type

const status = <A>(code: number, description: string) => HttpApiSchema.annotations<A>({ status: code, description })

/** 400: the request could be read, but is not what this route takes. All issues at once. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()(
  "InvalidRequest",
  { message: Schema.String, issues: Schema.Array(RequestIssue) },
  status(400, "The request is not what this route takes")
) {}

/** 401: no credential, or one that nobody has. For `POST /auth`: the node should ask its client for credentials. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  { message: Schema.String },
  status(401, "A credential is missing or unknown")
) {}

/** 403: the credential is known and does not allow this. For `POST /auth`: the client is denied, with the reason. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { message: Schema.String },
  status(403, "The credential does not allow this")
) {}

/** 404: no such route, or no such thing. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { message: Schema.String },
  status(404, "No such route or thing")
) {}

/** 405: the route exists, with other methods (also in the `Allow` header). */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()(
  "MethodNotAllowed",
  { message: Schema.String, allow: Schema.Array(Schema.String) },
  status(405, "The route has no such method")
) {}

/** 409: it contradicts the state that the thing is in. */
export class Conflict extends Schema.TaggedError<Conflict>()(
  "Conflict",
  { message: Schema.String },
  status(409, "Contradicts the present state")
) {}

/** 409: the worker's lease is not, or no longer, the one that may report. It stops, and leaves the job to others. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()(
  "LeaseLost",
  {
    message: Schema.String,
    /** What became of the job. */
    state: Schema.String
  },
  status(409, "The lease of the job was lost")
) {}

/** 412: the change was made from another revision of the config than the newest. */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()(
  "PreconditionFailed",
  {
    message: Schema.String,
    /** The newest revision: who was faster, and what they changed. Null: there is none. */
    newest: Schema.NullOr(RevisionInfo),
    /** For the next `If-Match`. */
    etag: Schema.NullOr(Schema.String)
  },
  status(412, "The change was made from another revision than the newest")
) {}

/** 428: a change has to say what it was made from. */
export class PreconditionRequired extends Schema.TaggedError<PreconditionRequired>()(
  "PreconditionRequired",
  { message: Schema.String },
  status(428, "If-Match is missing")
) {}

/** 413: the body is over the limit. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()(
  "PayloadTooLarge",
  {
    message: Schema.String,
    /** Bytes. */
    limit: Schema.Int
  },
  status(413, "The body is over the limit")
) {}

/** 415: the body is of a type, or in an encoding, that this route does not read. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { message: Schema.String, supported: Schema.Array(Schema.String) },
  status(415, "The body's type is not read here")
) {}

/** 500: a bug. The log holds the cause under the same id. */
export class InternalError extends Schema.TaggedError<InternalError>()(
  "InternalError",
  { message: Schema.String, id: Schema.String },
  status(500, "A bug; the log has the cause under this id")
) {}

/** 503: not now. `retryAfter` is also the `Retry-After` header. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  {
    message: Schema.String,
    /** Seconds. */
    retryAfter: Schema.Int,
    /** For a config that can't be rendered: why. */
    issues: Schema.optional(Schema.Array(RequestIssue))
  },
  status(503, "Not possible right now")
) {}

/** Every error of the API. */
export const ApiError = Schema.Union(
  InvalidRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  MethodNotAllowed,
  Conflict,
  LeaseLost,
  PreconditionFailed,
  PreconditionRequired,
  PayloadTooLarge,
  UnsupportedMediaType,
  InternalError,
  Unavailable
)
export type ApiError = typeof ApiError.Type

/** The status that each error is sent with. */
export const statusOf: { readonly [Tag in ApiError["_tag"]]: number } = {
  InvalidRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  Conflict: 409,
  LeaseLost: 409,
  PreconditionFailed: 412,
  PreconditionRequired: 428,
  PayloadTooLarge: 413,
  UnsupportedMediaType: 415,
  InternalError: 500,
  Unavailable: 503
}

export const isApiError: (u: unknown) => u is ApiError = Schema.is(ApiError)
