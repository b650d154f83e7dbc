/** The API as a function from `Request` to `Response`: for Workers, Hono, and tests without a socket. */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import { ManagerHttp } from "./ManagerHttp.js"

export type WebHandler = (request: Request) => Promise<Response>

/** Lives as long as the services in its context do. */
export const make: Effect.Effect<WebHandler, never, ManagerHttp> = Effect.gen(function* () {
  const { app } = yield* ManagerHttp
  const runtime = yield* Effect.runtime<never>()
  const handler = HttpApp.toWebHandlerRuntime(runtime)(app)
  return (request: Request) => handler(request)
}).pipe(
  // A span per request costs as much as the request, and nothing of ours exports it.
  Effect.locally(HttpMiddleware.currentTracerDisabledWhen, constTrue)
)
