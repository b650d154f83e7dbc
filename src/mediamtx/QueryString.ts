/**
 * Query strings of media URLs. They can hold credentials (`rtmp://host/cam?user=u&pass=p`, `?token=...`), so nothing that
 * is logged, stored or shown may carry their values.
 */

/** What a value is replaced by. */
export const REDACTED = "***"

/**
 * Keeps the keys of a query string and hides every value: `user=u&pass=p` becomes `user=***&pass=***`.
 * A part without `=` may itself be a secret, so it is hidden whole.
 */
export const redactQuery = (query: string): string => {
  if (query === "") return ""
  return query
    .split("&")
    .map((part) => {
      const at = part.indexOf("=")
      return at <= 0 ? REDACTED : `${part.slice(0, at)}=${REDACTED}`
    })
    .join("&")
}

/** Parses a raw query string (no leading `?`) into its first value per key. */
export const parseQuery = (query: string): Readonly<Record<string, string>> => {
  const out: Record<string, string> = Object.create(null)
  for (const [key, value] of new URLSearchParams(query)) {
    if (!(key in out)) out[key] = value
  }
  return out
}

/** The token that a URL carries as `token` or `jwt`, which MediaMTX hands on without looking at it; empty for none. */
export const tokenInQuery = (query: string): string => {
  // What most queries end with: there is none.
  if (!query.includes("token=") && !query.includes("jwt=")) return ""
  const { jwt, token } = parseQuery(query)
  return token || jwt || ""
}
