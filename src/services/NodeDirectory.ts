/**
 * NodeDirectory: where nodes can be reached, by each other and by viewers.
 *
 * Nodes are behind NAT, and the address that a call came from is a gateway's: nobody but the operator knows by which name
 * one node reaches another. So it is stated, by id or by a pattern of ids, as labels are.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { type ConfigIssue, makeIssue } from "../mediamtx/ConfigIssue.js"
import { unknownKeys } from "../mediamtx/UnknownKeys.js"
import { isNodeId } from "./NodeId.js"
import { isIdPattern, matchesId } from "./NodeLabels.js"

/**
 * What a viewer reads a stream by.
 *
 * @since 0.1.0
 * @category models
 */
export const viewerProtocols = ["rtsp", "rtmp", "hls", "webrtc", "srt"] as const
/** @since 0.1.0 */
export type ViewerProtocol = (typeof viewerProtocols)[number]

/**
 * How one node is reached. In every text, `{node}` stands for the node's id.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeAddress {
  /**
   * As other nodes of its groups reach it: `10.0.0.5`, `10.0.0.5:8554`, or `rtsps://cams.example.com:322`. Without scheme or
   * port, those that its own config says are taken.
   */
  readonly address?: string | undefined
  /** Host as viewers reach it (default: the host of `address`). Ports are those of its config. */
  readonly public?: string | undefined
  /** Whole URLs as viewers reach it, where host and port don't tell: behind a CDN, say. The path is appended. */
  readonly urls?: { readonly [P in ViewerProtocol]?: string | undefined } | undefined
}

/**
 * Addresses by node id or by a pattern of ids. All rules that fit a node count, field by field: a later one wins, and one for
 * the id itself wins over all patterns.
 *
 * @since 0.1.0
 * @category models
 */
export type AddressRules = Readonly<Record<string, NodeAddress>>

const fill = (text: string, node: string): string => text.replaceAll("{node}", node)

/**
 * How a node is reached, by the rules.
 *
 * @example
 * ```ts
 * addressOf({ "eu-*": { address: "{node}.internal" } }, "eu-1") // { address: "eu-1.internal" }
 * ```
 * @since 0.1.0
 * @category conversions
 */
export const addressOf = (rules: AddressRules | undefined, node: string): NodeAddress => {
  if (rules === undefined) return {}
  const fitting = Object.entries(rules)
    .filter(([pattern]) => pattern.includes("*") && matchesId(pattern, node))
    .map(([, rule]) => rule)
  const own = Object.hasOwn(rules, node) ? rules[node] : undefined
  if (own !== undefined) fitting.push(own)
  const out: { address?: string; public?: string; urls?: { [P in ViewerProtocol]?: string } } = {}
  for (const rule of fitting) {
    if (rule.address !== undefined) out.address = fill(rule.address, node)
    if (rule.public !== undefined) out.public = fill(rule.public, node)
    for (const protocol of viewerProtocols) {
      const url = rule.urls?.[protocol]
      if (url !== undefined) out.urls = { ...out.urls, [protocol]: fill(url, node) }
    }
  }
  return out
}

/**
 * A host with what was said of scheme and port.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostPort {
  readonly scheme: string | undefined
  /** As it stands in a URL: an IPv6 address in brackets. */
  readonly host: string
  readonly port: number | undefined
}

const hostPort =
  /^(?:([a-z]+):\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,5}))?$/

