/**
 * Ways into the same API: over a real socket by the node:http edge, as a web handler by the HttpApi alone, and as a Hono
 * app on @hono/node-server, at the root and under a path.
 */
import * as Http from "node:http"
import { serve } from "@hono/node-server"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Hono } from "hono"
import { fromLayer, type Manager, type Provided } from "../../src/adapters/hono/Manager.js"
import * as NodeServer from "../../src/adapters/node/NodeServer.js"
import * as WebHandler from "../../src/api/WebHandler.js"
import { api } from "./Fixture.js"

export interface Call {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
  readonly json: () => any
}

export class Door extends Context.Tag("test/Door")<
  Door,
  { readonly call: (path: string, call?: Call) => Effect.Effect<Reply> }
>() {}

const reply = (status: number, headers: Record<string, string>, text: string): Reply => ({
  status,
  headers,
  text,
  json: () => JSON.parse(text)
})

/** Calls over a socket of its own each. */
const overSocket = (port: number, prefix = ""): Door["Type"] => ({
  call: (path: string, { method = "GET", headers = {}, body }: Call = {}) =>
    Effect.async<Reply>((resume) => {
      const options = { host: "127.0.0.1", port, path: `${prefix}${path}`, method, headers, agent: false }
      const request = Http.request(options, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () => {
          const flat = Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)])
          )
          resume(Effect.succeed(reply(response.statusCode ?? 0, flat, Buffer.concat(chunks).toString())))
        })
      })
      request.on("error", (error) => resume(Effect.die(error)))
      if (body === undefined) request.end()
      else request.end(body)
    })
})

const byEdge = Layer.effect(
  Door,
  Effect.map(NodeServer.NodeServer, ({ port }) => overSocket(port))
)

/** The Hono app on a port, mounted by `mount`, which gives what is served. */
const byHono = (prefix: string, mount: (app: Manager) => { readonly fetch: Hono["fetch"] }) =>
  Layer.scoped(
    Door,
    Effect.gen(function* () {
      const context = yield* Effect.context<Provided>()
      const app = yield* Effect.acquireRelease(
        Effect.sync(() => fromLayer(Layer.succeedContext(context))),
        (app) => Effect.promise(() => app.dispose())
      )
      const { port } = yield* Effect.acquireRelease(
        Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
          const server = serve({ fetch: mount(app).fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
            resume(Effect.succeed({ port, close: () => server.close() }))
          )
        }),
        ({ close }) => Effect.sync(close)
      )
      return overSocket(port, prefix)
    })
  )

const byHandler = Layer.effect(
  Door,
  Effect.map(WebHandler.make, (handler) => ({
    call: (path: string, { method = "GET", headers = {}, body }: Call = {}) =>
      Effect.promise(async () => {
        const init: RequestInit = { method, headers }
        if (body !== undefined) init.body = typeof body === "string" ? body : new Uint8Array(body)
        // A Request adds `text/plain` to a string body: node:http doesn't.
        const request = new Request(`http://manager.test${path}`, init)
        if (body !== undefined && headers["content-type"] === undefined) request.headers.delete("content-type")
        const response = await handler(request)
        return reply(response.status, Object.fromEntries(response.headers), await response.text())
      })
  }))
)

/** Each way, with the services under it. */
export const doors = {
  "node:http edge": byEdge.pipe(
    Layer.provideMerge(NodeServer.layer({ port: 0 }).pipe(Layer.orDie)),
    Layer.provideMerge(api)
  ),
  "HttpApi as a web handler": byHandler.pipe(Layer.provideMerge(api)),
  "Hono, served as it is": byHono("", (app) => app).pipe(Layer.provideMerge(api)),
  "Hono, mounted at /mtx": byHono("/mtx", (app) => new Hono().route("/mtx", app)).pipe(Layer.provideMerge(api)),
  "Hono, mounted under a parameter": byHono("/tenants/a%2Fb/mtx", (app) =>
    new Hono().use(async (_, next) => next()).route("/tenants/:id/mtx", app)
  ).pipe(Layer.provideMerge(api)),
  "Hono, by app.mount": byHono("/deep/mtx", (app) => new Hono().mount("/deep/mtx", app.fetch)).pipe(
    Layer.provideMerge(api)
  )
}
