/**
 * The question MediaMTX asks its external authentication server: `POST authHTTPAddress` with ten fields.
 *
 * Shape as measured on v1.20: every key always present, all strings, only `id` may be null.
 * Older versions lack `userAgent`; it is then empty.
 */
import * as Schema from "effect/Schema"

/** What a client wants to do on a node. `playback.request` and `playback.worker` are ours and never come from MediaMTX. */
export const AuthAction = Schema.Literal(
  "publish",
  "read",
  "playback",
  "api",
  "metrics",
  "pprof",
  "playback.request",
  "playback.worker"
).annotations({ identifier: "AuthAction" })
export type AuthAction = typeof AuthAction.Type

/** The protocol a client speaks; empty for playback, api, metrics and pprof. */
export const AuthProtocol = Schema.Literal("", "rtsp", "rtmp", "hls", "webrtc", "srt", "moq").annotations({
  identifier: "AuthProtocol"
})
export type AuthProtocol = typeof AuthProtocol.Type

/** The JSON body as MediaMTX sends it. */
export const AuthRequestBody = Schema.Struct({
  ip: Schema.String,
  user: Schema.String,
  password: Schema.String,
  /** The bearer token; MediaMTX repeats the password here when there is none. */
  token: Schema.optionalWith(Schema.String, { default: () => "" }),
  action: Schema.Literal("publish", "read", "playback", "api", "metrics", "pprof"),
  path: Schema.String,
  protocol: AuthProtocol,
  /** Id of the session or connection, the same id that hooks report. Null for requests without one. */
  id: Schema.NullOr(Schema.String),
  query: Schema.String,
  userAgent: Schema.optionalWith(Schema.String, { default: () => "" })
}).annotations({ identifier: "AuthRequestBody" })
export type AuthRequestBody = typeof AuthRequestBody.Type

const isAction = (text: string): text is AuthRequestBody["action"] =>
  text === "read" ||
  text === "publish" ||
  text === "playback" ||
  text === "api" ||
  text === "metrics" ||
  text === "pprof"
const isProtocol = (text: string): text is AuthProtocol =>
  text === "rtsp" ||
  text === "hls" ||
  text === "webrtc" ||
  text === "rtmp" ||
  text === "srt" ||
  text === "moq" ||
  text === ""

/**
 * The body that every node of v1.20 sends, recognised by hand at a fifth of the schema's cost: this is asked for each
 * connection, and the node waits. Undefined for anything else, which the schema is then to judge.
 */
export const plainAuthRequestBody = (json: unknown): AuthRequestBody | undefined => {
  if (typeof json !== "object" || json === null) return undefined
  // Reading any key of an object is safe: each value is checked below.
  const { ip, user, password, token, action, path, protocol, id, query, userAgent } = json as Record<string, unknown>
  return typeof ip === "string" &&
    typeof user === "string" &&
    typeof password === "string" &&
    typeof token === "string" &&
    typeof action === "string" &&
    typeof path === "string" &&
    typeof protocol === "string" &&
    (id === null || typeof id === "string") &&
    typeof query === "string" &&
    typeof userAgent === "string" &&
    isAction(action) &&
    isProtocol(protocol)
    ? { ip, user, password, token, action, path, protocol, id, query, userAgent }
    : undefined
}

/**
 * Whether a denial makes MediaMTX ask the client for credentials: it does so only when none were given and the protocol
 * can prompt. RTMP, SRT and MoQ never prompt. Any other denial is logged by the node and delayed by up to 4 s.
 */
export const canPrompt = (protocol: AuthProtocol): boolean =>
  protocol !== "rtmp" && protocol !== "srt" && protocol !== "moq"
