/**
 * `/openapi.json` and `/docs`. The page is Swagger UI with its script and style inside, so that it works without internet.
 */

import type { Api } from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiSwagger from "@effect/platform/HttpApiSwagger"
import * as Layer from "effect/Layer"

/** The routes that this layer adds. */
export const routes = [
  { method: "GET", path: "/openapi.json" },
  { method: "GET", path: "/docs" }
] as const

export const layer: Layer.Layer<never, never, Api> = Layer.mergeAll(
  HttpApiBuilder.middlewareOpenApi({ path: "/openapi.json" }),
  HttpApiSwagger.layer({ path: "/docs" })
)
