/**
 * Names that MediaMTX 1.20 still takes but that have been replaced, and how each is rewritten.
 *
 * @since 0.1.0
 */
import { Encryption, RecordFormat, RtspAuthMethod, RtspServerTransport, RtspTransport } from "./ConfigEnums.js"
import { baselineVersion, type DeprecatedField, type MediaMTXVersion } from "./ConfigField.js"
import { Credential } from "./Credential.js"
import { type AnyFieldType, boolean, int, list, text, uint } from "./FieldType.js"
import { GoDuration } from "./GoDuration.js"
import { HookCommand } from "./HookCommand.js"
import { IpNetwork } from "./IpNetwork.js"

/**
 * How the value of an old name becomes the value of the new one.
 *
 * - `rename`: as it is; `negate`: the opposite; `wrap`: as the only item of a list
 * - `path-default`: as it is, below `pathDefaults`
 * - `drop`: nothing takes its place; `special`: handled one by one
 *
 * @since 0.1.0
 * @category models
 */
export type Rewrite = "rename" | "negate" | "wrap" | "path-default" | "drop" | "special"

/**
 * @since 0.1.0
 * @category models
 */
export interface DeprecatedRow extends DeprecatedField {
  readonly rewrite: Rewrite
}

const row = (
  type: AnyFieldType,
  rewrite: Rewrite,
  replacedBy: string | undefined,
  doc: string,
  deprecatedSince: MediaMTXVersion = baselineVersion,
  since: MediaMTXVersion = baselineVersion
): DeprecatedRow => ({ type, rewrite, replacedBy, doc, deprecatedSince, since })

const renamed = (type: AnyFieldType, replacedBy: string, deprecatedSince?: MediaMTXVersion, since?: MediaMTXVersion) =>
  row(type, "rename", replacedBy, `Renamed to \`${replacedBy}\`.`, deprecatedSince, since)

const wrapped = (replacedBy: string) =>
  row(text, "wrap", replacedBy, `Replaced by the list \`${replacedBy}\`.`, "1.15.4")

const negated = (replacedBy: string) => row(boolean, "negate", replacedBy, `The opposite of \`${replacedBy}\`.`)

const pathDefault = (type: AnyFieldType, name: string) =>
  row(type, "path-default", `pathDefaults.${name}`, `Moved to \`pathDefaults.${name}\`.`)

/**
 * Old global names.
 *
 * @since 0.1.0
 * @category tables
 */
export const deprecatedGlobalFields = {
  readBufferCount: renamed(int, "writeQueueSize"),
  externalAuthenticationURL: row(
    text,
    "special",
    "authHTTPAddress",
    "Replaced by `authMethod: http` and `authHTTPAddress`."
  ),
  authJWTInHTTPQuery: row(
    boolean,
    "drop",
    undefined,
    "Tokens in the query go away; nothing takes its place.",
    "1.18.0"
  ),
  apiAllowOrigin: wrapped("apiAllowOrigins"),
  metricsAllowOrigin: wrapped("metricsAllowOrigins"),
  pprofAllowOrigin: wrapped("pprofAllowOrigins"),
  playbackAllowOrigin: wrapped("playbackAllowOrigins"),
  rtspDisable: negated("rtsp"),
  protocols: renamed(list(RtspServerTransport), "rtspTransports"),
  encryption: renamed(Encryption, "rtspEncryption"),
  serverKey: renamed(text, "rtspServerKey"),
  serverCert: renamed(text, "rtspServerCert"),
  authMethods: renamed(list(RtspAuthMethod), "rtspAuthMethods"),
  rtspUDPReadBufferSize: renamed(uint, "udpReadBufferSize", "1.15.4"),
  rtmpDisable: negated("rtmp"),
  hlsDisable: negated("hls"),
  hlsAllowOrigin: wrapped("hlsAllowOrigins"),
  webrtcDisable: negated("webrtc"),
  webrtcAllowOrigin: wrapped("webrtcAllowOrigins"),
  webrtcICEUDPMuxAddress: renamed(text, "webrtcLocalUDPAddress"),
  webrtcICETCPMuxAddress: renamed(text, "webrtcLocalTCPAddress"),
  webrtcICEHostNAT1To1IPs: renamed(list(text), "webrtcAdditionalHosts"),
  webrtcICEServers: row(
    list(text),
    "special",
    "webrtcICEServers2",
    "Replaced by `webrtcICEServers2`, which has user and password apart from the URL."
  ),
  moqHTTPS2Address: renamed(text, "moqHTTP2Address", "1.19.1", "1.19.0"),
  moqHTTPS3Address: renamed(text, "moqHTTP3Address", "1.19.1", "1.19.0"),
  record: pathDefault(boolean, "record"),
  recordPath: pathDefault(text, "recordPath"),
  recordFormat: pathDefault(RecordFormat, "recordFormat"),
  recordPartDuration: pathDefault(GoDuration, "recordPartDuration"),
  recordSegmentDuration: pathDefault(GoDuration, "recordSegmentDuration"),
  recordDeleteAfter: pathDefault(GoDuration, "recordDeleteAfter")
} as const satisfies Readonly<Record<string, DeprecatedRow>>

