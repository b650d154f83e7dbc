/**
 * Discovery: the live nodes in the words of Prometheus, Traefik and HAProxy.
 *
 * Nodes of which nothing says how they are reached are left out, and so are servers that their config turns off.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import type { FleetSnapshot } from "./FleetState.js"
import { portOf, serverOf } from "./internal/nodeUrls.js"
import { addressOf, parseHostPort, type ViewerProtocol, viewerProtocols } from "./NodeDirectory.js"
import type { Labels, NodeSelector } from "./NodeLabels.js"
import type { NodeRecord, NodeRegistryError, NodeRegistryShape } from "./NodeRegistry.js"
import type { TopologyShape } from "./Topology.js"

/** A node and how it is reached from within: by `address`, else by `public`. */
export interface DiscoveredNode {
  readonly record: NodeRecord
  readonly config: MediaMTXConfig
  readonly labels: Labels
  readonly host: string
}

/** The nodes that are reached by something, in the order of their ids. */
export const nodes = (
  services: { readonly topology: TopologyShape; readonly registry: Pick<NodeRegistryShape, "list"> },
  selector?: NodeSelector | undefined
): Effect.Effect<ReadonlyArray<DiscoveredNode>, NodeRegistryError> =>
  Effect.gen(function* () {
    const { registry, topology } = services
    const { addresses } = topology.current()
    const out: Array<DiscoveredNode> = []
    for (const record of yield* registry.list) {
      const labels = yield* topology.labelsOf(record.id)
      if (selector !== undefined && !selector.matches(labels)) continue
      const { address, public: host } = addressOf(addresses, record.id)
      const at = address === undefined ? host : parseHostPort(address)?.host
      if (at !== undefined) out.push({ record, config: yield* topology.configOf(record.id), labels, host: at })
    }
    return out
  })

const isUp = ({ record }: DiscoveredNode): boolean => record.status !== "offline"

// ---------------------------------------------------------------------------------------------------------------------
// Prometheus

/** One group of `http_sd`. */
export interface PrometheusTarget {
  readonly targets: ReadonlyArray<string>
  readonly labels: Readonly<Record<string, string>>
}

/** `a.b-c/d` → `a_b_c_d`: what a label may be called. */
const labelName = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_")

/**
 * For `http_sd_configs`: the metrics server of each node, of those too that are offline, so that Prometheus notices that
 * they are. What is under `__meta_mtx_` is for relabelling.
 */
export const prometheus = (all: ReadonlyArray<DiscoveredNode>): ReadonlyArray<PrometheusTarget> =>
  all
    .filter(({ config }) => config.metrics === true)
    .map(({ config, host, labels, record }) => ({
      targets: [`${host}:${portOf(config.metricsAddress, 9998)}`],
      labels: {
        __meta_mtx_node: record.id,
        __meta_mtx_status: record.status,
        ...(record.mediamtxVersion !== null && { __meta_mtx_version: record.mediamtxVersion }),
        ...Object.fromEntries(
          Object.entries(labels)
            .filter(([name]) => name !== "node")
            .map(([name, value]) => [`__meta_mtx_label_${labelName(name)}`, value])
        ),
        ...(config.metricsEncryption === true && { __scheme__: "https" })
      }
    }))

// ---------------------------------------------------------------------------------------------------------------------
// Traefik

interface HttpService {
  readonly loadBalancer: {
    readonly servers: ReadonlyArray<{ readonly url: string }>
    readonly sticky: { readonly cookie: { readonly name: string; readonly httpOnly: boolean } }
  }
}
interface SocketService {
  readonly loadBalancer: { readonly servers: ReadonlyArray<{ readonly address: string }> }
}

/** Dynamic configuration: services alone, routers are the proxy's own. */
export interface TraefikConfig {
  readonly http?: { readonly services: Readonly<Record<string, HttpService>> }
  readonly tcp?: { readonly services: Readonly<Record<string, SocketService>> }
  readonly udp?: { readonly services: Readonly<Record<string, SocketService>> }
}

const serversOf = (all: ReadonlyArray<DiscoveredNode>, protocol: ViewerProtocol) =>
  all.filter(isUp).flatMap(({ config, host, record }) => {
    const server = serverOf(config, protocol)
    return server === undefined ? [] : [{ node: record.id, scheme: server.scheme, address: `${host}:${server.port}` }]
  })

