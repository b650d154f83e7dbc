/**
 * The body of a hook report in its form-encoded shape, as `busybox wget --post-data` sends it.
 *
 * The caller encodes nothing (wget has no means to), except that MediaMTX form-encodes MTX_QUERY once. Hence:
 * - the first occurrence of a key counts, so nothing that follows can overwrite `event`, `path` or `id`;
 * - `raw_segment_path=` and `raw_query=` take everything after them, to the end of the body, as it is;
 * - `query`, which comes last, may be an older node's raw text: escapes that don't decode are left as they are.
 */
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import {
  ConnectEvent,
  DemandEvent,
  HookEvent,
  InitEvent,
  ReadEvent,
  SegmentCompleteEvent,
  SegmentCreateEvent,
  SourceEvent
} from "./HookEvent.js"

/** The form's keys, for documentation and for clients that encode properly. */
export const HookFormFields = Schema.Struct({
  event: Schema.String.annotations({ description: "A hook event; `ready` and `not_ready` are taken as well" }),
  path: Schema.optional(Schema.String),
  type: Schema.optional(Schema.String),
  id: Schema.optional(Schema.String),
  segment_duration: Schema.optional(Schema.String).annotations({ description: "Seconds" }),
  query: Schema.optional(Schema.String),
  segment_path: Schema.optional(Schema.String),
  raw_segment_path: Schema.optional(Schema.String).annotations({
    description: "Not encoded, and takes the rest of the body: it must be the last key"
  }),
  raw_query: Schema.optional(Schema.String).annotations({
    description: "Of MediaMTX before 1.18.1. Not encoded, and takes the rest of the body: it must be the last key"
  })
}).annotations({ identifier: "HookForm" })

/** Something in the form is not as it should be. `field` is the form's key. */
export interface HookFormIssue {
  readonly field: string
  readonly message: string
  readonly expected: string
}

/** Names of MediaMTX before 1.20. */
const oldNames: Readonly<Record<string, string>> = { ready: "available", not_ready: "unavailable" }

const keys = ["event", "path", "type", "id", "segment_duration", "query", "segment_path"] as const
type Key = (typeof keys)[number]
const isKey = (text: string): text is Key => (keys as ReadonlyArray<string>).includes(text)

const RAW = "raw_segment_path="
const RAW_QUERY = "raw_query="

/** Undefined when an escape is malformed, or is not UTF-8. */
const decode = (text: string): string | undefined => {
  const plus = text.indexOf("+") !== -1
  if (text.indexOf("%") === -1) return plus ? text.replaceAll("+", " ") : text
  try {
    return decodeURIComponent(plus ? text.replaceAll("+", " ") : text)
  } catch {
    return undefined
  }
}

/** The event as the HookEvent schema takes it: its keys, decimal numbers as numbers. */
type Fields = Record<string, string | number>

const fail = (field: string, message: string, expected: string) => Either.left({ field, message, expected })

/** The form's fields by HookEvent's names, not yet checked against an event. */
const fields = (body: string): Either.Either<Fields, HookFormIssue> => {
  const out: Fields = {}
  let start = 0
  while (start < body.length) {
    if (body.startsWith(RAW, start)) {
      if (!("segmentPath" in out)) out["segmentPath"] = body.slice(start + RAW.length)
      break
    }
    if (body.startsWith(RAW_QUERY, start)) {
      if (!("query" in out)) out["query"] = body.slice(start + RAW_QUERY.length)
      break
    }
    let end = body.indexOf("&", start)
    if (end === -1) end = body.length
    const at = body.indexOf("=", start)
    if (at !== -1 && at < end) {
      const key = body.slice(start, at)
      if (isKey(key)) {
        const raw = body.slice(at + 1, end)
        const value = decode(raw) ?? (key === "query" ? raw : undefined)
        if (value === undefined) return fail(key, "is not valid", "percent-encoded UTF-8")
        const name = key === "segment_path" ? "segmentPath" : key === "segment_duration" ? "segmentDuration" : key
        if (!(name in out)) {
          if (name !== "segmentDuration") out[name] = value
          else if (/^\d+(\.\d+)?$/.test(value)) out[name] = Number(value)
          else return fail(key, "is not valid", "seconds as a decimal number, such as 10.05")
        }
      }
    }
    start = end + 1
  }
  return Either.right(out)
}

