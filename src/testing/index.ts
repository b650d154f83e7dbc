/**
 * For tests: one contract suite per service, to run your own layers through. Needs vitest and @effect/vitest.
 *
 * @since 0.1.0
 */
export * from "./AuthPolicyContract.js"
export * from "./ConfigRendererContract.js"
export * from "./ConfigRevisionsContract.js"
export * from "./ConfigSourceContract.js"
export * from "./FleetStateContract.js"
export * from "./HookBusContract.js"
export * from "./JwtKeysContract.js"
export * from "./NodeCommandsContract.js"
export * from "./NodeConfigsContract.js"
export * from "./NodeRegistryContract.js"
export * from "./ObjectStorageContract.js"
export * from "./PlaybackQueueContract.js"
export * from "./RecordingsContract.js"
export * from "./RolloutStoreContract.js"
export * from "./TokenSessionsContract.js"
export * from "./WebhooksContract.js"
