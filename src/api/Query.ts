/**
 * Query strings of requests to the manager, parsed without the URL class: once per request on the hot routes.
 */

/** A value, or all values of a key that was given more than once. */
export type QueryValue = string | ReadonlyArray<string>
export type Query = Readonly<Record<string, QueryValue | undefined>>

const empty: Query = Object.freeze(Object.create(null))

/** A malformed escape stays as it is, as in browsers: it then fails the check of the field. */
const decode = (text: string): string => {
  if (text.indexOf("%") === -1 && text.indexOf("+") === -1) return text
  const spaced = text.replaceAll("+", " ")
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

/** Parses what stands after the `?`. Keys given twice become a list, so that they fail the check of a single value. */
export const parse = (text: string): Query => {
  if (text === "") return empty
  const out: Record<string, QueryValue> = Object.create(null)
  let start = 0
  while (start <= text.length) {
    let end = text.indexOf("&", start)
    if (end === -1) end = text.length
    if (end > start) {
      const at = text.indexOf("=", start)
      const separator = at === -1 || at > end ? end : at
      const key = decode(text.slice(start, separator))
      const value = separator === end ? "" : decode(text.slice(separator + 1, end))
      const known = out[key]
      out[key] = known === undefined ? value : typeof known === "string" ? [known, value] : [...known, value]
    }
    start = end + 1
  }
  return out
}

const REMEMBERED = 4_096
const LONGEST = 256
const remembered = new Map<string, Query>()

/**
 * As `parse`, for queries that come again and again: a node's are always the same few. The first of `REMEMBERED` are kept,
 * and all are dropped when there are more, so that invented ones cost no memory.
 */
export const parseRemembered = (text: string): Query => {
  if (text.length > LONGEST) return parse(text)
  const known = remembered.get(text)
  if (known !== undefined) return known
  const query = parse(text)
  if (remembered.size >= REMEMBERED) remembered.clear()
  remembered.set(text, query)
  return query
}

/** The value of a key that was given exactly once. */
export const single = (query: Query, key: string): string | undefined => {
  const value = query[key]
  return typeof value === "string" ? value : undefined
}