/**
 * Reads `host`, `host:port` or `scheme://host:port`; undefined when it is none of them.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parseHostPort = (text: string): HostPort | undefined => {
  const [, scheme, host, digits] = hostPort.exec(text) ?? []
  if (host === undefined) return undefined
  const port = digits === undefined ? undefined : Number(digits)
  return port !== undefined && (port < 1 || port > 65_535) ? undefined : { scheme, host, port }
}

const urlSchemes: { readonly [P in ViewerProtocol]: ReadonlyArray<string> } = {
  rtsp: ["rtsp", "rtsps"],
  rtmp: ["rtmp", "rtmps"],
  hls: ["http", "https"],
  webrtc: ["http", "https"],
  srt: ["srt"]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const ADDRESS = "a host, host:port or rtsp(s)://host:port, as other nodes reach it"

const checkUrl = (protocol: ViewerProtocol, text: string): boolean => {
  let url: URL
  try {
    url = new URL(fill(text, "node"))
  } catch {
    return false
  }
  return (
    urlSchemes[protocol].includes(url.protocol.slice(0, -1)) &&
    url.hostname !== "" &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === ""
  )
}

/**
 * Reads addresses from plain data, or says all that is wrong with them. `at` is where they stand, for the errors.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeAddresses = (
  value: unknown,
  at: ReadonlyArray<string> = ["addresses"]
): Either.Either<AddressRules, ReadonlyArray<ConfigIssue>> => {
  const issues: Array<ConfigIssue> = []
  const error = (
    field: ReadonlyArray<string>,
    rule: string,
    message: string,
    expected: string,
    suggestion?: string | undefined
  ) => issues.push(makeIssue({ severity: "error", rule, field: [...at, ...field], message, expected, suggestion }))

  const unknown = (field: ReadonlyArray<string>, given: object, known: ReadonlyArray<string>) => {
    issues.push(...unknownKeys(given, known, [...at, ...field]))
  }

  const out: Record<string, NodeAddress> = {}
  if (value === undefined || value === null) return Either.right(out)
  if (!isObject(value)) {
    error([], "wrong-type", "is not an object", "addresses by node id, such as a: {address: 10.0.0.5}")
    return Either.left(issues)
  }
  for (const [pattern, given] of Object.entries(value)) {
    if (!(pattern.includes("*") ? isIdPattern(pattern) : isNodeId(pattern))) {
      error([pattern], "node-pattern", "is not a node id", "a node id, in which * may stand for any text")
      continue
    }
    const rule = typeof given === "string" ? { address: given } : given
    if (!isObject(rule)) {
      error([pattern], "wrong-type", "is not an object", "{address, public, urls}, or the address alone")
      continue
    }
    unknown([pattern], rule, ["address", "public", "urls"])
    const good: { address?: string; public?: string; urls?: { [P in ViewerProtocol]?: string } } = {}
    const { address, public: host, urls } = rule
    if (address !== undefined && address !== null) {
      const read = typeof address === "string" ? parseHostPort(fill(address, "node")) : undefined
      if (read === undefined || !(read.scheme === undefined || urlSchemes.rtsp.includes(read.scheme))) {
        error([pattern, "address"], "node-address", "is not an address", ADDRESS)
      } else good.address = String(address)
    }
    if (host !== undefined && host !== null) {
      const read = typeof host === "string" ? parseHostPort(fill(host, "node")) : undefined
      if (read === undefined || read.scheme !== undefined || read.port !== undefined) {
        error(
          [pattern, "public"],
          "node-address",
          "is not a host",
          "a name or an IP, without scheme and port; see urls"
        )
      } else good.public = String(host)
    }
    if (urls !== undefined && urls !== null) {
      if (isObject(urls)) {
        unknown([pattern, "urls"], urls, viewerProtocols)
        for (const protocol of viewerProtocols) {
          const url = urls[protocol]
          if (url === undefined || url === null) continue
          if (typeof url !== "string" || !checkUrl(protocol, url)) {
            const scheme = urlSchemes[protocol].join(" or ")
            error([pattern, "urls", protocol], "node-url", "is not such a URL", `${scheme}, a host, no query or login`)
          } else good.urls = { ...good.urls, [protocol]: url.replace(/\/+$/, "") }
        }
      } else error([pattern, "urls"], "wrong-type", "is not an object", `URLs by ${viewerProtocols.join(", ")}`)
    }
    out[pattern] = good
  }
  return issues.length > 0 ? Either.left(issues) : Either.right(out)
}
