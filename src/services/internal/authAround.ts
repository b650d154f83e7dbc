/**
 * What the policies that stand around another one have in common: who asks, as a key of bounded size, and how to go on with
 * the other one's decision.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import { tokenInQuery } from "../../mediamtx/QueryString.js"
import * as IpSet from "../AuthPolicy/IpSet.js"
import * as PathPattern from "../AuthPolicy/PathPattern.js"
import { sha256Base64 } from "../AuthPolicy/Sha256.js"
import { type AuthDecision, type AuthPolicyShape, fromPlain, type PlainAuthRequest } from "../AuthPolicy.js"

/** A decision that is known already, or how to come to it. */
export type Deciding = AuthDecision | Effect.Effect<AuthDecision>

/** How the policy is asked in plain text. */
export const asking = (policy: AuthPolicyShape): ((request: PlainAuthRequest) => Deciding) =>
  policy.unsafeDecide ?? ((request) => policy.decide(fromPlain(request)))

/** Goes on with the decision: now if it is known. */
export const andThen = (deciding: Deciding, f: (decision: AuthDecision) => AuthDecision): Deciding => {
  if (!Effect.isEffect(deciding)) return f(deciding)
  return Exit.isExit(deciding) && Exit.isSuccess(deciding)
    ? // The guard forgets the type of the effect's value, which is the type of the exit's.
      f(deciding.value as AuthDecision)
    : Effect.map(deciding, f)
}

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

const REMEMBERED_PATHS = 4096

/** What is wrong with the first of these patterns that is no pattern. */
export const patternProblem = (
  patterns: ReadonlyArray<string>
): { readonly index: number; readonly message: string } | undefined => {
  for (const [index, text] of patterns.entries()) {
    const parsed = PathPattern.parse(text)
    if (Either.isLeft(parsed)) return { index, message: parsed.left }
  }
  return undefined
}

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
  if (others.length === 0) return (path) => exact.has(path)
  const remembered = new Map<string, boolean>()
  return (path) => {
    const known = remembered.get(path)
    if (known !== undefined) return known
    const takes = exact.has(path) || others.some((pattern) => PathPattern.matches(pattern, path))
    // Bounded in number and size: paths come from clients.
    if (path.length <= 256) {
      if (remembered.size >= REMEMBERED_PATHS) remembered.clear()
      remembered.set(path, takes)
    }
    return takes
  }
}

/** Milliseconds as people say them, rounded up. */
export const inWords = (millis: number): string => {
  const seconds = Math.max(1, Math.ceil(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}
