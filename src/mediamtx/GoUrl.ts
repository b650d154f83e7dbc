/**
 * URLs as Go reads them. The platform's `URL` class repairs and refuses other things than Go does, so that a config
 * checked by it could still be refused by MediaMTX.
 *
 * @since 0.1.0
 */
import { parseIp } from "./IpNetwork.js"

/**
 * The parts of a URL that rules look at.
 *
 * @since 0.1.0
 * @category models
 */
export interface GoUrl {
  /** In lower case; empty when there is none. */
  readonly scheme: string
  /** Present only if an `@` is there. */
  readonly user: { readonly name: string; readonly password: string } | undefined
  /** With its port. */
  readonly host: string
  readonly opaque: string
  readonly fragment: string
}

const controls = /[\u0000-\u001f\u007f]/
const badEscape = /%(?![0-9a-fA-F]{2})/
const userinfo = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/
// A host may escape bytes beyond ASCII, and a percent sign.
const hostText = /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]|[^\u0000-\u007f]|%(?:25|[89a-fA-F][0-9a-fA-F]))*$/
const port = /^(?::[0-9]*)?$/

const hostProblem = (host: string, scheme: string): string | undefined => {
  const bracket = host.lastIndexOf("[")
  if (bracket > 0) return "its host has a stray ["
  if (bracket === 0) {
    const close = host.lastIndexOf("]")
    if (close === -1) return "its host misses a ]"
    if (!port.test(host.slice(close + 1))) return "its port is not a number"
    const address = host.slice(1, close).split("%25")[0] ?? ""
    return address.includes(":") && parseIp(address) !== undefined ? undefined : "its host is not an IPv6 address"
  }
  const first = host.indexOf(":")
  const colon = scheme === "http" || scheme === "https" ? first : host.lastIndexOf(":")
  if (first !== -1 && !port.test(host.slice(colon))) return "its port is not a number"
  return hostText.test(host) ? undefined : "its host has characters that a host can't have"
}

const decode = (text: string): string => {
  // Only emptiness and scheme matter to the rules, so bytes that are not UTF-8 may stay as they are.
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * Parses a URL as Go's `url.Parse` does, or says in a text what is wrong. The text never repeats the URL, which may hold
 * a password.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parseGoUrl = (text: string): GoUrl | string => {
  const hash = text.indexOf("#")
  const main = hash === -1 ? text : text.slice(0, hash)
  const fragment = hash === -1 ? "" : text.slice(hash + 1)
  if (controls.test(main)) return "it has a control character"
  if (badEscape.test(fragment)) return "it has a % that begins no escape"
  const schemeMatch = /^([A-Za-z][A-Za-z0-9+\-.]*):/.exec(main)
  if (schemeMatch === null && main.startsWith(":")) return "it has no scheme"
  const scheme = (schemeMatch?.[1] ?? "").toLowerCase()
  const afterScheme = schemeMatch === null ? main : main.slice(schemeMatch[0].length)
  const question = afterScheme.indexOf("?")
  const rest = question === -1 ? afterScheme : afterScheme.slice(0, question)
  if (!rest.startsWith("/")) {
    if (scheme !== "") return { scheme, user: undefined, host: "", opaque: rest, fragment: decode(fragment) }
    if ((rest.split("/")[0] ?? "").includes(":")) return "it has a colon in front of its first slash"
  }
  let host = ""
  let user: GoUrl["user"]
  let path = rest
  if (rest.startsWith("//") && (scheme !== "" || !rest.startsWith("///"))) {
    const slash = rest.indexOf("/", 2)
    const authority = slash === -1 ? rest.slice(2) : rest.slice(2, slash)
    path = slash === -1 ? "" : rest.slice(slash)
    const at = authority.lastIndexOf("@")
    host = authority.slice(at + 1)
    const wrong = hostProblem(host, scheme)
    if (wrong !== undefined) return wrong
    if (at !== -1) {
      const info = authority.slice(0, at)
      if (!userinfo.test(info) || badEscape.test(info)) {
        return "its user or password has characters that must be percent-encoded"
      }
      const colon = info.indexOf(":")
      user =
        colon === -1
          ? { name: decode(info), password: "" }
          : { name: decode(info.slice(0, colon)), password: decode(info.slice(colon + 1)) }
    }
  }
  if (badEscape.test(path)) return "it has a % that begins no escape"
  return { scheme, user, host, opaque: "", fragment: decode(fragment) }
}

/**
 * A URL as it may be shown: scheme and host. User and password, path (stream keys) and query (tokens) are left out.
 *
 * @since 0.1.0
 * @category formatting
 */
export const redactUrl = (text: string): string => {
  const match = /^([A-Za-z][A-Za-z0-9+\-.]*:\/\/)([^/?#]*)/.exec(text)
  // Without an authority there is no telling which part is the secret.
  if (match === null) return /^[A-Za-z0-9_-]{1,24}$/.test(text) ? text : "(hidden)"
  const [whole, scheme = "", authority = ""] = match
  const tail = text.slice(whole.length)
  // A password with a bare / or # in it is cut in two there, and its first half would be taken for the host.
  if (tail.includes("@")) return `${scheme}(hidden)`
  const at = authority.lastIndexOf("@")
  return `${scheme}${at === -1 ? "" : "***@"}${authority.slice(at + 1)}${tail === "" ? "" : "/..."}`
}
