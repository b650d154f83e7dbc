/**
 * The whole manager as a Hono app, in Promise style: config, auth, hooks, nodes, state, event stream and clips.
 *
 * One runtime stands behind it, made once and closed by `dispose`. It is made at once, except on Cloudflare Workers, where
 * a module may not do anything while it is loaded: there, and where state or storage depend on `env`, with the first request.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Hono, type Context as HonoContext } from "hono"
import * as ApiDocs from "../../api/ApiDocs.js"
import { NotFound, Unavailable } from "../../api/ApiError.js"
import * as DashboardRoutes from "../../api/DashboardRoutes.js"
import { Draining } from "../../api/Draining.js"
import * as HotResponse from "../../api/HotResponse.js"
import { type HotRoute, HotRoutes, type HotRoutesShape, match, repairUrl } from "../../api/HotRoutes.js"
import { ManagerApi } from "../../api/ManagerApi.js"
import * as ManagerLayer from "../../api/ManagerLayer.js"
import * as RouteTable from "../../api/RouteTable.js"
import { settled } from "../../api/Settled.js"
import * as StorageRoutes from "../../api/StorageRoutes.js"
import * as WebHandler from "../../api/WebHandler.js"
import { plainSecret } from "../../mediamtx/CommandText.js"
import type { LackingPolicy } from "../../mediamtx/ConfigForVersion.js"
import { formatIssue } from "../../mediamtx/ConfigIssue.js"
import type { HookConfiguration, HookGenerator } from "../../mediamtx/HookGenerator.js"
import type { AuthPermission } from "../../mediamtx/MediaMTXConfig.js"
import type { TypedConfig, TypedPaths } from "../../mediamtx/TypedPath.js"
import * as AuthPolicy from "../../services/AuthPolicy.js"
import * as ConfigRenderer from "../../services/ConfigRenderer.js"
import * as ConfigRevisions from "../../services/ConfigRevisions.js"
import {
  type ConfigOverlay,
  ConfigSource,
  ConfigSourceError,
  type ConfigSourceShape
} from "../../services/ConfigSource.js"
import * as Credentials from "../../services/Credentials.js"
import { type FleetSnapshot, FleetState } from "../../services/FleetState.js"
import type { HookBus } from "../../services/HookBus.js"
import { onWorkers } from "../../services/internal/onWorkers.js"
import { defaultLocator } from "../../services/LocatorSettings.js"
import * as NodeEventLog from "../../services/NodeEventLog.js"
import { isNodeId } from "../../services/NodeId.js"
import type { LabelRules } from "../../services/NodeLabels.js"
import { type NodeRecord, NodeRegistry } from "../../services/NodeRegistry.js"
import type { Storage } from "../../services/ObjectStorage.js"
import type { PlaybackOptions } from "../../services/Playback.js"
import type { PlaybackQueueOptions } from "../../services/PlaybackQueue.js"
import { recordSettings } from "../../services/RecordSettings.js"
import * as StateLayer from "../../services/StateLayer.js"
import * as Topology from "../../services/Topology.js"
import { type Auth, toPolicy } from "./AuthFunction.js"
import { checkedConfig } from "./CheckedConfig.js"
import { addressOf, hotRequest, readBody, send, unread } from "./Exchange.js"
import * as Lifecycle from "./Lifecycle.js"
import { targetOf } from "./Mount.js"
import type { CheckedPaths, ConfigNames, OverlayNames, Overlays } from "./Names.js"
import * as Playback from "./Playback.js"
import * as Store from "./Store.js"

/** The state as a store shows it: paths go by the names of the config. */
export interface FleetContext<Path extends string = string>
  extends Omit<FleetSnapshot, "paths" | "publishers" | "readers"> {
  readonly paths: ReadonlyArray<Named<FleetSnapshot["paths"][number], Path>>
  readonly publishers: ReadonlyArray<Named<FleetSnapshot["publishers"][number], Path>>
  readonly readers: ReadonlyArray<Named<FleetSnapshot["readers"][number], Path>>
}
type Named<Row, Path extends string> = Omit<Row, "path"> & {
  /** A name of the config. What else a node reports, of an older config say, is here under its own name. */
  readonly path: Path
}

