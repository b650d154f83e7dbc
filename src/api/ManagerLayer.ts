/**
 * Everything of the API that does not depend on the runtime, as one layer over the services: what an adapter needs.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AuthPolicy } from "../services/AuthPolicy.js"
import type { ConfigRenderer } from "../services/ConfigRenderer.js"
import type { Credentials } from "../services/Credentials.js"
import * as DecisionLog from "../services/DecisionLog.js"
import type { FleetState } from "../services/FleetState.js"
import type { HookBus } from "../services/HookBus.js"
import * as NodeCommands from "../services/NodeCommands.js"
import * as NodeConfigs from "../services/NodeConfigs.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import * as SessionKick from "../services/SessionKick.js"
import * as TokenExpiry from "../services/TokenExpiry.js"
import * as TokenSessions from "../services/TokenSessions.js"
import * as Traffic from "../services/Traffic.js"
import * as Access from "./Access.js"
import * as Draining from "./Draining.js"
import * as HotRoutes from "./HotRoutes.js"
import * as ManagerHttp from "./ManagerHttp.js"

/** The services that the API stands on. */
export type Services = AuthPolicy | ConfigRenderer | Credentials | FleetState | HookBus | NodeRegistry

/** What adapters build on. */
export type Provided = ManagerHttp.ManagerHttp | HotRoutes.HotRoutes | Draining.Draining

/** The one that the state brings, as the databases do; with any other state, one in memory. */
const orMemory = <I, S, R>(tag: Context.Tag<I, S>, memory: Layer.Layer<I, never, R>): Layer.Layer<I, never, R> =>
  Layer.unwrapEffect(
    Effect.map(
      Effect.serviceOption(tag),
      Option.match({ onNone: () => memory, onSome: (service): Layer.Layer<I, never, R> => Layer.succeed(tag, service) })
    )
  )

/** The policy, but for tokens that were taken back. */
const guarded = Layer.effect(
  AuthPolicy,
  Effect.map(Effect.all([AuthPolicy, TokenSessions.TokenSessions]), ([policy, tokens]) =>
    TokenSessions.guard(policy, tokens)
  )
)

/** What is asked of nodes, and what they say to it. */
const control = Layer.merge(TokenExpiry.layer, guarded).pipe(
  Layer.provideMerge(SessionKick.layer),
  Layer.provideMerge(
    Layer.mergeAll(
      orMemory(NodeCommands.NodeCommands, NodeCommands.layerMemory()),
      orMemory(NodeConfigs.NodeConfigs, NodeConfigs.layerMemory()),
      orMemory(TokenSessions.TokenSessions, TokenSessions.layerMemory()),
      orMemory(DecisionLog.DecisionLog, DecisionLog.layerMemory()),
      Traffic.layer
    )
  )
)

export const layer: Layer.Layer<Provided, never, Services> = ManagerHttp.layer.pipe(
  Layer.provideMerge(HotRoutes.layer),
  Layer.provide(Access.layer),
  Layer.provide(control),
  Layer.provideMerge(Draining.layer)
)
