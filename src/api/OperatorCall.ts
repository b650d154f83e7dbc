/**
 * What tells who is at the dashboard: the request's credential, else its session cookie, where that may count.
 *
 * A browser sends a cookie along with whatever any page makes it send. So a cookie counts only for requests of our own
 * pages, and for a change only with a header of ours, which no page of another origin can set without being allowed to.
 */
import type { Presented } from "./Access.js"

/** The cookie that holds the session. */
export const SESSION_COOKIE = "mtx_session"
/** What every request of the dashboard carries. */
export const DASHBOARD_HEADER = "x-mtx-dashboard"

/** What is read of a request. Names of headers are lower case. */
export interface OperatorCall {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly header: (name: string) => string | undefined
  /** What its `Authorization` holds. */
  readonly presented: Presented | undefined
}

export const changes = (method: string): boolean => method !== "GET" && method !== "HEAD"

/** The host of an `Origin`, as `Host` says it. */
const hostOf = (origin: string): string | undefined => /^https?:\/\/([^/?#@]+)$/i.exec(origin)?.[1]?.toLowerCase()

/**
 * Why a request can't have been made by one of our pages; undefined when it can. Proxies may rewrite `Host`, so what the
 * browser itself says of the two origins goes before our own comparison; it says so on https and localhost only.
 */
export const foreign = ({ header, method }: Pick<OperatorCall, "header" | "method">): string | undefined => {
  const site = header("sec-fetch-site")
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    return "a page of another origin made this request: its session does not count"
  }
  if (!changes(method)) return undefined
  if (header(DASHBOARD_HEADER) === undefined) {
    return `with a session, a change needs the header ${DASHBOARD_HEADER}`
  }
  const origin = header("origin")
  if (site !== undefined || origin === undefined) return undefined
  const host = hostOf(origin)
  const own = [header("host"), header("x-forwarded-host")?.split(",")[0]?.trim()]
  return host !== undefined && own.some((name) => name?.toLowerCase() === host)
    ? undefined
    : "the request's Origin is another one than this manager's: its session does not count"
}

/** The session's text in a `Cookie` header. */
export const sessionIn = (cookies: string | undefined): string | undefined => {
  if (cookies === undefined) return undefined
  for (const pair of cookies.split(";")) {
    const at = pair.indexOf("=")
    if (at !== -1 && pair.slice(0, at).trim() === SESSION_COOKIE) return pair.slice(at + 1).trim()
  }
  return undefined
}

/** Routes that show the config as it is, with the secrets in it. */
const withSecrets = /^\/config(?:$|\/explain$|\/revisions\/)|^\/tokens(?:$|\/)/

/** Whether somebody who may look, and not touch, may have this. */
export const viewerMay = ({ method, path }: Pick<OperatorCall, "method" | "path">): boolean =>
  !changes(method) && !withSecrets.test(path)