/** The nodes that have ever called. */
export interface ManagerNodes {
  /** All, by id. */
  readonly list: () => Promise<ReadonlyArray<NodeRecord>>
  /** One; undefined when it has never called. */
  readonly get: (id: string) => Promise<NodeRecord | undefined>
  /** Forgets one: false when there was none. It comes back as new with its next call. */
  readonly remove: (id: string) => Promise<boolean>
}

/** What `manager` has beside its routes. */
export interface ManagerFacade<Path extends string = string> {
  /** The fleet's state. */
  readonly store: Store.Store<FleetContext<Path>>
  readonly nodes: ManagerNodes
  /** Clips of what the nodes have recorded. Without `storage` all of it rejects with `NoStorage`. */
  readonly playback: Playback.ManagerPlayback<Path>
  /**
   * Starts what is behind it, if need be. Rejects when that fails: a database that can't be opened, say.
   *
   * `env` is the environment for `state` and `storage`, where those are functions and no request has brought one yet.
   */
  readonly ready: (env?: unknown) => Promise<void>
  /** Ends event streams, stops all that runs, and closes the state. What is asked after that is answered with 503. */
  readonly dispose: () => Promise<void>
}

/** A Hono app to be mounted, with what the program itself needs. */
export type Manager<Path extends string = string> = Hono & ManagerFacade<Path>

/** Where state is kept. */
export type State = "memory" | StateLayer.StateLayer

export interface ManagerOptions<
  Paths extends TypedPaths = TypedPaths,
  Nodes extends Overlays = Overlays,
  Env = unknown
