/**
 * A whole response as plain data, so that the node:http edge, the HttpApi and a Worker send the very same thing.
 */
import * as Schema from "effect/Schema"
import { RevisionInfo } from "../services/RevisionInfo.js"
import { type ApiError, statusOf } from "./ApiError.js"

export interface HotResponse {
  readonly status: number
  /** Names and values in turn: `node:http` takes it as it is. Names are lower case. */
  readonly headers: ReadonlyArray<string>
  /** Complete; an empty string for none. */
  readonly body: string | Uint8Array
}

const encoder = new TextEncoder()
const encodeRevision = Schema.encodeSync(RevisionInfo)

/** Byte length of a string in UTF-8. */
const byteLength = (text: string): number => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return encoder.encode(text).length
  return text.length
}

export const json = (status: number, value: unknown, extra: ReadonlyArray<string> = []): HotResponse => {
  const body = JSON.stringify(value)
  return {
    status,
    headers: [
      "content-type",
      "application/json",
      "content-length",
      String(byteLength(body)),
      "cache-control",
      "no-store",
      ...extra
    ],
    body
  }
}

/**
 * 204. RFC 9110 8.6 wants no Content-Length here, but busybox wget waits for the connection to close without one, for ever
 * where something between keeps it open. Every other client and proxy ignores it. No Cache-Control: nobody may keep the
 * answer to a POST anyway, and Hono sends a response with a single header without making a `Headers` of it.
 */
export const noContent: HotResponse = {
  status: 204,
  headers: ["content-length", "0"],
  body: ""
}

const extraHeaders = (error: ApiError): ReadonlyArray<string> => {
  switch (error._tag) {
    case "Unauthorized":
      return ["www-authenticate", 'Bearer realm="mtx-manager", Basic realm="mtx-manager", charset="UTF-8"']
    case "MethodNotAllowed":
      return ["allow", error.allow.join(", ")]
    case "Unavailable":
      return ["retry-after", String(error.retryAfter)]
    // The rest of a body that was refused is not going to be read.
    case "PayloadTooLarge":
      return ["connection", "close"]
    default:
      return []
  }
}

/** The fields of an error as they go out. Written by hand: an error object has more on it than may be shown. */
const wire = (error: ApiError): Record<string, unknown> => {
  switch (error._tag) {
    case "InvalidRequest":
      return { _tag: error._tag, message: error.message, issues: error.issues }
    case "LeaseLost":
      return { _tag: error._tag, message: error.message, state: error.state }
    case "PreconditionFailed":
      return {
        _tag: error._tag,
        message: error.message,
        newest: error.newest === null ? null : encodeRevision(error.newest),
        etag: error.etag
      }
    case "MethodNotAllowed":
      return { _tag: error._tag, message: error.message, allow: error.allow }
    case "PayloadTooLarge":
      return { _tag: error._tag, message: error.message, limit: error.limit }
    case "UnsupportedMediaType":
      return { _tag: error._tag, message: error.message, supported: error.supported }
    case "InternalError":
      return { _tag: error._tag, message: error.message, id: error.id }
    case "Unavailable":
      return {
        _tag: error._tag,
        message: error.message,
        retryAfter: error.retryAfter,
        ...(error.issues === undefined ? {} : { issues: error.issues })
      }
    default:
      return { _tag: error._tag, message: error.message }
  }
}

/** How an error is sent. */
export const fromError = (error: ApiError): HotResponse => json(statusOf[error._tag], wire(error), extraHeaders(error))
