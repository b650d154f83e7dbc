/**
 * What MediaMTX demands of the fields of one path together. Rules see the effective path: its own fields over
 * `pathDefaults` over the built-in defaults.
 *
 * @since 0.1.0
 */
import type { Finding, RuleInfo, RuleOrigin } from "./ConfigRule.js"
import type { ValueOf } from "./FieldType.js"
import { goDurationToNanos } from "./GoDuration.js"
import type { PathFieldName, pathFields } from "./PathFields.js"
import { forwardProblem, redirectProblem, sourceProblem, sourceScheme, type UrlProblem } from "./SourceUrl.js"

/**
 * The type of the values of a path's field.
 *
 * @since 0.1.0
 * @category models
 */
export type PathValue<K extends PathFieldName> = ValueOf<(typeof pathFields)[K]["type"]>

/**
 * Reads the effective value of a path's field.
 *
 * @since 0.1.0
 * @category models
 */
export type PathReader = <K extends PathFieldName>(name: K) => PathValue<K>

/**
 * What rules know of a path besides its fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface PathFacts {
  /** The name is a regular expression or the catch-all. */
  readonly regex: boolean
  /** The global `playback` is on. */
  readonly playback: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PathRule extends RuleInfo {
  /** The fields that the rule is about. A finding is reported at the first of them that the path itself sets. */
  readonly fields: readonly [PathFieldName, ...Array<PathFieldName>]
  /** The places of findings are below the reported field. Allocates nothing when all is well. */
  readonly check: (get: PathReader, facts: PathFacts) => ReadonlyArray<Finding> | undefined
}

const rule = (
  id: string,
  fields: readonly [PathFieldName, ...Array<PathFieldName>],
  doc: string,
  check: PathRule["check"],
  origin: RuleOrigin = "load",
  severity: "error" | "warning" = "error"
): PathRule => ({ id, fields, doc, check, origin, severity })

const found = (message: string, expected: string, suggestion?: string | undefined): ReadonlyArray<Finding> => [
  { at: [], message, expected, suggestion }
]

const encoder = new TextEncoder()
const passphraseProblem = (value: string) => {
  if (value === "") return undefined
  const bytes = encoder.encode(value).length
  return bytes < 10 || bytes > 79 ? found(`has ${bytes} bytes`, "10 to 79 bytes") : undefined
}

// Several rules ask about the same source in a row.
let lastSource = "publisher"
let lastProblem: UrlProblem | undefined
const problemOfSource = (source: string): UrlProblem | undefined => {
  if (source !== lastSource) {
    lastProblem = sourceProblem(source)
    lastSource = source
  }
  return lastProblem
}

const sourceRule = (id: string, doc: string) =>
  rule(id, ["source"], doc, (get) => {
    const source = get("source")
    if (source === "publisher") return undefined
    const problem = problemOfSource(source)
    return problem?.rule === id ? found(problem.message, problem.expected, problem.suggestion) : undefined
  })

const forwardRule = (id: string, doc: string) =>
  rule(id, ["forward"], doc, (get) => {
    const list = get("forward")
    if (list.length === 0) return undefined
    const findings = list.flatMap((item, index) => {
      const problem = forwardProblem(item.dest ?? "")
      return problem?.rule === id ? [{ ...problem, at: [String(index), "dest"] }] : []
    })
    return findings.length === 0 ? undefined : findings
  })

const isStatic = (source: string) => source !== "publisher" && source !== "redirect"
const onDemandHook = (get: PathReader) => get("runOnDemand") !== "" || get("runOnUnDemand") !== ""
const day = 86_400_000_000_000n

/** The encoder makes MJPEG: chosen, or because a secondary stream gets it by itself. */
const isMjpeg = (get: PathReader) =>
  get("rpiCameraCodec") === "mjpeg" || (get("rpiCameraSecondary") && get("rpiCameraCodec") === "auto")

