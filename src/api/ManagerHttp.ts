/**
 * `ManagerApi` with its handlers: one HTTP app for every runtime.
 *
 * Errors are put into HTTP in one place, `onCause`: typed ones by `HotResponse.fromError`, what HttpApi and the router
 * fail with turned into ours, and defects logged under an id.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { AuthPolicy } from "../services/AuthPolicy.js"
import * as ConfigPlan from "../services/ConfigPlan.js"
import { ConfigRenderer } from "../services/ConfigRenderer.js"
import { ConfigRevisions } from "../services/ConfigRevisions.js"
import type { Credentials } from "../services/Credentials.js"
import type { DecisionLog } from "../services/DecisionLog.js"
import { FleetState } from "../services/FleetState.js"
import { Cursor, HookBus } from "../services/HookBus.js"
import { NodeCommands } from "../services/NodeCommands.js"
import { type NodeConfig, NodeConfigs } from "../services/NodeConfigs.js"
import * as NodeConfigTexts from "../services/NodeConfigTexts.js"
import { isNodeId, NodeId } from "../services/NodeId.js"
import { type NodeRecord, NodeRegistry } from "../services/NodeRegistry.js"
import type { SessionKick } from "../services/SessionKick.js"
import type { TokenSessions } from "../services/TokenSessions.js"
import type { Traffic } from "../services/Traffic.js"
import * as Access from "./Access.js"
import * as ApiDocs from "./ApiDocs.js"
import { type ApiError, InvalidRequest, isApiError, MethodNotAllowed, NotFound, Unavailable } from "./ApiError.js"
import * as DashboardRoutes from "./DashboardRoutes.js"
import { decisionsGroup } from "./DecisionsHandlers.js"
import { discoveryGroup } from "./DiscoveryHttp.js"
import * as Draining from "./Draining.js"
import * as EventStream from "./EventStream.js"
import * as HotResponse from "./HotResponse.js"
import * as HotRoutes from "./HotRoutes.js"
import { ManagerApi } from "./ManagerApi.js"
import { metricsGroup } from "./MetricsHttp.js"
import type { NodeDetail, NodeView } from "./NodesApi.js"
import { DASHBOARD_HEADER, type OperatorCall } from "./OperatorCall.js"
import { fromDecodeError } from "./Params.js"
import * as PlanCall from "./PlanCall.js"
import { playbackGroup, recordingsGroup } from "./PlaybackHttp.js"
import * as Query from "./Query.js"
import { jsonBody, revisionsGroup } from "./RevisionsHttp.js"
import { rolloutsGroup } from "./RolloutsHandlers.js"
import * as RouteTable from "./RouteTable.js"
import { AdminAccess, AuthCallAccess, JobsAccess, MetricsAccess, NodeAccess, WorkerAccess } from "./Security.js"
import { sessionsGroup } from "./SessionsHandlers.js"
import * as StorageRoutes from "./StorageRoutes.js"
import { streamsGroup } from "./StreamsHttp.js"
import { tokensGroup } from "./TokensHandlers.js"
import { trafficGroup } from "./TrafficHandlers.js"

/** The whole API as one HTTP app that never fails, and needs nothing but the request. */
export interface ManagerHttpShape {
  readonly app: HttpApp.Default
}

export class ManagerHttp extends Context.Tag("mtx-manager/ManagerHttp")<ManagerHttp, ManagerHttpShape>() {}

// ---------------------------------------------------------------------------------------------------------------------
// Requests and responses between the platform's types and the hot routes'

const splitUrl = (url: string): { readonly path: string; readonly query: string } => {
  const at = url.indexOf("?")
  return at === -1 ? { path: url, query: "" } : { path: url.slice(0, at), query: url.slice(at + 1) }
}

const hotRequest = (
  request: HttpServerRequest.HttpServerRequest,
  body: HotRoutes.HotRequest["body"]
): HotRoutes.HotRequest => ({
  method: request.method,
  query: splitUrl(request.url).query,
  header: (name) => request.headers[name],
  address: Option.getOrUndefined(request.remoteAddress),
  body
})

