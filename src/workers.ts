/**
 * The manager on Cloudflare Workers: in a Durable Object, with state in its SQLite or in D1.
 *
 * - {@link managerObject}, {@link worker}: the object, and the Worker in front of it
 * - {@link rules}: auth rules as a value
 * - {@link durableObject}, {@link d1}: the state alone, for an object of your own
 *
 * @since 0.1.0
 */
export type { ClipWakeups } from "./adapters/workers/ClipDeadlines.js"
export {
  type HostObject,
  type ManagerObject,
  type ManagerObjectClass,
  managerObject,
  type ObjectApp,
  type ObjectContext,
  type ObjectNamespace,
  type ObjectStateOptions,
  type Worker,
  type WorkerOptions,
  worker
} from "./adapters/workers/ManagerObject.js"
export { rules } from "./adapters/workers/RulesPolicy.js"
export { d1, durableObject, type WorkersStateOptions } from "./adapters/workers/WorkersState.js"
export type { Wakeups } from "./services/NodeRegistry.js"
export type { StateLayer, StateOptions } from "./services/StateLayer.js"
export type { D1Database } from "./sql/D1.js"
export type { DurableObjectSqliteStorage } from "./sql/DurableObjectSqlite.js"
