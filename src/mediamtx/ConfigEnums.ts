/**
 * The words that MediaMTX's enumerated fields take.
 *
 * @since 0.1.0
 */
import { literal } from "./FieldType.js"

/** Verbosity of the log. */
export const LogLevel = literal({ name: "log level", typescript: "LogLevel", onNull: "refused" }, [
  "error",
  "warn",
  "info",
  "debug"
])
/** @since 0.1.0 */
export type LogLevel = (typeof LogLevel.words)[number]

/** Where log lines go. */
export const LogDestination = literal({ name: "log destination", typescript: "LogDestination", onNull: "refused" }, [
  "stdout",
  "file",
  "syslog"
])
/** @since 0.1.0 */
export type LogDestination = (typeof LogDestination.words)[number]

/** Who decides whether a client may do something. */
export const AuthMethod = literal({ name: "auth method", typescript: "AuthMethod" }, ["internal", "http", "jwt"])
/** @since 0.1.0 */
export type AuthMethod = (typeof AuthMethod.words)[number]

/** What a client may be allowed to do. */
export const ConfigAuthAction = literal({ name: "action", typescript: "ConfigAuthAction", onNull: "refused" }, [
  "publish",
  "read",
  "playback",
  "api",
  "metrics",
  "pprof"
])
/** @since 0.1.0 */
export type ConfigAuthAction = (typeof ConfigAuthAction.words)[number]

/** TLS off, offered beside plain, or demanded. */
export const Encryption = literal({ name: "encryption", typescript: "Encryption" }, ["no", "optional", "strict"])
/** @since 0.1.0 */
export type Encryption = (typeof Encryption.words)[number]

/** How RTSP servers carry media. */
export const RtspServerTransport = literal(
  { name: "RTSP transport", typescript: "RtspServerTransport", onNull: "refused" },
  ["udp", "multicast", "tcp"]
)
/** @since 0.1.0 */
export type RtspServerTransport = (typeof RtspServerTransport.words)[number]

/** How an RTSP source is pulled. */
export const RtspTransport = literal({ name: "RTSP transport", typescript: "RtspTransport", onNull: "refused" }, [
  "automatic",
  "udp",
  "multicast",
  "tcp"
])
/** @since 0.1.0 */
export type RtspTransport = (typeof RtspTransport.words)[number]

/** How RTSP clients prove themselves. */
export const RtspAuthMethod = literal({ name: "RTSP auth method", typescript: "RtspAuthMethod", onNull: "refused" }, [
  "basic",
  "digest"
])
/** @since 0.1.0 */
export type RtspAuthMethod = (typeof RtspAuthMethod.words)[number]

/** Kind of the Range header that is sent to an RTSP source; empty sends none. */
export const RtspRangeType = literal({ name: "RTSP range type", typescript: "RtspRangeType" }, [
  "",
  "clock",
  "npt",
  "smpte"
])
/** @since 0.1.0 */
export type RtspRangeType = (typeof RtspRangeType.words)[number]

/** Container and latency of HLS. */
export const HlsVariant = literal({ name: "HLS variant", typescript: "HlsVariant", onNull: "refused" }, [
  "mpegts",
  "fmp4",
  "lowLatency"
])
/** @since 0.1.0 */
export type HlsVariant = (typeof HlsVariant.words)[number]

/** Container of recordings. */
export const RecordFormat = literal({ name: "record format", typescript: "RecordFormat" }, ["fmp4", "mpegts"])
/** @since 0.1.0 */
export type RecordFormat = (typeof RecordFormat.words)[number]

/** How a MoQ source is pulled. */
export const MoqTransport = literal({ name: "MoQ transport", typescript: "MoqTransport" }, ["quic", "webtransport"])
/** @since 0.1.0 */
export type MoqTransport = (typeof MoqTransport.words)[number]

/** Codec of a track that stands in while a stream is away. */
export const TrackCodec = literal({ name: "codec", typescript: "TrackCodec", onNull: "refused" }, [
  "AV1",
  "VP9",
  "H265",
  "H264",
  "Opus",
  "MPEG4Audio",
  "G711",
  "LPCM"
])
/** @since 0.1.0 */
export type TrackCodec = (typeof TrackCodec.words)[number]

/** Exposure mode of a Raspberry Pi camera. */
export const RpiExposure = literal({ name: "exposure", typescript: "RpiExposure" }, [
  "normal",
  "short",
  "long",
  "custom"
])
/** @since 0.1.0 */
export type RpiExposure = (typeof RpiExposure.words)[number]

/** White balance of a Raspberry Pi camera. */
export const RpiAwb = literal({ name: "white balance", typescript: "RpiAwb" }, [
  "auto",
  "incandescent",
  "tungsten",
  "fluorescent",
  "indoor",
  "daylight",
  "cloudy",
  "custom"
])
/** @since 0.1.0 */
export type RpiAwb = (typeof RpiAwb.words)[number]

/** Denoise mode of a Raspberry Pi camera. */
export const RpiDenoise = literal({ name: "denoise mode", typescript: "RpiDenoise" }, [
  "off",
  "cdn_off",
  "cdn_fast",
  "cdn_hq"
])
/** @since 0.1.0 */
export type RpiDenoise = (typeof RpiDenoise.words)[number]

/** Metering mode of a Raspberry Pi camera. */
export const RpiMetering = literal({ name: "metering mode", typescript: "RpiMetering" }, [
  "centre",
  "spot",
  "matrix",
  "custom"
])
/** @since 0.1.0 */
export type RpiMetering = (typeof RpiMetering.words)[number]

/** Autofocus mode of a Raspberry Pi camera. */
export const RpiAfMode = literal({ name: "autofocus mode", typescript: "RpiAfMode" }, ["auto", "manual", "continuous"])
/** @since 0.1.0 */
export type RpiAfMode = (typeof RpiAfMode.words)[number]

/** Autofocus range of a Raspberry Pi camera. */
export const RpiAfRange = literal({ name: "autofocus range", typescript: "RpiAfRange" }, ["normal", "macro", "full"])
/** @since 0.1.0 */
export type RpiAfRange = (typeof RpiAfRange.words)[number]

/** Autofocus speed of a Raspberry Pi camera. */
export const RpiAfSpeed = literal({ name: "autofocus speed", typescript: "RpiAfSpeed" }, ["normal", "fast"])
/** @since 0.1.0 */
export type RpiAfSpeed = (typeof RpiAfSpeed.words)[number]

/** Encoder of a Raspberry Pi camera. */
export const RpiCodec = literal({ name: "camera codec", typescript: "RpiCodec" }, [
  "auto",
  "hardwareH264",
  "softwareH264",
  "mjpeg"
])
/** @since 0.1.0 */
export type RpiCodec = (typeof RpiCodec.words)[number]

/** H.264 profile of a Raspberry Pi camera. */
export const RpiH264Profile = literal({ name: "H264 profile", typescript: "RpiH264Profile" }, [
  "auto",
  "baseline",
  "main",
  "high"
])
/** @since 0.1.0 */
export type RpiH264Profile = (typeof RpiH264Profile.words)[number]

/** H.264 level of a Raspberry Pi camera. */
export const RpiH264Level = literal({ name: "H264 level", typescript: "RpiH264Level" }, ["4.0", "4.1", "4.2"])
/** @since 0.1.0 */
export type RpiH264Level = (typeof RpiH264Level.words)[number]