/** A response of the hot routes as the platform's. */
export const toServerResponse = (response: HotResponse.HotResponse): HttpServerResponse.HttpServerResponse => {
  const headers: Record<string, string> = {}
  let contentType: string | undefined
  for (let i = 0; i + 1 < response.headers.length; i += 2) {
    const name = response.headers[i]
    const value = response.headers[i + 1]
    if (name === undefined || value === undefined) continue
    if (name === "content-type") contentType = value
    headers[name] = value
  }
  const { status, body } = response
  if (body.length === 0) return HttpServerResponse.empty({ status, headers })
  const options = { status, headers, contentType }
  return typeof body === "string"
    ? HttpServerResponse.text(body, options)
    : HttpServerResponse.uint8Array(body, options)
}

const isEmptyWebRequest = (source: unknown): boolean =>
  typeof source === "object" && source !== null && "body" in source && source.body === null

/** Reads the body up to the limit; `TooLarge` for one beyond it. */
const readBody = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<HotRoutes.HotRequest["body"], HttpServerError.RequestError> => {
  if (Number(request.headers["content-length"] ?? "0") > HotRoutes.BODY_LIMIT) return Effect.succeed(HotRoutes.TooLarge)
  if (isEmptyWebRequest(request.source)) return Effect.succeed("")
  const chunks: Array<Uint8Array> = []
  return request.stream.pipe(
    Stream.runFoldWhile(
      0,
      (size) => size <= HotRoutes.BODY_LIMIT,
      (size, chunk) => {
        chunks.push(chunk)
        return size + chunk.length
      }
    ),
    Effect.map((size) => {
      if (size > HotRoutes.BODY_LIMIT) return HotRoutes.TooLarge
      const whole = new Uint8Array(size)
      let at = 0
      for (const chunk of chunks) {
        whole.set(chunk, at)
        at += chunk.length
      }
      return whole
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Security

/** The node that a request is about: in its path, else in its query. */
const nodeOf = (request: HttpServerRequest.HttpServerRequest): NodeId | undefined => {
  const { path, query } = splitUrl(request.url)
  const inPath = /^\/nodes\/([^/]+)/.exec(path)?.[1]
  const node = inPath ?? Query.single(Query.parse(query), "node")
  return node !== undefined && isNodeId(node) ? node : undefined
}

const operatorCall = (request: HttpServerRequest.HttpServerRequest): OperatorCall => ({
  method: request.method,
  path: splitUrl(request.url).path,
  header: (name) => request.headers[name],
  presented: Access.fromAuthorization(request.headers["authorization"])
})

/**
 * Each scheme's handler reads the request itself, so that all of them come to the same verdict, and a refusal does not
 * depend on which scheme HttpApi tried last.
 */
const security = Layer.mergeAll(
  jsonBody,
  Layer.effect(
    AdminAccess,
    Effect.map(Access.Access, (access) => {
      const check = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        access.operator(operatorCall(request), nodeOf(request))
      )
      return { bearer: () => check, basic: () => check }
    })
  ),
  Layer.effect(
    WorkerAccess,
    Effect.map(Access.Access, (access) => {
      const check = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        access.node(Access.fromAuthorization(request.headers["authorization"]), nodeOf(request))
      )
      return { bearer: () => check, basic: () => check }
    })
  ),
  Layer.effect(
    MetricsAccess,
    Effect.map(Access.Access, (access) => {
      const check = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        access.metrics(Access.fromAuthorization(request.headers["authorization"]))
      )
      return { bearer: () => check, basic: () => check }
    })
  ),
  Layer.effect(
    JobsAccess,
    Effect.map(Access.Access, (access) => {
      const check = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const node = nodeOf(request)
        const presented = Access.fromAuthorization(request.headers["authorization"])
        const asWorker =
          node !== undefined && Query.single(Query.parse(splitUrl(request.url).query), "wait") !== undefined
        return asWorker ? access.node(presented, node) : access.operator(operatorCall(request), node)
      })
      return { bearer: () => check, basic: () => check }
    })
  ),
  Layer.effect(
    NodeAccess,
    Effect.map(HotRoutes.HotRoutes, (hot) => {
      const check = checkHot(hot)
      return { bearer: () => check, basic: () => check }
    })
  ),
  Layer.effect(
    AuthCallAccess,
    Effect.map(HotRoutes.HotRoutes, (hot) => {
      const check = checkHot(hot)
      return { token: () => check, bearer: () => check, basic: () => check }
    })
  )
)

/** An escaped spelling of a hot path, which the router would take and the edge does not: it is no route of ours. */
const otherSpelling = Effect.die(new NotFound({ message: "there is no such route: write the path without escapes" }))

