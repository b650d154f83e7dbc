/** Which page is shown: what stands after the `#`, such as `#/nodes/north?tab=paths`. */
import { Store } from "./Store.js"

export interface Route {
  /** Decoded segments. */
  readonly path: ReadonlyArray<string>
  readonly query: URLSearchParams
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const read = (): Route => {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2)
  return {
    path: path
      .split("/")
      .filter((part) => part !== "")
      .map(decode),
    query: new URLSearchParams(query)
  }
}

export const route = new Store<Route>(read())
addEventListener("hashchange", () => route.set(read()))

/** The `href` of a page. */
export const link = (path: ReadonlyArray<string>, query: Readonly<Record<string, string>> = {}): string => {
  const text = new URLSearchParams(query).toString()
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`
}
