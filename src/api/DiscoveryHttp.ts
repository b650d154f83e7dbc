/** The handlers of `/discovery`. A manager without a Topology answers 404. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Discovery from "../services/Discovery.js"
import { FleetState } from "../services/FleetState.js"
import { sha256Hex } from "../services/internal/sha256Hex.js"
import { parseSelector, SELECTOR } from "../services/NodeLabels.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import { Topology } from "../services/Topology.js"
import { NotFound, Unavailable } from "./ApiError.js"
import { ManagerApi } from "./ManagerApi.js"
import { invalidField } from "./RequestIssues.js"

const unavailable = (error: unknown) =>
  Effect.zipRight(
    Effect.logError("the nodes could not be listed for discovery", error),
    Effect.fail(new Unavailable({ message: "the nodes can't be listed right now", retryAfter: 5 }))
  )

/** To be asked for again each time, and sent only when it is another. */
const answer = Effect.fnUntraced(function* (
  request: HttpServerRequest.HttpServerRequest,
  contentType: string,
  body: string
) {
  const etag = `"${(yield* sha256Hex(body)).slice(0, 32)}"`
  const headers = { etag, "cache-control": "no-cache" }
  const known = (request.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  return known.includes(etag) || known.includes("*")
    ? HttpServerResponse.empty({ status: 304, headers })
    : HttpServerResponse.text(body, { headers, contentType })
})

export const discoveryGroup = HttpApiBuilder.group(ManagerApi, "discovery", (handlers) =>
  Effect.gen(function* () {
    const topology = Option.getOrUndefined(yield* Effect.serviceOption(Topology))
    const registry = yield* NodeRegistry
    const fleet = yield* FleetState
    const none = new NotFound({
      message: "this manager does not know where its nodes are: it was put together without it"
    })

    const nodes = Effect.fnUntraced(function* (selector: string | undefined) {
      if (topology === undefined) return yield* none
      const read = selector === undefined ? undefined : parseSelector(selector)
      if (read !== undefined && Either.isLeft(read)) return yield* invalidField("request", "nodes", read.left, SELECTOR)
      return yield* Discovery.nodes({ topology, registry }, read === undefined ? undefined : read.right).pipe(
        Effect.catchAll(unavailable)
      )
    })

    return handlers
      .handleRaw("prometheus", ({ request, urlParams }) =>
        Effect.flatMap(nodes(urlParams.nodes), (all) =>
          answer(request, "application/json", JSON.stringify(Discovery.prometheus(all)))
        )
      )
      .handleRaw("traefik", ({ request, urlParams }) =>
        Effect.flatMap(nodes(urlParams.nodes), (all) =>
          answer(request, "application/json", JSON.stringify(Discovery.traefik(all)))
        )
      )
      .handleRaw("haproxy", ({ request, urlParams: { form = "backends", nodes: selector, protocol } }) =>
        Effect.gen(function* () {
          const all = yield* nodes(selector)
          switch (form) {
            case "backends":
              return yield* answer(request, "text/plain; charset=utf-8", Discovery.haproxyBackends(all))
            case "servers":
              if (protocol === undefined) {
                return yield* invalidField(
                  "request",
                  "protocol",
                  "is missing",
                  `one of ${Discovery.haproxyProtocols.join(", ")}`
                )
              }
              return yield* answer(request, "text/plain; charset=utf-8", Discovery.haproxyServers(all, protocol))
            case "map": {
              const snapshot = yield* Effect.catchAll(fleet.snapshot, unavailable)
              return yield* answer(request, "text/plain; charset=utf-8", Discovery.haproxyMap(all, snapshot))
            }
          }
        })
      )
  })
)