const users = (type: AnyFieldType) =>
  row(type, "special", "authInternalUsers", "Replaced by the users in `authInternalUsers`.")

const buffer = (since?: MediaMTXVersion) =>
  row(uint, "special", "udpReadBufferSize", "Replaced by the global `udpReadBufferSize`.", "1.15.4", since)

const h264 = (replacedBy: string, deprecatedSince?: MediaMTXVersion) =>
  row(text, "special", replacedBy, `Replaced by \`${replacedBy}\`, for both encoders.`, deprecatedSince)

/**
 * Old names inside a path and `pathDefaults`.
 *
 * @since 0.1.0
 * @category tables
 */
export const deprecatedPathFields = {
  fallback: row(
    text,
    "drop",
    "alwaysAvailable",
    "Sent readers elsewhere while the stream was away. `alwaysAvailable` keeps them and plays a stand-in instead.",
    "1.16.0"
  ),
  playback: row(boolean, "drop", undefined, "Has no effect any more; the global `playback` counts."),
  publishUser: users(Credential),
  publishPass: users(Credential),
  publishIPs: users(list(IpNetwork)),
  readUser: users(Credential),
  readPass: users(Credential),
  readIPs: users(list(IpNetwork)),
  disablePublisherOverride: negated("overridePublisher"),
  sourceProtocol: renamed(RtspTransport, "rtspTransport"),
  sourceAnyPortEnable: renamed(boolean, "rtspAnyPort"),
  rtspUDPReadBufferSize: buffer(),
  mpegtsUDPReadBufferSize: buffer(),
  rtpUDPReadBufferSize: buffer(),
  rpiCameraProfile: h264("rpiCameraH264Profile"),
  rpiCameraLevel: h264("rpiCameraH264Level"),
  rpiCameraHardwareH264Profile: h264("rpiCameraH264Profile", "1.19.2"),
  rpiCameraHardwareH264Level: h264("rpiCameraH264Level", "1.19.2"),
  rpiCameraSoftwareH264Profile: h264("rpiCameraH264Profile", "1.19.2"),
  rpiCameraSoftwareH264Level: h264("rpiCameraH264Level", "1.19.2"),
  rpiCameraJPEGQuality: renamed(uint, "rpiCameraMJPEGQuality"),
  runOnReady: renamed(HookCommand, "runOnAvailable", "1.19.3"),
  runOnReadyRestart: renamed(boolean, "runOnAvailableRestart", "1.19.3"),
  runOnNotReady: renamed(HookCommand, "runOnUnavailable", "1.19.3")
} as const satisfies Readonly<Record<string, DeprecatedRow>>
