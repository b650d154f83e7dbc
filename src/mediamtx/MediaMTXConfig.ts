/**
 * The config of MediaMTX 1.20 as a TypeScript type: `const config = { ... } satisfies MediaMTXConfig`.
 *
 * Written from the field tables (`GlobalFields.ts`, `PathFields.ts`) by `test/mediamtx/renderConfigType.ts`: change the
 * tables, not this file.
 *
 * @since 0.1.0
 */
import type {
  AuthMethod,
  ConfigAuthAction,
  Encryption,
  HlsVariant,
  LogDestination,
  LogLevel,
  MoqTransport,
  RecordFormat,
  RpiAfMode,
  RpiAfRange,
  RpiAfSpeed,
  RpiAwb,
  RpiCodec,
  RpiDenoise,
  RpiExposure,
  RpiH264Level,
  RpiH264Profile,
  RpiMetering,
  RtspAuthMethod,
  RtspRangeType,
  RtspServerTransport,
  RtspTransport,
  TrackCodec
} from "./ConfigEnums.js"

/**
 * One thing that a user may do.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthPermission {
  /** What may be done. */
  readonly action?: ConfigAuthAction | undefined
  /** On which path: a name, `~` and a regular expression, or empty for all. */
  readonly path?: string | undefined
}

/**
 * A user of `authInternalUsers`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthInternalUser {
  /** Name, plain or hashed (`sha256:...`, `argon2:...`). `any` is everybody and has no password. */
  readonly user?: string | undefined
  /** Password, plain or hashed (`sha256:...`, `argon2:...`); empty for none. */
  readonly pass?: string | undefined
  /** Addresses and CIDR networks that the user may come from; empty for all. */
  readonly ips?: ReadonlyArray<string> | undefined
  /** What the user may do. */
  readonly permissions?: ReadonlyArray<AuthPermission> | undefined
}

/**
 * A STUN or TURN server.
 *
 * @since 0.1.0
 * @category models
 */
export interface IceServer {
  /** `stun:host:port`, `turn:host:port` or `turns:host:port`. */
  readonly url?: string | undefined
  /** User name; `AUTH_SECRET` makes the password a shared secret. */
  readonly username?: string | undefined
  /** Password, or shared secret. */
  readonly password?: string | undefined
  /** Only clients use it, not the node itself. */
  readonly clientOnly?: boolean | undefined
}

/**
 * A track of the stand-in of `alwaysAvailable`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AlwaysAvailableTrack {
  /** Codec; required. */
  readonly codec?: TrackCodec | undefined
  /** Samples per second: at least 22050 with MPEG4Audio, 8000 with G711 and LPCM; not with other codecs. */
  readonly sampleRate?: number | undefined
  /** Number of channels, with MPEG4Audio, G711 and LPCM only. */
  readonly channelCount?: number | undefined
  /** G711: mu-law instead of A-law. */
  readonly muLaw?: boolean | undefined
}

/**
 * Another server that a stream is sent on to.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForwardDestination {
  /** rtsp(s), rtmp(s), srt or whip(s) URL. `$MTX_PATH` is the path's name, `$G1`, `$G2` the groups of its regular expression. */
  readonly dest?: string | undefined
  /** SHA-256 of the destination's TLS certificate, as hex; trusts exactly that certificate. */
  readonly destFingerprint?: string | undefined
  /** Bearer token for WHIP. */
  readonly whipBearerToken?: string | undefined
}

/**
 * The settings of a path. All of them are optional: `{}` is a path with all defaults.
 *
 * @since 0.1.0
 * @category models
 */
