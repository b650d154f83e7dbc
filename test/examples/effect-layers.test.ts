import { expect, it } from "@effect/vitest"
import { NodeServer } from "@livecams/mtx-manager/node"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { server } from "../../examples/effect-layers/server.js"

it.scoped("examples/effect-layers serves, and its own policy decides", () =>
  Effect.gen(function* () {
    const { url } = yield* NodeServer.NodeServer
    const call = (path: string, init?: RequestInit) => Effect.promise(() => fetch(`${url}${path}`, init))
    const key = { authorization: "Bearer a-key-of-your-own-0123456789" }
    const ask = (body: object) =>
      Effect.map(
        call("/auth?node=cam-1&token=a-key-of-your-own-0123456789", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            ...{
              ip: "127.0.0.1",
              user: "",
              password: "",
              token: "",
              protocol: "rtmp",
              id: null,
              query: "",
              userAgent: ""
            },
            ...body
          })
        }),
        (response) => response.status
      )

    const config = yield* call("/?node=cam-1", { headers: key })
    expect(config.status).toBe(200)
    expect(yield* Effect.promise(() => config.text())).toContain("rtmp: false")

    const publish = { action: "publish", path: "cams/1", user: "camera" }
    expect(yield* ask({ ...publish, password: "camera-secret" })).toBe(204)
    expect(yield* ask({ ...publish, password: "wrong" })).toBe(403)

    // TestClock stands at midnight.
    expect(yield* ask({ action: "read", path: "cams/1" })).toBe(403)
    yield* TestClock.adjust("6 hours")
    expect(yield* ask({ action: "read", path: "cams/1" })).toBe(204)
  }).pipe(Effect.provide(server({ port: 0 })))
)
