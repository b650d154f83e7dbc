/**
 * The manager for Hono, in Promise style: no Effect knowledge needed. Runs on @hono/node-server and on Cloudflare Workers.
 *
 * - {@link manager}: everything, as one app
 * - {@link handler}: one config, a function that hears of events, a function that decides
 *
 * @since 0.1.0
 */
export type {
  Auth,
  AuthActor,
  AuthAnswer,
  AuthFunction,
  AuthPayload,
  AuthQuestion,
  NodeAction,
  PathAction
} from "./adapters/hono/AuthFunction.js"
export { type HandlerOptions, handler } from "./adapters/hono/Handler.js"
export type { HookArguments, HookListener, HookPayload, ScopeOf } from "./adapters/hono/HookListener.js"
export { Disposed } from "./adapters/hono/Lifecycle.js"
export {
  type FleetContext,
  type FromLayerOptions,
  fromLayer,
  type Manager,
  type ManagerFacade,
  type ManagerNodes,
  type ManagerOptions,
  manager,
  type State
} from "./adapters/hono/Manager.js"
export {
  type Clip,
  type ClipJob,
  type ClipRequest,
  ClipTimeout,
  type GetClipOptions,
  InvalidClipRequest,
  type ManagerPlayback,
  NoStorage,
  type Time,
  type Timeline,
  type TimeRange
} from "./adapters/hono/Playback.js"
export type { Listener, Selection, Snapshot, Store, Subscription } from "./adapters/hono/Store.js"
export { CommandTextError } from "./mediamtx/CommandText.js"
export { ConfigIssue, InvalidConfig } from "./mediamtx/ConfigIssue.js"
export type { HookEventName, HookScope } from "./mediamtx/HookEvent.js"
export type { MediaMTXConfig, PathConfig } from "./mediamtx/MediaMTXConfig.js"
export {
  InvalidPath,
  type PathNameOf,
  type PathPattern,
  path,
  type TypedConfig,
  type TypedPath,
  type TypedPaths
} from "./mediamtx/TypedPath.js"
export { AuthDecision } from "./services/AuthPolicy.js"
export type { NodeRecord } from "./services/NodeRegistry.js"
export { ObjectStorageError, type Storage } from "./services/ObjectStorage.js"
export { ClipUnavailable } from "./services/Playback.js"
export { PlaybackJobConflict, PlaybackJobNotFound, PlaybackQueueError } from "./services/PlaybackQueue.js"
export { memory, type StateLayer, type StateOptions } from "./services/StateLayer.js"