export interface PathConfig {
  /**
   * Filled in by MediaMTX with the key of the entry; whatever is written here is ignored.
   *
   * Default: `""`.
   */
  readonly name?: string | undefined
  /**
   * Where the stream comes from: `publisher` (a client sends it), `redirect`, `rpiCamera`, or a URL to pull:
   * rtsp(s), rtsp(s)+http, rtsp(s)+ws, rtmp(s), http(s) for HLS, udp+mpegts, unix+mpegts, udp+rtp, srt, moqt,
   * whep(s). `$G1`, `$G2` stand for groups of a regular expression in the name, `$MTX_QUERY` for the first reader's
   * query.
   *
   * Default: `"publisher"`.
   */
  readonly source?: string | undefined
  /**
   * SHA-256 of the source's TLS certificate; trusts exactly that certificate, self-signed or not. Unit: hex.
   *
   * Default: `""`.
   */
  readonly sourceFingerprint?: string | undefined
  /**
   * Pull the source only while somebody reads.
   *
   * Default: `false`.
   */
  readonly sourceOnDemand?: boolean | undefined
  /**
   * How long readers wait for a source that is pulled on demand. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly sourceOnDemandStartTimeout?: string | undefined
  /**
   * How long a source that is pulled on demand stays open after the last reader left. A duration as text: `10s`,
   * `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly sourceOnDemandCloseAfter?: string | undefined
  /**
   * Most readers at once; 0 for no limit. Unit: readers.
   *
   * Default: `0`.
   */
  readonly maxReaders?: number | undefined
  /**
   * Passphrase that SRT readers must encrypt with; 10 to 79 bytes. Unit: text.
   *
   * Default: `""`.
   */
  readonly srtReadPassphrase?: string | undefined
  /**
   * Keep the frames' own absolute times instead of the time of arrival.
   *
   * Default: `false`.
   */
  readonly useAbsoluteTimestamp?: boolean | undefined
  /**
   * Keep the path readable while the stream is away, by playing a stand-in over and over.
   *
   * Default: `false`. Since MediaMTX 1.16.0.
   */
  readonly alwaysAvailable?: boolean | undefined
  /**
   * Tracks of the built-in stand-in.
   *
   * Default: `[]`. Since MediaMTX 1.16.0.
   */
  readonly alwaysAvailableTracks?: ReadonlyArray<AlwaysAvailableTrack> | undefined
  /**
   * MP4 file on the node's disk to use as stand-in, instead of `alwaysAvailableTracks`.
   *
   * Default: `""`. Since MediaMTX 1.16.0.
   */
  readonly alwaysAvailableFile?: string | undefined
  /**
   * Other servers that the stream is sent on to.
   *
   * Default: `[]`. Since MediaMTX 1.20.0.
   */
  readonly forward?: ReadonlyArray<ForwardDestination> | undefined
  /**
   * Record the stream to disk.
   *
   * Default: `false`.
   */
  readonly record?: boolean | undefined
  /**
   * Where segments go, without extension. `%path` is the name of the path; `%Y %m %d %H %M %S` the local start time,
   * `%f` its microseconds, `%z` the zone; `%s` the Unix time.
   *
   * Default: `"./recordings/%path/%Y-%m-%d_%H-%M-%S-%f"`.
   */
  readonly recordPath?: string | undefined
  /**
   * Container of segments. Playback needs fmp4.
   *
   * Default: `"fmp4"`.
   */
  readonly recordFormat?: RecordFormat | undefined
  /**
   * How often a segment is flushed to disk: the most that a crash or power cut can lose. A duration as text: `10s`,
   * `1h30m`, `1d`.
   *
   * Default: `"1s"`.
   */
  readonly recordPartDuration?: string | undefined
  /**
   * Most memory that one unflushed part may take. Unit: bytes.
   *
   * Default: `"50M"`.
   */
  readonly recordMaxPartSize?: string | undefined
  /**
   * Least length of a segment; at most 1d. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"1h"`.
   */
  readonly recordSegmentDuration?: string | undefined
  /**
   * Age at which segments are deleted; 0s keeps them for good. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"1d"`.
   */
  readonly recordDeleteAfter?: string | undefined
  /**
   * A new publisher takes over from the present one, instead of being refused.
   *
   * Default: `true`.
   */
  readonly overridePublisher?: boolean | undefined
  /**
   * Passphrase that SRT publishers must encrypt with; 10 to 79 bytes. Unit: text.
   *
   * Default: `""`.
   */
  readonly srtPublishPassphrase?: string | undefined
  /**
   * Take apart MPEG-TS that is published inside RTSP, so that HLS and WebRTC can read its tracks.
   *
   * Default: `false`. Since MediaMTX 1.17.0.
   */
  readonly rtspDemuxMpegts?: boolean | undefined
  /**
   * How to pull an RTSP source.
   *
   * Default: `"automatic"`.
   */
  readonly rtspTransport?: RtspTransport | undefined
  /**
   * Take packets of an RTSP source from any port. Lowers security; only for cameras that hide or change their ports.
   *
   * Default: `false`.
   */
  readonly rtspAnyPort?: boolean | undefined
  /**
   * Kind of the Range header that is sent to an RTSP source, to start at an offset; empty sends none.
   *
   * Default: `""`.
   */
  readonly rtspRangeType?: RtspRangeType | undefined
  /**
   * Start for `rtspRangeType`: `20230812T120000Z` with clock, a duration such as `1.5m` with npt and smpte.
   *
   * Default: `""`.
   */
  readonly rtspRangeStart?: string | undefined
  /**
   * Speed to ask an RTSP source for: above 1 faster, below 1 slower, negative backwards; empty for normal.
   *
   * Default: `""`. Since MediaMTX 1.19.2.
   */
  readonly rtspScale?: string | undefined
  /**
   * First and last local port for packets to an RTSP source. Unit: port.
   *
   * Default: `[32768,60999]`. Since MediaMTX 1.16.0.
   */
  readonly rtspUDPSourcePortRange?: ReadonlyArray<number> | undefined
  /**
   * Session description (SDP) of an RTP source, which can't describe itself.
   *
   * Default: `""`.
   */
  readonly rtpSDP?: string | undefined
  /**
   * How to pull a MoQ source.
   *
   * Default: `"quic"`. Since MediaMTX 1.20.1.
   */
  readonly moqTransport?: MoqTransport | undefined
  /**
   * Bearer token for a WHEP source.
   *
   * Default: `""`. Since MediaMTX 1.16.2.
   */
  readonly whepBearerToken?: string | undefined
  /**
   * How long to gather STUN candidates for a WHEP source. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"5s"`. Since MediaMTX 1.16.2.
   */
  readonly whepSTUNGatherTimeout?: string | undefined
  /**
   * How long a WHEP source's handshake may take. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`. Since MediaMTX 1.16.2.
   */
  readonly whepHandshakeTimeout?: string | undefined
  /**
   * How long to wait for a WHEP source's tracks. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"2s"`. Since MediaMTX 1.16.2.
   */
  readonly whepTrackGatherTimeout?: string | undefined
  /**
   * Where readers are sent when `source` is `redirect`: `/other/path` or an RTSP URL.
   *
   * Default: `""`.
   */
  readonly sourceRedirect?: string | undefined
  /**
   * Which camera of the Raspberry Pi.
   *
   * Default: `0`.
   */
  readonly rpiCameraCamID?: number | undefined
  /**
   * This is the second, smaller stream of a camera that another path has.
   *
   * Default: `false`.
   */
  readonly rpiCameraSecondary?: boolean | undefined
  /**
   * Width of the picture. Unit: pixels.
   *
   * Default: `1920`.
   */
  readonly rpiCameraWidth?: number | undefined
  /**
   * Height of the picture. Unit: pixels.
   *
   * Default: `1080`.
   */
  readonly rpiCameraHeight?: number | undefined
  /**
   * Mirror left and right.
   *
   * Default: `false`.
   */
  readonly rpiCameraHFlip?: boolean | undefined
  /**
   * Turn upside down.
   *
   * Default: `false`.
   */
  readonly rpiCameraVFlip?: boolean | undefined
  /**
   * Brightness, -1 to 1.
   *
   * Default: `0`.
   */
  readonly rpiCameraBrightness?: number | undefined
  /**
   * Contrast, 0 to 16.
   *
   * Default: `1`.
   */
  readonly rpiCameraContrast?: number | undefined
  /**
   * Saturation, 0 to 16.
   *
   * Default: `1`.
   */
  readonly rpiCameraSaturation?: number | undefined
  /**
   * Sharpness, 0 to 16.
   *
   * Default: `1`.
   */
  readonly rpiCameraSharpness?: number | undefined
  /**
   * How exposure time is chosen.
   *
   * Default: `"normal"`.
   */
  readonly rpiCameraExposure?: RpiExposure | undefined
  /**
   * White balance.
   *
   * Default: `"auto"`.
   */
  readonly rpiCameraAWB?: RpiAwb | undefined
  /**
   * Fixed gains of red and blue, when white balance is custom.
   *
   * Default: `[0,0]`.
   */
  readonly rpiCameraAWBGains?: ReadonlyArray<number> | undefined
  /**
   * Denoise mode.
   *
   * Default: `"off"`.
   */
  readonly rpiCameraDenoise?: RpiDenoise | undefined
  /**
   * Fixed shutter time; 0 for automatic. Unit: microseconds.
   *
   * Default: `0`.
   */
  readonly rpiCameraShutter?: number | undefined
  /**
   * Which part of the picture sets exposure and gain.
   *
   * Default: `"centre"`.
   */
  readonly rpiCameraMetering?: RpiMetering | undefined
  /**
   * Fixed gain; 0 for automatic.
   *
   * Default: `0`.
   */
  readonly rpiCameraGain?: number | undefined
  /**
   * Exposure compensation, -10 to 10. Unit: EV.
   *
   * Default: `0`.
   */
  readonly rpiCameraEV?: number | undefined
  /**
   * Part of the sensor to use, as `x,y,width,height`, each between 0 and 1; empty for all.
   *
   * Default: `""`.
   */
  readonly rpiCameraROI?: string | undefined
  /**
   * High dynamic range (camera module 3).
   *
   * Default: `false`.
   */
  readonly rpiCameraHDR?: boolean | undefined
  /**
   * Tuning file of the sensor, on the node's disk.
   *
   * Default: `""`.
   */
  readonly rpiCameraTuningFile?: string | undefined
  /**
   * Sensor mode, `width:height:bit-depth:packing`; the last two may be left out.
   *
   * Default: `""`.
   */
  readonly rpiCameraMode?: string | undefined
  /**
   * Frame rate. Unit: frames per second.
   *
   * Default: `30`.
   */
  readonly rpiCameraFPS?: number | undefined
  /**
   * Autofocus mode.
   *
   * Default: `"continuous"`.
   */
  readonly rpiCameraAfMode?: RpiAfMode | undefined
  /**
   * Distances that autofocus looks at.
   *
   * Default: `"normal"`.
   */
  readonly rpiCameraAfRange?: RpiAfRange | undefined
  /**
   * Speed of autofocus.
   *
   * Default: `"normal"`.
   */
  readonly rpiCameraAfSpeed?: RpiAfSpeed | undefined
  /**
   * Fixed focus when autofocus is manual: one over the distance, so 2 is half a metre and 0 infinity. Unit: 1/metre.
   *
   * Default: `0`.
   */
  readonly rpiCameraLensPosition?: number | undefined
  /**
   * Part of the picture that autofocus looks at, `x,y,width,height` from 0 to 1.
   *
   * Default: `""`.
   */
  readonly rpiCameraAfWindow?: string | undefined
  /**
   * Period of flickering light to cancel out; 0 for none. Unit: microseconds.
   *
   * Default: `0`.
   */
  readonly rpiCameraFlickerPeriod?: number | undefined
  /**
   * Print text on the picture.
   *
   * Default: `false`.
   */
  readonly rpiCameraTextOverlayEnable?: boolean | undefined
  /**
   * The text to print, in strftime's syntax.
   *
   * Default: `"%Y-%m-%d %H:%M:%S - MediaMTX"`.
   */
  readonly rpiCameraTextOverlay?: string | undefined
  /**
   * Encoder. `auto` is the hardware's H264 if there is one, else software; MJPEG on a secondary stream.
   *
   * Default: `"auto"`.
   */
  readonly rpiCameraCodec?: RpiCodec | undefined
  /**
   * Frames from one key frame to the next (H264). Unit: frames.
   *
   * Default: `60`.
   */
  readonly rpiCameraIDRPeriod?: number | undefined
  /**
   * Bit rate (H264). Unit: bits per second.
   *
   * Default: `5000000`.
   */
  readonly rpiCameraBitrate?: number | undefined
  /**
   * H264 profile. `auto` is main with the hardware's encoder, baseline in software.
   *
   * Default: `"auto"`. Since MediaMTX 1.19.2. Before that: `rpiCameraHardwareH264Profile`.
   */
  readonly rpiCameraH264Profile?: RpiH264Profile | undefined
  /**
   * H264 level.
   *
   * Default: `"4.1"`. Since MediaMTX 1.19.2. Before that: `rpiCameraHardwareH264Level`.
   */
  readonly rpiCameraH264Level?: RpiH264Level | undefined
  /**
   * MJPEG quality, 0 to 100. Unit: percent.
   *
   * Default: `60`.
   */
  readonly rpiCameraMJPEGQuality?: number | undefined
  /**
   * Command to start when the path comes into being, so at start-up. Not on names that are regular expressions.
   * Killed with the path.
   *
   * Default: `""`.
   */
  readonly runOnInit?: string | undefined
  /**
   * Start `runOnInit` again 5 seconds after it ended.
   *
   * Default: `false`.
   */
  readonly runOnInitRestart?: boolean | undefined
  /**
   * Command to start when somebody wants to read and nobody publishes; it should publish. Killed when no longer
   * needed.
   *
   * Default: `""`.
   */
  readonly runOnDemand?: string | undefined
  /**
   * Start `runOnDemand` again 5 seconds after it ended.
   *
   * Default: `false`.
   */
  readonly runOnDemandRestart?: boolean | undefined
  /**
   * How long readers wait for `runOnDemand` to publish. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly runOnDemandStartTimeout?: string | undefined
  /**
   * How long `runOnDemand` goes on after the last reader left. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly runOnDemandCloseAfter?: string | undefined
  /**
   * Command to run when `runOnDemand` is no longer needed.
   *
   * Default: `""`.
   */
  readonly runOnUnDemand?: string | undefined
  /**
   * Command to start when the stream can be read. Killed when it no longer can, so it may never finish.
   *
   * Default: `""`. Since MediaMTX 1.19.3. Before that: `runOnReady`.
   */
  readonly runOnAvailable?: string | undefined
  /**
   * Start `runOnAvailable` again 5 seconds after it ended.
   *
   * Default: `false`. Since MediaMTX 1.19.3. Before that: `runOnReadyRestart`.
   */
  readonly runOnAvailableRestart?: boolean | undefined
  /**
   * Command to run when the stream can no longer be read.
   *
   * Default: `""`. Since MediaMTX 1.19.3. Before that: `runOnNotReady`.
   */
  readonly runOnUnavailable?: string | undefined
  /**
   * Command to start when the real stream is there; unlike `runOnAvailable` not for a stand-in. Killed when it goes.
   *
   * Default: `""`. Since MediaMTX 1.19.3.
   */
  readonly runOnOnline?: string | undefined
  /**
   * Start `runOnOnline` again 5 seconds after it ended.
   *
   * Default: `false`. Since MediaMTX 1.19.3.
   */
  readonly runOnOnlineRestart?: boolean | undefined
  /**
   * Command to run when the real stream went away.
   *
   * Default: `""`. Since MediaMTX 1.19.3.
   */
  readonly runOnOffline?: string | undefined
  /**
   * Command to start when somebody begins to read. Killed when they stop.
   *
   * Default: `""`.
   */
  readonly runOnRead?: string | undefined
  /**
   * Start `runOnRead` again 5 seconds after it ended.
   *
   * Default: `false`.
   */
  readonly runOnReadRestart?: boolean | undefined
  /**
   * Command to run when somebody stops reading.
   *
   * Default: `""`.
   */
  readonly runOnUnread?: string | undefined
  /**
   * Command to run when a segment's file is created.
   *
   * Default: `""`.
   */
  readonly runOnRecordSegmentCreate?: string | undefined
  /**
   * Command to run when a segment is finished; its file no longer changes.
   *
   * Default: `""`.
   */
  readonly runOnRecordSegmentComplete?: string | undefined
}

