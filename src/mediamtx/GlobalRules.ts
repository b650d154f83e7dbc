/**
 * What MediaMTX demands of its global fields together. Rules see the effective config: what is not given has its default.
 *
 * @since 0.1.0
 */
import type { Finding, RuleInfo, RuleOrigin } from "./ConfigRule.js"
import { isHashedCredential, isPlainCredential } from "./Credential.js"
import type { ValueOf } from "./FieldType.js"
import { type GlobalFieldName, globalFields } from "./GlobalFields.js"
import { goDurationToNanos } from "./GoDuration.js"
import { redactUrl } from "./GoUrl.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { re2Problem } from "./Re2.js"

type GlobalValue<K extends GlobalFieldName> = ValueOf<(typeof globalFields)[K]["type"]>

/**
 * Reads the effective value of a global field.
 *
 * @since 0.1.0
 * @category models
 */
export type GlobalReader = <K extends GlobalFieldName>(name: K) => GlobalValue<K>

/**
 * @since 0.1.0
 * @category constructors
 */
export const globalReader =
  (config: MediaMTXConfig): GlobalReader =>
  (name) =>
    // The interface and the table are tested to be the same type; TypeScript can't see it for a generic key.
    (config[name] ?? globalFields[name].default) as GlobalValue<typeof name>

/**
 * @since 0.1.0
 * @category models
 */
export interface GlobalRule extends RuleInfo {
  readonly check: (get: GlobalReader) => ReadonlyArray<Finding>
}

const none: ReadonlyArray<Finding> = []

const rule = (
  id: string,
  doc: string,
  check: GlobalRule["check"],
  origin: RuleOrigin = "load",
  severity: "error" | "warning" = "error"
): GlobalRule => ({ id, severity, origin, doc, check })

const when = (broken: boolean, at: string, message: string, expected: string, suggestion?: string) =>
  broken ? [{ at: [at], message, expected, suggestion }] : none

const plainRtsp = (get: GlobalReader) => get("rtsp") && get("rtspEncryption") !== "strict"
const secureRtsp = (get: GlobalReader) => get("rtsp") && get("rtspEncryption") !== "no"
const overUdp = (get: GlobalReader) => get("rtspTransports").includes("udp")
const overMulticast = (get: GlobalReader) => get("rtspTransports").includes("multicast")

type Switch = "api" | "metrics" | "pprof" | "playback" | "rtmp" | "hls" | "webrtc"
const needsAddress = (server: Switch, at: `${Switch}Address`) =>
  rule(`${server}-address-required`, `\`${server}\` needs \`${at}\`.`, (get) =>
    when(get(server) && get(at) === "", at, "is empty", `where ${server} listens, since ${server} is on`)
  )

const required = (id: string, at: GlobalFieldName, why: string, applies: (get: GlobalReader) => boolean): GlobalRule =>
  rule(id, `\`${at}\` is needed ${why}.`, (get) => {
    const value = get(at)
    return when(
      (value === "" || value === 0) && applies(get),
      at,
      value === 0 ? "is 0" : "is empty",
      `a value, which is needed ${why}`
    )
  })

const isHttpUrl = (url: string) => url.startsWith("http://") || url.startsWith("https://")

interface Listener {
  readonly at: GlobalFieldName
  readonly protocol: "tcp" | "udp"
  readonly http: boolean
  readonly on: (get: GlobalReader) => boolean
}

const listener = (
  at: GlobalFieldName,
  protocol: "tcp" | "udp",
  on: (get: GlobalReader) => boolean,
  http = false
): Listener => ({ at, protocol, on, http })

