/**
 * `/openapi.json` and `/docs`. The page is Swagger UI with its script and style inside, so that it works without internet.
 *
 * Both are made when they are first asked for: Swagger UI alone is 2 MB of source, and most managers never show it. It is
 * imported by a name that bundlers don't follow, so that a Worker doesn't carry it: its page says where the document is.
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

const swaggerModule: string = "@effect/platform/HttpApiSwagger"

const importSwagger = Effect.tryPromise(
  (): Promise<typeof import("@effect/platform/HttpApiSwagger")> => import(/* @vite-ignore */ swaggerModule)
)

const withoutSwagger = HttpServerResponse.text(
  '<!doctype html><meta charset="utf-8"><title>mtx-manager</title><p>This build has no page for reading the API. ' +
    'It is all in <a href="openapi.json">openapi.json</a>, which any OpenAPI viewer shows.',
  { contentType: "text/html; charset=utf-8" }
)

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
      importSwagger.pipe(
        Effect.flatMap((swagger) =>
          HttpLayerRouter.toHttpEffect(swagger.layerHttpLayerRouter({ api: ManagerApi, path: PAGE }))
        ),
        Effect.scoped,
        Effect.orElseSucceed(() => Effect.succeed(withoutSwagger))
      )
    )
    yield* router.get(SPEC, spec)
    yield* router.get(PAGE, Effect.flatten(page))
  })
)
