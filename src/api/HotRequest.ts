/**
 * A request as the hot routes need it, and how its body is read: shared by everything that takes calls of nodes.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { AuthRequestBody, plainAuthRequestBody } from "../mediamtx/AuthRequest.js"
import type { HookEvent } from "../mediamtx/HookEvent.js"
import { decodeForm, decodeJson, formName, type HookDecodeError } from "../mediamtx/HookForm.js"
import { type ApiError, type InvalidRequest, PayloadTooLarge, UnsupportedMediaType } from "./ApiError.js"
import { fromParseError, invalid, invalidField } from "./RequestIssues.js"

/** Bytes. A body over it is refused. */
export const BODY_LIMIT = 1024 * 1024

/** Stands for a body that is over the limit. */
export const TooLarge: unique symbol = Symbol.for("mtx-manager/HotRoutes/TooLarge")

/** A request as the hot routes need it. */
export interface HotRequest {
  readonly method: string
  /** What stands after the `?`. */
  readonly query: string
  /** A header by its lower-case name; the first one where there are several. */
  header(name: string): string | undefined
  /** Address of the caller. */
  readonly address: string | undefined
  /** Text, or bytes that are not known to be UTF-8 yet. `TooLarge`: over the limit, and not read. */
  readonly body: string | Uint8Array | typeof TooLarge
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false })

/** The body as text, or why it can't be. */
const textOf = (request: HotRequest): string | ApiError => {
  const body = request.body
  if (typeof body === "string") return body
  if (body === TooLarge) {
    return new PayloadTooLarge({ message: `the body is over ${BODY_LIMIT} bytes`, limit: BODY_LIMIT })
  }
  try {
    return utf8.decode(body)
  } catch {
    return invalidField("body", "", "is not UTF-8", "text in UTF-8")
  }
}

const JSON_TYPE = "application/json"
const FORM_TYPE = "application/x-www-form-urlencoded"

/** The media type without parameters, in lower case; undefined when there is none. */
const mediaType = (request: HotRequest): string | undefined => {
  const header = request.header("content-type")
  if (header === undefined || header === JSON_TYPE || header === FORM_TYPE) return header
  const end = header.indexOf(";")
  return (end === -1 ? header : header.slice(0, end)).trim().toLowerCase()
}

const unsupported = (
  request: HotRequest,
  type: string | undefined,
  supported: ReadonlyArray<string>
): UnsupportedMediaType | undefined => {
  const encoding = request.header("content-encoding")
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return new UnsupportedMediaType({ message: "the body must not be compressed", supported })
  }
  return type === undefined || supported.includes(type)
    ? undefined
    : new UnsupportedMediaType({ message: `the body must be ${supported.join(" or ")}`, supported })
}
const jsonOnly: ReadonlyArray<string> = [JSON_TYPE]
const jsonOrForm: ReadonlyArray<string> = [FORM_TYPE, JSON_TYPE]

const NOT_JSON = Symbol()
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}
const notJson = (): InvalidRequest => invalidField("body", "", "is not JSON", "a JSON object")

/** Reads JSON bodies of one schema. `plain` may recognise the usual ones faster; what it does not, the schema judges. */
export const jsonBody = <A, I>(
  schema: Schema.Schema<A, I>,
  plain?: (json: unknown) => A | undefined
): ((request: HotRequest) => Either.Either<A, ApiError>) => {
  const decode = Schema.decodeUnknownEither(schema, { errors: "all" })
  return (request) => {
    const type = unsupported(request, mediaType(request), jsonOnly)
    if (type !== undefined) return Either.left(type)
    const text = textOf(request)
    if (typeof text !== "string") return Either.left(text)
    const json = parseJson(text)
    if (json === NOT_JSON) return Either.left(notJson())
    const usual = plain?.(json)
    if (usual !== undefined) return Either.right(usual)
    const decoded = decode(json)
    return Either.isLeft(decoded)
      ? Either.left(invalid("body", fromParseError(decoded.left)))
      : Either.right(decoded.right)
  }
}

/** What MediaMTX asks its external authentication server. */
export const authBody: (request: HotRequest) => Either.Either<AuthRequestBody, ApiError> = jsonBody(
  AuthRequestBody,
  plainAuthRequestBody
)

const hookError = (error: HookDecodeError, form: boolean): InvalidRequest => {
  const issues = error._tag === "Field" ? [error.issue] : fromParseError(error.error)
  return invalid("hook", form ? issues.map((issue) => ({ ...issue, field: formName(issue.field) })) : issues)
}

/** Hooks that one body may have. */
const MAX_HOOKS = 100

/** Whether the body is a list of hooks, as a relay gives several at once. */
export const isHookList = (request: HotRequest): boolean => {
  const { body } = request
  const first = typeof body === "string" ? body.charCodeAt(0) : body === TooLarge ? 0 : body[0]
  return first === 0x5b && mediaType(request) === JSON_TYPE
}

/** A list of hooks, in the order in which they are to be recorded. All of them are as they should be, or none is taken. */
export const hookList = (request: HotRequest): Either.Either<ReadonlyArray<HookEvent>, ApiError> => {
  const refused = unsupported(request, JSON_TYPE, jsonOnly)
  if (refused !== undefined) return Either.left(refused)
  const text = textOf(request)
  if (typeof text !== "string") return Either.left(text)
  const json = parseJson(text)
  if (json === NOT_JSON || !Array.isArray(json)) return Either.left(notJson())
  if (json.length > MAX_HOOKS) {
    return Either.left(invalidField("body", "", `has ${json.length} hooks`, `at most ${MAX_HOOKS} of them`))
  }
  const events: Array<HookEvent> = []
  // An empty one is told what it is not, like anything else that is no hook.
  for (const item of json.length === 0 ? [json] : json) {
    const decoded = decodeJson(item)
    if (Either.isLeft(decoded)) return Either.left(hookError(decoded.left, false))
    events.push(decoded.right)
  }
  return Either.right(events)
}

/** A report of a hook: a form or JSON. Its query is as it came, with whatever secrets are in it. */
export const hookBody = (request: HotRequest): Either.Either<HookEvent, ApiError> => {
  const type = mediaType(request)
  const refused = unsupported(request, type, jsonOrForm)
  if (refused !== undefined) return Either.left(refused)
  const text = textOf(request)
  if (typeof text !== "string") return Either.left(text)
  const form = type !== JSON_TYPE
  let decoded: ReturnType<typeof decodeForm>
  if (form) decoded = decodeForm(text)
  else {
    const json = parseJson(text)
    if (json === NOT_JSON) return Either.left(notJson())
    decoded = decodeJson(json)
  }
  return Either.isLeft(decoded) ? Either.left(hookError(decoded.left, form)) : Either.right(decoded.right)
}