const listeners: ReadonlyArray<Listener> = [
  listener("apiAddress", "tcp", (get) => get("api"), true),
  listener("metricsAddress", "tcp", (get) => get("metrics"), true),
  listener("pprofAddress", "tcp", (get) => get("pprof"), true),
  listener("playbackAddress", "tcp", (get) => get("playback"), true),
  listener("rtspAddress", "tcp", plainRtsp),
  listener("rtspsAddress", "tcp", secureRtsp),
  listener("rtpAddress", "udp", (get) => plainRtsp(get) && overUdp(get)),
  listener("rtcpAddress", "udp", (get) => plainRtsp(get) && overUdp(get)),
  listener("srtpAddress", "udp", (get) => secureRtsp(get) && overUdp(get)),
  listener("srtcpAddress", "udp", (get) => secureRtsp(get) && overUdp(get)),
  listener("rtmpAddress", "tcp", (get) => get("rtmp") && get("rtmpEncryption") !== "strict"),
  listener("rtmpsAddress", "tcp", (get) => get("rtmp") && get("rtmpEncryption") !== "no"),
  listener("hlsAddress", "tcp", (get) => get("hls"), true),
  listener("webrtcAddress", "tcp", (get) => get("webrtc"), true),
  listener("webrtcLocalUDPAddress", "udp", (get) => get("webrtc")),
  listener("webrtcLocalTCPAddress", "tcp", (get) => get("webrtc")),
  listener("srtAddress", "udp", (get) => get("srt")),
  listener("moqHTTP2Address", "tcp", (get) => get("moq"), true),
  listener("moqHTTP3Address", "udp", (get) => get("moq")),
  listener("moqQUICAddress", "udp", (get) => get("moq"))
]

interface Address {
  readonly host: string
  readonly port: string
}

/** Go's `host:port`: the host may be empty or an IPv6 address in brackets; the port a number or a service's name. */
const parseAddress = (text: string): Address | string => {
  const match = /^(\[[^\]]*\]|[^:[\]]*):([^:]*)$/.exec(text)
  if (match === null) return text.includes(":") ? "is not host:port" : "has no port"
  const [, host = "", port = ""] = match
  if (/^[0-9]+$/.test(port) ? Number(port) > 65535 : !/^[A-Za-z][A-Za-z0-9-]*$/.test(port)) {
    return `has the port ${JSON.stringify(port)}, which can't be`
  }
  return { host: host.replace(/^\[|\]$/g, ""), port: port.replace(/^0+(?=[0-9])/, "") }
}

const isAnyHost = (host: string) => host === "" || host === "0.0.0.0" || host === "::"

/** Those that are on, with an address that can be read; Unix sockets aside. */
const openListeners = (get: GlobalReader): ReadonlyArray<{ readonly listener: Listener; readonly address: Address }> =>
  listeners.flatMap((item) => {
    const text = get(item.at)
    if (typeof text !== "string" || text === "" || (item.http && text.startsWith("unix://")) || !item.on(get)) return []
    const address = parseAddress(text)
    return typeof address === "string" ? [] : [{ listener: item, address }]
  })

const addressSyntax = rule(
  "listen-address",
  "The address of a server that is on must be `host:port`.",
  (get) =>
    listeners.flatMap((item) => {
      const text = get(item.at)
      if (typeof text !== "string" || text === "" || (item.http && text.startsWith("unix://")) || !item.on(get))
        return []
      const address = parseAddress(text)
      if (typeof address !== "string") return []
      const meant = /^[0-9]{1,5}$/.test(text) && Number(text) <= 65535 ? JSON.stringify(`:${text}`) : undefined
      return when(true, item.at, `${JSON.stringify(text.slice(0, 60))} ${address}`, "host:port or :port", meant)
    }),
  "start"
)

const addressClash = rule(
  "listen-clash",
  "Two servers that are on can't listen at the same place.",
  (get) => {
    const findings: Array<Finding> = []
    const taken: Array<{ readonly at: string; readonly protocol: string; readonly address: Address }> = []
    for (const { listener: item, address } of openListeners(get)) {
      const other =
        address.port === "0"
          ? undefined
          : taken.find(
              (one) =>
                one.protocol === item.protocol &&
                one.address.port === address.port &&
                (one.address.host === address.host || isAnyHost(one.address.host) || isAnyHost(address.host))
            )
      if (other !== undefined) {
        findings.push({
          at: [item.at],
          message: `is the same ${item.protocol.toUpperCase()} port as ${other.at}`,
          expected: "a port of its own"
        })
      }
      taken.push({ at: item.at, protocol: item.protocol, address })
    }
    return findings
  },
  "start"
)

const portOf = (text: unknown): number | undefined => {
  // Not given, which is another rule's matter.
  if (typeof text === "number") return text === 0 ? undefined : text
  const address = typeof text === "string" ? parseAddress(text) : ""
  return typeof address === "string" || !/^[0-9]+$/.test(address.port) ? undefined : Number(address.port)
}

