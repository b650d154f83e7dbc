/**
 * What stands in URLs: schemas for the definition, and what to tell a caller whose URL does not fit.
 */
import type { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { hookEventNames } from "../mediamtx/HookEvent.js"
import { Cursor } from "../services/HookBus.js"
import { NodeId } from "../services/NodeId.js"
import type { InvalidRequest, RequestIssue } from "./ApiError.js"
import { invalid } from "./RequestIssues.js"

/** `?node=ID` of the calls that a node makes. */
export const NodeParams = Schema.Struct({ node: NodeId })

/** Seconds until the caller's next poll. */
const Every = Schema.NumberFromString.pipe(Schema.between(0.1, 86_400), Schema.annotations({ identifier: "Every" }))

/** `GET /`: who asks, and what kind of poll it is. */
export const ConfigParams = Schema.Struct({
  node: NodeId,
  every: Schema.optional(Every).annotations({
    description: "The caller polls again within this many seconds: the poll is a heartbeat"
  }),
  boot: Schema.optional(Schema.Literal("1")).annotations({
    description: "The caller is about to start MediaMTX: what was open on this node has ended"
  }),
  version: Schema.optional(Schema.String.pipe(Schema.maxLength(64))).annotations({
    description:
      "The MediaMTX on the node as `mediamtx --version` prints it; the config is in the words of that release"
  })
})
export type ConfigParams = typeof ConfigParams.Type

/** `POST /auth`: MediaMTX can't send headers, so the token may stand in the query. */
export const AuthParams = Schema.Struct({ node: NodeId })

/** `/nodes/:id`. */
export const NodePath = Schema.Struct({ id: NodeId })

/** `GET /events`. */
export const EventsParams = Schema.Struct({
  after: Schema.optional(Schema.compose(Schema.NumberFromString, Cursor)).annotations({
    description: "Starts after this cursor; a `Last-Event-ID` header goes before it"
  }),
  node: Schema.optional(NodeId),
  event: Schema.optional(Schema.NonEmptyString).annotations({ description: "Only events of this name" })
})
export type EventsParams = typeof EventsParams.Type

const NODE_ID = "one node id: 1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"

const help: Readonly<Record<string, string>> = {
  node: NODE_ID,
  id: NODE_ID,
  every: "a number of seconds from 0.1 to 86400",
  boot: "1",
  after: "a cursor: 0 or a positive integer",
  wait: "a number of seconds from 0 to 3600",
  from: "an ISO 8601 time such as 2026-01-31T12:00:00Z",
  to: "an ISO 8601 time such as 2026-01-31T12:00:00Z",
  start: "an ISO 8601 time such as 2026-01-31T12:00:00Z",
  duration: "milliseconds: a whole number from 1 to 86400000",
  path: "the name of a path, such as cam/1",
  format: "mp4 or fmp4; for /streams json or redirect",
  protocol: "rtsp, rtmp, hls, webrtc or srt",
  near: "values of labels with commas between, such as eu-west,eu",
  form: "backends, servers or map",
  priority: "a whole number from -100 to 100",
  top: "a whole number from 0 to 10000",
  state: "queued, leased, uploading, done, failed, expired or cancelled",
  limit: "a whole number from 1 to 1000",
  before: "the id of a job",
  since: "an ISO 8601 time such as 2026-01-31T12:00:00Z",
  until: "an ISO 8601 time such as 2026-01-31T12:00:00Z",
  outcome: "allow, ask or deny",
  prompt: "true or false",
  action: "publish, read, playback, api, metrics or pprof",
  event: `one event name, such as ${hookEventNames[5]}`
}

/** An issue as HttpApi's decoder reports it. */
interface FormatterIssue {
  readonly _tag: string
  readonly path: ReadonlyArray<PropertyKey>
}

/** The values stay out: a secret may stand in the wrong parameter. */
const toIssue = (issue: FormatterIssue): RequestIssue => {
  const field = issue.path.map(String).join(".")
  return {
    field,
    message: issue._tag === "Missing" ? "is missing" : "is not valid",
    expected: help[String(issue.path[0])] ?? "another value"
  }
}

/** One issue for a parameter, however many members of a union it failed. */
const fromIssues = (found: ReadonlyArray<FormatterIssue>): InvalidRequest => {
  const byField = new Map<string, RequestIssue>()
  for (const each of found) {
    const issue = toIssue(each)
    if (!byField.has(issue.field)) byField.set(issue.field, issue)
  }
  return invalid("request", [...byField.values()])
}

/** What HttpApi found wrong in a URL, told like the hot routes tell it. */
export const fromDecodeError = (error: HttpApiDecodeError): InvalidRequest => fromIssues(error.issues)

export const fromParamsError = (error: ParseResult.ParseError): InvalidRequest =>
  fromIssues(ParseResult.ArrayFormatter.formatErrorSync(error))
