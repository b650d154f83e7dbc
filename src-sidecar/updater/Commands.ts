/** What a manager may ask for in its answer to a heartbeat. */
import * as Schema from "effect/Schema"

/** Kinds of sessions that MediaMTX can end, as its hooks and `/v3/paths/list` name them. */
export const SessionKind = Schema.Literal(
  "rtspSession",
  "rtspsSession",
  "rtmpConn",
  "rtmpsConn",
  "srtConn",
  "webRTCSession",
  "hlsSession",
  "moqSession"
)
export type SessionKind = typeof SessionKind.Type

export const Command = Schema.Union(
  /** Poll for the config now. */
  Schema.Struct({ type: Schema.Literal("refresh") }),
  /** End a session. */
  Schema.Struct({ type: Schema.Literal("kick"), session: SessionKind, id: Schema.NonEmptyString })
)
export type Command = typeof Command.Type

/** None for what this updater does not know: a newer manager's. */
export const readCommand = Schema.decodeUnknownOption(Command)
