/**
 * Configs with old names, and what they are rewritten to. Shown to the real server too, which must come to the same effective
 * config from both.
 */
export interface DeprecationCase {
  readonly name: string
  readonly old: Readonly<Record<string, unknown>>
  /** What differs from the base afterwards. */
  readonly live: Readonly<Record<string, unknown>>
  readonly warnings: ReadonlyArray<string>
  /** Why the real server's effective config may differ; absent where it must not. */
  readonly differs?: string
}

const any = (action: string, path: string) => ({
  user: "any",
  ips: ["0.0.0.0/0"],
  permissions: [{ action, path }]
})
const builtIn = [
  { user: "any", permissions: [{ action: "playback" }] },
  {
    user: "any",
    ips: ["127.0.0.1/32", "::1/128"],
    permissions: [{ action: "api" }, { action: "metrics" }, { action: "pprof" }]
  }
]

export const deprecationCases: ReadonlyArray<DeprecationCase> = [
  {
    name: "plain renames",
    old: {
      readBufferCount: 256,
      protocols: ["tcp"],
      encryption: "strict",
      serverKey: "a.key",
      serverCert: "a.crt",
      authMethods: ["basic"],
      webrtcICEUDPMuxAddress: "127.0.0.1:1",
      webrtcICETCPMuxAddress: "127.0.0.1:2",
      webrtcICEHostNAT1To1IPs: ["h"],
      moqHTTPS2Address: "127.0.0.1:3",
      moqHTTPS3Address: "127.0.0.1:4"
    },
    live: {
      writeQueueSize: 256,
      rtspTransports: ["tcp"],
      rtspEncryption: "strict",
      rtspServerKey: "a.key",
      rtspServerCert: "a.crt",
      rtspAuthMethods: ["basic"],
      webrtcLocalUDPAddress: "127.0.0.1:1",
      webrtcLocalTCPAddress: "127.0.0.1:2",
      webrtcAdditionalHosts: ["h"],
      moqHTTP2Address: "127.0.0.1:3",
      moqHTTP3Address: "127.0.0.1:4"
    },
    warnings: [
      "deprecated-field readBufferCount",
      "deprecated-field protocols",
      "deprecated-field encryption",
      "deprecated-field serverKey",
      "deprecated-field serverCert",
      "deprecated-field authMethods",
      "deprecated-wins webrtcICEUDPMuxAddress",
      "deprecated-field webrtcICETCPMuxAddress",
      "deprecated-field webrtcICEHostNAT1To1IPs",
      "deprecated-wins moqHTTPS2Address",
      "deprecated-wins moqHTTPS3Address"
    ]
  },
  {
    name: "one origin becomes a list",
    old: {
      apiAllowOrigin: "a",
      metricsAllowOrigin: "b",
      pprofAllowOrigin: "c",
      playbackAllowOrigin: "d",
      hlsAllowOrigin: "e",
      webrtcAllowOrigin: "f"
    },
    live: {
      apiAllowOrigins: ["a"],
      metricsAllowOrigins: ["b"],
      pprofAllowOrigins: ["c"],
      playbackAllowOrigins: ["d"],
      hlsAllowOrigins: ["e"],
      webrtcAllowOrigins: ["f"]
    },
    warnings: [
      "deprecated-field apiAllowOrigin",
      "deprecated-field metricsAllowOrigin",
      "deprecated-field pprofAllowOrigin",
      "deprecated-field playbackAllowOrigin",
      "deprecated-field hlsAllowOrigin",
      "deprecated-field webrtcAllowOrigin"
    ]
  },
  {
    name: "disabling wins over enabling",
    old: { rtspDisable: true, rtmpDisable: true, hlsDisable: true, webrtcDisable: true, rtsp: true },
    live: {},
    warnings: [
      "deprecated-wins rtspDisable",
      "deprecated-wins rtmpDisable",
      "deprecated-wins hlsDisable",
      "deprecated-wins webrtcDisable"
    ]
  },
  {
    name: "not disabling is enabling",
    old: { hlsDisable: false },
    live: { hls: true },
    warnings: ["deprecated-wins hlsDisable"]
  },
  {
    name: "the old auth URL switches the method",
    old: { externalAuthenticationURL: "http://127.0.0.1:1/old", authHTTPAddress: "http://127.0.0.1:1/new" },
    live: { authMethod: "http", authHTTPAddress: "http://127.0.0.1:1/old" },
    warnings: ["deprecated-wins externalAuthenticationURL"]
  },
  {
    name: "ICE servers are taken apart and appended",
    old: { webrtcICEServers: ["turn:u:p:h:3478", "stun:h:1"], webrtcICEServers2: [{ url: "stun:first:1" }] },
    live: {
      webrtcICEServers2: [
        { url: "stun:first:1" },
        { url: "turn:h:3478", username: "u", password: "p" },
        { url: "stun:h:1" }
      ]
    },
    warnings: ["deprecated-field webrtcICEServers"]
  },
  {
    name: "global recording settings move into pathDefaults and win there, not in paths",
    old: {
      record: true,
      recordPath: "%path/%s",
      recordFormat: "mpegts",
      recordPartDuration: "2s",
      recordSegmentDuration: "2h",
      recordDeleteAfter: "2d",
      pathDefaults: { recordPath: "%path/new/%s", maxReaders: 3 },
      paths: { cam: { recordFormat: "fmp4" } }
    },
    live: {
      pathDefaults: {
        recordPath: "%path/%s",
        maxReaders: 3,
        record: true,
        recordFormat: "mpegts",
        recordPartDuration: "2s",
        recordSegmentDuration: "2h",
        recordDeleteAfter: "2d"
      },
      paths: { cam: { recordFormat: "fmp4" } }
    },
    warnings: [
      "deprecated-field record",
      "deprecated-field recordPath",
      "deprecated-field recordFormat",
      "deprecated-field recordPartDuration",
      "deprecated-field recordSegmentDuration",
      "deprecated-field recordDeleteAfter",
      "deprecated-wins recordPath"
    ]
  },
  {
    name: "renames in a path",
    old: {
      paths: {
        cam: {
          runOnReady: "a",
          runOnReadyRestart: true,
          runOnNotReady: "b",
          runOnAvailable: "new",
          disablePublisherOverride: true
        },
        pulled: {
          source: "rtsp://127.0.0.1:1/x",
          sourceOnDemand: true,
          sourceProtocol: "tcp",
          sourceAnyPortEnable: true
        }
      }
    },
    live: {
      paths: {
        cam: { runOnAvailable: "a", runOnAvailableRestart: true, runOnUnavailable: "b", overridePublisher: false },
        pulled: { source: "rtsp://127.0.0.1:1/x", sourceOnDemand: true, rtspTransport: "tcp", rtspAnyPort: true }
      }
    },
    warnings: [
      "deprecated-wins paths.cam.runOnReady",
      "deprecated-field paths.cam.runOnReadyRestart",
      "deprecated-field paths.cam.runOnNotReady",
      "deprecated-field paths.cam.disablePublisherOverride",
      "deprecated-field paths.pulled.sourceProtocol",
      "deprecated-field paths.pulled.sourceAnyPortEnable"
    ]
  },
  {
    name: "an old name in pathDefaults wins over the live one in a path, not over the old one in a path",
    old: {
      pathDefaults: { runOnReady: "default" },
      paths: { a: { runOnAvailable: "mine" }, b: { runOnReady: "mine" }, c: null }
    },
    live: {
      pathDefaults: { runOnAvailable: "default" },
      paths: { a: {}, b: { runOnAvailable: "mine" }, c: {} }
    },
    warnings: [
      "deprecated-field pathDefaults.runOnReady",
      "deprecated-wins paths.a.runOnAvailable",
      "deprecated-field paths.b.runOnReady"
    ]
  },
  {
    name: "credentials in paths become users",
    old: {
      pathDefaults: { readUser: "viewer", readPass: "see" },
      paths: {
        cam: { publishUser: "cam", publishPass: "push", publishIPs: ["10.0.0.0/8"] },
        all_others: { readUser: "other", readPass: "look", readIPs: [] }
      }
    },
    live: {
      authInternalUsers: [
        ...builtIn,
        any("publish", "~^.*$"),
        { user: "other", pass: "look", ips: ["0.0.0.0/0"], permissions: [{ action: "read", path: "~^.*$" }] },
        { user: "cam", pass: "push", ips: ["10.0.0.0/8"], permissions: [{ action: "publish", path: "cam" }] },
        { user: "viewer", pass: "see", ips: ["0.0.0.0/0"], permissions: [{ action: "read", path: "cam" }] }
      ],
      pathDefaults: {},
      paths: { cam: {}, all_others: {} }
    },
    warnings: [
      "deprecated-field pathDefaults.readUser",
      "deprecated-field pathDefaults.readPass",
      "deprecated-field paths.cam.publishUser",
      "deprecated-field paths.cam.publishPass",
      "deprecated-field paths.cam.publishIPs",
      "deprecated-field paths.all_others.readUser",
      "deprecated-field paths.all_others.readPass",
      "deprecated-field paths.all_others.readIPs"
    ]
  },
  {
    name: "read buffers of paths raise the global one",
    old: {
      rtspUDPReadBufferSize: 1000,
      pathDefaults: { mpegtsUDPReadBufferSize: 3000 },
      paths: { cam: { rtpUDPReadBufferSize: 2000, rtspUDPReadBufferSize: 1 } }
    },
    live: { udpReadBufferSize: 3000, pathDefaults: {}, paths: { cam: {} } },
    warnings: [
      "deprecated-field rtspUDPReadBufferSize",
      "deprecated-field pathDefaults.mpegtsUDPReadBufferSize",
      "deprecated-field paths.cam.rtpUDPReadBufferSize",
      "deprecated-field paths.cam.rtspUDPReadBufferSize"
    ],
    differs: "the server keeps the old values beside the global one"
  },
  {
    name: "camera settings take what the encoder would have taken",
    old: {
      paths: {
        a: {
          source: "rpiCamera",
          rpiCameraProfile: "main",
          rpiCameraLevel: "4.2",
          rpiCameraHardwareH264Profile: "high",
          rpiCameraHardwareH264Level: "4.0",
          rpiCameraJPEGQuality: 70
        },
        b: {
          source: "rpiCamera",
          rpiCameraCamID: 1,
          rpiCameraCodec: "softwareH264",
          rpiCameraSoftwareH264Profile: "baseline",
          rpiCameraSoftwareH264Level: "4.0",
          rpiCameraHardwareH264Profile: "high"
        }
      }
    },
    live: {
      paths: {
        a: { source: "rpiCamera", rpiCameraMJPEGQuality: 70, rpiCameraH264Profile: "main", rpiCameraH264Level: "4.2" },
        b: {
          source: "rpiCamera",
          rpiCameraCamID: 1,
          rpiCameraCodec: "softwareH264",
          rpiCameraH264Profile: "baseline",
          rpiCameraH264Level: "4.0"
        }
      }
    },
    warnings: [
      "deprecated-field paths.a.rpiCameraJPEGQuality",
      "deprecated-field paths.a.rpiCameraProfile",
      "deprecated-field paths.a.rpiCameraHardwareH264Profile",
      "deprecated-field paths.a.rpiCameraLevel",
      "deprecated-field paths.a.rpiCameraHardwareH264Level",
      "deprecated-field paths.b.rpiCameraHardwareH264Profile",
      "deprecated-field paths.b.rpiCameraSoftwareH264Profile",
      "deprecated-field paths.b.rpiCameraSoftwareH264Level"
    ],
    differs: "the server keeps the old values and prefers them in the encoder"
  },
  {
    name: "what nothing replaces is left out",
    old: { authJWTInHTTPQuery: true, paths: { cam: { fallback: "/other", playback: true } } },
    live: { paths: { cam: {} } },
    warnings: [
      "deprecated-field authJWTInHTTPQuery",
      "deprecated-field paths.cam.fallback",
      "deprecated-field paths.cam.playback"
    ]
  }
]
