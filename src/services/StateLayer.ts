/**
 * Where a manager keeps what it knows: the event log, the nodes, and the picture of the fleet, as one value.
 *
 * Adapters bring their own: `sqlite({ file })` on Node. Any layer that provides the three services will do. One that
 * provides `ClipState` as well keeps what belongs to clips; with any other, that is kept in memory. One that provides
 * `RevisionStore` can keep the revisions of the config.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as ClipState from "./ClipState.js"
import * as ConfigRevisions from "./ConfigRevisions.js"
import * as FleetState from "./FleetState.js"
import * as HookBus from "./HookBus.js"
import * as NodeRegistry from "./NodeRegistry.js"

/**
 * The services that hold state.
 *
 * @since 0.1.0
 * @category models
 */
export type StateServices = HookBus.HookBus | NodeRegistry.NodeRegistry | FleetState.FleetState

/**
 * Opens the state when it is built, closes it with its scope. An error has a message for people.
 *
 * @since 0.1.0
 * @category models
 */
export type StateLayer = Layer.Layer<StateServices, { readonly message: string }>

/**
 * What all kinds of state have in common.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateOptions {
  /** When a node's silence counts. */
  readonly heartbeats?: Partial<NodeRegistry.HeartbeatPolicy> | undefined
  /** How many events are kept, and for how long. */
  readonly retention?: HookBus.HookRetention | undefined
}

/**
 * Everything in memory, gone with the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const memory = (
  options: StateOptions = {}
): Layer.Layer<StateServices | ClipState.ClipState | ConfigRevisions.RevisionStore, { readonly message: string }> =>
  FleetState.layerMemory().pipe(
    Layer.provideMerge(
      Layer.merge(HookBus.layerMemory(options.retention), NodeRegistry.layerMemory({ policy: options.heartbeats }))
    ),
    Layer.merge(ClipState.layerMemory),
    Layer.merge(ConfigRevisions.layerMemoryStore)
  )
