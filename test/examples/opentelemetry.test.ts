import { once } from "node:events"
import { createServer } from "node:http"
import { FetchHttpClient } from "@effect/platform"
import { expect, it } from "@effect/vitest"
import { NodeServer } from "@livecams/mtx-manager/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { server } from "../../examples/effect-layers/server.js"
import { telemetry } from "../../examples/opentelemetry/telemetry.js"

const KEY = "a-key-of-your-own-0123456789"

/** A collector that keeps what it is sent, by path. */
const collector = Effect.acquireRelease(
  Effect.promise(async () => {
    const received = new Map<string, Array<string>>()
    const http = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const path = request.url ?? ""
      received.set(path, [...(received.get(path) ?? []), Buffer.concat(chunks).toString("utf8")])
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
    http.listen(0, "127.0.0.1")
    await once(http, "listening")
    const address = http.address()
    return { received, http, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` }
  }),
  ({ http }) => Effect.sync(() => http.close())
)

it.scopedLive("examples/opentelemetry sends metrics, logs and spans to a collector, and no secret", () =>
  Effect.gen(function* () {
    const { received, url } = yield* collector
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      server({ port: 0 }).pipe(
        Layer.tap(() => Effect.logInfo("the example is up").pipe(Effect.withSpan("example.start"))),
        Layer.provide(telemetry({ collector: url })),
        Layer.provide(FetchHttpClient.layer)
      ),
      scope
    )
    const node = Context.get(context, NodeServer.NodeServer)
    const call = (path: string) =>
      Effect.promise(() => fetch(`${node.url}${path}`, { headers: { authorization: `Bearer ${KEY}` } }))
    expect((yield* call("/?node=cam-1")).status).toBe(200)
    // What has not been sent is sent at the end.
    yield* Scope.close(scope, Exit.void)

    const sent = (path: string) => (received.get(path) ?? []).join("\n")
    expect(sent("/v1/metrics")).toContain("mtx_manager_hot_requests")
    expect(sent("/v1/logs")).toContain("the example is up")
    expect(sent("/v1/traces")).toContain("example.start")
    for (const [path, bodies] of received) {
      for (const body of bodies) {
        const parsed = JSON.stringify(JSON.parse(body))
        expect([path, parsed.includes("mtx-manager")]).toEqual([path, true])
        expect(parsed).not.toContain(KEY)
      }
    }
  })
)
