/**
 * `/openapi.json` and `/docs`. The page is Swagger UI with its script and style inside, so that it works without internet.
 *
 * Both are made when they are first asked for: Swagger UI alone is 2 MB of source, and most managers never show it.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { ManagerApi } from "./ManagerApi.js"

const SPEC = "/openapi.json"
const PAGE = "/docs"

/** The routes that this layer adds. */
export const routes = [
  { method: "GET", path: SPEC },
  { method: "GET", path: PAGE }
] as const

export const layer: Layer.Layer<never> = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function* () {
    const spec = yield* Effect.cached(Effect.sync(() => HttpServerResponse.unsafeJson(OpenApi.fromApi(ManagerApi))))
    // HttpApiSwagger gives a layer only: it gets a router of its own, which answers this one path.
    const page = yield* Effect.cached(
      Effect.promise(() => import("@effect/platform/HttpApiSwagger")).pipe(
        Effect.flatMap((swagger) =>
          HttpLayerRouter.toHttpEffect(swagger.layerHttpLayerRouter({ api: ManagerApi, path: PAGE }))
        ),
        Effect.scoped
      )
    )
    yield* router.get(SPEC, spec)
    yield* router.get(PAGE, Effect.flatten(page))
  })
)
