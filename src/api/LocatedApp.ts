/** The API, told from where a request really comes: policies decide by that too. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"

/** `addressOf` gives the client's address; undefined leaves it as the platform says. */
export const locatedApp = <E, R>(
  app: HttpApp.Default<E, R>,
  addressOf: (request: HttpServerRequest.HttpServerRequest) => string | undefined
): HttpApp.Default<E, R> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const remoteAddress = addressOf(request)
    return remoteAddress === undefined
      ? app
      : Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ remoteAddress }))
  })
