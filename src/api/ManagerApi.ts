/**
 * The manager's HTTP API as a definition alone: no handler, no service implementation. Clients, Workers and OpenAPI
 * generators import this; `ManagerHttp` implements it.
 *
 * @example
 * import * as OpenApi from "@effect/platform/OpenApi"
 * const spec = OpenApi.fromApi(ManagerApi)
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import { HookRecord } from "../services/HookBus.js"
import { InvalidRequest } from "./ApiError.js"
import { AuthApi } from "./AuthApi.js"
import { ConfigApi } from "./ConfigApi.js"
import { DecisionsApi } from "./DecisionsApi.js"
import { DiscoveryApi } from "./DiscoveryApi.js"
import { HealthApi } from "./HealthApi.js"
import { HooksApi } from "./HooksApi.js"
import { MetricsApi } from "./MetricsApi.js"
import { NodesApi } from "./NodesApi.js"
import { tidySpec } from "./OpenApiSpec.js"
import { PlanApi } from "./PlanApi.js"
import { PlaybackApi } from "./PlaybackApi.js"
import { RecordingsApi } from "./RecordingsApi.js"
import { RevisionsApi } from "./RevisionsApi.js"
import { RolloutsApi } from "./RolloutsApi.js"
import { SessionsApi } from "./SessionsApi.js"
import { StateApi } from "./StateApi.js"
import { StreamsApi } from "./StreamsApi.js"
import { TokensApi } from "./TokensApi.js"
import { TrafficApi } from "./TrafficApi.js"

export class ManagerApi extends HttpApi.make("mtx-manager")
  .add(ConfigApi)
  .add(AuthApi)
  .add(DecisionsApi)
  .add(HooksApi)
  .add(NodesApi)
  .add(SessionsApi)
  .add(RolloutsApi)
  .add(StateApi)
  .add(TrafficApi)
  .add(PlanApi)
  .add(RevisionsApi)
  .add(RecordingsApi)
  .add(PlaybackApi)
  .add(TokensApi)
  .add(StreamsApi)
  .add(DiscoveryApi)
  .add(HealthApi)
  .add(MetricsApi)
  // The data of each server-sent event: no endpoint answers with it, but clients want its schema.
  .annotate(HttpApi.AdditionalSchemas, [HookRecord, InvalidRequest])
  .annotate(OpenApi.Title, "mtx-manager")
  .annotate(OpenApi.Description, "Config, state and authentication for a fleet of MediaMTX nodes")
  .annotate(OpenApi.Version, "1")
  .annotate(OpenApi.Transform, tidySpec) {}