> {
  /**
   * The manager as nodes reach it, with the path that it is mounted under: `https://example.com/mtx` for
   * `app.route("/mtx", manager({...}))`. It stands in every node's config.
   */
  readonly base: string | URL
  /** The shared key of the fleet. Does everything when it is the only one. */
  readonly key: string | Redacted.Redacted
  /** The key before this one, while nodes go by it: they keep its tokens until they boot. */
  readonly previousKey?: string | Redacted.Redacted | undefined
  /** Splits administration off the shared key. */
  readonly adminKey?: string | Redacted.Redacted | undefined
  /** May read `/metrics`, and nothing else. */
  readonly metricsKey?: string | Redacted.Redacted | undefined
  /** Opens the dashboard, and routes that only tell, for people who may look but not touch. */
  readonly viewerKey?: string | Redacted.Redacted | undefined
  /** What every node gets. Paths are plain, or made by `path`. */
  readonly config: Omit<TypedConfig<Paths>, "paths"> & {
    readonly paths?: (Paths & CheckedPaths<Paths>) | undefined
  }
  /** What single nodes get on top, by their ids: fields replace those of `config`, paths merge field by field. */
  readonly nodes?: Nodes | undefined
  /** Labels of nodes, by id or by a pattern: `{ "eu-*": { region: "eu" } }`. */
  readonly labels?: LabelRules | undefined
  /** What goes over `config` on the nodes that each selects, in this order and below `nodes`. */
  readonly overlays?: ReadonlyArray<ConfigOverlay> | undefined
  /**
   * What nodes' configs are made of: `code` (the default) is `config`, `labels`, `overlays` and `nodes` above; `revisions` is
   * what `PUT /config` has put into the state, of which those are the first. Needs a state that keeps revisions.
   */
  readonly configSource?: "code" | "revisions" | undefined
  /**
   * Who may do what. Absent: nodes authenticate as `config` says, without asking the manager, and there is no `/auth`.
   * Given: nodes ask for every publish, read and so on, whatever `config` says of `authMethod`.
   */
  readonly auth?: Auth<ConfigNames<{ readonly paths: Paths }> | OverlayNames<Nodes>, string> | undefined
  /** How long `auth` may take, after which it denies (default 2 seconds; a number is milliseconds). */
  readonly deadline?: Duration.DurationInput | undefined
  /** Called once with the store, at once: the place to subscribe. */
  readonly on?:
    | ((store: Store.Store<FleetContext<ConfigNames<{ readonly paths: Paths }> | OverlayNames<Nodes>>>) => void)
    | undefined
  /**
   * Where state is kept: in memory (the default), or where a layer says, `sqlite({ file })` say. A function gets the
   * environment of the first request, for bindings.
   */
  readonly state?: State | ((env: Env) => State) | undefined
  /**
   * Where clips go: `s3({...})`, say, of `./storage`. Absent: this manager has no clips. A function gets the environment of
   * the first request, for bindings.
   */
  readonly storage?: Storage | ((env: Env) => Storage) | undefined
  /** The time zone of the nodes, in which MediaMTX names its segments (default UTC, which containers have). */
  readonly timeZone?: string | undefined
  /** Leases and limits of clip jobs, and how long signed URLs open. */
  readonly playback?: (PlaybackQueueOptions & PlaybackOptions) | undefined
  /** How nodes report what happens on them (default `busybox`); false: not at all. */
  readonly hooks?: HookGenerator | false | undefined
  /** Which events they report, on top of `defaultHookConfiguration`. */
  readonly hookConfiguration?: Partial<HookConfiguration> | undefined
  /** How nodes keep their config fresh. */
  readonly refresh?: ConfigRenderer.RefreshOptions | undefined
  /** For nodes whose updater has a relay: their hooks and questions go there (default: straight to the manager). */
  readonly relay?: ConfigRenderer.RelayOptions | undefined
  /** The MediaMTX of nodes that don't say it themselves, such as `1.19.3` (default: the newest that is known). */
  readonly mediamtxVersion?: string | undefined
  /** What a node's older MediaMTX doesn't have is left out with a warning (`drop`, default), or the node keeps what it has. */
  readonly unknownFields?: LackingPolicy | undefined
  /** What nodes allow without asking, when `auth` is given and the config doesn't say itself. */
  readonly authHTTPExclude?: ReadonlyArray<AuthPermission> | undefined
  /** Where nodes are reached, by each other and by viewers: by id or a pattern of ids, such as `{"eu-*": "{node}.example"}`. */
  readonly addresses?: Topology.TopologyInput["addresses"]
  /** Nodes that stand in for each other, and edges that read from origins. */
  readonly groups?: Topology.TopologyInput["groups"]
  /** How `GET /streams/PATH` answers. By default it asks `auth`; without one it takes the admin key. */
  readonly locator?: Topology.TopologyInput["locator"]
  /** How many proxies in front append to `X-Forwarded-For`; true is one (default none: the header is ignored). */
  readonly trustProxy?: number | boolean | undefined
  /** Replaces the log, which goes to the console: a layer such as `Logger.json`. */
  readonly logger?: Layer.Layer<never> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------

/** What an app needs of its layer. */
export type Provided = ManagerLayer.Provided | NodeRegistry | FleetState

export interface FromLayerOptions {
  /** How many proxies in front append to `X-Forwarded-For`; true is one (default none: the header is ignored). */
  readonly trustProxy?: number | boolean | undefined
  /** Makes the runtime with the first use rather than at once. */
  readonly lazy?: boolean | undefined
  /** Whether there is an `/auth` (default true). */
  readonly auth?: boolean | undefined
  /** Where it is told that the layer could not be built, or that a subscriber failed before it was. */
  readonly logger?: Layer.Layer<never> | undefined
}

interface Running {
  readonly hot: HotRoutesShape
  readonly web: WebHandler.WebHandler
  readonly context: Context.Context<Provided>
  readonly runtime: Runtime.Runtime<never>
  readonly runFork: ReturnType<typeof Runtime.runFork<never>>
}

const build: Effect.Effect<Running, never, Provided> = Effect.gen(function* () {
  const context = yield* Effect.context<Provided>()
  const runtime = yield* Effect.runtime<never>()
  return {
    hot: Context.get(context, HotRoutes),
    web: yield* WebHandler.make,
    context,
    runtime,
    runFork: Runtime.runFork(runtime)
  }
})

const knownRoutes = RouteTable.make(ManagerApi, [...ApiDocs.routes, ...DashboardRoutes.routes, ...StorageRoutes.routes])
const notFound = HotResponse.fromError(new NotFound({ message: "there is no such route; /docs lists them all" }))
const noAuth = HotResponse.fromError(
  new NotFound({ message: "this manager does not decide who may do what: it was given no auth" })
)
const unavailable = HotResponse.fromError(new Unavailable({ message: "the manager is not running", retryAfter: 5 }))

const emptyContext: FleetSnapshot = {
  cursor: 0,
  at: 0,
  nodes: [],
  paths: [],
  publishers: [],
  readers: [],
  connections: []
}
const isEmpty = (context: FleetSnapshot): boolean =>
  context.nodes.length === 0 &&
  context.paths.length === 0 &&
  context.publishers.length === 0 &&
  context.readers.length === 0 &&
  context.connections.length === 0

const toCount = (trustProxy: number | boolean | undefined): number =>
  typeof trustProxy === "number" ? trustProxy : trustProxy === true ? 1 : 0

/** Reading the state failed: tried again for as long as the manager lives. */
const retryPolicy = Schedule.exponential("100 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** The app over a layer that may depend on the environment of the first request. */
const fromLayerOf = (layer: (env: unknown) => Layer.Layer<Provided, unknown>, options: FromLayerOptions): Manager => {
  const trustedProxies = toCount(options.trustProxy)
  const wanted = Effect.unsafeMakeLatch(false)
  let environment: unknown

  const source = Store.make<FleetSnapshot>({
    initial: emptyContext,
    pull: () => {
      const running = lifecycle.current()
      if (running === undefined) return undefined
      // Both kinds of state answer from memory; one that can't is read by the subscription below.
      const exit = Effect.runSyncExit(Context.get(running.context, FleetState).snapshot)
      return Exit.isSuccess(exit) ? exit.value : undefined
    },
    onFirstSubscriber: () => wanted.unsafeOpen(),
    onError: (error, what) => {
      const log = Effect.logError(`${what} failed`, error)
      const running = lifecycle.current()
      if (running === undefined) Effect.runFork(Effect.provide(log, options.logger ?? Layer.empty))
      else running.runFork(log)
    }
  })

  const feed = Layer.scopedDiscard(
    Effect.gen(function* () {
      const fleet = yield* FleetState
      let first = true
      yield* wanted.await.pipe(
        Effect.zipRight(
          Stream.runForEach(fleet.changes, (context) =>
            Effect.sync(() => {
              // An empty fleet is what every subscriber starts from.
              const nothingNew = first && isEmpty(context)
              first = false
              if (!nothingNew) source.publish(context)
            })
          )
        ),
        Effect.tapError((error) => Effect.logWarning("the fleet's state can't be read, will try again", error)),
        Effect.retry(retryPolicy),
        Effect.forkScoped
      )
    })
  )

  const clips = Playback.make({
    start: async () => (lifecycle.current() ?? (await lifecycle.start())).runtime,
    disposed: () => lifecycle.disposed()
  })

  const lifecycle = Lifecycle.make(
    Layer.suspend(() => Layer.provideMerge(Layer.merge(feed, clips.feed), layer(environment))),
    build,
    (running) => Context.get(running.context, Draining).begin,
    options.logger
  )

  // -------------------------------------------------------------------------------------------------------------------

  const finish = (
    c: HonoContext,
    running: Running,
    effect: Effect.Effect<HotResponse.HotResponse>
  ): Response | Promise<Response> => {
    const known = settled(effect)
    if (known !== undefined) return send(c, known.value)
    return new Promise((resolve) => {
      running.runFork(effect).addObserver((exit) => {
        // Only an interruption ends otherwise: the manager is going down.
        resolve(send(c, Exit.isSuccess(exit) ? exit.value : unavailable))
      })
    })
  }

  const answer = (c: HonoContext, running: Running, route: HotRoute, query: string) => {
    if (route._tag === "Config")
      return finish(c, running, running.hot.answer(route, hotRequest(c, query, "", trustedProxies)))
    return readBody(c).then(
      (body) => finish(c, running, running.hot.answer(route, hotRequest(c, query, body, trustedProxies))),
      () => send(c, unread)
    )
  }

  const serve = (c: HonoContext, next: () => Promise<void>) => {
    const { origin, path: sent, prefix, query: sentQuery } = targetOf(c)
    const url = repairUrl(sent)
    const path = url === sent ? sent : "/"
    const query = url === sent ? sentQuery : url.slice(2)
    const route = match(c.req.raw.method, path)
    // At the root, what is not ours is left to the app that we are part of. Below a prefix, all is ours.
    if (route === undefined && prefix === "" && knownRoutes(path).length === 0) return next()
    if (options.auth === false && path === "/auth") return send(c, noAuth)
    const serveBy = (running: Running): Response | Promise<Response> => {
      if (route !== undefined) return answer(c, running, route, query)
      const request = c.req.raw
      return running.web(
        prefix === "" ? request : new Request(`${origin}${path}${query === "" ? "" : `?${query}`}`, request),
        addressOf(c, trustedProxies)
      )
    }
    const running = lifecycle.current()
    if (running !== undefined) return serveBy(running)
    environment ??= c.env
    return lifecycle.start().then(serveBy, () => send(c, unavailable))
  }

  const app = new Hono()
  app.all("*", serve)
  app.notFound((c) => send(c, notFound))

  // -------------------------------------------------------------------------------------------------------------------

  const run = async <A, E>(f: (registry: typeof NodeRegistry.Service) => Effect.Effect<A, E>): Promise<A> => {
    const running = lifecycle.current() ?? (await lifecycle.start())
    const exit = await Effect.runPromiseExit(f(Context.get(running.context, NodeRegistry)))
    if (Exit.isSuccess(exit)) return exit.value
    throw Lifecycle.thrown(exit.cause)
  }

  const nodes: ManagerNodes = {
    list: () => run((registry) => registry.list),
    get: (id) =>
      isNodeId(id)
        ? run((registry) => Effect.map(registry.get(id), Option.getOrUndefined))
        : Promise.resolve(undefined),
    remove: (id) =>
      isNodeId(id)
        ? run((registry) =>
            registry.remove(id).pipe(
              Effect.as(true),
              Effect.catchTag("NodeNotFound", () => Effect.succeed(false))
            )
          )
        : Promise.resolve(false)
  }

  const facade: ManagerFacade = {
    store: source.store,
    nodes,
    playback: clips.playback,
    ready: (env) => {
      environment ??= env
      return lifecycle.start().then(() => undefined)
    },
    dispose: lifecycle.dispose
  }
  if (options.lazy !== true) lifecycle.start().catch(() => undefined)
  return Object.assign(app, facade)
}

/**
 * The app over services of your own, for programs that compose them with Effect.
 *
 * @example
 * ```ts
 * import { fromLayer } from "@livecams/mtx-manager/hono"
 *
 * const app = fromLayer(ManagerLayer.layer.pipe(Layer.provideMerge(MyServices)))
 * ```
 */
export const fromLayer = (layer: Layer.Layer<Provided, unknown>, options: FromLayerOptions = {}): Manager =>
  fromLayerOf(() => layer, { ...options, lazy: options.lazy ?? onWorkers })

/**
 * Without `auth`, only the routes for clips ask, and whoever comes to them has shown the key for it: that decides.
 */
const keyHolders = AuthPolicy.make(({ action }) =>
  Effect.succeed(
    action === "playback.request" || action === "playback.worker"
      ? AuthPolicy.AuthDecision.Allow({ reason: "the key is enough: this manager was given no auth" })
      : AuthPolicy.AuthDecision.Deny({ reason: "this manager was given no auth" })
  )
)

/** The newest revision of the state, or the first: what the program says. */
const fromRevisions = (
  seed: ConfigSourceShape
): Layer.Layer<ConfigSource | ConfigRevisions.ConfigRevisions, { readonly message: string }> =>
  Layer.unwrapEffect(
    Effect.map(Effect.serviceOption(ConfigRevisions.RevisionStore), (store) =>
      ConfigRevisions.layerSource({
        seed: Effect.map(seed.current, ConfigRevisions.documentOf),
        seedNote: "taken over from the program"
      }).pipe(
        Layer.provideMerge(ConfigRevisions.layer()),
        Layer.provide(
          Option.isSome(store)
            ? Layer.succeed(ConfigRevisions.RevisionStore, store.value)
            : // In memory, edits would be gone with the next start.
              Layer.fail(
                new ConfigSourceError({
                  origin: "revisions",
                  message: "this state keeps no revisions: give one that provides RevisionStore"
                })
              )
        )
      )
    )
  )

const redacted = (option: string, secret: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.make(plainSecret(option, secret))

/**
 * A manager as a Hono app: mount it with `app.route("/", manager({...}))`, or serve it as it is.
 *
 * @throws InvalidConfig, InvalidPath when nodes could not be given this config, or what is stated of them is not valid
 * @throws CommandTextError when an option can't stand in a command that a node runs
 * @throws RecordPathError when `timeZone` is not known
 * @example
 * ```ts
 * import { Hono } from "hono"
 * import { manager, path } from "@livecams/mtx-manager/hono"
 *
 * const app = new Hono()
 * app.route(
 *   "/",
 *   manager({
 *     base: "https://example.com",
 *     key: process.env.KEY ?? "",
 *     config: { paths: { cam: path({ record: true }) } },
 *     auth: ({ action, payload }) => action === "read" && payload.path === "cam"
 *   })
 * )
 * ```
 */
export const manager = <
  const Paths extends TypedPaths = Record<never, never>,
  const Nodes extends Overlays = Record<never, never>,
  Env = unknown
>(
  options: ManagerOptions<Paths, Nodes, Env>
): Manager<ConfigNames<{ readonly paths: Paths }> | OverlayNames<Nodes>> => {
  const { auth, state = "memory", storage, timeZone } = options
  const render: ConfigRenderer.ConfigRendererOptions = {
    base: options.base,
    hooks: options.hooks,
    hookConfiguration: options.hookConfiguration,
    refresh: options.refresh,
    relay: options.relay,
    mediamtxVersion: options.mediamtxVersion,
    unknownFields: options.unknownFields,
    auth: auth !== undefined,
    authHTTPExclude: options.authHTTPExclude
  }
  const { source, warnings } = checkedConfig(options, render)
  const zone = recordSettings({}, { timeZone })
  if (Either.isLeft(zone)) throw zone.left
  const key = redacted("key", options.key)
  const credentials = Credentials.layer({
    key,
    previousKey: options.previousKey === undefined ? undefined : redacted("previousKey", options.previousKey),
    adminKey: options.adminKey === undefined ? undefined : redacted("adminKey", options.adminKey),
    metricsKey: options.metricsKey === undefined ? undefined : redacted("metricsKey", options.metricsKey),
    viewerKey: options.viewerKey === undefined ? undefined : redacted("viewerKey", options.viewerKey)
  })
  const policy = AuthPolicy.layer(auth === undefined ? keyHolders : toPolicy(auth, options.deadline))
  const stated = Topology.decode(options, {
    locator: { ...defaultLocator, access: auth === undefined ? "key" : "policy" }
  })
  if (Either.isLeft(stated)) throw stated.left
  const warn = Layer.effectDiscard(
    Effect.forEach(warnings, (issue) => Effect.logWarning(`config: ${formatIssue(issue)}`), { discard: true })
  )

  const layerFor = (env: unknown): Layer.Layer<Provided, unknown> => {
    // The type of the environment is the caller's to say: it is what their server or worker hands to Hono.
    const chosen = typeof state === "function" ? state(env as Env) : state
    const stored: Layer.Layer<HookBus | NodeRegistry | FleetState, { readonly message: string }> = Layer.provideMerge(
      NodeEventLog.layer,
      chosen === "memory" ? StateLayer.memory() : chosen
    )
    const configSource =
      options.configSource === "revisions"
        ? Layer.provide(fromRevisions(source), stored)
        : Layer.succeed(ConfigSource, source)
    const topology = Topology.layer(stated.right).pipe(
      Layer.provide(stored),
      Layer.provide(configSource),
      Layer.provideMerge(credentials)
    )
    const renderer = ConfigRenderer.layer(render).pipe(Layer.provide(configSource), Layer.provideMerge(topology))
    const guarded = Topology.guard.pipe(Layer.provide(policy), Layer.provide(topology))
    const bucket = typeof storage === "function" ? storage(env as Env) : storage
    const services =
      bucket === undefined
        ? stored
        : Playback.layer({ storage: bucket, base: options.base, key, timeZone, playback: options.playback }).pipe(
            Layer.provide(topology),
            Layer.provide(configSource),
            Layer.provideMerge(stored)
          )
    return ManagerLayer.layer.pipe(
      Layer.provideMerge(Layer.mergeAll(services, renderer, guarded, warn, configSource)),
      Layer.provide(options.logger ?? Layer.empty)
    )
  }

  const app = fromLayerOf(layerFor, {
    trustProxy: options.trustProxy,
    lazy: typeof state === "function" || typeof storage === "function" || onWorkers,
    auth: auth !== undefined,
    logger: options.logger
  })
  // The names are a type only: what the store shows is what nodes report, and clips are found by the name that is asked for.
  const typed = app as unknown as Manager<ConfigNames<{ readonly paths: Paths }> | OverlayNames<Nodes>>
  options.on?.(typed.store)
  return typed
}
