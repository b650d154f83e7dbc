/**
 * Where webhooks may go: by default only to public addresses, and only over https, so that nobody who may add a webhook
 * reaches through the manager what only the manager reaches (server-side request forgery).
 *
 * A URL is looked at when it is given, and again with each try: a name may mean another address by then. So what counts
 * is {@link refusedAddress}, asked of the very address that a connection is made to.
 */
import * as Either from "effect/Either"
import { type ParsedNetwork, parseIpNetwork } from "../mediamtx/IpNetwork.js"
import * as IpSet from "./AuthPolicy/IpSet.js"

/** What is allowed beside public addresses over https. */
export interface WebhookAllow {
  readonly hosts: ReadonlyArray<{ readonly host: string; readonly plain: boolean }>
  readonly networks: IpSet.IpSet
  /** Those of `networks` that may be called by plain http. */
  readonly plainNetworks: IpSet.IpSet
  /** Whether there is any in them: then a name may stand for an address in it. */
  readonly anyNetwork: boolean
  readonly anyPlainNetwork: boolean
}

export const allowNothing: WebhookAllow = {
  hosts: [],
  networks: IpSet.make([]),
  plainNetworks: IpSet.make([]),
  anyNetwork: false,
  anyPlainNetwork: false
}

const hostName = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/

/**
 * Reads an allow-list, or says what is wrong with it. Each entry is
 *
 * - `receiver.internal` a host, `*.internal` all hosts below one
 * - `10.1.2.3`, `10.0.0.0/8`, `fd00::/8` an address or a network, also when a name stands for it
 * - `http://` and one of these: plain http as well
 */
export const parseAllow = (entries: ReadonlyArray<string>): Either.Either<WebhookAllow, string> => {
  const hosts: Array<{ readonly host: string; readonly plain: boolean }> = []
  const networks: Array<ParsedNetwork> = []
  const plainNetworks: Array<ParsedNetwork> = []
  for (const entry of entries) {
    const plain = /^http:\/\//i.test(entry)
    const rest = (plain ? entry.slice("http://".length) : entry).toLowerCase().replace(/\.$/, "")
    const network = parseIpNetwork(rest.replace(/^\[(.*)\]$/, "$1"))
    if (network !== undefined) {
      networks.push(network)
      if (plain) plainNetworks.push(network)
    } else if (hostName.test(rest) && !/^[0-9.]+$/.test(rest)) hosts.push({ host: rest, plain })
    else return Either.left(entry)
  }
  return Either.right({
    hosts,
    networks: IpSet.make(networks),
    plainNetworks: IpSet.make(plainNetworks),
    anyNetwork: networks.length > 0,
    anyPlainNetwork: plainNetworks.length > 0
  })
}

const setOf = (...networks: ReadonlyArray<string>): IpSet.IpSet =>
  IpSet.make(
    networks.flatMap((text) => {
      const network = parseIpNetwork(text)
      return network === undefined ? [] : [network]
    })
  )

/** By IANA's registries of special-purpose addresses, with what of them is not for everybody. */
const special: ReadonlyArray<readonly [what: string, set: IpSet.IpSet]> = [
  ["this machine", setOf("127.0.0.0/8", "0.0.0.0/8", "::1", "::")],
  ["a private network", setOf("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10")],
  ["a carrier's network", setOf("100.64.0.0/10")],
  // With the metadata services of clouds.
  ["a link-local address", setOf("169.254.0.0/16", "fe80::/10")],
  ["a multicast address", setOf("224.0.0.0/4", "ff00::/8")],
  // Azure's: a public address that only its own machines reach.
  ["a metadata service", setOf("168.63.129.16")],
  [
    "a reserved address",
    setOf(
      "192.0.0.0/24",
      "192.0.2.0/24",
      "192.88.99.0/24",
      "198.18.0.0/15",
      "198.51.100.0/24",
      "203.0.113.0/24",
      "240.0.0.0/4",
      // Within 2000::/3: protocols (Teredo and others that hold IPv4 addresses), documentation, 6to4.
      "2001::/23",
      "2001:db8::/32",
      "2002::/16",
      "3fff::/20"
    )
  ]
]
/** All other IPv6 addresses are not given out. */
const global6 = setOf("2000::/3")
/** NAT64 stands for the IPv4 address in its last 32 bits. */
const nat64 = setOf("64:ff9b::/96")

const inPublic = (address: IpSet.Address): string | undefined => {
  if (address === undefined) return "no IP address"
  if (typeof address === "bigint" && nat64.has(address)) return inPublic(Number(address & 0xffffffffn))
  for (const [what, set] of special) if (set.has(address)) return what
  return typeof address === "number" || global6.has(address) ? undefined : "a reserved address"
}

const allowsHost = (allow: WebhookAllow, host: string, plain: boolean): boolean =>
  allow.hosts.some(
    (entry) =>
      (entry.plain || !plain) &&
      (entry.host.startsWith("*.") ? host.endsWith(entry.host.slice(1)) : host === entry.host)
  )

/** The host of a URL as a name or an address, without brackets and a dot at the end. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "")

/**
 * Why nothing may be sent to this address of the URL's host; undefined when it may. The text says what the address is.
 */
export const refusedAddress = (url: URL, address: string, allow: WebhookAllow): string | undefined => {
  const plain = url.protocol === "http:"
  if (allowsHost(allow, hostOf(url), plain)) return undefined
  const read = IpSet.read(address)
  if ((plain ? allow.plainNetworks : allow.networks).has(read)) return undefined
  const what = inPublic(read)
  if (what !== undefined) return `${address} is ${what}`
  return plain ? `${address} may not be called by plain http` : undefined
}

/** Names that never stand for a public address. */
const localName = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|private|arpa)$/

/** Reads the URL of a webhook, or says what is wrong with it, as far as that can be told without looking a name up. */
export const parseTarget = (text: string, allow: WebhookAllow): Either.Either<URL, string> => {
  if (text.length > 2048) return Either.left("is longer than 2048 characters")
  if (!URL.canParse(text)) return Either.left("is no URL")
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") return Either.left("is neither https:// nor http://")
  if (url.username !== "" || url.password !== "") {
    return Either.left("has a user name or password: receivers know us by the signature")
  }
  if (url.hash !== "" || text.includes("#")) return Either.left("has a # part, which is never sent")
  const plain = url.protocol === "http:"
  const host = hostOf(url)
  if (host === "") return Either.left("has no host")
  if (allowsHost(allow, host, plain)) return Either.right(url)
  if (IpSet.read(host) !== undefined) {
    const refused = refusedAddress(url, host, allow)
    return refused === undefined ? Either.right(url) : Either.left(`can't be called: ${refused}`)
  }
  // What a name stands for is seen when it is called.
  if (plain && !allow.anyPlainNetwork) return Either.left("is plain http: anybody on the way could read and change it")
  if (!allow.anyNetwork && (localName.test(host) || !host.includes("."))) {
    return Either.left(`can't be called: ${host} is a name of a private network`)
  }
  return Either.right(url)
}
