/**
 * The four routes that nodes call all the time, decided by plain functions: no framework, no span, no logger, one
 * counter each.
 *
 * The node:http edge, the HttpApi's handlers and a Worker all call `answer` (or `handle`, where the caller has been
 * identified already), so they can't differ. An answer that needs nothing asynchronous is an Exit: whoever runs it can
 * see that and send it without starting a fiber.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type { AuthRequestBody } from "../mediamtx/AuthRequest.js"
import type { HookEvent } from "../mediamtx/HookEvent.js"
import { redactQuery } from "../mediamtx/QueryString.js"
import { type AuthDecision, AuthPolicy, type PlainAuthRequest } from "../services/AuthPolicy.js"
import { ConfigRenderer, END_MARKER, type RenderedConfig, type RenderFailed } from "../services/ConfigRenderer.js"
import { DecisionLog } from "../services/DecisionLog.js"
import { FleetState } from "../services/FleetState.js"
import { HookBus, type HookBusError } from "../services/HookBus.js"
import { asking } from "../services/internal/authAround.js"
import { NodeCommands } from "../services/NodeCommands.js"
import { NodeConfigs } from "../services/NodeConfigs.js"
import { isNodeId, type NodeId } from "../services/NodeId.js"
import { Heartbeat, NodeRegistry, type Observation } from "../services/NodeRegistry.js"
import type { Principal } from "../services/Principal.js"
import { claimsInQuery, TokenSessions } from "../services/TokenSessions.js"
import { Traffic } from "../services/Traffic.js"
import { Access, fromAuthorization, type Presented } from "./Access.js"
import {
  type ApiError,
  type Forbidden,
  type InvalidRequest,
  isApiError,
  type Unauthorized,
  Unavailable
} from "./ApiError.js"
import * as AuthCall from "./AuthCall.js"
import * as ConfigReply from "./ConfigReply.js"
import { internalError } from "./Defect.js"
import { authBody, type HotRequest, hookBody, hookList, isHookList, jsonBody } from "./HotRequest.js"
import * as HotResponse from "./HotResponse.js"
import type { HeartbeatReply } from "./NodesApi.js"
import { ConfigParams, fromParamsError, NodeParams, NodePath } from "./Params.js"
import * as Query from "./Query.js"
import { settled } from "./Settled.js"

export { BODY_LIMIT, type HotRequest, TooLarge } from "./HotRequest.js"

export type HotRoute =
  | { readonly _tag: "Config" }
  | { readonly _tag: "Auth" }
  | { readonly _tag: "Hooks" }
  | { readonly _tag: "Heartbeat"; readonly id: string }

const configRoute: HotRoute = { _tag: "Config" }
const authRoute: HotRoute = { _tag: "Auth" }
const hooksRoute: HotRoute = { _tag: "Hooks" }

const PREFIX = "/nodes/"
const SUFFIX = "/heartbeat"

/** The hot route that a request is for, if it is for one. `path` is without the query. */
export const match = (method: string, path: string): HotRoute | undefined => {
  if (method === "POST") {
    if (path === "/auth") return authRoute
    if (path === "/hooks") return hooksRoute
    if (path.startsWith(PREFIX) && path.endsWith(SUFFIX)) {
      const id = path.slice(PREFIX.length, path.length - SUFFIX.length)
      // Anything escaped or nested is for the router to judge.
      if (id !== "" && id.indexOf("/") === -1 && id.indexOf("%") === -1) return { _tag: "Heartbeat", id }
    }
    return undefined
  }
  return path === "/" && (method === "GET" || method === "HEAD") ? configRoute : undefined
}

export { repairUrl } from "./UrlRepair.js"

export interface HotRoutesShape {
  /** Identifies the caller and answers. Never fails: every error is a response. */
  readonly answer: (route: HotRoute, request: HotRequest) => Effect.Effect<HotResponse.HotResponse>
  /** Who is calling, if they may use this route. */
  readonly authenticate: (route: HotRoute, request: HotRequest) => Effect.Effect<Principal, Unauthorized | Forbidden>
  /** Answers a caller that has been identified. */
  readonly handle: (route: HotRoute, request: HotRequest) => Effect.Effect<HotResponse.HotResponse>
  /** To be told when a node was removed: its very next call is a sign of life again. */
  readonly forget: (node: NodeId) => Effect.Effect<void>
  /** When the HookBus last failed to write, in epoch milliseconds; undefined when its last write succeeded. */
  readonly writeFailedAt: Effect.Effect<number | undefined>
}

export class HotRoutes extends Context.Tag("mtx-manager/HotRoutes")<HotRoutes, HotRoutesShape>() {}