const pairs = [
  { rtp: "rtpAddress", rtcp: "rtcpAddress", on: (get: GlobalReader) => plainRtsp(get) && overUdp(get) },
  { rtp: "srtpAddress", rtcp: "srtcpAddress", on: (get: GlobalReader) => secureRtsp(get) && overUdp(get) },
  {
    rtp: "multicastRTPPort",
    rtcp: "multicastRTCPPort",
    on: (get: GlobalReader) => plainRtsp(get) && overMulticast(get)
  },
  {
    rtp: "multicastSRTPPort",
    rtcp: "multicastSRTCPPort",
    on: (get: GlobalReader) => secureRtsp(get) && overMulticast(get)
  }
] as const

const rtpPairs = rule(
  "rtp-port-pair",
  "An RTP port must be even, and the RTCP port the next one.",
  (get) =>
    pairs.flatMap(({ rtp, rtcp, on }) => {
      const first = portOf(get(rtp))
      const second = portOf(get(rtcp))
      if (!on(get) || first === undefined || second === undefined) return none
      return [
        ...when(first % 2 !== 0, rtp, `has the odd port ${first}`, "an even port"),
        ...when(
          first % 2 === 0 && second !== first + 1,
          rtcp,
          `has port ${second}`,
          `port ${first + 1}, next to ${rtp}`
        )
      ]
    }),
  "start"
)

const permissionLists = (get: GlobalReader) => [
  ...get("authInternalUsers").map((user, index) => ({
    at: ["authInternalUsers", String(index), "permissions"],
    permissions: user.permissions ?? []
  })),
  { at: ["authHTTPExclude"], permissions: get("authHTTPExclude") },
  { at: ["authJWTExclude"], permissions: get("authJWTExclude") }
]

/**
 * @since 0.1.0
 * @category tables
 */
