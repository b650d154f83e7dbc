/**
 * Commands for MediaMTX's lifecycle hooks, to be spread into a config.
 *
 * @since 0.1.0
 */
export { CommandTextError } from "./mediamtx/CommandText.js"
export { HookEvent, type HookEventName, type HookScope, hookEventNames, hookScope } from "./mediamtx/HookEvent.js"
export {
  busybox,
  curl,
  defaultHookConfiguration,
  type HookCommands,
  type HookConfiguration,
  type HookGenerator,
  type HookOptions,
  type HookReport,
  makeHookGenerator
} from "./mediamtx/HookGenerator.js"
