/** Kinds of sessions that MediaMTX can end, as its hooks and `/v3/paths/list` name them. */
import * as Schema from "effect/Schema"

/**
 * RTSP is ended by session, RTMP and SRT by connection. Not among them: `rtspConn` (end its session instead), and static
 * sources such as `rtspSource`, which only the config can end.
 */
export const SessionKind = Schema.Literal(
  "rtspSession",
  "rtspsSession",
  "rtmpConn",
  "rtmpsConn",
  "srtConn",
  "webRTCSession",
  "hlsSession",
  "moqSession"
).annotations({ identifier: "SessionKind" })
export type SessionKind = typeof SessionKind.Type

export const isSessionKind: (type: unknown) => type is SessionKind = Schema.is(SessionKind)
