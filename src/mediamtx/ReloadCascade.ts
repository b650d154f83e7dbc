/**
 * What hangs on what inside a running MediaMTX: which of its parts a changed global field closes and opens anew.
 *
 * The fields are compared whether their part is switched on or not: another `metricsAddress` drops every stream of a server
 * that has no metrics.
 *
 * @since 0.1.0
 */
import { currentVersion, type GlobalReload, type MediaMTXVersion } from "./ConfigField.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { isBefore } from "./MediaMTXVersion.js"

/**
 * The parts that clients connect to, in the order in which they are reported.
 *
 * @since 0.1.0
 * @category models
 */
export const listeners = [
  "rtsp",
  "rtsps",
  "rtmp",
  "rtmps",
  "srt",
  "webrtc",
  "hls",
  "moq",
  "playback",
  "metrics",
  "pprof",
  "api"
] as const

/**
 * @since 0.1.0
 * @category models
 */
export type Listener = (typeof listeners)[number]

/**
 * A part of the server; `paths` is what owns all paths.
 *
 * @since 0.1.0
 * @category models
 */
export type ServerPart = Listener | "paths"

const connections = ["rtsp", "rtsps", "rtmp", "rtmps", "srt"] as const
const underPaths = [...connections, "hls", "webrtc", "moq", "api"] as const
const underMetrics = ["metrics", "paths", ...underPaths] as const

/**
 * What each kind of field closes, all that hangs on it included. The API holds on to every listener of streams, so that it
 * restarts with each of them.
 *
 * @since 0.1.0
 * @category tables
 */
export const closedBy: Readonly<Record<GlobalReload, ReadonlyArray<ServerPart>>> = {
  everything: ["pprof", "playback", ...underMetrics],
  auth: ["pprof", "playback", ...underMetrics],
  metrics: underMetrics,
  "path-manager": ["paths", ...underPaths],
  connections: [...connections, "api"],
  rtsp: ["rtsp", "rtsps", "api"],
  "rtsp-plain": ["rtsp", "api"],
  rtsps: ["rtsps", "api"],
  rtmp: ["rtmp", "rtmps", "api"],
  "rtmp-plain": ["rtmp", "api"],
  rtmps: ["rtmps", "api"],
  hls: ["hls", "api"],
  webrtc: ["webrtc", "api"],
  srt: ["srt", "api"],
  moq: ["moq", "api"],
  pprof: ["pprof"],
  playback: ["playback"],
  api: ["api"],
  paths: [],
  deferred: [],
  hot: []
}

const value = <K extends "rtsp" | "rtspEncryption" | "rtmp" | "rtmpEncryption" | Exclude<Listener, "rtsps" | "rtmps">>(
  config: MediaMTXConfig,
  name: K
) => config[name] ?? globalFields[name].default

/**
 * Whether a config switches a listener on, in a server of a release.
 *
 * @since 0.1.0
 * @category predicates
 */
export const listens = (
  config: MediaMTXConfig,
  listener: Listener,
  version: MediaMTXVersion = currentVersion
): boolean => {
  switch (listener) {
    case "moq":
      return !isBefore(version, globalFields.moq.since) && value(config, "moq") === true
    case "rtsp":
      return value(config, "rtsp") === true && value(config, "rtspEncryption") !== "strict"
    case "rtsps":
      return value(config, "rtsp") === true && value(config, "rtspEncryption") !== "no"
    case "rtmp":
      return value(config, "rtmp") === true && value(config, "rtmpEncryption") !== "strict"
    case "rtmps":
      return value(config, "rtmp") === true && value(config, "rtmpEncryption") !== "no"
    default:
      return value(config, listener) === true
  }
}

/**
 * The listener that a session or connection hangs on, by its type as MediaMTX names it. Undefined for what no listener
 * carries: sources that the node pulls itself, redirects, the forwarding to other servers.
 *
 * @since 0.1.0
 * @category conversions
 */
export const listenerOf = (sessionType: string): Listener | undefined => {
  switch (sessionType) {
    case "rtspConn":
    case "rtspSession":
      return "rtsp"
    case "rtspsConn":
    case "rtspsSession":
      return "rtsps"
    case "rtmpConn":
      return "rtmp"
    case "rtmpsConn":
      return "rtmps"
    case "srtConn":
      return "srt"
    case "webRTCSession":
      return "webrtc"
    case "hlsSession":
    case "hlsMuxer":
      return "hls"
    case "moqSession":
      return "moq"
    default:
      return undefined
  }
}
