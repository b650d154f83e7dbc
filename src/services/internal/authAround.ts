/**
 * What the policies that stand around another one have in common: how it is asked, who asks, as a key of bounded size, and
 * how their own settings are read.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type { ConfigIssue } from "../../mediamtx/ConfigIssue.js"
import { tokenInQuery } from "../../mediamtx/QueryString.js"
import * as IpSet from "../AuthPolicy/IpSet.js"
import * as PathPattern from "../AuthPolicy/PathPattern.js"
import { sha256Base64 } from "../AuthPolicy/Sha256.js"
import { type AuthPolicyShape, fromPlain, type PlainAuthRequest } from "../AuthPolicy.js"
import type { Deciding } from "./deciding.js"
import { rememberedByPath } from "./rememberedByPath.js"
import { outcome, type Reader } from "./settings.js"

/** How the policy is asked in plain text. */
export const asking = (policy: AuthPolicyShape): ((request: PlainAuthRequest) => Deciding) =>
  policy.unsafeDecide?.bind(policy) ?? ((request) => policy.decide(fromPlain(request)))

/** Longer texts of clients are kept as their digest: a key never takes more memory than this. */
const LONGEST = 128

export const bounded = (text: string): string => (text.length <= LONGEST ? text : `#${sha256Base64(text)}`)

const dotted = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`

/**
 * The address as one key: IPv6 by its first 64 bits, as whoever has one address there has them all; an IPv4 address that is
 * mapped into IPv6 is that IPv4 address.
 */
export const addressKey = (ip: string): string => {
  if (!ip.includes(":")) return bounded(ip)
  const address = IpSet.read(ip)
  if (address === undefined) return bounded(ip)
  return typeof address === "number" ? dotted(address) : `${(address >> 64n).toString(16)}/64`
}

/**
 * Whether it carries credentials. RTSP clients, and browsers over HLS and WebRTC, first ask without: MediaMTX then makes
 * them ask again.
 */
export const hasCredentials = (request: PlainAuthRequest): boolean =>
  request.user !== "" || request.password !== "" || request.token !== "" || tokenInQuery(request.query) !== ""

/** The name that somebody goes by, or the digest of their token, with a key of this process. Empty for nobody. */
export const makeIdentity = (): ((request: PlainAuthRequest) => string) => {
  let pepper: string | undefined
  return (request) => {
    if (request.user !== "") return bounded(request.user)
    const secret = request.token || request.password || tokenInQuery(request.query)
    if (secret === "") return ""
    // Made when it is needed: a Worker may not draw random numbers while its module is loaded.
    pepper ??= Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(18)))
    return `\0${sha256Base64(`${pepper}\0${secret}`)}`
  }
}

/** The paths that a limit or a quota is for; undefined for all of them, and where nothing is said. */
export const readPaths = (reader: Reader, value: unknown, field: ReadonlyArray<string>) =>
  reader.texts(
    value,
    field,
    'a list of paths (cams/front), globs (cams/*, cams/**) or regular expressions ("~^live/.+$")',
    (text) => Either.match(PathPattern.parse(text), { onLeft: (problem) => problem, onRight: () => undefined })
  )

/** Whether one of the patterns takes the path; undefined takes all. They have been checked. */
export const pathFilter = (patterns: ReadonlyArray<string> | undefined): ((path: string) => boolean) => {
  if (patterns === undefined) return () => true
  const parsed = patterns.map((text) => Either.getOrThrowWith(PathPattern.parse(text), (problem) => new Error(problem)))
  const exact = new Set<string>()
  const others: Array<PathPattern.PathPattern> = []
  for (const pattern of parsed) {
    if (pattern._tag === "Exact") exact.add(pattern.path)
    else others.push(pattern)
  }
  return others.length === 0
    ? (path) => exact.has(path)
    : rememberedByPath((path) => exact.has(path) || others.some((pattern) => PathPattern.matches(pattern, path)))
}

/** Reads a list of settings that have a label each, which no two may share. */
export const readLabelled = <A extends { readonly label: string }>(
  reader: Reader,
  input: unknown,
  at: ReadonlyArray<string>,
  expected: string,
  read: (item: unknown, at: ReadonlyArray<string>, position: number, reader: Reader) => A | undefined
): Either.Either<ReadonlyArray<A>, ReadonlyArray<ConfigIssue>> => {
  const items = reader
    .list(input, at, expected)
    .flatMap((item, index) => read(item, [...at, String(index)], index, reader) ?? [])
  const labels = new Set<string>()
  for (const [index, { label }] of items.entries()) {
    if (labels.has(label)) reader.problem([...at, String(index), "name"], "is there twice", "a name of its own")
    labels.add(label)
  }
  return outcome(reader, items)
}

/** Milliseconds as people say them, rounded up. */
export const inWords = (millis: number): string => {
  const seconds = Math.max(1, Math.ceil(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}