function checkHot(hot: HotRoutes.HotRoutesShape) {
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const route = HotRoutes.match(request.method, splitUrl(request.url).path)
    return route === undefined ? otherSpelling : hot.authenticate(route, hotRequest(request, ""))
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Handlers

/** Answers a hot route whose caller `security` has identified. */
const hotHandler =
  (hot: HotRoutes.HotRoutesShape) => (args: { readonly request: HttpServerRequest.HttpServerRequest }) =>
    Effect.gen(function* () {
      const { request } = args
      const route = HotRoutes.match(request.method, splitUrl(request.url).path)
      if (route === undefined) return yield* otherSpelling
      const body = route._tag === "Config" ? "" : yield* Effect.orDie(readBody(request))
      return toServerResponse(yield* hot.handle(route, hotRequest(request, body)))
    })

const configGroup = HttpApiBuilder.group(ManagerApi, "config", (handlers) =>
  Effect.map(HotRoutes.HotRoutes, (hot) => handlers.handleRaw("get", hotHandler(hot)))
)
const hooksGroup = HttpApiBuilder.group(ManagerApi, "hooks", (handlers) =>
  Effect.map(HotRoutes.HotRoutes, (hot) => handlers.handleRaw("publish", hotHandler(hot)))
)
const authGroup = HttpApiBuilder.group(ManagerApi, "auth", (handlers) =>
  Effect.map(HotRoutes.HotRoutes, (hot) => handlers.handleRaw("decide", hotHandler(hot)))
)

/** A service that can't answer now: logged with its cause, told without it. */
const unavailable =
  (message: string) =>
  (error: unknown): Effect.Effect<never, Unavailable> =>
    Effect.zipRight(Effect.logError(message, error), Effect.fail(new Unavailable({ message, retryAfter: 5 })))

/** Of a node beyond as many as are followed. */
const noConfig = (record: NodeRecord): NodeConfig => ({
  configStatus: "unknown",
  configSince: record.firstSeen,
  wantedHash: null,
  wantedSince: null
})

const nodesGroup = HttpApiBuilder.group(ManagerApi, "nodes", (handlers) =>
  Effect.gen(function* () {
    const registry = yield* NodeRegistry
    const hot = yield* HotRoutes.HotRoutes
    const renderer = yield* ConfigRenderer
    const configs = yield* NodeConfigs
    const commands = yield* NodeCommands
    const revisions = Option.getOrUndefined(yield* Effect.serviceOption(ConfigRevisions))
    /** Asks for the node's config, so that the answer is of now and not of the node's last call. */
    const view = (record: NodeRecord): Effect.Effect<NodeView> =>
      Effect.map(Effect.option(renderer.render(record.id, record)), (rendered) => {
        configs.unsafeNote(record.id, Option.isSome(rendered) ? rendered.value.hash : null)
        return { ...record, ...(configs.unsafeGet(record.id) ?? noConfig(record)) }
      })
    /** With what is to be said of its config. */
    const detail = (record: NodeRecord): Effect.Effect<NodeDetail> =>
      Effect.gen(function* () {
        const shown = yield* view(record)
        const rendered = yield* Effect.either(renderer.render(record.id, record))
        return Either.isRight(rendered)
          ? { ...shown, configProblem: null, configWarnings: rendered.right.warnings }
          : { ...shown, configProblem: rendered.left.message, configWarnings: [] }
      })
    const failed = unavailable("the node registry can't be read")
    const notFound = (id: NodeId) => new NotFound({ message: `no node ${id} has ever called` })
    return handlers
      .handle("list", () =>
        Effect.flatMap(Effect.catchAll(registry.list, failed), (records) => Effect.forEach(records, view))
      )
      .handle("get", ({ path }) =>
        Effect.flatMap(Effect.catchAll(registry.get(path.id), failed), (found) =>
          Option.isSome(found) ? detail(found.value) : Effect.fail(notFound(path.id))
        )
      )
      .handle("config", ({ path }) =>
        Effect.gen(function* () {
          const found = yield* Effect.catchAll(registry.get(path.id), failed)
          if (Option.isNone(found)) return yield* notFound(path.id)
          const texts = NodeConfigTexts.get(renderer, revisions, found.value)
          return yield* Effect.catchAll(texts, unavailable("the revisions can't be read"))
        })
      )
      .handle("remove", ({ path }) =>
        hot.forget(path.id).pipe(
          Effect.zipRight(registry.remove(path.id)),
          Effect.zipRight(configs.forget(path.id)),
          Effect.zipRight(commands.forget(path.id)),
          Effect.catchTags({
            NodeNotFound: () => Effect.fail(notFound(path.id)),
            NodeCommandsError: unavailable("the node's commands could not be removed"),
            NodeRegistryError: unavailable("the node could not be removed")
          })
        )
      )
      .handleRaw("heartbeat", hotHandler(hot))
  })
)

const decodeCursor = Schema.decodeUnknownOption(Schema.compose(Schema.NumberFromString, Cursor))

const stateGroup = HttpApiBuilder.group(ManagerApi, "state", (handlers) =>
  Effect.gen(function* () {
    const fleet = yield* FleetState
    const bus = yield* HookBus
    const draining = yield* Draining.Draining
    return handlers
      .handle("snapshot", () => Effect.catchAll(fleet.snapshot, unavailable("the fleet's state can't be read")))
      .handle("events", ({ urlParams, headers }) =>
        Effect.gen(function* () {
          if (yield* draining.started) {
            return yield* new Unavailable({ message: "the manager is stopping", retryAfter: 5 })
          }
          // A browser sends this by itself when it connects again; what it says is newer than its URL.
          const resume = Option.getOrUndefined(decodeCursor(headers["last-event-id"]))
          const body = yield* EventStream.encode(
            bus,
            { after: resume ?? urlParams.after, node: urlParams.node, event: urlParams.event },
            draining.wait
          ).pipe(Effect.catchAll(unavailable("the event log can't be read")))
          return HttpServerResponse.stream(Stream.encodeText(body), {
            contentType: "text/event-stream; charset=utf-8",
            headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
          })
        })
      )
  })
)

const planGroup = HttpApiBuilder.group(ManagerApi, "plan", (handlers) =>
  Effect.gen(function* () {
    const renderer = yield* ConfigRenderer
    const registry = yield* NodeRegistry
    const fleet = yield* FleetState
    return handlers.handle("plan", ({ payload }) =>
      Effect.gen(function* () {
        const { change, explain } = yield* PlanCall.read(payload)
        const records = yield* Effect.catchAll(registry.list, unavailable("the node registry can't be read"))
        const snapshot = yield* Effect.catchAll(fleet.snapshot, unavailable("the fleet's state can't be read"))
        return yield* ConfigPlan.plan(renderer, {
          change,
          snapshot,
          nodes: ConfigPlan.nodesOf(change, records, payload.node)
        }).pipe(
          Effect.catchTags({
            InvalidConfig: (error) => Effect.fail(explain(error)),
            PlanNotSupported: ({ message }) => Effect.fail(new Unavailable({ message, retryAfter: 3600 }))
          })
        )
      })
    )
  })
)

const ok = { status: "ok" } as const
const PROBE = NodeId.make("readyz")
/** For this long after a failed write the manager is not ready; afterwards it is worth another try. */
const WRITE_FAILURE_MILLIS = 10_000

const healthGroup = HttpApiBuilder.group(ManagerApi, "health", (handlers) =>
  Effect.gen(function* () {
    const renderer = yield* ConfigRenderer
    const bus = yield* HookBus
    const hot = yield* HotRoutes.HotRoutes
    const draining = yield* Draining.Draining
    const notReady = (message: string) => new Unavailable({ message, retryAfter: 5 })
    return handlers
      .handle("alive", () => Effect.succeed(ok))
      .handle("ready", () =>
        Effect.gen(function* () {
          if (yield* draining.started) return yield* notReady("the manager is stopping")
          yield* renderer.render(PROBE).pipe(Effect.mapError(() => notReady("no config can be rendered")))
          yield* bus.latest.pipe(Effect.mapError(() => notReady("the event log can't be read")))
          const failedAt = yield* hot.writeFailedAt
          if (failedAt !== undefined && (yield* Clock.currentTimeMillis) - failedAt < WRITE_FAILURE_MILLIS) {
            return yield* notReady("the event log can't be written")
          }
          return ok
        })
      )
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Errors

const methodsOf = RouteTable.make(ManagerApi, [...ApiDocs.routes, ...DashboardRoutes.routes, ...StorageRoutes.routes])

const noRoute = (request: HttpServerRequest.HttpServerRequest): ApiError => {
  const allow = methodsOf(splitUrl(request.url).path)
  return allow.length === 0 || allow.includes(request.method)
    ? new NotFound({ message: "there is no such route; /docs lists them all" })
    : new MethodNotAllowed({ message: `this route takes ${allow.join(", ")}`, allow })
}

/** What an error of a handler, of the router or of HttpApi is to the caller; undefined for a defect. */
const errorOf = (error: unknown): ApiError | undefined => {
  if (isApiError(error)) return error
  if (error instanceof HttpApiDecodeError) return fromDecodeError(error)
  if (error instanceof HttpServerError.RouteNotFound) return noRoute(error.request)
  if (error instanceof HttpServerError.RequestError) {
    return new InvalidRequest({ message: "the request could not be read to its end", issues: [] })
  }
  return undefined
}

/** A challenge makes a browser ask for a password itself; the dashboard has a page for that. */
const withoutChallenge = (response: HotResponse.HotResponse): HotResponse.HotResponse => {
  const at = response.headers.indexOf("www-authenticate")
  return at === -1 ? response : { ...response, headers: response.headers.filter((_, i) => i !== at && i !== at + 1) }
}

const onCause = (
  cause: Cause.Cause<unknown>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> => {
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  const known = errorOf(Cause.squash(cause))
  return known === undefined
    ? Effect.map(HotRoutes.internalError(cause), (error) => toServerResponse(HotResponse.fromError(error)))
    : Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
        const response = HotResponse.fromError(known)
        return toServerResponse(headers[DASHBOARD_HEADER] === undefined ? response : withoutChallenge(response))
      })
}

// ---------------------------------------------------------------------------------------------------------------------

const groups = Layer.mergeAll(
  configGroup,
  hooksGroup,
  authGroup,
  decisionsGroup,
  nodesGroup,
  sessionsGroup,
  rolloutsGroup,
  stateGroup,
  trafficGroup,
  planGroup,
  revisionsGroup,
  tokensGroup,
  recordingsGroup,
  playbackGroup,
  streamsGroup,
  discoveryGroup,
  healthGroup,
  metricsGroup
)

const repairRequest = (
  input: Context.Context<HttpServerRequest.HttpServerRequest>
): Context.Context<HttpServerRequest.HttpServerRequest> => {
  const request = Context.get(input, HttpServerRequest.HttpServerRequest)
  const url = HotRoutes.repairUrl(request.url)
  return url === request.url ? input : Context.add(input, HttpServerRequest.HttpServerRequest, request.modify({ url }))
}

const make = Effect.gen(function* () {
  const router = yield* HttpApiBuilder.Router
  const app = yield* HttpRouter.toHttpApp(yield* router.router).pipe(
    // One spelling of each path, as at the edge.
    HttpRouter.withRouterConfig({ ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, caseSensitive: true })
  )
  const context = yield* Effect.context<HttpRouter.HttpRouter.DefaultServices>()
  return ManagerHttp.of({
    app: app.pipe(
      Effect.catchAllCause(onCause),
      // No exporter is attached by us, and a span per request costs as much as the request.
      Effect.withTracerEnabled(false),
      Effect.mapInputContext((input: Context.Context<HttpServerRequest.HttpServerRequest>) =>
        Context.merge(context, repairRequest(input))
      )
    ) as HttpApp.Default
  })
})

/** The API over the services. `Draining` ends its event streams. */
export const layer: Layer.Layer<
  ManagerHttp,
  never,
  | HotRoutes.HotRoutes
  | Access.Access
  | AuthPolicy
  | NodeRegistry
  | FleetState
  | HookBus
  | ConfigRenderer
  | NodeCommands
  | NodeConfigs
  | SessionKick
  | TokenSessions
  | Traffic
  | DecisionLog
  | Draining.Draining
  | Credentials
> = Layer.effect(ManagerHttp, make).pipe(
  Layer.provide(ApiDocs.layer),
  Layer.provide(DashboardRoutes.layer),
  Layer.provide(StorageRoutes.layer),
  Layer.provide(groups),
  Layer.provide(security),
  Layer.provide(HttpApiBuilder.Router.Live),
  Layer.provide(HttpServer.layerContext)
)
