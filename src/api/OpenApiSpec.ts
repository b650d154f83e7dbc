/**
 * Corrects what HttpApi generates by itself: a request that does not fit is answered with this API's `InvalidRequest`,
 * never with HttpApi's own decode error.
 */

const GENERATED = "#/components/schemas/HttpApiDecodeError"
const OURS = "#/components/schemas/InvalidRequest"
const REPLACED: ReadonlySet<string> = new Set(["HttpApiDecodeError", "Issue", "PropertyKey"])

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const replace = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const items = value.map(replace)
    // Where both were possible, one is left.
    const seen = new Set<string>()
    return items.filter((item) => {
      const key = JSON.stringify(item)
      return seen.has(key) ? false : seen.add(key)
    })
  }
  if (!isRecord(value)) return value === GENERATED ? OURS : value
  const out: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) out[key] = replace(inner)
  const anyOf = out["anyOf"]
  if (Array.isArray(anyOf) && anyOf.length === 1 && isRecord(anyOf[0]) && Object.keys(out).length === 1) return anyOf[0]
  return out
}

/** A path that takes the rest of the URL, as OpenAPI knows only single segments: `/streams/*` is `/streams/{path}`. */
const nameRest = (paths: Record<string, unknown>): Record<string, unknown> => {
  const out: Record<string, unknown> = {}
  for (const [path, methods] of Object.entries(paths)) {
    if (!path.endsWith("/*") || !isRecord(methods)) {
      out[path] = methods
      continue
    }
    out[`${path.slice(0, -1)}{path}`] = Object.fromEntries(
      Object.entries(methods).map(([method, operation]) => {
        if (!isRecord(operation) || !Array.isArray(operation["parameters"])) return [method, operation]
        const parameters = operation["parameters"].map((each) =>
          isRecord(each) && each["in"] === "path" && each["name"] === "*" ? { ...each, name: "path" } : each
        )
        return [method, { ...operation, parameters }]
      })
    )
  }
  return out
}

/** An `OpenApi.Transform`. */
export const tidySpec = (spec: Record<string, unknown>): Record<string, unknown> => {
  const tidied = replace(spec)
  if (!isRecord(tidied)) return spec
  if (isRecord(tidied["paths"])) tidied["paths"] = nameRest(tidied["paths"])
  const components = tidied["components"]
  if (isRecord(components) && isRecord(components["schemas"])) {
    const schemas = { ...components["schemas"] }
    for (const name of REPLACED) delete schemas[name]
    tidied["components"] = { ...components, schemas }
  }
  return tidied
}
