/** Small services in memory, whose every answer a test can see and steer, under the API. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ManagerLayer from "../../src/api/ManagerLayer.js"
import { AuthDecision, AuthPolicy, type AuthRequest } from "../../src/services/AuthPolicy.js"
import { ConfigRenderer, END_MARKER, type RenderedConfig, RenderFailed } from "../../src/services/ConfigRenderer.js"
import * as Credentials from "../../src/services/Credentials.js"
import * as FleetState from "../../src/services/FleetState.js"
import * as HookBus from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as NodeRegistry from "../../src/services/NodeRegistry.js"

export const KEY = "fleet-key-of-the-tests"
export const ADMIN_KEY = "admin-key-of-the-tests"

/** What the services were asked, and switches that break them. */
export class Probe extends Context.Tag("test/Probe")<
  Probe,
  {
    readonly asked: Array<AuthRequest>
    readonly observed: Array<readonly [NodeId, NodeRegistry.Observation]>
    readonly beats: Array<readonly [NodeId, NodeRegistry.Heartbeat]>
    broken: { bus: boolean; registry: boolean; renderer: boolean; policy: boolean }
  }
>() {}

const probe = Layer.sync(Probe, () => ({
  asked: [],
  observed: [],
  beats: [],
  broken: { bus: false, registry: false, renderer: false, policy: false }
}))

const policy = Layer.effect(
  AuthPolicy,
  Effect.map(Probe, (probe) =>
    AuthPolicy.of({
      decide: (request) =>
        Effect.suspend((): Effect.Effect<AuthDecision> => {
          if (probe.broken.policy) return Effect.die(new Error("a bug with a s3cret in it"))
          probe.asked.push(request)
          if (request.path === "ask") return Effect.succeed(AuthDecision.Ask({ reason: "who are you?" }))
          return request.user === "alice" && Redacted.value(request.password) === "wonder"
            ? Effect.succeed(AuthDecision.Allow({ reason: "alice" }))
            : Effect.succeed(AuthDecision.Deny({ reason: "only alice may" }))
        })
    })
  )
)

/** The real log in memory, which a test can break. */
const bus = Layer.effect(
  HookBus.HookBus,
  Effect.gen(function* () {
    const probe = yield* Probe
    const real = yield* HookBus.HookBus
    const guard = (reason: HookBus.HookBusError["reason"]) =>
      Effect.suspend(() =>
        probe.broken.bus ? Effect.fail(new HookBus.HookBusError({ reason, message: "the disk is gone" })) : Effect.void
      )
    return HookBus.HookBus.of({
      ...real,
      publish: (node, event) => Effect.zipRight(guard("WriteFailed"), real.publish(node, event)),
      latest: Effect.zipRight(guard("ReadFailed"), real.latest)
    })
  })
).pipe(Layer.provide(HookBus.layerMemory()))

/** The real registry in memory, watched, which a test can break. */
const registry = Layer.effect(
  NodeRegistry.NodeRegistry,
  Effect.gen(function* () {
    const probe = yield* Probe
    const real = yield* NodeRegistry.NodeRegistry
    const guard = Effect.suspend(() =>
      probe.broken.registry
        ? Effect.fail(new NodeRegistry.NodeRegistryError({ message: "the disk is gone" }))
        : Effect.void
    )
    return NodeRegistry.NodeRegistry.of({
      ...real,
      unsafeObserve: (node, observation) => {
        if (probe.broken.registry || real.unsafeObserve?.(node, observation) !== true) return false
        probe.observed.push([node, observation])
        return true
      },
      observe: (node, observation) => {
        probe.observed.push([node, observation])
        return Effect.zipRight(guard, real.observe(node, observation))
      },
      heartbeat: (node, beat, from) => {
        probe.beats.push([node, beat])
        return Effect.zipRight(guard, real.heartbeat(node, beat, from))
      },
      get: (node) => Effect.zipRight(guard, real.get(node)),
      list: Effect.zipRight(guard, real.list)
    })
  })
).pipe(Layer.provide(NodeRegistry.layerMemory()))

const sha256 = (text: string) =>
  Effect.promise(async () => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  })

const renderer = Layer.effect(
  ConfigRenderer,
  Effect.map(Probe, (probe) => {
    const cache = new Map<NodeId, RenderedConfig>()
    return ConfigRenderer.of({
      render: (node) =>
        Effect.gen(function* () {
          if (probe.broken.renderer) {
            return yield* new RenderFailed({
              node,
              message: "paths.cam.source is not valid",
              issues: [{ field: "paths.cam.source", message: "is not valid", expected: "a URL" }]
            })
          }
          const known = cache.get(node)
          if (known !== undefined) return known
          const yaml = `# für ${node}\npaths:\n  cam: {}\n${END_MARKER}\n`
          const hash = yield* sha256(yaml)
          const made: RenderedConfig = {
            node,
            yaml,
            bytes: new TextEncoder().encode(yaml),
            hash,
            etag: `"${hash}"`,
            revision: 1,
            warnings: []
          }
          cache.set(node, made)
          return made
        }),
      changes: Stream.empty,
      failures: Effect.succeed([])
    })
  })
)

const fleet = FleetState.layerMemory().pipe(Layer.orDie)

const credentials = Credentials.layer({ key: Redacted.make(KEY), adminKey: Redacted.make(ADMIN_KEY) })

export const services = fleet.pipe(
  Layer.provideMerge(Layer.mergeAll(policy, bus, registry, renderer, credentials)),
  Layer.provideMerge(probe)
)

/** The whole API, with `Probe` and `Credentials` for the test. */
export const api = Layer.provideMerge(ManagerLayer.layer, services)

export const node = (id: string) => NodeId.make(id)
export const tokenOf = (id: string) =>
  Effect.flatMap(Credentials.Credentials, (credentials) => Effect.map(credentials.nodeToken(node(id)), Redacted.value))

/** The body of an auth call as MediaMTX sends it. */
export const authBody = (over: Readonly<Record<string, unknown>> = {}) => ({
  ip: "203.0.113.9",
  user: "",
  password: "",
  token: "",
  action: "read",
  path: "cam",
  protocol: "rtsp",
  id: "8d9e0f1a-0000-4000-8000-000000000001",
  query: "",
  userAgent: "",
  ...over
})
