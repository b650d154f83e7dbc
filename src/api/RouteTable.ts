/** Which methods each route of the API has: for 405 with `Allow` where the path is right and the method is not. */

/** A pattern such as `/nodes/:id` in its segments; undefined stands for any one segment. */
interface Route {
  readonly method: string
  readonly segments: ReadonlyArray<string | undefined>
}

/** What is read of an `HttpApi`. */
export interface Definition {
  readonly groups: Readonly<
    Record<string, { readonly endpoints: Readonly<Record<string, { readonly method: string; readonly path: string }>> }>
  >
}

/** Answers with the methods of a path, sorted; none when there is no such path. */
export const make = (
  api: Definition,
  more: ReadonlyArray<{ readonly method: string; readonly path: string }> = []
): ((path: string) => ReadonlyArray<string>) => {
  const routes: Array<Route> = []
  const add = (method: string, path: string) =>
    routes.push({
      method,
      segments: path.split("/").map((segment) => (segment.startsWith(":") ? undefined : segment))
    })
  for (const group of Object.values(api.groups)) {
    for (const endpoint of Object.values(group.endpoints)) add(endpoint.method, endpoint.path)
  }
  for (const { method, path } of more) add(method, path)

  return (path) => {
    const given = path.split("/")
    const methods = new Set<string>()
    for (const { method, segments } of routes) {
      // A `*` at the end stands for the rest, which is not empty.
      const open = segments[segments.length - 1] === "*"
      const fits =
        (open
          ? given.length >= segments.length && given[segments.length - 1] !== ""
          : segments.length === given.length) &&
        segments.every((segment, i) =>
          segment === undefined ? given[i] !== "" : segment === given[i] || (open && i === segments.length - 1)
        )
      if (!fits) continue
      methods.add(method)
      if (method === "GET") methods.add("HEAD")
    }
    return [...methods].sort()
  }
}
