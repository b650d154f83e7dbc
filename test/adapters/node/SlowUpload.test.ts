import { request as httpRequest } from "node:http"
import { assert, it } from "@effect/vitest"
import { NodeServer } from "@livecams/mtx-manager/node"
import * as Effect from "effect/Effect"
import { freePorts } from "../../support/MediaMTX.js"
import { nodeManager } from "../../support/NodeManager.js"

const KEY = "the-key-of-the-test-0123456789"
/** Milliseconds that a request may take; an upload may take longer, but not pause for so long. */
const WITHIN = 400

const server = (port: number) =>
  nodeManager({
    key: KEY,
    base: `http://127.0.0.1:${port}`,
    managerYml: "auth:\n  rules:\n    - allow: [playback.request, playback.worker]\n",
    server: { port, requestWithin: WITHIN, headersWithin: 200 }
  })

interface Assigned {
  readonly upload: { readonly method: string; readonly url: string; readonly headers: Record<string, string> }
}

/** Sends ten pieces with a pause before each; resolves with the status, or "cut" when the connection is ended. */
const upload = ({ headers, method, url }: Assigned["upload"], pause: number) =>
  new Promise<number | "cut">((resolve) => {
    const pieces = 10
    const piece = Buffer.alloc(1000, "x")
    const request = httpRequest(url, { method, headers: { ...headers, "content-length": pieces * piece.length } })
    request.on("response", (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on("error", () => resolve("cut"))
    let sent = 0
    const next = () => {
      if (request.destroyed) return
      request.write(piece)
      sent++
      if (sent === pieces) request.end()
      else setTimeout(next, pause)
    }
    next()
  })

it.scopedLive(
  "an upload may take longer than a request may, while bytes come (live: real sockets and their time limits)",
  () =>
    Effect.gen(function* () {
      const [port = 0] = yield* Effect.promise(() => freePorts(1))
      yield* Effect.gen(function* () {
        const { url } = yield* NodeServer.NodeServer
        const call = (path: string, init: RequestInit = {}) =>
          Effect.promise(() =>
            fetch(`${url}${path}`, {
              ...init,
              headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }
            })
          )
        const assigned = Effect.fnUntraced(function* (start: string) {
          const asked = yield* call("/playback/requests", {
            method: "POST",
            body: JSON.stringify({ path: "cam", start, duration: 10_000 })
          })
          assert.strictEqual(asked.status, 202, yield* Effect.promise(() => asked.text()))
          const leased = yield* call("/playback/jobs?node=n1&wait=2")
          assert.strictEqual(leased.status, 200)
          return ((yield* Effect.promise(() => leased.json())) as Assigned).upload
        })
        const steady = yield* assigned("2026-01-01T00:00:00Z")
        const status = yield* Effect.promise(() => upload(steady, WITHIN / 3))
        assert.isTrue(typeof status === "number" && status >= 200 && status < 300, String(status))

        const pausing = yield* assigned("2026-01-02T00:00:00Z")
        assert.include([408, "cut"], yield* Effect.promise(() => upload(pausing, WITHIN * 4)))
      }).pipe(Effect.provide(server(port)))
    })
)
