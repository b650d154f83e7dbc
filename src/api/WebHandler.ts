/** The API as a function from `Request` to `Response`: for Workers, Hono, and tests without a socket. */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import { locatedApp } from "./LocatedApp.js"
import { ManagerHttp } from "./ManagerHttp.js"

/** A `Request` does not say who sent it: `address` does, where that is known. */
export type WebHandler = (request: Request, address?: string | undefined) => Promise<Response>

/** Lives as long as the services in its context do. */
export const make: Effect.Effect<WebHandler, never, ManagerHttp> = Effect.gen(function* () {
  const { app } = yield* ManagerHttp
  const runtime = yield* Effect.runtime<never>()
  const addresses = new WeakMap<object, string>()
  const handler = HttpApp.toWebHandlerRuntime(runtime)(
    locatedApp(app, ({ source }) => (typeof source === "object" && source !== null ? addresses.get(source) : undefined))
  )
  return (request: Request, address?: string | undefined) => {
    if (address !== undefined) addresses.set(request, address)
    return handler(request)
  }
}).pipe(
  // A span per request costs as much as the request, and nothing of ours exports it.
  Effect.locally(HttpMiddleware.currentTracerDisabledWhen, constTrue)
)
