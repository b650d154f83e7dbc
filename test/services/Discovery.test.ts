/** What other programs are told, held against what they say that they read. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { MediaMTXConfig } from "../../src/mediamtx/MediaMTXConfig.js"
import * as Discovery from "../../src/services/Discovery.js"
import { NodeId } from "../../src/services/NodeId.js"
import type { NodeRecord } from "../../src/services/NodeRegistry.js"

const record = (id: string, status: NodeRecord["status"]): NodeRecord => ({
  id: NodeId.make(id),
  status,
  statusSince: 0,
  firstSeen: 0,
  lastSeen: 0,
  lastSeenBy: "config",
  dueAt: null,
  address: null,
  instance: null,
  mediamtxVersion: "v1.20.1",
  startedAt: null,
  appliedHash: null,
  error: null,
  disk: null
})

const found = (
  id: string,
  config: MediaMTXConfig,
  status: NodeRecord["status"] = "online"
): Discovery.DiscoveredNode => ({
  record: record(id, status),
  config,
  labels: { node: id, region: "eu", "a.b/c": "x" },
  host: `${id}.internal`
})

const nodes = [
  found("a", { metrics: true, metricsAddress: "127.0.0.1:9100", hlsEncryption: true, rtspEncryption: "strict" }),
  found("b", { hls: false, webrtc: false, rtsp: false, rtmp: false, srt: false }),
  found("c", { metrics: true, metricsEncryption: true, srtAddress: ":9000" }),
  found("gone", { metrics: true }, "offline")
]

/** https://prometheus.io/docs/prometheus/latest/http_sd/: a list of objects with just these two fields, all strings. */
const PrometheusHttpSd = Schema.Array(
  Schema.Struct({
    targets: Schema.Array(Schema.String.pipe(Schema.pattern(/^[^\s/]+:\d+$/))),
    labels: Schema.Record({ key: Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]*$/)), value: Schema.String })
  })
)

/** The part of Traefik's dynamic configuration that is used; it refuses fields that it does not know, and empty maps. */
const filled = <A>(value: Schema.Schema<A>) =>
  Schema.Record({ key: Schema.String.pipe(Schema.pattern(/^[a-z-]+$/)), value }).pipe(
    Schema.filter((services) => Object.keys(services).length > 0)
  )
const Sockets = Schema.Struct({
  services: filled(
    Schema.Struct({
      loadBalancer: Schema.Struct({
        servers: Schema.NonEmptyArray(Schema.Struct({ address: Schema.String.pipe(Schema.pattern(/^[^\s/]+:\d+$/)) }))
      })
    })
  )
})
const TraefikDynamic = Schema.Struct({
  http: Schema.optional(
    Schema.Struct({
      services: filled(
        Schema.Struct({
          loadBalancer: Schema.Struct({
            servers: Schema.NonEmptyArray(
              Schema.Struct({ url: Schema.String.pipe(Schema.pattern(/^https?:\/\/[^\s/]+:\d+$/)) })
            ),
            sticky: Schema.Struct({ cookie: Schema.Struct({ name: Schema.String, httpOnly: Schema.Boolean }) })
          })
        })
      )
    })
  ),
  tcp: Schema.optional(Sockets),
  udp: Schema.optional(Sockets)
})

const strict = <A, I>(schema: Schema.Schema<A, I>, value: unknown) =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(value)), { onExcessProperty: "error" })

describe("Prometheus", () => {
  it("is told of every metrics server, also of nodes that are offline", () => {
    const targets = strict(PrometheusHttpSd, Discovery.prometheus(nodes))
    assert.deepStrictEqual(
      targets.map(({ targets: [first] }) => first),
      ["a.internal:9100", "c.internal:9998", "gone.internal:9998"]
    )
    assert.deepStrictEqual(targets[1]?.labels, {
      __meta_mtx_node: "c",
      __meta_mtx_status: "online",
      __meta_mtx_version: "v1.20.1",
      __meta_mtx_label_region: "eu",
      __meta_mtx_label_a_b_c: "x",
      __scheme__: "https"
    })
    strict(PrometheusHttpSd, Discovery.prometheus([]))
  })
})

describe("Traefik", () => {
  it("is told of the servers of live nodes, by what they speak", () => {
    const config = strict(TraefikDynamic, Discovery.traefik(nodes))
    const urls = (name: string) => config.http?.services[name]?.loadBalancer.servers.map(({ url }) => url)
    assert.deepStrictEqual(urls("mtx-hls"), ["https://a.internal:8888", "http://c.internal:8888"])
    assert.deepStrictEqual(urls("mtx-webrtc"), ["http://a.internal:8889", "http://c.internal:8889"])
    const sockets = (kind: "tcp" | "udp", name: string) =>
      config[kind]?.services[name]?.loadBalancer.servers.map(({ address }) => address)
    assert.deepStrictEqual(sockets("tcp", "mtx-rtsp"), ["a.internal:8322", "c.internal:8554"])
    assert.deepStrictEqual(sockets("udp", "mtx-srt"), ["a.internal:8890", "c.internal:9000"])
  })

  it("is given no empty section and no service without servers", () => {
    assert.deepStrictEqual(Discovery.traefik([found("b", nodes[1]?.config ?? {})]), {})
    assert.deepStrictEqual(Object.keys(strict(TraefikDynamic, Discovery.traefik(nodes.slice(3)))), [])
    const only = Discovery.traefik([found("x", { ...nodes[1]?.config, srt: true })])
    assert.deepStrictEqual(Object.keys(strict(TraefikDynamic, only)), ["udp"])
  })
})

describe("HAProxy", () => {
  it("is given whole backends", () => {
    assert.strictEqual(
      Discovery.haproxyBackends(nodes),
      `backend mtx-rtsp
    mode tcp
    balance leastconn
    server a a.internal:8322 check
    server c c.internal:8554 check

backend mtx-rtmp
    mode tcp
    balance leastconn
    server a a.internal:1935 check
    server c c.internal:1935 check

backend mtx-hls
    mode http
    balance leastconn
    cookie mtx_hls insert indirect nocache httponly
    server a a.internal:8888 check ssl verify none cookie a
    server c c.internal:8888 check cookie c

backend mtx-webrtc
    mode http
    balance leastconn
    cookie mtx_webrtc insert indirect nocache httponly
    server a a.internal:8889 check cookie a
    server c c.internal:8889 check cookie c
`
    )
  })

  it("is given the node with the fewest readers for each stream", () => {
    const path = (node: string, name: string, readers: number, available = true) => ({
      node: NodeId.make(node),
      path: name,
      available,
      online: available,
      since: 0,
      readers
    })
    const paths = [
      path("a", "cams/x", 3),
      path("c", "cams/x", 2),
      path("gone", "cams/x", 0),
      path("a", "cam", 0, false),
      path("c", "b", 1),
      path("a", "b", 1)
    ]
    const snapshot = { cursor: 0, at: 0, nodes: [], paths, publishers: [], readers: [], connections: [] }
    assert.strictEqual(Discovery.haproxyMap(nodes, snapshot), "/b/ a\n/cams/x/ c\n")
  })
})