export const globalRules: ReadonlyArray<GlobalRule> = [
  ...(["readTimeout", "writeTimeout"] as const).map((at) =>
    rule(
      at === "readTimeout" ? "read-timeout-positive" : "write-timeout-positive",
      `\`${at}\` must be more than 0.`,
      (get) => when((goDurationToNanos(get(at)) ?? 1n) <= 0n, at, `is ${JSON.stringify(get(at))}`, "more than 0s")
    )
  ),
  rule("write-queue-size-power", "`writeQueueSize` must be a power of two.", (get) => {
    const size = get("writeQueueSize")
    const near = size < 1 ? 512 : 2 ** Math.max(0, Math.round(Math.log2(size)))
    return when(!Number.isInteger(Math.log2(size)), "writeQueueSize", `is ${size}`, "a power of two", String(near))
  }),
  rule("udp-max-payload-size", "`udpMaxPayloadSize` is at most 1472.", (get) =>
    when(get("udpMaxPayloadSize") > 1472, "udpMaxPayloadSize", `is ${get("udpMaxPayloadSize")}`, "at most 1472")
  ),

  rule("user-name-required", "A user of `authInternalUsers` needs a name.", (get) =>
    get("authMethod") !== "internal"
      ? none
      : get("authInternalUsers").flatMap((user, index) =>
          (user.user ?? "") === ""
            ? [
                {
                  at: ["authInternalUsers", String(index), "user"],
                  message: "is empty",
                  expected: "a name; any for everybody"
                }
              ]
            : []
        )
  ),
  rule("any-user-password", "The user `any` has no password.", (get) =>
    get("authMethod") !== "internal"
      ? none
      : get("authInternalUsers").flatMap((user, index) =>
          user.user === "any" && (user.pass ?? "") !== ""
            ? [
                {
                  at: ["authInternalUsers", String(index), "pass"],
                  message: "is set for the user any, which is everybody",
                  expected: "no password, or a user with another name"
                }
              ]
            : []
        )
  ),
  rule("auth-http-address-required", "`authMethod: http` needs `authHTTPAddress`.", (get) =>
    when(
      get("authMethod") === "http" && get("authHTTPAddress") === "",
      "authHTTPAddress",
      "is empty",
      "the URL to ask, since authMethod is http"
    )
  ),
  rule("auth-http-address-url", "`authHTTPAddress` must be an http or https URL.", (get) =>
    when(
      get("authMethod") === "http" && get("authHTTPAddress") !== "" && !isHttpUrl(get("authHTTPAddress")),
      "authHTTPAddress",
      `${redactUrl(get("authHTTPAddress"))} is no http URL`,
      "a URL that begins with http:// or https://"
    )
  ),
  rule("auth-jwt-jwks-required", "`authMethod: jwt` needs `authJWTJWKS`.", (get) =>
    when(
      get("authMethod") === "jwt" && get("authJWTJWKS") === "",
      "authJWTJWKS",
      "is empty",
      "the URL of the keys, since authMethod is jwt"
    )
  ),
  rule("auth-jwt-jwks-url", "`authJWTJWKS` must be an http or https URL.", (get) =>
    when(
      get("authMethod") === "jwt" && get("authJWTJWKS") !== "" && !isHttpUrl(get("authJWTJWKS")),
      "authJWTJWKS",
      `${redactUrl(get("authJWTJWKS"))} is no http URL`,
      "a URL that begins with http:// or https://"
    )
  ),
  rule("auth-jwt-claim-key-required", "`authMethod: jwt` needs `authJWTClaimKey`.", (get) =>
    when(
      get("authMethod") === "jwt" && get("authJWTClaimKey") === "",
      "authJWTClaimKey",
      "is empty",
      "the name of a claim, since authMethod is jwt"
    )
  ),

  needsAddress("api", "apiAddress"),
  needsAddress("metrics", "metricsAddress"),
  needsAddress("pprof", "pprofAddress"),
  needsAddress("playback", "playbackAddress"),

  required("rtsp-address-required", "rtspAddress", "while RTSP is on and not strictly encrypted", plainRtsp),
  required(
    "rtp-address-required",
    "rtpAddress",
    "while plain RTSP may use udp",
    (get) => plainRtsp(get) && overUdp(get)
  ),
  required(
    "rtcp-address-required",
    "rtcpAddress",
    "while plain RTSP may use udp",
    (get) => plainRtsp(get) && overUdp(get)
  ),
  required(
    "multicast-ip-range-required",
    "multicastIPRange",
    "while RTSP may use multicast",
    (get) => get("rtsp") && overMulticast(get)
  ),
  required(
    "multicast-rtp-port-required",
    "multicastRTPPort",
    "while plain RTSP may use multicast",
    (get) => plainRtsp(get) && overMulticast(get)
  ),
  required(
    "multicast-rtcp-port-required",
    "multicastRTCPPort",
    "while plain RTSP may use multicast",
    (get) => plainRtsp(get) && overMulticast(get)
  ),
  required("rtsps-address-required", "rtspsAddress", "while RTSP may be encrypted", secureRtsp),
  required("srtp-address-required", "srtpAddress", "while RTSPS may use udp", (get) => secureRtsp(get) && overUdp(get)),
  required(
    "srtcp-address-required",
    "srtcpAddress",
    "while RTSPS may use udp",
    (get) => secureRtsp(get) && overUdp(get)
  ),
  required(
    "multicast-srtp-port-required",
    "multicastSRTPPort",
    "while RTSPS may use multicast",
    (get) => secureRtsp(get) && overMulticast(get)
  ),
  required(
    "multicast-srtcp-port-required",
    "multicastSRTCPPort",
    "while RTSPS may use multicast",
    (get) => secureRtsp(get) && overMulticast(get)
  ),
  rule("rtsp-auth-methods-required", "RTSP needs at least one of `rtspAuthMethods`.", (get) =>
    when(get("rtsp") && get("rtspAuthMethods").length === 0, "rtspAuthMethods", "is empty", "at least basic")
  ),
  rule("rtsp-digest-internal-only", "RTSP digest works with `authMethod: internal` only.", (get) =>
    when(
      get("rtsp") && get("rtspAuthMethods").includes("digest") && get("authMethod") !== "internal",
      "rtspAuthMethods",
      `has digest while authMethod is ${get("authMethod")}`,
      "basic alone, since digest hides the password that has to be passed on",
      '["basic"]'
    )
  ),
  rule("rtsp-digest-plain-only", "RTSP digest does not work with hashed users or passwords.", (get) =>
    !get("rtsp") || !get("rtspAuthMethods").includes("digest") || get("authMethod") !== "internal"
      ? none
      : get("authInternalUsers").flatMap((user, index) =>
          (["user", "pass"] as const).flatMap((at) =>
            isHashedCredential(user[at] ?? "")
              ? [
                  {
                    at: ["authInternalUsers", String(index), at],
                    message: "is hashed while rtspAuthMethods has digest",
                    expected: "plain credentials, or rtspAuthMethods with basic alone"
                  }
                ]
              : []
          )
        )
  ),

  needsAddress("rtmp", "rtmpAddress"),
  needsAddress("hls", "hlsAddress"),
  rule("hls-cdn-secret-characters", "`hlsCDNSecret` takes the characters of a plain credential.", (get) =>
    when(
      get("hlsCDNSecret") !== "" && !isPlainCredential(get("hlsCDNSecret")),
      "hlsCDNSecret",
      "has characters that MediaMTX refuses",
      "letters, digits and !$()*+.;<=>[]^_-{}@#& only"
    )
  ),

  needsAddress("webrtc", "webrtcAddress"),
  rule("ice-server-url", "An ICE server is a stun:, turn: or turns: URL.", (get) =>
    !get("webrtc")
      ? none
      : get("webrtcICEServers2").flatMap((server, index) =>
          /^(?:stun|turns?):/.test(server.url ?? "")
            ? []
            : [
                {
                  at: ["webrtcICEServers2", String(index), "url"],
                  message: (server.url ?? "") === "" ? "is empty" : `${redactUrl(server.url ?? "")} is no ICE server`,
                  expected: "stun:host:port, turn:host:port or turns:host:port"
                }
              ]
        )
  ),
  rule("webrtc-listener-required", "WebRTC needs a local UDP or TCP address or an ICE server.", (get) =>
    when(
      get("webrtc") &&
        get("webrtcLocalUDPAddress") === "" &&
        get("webrtcLocalTCPAddress") === "" &&
        get("webrtcICEServers2").length === 0,
      "webrtcLocalUDPAddress",
      "is empty, and so are webrtcLocalTCPAddress and webrtcICEServers2",
      "at least one of the three"
    )
  ),
  rule("webrtc-hosts-required", "WebRTC with a local address needs hosts to tell clients.", (get) =>
    when(
      get("webrtc") &&
        (get("webrtcLocalUDPAddress") !== "" || get("webrtcLocalTCPAddress") !== "") &&
        !get("webrtcIPsFromInterfaces") &&
        get("webrtcAdditionalHosts").length === 0,
      "webrtcAdditionalHosts",
      "is empty while webrtcIPsFromInterfaces is false",
      "a host for clients to connect to, or webrtcIPsFromInterfaces: true"
    )
  ),
  rule("moq-quic-address-required", "`moq` needs `moqQUICAddress`.", (get) =>
    when(get("moq") && get("moqQUICAddress") === "", "moqQUICAddress", "is empty", "where MoQ listens, since moq is on")
  ),

  addressSyntax,
  addressClash,
  rtpPairs,
  rule(
    "permission-path-regex",
    "A permission with a broken regular expression is never granted.",
    (get) =>
      permissionLists(get).flatMap(({ at, permissions }) =>
        permissions.flatMap((permission, index) => {
          const path = permission.path ?? ""
          const found = path.startsWith("~") ? re2Problem(path.slice(1)) : undefined
          return found === undefined ? [] : [{ at: [...at, String(index), "path"], ...found }]
        })
      ),
    "run",
    "warning"
  ),
  rule(
    "exclude-opens-admin",
    "An action in an exclude list is open to everybody who reaches the port, from any address.",
    (get) =>
      (["authHTTPExclude", "authJWTExclude"] as const).flatMap((at) =>
        get("authMethod") !== (at === "authHTTPExclude" ? "http" : "jwt")
          ? none
          : get(at).flatMap((permission, index) =>
              permission.action === "api" || permission.action === "pprof"
                ? [
                    {
                      at: [at, String(index)],
                      message: `opens ${permission.action} to everybody, whatever their address`,
                      expected: "a decision by the auth server, or an address that only localhost reaches"
                    }
                  ]
                : []
            )
      ),
    "run",
    "warning"
  )
]