// ---------------------------------------------------------------------------------------------------------------------
// Metrics: with their tags in the key, since `Metric.tagged` puts the key together anew at every count.

const counterKey = MetricKey.counter("mtx_manager_hot_requests", {
  description: "Requests on the hot routes",
  incremental: true
})
const counter = (route: string, outcome: string) =>
  Metric.fromMetricKey(
    MetricKey.taggedWithLabels(counterKey, [MetricLabel.make("route", route), MetricLabel.make("outcome", outcome)])
  )
const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []
const count = (metric: ReturnType<typeof counter>): void => metric.unsafeUpdate(1, noTags)
const counted = {
  authAllow: counter("auth", "allow"),
  authDeny: counter("auth", "deny"),
  authAsk: counter("auth", "ask"),
  hookNew: counter("hooks", "recorded"),
  hookDuplicate: counter("hooks", "duplicate"),
  configSent: counter("config", "sent"),
  configUnchanged: counter("config", "unchanged"),
  heartbeat: counter("heartbeat", "recorded"),
  refused: counter("any", "refused"),
  failed: counter("any", "failed"),
  unobserved: counter("any", "unobserved")
}

// ---------------------------------------------------------------------------------------------------------------------
// Decoding

const heartbeatBody = jsonBody(Heartbeat)
const decodeNodeParams = Schema.decodeUnknownEither(NodeParams)
const decodeNodePath = Schema.decodeUnknownEither(NodePath)
const decodeConfigParams = Schema.decodeUnknownEither(ConfigParams)

/** The `?node=` of a call, by the same schema that the definition has; the valid case costs one regular expression. */
const nodeOf = (query: Query.Query): NodeId | InvalidRequest => {
  const node = Query.single(query, "node")
  if (node !== undefined && isNodeId(node)) return node
  const decoded = decodeNodeParams(query)
  return Either.isRight(decoded) ? decoded.right.node : fromParamsError(decoded.left)
}

/** The parameters of the polls that our own loops make, read by hand; undefined for anything else: the schema judges it. */
const usualConfigParams = (query: Query.Query): ConfigParams | undefined => {
  const { node, every, boot, version } = query
  if (typeof node !== "string" || !isNodeId(node) || boot !== undefined) return undefined
  if (version !== undefined && (typeof version !== "string" || version.length > 64)) return undefined
  const told = version === undefined ? undefined : { version }
  if (every === undefined) return { node, ...told }
  return typeof every === "string" && /^[1-9]\d{0,3}$/.test(every) ? { node, every: Number(every), ...told } : undefined
}

/** The node that a request says it is about, without complaint: for the check of its credential. */
const claimedNode = (route: HotRoute, query: Query.Query): NodeId | undefined => {
  const node = route._tag === "Heartbeat" ? route.id : Query.single(query, "node")
  return node !== undefined && isNodeId(node) ? node : undefined
}

/** Query values can hold credentials: they never get onto the bus. */
const redacted = (event: HookEvent): HookEvent =>
  "query" in event && event.query !== "" ? { ...event, query: redactQuery(event.query) } : event

// ---------------------------------------------------------------------------------------------------------------------
// Answers

const respond = (response: HotResponse.HotResponse): Exit.Exit<HotResponse.HotResponse> => Exit.succeed(response)
const allowed = respond(HotResponse.noContent)

const refuse = (error: ApiError): Exit.Exit<HotResponse.HotResponse> => {
  count(error._tag === "Unavailable" || error._tag === "InternalError" ? counted.failed : counted.refused)
  return respond(HotResponse.fromError(error))
}

