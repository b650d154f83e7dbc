/**
 * Everything of the API that does not depend on the runtime, as one layer over the services: what an adapter needs.
 */
import * as Layer from "effect/Layer"
import type { AuthPolicy } from "../services/AuthPolicy.js"
import type { ConfigRenderer } from "../services/ConfigRenderer.js"
import type { Credentials } from "../services/Credentials.js"
import type { FleetState } from "../services/FleetState.js"
import type { HookBus } from "../services/HookBus.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import * as Access from "./Access.js"
import * as Draining from "./Draining.js"
import * as HotRoutes from "./HotRoutes.js"
import * as ManagerHttp from "./ManagerHttp.js"

/** The services that the API stands on. */
export type Services = AuthPolicy | ConfigRenderer | Credentials | FleetState | HookBus | NodeRegistry

/** What adapters build on. */
export type Provided = ManagerHttp.ManagerHttp | HotRoutes.HotRoutes | Draining.Draining

export const layer: Layer.Layer<Provided, never, Services> = ManagerHttp.layer.pipe(
  Layer.provideMerge(HotRoutes.layer),
  Layer.provide(Access.layer),
  Layer.provideMerge(Draining.layer)
)
