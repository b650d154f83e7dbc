/**
 * mtx-manager for Effect apps: the services as namespaces (tag, shape, errors, layers), MediaMTX's own things (config,
 * hooks, auth request) flat, and the HTTP API with its typed client.
 *
 * @since 0.1.0
 */

// HTTP -----------------------------------------------------------------------------------------------------------------
export * as Access from "./api/Access.js"
export * as ApiError from "./api/ApiError.js"
export * as HotRoutes from "./api/HotRoutes.js"
export { ManagerApi } from "./api/ManagerApi.js"
export * as ManagerClient from "./api/ManagerClient.js"
export * as ManagerHttp from "./api/ManagerHttp.js"
export * as ManagerApiLayer from "./api/ManagerLayer.js"
export * as WebHandler from "./api/WebHandler.js"
// The root has all of ./hooks as well.
export * from "./hooks.js"
// MediaMTX itself ------------------------------------------------------------------------------------------------------
export { AuthAction, AuthProtocol, AuthRequestBody, canPrompt } from "./mediamtx/AuthRequest.js"
export {
  type ConfigDocument,
  ConfigSyntaxError,
  type ConfigSyntaxIssue,
  formatSyntaxError,
  type ParseConfigOptions,
  parseConfigText
} from "./mediamtx/ConfigDocument.js"
export { configForVersion, type LackingPolicy } from "./mediamtx/ConfigForVersion.js"
export { ConfigIssue, formatField, InvalidConfig } from "./mediamtx/ConfigIssue.js"
export {
  type LintContext,
  type LintFinding,
  type LintHit,
  type LintRule,
  type LintSeverity,
  lintConfig,
  lintRules
} from "./mediamtx/ConfigLint.js"
export {
  type ConfigValidator,
  makeConfigValidator,
  type ValidConfig,
  validateConfig
} from "./mediamtx/ConfigValidation.js"
export { END_MARKER } from "./mediamtx/EndMarker.js"
export { formatIssues, type PrintableIssue, type SourcePosition } from "./mediamtx/IssueText.js"
export type { MediaMTXConfig, PathConfig } from "./mediamtx/MediaMTXConfig.js"
export { compareVersions, parseVersion, releases } from "./mediamtx/MediaMTXVersion.js"
export { type NodeCommandForm, type NodeCommandOptions, nodeCommand } from "./mediamtx/NodeCommand.js"
export { parseQuery, redactQuery } from "./mediamtx/QueryString.js"
export { type RefreshLoopOptions, refreshLoopCommand, refreshPath } from "./mediamtx/RefreshLoop.js"
export * as ReloadImpact from "./mediamtx/ReloadImpact.js"
export {
  InvalidPath,
  isTypedPath,
  type PathNameOf,
  type PathPattern,
  path,
  patternPathName,
  plainConfig,
  type TypedConfig,
  type TypedPath,
  type TypedPaths
} from "./mediamtx/TypedPath.js"
export { checkUpgrade, UpgradeReport } from "./mediamtx/UpgradeCheck.js"
export { stringify, stringifyEither, YamlValueError } from "./mediamtx/Yaml.js"
// Services -------------------------------------------------------------------------------------------------------------
export * as Argon2 from "./services/AuthPolicy/Argon2.js"
export * as AuthRules from "./services/AuthPolicy/AuthRules.js"
export { AuthRulesDocument, InvalidAuthRules } from "./services/AuthPolicy/AuthRulesDocument.js"
export { hashSecret } from "./services/AuthPolicy/Secret.js"
export * as AuthPolicy from "./services/AuthPolicy.js"
export * as ClipState from "./services/ClipState.js"
export * as ConfigExplain from "./services/ConfigExplain.js"
export * as ConfigPlan from "./services/ConfigPlan.js"
export * as ConfigRenderer from "./services/ConfigRenderer.js"
export * as ConfigRevisions from "./services/ConfigRevisions.js"
export * as ConfigSource from "./services/ConfigSource.js"
export * as Credentials from "./services/Credentials.js"
export * as Discovery from "./services/Discovery.js"
export { type DocumentChange, diffDocuments } from "./services/FleetDiff.js"
export { type ConfigOverlay, FleetDocument } from "./services/FleetDocument.js"
export * as FleetGroups from "./services/FleetGroups.js"
export * as FleetState from "./services/FleetState.js"
export * as HookBus from "./services/HookBus.js"
export * as JwtIssuer from "./services/JwtIssuer.js"
export * as JwtKeys from "./services/JwtKeys.js"
export * as NodeCommands from "./services/NodeCommands.js"
export * as NodeConfigs from "./services/NodeConfigs.js"
export * as NodeConfigTexts from "./services/NodeConfigTexts.js"
export * as NodeDirectory from "./services/NodeDirectory.js"
export { NodeEvent, NodeStatus } from "./services/NodeEvent.js"
export * as NodeEventLog from "./services/NodeEventLog.js"
export { isNodeId, NodeId } from "./services/NodeId.js"
export * as NodeLabels from "./services/NodeLabels.js"
export * as NodeRecordSettings from "./services/NodeRecordSettings.js"
export * as NodeRegistry from "./services/NodeRegistry.js"
export * as ObjectStorage from "./services/ObjectStorage.js"
export * as Playback from "./services/Playback.js"
export { PlaybackClip, PlaybackJob, PlaybackRequest } from "./services/PlaybackJob.js"
export * as PlaybackQueue from "./services/PlaybackQueue.js"
export { mayActAs, Principal } from "./services/Principal.js"
export * as Recordings from "./services/Recordings.js"
export * as Rollout from "./services/Rollout.js"
export * as RolloutPolicy from "./services/RolloutPolicy.js"
export * as RolloutRenderer from "./services/RolloutRenderer.js"
export * as SessionKick from "./services/SessionKick.js"
export { memory, type StateLayer, type StateOptions } from "./services/StateLayer.js"
export * as StreamLocator from "./services/StreamLocator.js"
export { Timestamp } from "./services/Timestamp.js"
export * as TokenSessions from "./services/TokenSessions.js"
export * as Topology from "./services/Topology.js"
export * as Traffic from "./services/Traffic.js"