/** Applies `f` at once to an effect that has its value already, so that no fiber is needed for it. */
const andThen = <A, E, B, E2>(
  self: Effect.Effect<A, E>,
  f: (value: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> => {
  const known = settled(self)
  return known === undefined ? Effect.flatMap(self, f) : f(known.value)
}

/** Some databases refuse NUL in a text. */
const clipError = (text: string): string => text.slice(0, 2000).replaceAll("\0", "\uFFFD")

/** What was wrong before a boot is over. */
const BOOTS = { applied: undefined, error: null }

/** Seconds after which a node may ask again where the manager can't answer now. */
const RETRY_AFTER = 5

const hashIn = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const found = /^\s*(?:W\/)?"([0-9a-f]{64})"\s*$/.exec(header)
  return found?.[1]
}

/** At most this many signs of life may wait for a slow registry; beyond that they are dropped and counted. */
const MAX_OBSERVING = 1_024

/** A call of the same kind from the same node within this time says nothing new. */
const SAME_SIGN_MILLIS = 250
const MAX_REMEMBERED = 10_000

export const make = Effect.gen(function* () {
  const access = yield* Access
  const ask = asking(yield* AuthPolicy)
  const bus = yield* HookBus
  const registry = yield* NodeRegistry
  const renderer = yield* ConfigRenderer
  const fleet = yield* FleetState
  const commands = yield* NodeCommands
  const configs = yield* NodeConfigs
  const tokens = yield* TokenSessions
  const traffic = yield* Traffic
  const decisions = yield* DecisionLog
  const runtime = yield* Effect.runtime<never>()
  const runFork = Runtime.runFork(runtime)

  const clock = yield* Effect.clock

  /** The last auth or hook call of each node: a burst of calls of one kind is one sign of life. */
  const lastCalls = new Map<NodeId, { readonly at: number; readonly via: "auth" | "hook" }>()
  let observing = 0
  let registryFailed = false
  let writeFailedAt: number | undefined

  /** Logs the first failure of the registry, and again only after it has worked in between. */
  const registryProblem = (cause: Cause.Cause<unknown>) => {
    count(counted.unobserved)
    if (registryFailed || Cause.isInterruptedOnly(cause)) return Effect.void
    registryFailed = true
    return Effect.logError("the node registry could not note a sign of life", cause)
  }

  /**
   * Notes a sign of life beside the answer: neither a failing nor a slow registry may hold up an auth decision or the
   * delivery of a config.
   */
  const observe = (node: NodeId, observation: Observation): void => {
    if (observing >= MAX_OBSERVING) {
      count(counted.unobserved)
      return
    }
    try {
      if (registry.unsafeObserve?.(node, observation) === true) return
    } catch (error) {
      runFork(registryProblem(Cause.die(error)))
      return
    }
    const effect = registry.observe(node, observation)
    if (settled(effect) !== undefined) return
    observing++
    const fiber = runFork(
      Effect.matchCauseEffect(effect, {
        onFailure: registryProblem,
        onSuccess: () => {
          registryFailed = false
          return Effect.void
        }
      })
    )
    fiber.addObserver(() => {
      observing--
    })
  }

  /** As `observe`, for calls that promise nothing: the address, which costs a system call, is asked for only if needed. */
  const observeCall = (node: NodeId, via: "auth" | "hook", request: HotRequest): void => {
    const now = clock.unsafeCurrentTimeMillis()
    const last = lastCalls.get(node)
    if (last !== undefined && last.via === via && now - last.at < SAME_SIGN_MILLIS) return
    if (last === undefined && lastCalls.size >= MAX_REMEMBERED) lastCalls.clear()
    lastCalls.set(node, { at: now, via })
    observe(node, { via, address: request.address })
  }

  const authenticate: HotRoutesShape["authenticate"] = (route, request) => {
    const query = Query.parseRemembered(request.query)
    const token = route._tag === "Auth" ? Query.single(query, "token") : undefined
    const presented: Presented | undefined =
      token !== undefined && token !== ""
        ? { secret: token, user: undefined }
        : fromAuthorization(request.header("authorization"))
    return access.caller(presented, claimedNode(route, query))
  }

  // -------------------------------------------------------------------------------------------------------------------

  const decided = (
    node: NodeId,
    body: AuthRequestBody,
    question: PlainAuthRequest,
    decision: AuthDecision
  ): Exit.Exit<HotResponse.HotResponse> => {
    const refused = AuthCall.refusal(decision, body)
    if (refused === undefined) {
      count(counted.authAllow)
      decisions.unsafeNote(node, question, decision, "allow")
      return allowed
    }
    const asks = refused._tag === "Unauthorized"
    count(asks ? counted.authAsk : counted.authDeny)
    decisions.unsafeNote(node, question, decision, asks ? "ask" : "deny")
    return respond(HotResponse.fromError(refused))
  }

  const auth = (request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const node = nodeOf(Query.parseRemembered(request.query))
    if (typeof node !== "string") return refuse(node)
    const decoded = authBody(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    const body = decoded.right
    observeCall(node, "auth", request)
    const question = AuthCall.question(node, body)
    const asked = ask(question)
    return Effect.isEffect(asked)
      ? andThen(asked, (decision) => decided(node, body, question, decision))
      : decided(node, body, question, asked)
  }

  // -------------------------------------------------------------------------------------------------------------------

  const published = (duplicate: boolean): Exit.Exit<HotResponse.HotResponse> => {
    writeFailedAt = undefined
    count(duplicate ? counted.hookDuplicate : counted.hookNew)
    return allowed
  }

  const noteToken = (node: NodeId, event: HookEvent): void => {
    if ("query" in event && "id" in event && event.query !== "") {
      const claims = claimsInQuery(event.query)
      if (claims !== undefined) tokens.unsafeNote(node, event.id, claims)
    }
  }

  const notStored = (error: HookBusError): Effect.Effect<HotResponse.HotResponse> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const first = writeFailedAt === undefined
      writeFailedAt = now
      const answer = refuse(
        new Unavailable({ message: "the event could not be stored; it was not recorded", retryAfter: RETRY_AFTER })
      )
      return first ? Effect.zipRight(Effect.logError("a hook could not be stored", error), answer) : answer
    })

  /**
   * One after the other, and none after one that could not be stored: a relay begins with the first of them again, and the
   * number of the last one that is recorded tells which were.
   */
  const severalHooks = (node: NodeId, request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const decoded = hookList(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    observeCall(node, "hook", request)
    return Effect.matchEffect(
      Effect.forEach(
        decoded.right,
        (event) => {
          noteToken(node, event)
          return Effect.map(bus.publish(node, redacted(event)), ({ duplicate }) => published(duplicate))
        },
        { discard: true }
      ),
      { onSuccess: () => allowed, onFailure: notStored }
    )
  }

  const hooks = (request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const node = nodeOf(Query.parseRemembered(request.query))
    if (typeof node !== "string") return refuse(node)
    if (isHookList(request)) return severalHooks(node, request)
    const decoded = hookBody(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    observeCall(node, "hook", request)
    const event = decoded.right
    noteToken(node, event)
    return Effect.matchEffect(bus.publish(node, redacted(event)), {
      onSuccess: (result) => published(result.duplicate),
      onFailure: notStored
    })
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Replies are made once for each rendered config, and go with it. */
  const replies = new WeakMap<RenderedConfig, ConfigReply.ConfigReplies>()
  const repliesFor = (config: RenderedConfig): ConfigReply.ConfigReplies | undefined => {
    const known = replies.get(config)
    if (known !== undefined) return known
    // An empty or cut-off file would open the node to everybody: rather nothing than that.
    if (config.bytes.length === 0 || !config.yaml.endsWith(`${END_MARKER}\n`)) return undefined
    const made = ConfigReply.make(config)
    replies.set(config, made)
    return made
  }

  /** Nodes poll every few seconds: each problem is logged once. */
  const told = new Set<string>()
  const tell = (problem: string) => {
    if (told.has(problem)) return Effect.void
    if (told.size >= 1_000) told.clear()
    told.add(problem)
    return Effect.logWarning(problem)
  }

  const cannotRender = (error: RenderFailed): Effect.Effect<HotResponse.HotResponse> =>
    Effect.zipRight(
      tell(`the config of node ${error.node} can't be rendered: ${error.message}`),
      refuse(
        new Unavailable({
          message: `the config of node ${error.node} can't be rendered: a node gets no config rather than a wrong one`,
          retryAfter: 10,
          issues: error.issues
        })
      )
    )

  const configFor = (params: ConfigParams, request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const condition = request.header("if-none-match")
    const applied = params.every === undefined ? undefined : hashIn(condition)
    observe(params.node, {
      via: "config",
      address: request.address,
      nextWithin: params.every === undefined ? undefined : params.every * 1000,
      appliedHash: applied,
      boot: params.boot === "1" ? true : undefined,
      mediamtxVersion: params.version === "" ? undefined : params.version
    })
    const send = (config: RenderedConfig): Effect.Effect<HotResponse.HotResponse> => {
      if (applied !== undefined) configs.unsafeNote(params.node, config.hash, { applied, error: undefined })
      else configs.unsafeNote(params.node, config.hash, params.boot === "1" ? BOOTS : undefined)
      const reply = repliesFor(config)
      if (reply === undefined) {
        return Effect.zipRight(
          Effect.logError(`the renderer gave node ${params.node} a config without its last line`),
          refuse(new Unavailable({ message: "the rendered config is not complete", retryAfter: 10 }))
        )
      }
      if (condition !== undefined && ConfigReply.matches(condition, config.etag)) {
        count(counted.configUnchanged)
        return respond(reply.unchanged)
      }
      count(counted.configSent)
      return respond(request.method === "HEAD" ? reply.head : reply.ok)
    }
    if (params.boot === "1") access.booted(params.node)
    // Nodes with an updater tell it with their heartbeats, others with each poll; a manager that was restarted remembers.
    const told = params.version ?? registry.unsafeGet?.(params.node) ?? null
    const rendered = renderer.render(params.node, told)
    const known = settled(rendered)
    return known === undefined
      ? Effect.matchEffect(rendered, { onSuccess: send, onFailure: cannotRender })
      : send(known.value)
  }

  const config = (request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const query = Query.parseRemembered(request.query)
    const usual = usualConfigParams(query)
    if (usual !== undefined) return configFor(usual, request)
    const decoded = decodeConfigParams(query)
    return Either.isLeft(decoded) ? refuse(fromParamsError(decoded.left)) : configFor(decoded.right, request)
  }

  // -------------------------------------------------------------------------------------------------------------------

  const recordHeartbeat = Effect.fnUntraced(
    function* (node: NodeId, beat: Heartbeat, request: HotRequest) {
      const record = yield* registry.heartbeat(node, beat, { address: request.address })
      if (beat.commands !== undefined) {
        // Noted in memory: after a restart they go out once more, and are confirmed once more.
        yield* commands
          .confirm(node, beat.commands)
          .pipe(Effect.catchAll((problem) => Effect.logError("what became of commands could not be noted", problem)))
      }
      if (beat.paths !== undefined) {
        // The report itself is noted: a picture that could not be corrected now is corrected by the next one.
        yield* fleet
          .reconcile(node, beat.paths)
          .pipe(Effect.catchAll((error) => Effect.logError("a path list could not be taken over", error)))
      }
      traffic.unsafeReport(node, beat)
      const configHash = yield* renderer.render(node, record).pipe(
        Effect.map((rendered) => rendered.hash),
        Effect.catchAll(() => Effect.succeed(null))
      )
      // As the registry keeps it: bounded.
      const error =
        beat.configError === undefined ? record.error : beat.configError === null ? null : clipError(beat.configError)
      configs.unsafeNote(node, configHash, { applied: beat.appliedHash, error })
      const reply: HeartbeatReply = { configHash, commands: commands.unsafeTake(node) }
      count(counted.heartbeat)
      return HotResponse.json(200, reply)
    },
    Effect.catchTag("NodeRegistryError", (error) =>
      Effect.zipRight(
        Effect.logError("a heartbeat could not be noted", error),
        refuse(new Unavailable({ message: "the report could not be noted", retryAfter: RETRY_AFTER }))
      )
    )
  )

  const heartbeat = (id: string, request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    const path = decodeNodePath({ id })
    if (Either.isLeft(path)) return refuse(fromParamsError(path.left))
    const decoded = heartbeatBody(request)
    if (Either.isLeft(decoded)) return refuse(decoded.left)
    return recordHeartbeat(path.right.id, decoded.right, request)
  }

  // -------------------------------------------------------------------------------------------------------------------

  const dispatch = (route: HotRoute, request: HotRequest): Effect.Effect<HotResponse.HotResponse> => {
    switch (route._tag) {
      case "Auth":
        return auth(request)
      case "Hooks":
        return hooks(request)
      case "Config":
        return config(request)
      case "Heartbeat":
        return heartbeat(route.id, request)
    }
  }

  /** A defect is a bug: logged once, here, and told by its id. */
  const guard = (self: Effect.Effect<HotResponse.HotResponse, ApiError>): Effect.Effect<HotResponse.HotResponse> => {
    const known = settled(self)
    if (known !== undefined) return known
    return Effect.catchAllCause(self, (cause) => {
      const failure = Cause.failureOption(cause)
      if (failure._tag === "Some" && isApiError(failure.value)) return refuse(failure.value)
      if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
      return Effect.flatMap(internalError(cause), refuse)
    })
  }

  /** Turns what is thrown while the answer is put together into a defect as well. */
  const attempt = (
    build: () => Effect.Effect<HotResponse.HotResponse, ApiError>
  ): Effect.Effect<HotResponse.HotResponse> => {
    try {
      return guard(build())
    } catch (error) {
      return guard(Effect.die(error))
    }
  }

  return HotRoutes.of({
    authenticate,
    handle: (route, request) => attempt(() => dispatch(route, request)),
    answer: (route, request) => attempt(() => andThen(authenticate(route, request), () => dispatch(route, request))),
    forget: (node) =>
      Effect.sync(() => {
        lastCalls.delete(node)
        traffic.unsafeForget(node)
      }),
    writeFailedAt: Effect.sync(() => writeFailedAt)
  })
})

export { internalError } from "./Defect.js"

/** What the hot routes stand on. */
export type Requirements =
  | Access
  | AuthPolicy
  | HookBus
  | NodeRegistry
  | ConfigRenderer
  | FleetState
  | NodeCommands
  | NodeConfigs
  | TokenSessions
  | Traffic
  | DecisionLog

export const layer: Layer.Layer<HotRoutes, never, Requirements> = Layer.effect(HotRoutes, make)
