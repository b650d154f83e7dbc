/** Who may ask for clips and cut them on the prebuilt server: what the rules of its manager.yml say, after the key. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeServer from "../../../src/adapters/node/NodeServer.js"
import { nodeManager } from "../../support/NodeManager.js"

const KEY = "key-of-the-playback-rules"
const managerYml = `
auth:
  rules:
    - allow: playback.request
      paths: cam
      ips: 127.0.0.1
    - allow: playback.worker
      nodes: edge-*
`
const server = (trustedProxies: number) =>
  nodeManager({ key: KEY, base: "http://manager.test", managerYml, server: { port: 0, trustedProxies } })

describe("the rules for clips on the prebuilt server", () => {
  it.scopedLive("decide by path and node, and by the address of who asks", () =>
    Effect.gen(function* () {
      const { url } = yield* NodeServer.NodeServer
      const call = (route: string, body?: unknown, forwarded?: string, key = KEY) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}${route}`, {
            method: body === undefined ? "GET" : "POST",
            headers: {
              authorization: `Bearer ${key}`,
              "content-type": "application/json",
              ...(forwarded === undefined ? {} : { "x-forwarded-for": forwarded })
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) })
          })
          return { status: response.status, text: await response.text() }
        })
      const ask = (path: string, forwarded?: string) =>
        call("/playback/requests", { path, start: "2026-01-31T12:00:00Z", duration: 1_000 }, forwarded)

      assert.strictEqual((yield* ask("cam")).status, 202)
      const yard = yield* ask("yard")
      assert.strictEqual(yard.status, 403)
      assert.match(yard.text, /does not allow playback\.request/)
      // Behind a proxy the client's address counts, not the proxy's.
      assert.strictEqual((yield* ask("cam", "203.0.113.7")).status, 403)
      assert.strictEqual((yield* ask("cam", "203.0.113.7, 127.0.0.1")).status, 202)
      assert.strictEqual((yield* call("/playback/jobs?node=edge-1&wait=0")).status, 200)
      const other = yield* call("/playback/jobs?node=cellar&wait=0")
      assert.strictEqual(other.status, 403)
      assert.match(other.text, /does not allow playback\.worker/)
      // The rules come after the key, not in its place.
      assert.strictEqual((yield* call("/playback/jobs?node=edge-1&wait=0", undefined, undefined, "no key")).status, 401)
    }).pipe(Effect.provide(server(1)))
  )

  it.scopedLive("do not believe a header that anyone can send", () =>
    Effect.gen(function* () {
      const { url } = yield* NodeServer.NodeServer
      const response = yield* Effect.promise(() =>
        fetch(`${url}/playback/requests`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${KEY}`,
            "content-type": "application/json",
            "x-forwarded-for": "203.0.113.7"
          },
          body: JSON.stringify({ path: "cam", start: "2026-01-31T12:00:00Z", duration: 1_000 })
        })
      )
      assert.strictEqual(response.status, 202)
    }).pipe(Effect.provide(server(0)))
  )
})