const decodeEvent = Schema.decodeUnknownEither(HookEvent, { errors: "all" })
/** The union tries its members one after the other; by its name an event is one of them only. */
type Decoder = (input: unknown) => Either.Either<HookEvent, ParseError>
const decoderOf = <A extends HookEvent, I>(
  member: Schema.Schema<A, I> & { readonly fields: { readonly event: { readonly literals: ReadonlyArray<string> } } }
): ReadonlyArray<readonly [unknown, Decoder]> => {
  const decode = Schema.decodeUnknownEither(member)
  return member.fields.event.literals.map((name) => [name, decode])
}
const decoders: ReadonlyMap<unknown, Decoder> = new Map([
  ...decoderOf(ConnectEvent),
  ...decoderOf(InitEvent),
  ...decoderOf(DemandEvent),
  ...decoderOf(SourceEvent),
  ...decoderOf(ReadEvent),
  ...decoderOf(SegmentCreateEvent),
  ...decoderOf(SegmentCompleteEvent)
])

/** The form's name of a HookEvent field. */
export const formName = (field: string): string =>
  field === "segmentPath" ? "segment_path" : field === "segmentDuration" ? "segment_duration" : field

const checkText = (event: HookEvent): HookFormIssue | undefined => {
  for (const [key, value] of Object.entries(event)) {
    if (typeof value === "string" && value.includes("\0")) {
      return { field: key, message: "is not valid", expected: "text without NUL" }
    }
  }
  if ("path" in event && event.path === "") return { field: "path", message: "is empty", expected: "a path name" }
  if ("segmentPath" in event && event.segmentPath === "") {
    return { field: "segmentPath", message: "is empty", expected: "the file's absolute path on the node" }
  }
  return undefined
}

/** Whether something comes or goes at a path: nearly all that nodes report. */
const isSource = (event: unknown): event is (typeof SourceEvent.Type)["event"] =>
  event === "available" || event === "unavailable" || event === "online" || event === "offline"
const isRead = (event: unknown): event is (typeof ReadEvent.Type)["event"] => event === "read" || event === "unread"

/** A report of these without anything unusual, recognised by hand; undefined for all else, which the schemas judge. */
const usual = (fields: Fields): HookEvent | undefined => {
  const { event, id, path, query, type } = fields
  if (typeof path !== "string" || typeof query !== "string" || typeof type !== "string" || typeof id !== "string")
    return undefined
  if ("occurredAt" in fields || "delivery" in fields || path === "") return undefined
  if (path.includes("\0") || query.includes("\0") || type.includes("\0") || id.includes("\0")) return undefined
  if (isRead(event)) return { event, path, query, type, id }
  return isSource(event) ? { event, path, query, type, id } : undefined
}

export type HookDecodeError =
  | { readonly _tag: "Field"; readonly issue: HookFormIssue }
  | { readonly _tag: "Schema"; readonly error: ParseError }

const finish = (input: unknown): Either.Either<HookEvent, HookDecodeError> => {
  const quick = decoders.get(typeof input === "object" && input !== null && "event" in input ? input.event : undefined)
  const known = quick?.(input)
  // What is wrong is told by the union, which knows of all that could have been meant.
  const decoded = known !== undefined && Either.isRight(known) ? known : decodeEvent(input)
  if (Either.isLeft(decoded)) return Either.left({ _tag: "Schema", error: decoded.left })
  const issue = checkText(decoded.right)
  return issue === undefined ? Either.right(decoded.right) : Either.left({ _tag: "Field", issue })
}

/** A form's event. `Schema` errors carry HookEvent's field names: see `formName`. */
export const decodeForm = (body: string): Either.Either<HookEvent, HookDecodeError> => {
  const parsed = fields(body)
  if (Either.isLeft(parsed)) return Either.left({ _tag: "Field", issue: parsed.left })
  const out = parsed.right
  const event = out["event"]
  if (typeof event === "string") out["event"] = oldNames[event] ?? event
  // A node leaves the query out where it has none.
  if (!("query" in out)) out["query"] = ""
  const known = usual(out)
  return known === undefined ? finish(out) : Either.right(known)
}

/** A JSON body's event: the keys of HookEvent. */
export const decodeJson = (value: unknown): Either.Either<HookEvent, HookDecodeError> => {
  if (typeof value !== "object" || value === null || !("event" in value)) return finish(value)
  const event = value.event
  const alias = typeof event === "string" ? oldNames[event] : undefined
  return finish({ query: "", ...value, ...(alias === undefined ? {} : { event: alias }) })
}
