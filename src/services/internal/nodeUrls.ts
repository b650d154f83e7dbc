/** Ports and URLs of a node, by its config and by what is stated of its addresses. */
import { effectivePath } from "../../mediamtx/EffectivePath.js"
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import { type NodeAddress, parseHostPort, type ViewerProtocol } from "../NodeDirectory.js"

/** The port of an address to listen on, such as `:8554`. */
export const portOf = (address: string | undefined, otherwise: number): number => {
  const digits = /:(\d{1,5})$/.exec(address ?? "")?.[1]
  return digits === undefined ? otherwise : Number(digits)
}

/** Whether a server of the node speaks TLS only, and the port that viewers use. */
export const serverOf = (
  config: MediaMTXConfig,
  protocol: ViewerProtocol
): { readonly scheme: string; readonly port: number } | undefined => {
  switch (protocol) {
    case "rtsp":
      if (config.rtsp === false) return undefined
      return config.rtspEncryption === "strict"
        ? { scheme: "rtsps", port: portOf(config.rtspsAddress, 8322) }
        : { scheme: "rtsp", port: portOf(config.rtspAddress, 8554) }
    case "rtmp":
      if (config.rtmp === false) return undefined
      return config.rtmpEncryption === "strict"
        ? { scheme: "rtmps", port: portOf(config.rtmpsAddress, 1936) }
        : { scheme: "rtmp", port: portOf(config.rtmpAddress, 1935) }
    case "hls":
      if (config.hls === false) return undefined
      return { scheme: config.hlsEncryption === true ? "https" : "http", port: portOf(config.hlsAddress, 8888) }
    case "webrtc":
      if (config.webrtc === false) return undefined
      return { scheme: config.webrtcEncryption === true ? "https" : "http", port: portOf(config.webrtcAddress, 8889) }
    case "srt":
      return config.srt === false ? undefined : { scheme: "srt", port: portOf(config.srtAddress, 8890) }
  }
}

/** The host as viewers reach it; undefined when nothing says. */
export const publicHost = (address: NodeAddress): string | undefined =>
  address.public ?? (address.address === undefined ? undefined : parseHostPort(address.address)?.host)

/** The server of a protocol as viewers reach it, without a path; undefined when it is off or nothing says where it is. */
export const baseUrl = (config: MediaMTXConfig, address: NodeAddress, protocol: ViewerProtocol): string | undefined => {
  const server = serverOf(config, protocol)
  if (server === undefined) return undefined
  const stated = address.urls?.[protocol]
  if (stated !== undefined) return stated
  const host = publicHost(address)
  return host === undefined ? undefined : `${server.scheme}://${host}:${server.port}`
}

/** Where a viewer reads a stream. `query` is the viewer's own, as it came. */
export const streamUrl = (base: string, protocol: ViewerProtocol, path: string, query: string): string => {
  const search = query === "" ? "" : `?${query}`
  switch (protocol) {
    case "hls":
      return `${base}/${path}/index.m3u8${search}`
    case "webrtc":
      return `${base}/${path}/${search}`
    case "srt": {
      // MediaMTX has its words in the stream id with colons between: read:PATH:QUERY.
      const words = query === "" ? `read:${path}` : `read:${path}:${query.replaceAll(":", "%3A")}`
      return `${base}?streamid=${encodeURIComponent(words).replaceAll("%3A", ":").replaceAll("%2F", "/")}`
    }
    default:
      return `${base}/${path}${search}`
  }
}

/** Whether an entry of `paths` gets its stream when somebody reads. */
export const startsOnDemand = (config: MediaMTXConfig, key: string): boolean => {
  const path = effectivePath(config, key)
  return path !== undefined && (path.sourceOnDemand === true || path.runOnDemand !== "")
}
