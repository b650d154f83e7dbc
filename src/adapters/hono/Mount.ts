/** Where in an app a request is for, whatever path the app is mounted under. */
import type { Context } from "hono"
import { basePath, baseRoutePath } from "hono/route"

export interface Target {
  /** Where the app is mounted: empty at the root, else a path without a slash at its end. */
  readonly prefix: string
  /** The rest of the path, as it was sent: nothing is decoded. */
  readonly path: string
  /** What stands after the `?`. */
  readonly query: string
  /** Everything before the path: `https://example.com`. */
  readonly origin: string
}

const withoutEnd = (path: string): string => (path.endsWith("/") ? path.slice(0, -1) : path)

/** The path without its first segments. */
const dropSegments = (path: string, count: number): string => {
  let at = 0
  for (let i = 0; i < count; i++) {
    at = path.indexOf("/", at + 1)
    if (at === -1) return ""
  }
  return path.slice(at)
}

/** Splits the request's URL. Read from the URL itself, because Hono's path is decoded. */
export const targetOf = (c: Context): Target => {
  const url = c.req.raw.url
  const start = url.indexOf("/", url.indexOf(":") + 3)
  if (start === -1) return { prefix: "", path: "/", query: "", origin: url }
  const hash = url.indexOf("#", start)
  const end = hash === -1 ? url.length : hash
  const mark = url.indexOf("?", start)
  const question = mark === -1 || mark > end ? end : mark
  const whole = url.slice(start, question)
  const query = question === end ? "" : url.slice(question + 1, end)
  const origin = url.slice(0, start)

  const base = withoutEnd(baseRoutePath(c))
  if (base === "") return { prefix: "", path: whole, query, origin }
  if (whole.startsWith(base) && (whole.length === base.length || whole.charCodeAt(base.length) === 47)) {
    return { prefix: base, path: whole.slice(base.length) || "/", query, origin }
  }
  // A parameter in the prefix, or an escaped spelling of it: a segment is a segment in either.
  const actual = withoutEnd(basePath(c))
  const path = dropSegments(whole, actual.split("/").length - 1)
  return { prefix: whole.slice(0, whole.length - path.length), path: path || "/", query, origin }
}
