import * as OpenApi from "@effect/platform/OpenApi"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ManagerApi } from "../../src/api/ManagerApi.js"
import { Door, doors } from "./Door.js"

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Every `$ref` in a document. */
const refs = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(refs)
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" ? [String(inner)] : refs(inner)))
}

const at = (document: unknown, pointer: string): unknown =>
  pointer
    .slice(2)
    .split("/")
    .reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), document)

describe("OpenAPI", () => {
  const spec = OpenApi.fromApi(ManagerApi)

  it("describes every route", () => {
    const found = Object.entries(spec.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    )
    assert.sameMembers(found, [
      "GET /",
      "POST /auth",
      "GET /auth/decisions",
      "POST /auth/dry-run",
      "POST /hooks",
      "GET /nodes",
      "GET /nodes/{id}",
      "DELETE /nodes/{id}",
      "POST /nodes/{id}/heartbeat",
      "GET /nodes/{id}/commands",
      "POST /sessions/{id}/kick",
      "GET /rollouts",
      "GET /rollouts/{id}",
      "POST /rollouts/{id}/resume",
      "POST /rollouts/{id}/abort",
      "POST /rollouts/{id}/promote",
      "POST /tokens/{id}/revoke",
      "GET /tokens/revoked",
      "GET /commands/{id}",
      "GET /nodes/{id}/config",
      "GET /state",
      "GET /events",
      "GET /traffic",
      "POST /plan",
      "GET /config",
      "PUT /config",
      "POST /config/rollback",
      "GET /config/revisions",
      "GET /config/revisions/{revision}",
      "GET /config/diff",
      "GET /config/explain",
      "GET /recordings",
      "GET /recordings/paths",
      "POST /playback/requests",
      "GET /playback/jobs",
      "GET /playback/jobs/{id}",
      "PUT /playback/jobs/{id}",
      "DELETE /playback/jobs/{id}",
      "POST /playback/jobs/{id}/parts",
      "POST /playback/jobs/{id}/retry",
      "POST /tokens",
      "GET /jwks.json",
      "GET /streams/{path}",
      "GET /groups",
      "GET /discovery/prometheus",
      "GET /discovery/traefik",
      "GET /discovery/haproxy",
      "GET /healthz",
      "GET /readyz",
      "GET /metrics"
    ])
  })

  it("is whole: a version, unique operation ids, answers for each, every reference and scheme defined", () => {
    assert.match(spec.openapi, /^3\.1\./)
    assert.isNotEmpty(spec.info.title)
    assert.isNotEmpty(spec.info.version)
    const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, operation }))
    )
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const { path, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        assert.match(status, /^[1-5]\d\d$/)
        assert.isString(response.description)
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1])
      const declared = operation.parameters.filter((each) => each.in === "path")
      assert.sameMembers(
        declared.map((each) => each.name),
        inPath
      )
      for (const each of declared) assert.isTrue(each.required)
      for (const requirement of operation.security ?? []) {
        for (const scheme of Object.keys(requirement)) {
          assert.property(spec.components.securitySchemes, scheme)
        }
      }
    }
    for (const ref of refs(spec)) assert.isDefined(at(spec, ref), ref)
  })

  it("tells how each route is secured", () => {
    const secured = Object.fromEntries(
      Object.entries(spec.paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => [
          `${method} ${path}`,
          (operation.security ?? []).flatMap(Object.keys)
        ])
      )
    )
    assert.deepStrictEqual(secured["get /healthz"], [])
    assert.sameMembers(secured["post /auth"] ?? [], ["token", "bearer", "basic"])
    assert.sameMembers(secured["get /state"] ?? [], ["bearer", "basic"])
  })

  it("has our error shape only", () => {
    assert.notInclude(JSON.stringify(spec), "HttpApiDecodeError")
    assert.property(spec.components.schemas, "InvalidRequest")
    assert.property(spec.components.schemas, "HookRecord")
    assert.deepStrictEqual(Object.keys(spec.paths["/auth"]?.post?.responses ?? {}), [
      "204",
      "400",
      "401",
      "403",
      "413",
      "415"
    ])
  })
})

layer(doors["HttpApi as a web handler"])("documents", (it) => {
  it.effect("are served without a credential and without anything from elsewhere", () =>
    Effect.gen(function* () {
      const { call } = yield* Door
      const spec = yield* call("/openapi.json")
      assert.strictEqual(spec.status, 200)
      assert.deepStrictEqual(spec.json(), JSON.parse(JSON.stringify(OpenApi.fromApi(ManagerApi))))
      const page = yield* call("/docs")
      assert.strictEqual(page.status, 200)
      assert.match(page.headers["content-type"] ?? "", /^text\/html/)
      assert.notMatch(page.text, /<script[^>]+src=|<link[^>]+href=/)
    })
  )
})