const mjpegSide = (id: string, at: "rpiCameraWidth" | "rpiCameraHeight") =>
  rule(
    id,
    [at, "rpiCameraCodec", "rpiCameraSecondary", "source"],
    `\`${at}\` fits MJPEG: below 2048, a multiple of 8.`,
    (get) => {
      if (get("source") !== "rpiCamera" || !isMjpeg(get)) return undefined
      const side = get(at)
      return side !== 0 && (side >= 2048 || side % 8 !== 0)
        ? found(
            `is ${side} with MJPEG`,
            "a multiple of 8 below 2048",
            String(Math.min(2040, Math.max(8, side - (side % 8))))
          )
        : undefined
    }
  )

const cameraSide = (id: string, at: "rpiCameraWidth" | "rpiCameraHeight") =>
  rule(id, [at, "source"], `\`${at}\` is more than 0.`, (get) =>
    get("source") === "rpiCamera" && get(at) === 0 ? found("is 0", "more than 0") : undefined
  )

/**
 * @since 0.1.0
 * @category tables
 */
export const pathRules: ReadonlyArray<PathRule> = [
  rule(
    "srt-publish-passphrase-source",
    ["srtPublishPassphrase", "source"],
    "`srtPublishPassphrase` is for paths that clients publish to.",
    (get) =>
      get("srtPublishPassphrase") !== "" && get("source") !== "publisher"
        ? found("is set while source is not publisher", "nothing, or source: publisher")
        : undefined
  ),
  rule(
    "srt-publish-passphrase-length",
    ["srtPublishPassphrase"],
    "`srtPublishPassphrase` has 10 to 79 bytes.",
    (get) => (get("source") === "publisher" ? passphraseProblem(get("srtPublishPassphrase")) : undefined)
  ),
  rule("srt-read-passphrase-length", ["srtReadPassphrase"], "`srtReadPassphrase` has 10 to 79 bytes.", (get) =>
    passphraseProblem(get("srtReadPassphrase"))
  ),
  rule("redirect-useless", ["sourceRedirect", "source"], "`sourceRedirect` is for `source: redirect`.", (get) =>
    get("source") !== "redirect" && get("sourceRedirect") !== ""
      ? found("is set while source is not redirect", "nothing, or source: redirect")
      : undefined
  ),
  rule("redirect-required", ["sourceRedirect", "source"], "`source: redirect` needs `sourceRedirect`.", (get) =>
    get("source") === "redirect" && get("sourceRedirect") === ""
      ? found("leaves open where to redirect to", "sourceRedirect with a path or an RTSP URL")
      : undefined
  ),
  rule("redirect-target", ["sourceRedirect", "source"], "`sourceRedirect` is `/path` or an RTSP URL.", (get) => {
    const target = get("sourceRedirect")
    if (target === "" || get("source") !== "redirect") return undefined
    const problem = redirectProblem(target)
    return problem === undefined ? undefined : found(problem.message, problem.expected)
  }),
  sourceRule("source-unknown", "`source` is a known word or a URL with a known scheme."),
  sourceRule("source-url", "A `source` that is a URL has a scheme and a host, in Go's syntax."),
  sourceRule("source-credentials", "A `source` URL has both user and password, or neither."),
  sourceRule("source-port", "A `source` over UDP names its port."),
  rule("rtp-sdp-required", ["rtpSDP", "source"], "An RTP `source` needs `rtpSDP`.", (get) => {
    if (get("rtpSDP") !== "" || !get("source").includes("+rtp://")) return undefined
    const scheme = sourceScheme(get("source"))
    return scheme === "udp+rtp" || scheme === "unix+rtp"
      ? found("is an RTP stream, which can't describe itself", "rtpSDP with its session description")
      : undefined
  }),
  rule(
    "source-on-demand-publisher",
    ["sourceOnDemand", "source"],
    "`sourceOnDemand` is for sources that are pulled.",
    (get) =>
      get("sourceOnDemand") && get("source") === "publisher"
        ? found("is true while source is publisher", "false, or a source to pull; runOnDemand is for publishers")
        : undefined
  ),
  rule(
    "source-on-demand-required",
    ["source", "sourceOnDemand"],
    "A source that is pulled for a regular expression must be on demand.",
    (get, { regex }) =>
      regex && !get("sourceOnDemand") && isStatic(get("source"))
        ? found("is pulled for a name that is a regular expression", "sourceOnDemand: true")
        : undefined
  ),
  forwardRule("forward-empty", "A `forward` has a destination."),
  forwardRule("forward-url", "The destination of a `forward` is a URL with a host, in Go's syntax."),
  forwardRule("forward-credentials", "The destination of a `forward` has both user and password, or neither."),
  forwardRule("forward-scheme", "A `forward` goes to rtsp(s), rtmp(s), srt or whip(s)."),
  rule(
    "always-available-regex",
    ["alwaysAvailable"],
    "`alwaysAvailable` is not for regular expressions.",
    (get, { regex }) =>
      regex && get("alwaysAvailable")
        ? found("is true for a name that is a regular expression", "false, or a plain name")
        : undefined
  ),
  rule(
    "always-available-on-demand",
    ["sourceOnDemand", "alwaysAvailable"],
    "`alwaysAvailable` excludes `sourceOnDemand`.",
    (get) =>
      get("alwaysAvailable") && get("sourceOnDemand")
        ? found("goes with alwaysAvailable", "only one of the two")
        : undefined
  ),
  rule(
    "always-available-run-on-demand",
    ["runOnDemand", "runOnUnDemand", "alwaysAvailable"],
    "`alwaysAvailable` excludes `runOnDemand` and `runOnUnDemand`.",
    (get) =>
      get("alwaysAvailable") && onDemandHook(get)
        ? found("puts runOnDemand or runOnUnDemand together with alwaysAvailable", "only one of the two")
        : undefined
  ),
  // Whether the file can be read and what is in it only the node itself can tell.
  rule(
    "always-available-file-or-tracks",
    ["alwaysAvailableFile", "alwaysAvailableTracks"],
    "`alwaysAvailable` has a file or tracks, not both.",
    (get) =>
      get("alwaysAvailable") && get("alwaysAvailableFile") !== "" && get("alwaysAvailableTracks").length > 0
        ? found("goes with alwaysAvailableTracks", "only one of the two")
        : undefined
  ),
  rule(
    "always-available-needs-stand-in",
    ["alwaysAvailable", "alwaysAvailableTracks"],
    "`alwaysAvailable` needs a file or tracks.",
    (get) =>
      get("alwaysAvailable") && get("alwaysAvailableFile") === "" && get("alwaysAvailableTracks").length === 0
        ? found("has nothing to play", "alwaysAvailableTracks with at least one track, or alwaysAvailableFile")
        : undefined
  ),
  rule(
    "always-available-absolute-timestamp",
    ["useAbsoluteTimestamp", "alwaysAvailable"],
    "`alwaysAvailable` excludes `useAbsoluteTimestamp`.",
    (get) =>
      get("alwaysAvailable") && get("useAbsoluteTimestamp")
        ? found("goes with alwaysAvailable", "only one of the two")
        : undefined
  ),
  rule("record-path-needs-path", ["recordPath"], "`recordPath` has `%path` in it.", (get) =>
    get("recordPath").includes("%path")
      ? undefined
      : found("has no %path, so that paths would mix", "%path somewhere in it")
  ),
  rule(
    "record-path-needs-time",
    ["recordPath"],
    "`recordPath` has `%s`, or all of `%Y %m %d %H %M %S` in it.",
    (get) => {
      const path = get("recordPath")
      if (path.includes("%s")) return undefined
      const missing = ["%Y", "%m", "%d", "%H", "%M", "%S"].filter((part) => !path.includes(part))
      return missing.length === 0 ? undefined : found(`has no ${missing.join(" ")}`, "%s, or all of %Y %m %d %H %M %S")
    }
  ),
  rule(
    "record-path-needs-microseconds",
    ["recordPath"],
    "While `playback` is on, `recordPath` has `%f` in it, on paths that don't record too.",
    (get, { playback }) =>
      playback && !get("recordPath").includes("%f")
        ? found("has no %f, which playback needs, even on paths that don't record", "%f somewhere in it")
        : undefined
  ),
  rule("record-segment-duration-max", ["recordSegmentDuration"], "`recordSegmentDuration` is at most a day.", (get) =>
    (goDurationToNanos(get("recordSegmentDuration")) ?? 0n) > day
      ? found(`is ${JSON.stringify(get("recordSegmentDuration"))}`, "at most 1d", '"1d"')
      : undefined
  ),
  rule(
    "record-delete-after-min",
    ["recordDeleteAfter", "recordSegmentDuration"],
    "`recordDeleteAfter` is 0s or at least `recordSegmentDuration`.",
    (get) => {
      const keep = goDurationToNanos(get("recordDeleteAfter")) ?? 0n
      return keep !== 0n && keep < (goDurationToNanos(get("recordSegmentDuration")) ?? 0n)
        ? found(
            `deletes after ${get("recordDeleteAfter")} what is written for ${get("recordSegmentDuration")}`,
            "recordDeleteAfter of 0s (never), or no less than recordSegmentDuration"
          )
        : undefined
    }
  ),
  rule("run-on-init-regex", ["runOnInit"], "`runOnInit` is not for regular expressions.", (get, { regex }) =>
    regex && get("runOnInit") !== ""
      ? found("is set for a name that is a regular expression", "nothing, or a path with a plain name")
      : undefined
  ),
  rule(
    "run-on-demand-publisher",
    ["runOnDemand", "runOnUnDemand", "source"],
    "`runOnDemand` and `runOnUnDemand` are for `source: publisher`.",
    (get) =>
      get("source") !== "publisher" && onDemandHook(get)
        ? found(
            "puts runOnDemand or runOnUnDemand together with a source that is not publisher",
            "sourceOnDemand for sources that are pulled"
          )
        : undefined
  ),
  cameraSide("rpi-camera-width-positive", "rpiCameraWidth"),
  cameraSide("rpi-camera-height-positive", "rpiCameraHeight"),
  mjpegSide("rpi-camera-mjpeg-width", "rpiCameraWidth"),
  mjpegSide("rpi-camera-mjpeg-height", "rpiCameraHeight"),
  rule("rpi-camera-awb-gains", ["rpiCameraAWBGains", "source"], "`rpiCameraAWBGains` are two.", (get) =>
    get("source") === "rpiCamera" && get("rpiCameraAWBGains").length !== 2
      ? found(`has ${get("rpiCameraAWBGains").length} items`, "two: red and blue")
      : undefined
  ),
  rule(
    "rtsp-udp-source-port-range",
    ["rtspUDPSourcePortRange", "source"],
    "`rtspUDPSourcePortRange` is two ports in order; fewer would crash MediaMTX when it opens the source.",
    (get) => {
      const range = get("rtspUDPSourcePortRange")
      const [first = 0, last = 0] = range
      return (range.length !== 2 || first > last || last > 65535) && get("source").startsWith("rtsp")
        ? found(`is ${JSON.stringify(range)}`, "the first and the last port, such as [32768, 60999]")
        : undefined
    },
    "run"
  ),
  rule(
    "playback-needs-fmp4",
    ["recordFormat", "record"],
    "Playback can't serve recordings in MPEG-TS.",
    (get, { playback }) =>
      playback && get("record") && get("recordFormat") === "mpegts"
        ? found("is mpegts while playback is on, which can't serve it", "fmp4", '"fmp4"')
        : undefined,
    "run",
    "warning"
  ),
  rule(
    "unix-rtp-unstable",
    ["source"],
    "MediaMTX warns of `unix+rtp` sources.",
    (get) =>
      get("source").startsWith("unix+rtp://")
        ? found("is unix+rtp, which MediaMTX calls unstable", "udp+rtp://...")
        : undefined,
    "run",
    "warning"
  )
]