/**
 * A whole config. All fields are optional; what is not given has MediaMTX's default, which for most servers is "on".
 *
 * @example
 * import type { MediaMTXConfig } from "@livecams/mtx-manager"
 *
 * const config = {
 *   moq: false,
 *   readTimeout: "20s",
 *   pathDefaults: { record: true, recordDeleteAfter: "7d" },
 *   paths: { cam: { source: "rtsp://10.0.0.7/stream", sourceOnDemand: true }, all_others: {} }
 * } satisfies MediaMTXConfig
 *
 * @since 0.1.0
 * @category models
 */
export interface MediaMTXConfig {
  /**
   * How much is logged.
   *
   * Default: `"info"`.
   */
  readonly logLevel?: LogLevel | undefined
  /**
   * Where log lines go.
   *
   * Default: `["stdout"]`.
   */
  readonly logDestinations?: ReadonlyArray<LogDestination> | undefined
  /**
   * Log JSON lines instead of text, to stdout and files.
   *
   * Default: `false`. Since MediaMTX 1.15.6.
   */
  readonly logStructured?: boolean | undefined
  /**
   * File for the destination `file`. Unit: file.
   *
   * Default: `"mediamtx.log"`.
   */
  readonly logFile?: string | undefined
  /**
   * Prefix for the destination `syslog`.
   *
   * Default: `"mediamtx"`.
   */
  readonly sysLogPrefix?: string | undefined
  /**
   * Write every packet to disk, to hunt bugs.
   *
   * Default: `false`. Since MediaMTX 1.16.2.
   */
  readonly dumpPackets?: boolean | undefined
  /**
   * Longest wait for data from a client or server, and for the answer of the HTTP auth server. More than 0. A
   * duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly readTimeout?: string | undefined
  /**
   * Longest wait for a client or server to take data. More than 0. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly writeTimeout?: string | undefined
  /**
   * Packets that may wait for each reader. A power of two; more bears bursts, less saves memory. Unit: packets.
   *
   * Default: `512`.
   */
  readonly writeQueueSize?: number | undefined
  /**
   * Largest UDP payload to send; at most 1472. Unit: bytes.
   *
   * Default: `1452`.
   */
  readonly udpMaxPayloadSize?: number | undefined
  /**
   * Read buffer of every UDP socket; 0 leaves it to the system. Unit: bytes.
   *
   * Default: `0`. Since MediaMTX 1.15.4. Before that: `rtspUDPReadBufferSize`.
   */
  readonly udpReadBufferSize?: number | undefined
  /**
   * Command to start when an RTSP(S), RTMP(S) or SRT client connects, before it is known who it is. Killed when it
   * leaves.
   *
   * Default: `""`.
   */
  readonly runOnConnect?: string | undefined
  /**
   * Start `runOnConnect` again 5 seconds after it ended.
   *
   * Default: `false`.
   */
  readonly runOnConnectRestart?: boolean | undefined
  /**
   * Command to run when such a client has left.
   *
   * Default: `""`.
   */
  readonly runOnDisconnect?: string | undefined
  /**
   * Who decides on access: the users in this file, an HTTP server that is asked each time, or signed tokens.
   *
   * Default: `"internal"`.
   */
  readonly authMethod?: AuthMethod | undefined
  /**
   * The users of `authMethod: internal`. By default anybody may publish, read and play back, and localhost may do
   * the rest.
   *
   * Default: the two users described above.
   */
  readonly authInternalUsers?: ReadonlyArray<AuthInternalUser> | undefined
  /**
   * The server that `authMethod: http` asks by POST; 2xx allows. Unit: URL.
   *
   * Default: `""`.
   */
  readonly authHTTPAddress?: string | undefined
  /**
   * SHA-256 of that server's TLS certificate; trusts exactly that certificate, self-signed or not. Unit: hex.
   *
   * Default: `""`. Since MediaMTX 1.16.1.
   */
  readonly authHTTPFingerprint?: string | undefined
  /**
   * What everybody may do without the HTTP server being asked, from any address.
   *
   * Default: `[]`.
   */
  readonly authHTTPExclude?: ReadonlyArray<AuthPermission> | undefined
  /**
   * Where `authMethod: jwt` gets its public keys. Unit: URL.
   *
   * Default: `""`.
   */
  readonly authJWTJWKS?: string | undefined
  /**
   * SHA-256 of that server's TLS certificate; trusts exactly that certificate, self-signed or not. Unit: hex.
   *
   * Default: `""`.
   */
  readonly authJWTJWKSFingerprint?: string | undefined
  /**
   * The claim of a token that lists what its bearer may do.
   *
   * Default: `"mediamtx_permissions"`.
   */
  readonly authJWTClaimKey?: string | undefined
  /**
   * What everybody may do without a token, from any address.
   *
   * Default: `[]`.
   */
  readonly authJWTExclude?: ReadonlyArray<AuthPermission> | undefined
  /**
   * The issuer (`iss`) that tokens must name; empty for any.
   *
   * Default: `""`. Since MediaMTX 1.17.0.
   */
  readonly authJWTIssuer?: string | undefined
  /**
   * The audience (`aud`) that tokens must name; empty for any.
   *
   * Default: `""`. Since MediaMTX 1.17.0.
   */
  readonly authJWTAudience?: string | undefined
  /**
   * Turn on the control API.
   *
   * Default: `false`.
   */
  readonly api?: boolean | undefined
  /**
   * Where the control API listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":9997"`.
   */
  readonly apiAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly apiEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly apiServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly apiServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `apiAllowOrigin`.
   */
  readonly apiAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly apiTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the metrics server (Prometheus).
   *
   * Default: `false`.
   */
  readonly metrics?: boolean | undefined
  /**
   * Where the metrics server (Prometheus) listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":9998"`.
   */
  readonly metricsAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly metricsEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly metricsServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly metricsServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `metricsAllowOrigin`.
   */
  readonly metricsAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly metricsTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the profiling server (pprof).
   *
   * Default: `false`.
   */
  readonly pprof?: boolean | undefined
  /**
   * Where the profiling server (pprof) listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":9999"`.
   */
  readonly pprofAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly pprofEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly pprofServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly pprofServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `pprofAllowOrigin`.
   */
  readonly pprofAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly pprofTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the playback server, which serves recordings.
   *
   * Default: `false`.
   */
  readonly playback?: boolean | undefined
  /**
   * Where the playback server, which serves recordings listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":9996"`.
   */
  readonly playbackAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly playbackEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly playbackServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly playbackServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `playbackAllowOrigin`.
   */
  readonly playbackAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly playbackTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the RTSP server.
   *
   * Default: `true`.
   */
  readonly rtsp?: boolean | undefined
  /**
   * How RTSP clients may carry media; the handshake is always TCP.
   *
   * Default: `["udp","multicast","tcp"]`.
   */
  readonly rtspTransports?: ReadonlyArray<RtspServerTransport> | undefined
  /**
   * RTSPS: `no`, `optional` beside plain RTSP, or `strict` without plain RTSP.
   *
   * Default: `"no"`.
   */
  readonly rtspEncryption?: Encryption | undefined
  /**
   * Where plain RTSP listens (TCP). Unit: host:port.
   *
   * Default: `":8554"`.
   */
  readonly rtspAddress?: string | undefined
  /**
   * Where RTSPS listens (TCP). Unit: host:port.
   *
   * Default: `":8322"`.
   */
  readonly rtspsAddress?: string | undefined
  /**
   * Where RTP over UDP arrives. The port must be even. Unit: host:port.
   *
   * Default: `":8000"`.
   */
  readonly rtpAddress?: string | undefined
  /**
   * Where RTCP over UDP arrives. The port must be that of RTP plus one. Unit: host:port.
   *
   * Default: `":8001"`.
   */
  readonly rtcpAddress?: string | undefined
  /**
   * Addresses for UDP multicast. Unit: CIDR.
   *
   * Default: `"224.1.0.0/16"`.
   */
  readonly multicastIPRange?: string | undefined
  /**
   * Port of multicast RTP. Must be even. Unit: port.
   *
   * Default: `8002`.
   */
  readonly multicastRTPPort?: number | undefined
  /**
   * Port of multicast RTCP. Must be that of RTP plus one. Unit: port.
   *
   * Default: `8003`.
   */
  readonly multicastRTCPPort?: number | undefined
  /**
   * Where encrypted RTP over UDP arrives. The port must be even. Unit: host:port.
   *
   * Default: `":8004"`.
   */
  readonly srtpAddress?: string | undefined
  /**
   * Where encrypted RTCP over UDP arrives. The port must be that of SRTP plus one. Unit: host:port.
   *
   * Default: `":8005"`.
   */
  readonly srtcpAddress?: string | undefined
  /**
   * Port of encrypted multicast RTP. Must be even. Unit: port.
   *
   * Default: `8006`.
   */
  readonly multicastSRTPPort?: number | undefined
  /**
   * Port of encrypted multicast RTCP. Must be that of SRTP plus one. Unit: port.
   *
   * Default: `8007`.
   */
  readonly multicastSRTCPPort?: number | undefined
  /**
   * Private key for RTSPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly rtspServerKey?: string | undefined
  /**
   * Certificate for RTSPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly rtspServerCert?: string | undefined
  /**
   * How RTSP clients may send their password. `digest` needs `authMethod: internal` and plain passwords.
   *
   * Default: `["basic"]`.
   */
  readonly rtspAuthMethods?: ReadonlyArray<RtspAuthMethod> | undefined
  /**
   * Proxies whose PROXY protocol header is believed. Unit: IP or CIDR.
   *
   * Default: `[]`. Since MediaMTX 1.19.1.
   */
  readonly rtspTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the RTMP server.
   *
   * Default: `true`.
   */
  readonly rtmp?: boolean | undefined
  /**
   * RTMPS: `no`, `optional` beside plain RTMP, or `strict` without plain RTMP.
   *
   * Default: `"no"`.
   */
  readonly rtmpEncryption?: Encryption | undefined
  /**
   * Where plain RTMP listens (TCP). Unit: host:port.
   *
   * Default: `":1935"`.
   */
  readonly rtmpAddress?: string | undefined
  /**
   * Where RTMPS listens (TCP). Unit: host:port.
   *
   * Default: `":1936"`.
   */
  readonly rtmpsAddress?: string | undefined
  /**
   * Private key for RTMPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly rtmpServerKey?: string | undefined
  /**
   * Certificate for RTMPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly rtmpServerCert?: string | undefined
  /**
   * Proxies whose PROXY protocol header is believed. Unit: IP or CIDR.
   *
   * Default: `[]`. Since MediaMTX 1.19.1.
   */
  readonly rtmpTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Turn on the HLS server.
   *
   * Default: `true`.
   */
  readonly hls?: boolean | undefined
  /**
   * Where the HLS server listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":8888"`.
   */
  readonly hlsAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly hlsEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly hlsServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly hlsServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `hlsAllowOrigin`.
   */
  readonly hlsAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly hlsTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Make HLS of every stream all the time, so that the first viewer need not wait.
   *
   * Default: `false`.
   */
  readonly hlsAlwaysRemux?: boolean | undefined
  /**
   * `mpegts` plays anywhere, `fmp4` is leaner, `lowLatency` has the least delay (and needs HTTPS on Apple devices).
   *
   * Default: `"lowLatency"`.
   */
  readonly hlsVariant?: HlsVariant | undefined
  /**
   * Segments that are kept for viewers to seek in. Unit: segments.
   *
   * Default: `7`.
   */
  readonly hlsSegmentCount?: number | undefined
  /**
   * Least length of a segment; a segment always begins with a key frame. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"1s"`.
   */
  readonly hlsSegmentDuration?: string | undefined
  /**
   * Least length of a part (low latency). A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"200ms"`.
   */
  readonly hlsPartDuration?: string | undefined
  /**
   * Most memory that one segment may take. Unit: bytes.
   *
   * Default: `"50M"`.
   */
  readonly hlsSegmentMaxSize?: string | undefined
  /**
   * Folder to keep segments in; empty keeps them in memory. Unit: folder.
   *
   * Default: `""`.
   */
  readonly hlsDirectory?: string | undefined
  /**
   * How long a stream is kept as HLS after the last request. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"60s"`.
   */
  readonly hlsMuxerCloseAfter?: string | undefined
  /**
   * Bearer token by which a CDN's requests are known. Letters, digits and !$()*+.;<=>[]^_-{}@#& only.
   *
   * Default: `""`. Since MediaMTX 1.18.1.
   */
  readonly hlsCDNSecret?: string | undefined
  /**
   * Turn on the WebRTC server.
   *
   * Default: `true`.
   */
  readonly webrtc?: boolean | undefined
  /**
   * Where the WebRTC server listens (TCP, HTTP). Unit: host:port.
   *
   * Default: `":8889"`.
   */
  readonly webrtcAddress?: string | undefined
  /**
   * Serve HTTPS instead of HTTP.
   *
   * Default: `false`.
   */
  readonly webrtcEncryption?: boolean | undefined
  /**
   * Private key for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.key"`.
   */
  readonly webrtcServerKey?: string | undefined
  /**
   * Certificate for HTTPS, on the node's disk. Unit: file.
   *
   * Default: `"server.crt"`.
   */
  readonly webrtcServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS); `http://*.example.com` works.
   *
   * Default: `["*"]`. Since MediaMTX 1.15.4. Before that: `webrtcAllowOrigin`.
   */
  readonly webrtcAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`.
   */
  readonly webrtcTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Where media over UDP arrives; empty for nowhere. Unit: host:port.
   *
   * Default: `":8189"`.
   */
  readonly webrtcLocalUDPAddress?: string | undefined
  /**
   * Where media over TCP arrives; empty for nowhere. Unit: host:port.
   *
   * Default: `""`.
   */
  readonly webrtcLocalTCPAddress?: string | undefined
  /**
   * Tell clients the addresses of the node's interfaces.
   *
   * Default: `true`.
   */
  readonly webrtcIPsFromInterfaces?: boolean | undefined
  /**
   * Only the addresses of these interfaces; [] for all.
   *
   * Default: `[]`.
   */
  readonly webrtcIPsFromInterfacesList?: ReadonlyArray<string> | undefined
  /**
   * More host names and addresses to tell clients.
   *
   * Default: `[]`.
   */
  readonly webrtcAdditionalHosts?: ReadonlyArray<string> | undefined
  /**
   * STUN and TURN servers, for clients that can't reach the node directly.
   *
   * Default: `[]`.
   */
  readonly webrtcICEServers2?: ReadonlyArray<IceServer> | undefined
  /**
   * How long to gather STUN candidates. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"5s"`.
   */
  readonly webrtcSTUNGatherTimeout?: string | undefined
  /**
   * How long a handshake may take. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"10s"`.
   */
  readonly webrtcHandshakeTimeout?: string | undefined
  /**
   * How long to wait for a publisher's tracks. A duration as text: `10s`, `1h30m`, `1d`.
   *
   * Default: `"2s"`.
   */
  readonly webrtcTrackGatherTimeout?: string | undefined
  /**
   * Turn on the SRT server.
   *
   * Default: `true`.
   */
  readonly srt?: boolean | undefined
  /**
   * Where SRT listens (UDP). Unit: host:port.
   *
   * Default: `":8890"`.
   */
  readonly srtAddress?: string | undefined
  /**
   * Turn on the Media over QUIC server. It is on by default and writes a key and a certificate into the working
   * folder.
   *
   * Default: `true`. Since MediaMTX 1.19.0.
   */
  readonly moq?: boolean | undefined
  /**
   * Where the web client is served (TCP). Unit: host:port.
   *
   * Default: `":8892"`. Since MediaMTX 1.19.1. Before that: `moqHTTPS2Address`.
   */
  readonly moqHTTP2Address?: string | undefined
  /**
   * Where WebTransport listens (UDP). Unit: host:port.
   *
   * Default: `":8892"`. Since MediaMTX 1.19.1. Before that: `moqHTTPS3Address`.
   */
  readonly moqHTTP3Address?: string | undefined
  /**
   * Where plain MoQ over QUIC listens (UDP). Unit: host:port.
   *
   * Default: `":8893"`. Since MediaMTX 1.20.0.
   */
  readonly moqQUICAddress?: string | undefined
  /**
   * Private key, on the node's disk; `auto.key` makes one. Unit: file.
   *
   * Default: `"auto.key"`. Since MediaMTX 1.19.0.
   */
  readonly moqServerKey?: string | undefined
  /**
   * Certificate, on the node's disk; `auto.crt` makes one. Unit: file.
   *
   * Default: `"auto.crt"`. Since MediaMTX 1.19.0.
   */
  readonly moqServerCert?: string | undefined
  /**
   * Origins that browsers may call from (CORS).
   *
   * Default: `["*"]`. Since MediaMTX 1.19.0.
   */
  readonly moqAllowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Reverse proxies whose X-Forwarded-For is believed. Unit: IP or CIDR.
   *
   * Default: `[]`. Since MediaMTX 1.19.0.
   */
  readonly moqTrustedProxies?: ReadonlyArray<string> | undefined
  /**
   * What every path has unless it says otherwise itself.
   *
   * Default: `{}`.
   */
  readonly pathDefaults?: PathConfig | undefined
  /**
   * The paths by name: `cam`, `~^cam(.*)$` (a regular expression), `all_others` (all that nothing else matches).
   *
   * Default: `{}`.
   */
  readonly paths?: Readonly<Record<string, PathConfig | null>> | undefined
}
