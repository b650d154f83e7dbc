/**
 * Every live global field: all that stands at the top level of a MediaMTX config.
 *
 * @since 0.1.0
 */
import {
  AuthMethod,
  Encryption,
  HlsVariant,
  LogDestination,
  LogLevel,
  RtspAuthMethod,
  RtspServerTransport
} from "./ConfigEnums.js"
import { type AnyConfigField, field, type GlobalReload } from "./ConfigField.js"
import { AuthInternalUserType, AuthPermissionType, IceServerType } from "./ConfigObjects.js"
import { boolean, int, list, secretText, text, uint } from "./FieldType.js"
import { GoDuration } from "./GoDuration.js"
import { HookCommand } from "./HookCommand.js"
import { IpNetwork } from "./IpNetwork.js"
import { PathConfigType, PathsType } from "./PathConfigType.js"
import { StringSize } from "./StringSize.js"

/**
 * @since 0.1.0
 * @category tables
 */
export const globalFields = {
  logLevel: field(LogLevel, "info", "everything", "How much is logged."),
  logDestinations: field(list(LogDestination), ["stdout"], "everything", "Where log lines go."),
  logStructured: field(boolean, false, "everything", "Log JSON lines instead of text, to stdout and files.", {
    since: "1.15.6"
  }),
  logFile: field(text, "mediamtx.log", "everything", "File for the destination `file`.", { unit: "file" }),
  sysLogPrefix: field(text, "mediamtx", "everything", "Prefix for the destination `syslog`."),
  dumpPackets: field(boolean, false, "everything", "Write every packet to disk, to hunt bugs.", { since: "1.16.2" }),
  readTimeout: field(
    GoDuration,
    "10s",
    "everything",
    "Longest wait for data from a client or server, and for the answer of the HTTP auth server. More than 0."
  ),
  writeTimeout: field(
    GoDuration,
    "10s",
    "everything",
    "Longest wait for a client or server to take data. More than 0.",
    { formerReload: { before: "1.15.2", reload: "path-manager" } }
  ),
  writeQueueSize: field(
    int,
    512,
    "path-manager",
    "Packets that may wait for each reader. A power of two; more bears bursts, less saves memory.",
    { unit: "packets" }
  ),
  udpMaxPayloadSize: field(int, 1452, "path-manager", "Largest UDP payload to send; at most 1472.", {
    unit: "bytes",
    formerDefaults: [{ before: "1.16.1", default: 1472 }]
  }),
  udpReadBufferSize: field(uint, 0, "path-manager", "Read buffer of every UDP socket; 0 leaves it to the system.", {
    unit: "bytes",
    since: "1.15.4",
    renamedFrom: "rtspUDPReadBufferSize"
  }),
  runOnConnect: field(
    HookCommand,
    "",
    "connections",
    "Command to start when an RTSP(S), RTMP(S) or SRT client connects, before it is known who it is. Killed when it leaves."
  ),
  runOnConnectRestart: field(boolean, false, "connections", "Start `runOnConnect` again 5 seconds after it ended."),
  runOnDisconnect: field(HookCommand, "", "connections", "Command to run when such a client has left."),

  authMethod: field(
    AuthMethod,
    "internal",
    "auth",
    "Who decides on access: the users in this file, an HTTP server that is asked each time, or signed tokens."
  ),
  authInternalUsers: field(
    list(AuthInternalUserType, { name: "list of users" }),
    [
      {
        user: "any",
        pass: "",
        ips: [],
        permissions: [
          { action: "publish", path: "" },
          { action: "read", path: "" },
          { action: "playback", path: "" }
        ]
      },
      {
        user: "any",
        pass: "",
        ips: ["127.0.0.1/32", "::1/128"],
        permissions: [
          { action: "api", path: "" },
          { action: "metrics", path: "" },
          { action: "pprof", path: "" }
        ]
      }
    ],
    "hot",
    "The users of `authMethod: internal`. By default anybody may publish, read and play back, and localhost may do the rest."
  ),
  authHTTPAddress: field(secretText, "", "auth", "The server that `authMethod: http` asks by POST; 2xx allows.", {
    unit: "URL"
  }),
  authHTTPFingerprint: field(
    text,
    "",
    "auth",
    "SHA-256 of that server's TLS certificate; trusts exactly that certificate, self-signed or not.",
    { unit: "hex", since: "1.16.1", lacking: "refuse" }
  ),
  authHTTPExclude: field(
    list(AuthPermissionType, { name: "list of permissions" }),
    [],
    "auth",
    "What everybody may do without the HTTP server being asked, from any address.",
    {
      formerDefaults: [
        {
          before: "1.20.1",
          default: [
            { action: "api", path: "" },
            { action: "metrics", path: "" },
            { action: "pprof", path: "" }
          ]
        }
      ]
    }
  ),
  authJWTJWKS: field(secretText, "", "auth", "Where `authMethod: jwt` gets its public keys.", { unit: "URL" }),
  authJWTJWKSFingerprint: field(
    text,
    "",
    "auth",
    "SHA-256 of that server's TLS certificate; trusts exactly that certificate, self-signed or not.",
    { unit: "hex" }
  ),
  authJWTClaimKey: field(
    text,
    "mediamtx_permissions",
    "auth",
    "The claim of a token that lists what its bearer may do."
  ),
  authJWTExclude: field(
    list(AuthPermissionType, { name: "list of permissions" }),
    [],
    "auth",
    "What everybody may do without a token, from any address."
  ),
  authJWTIssuer: field(text, "", "auth", "The issuer (`iss`) that tokens must name; empty for any.", {
    since: "1.17.0",
    lacking: "refuse"
  }),
  authJWTAudience: field(text, "", "auth", "The audience (`aud`) that tokens must name; empty for any.", {
    since: "1.17.0",
    lacking: "refuse"
  }),

  api: field(boolean, false, "api", "Turn on the control API."),
  apiAddress: field(text, ":9997", "api", "Where the control API listens (TCP, HTTP).", { unit: "host:port" }),
  apiEncryption: field(boolean, false, "api", "Serve HTTPS instead of HTTP."),
  apiServerKey: field(text, "server.key", "api", "Private key for HTTPS, on the node's disk.", { unit: "file" }),
  apiServerCert: field(text, "server.crt", "api", "Certificate for HTTPS, on the node's disk.", { unit: "file" }),
  apiAllowOrigins: field(
    list(text),
    ["*"],
    "api",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "apiAllowOrigin"
    }
  ),
  apiTrustedProxies: field(list(IpNetwork), [], "api", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),

  metrics: field(boolean, false, "metrics", "Turn on the metrics server (Prometheus)."),
  metricsAddress: field(text, ":9998", "metrics", "Where the metrics server (Prometheus) listens (TCP, HTTP).", {
    unit: "host:port"
  }),
  metricsEncryption: field(boolean, false, "metrics", "Serve HTTPS instead of HTTP."),
  metricsServerKey: field(text, "server.key", "metrics", "Private key for HTTPS, on the node's disk.", {
    unit: "file"
  }),
  metricsServerCert: field(text, "server.crt", "metrics", "Certificate for HTTPS, on the node's disk.", {
    unit: "file"
  }),
  metricsAllowOrigins: field(
    list(text),
    ["*"],
    "metrics",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "metricsAllowOrigin"
    }
  ),
  metricsTrustedProxies: field(list(IpNetwork), [], "metrics", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),

  pprof: field(boolean, false, "pprof", "Turn on the profiling server (pprof)."),
  pprofAddress: field(text, ":9999", "pprof", "Where the profiling server (pprof) listens (TCP, HTTP).", {
    unit: "host:port"
  }),
  pprofEncryption: field(boolean, false, "pprof", "Serve HTTPS instead of HTTP."),
  pprofServerKey: field(text, "server.key", "pprof", "Private key for HTTPS, on the node's disk.", { unit: "file" }),
  pprofServerCert: field(text, "server.crt", "pprof", "Certificate for HTTPS, on the node's disk.", { unit: "file" }),
  pprofAllowOrigins: field(
    list(text),
    ["*"],
    "pprof",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "pprofAllowOrigin"
    }
  ),
  pprofTrustedProxies: field(list(IpNetwork), [], "pprof", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),

  playback: field(boolean, false, "playback", "Turn on the playback server, which serves recordings."),
  playbackAddress: field(
    text,
    ":9996",
    "playback",
    "Where the playback server, which serves recordings listens (TCP, HTTP).",
    { unit: "host:port" }
  ),
  playbackEncryption: field(boolean, false, "playback", "Serve HTTPS instead of HTTP."),
  playbackServerKey: field(text, "server.key", "playback", "Private key for HTTPS, on the node's disk.", {
    unit: "file"
  }),
  playbackServerCert: field(text, "server.crt", "playback", "Certificate for HTTPS, on the node's disk.", {
    unit: "file"
  }),
  playbackAllowOrigins: field(
    list(text),
    ["*"],
    "playback",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "playbackAllowOrigin"
    }
  ),
  playbackTrustedProxies: field(list(IpNetwork), [], "playback", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),

  rtsp: field(boolean, true, "rtsp", "Turn on the RTSP server."),
  rtspTransports: field(
    list(RtspServerTransport, { unordered: true }),
    ["udp", "multicast", "tcp"],
    "rtsp",
    "How RTSP clients may carry media; the handshake is always TCP."
  ),
  rtspEncryption: field(
    Encryption,
    "no",
    "path-manager",
    "RTSPS: `no`, `optional` beside plain RTSP, or `strict` without plain RTSP."
  ),
  rtspAddress: field(text, ":8554", "path-manager", "Where plain RTSP listens (TCP).", { unit: "host:port" }),
  rtspsAddress: field(text, ":8322", "rtsps", "Where RTSPS listens (TCP).", { unit: "host:port" }),
  rtpAddress: field(text, ":8000", "rtsp-plain", "Where RTP over UDP arrives. The port must be even.", {
    unit: "host:port"
  }),
  rtcpAddress: field(
    text,
    ":8001",
    "rtsp-plain",
    "Where RTCP over UDP arrives. The port must be that of RTP plus one.",
    {
      unit: "host:port"
    }
  ),
  multicastIPRange: field(text, "224.1.0.0/16", "rtsp-plain", "Addresses for UDP multicast.", { unit: "CIDR" }),
  multicastRTPPort: field(int, 8002, "rtsp-plain", "Port of multicast RTP. Must be even.", { unit: "port" }),
  multicastRTCPPort: field(int, 8003, "rtsp-plain", "Port of multicast RTCP. Must be that of RTP plus one.", {
    unit: "port"
  }),
  srtpAddress: field(text, ":8004", "deferred", "Where encrypted RTP over UDP arrives. The port must be even.", {
    unit: "host:port"
  }),
  srtcpAddress: field(
    text,
    ":8005",
    "deferred",
    "Where encrypted RTCP over UDP arrives. The port must be that of SRTP plus one.",
    { unit: "host:port" }
  ),
  multicastSRTPPort: field(int, 8006, "deferred", "Port of encrypted multicast RTP. Must be even.", { unit: "port" }),
  multicastSRTCPPort: field(int, 8007, "deferred", "Port of encrypted multicast RTCP. Must be that of SRTP plus one.", {
    unit: "port"
  }),
  rtspServerKey: field(text, "server.key", "rtsps", "Private key for RTSPS, on the node's disk.", { unit: "file" }),
  rtspServerCert: field(text, "server.crt", "rtsps", "Certificate for RTSPS, on the node's disk.", { unit: "file" }),
  rtspAuthMethods: field(
    list(RtspAuthMethod),
    ["basic"],
    "rtsp",
    "How RTSP clients may send their password. `digest` needs `authMethod: internal` and plain passwords."
  ),
  rtspTrustedProxies: field(list(IpNetwork), [], "rtsp", "Proxies whose PROXY protocol header is believed.", {
    unit: "IP or CIDR",
    since: "1.19.1",
    lacking: "refuse"
  }),

  rtmp: field(boolean, true, "rtmp", "Turn on the RTMP server."),
  rtmpEncryption: field(
    Encryption,
    "no",
    "rtmp",
    "RTMPS: `no`, `optional` beside plain RTMP, or `strict` without plain RTMP."
  ),
  rtmpAddress: field(text, ":1935", "rtmp-plain", "Where plain RTMP listens (TCP).", { unit: "host:port" }),
  rtmpsAddress: field(text, ":1936", "rtmps", "Where RTMPS listens (TCP).", { unit: "host:port" }),
  rtmpServerKey: field(text, "server.key", "rtmps", "Private key for RTMPS, on the node's disk.", { unit: "file" }),
  rtmpServerCert: field(text, "server.crt", "rtmps", "Certificate for RTMPS, on the node's disk.", { unit: "file" }),
  rtmpTrustedProxies: field(list(IpNetwork), [], "rtmp", "Proxies whose PROXY protocol header is believed.", {
    unit: "IP or CIDR",
    since: "1.19.1",
    lacking: "refuse"
  }),

  hls: field(boolean, true, "hls", "Turn on the HLS server."),
  hlsAddress: field(text, ":8888", "hls", "Where the HLS server listens (TCP, HTTP).", { unit: "host:port" }),
  hlsEncryption: field(boolean, false, "hls", "Serve HTTPS instead of HTTP."),
  hlsServerKey: field(text, "server.key", "hls", "Private key for HTTPS, on the node's disk.", { unit: "file" }),
  hlsServerCert: field(text, "server.crt", "hls", "Certificate for HTTPS, on the node's disk.", { unit: "file" }),
  hlsAllowOrigins: field(
    list(text),
    ["*"],
    "hls",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "hlsAllowOrigin"
    }
  ),
  hlsTrustedProxies: field(list(IpNetwork), [], "hls", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),
  hlsAlwaysRemux: field(
    boolean,
    false,
    "hls",
    "Make HLS of every stream all the time, so that the first viewer need not wait."
  ),
  hlsVariant: field(
    HlsVariant,
    "lowLatency",
    "hls",
    "`mpegts` plays anywhere, `fmp4` is leaner, `lowLatency` has the least delay (and needs HTTPS on Apple devices)."
  ),
  hlsSegmentCount: field(int, 7, "hls", "Segments that are kept for viewers to seek in.", { unit: "segments" }),
  hlsSegmentDuration: field(
    GoDuration,
    "1s",
    "hls",
    "Least length of a segment; a segment always begins with a key frame."
  ),
  hlsPartDuration: field(GoDuration, "200ms", "hls", "Least length of a part (low latency)."),
  hlsSegmentMaxSize: field(StringSize, "50M", "hls", "Most memory that one segment may take.", { unit: "bytes" }),
  hlsDirectory: field(text, "", "hls", "Folder to keep segments in; empty keeps them in memory.", { unit: "folder" }),
  hlsMuxerCloseAfter: field(GoDuration, "60s", "hls", "How long a stream is kept as HLS after the last request."),
  hlsCDNSecret: field(
    secretText,
    "",
    "hls",
    "Bearer token by which a CDN's requests are known. Letters, digits and !$()*+.;<=>[]^_-{}@#& only.",
    { since: "1.18.1" }
  ),

  webrtc: field(boolean, true, "webrtc", "Turn on the WebRTC server."),
  webrtcAddress: field(text, ":8889", "webrtc", "Where the WebRTC server listens (TCP, HTTP).", { unit: "host:port" }),
  webrtcEncryption: field(boolean, false, "webrtc", "Serve HTTPS instead of HTTP."),
  webrtcServerKey: field(text, "server.key", "webrtc", "Private key for HTTPS, on the node's disk.", { unit: "file" }),
  webrtcServerCert: field(text, "server.crt", "webrtc", "Certificate for HTTPS, on the node's disk.", { unit: "file" }),
  webrtcAllowOrigins: field(
    list(text),
    ["*"],
    "webrtc",
    "Origins that browsers may call from (CORS); `http://*.example.com` works.",
    {
      since: "1.15.4",
      lacking: "refuse",
      renamedFrom: "webrtcAllowOrigin"
    }
  ),
  webrtcTrustedProxies: field(list(IpNetwork), [], "webrtc", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR"
  }),
  webrtcLocalUDPAddress: field(text, ":8189", "webrtc", "Where media over UDP arrives; empty for nowhere.", {
    unit: "host:port"
  }),
  webrtcLocalTCPAddress: field(text, "", "webrtc", "Where media over TCP arrives; empty for nowhere.", {
    unit: "host:port"
  }),
  webrtcIPsFromInterfaces: field(boolean, true, "webrtc", "Tell clients the addresses of the node's interfaces."),
  webrtcIPsFromInterfacesList: field(list(text), [], "webrtc", "Only the addresses of these interfaces; [] for all."),
  webrtcAdditionalHosts: field(list(text), [], "webrtc", "More host names and addresses to tell clients."),
  webrtcICEServers2: field(
    list(IceServerType, { name: "list of ICE servers" }),
    [],
    "webrtc",
    "STUN and TURN servers, for clients that can't reach the node directly."
  ),
  webrtcSTUNGatherTimeout: field(GoDuration, "5s", "webrtc", "How long to gather STUN candidates."),
  webrtcHandshakeTimeout: field(GoDuration, "10s", "webrtc", "How long a handshake may take."),
  webrtcTrackGatherTimeout: field(GoDuration, "2s", "webrtc", "How long to wait for a publisher's tracks."),

  srt: field(boolean, true, "srt", "Turn on the SRT server."),
  srtAddress: field(text, ":8890", "srt", "Where SRT listens (UDP).", { unit: "host:port" }),

  moq: field(
    boolean,
    true,
    "moq",
    "Turn on the Media over QUIC server. It is on by default and writes a key and a certificate into the working folder.",
    { since: "1.19.0", absent: false }
  ),
  moqHTTP2Address: field(text, ":8892", "moq", "Where the web client is served (TCP).", {
    unit: "host:port",
    since: "1.19.1",
    renamedFrom: "moqHTTPS2Address"
  }),
  moqHTTP3Address: field(text, ":8892", "moq", "Where WebTransport listens (UDP).", {
    unit: "host:port",
    since: "1.19.1",
    renamedFrom: "moqHTTPS3Address"
  }),
  moqQUICAddress: field(text, ":8893", "moq", "Where plain MoQ over QUIC listens (UDP).", {
    unit: "host:port",
    since: "1.20.0"
  }),
  moqServerKey: field(text, "auto.key", "moq", "Private key, on the node's disk; `auto.key` makes one.", {
    unit: "file",
    since: "1.19.0"
  }),
  moqServerCert: field(text, "auto.crt", "moq", "Certificate, on the node's disk; `auto.crt` makes one.", {
    unit: "file",
    since: "1.19.0"
  }),
  moqAllowOrigins: field(list(text), ["*"], "moq", "Origins that browsers may call from (CORS).", { since: "1.19.0" }),
  moqTrustedProxies: field(list(IpNetwork), [], "moq", "Reverse proxies whose X-Forwarded-For is believed.", {
    unit: "IP or CIDR",
    since: "1.19.0"
  }),

  pathDefaults: field(PathConfigType, {}, "paths", "What every path has unless it says otherwise itself."),
  paths: field(
    PathsType,
    {},
    "paths",
    "The paths by name: `cam`, `~^cam(.*)$` (a regular expression), `all_others` (all that nothing else matches)."
  )
} as const satisfies Readonly<Record<string, AnyConfigField<GlobalReload>>>

/**
 * @since 0.1.0
 * @category models
 */
export type GlobalFieldName = keyof typeof globalFields
