import { assert, it } from "@effect/vitest"
import { NodeServer } from "@livecams/mtx-manager/node"
import * as Effect from "effect/Effect"
import { createRemoteJWKSet, jwtVerify } from "jose"
import { nodeManager } from "../support/NodeManager.js"

const KEY = "the-key-of-the-test-0123456789"

const server = nodeManager({ key: KEY, base: "https://manager.example.com", server: { port: 0 } })

it.scopedLive("the server issues tokens that its published keys prove (live: the keys and their times are real)", () =>
  Effect.gen(function* () {
    const { url } = yield* NodeServer.NodeServer
    const issue = (body: unknown, key = KEY) =>
      Effect.promise(() =>
        fetch(`${url}/tokens`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          body: JSON.stringify(body)
        })
      )

    const response = yield* issue({
      permissions: [{ action: "read", path: "cam" }],
      subject: "viewer 7",
      lifetime: 60
    })
    assert.strictEqual(response.status, 201)
    const { expiresAt, token } = (yield* Effect.promise(() => response.json())) as { expiresAt: string; token: string }
    // MediaMTX's own way: fetch the keys, check the signature and the issuer.
    const { payload } = yield* Effect.promise(() =>
      jwtVerify(token, createRemoteJWKSet(new URL(`${url}/jwks.json`)), { issuer: "https://manager.example.com" })
    )
    assert.deepStrictEqual(payload["mediamtx_permissions"], [{ action: "read", path: "cam" }])
    assert.strictEqual(payload.sub, "viewer 7")
    assert.strictEqual((payload.exp ?? 0) * 1000, Date.parse(expiresAt))

    const keys = yield* Effect.promise(() => fetch(`${url}/jwks.json`))
    assert.strictEqual(keys.headers.get("cache-control"), "public, max-age=300")
    assert.notInclude(yield* Effect.promise(() => keys.text()), '"d"')

    for (const [body, status] of [
      [{ permissions: [] }, 400],
      [{ permissions: [{ action: "fly" }] }, 400],
      [{ permissions: [{ action: "api", path: "cam" }] }, 400],
      [{ permissions: [{ action: "read" }], lifetime: 10 ** 9 }, 400]
    ] as const) {
      assert.strictEqual((yield* issue(body)).status, status, JSON.stringify(body))
    }
    assert.strictEqual((yield* issue({ permissions: [{ action: "read" }] }, "wrong")).status, 401)
  }).pipe(Effect.provide(server))
)
