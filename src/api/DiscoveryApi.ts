/** `/discovery`: the nodes in the words of other programs. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { haproxyProtocols } from "../services/Discovery.js"
import { SELECTOR } from "../services/NodeLabels.js"
import { InvalidRequest, NotFound, Unavailable } from "./ApiError.js"
import { AdminAccess } from "./Security.js"

const nodes = Schema.optional(Schema.String.pipe(Schema.maxLength(1_000))).annotations({
  description: `Only nodes that this selects: ${SELECTOR}`
})

export const DiscoveryParams = Schema.Struct({ nodes })

export const HaproxyParams = Schema.Struct({
  nodes,
  form: Schema.optional(Schema.Literal("backends", "servers", "map")).annotations({
    description:
      "backends: whole backends (default). servers: the lines of one. map: streams and the nodes that have them"
  }),
  protocol: Schema.optional(Schema.Literal(...haproxyProtocols)).annotations({ description: "For form servers" })
})
export type HaproxyParams = typeof HaproxyParams.Type

const PrometheusTargets = Schema.Array(
  Schema.Struct({
    targets: Schema.Array(Schema.String),
    labels: Schema.Record({ key: Schema.String, value: Schema.String })
  })
).annotations({ identifier: "PrometheusTargets" })

const Sections = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const caching = "With an ETag: 304 for a client that has it already."

export class DiscoveryApi extends HttpApiGroup.make("discovery")
  .add(
    HttpApiEndpoint.get("prometheus", "/discovery/prometheus")
      .setUrlParams(DiscoveryParams)
      .addSuccess(PrometheusTargets)
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "The nodes' metrics servers, for http_sd_configs of Prometheus")
      .annotate(OpenApi.Description, caching)
  )
  .add(
    HttpApiEndpoint.get("traefik", "/discovery/traefik")
      .setUrlParams(DiscoveryParams)
      .addSuccess(
        Schema.Struct({
          http: Schema.optional(Sections),
          tcp: Schema.optional(Sections),
          udp: Schema.optional(Sections)
        }).annotations({ identifier: "TraefikConfig" })
      )
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Services of all live nodes, for the http provider of Traefik")
      .annotate(OpenApi.Description, caching)
  )
  .add(
    HttpApiEndpoint.get("haproxy", "/discovery/haproxy")
      .setUrlParams(HaproxyParams)
      .addSuccess(Schema.String.pipe(HttpApiSchema.withEncoding({ kind: "Text", contentType: "text/plain" })))
      .addError(InvalidRequest)
      .addError(NotFound)
      .addError(Unavailable)
      .middleware(AdminAccess)
      .annotate(OpenApi.Summary, "Servers of all live nodes, or where streams are, as text for HAProxy")
      .annotate(OpenApi.Description, caching)
  )
  .annotate(OpenApi.Description, "The nodes in the words of other programs") {}
