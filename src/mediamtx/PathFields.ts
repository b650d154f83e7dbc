/**
 * Every live field of a path, as it stands in `pathDefaults` and below each name in `paths`.
 *
 * @since 0.1.0
 */
import {
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
  RtspRangeType,
  RtspTransport
} from "./ConfigEnums.js"
import { type AnyConfigField, field, type PathReload } from "./ConfigField.js"
import { AlwaysAvailableTrackType, ForwardDestinationType } from "./ConfigObjects.js"
import { boolean, float, int, list, secretText, text, uint } from "./FieldType.js"
import { GoDuration } from "./GoDuration.js"
import { HookCommand } from "./HookCommand.js"
import { StringSize } from "./StringSize.js"

const recreate = "recreate" satisfies PathReload
const recorder = "recorder" satisfies PathReload
const hot = "hot" satisfies PathReload

/** MediaMTX 1.15.0 could switch recording on and off in place, but not change how. */
const formerly = { formerReload: { before: "1.15.1", reload: recreate } } as const
const overlay = { formerReload: { before: "1.18.2", reload: recreate } } as const

/**
 * @since 0.1.0
 * @category tables
 */
export const pathFields = {
  name: field(text, "", hot, "Filled in by MediaMTX with the key of the entry; whatever is written here is ignored."),

  source: field(
    secretText,
    "publisher",
    recreate,
    "Where the stream comes from: `publisher` (a client sends it), `redirect`, `rpiCamera`, or a URL to pull: rtsp(s), rtsp(s)+http, rtsp(s)+ws, rtmp(s), http(s) for HLS, udp+mpegts, unix+mpegts, udp+rtp, srt, moqt, whep(s). `$G1`, `$G2` stand for groups of a regular expression in the name, `$MTX_QUERY` for the first reader's query."
  ),
  sourceFingerprint: field(
    text,
    "",
    recreate,
    "SHA-256 of the source's TLS certificate; trusts exactly that certificate, self-signed or not.",
    { unit: "hex" }
  ),
  sourceOnDemand: field(boolean, false, recreate, "Pull the source only while somebody reads."),
  sourceOnDemandStartTimeout: field(
    GoDuration,
    "10s",
    recreate,
    "How long readers wait for a source that is pulled on demand."
  ),
  sourceOnDemandCloseAfter: field(
    GoDuration,
    "10s",
    recreate,
    "How long a source that is pulled on demand stays open after the last reader left."
  ),
  maxReaders: field(int, 0, recreate, "Most readers at once; 0 for no limit.", { unit: "readers" }),
  srtReadPassphrase: field(secretText, "", recreate, "Passphrase that SRT readers must encrypt with; 10 to 79 bytes.", {
    unit: "text"
  }),
  useAbsoluteTimestamp: field(
    boolean,
    false,
    recreate,
    "Keep the frames' own absolute times instead of the time of arrival."
  ),

  alwaysAvailable: field(
    boolean,
    false,
    recreate,
    "Keep the path readable while the stream is away, by playing a stand-in over and over.",
    { since: "1.16.0" }
  ),
  alwaysAvailableTracks: field(list(AlwaysAvailableTrackType), [], recreate, "Tracks of the built-in stand-in.", {
    since: "1.16.0",
    formerDefaults: [{ before: "1.16.3", default: [{ codec: "H264", sampleRate: 0, channelCount: 0, muLaw: false }] }]
  }),
  alwaysAvailableFile: field(
    text,
    "",
    recreate,
    "MP4 file on the node's disk to use as stand-in, instead of `alwaysAvailableTracks`.",
    { since: "1.16.0" }
  ),

  forward: field(list(ForwardDestinationType), [], hot, "Other servers that the stream is sent on to.", {
    since: "1.20.0"
  }),

  record: field(boolean, false, recorder, "Record the stream to disk."),
  recordPath: field(
    text,
    "./recordings/%path/%Y-%m-%d_%H-%M-%S-%f",
    recorder,
    "Where segments go, without extension. `%path` is the name of the path; `%Y %m %d %H %M %S` the local start time, `%f` its microseconds, `%z` the zone; `%s` the Unix time.",
    formerly
  ),
  recordFormat: field(RecordFormat, "fmp4", recorder, "Container of segments. Playback needs fmp4.", formerly),
  recordPartDuration: field(
    GoDuration,
    "1s",
    recorder,
    "How often a segment is flushed to disk: the most that a crash or power cut can lose.",
    formerly
  ),
  recordMaxPartSize: field(StringSize, "50M", recorder, "Most memory that one unflushed part may take.", {
    ...formerly,
    unit: "bytes"
  }),
  recordSegmentDuration: field(GoDuration, "1h", recorder, "Least length of a segment; at most 1d.", formerly),
  recordDeleteAfter: field(
    GoDuration,
    "1d",
    recorder,
    "Age at which segments are deleted; 0s keeps them for good.",
    formerly
  ),

  overridePublisher: field(
    boolean,
    true,
    recreate,
    "A new publisher takes over from the present one, instead of being refused."
  ),
  srtPublishPassphrase: field(
    secretText,
    "",
    recreate,
    "Passphrase that SRT publishers must encrypt with; 10 to 79 bytes.",
    { unit: "text" }
  ),
  rtspDemuxMpegts: field(
    boolean,
    false,
    recreate,
    "Take apart MPEG-TS that is published inside RTSP, so that HLS and WebRTC can read its tracks.",
    { since: "1.17.0" }
  ),

  rtspTransport: field(RtspTransport, "automatic", recreate, "How to pull an RTSP source."),
  rtspAnyPort: field(
    boolean,
    false,
    recreate,
    "Take packets of an RTSP source from any port. Lowers security; only for cameras that hide or change their ports."
  ),
  rtspRangeType: field(
    RtspRangeType,
    "",
    recreate,
    "Kind of the Range header that is sent to an RTSP source, to start at an offset; empty sends none."
  ),
  rtspRangeStart: field(
    text,
    "",
    recreate,
    "Start for `rtspRangeType`: `20230812T120000Z` with clock, a duration such as `1.5m` with npt and smpte."
  ),
  rtspScale: field(
    text,
    "",
    recreate,
    "Speed to ask an RTSP source for: above 1 faster, below 1 slower, negative backwards; empty for normal.",
    { since: "1.19.2" }
  ),
  rtspUDPSourcePortRange: field(
    list(uint, { name: "list of two ports" }),
    [32768, 60999],
    recreate,
    "First and last local port for packets to an RTSP source.",
    { unit: "port", since: "1.16.0", formerDefaults: [{ before: "1.19.3", default: [10000, 65535] }] }
  ),

  rtpSDP: field(text, "", recreate, "Session description (SDP) of an RTP source, which can't describe itself."),

  moqTransport: field(MoqTransport, "quic", recreate, "How to pull a MoQ source.", { since: "1.20.1" }),

  whepBearerToken: field(secretText, "", recreate, "Bearer token for a WHEP source.", { since: "1.16.2" }),
  whepSTUNGatherTimeout: field(GoDuration, "5s", recreate, "How long to gather STUN candidates for a WHEP source.", {
    since: "1.16.2"
  }),
  whepHandshakeTimeout: field(GoDuration, "10s", recreate, "How long a WHEP source's handshake may take.", {
    since: "1.16.2"
  }),
  whepTrackGatherTimeout: field(GoDuration, "2s", recreate, "How long to wait for a WHEP source's tracks.", {
    since: "1.16.2"
  }),

  sourceRedirect: field(
    secretText,
    "",
    recreate,
    "Where readers are sent when `source` is `redirect`: `/other/path` or an RTSP URL."
  ),

  rpiCameraCamID: field(uint, 0, recreate, "Which camera of the Raspberry Pi."),
  rpiCameraSecondary: field(
    boolean,
    false,
    recreate,
    "This is the second, smaller stream of a camera that another path has."
  ),
  rpiCameraWidth: field(uint, 1920, recreate, "Width of the picture.", { unit: "pixels" }),
  rpiCameraHeight: field(uint, 1080, recreate, "Height of the picture.", { unit: "pixels" }),
  rpiCameraHFlip: field(boolean, false, recreate, "Mirror left and right."),
  rpiCameraVFlip: field(boolean, false, recreate, "Turn upside down."),
  rpiCameraBrightness: field(float, 0, hot, "Brightness, -1 to 1."),
  rpiCameraContrast: field(float, 1, hot, "Contrast, 0 to 16."),
  rpiCameraSaturation: field(float, 1, hot, "Saturation, 0 to 16."),
  rpiCameraSharpness: field(float, 1, hot, "Sharpness, 0 to 16."),
  rpiCameraExposure: field(RpiExposure, "normal", hot, "How exposure time is chosen."),
  rpiCameraAWB: field(RpiAwb, "auto", hot, "White balance."),
  rpiCameraAWBGains: field(
    list(float, { name: "list of two numbers" }),
    [0, 0],
    hot,
    "Fixed gains of red and blue, when white balance is custom."
  ),
  rpiCameraDenoise: field(RpiDenoise, "off", hot, "Denoise mode."),
  rpiCameraShutter: field(uint, 0, hot, "Fixed shutter time; 0 for automatic.", { unit: "microseconds" }),
  rpiCameraMetering: field(RpiMetering, "centre", hot, "Which part of the picture sets exposure and gain."),
  rpiCameraGain: field(float, 0, hot, "Fixed gain; 0 for automatic."),
  rpiCameraEV: field(float, 0, hot, "Exposure compensation, -10 to 10.", { unit: "EV" }),
  rpiCameraROI: field(
    text,
    "",
    recreate,
    "Part of the sensor to use, as `x,y,width,height`, each between 0 and 1; empty for all."
  ),
  rpiCameraHDR: field(boolean, false, recreate, "High dynamic range (camera module 3)."),
  rpiCameraTuningFile: field(text, "", recreate, "Tuning file of the sensor, on the node's disk."),
  rpiCameraMode: field(
    text,
    "",
    recreate,
    "Sensor mode, `width:height:bit-depth:packing`; the last two may be left out."
  ),
  rpiCameraFPS: field(float, 30, hot, "Frame rate.", { unit: "frames per second" }),
  rpiCameraAfMode: field(RpiAfMode, "continuous", recreate, "Autofocus mode."),
  rpiCameraAfRange: field(RpiAfRange, "normal", recreate, "Distances that autofocus looks at."),
  rpiCameraAfSpeed: field(RpiAfSpeed, "normal", recreate, "Speed of autofocus."),
  rpiCameraLensPosition: field(
    float,
    0,
    recreate,
    "Fixed focus when autofocus is manual: one over the distance, so 2 is half a metre and 0 infinity.",
    { unit: "1/metre" }
  ),
  rpiCameraAfWindow: field(
    text,
    "",
    recreate,
    "Part of the picture that autofocus looks at, `x,y,width,height` from 0 to 1."
  ),
  rpiCameraFlickerPeriod: field(uint, 0, hot, "Period of flickering light to cancel out; 0 for none.", {
    unit: "microseconds"
  }),
  rpiCameraTextOverlayEnable: field(boolean, false, hot, "Print text on the picture.", overlay),
  rpiCameraTextOverlay: field(
    text,
    "%Y-%m-%d %H:%M:%S - MediaMTX",
    hot,
    "The text to print, in strftime's syntax.",
    overlay
  ),
  rpiCameraCodec: field(
    RpiCodec,
    "auto",
    recreate,
    "Encoder. `auto` is the hardware's H264 if there is one, else software; MJPEG on a secondary stream."
  ),
  rpiCameraIDRPeriod: field(uint, 60, hot, "Frames from one key frame to the next (H264).", { unit: "frames" }),
  rpiCameraBitrate: field(uint, 5000000, hot, "Bit rate (H264).", { unit: "bits per second" }),
  rpiCameraH264Profile: field(
    RpiH264Profile,
    "auto",
    recreate,
    "H264 profile. `auto` is main with the hardware's encoder, baseline in software.",
    { since: "1.19.2", renamedFrom: "rpiCameraHardwareH264Profile" }
  ),
  rpiCameraH264Level: field(RpiH264Level, "4.1", recreate, "H264 level.", {
    since: "1.19.2",
    renamedFrom: "rpiCameraHardwareH264Level"
  }),
  rpiCameraMJPEGQuality: field(uint, 60, recreate, "MJPEG quality, 0 to 100.", { unit: "percent" }),

  runOnInit: field(
    HookCommand,
    "",
    recreate,
    "Command to start when the path comes into being, so at start-up. Not on names that are regular expressions. Killed with the path."
  ),
  runOnInitRestart: field(boolean, false, recreate, "Start `runOnInit` again 5 seconds after it ended."),
  runOnDemand: field(
    HookCommand,
    "",
    recreate,
    "Command to start when somebody wants to read and nobody publishes; it should publish. Killed when no longer needed."
  ),
  runOnDemandRestart: field(boolean, false, recreate, "Start `runOnDemand` again 5 seconds after it ended."),
  runOnDemandStartTimeout: field(GoDuration, "10s", recreate, "How long readers wait for `runOnDemand` to publish."),
  runOnDemandCloseAfter: field(
    GoDuration,
    "10s",
    recreate,
    "How long `runOnDemand` goes on after the last reader left."
  ),
  runOnUnDemand: field(HookCommand, "", recreate, "Command to run when `runOnDemand` is no longer needed."),
  runOnAvailable: field(
    HookCommand,
    "",
    recreate,
    "Command to start when the stream can be read. Killed when it no longer can, so it may never finish.",
    { since: "1.19.3", renamedFrom: "runOnReady" }
  ),
  runOnAvailableRestart: field(boolean, false, recreate, "Start `runOnAvailable` again 5 seconds after it ended.", {
    since: "1.19.3",
    renamedFrom: "runOnReadyRestart"
  }),
  runOnUnavailable: field(HookCommand, "", recreate, "Command to run when the stream can no longer be read.", {
    since: "1.19.3",
    renamedFrom: "runOnNotReady"
  }),
  runOnOnline: field(
    HookCommand,
    "",
    recreate,
    "Command to start when the real stream is there; unlike `runOnAvailable` not for a stand-in. Killed when it goes.",
    { since: "1.19.3" }
  ),
  runOnOnlineRestart: field(boolean, false, recreate, "Start `runOnOnline` again 5 seconds after it ended.", {
    since: "1.19.3"
  }),
  runOnOffline: field(HookCommand, "", recreate, "Command to run when the real stream went away.", { since: "1.19.3" }),
  runOnRead: field(HookCommand, "", recreate, "Command to start when somebody begins to read. Killed when they stop."),
  runOnReadRestart: field(boolean, false, recreate, "Start `runOnRead` again 5 seconds after it ended."),
  runOnUnread: field(HookCommand, "", recreate, "Command to run when somebody stops reading."),
  runOnRecordSegmentCreate: field(HookCommand, "", recreate, "Command to run when a segment's file is created."),
  runOnRecordSegmentComplete: field(
    HookCommand,
    "",
    recreate,
    "Command to run when a segment is finished; its file no longer changes."
  )
} as const satisfies Readonly<Record<string, AnyConfigField<PathReload>>>

/**
 * @since 0.1.0
 * @category models
 */
export type PathFieldName = keyof typeof pathFields
