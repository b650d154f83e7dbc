/** Two ways into the same API: over a real socket by the node:http edge, and as a web handler by the HttpApi alone. */
import * as Http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

const overSocket = Layer.effect(
  Door,
  Effect.map(NodeServer.NodeServer, ({ port }) => ({
    call: (path: string, { method = "GET", headers = {}, body }: Call = {}) =>
      Effect.async<Reply>((resume) => {
        const request = Http.request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
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
  }))
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
  "node:http edge": overSocket.pipe(
    Layer.provideMerge(NodeServer.layer({ port: 0 }).pipe(Layer.orDie)),
    Layer.provideMerge(api)
  ),
  "HttpApi as a web handler": byHandler.pipe(Layer.provideMerge(api))
}
