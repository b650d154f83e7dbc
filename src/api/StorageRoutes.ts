/**
 * `/storage/...`: the objects of a storage that has no server of its own. The signature in the URL is the only credential;
 * what it allows is decided by the storage.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ObjectStorage } from "../services/ObjectStorage.js"
import { NotFound } from "./ApiError.js"

const PATH = "/storage/*"

/** The routes that this layer adds, which may have bodies of any size. */
export const routes = [
  { method: "GET", path: PATH },
  { method: "PUT", path: PATH }
] as const

/** Whether a path is one of these routes. */
export const isStorage = (path: string): boolean => path.startsWith("/storage/")

const none = Effect.die(new NotFound({ message: "this manager keeps no objects itself" }))

export const layer: Layer.Layer<never> = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function* () {
    const storage = Option.getOrUndefined(yield* Effect.serviceOption(ObjectStorage))
    const serve = storage?.serve
    const handler =
      serve === undefined
        ? none
        : HttpServerRequest.HttpServerRequest.pipe(
            Effect.flatMap((request) => HttpServerRequest.toWeb(request)),
            Effect.flatMap(serve),
            Effect.map(HttpServerResponse.fromWeb)
          )
    yield* router.all(PATH, handler)
  })
)
