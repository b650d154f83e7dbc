/**
 * Where a path's stream may come from, go to, or be redirected to.
 *
 * @since 0.1.0
 */
import { didYouMean } from "./DidYouMean.js"
import { type GoUrl, parseGoUrl, redactUrl } from "./GoUrl.js"
import { staticPathNameProblem } from "./PathName.js"

/**
 * A finding about a URL.
 *
 * @since 0.1.0
 * @category models
 */
export interface UrlProblem {
  readonly rule: string
  readonly message: string
  readonly expected: string
  readonly suggestion?: string | undefined
}

const pulled = [
  "rtsp",
  "rtsps",
  "rtsp+http",
  "rtsps+http",
  "rtsp+ws",
  "rtsps+ws",
  "rtmp",
  "rtmps",
  "http",
  "https",
  "udp",
  "udp+mpegts",
  "unix+mpegts",
  "udp+rtp",
  "unix+rtp",
  "srt",
  "moqt",
  "whep",
  "wheps"
] as const

const words = ["publisher", "redirect", "rpiCamera"] as const

const forwarded: ReadonlySet<string> = new Set(["rtmp", "rtmps", "rtsp", "rtsps", "srt", "whip", "whips"])

/**
 * The scheme that a source is pulled by, or `undefined` for words and for what is no source at all.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sourceScheme = (source: string): (typeof pulled)[number] | undefined => {
  // MediaMTX compares the prefix as it is, so RTSP:// is no source.
  const end = source.indexOf("://")
  const scheme = end === -1 ? "" : source.slice(0, end)
  return pulled.find((known) => known === scheme)
}

/** `$G1` in a port becomes a port, elsewhere a word, before the URL is looked at. */
const fillGroups = (url: string): string => url.replace(/:\$G[0-9]+/g, ":1935").replace(/\$G[0-9]+/g, "abc")

const urlProblem = (kind: "source" | "forward", url: string, filled: string): UrlProblem | GoUrl => {
  const parsed = parseGoUrl(fillGroups(filled))
  const expected = "a URL like scheme://host:port/path"
  if (typeof parsed === "string") {
    return { rule: `${kind}-url`, message: `${redactUrl(url)} is not a URL: ${parsed}`, expected }
  }
  if (parsed.scheme === "" || parsed.host === "") {
    return {
      rule: `${kind}-url`,
      message: `${redactUrl(url)} has no ${parsed.scheme === "" ? "scheme" : "host"}`,
      expected
    }
  }
  if (parsed.user !== undefined && (parsed.user.name === "") !== (parsed.user.password === "")) {
    return {
      rule: `${kind}-credentials`,
      message: `${redactUrl(url)} has ${parsed.user.name === "" ? "a password but no user" : "a user but no password"}`,
      expected: "both user and password, or neither"
    }
  }
  return parsed
}

/**
 * What is wrong with a `source`, if anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const sourceProblem = (source: string): UrlProblem | undefined => {
  if (words.some((word) => word === source)) return undefined
  const scheme = sourceScheme(source)
  if (scheme === undefined) {
    const end = source.indexOf("://")
    const near = end === -1 ? didYouMean(source, words) : didYouMean(source.slice(0, end), pulled)
    return {
      rule: "source-unknown",
      message: `${redactUrl(source)} is not a source`,
      expected: "publisher, redirect, rpiCamera, or a URL with one of the schemes that MediaMTX pulls",
      suggestion: near === undefined ? undefined : end === -1 ? JSON.stringify(near) : `${near}://...`
    }
  }
  if (scheme === "unix+mpegts" || scheme === "unix+rtp") return undefined
  const found = urlProblem("source", source, source)
  if ("rule" in found) return found
  if ((scheme === "udp" || scheme === "udp+mpegts" || scheme === "udp+rtp") && !/:[^:\]]*$/.test(found.host)) {
    return {
      rule: "source-port",
      message: `${redactUrl(source)} has no port`,
      expected: "a port, as in udp+mpegts://0.0.0.0:1234"
    }
  }
  return undefined
}

/**
 * What is wrong with the destination of a `forward`, if anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const forwardProblem = (dest: string): UrlProblem | undefined => {
  if (dest === "") return { rule: "forward-empty", message: "is empty", expected: "a URL" }
  const found = urlProblem("forward", dest, dest.replaceAll("$MTX_PATH", "path"))
  if ("rule" in found) return found
  if (forwarded.has(found.scheme)) return undefined
  const near = didYouMean(found.scheme, forwarded)
  return {
    rule: "forward-scheme",
    message: `${redactUrl(dest)} can't be forwarded to`,
    expected: "a URL with scheme rtsp, rtsps, rtmp, rtmps, srt, whip or whips",
    suggestion: near === undefined ? undefined : `${near}://...`
  }
}

/**
 * What is wrong with a `sourceRedirect` or `fallback`, if anything.
 *
 * @since 0.1.0
 * @category predicates
 */
export const redirectProblem = (target: string): UrlProblem | undefined => {
  const expected = "/ and the name of another path, or an RTSP URL"
  if (target.startsWith("/")) {
    const why = staticPathNameProblem(target.slice(1))
    return why === undefined
      ? undefined
      : { rule: "redirect-target", message: `the path name in ${JSON.stringify(target.slice(0, 80))} ${why}`, expected }
  }
  // Cameras write a zone or password with a bare %, which MediaMTX lets pass between @ and the first slash.
  const match = /^(.+?):\/\/(.*?)@(.*?)\/(.*?)$/.exec(target)
  const escaped =
    match === null
      ? target
      : `${match[1]}://${match[2]}@${(match[3] ?? "").replaceAll("%25", "%").replaceAll("%", "%25")}/${match[4]}`
  const parsed = parseGoUrl(escaped)
  const wrong = (why: string): UrlProblem => ({
    rule: "redirect-target",
    message: `${redactUrl(target)} is not an RTSP URL: ${why}`,
    expected
  })
  if (typeof parsed === "string") return wrong(parsed)
  if (parsed.scheme !== "rtsp" && parsed.scheme !== "rtsps") return wrong("its scheme is another")
  if (parsed.opaque !== "") return wrong("it has no // after its scheme")
  if (parsed.fragment !== "") return wrong("it has a #fragment")
  return undefined
}