/**
 * For Traefik's http provider: `mtx-hls`, `mtx-webrtc`, `mtx-rtsp`, `mtx-rtmp`, `mtx-srt`, each with all live nodes. Traefik
 * takes no services without servers and no empty sections: those are left out. A session of HLS or WebRTC is known to one
 * node only, so there a cookie keeps viewers with theirs.
 */
export const traefik = (all: ReadonlyArray<DiscoveredNode>): TraefikConfig => {
  const http: Record<string, HttpService> = {}
  const tcp: Record<string, SocketService> = {}
  const udp: Record<string, SocketService> = {}
  for (const protocol of viewerProtocols) {
    const servers = serversOf(all, protocol)
    if (servers.length === 0) continue
    const name = `mtx-${protocol}`
    if (protocol === "hls" || protocol === "webrtc") {
      http[name] = {
        loadBalancer: {
          servers: servers.map(({ address, scheme }) => ({ url: `${scheme}://${address}` })),
          sticky: { cookie: { name: `mtx_${protocol}`, httpOnly: true } }
        }
      }
    } else {
      const sockets = protocol === "srt" ? udp : tcp
      sockets[name] = { loadBalancer: { servers: servers.map(({ address }) => ({ address })) } }
    }
  }
  return {
    ...(Object.keys(http).length > 0 && { http: { services: http } }),
    ...(Object.keys(tcp).length > 0 && { tcp: { services: tcp } }),
    ...(Object.keys(udp).length > 0 && { udp: { services: udp } })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// HAProxy, which has no UDP: no SRT

/** What HAProxy can carry. */
export const haproxyProtocols = ["rtsp", "rtmp", "hls", "webrtc"] as const
/** @since 0.1.0 */
export type HaproxyProtocol = (typeof haproxyProtocols)[number]

const serverLine = (
  { address, node, scheme }: { readonly address: string; readonly node: string; readonly scheme: string },
  protocol: HaproxyProtocol
): string => {
  const http = protocol === "hls" || protocol === "webrtc"
  // TLS of RTSPS and RTMPS goes through as it is; that of HTTP ends here, with a certificate that a node makes itself.
  const tls = scheme === "https" ? " ssl verify none" : ""
  return `server ${node} ${address} check${tls}${http ? ` cookie ${node}` : ""}`
}

/** The lines of one backend, without the backend. */
export const haproxyServers = (all: ReadonlyArray<DiscoveredNode>, protocol: HaproxyProtocol): string =>
  serversOf(all, protocol)
    .map((server) => `${serverLine(server, protocol)}\n`)
    .join("")

/** Whole backends, `mtx-hls` and so on, to be included as they are. One without a server answers 503. */
export const haproxyBackends = (all: ReadonlyArray<DiscoveredNode>): string =>
  haproxyProtocols
    .map((protocol) => {
      const http = protocol === "hls" || protocol === "webrtc"
      const head = http
        ? `backend mtx-${protocol}\n    mode http\n    balance leastconn\n    cookie mtx_${protocol} insert indirect nocache httponly\n`
        : `backend mtx-${protocol}\n    mode tcp\n    balance leastconn\n`
      return (
        head +
        serversOf(all, protocol)
          .map((server) => `    ${serverLine(server, protocol)}\n`)
          .join("")
      )
    })
    .join("\n")

/**
 * A map file for `map_beg`: what the paths of requests for a stream begin with, `/cams/a/`, and the node with the fewest
 * readers that has it, which is also the name of its server.
 */
export const haproxyMap = (all: ReadonlyArray<DiscoveredNode>, snapshot: FleetSnapshot): string => {
  const up = new Set(all.filter(isUp).map(({ record }) => record.id))
  const best = new Map<string, FleetSnapshot["paths"][number]>()
  for (const path of snapshot.paths) {
    if (!path.available || !up.has(path.node)) continue
    const known = best.get(path.path)
    if (
      known === undefined ||
      path.readers < known.readers ||
      (path.readers === known.readers && path.node < known.node)
    ) {
      best.set(path.path, path)
    }
  }
  return [...best]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { node }]) => `/${path}/ ${node}\n`)
    .join("")
}
