/**
 * The prebuilt Node server as a layer, and its parts: SQLite layers of the services, watched files, node:http.
 *
 * @since 0.1.0
 */
export * as AuthRulesFile from "./adapters/node/AuthRulesFile.js"
export * as HotEdge from "./adapters/node/HotEdge.js"
export * as ManagerLayer from "./adapters/node/ManagerLayer.js"
export * as NodeServer from "./adapters/node/NodeServer.js"
export { type SqliteStateOptions, sqlite } from "./adapters/node/SqliteState.js"
export * as Argon2Node from "./services/AuthPolicy/Argon2Node.js"
export * as ConfigSourceFile from "./services/ConfigSourceFile.js"
export * as Migrations from "./sql/Migrations.js"
export * as PostgresNode from "./sql/PostgresNode.js"
export * as Sharing from "./sql/Sharing.js"
export * as SqlClipState from "./sql/SqlClipState.js"
export * as SqlConfigRevisions from "./sql/SqlConfigRevisions.js"
export * as SqlFleetState from "./sql/SqlFleetState.js"
export * as SqlHookBus from "./sql/SqlHookBus.js"
export * as SqliteNode from "./sql/SqliteNode.js"
export * as SqliteTuning from "./sql/SqliteTuning.js"
export * as SqlJwtKeys from "./sql/SqlJwtKeys.js"
export * as SqlNodeCommands from "./sql/SqlNodeCommands.js"
export * as SqlNodeConfigs from "./sql/SqlNodeConfigs.js"
export * as SqlNodeRegistry from "./sql/SqlNodeRegistry.js"
export * as SqlPlaybackQueue from "./sql/SqlPlaybackQueue.js"
export * as SqlRecordings from "./sql/SqlRecordings.js"
export * as SqlRollouts from "./sql/SqlRollouts.js"
export * as SqlTokenSessions from "./sql/SqlTokenSessions.js"
