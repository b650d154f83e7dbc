/** What the API answers with, as it comes over the wire: types alone, so that nothing of the manager is in the bundle. */
import type { NodeDetail as NodeDetailSchema, NodeView as NodeViewSchema } from "../api/NodesApi.js"
import type {
  ConfigChanged as ConfigChangedSchema,
  ConfigDifference as ConfigDifferenceSchema,
  ConfigRevision as ConfigRevisionSchema,
  RevisionPage as RevisionPageSchema
} from "../api/RevisionsApi.js"
import type { StreamLocations as StreamLocationsSchema } from "../api/StreamsApi.js"
import type { ConfigPlan as ConfigPlanSchema } from "../services/ConfigPlan.js"
import type { DecisionPage as DecisionPageSchema } from "../services/DecisionLog.js"
import type { FleetSnapshot as FleetSnapshotSchema } from "../services/FleetState.js"
import type { HookRecord as HookRecordSchema } from "../services/HookBus.js"
import type { CommandRecord as CommandRecordSchema } from "../services/NodeCommands.js"
import type { NodeConfigTexts as NodeConfigTextsSchema } from "../services/NodeConfigTexts.js"
import type { PlaybackStatus as PlaybackStatusSchema } from "../services/Playback.js"
import type { DryRunReport as DryRunSchema } from "../services/PolicyDryRun.js"
import type { RecordedPath as RecordedPathSchema, RecordingTimeline as TimelineSchema } from "../services/Recordings.js"
import type { RolloutDetail as RolloutDetailSchema, RolloutInfo as RolloutInfoSchema } from "../services/Rollout.js"
import type { FleetTraffic as FleetTrafficSchema } from "../services/Traffic.js"

export type NodeView = typeof NodeViewSchema.Encoded
export type NodeDetail = typeof NodeDetailSchema.Encoded
export type FleetSnapshot = typeof FleetSnapshotSchema.Encoded
export type Session = FleetSnapshot["readers"][number]
export type EventRecord = typeof HookRecordSchema.Encoded
export type ConfigTexts = typeof NodeConfigTextsSchema.Encoded
export type Traffic = typeof FleetTrafficSchema.Encoded
export type Command = typeof CommandRecordSchema.Encoded
export type StreamLocations = typeof StreamLocationsSchema.Encoded
export type RecordedPath = typeof RecordedPathSchema.Encoded
export type Timeline = typeof TimelineSchema.Encoded
export type Job = typeof PlaybackStatusSchema.Encoded
export type Revision = typeof ConfigRevisionSchema.Encoded
export type RevisionPage = typeof RevisionPageSchema.Encoded
export type RevisionInfo = RevisionPage["revisions"][number]
export type Difference = typeof ConfigDifferenceSchema.Encoded
export type ConfigChanged = typeof ConfigChangedSchema.Encoded
export type Plan = typeof ConfigPlanSchema.Encoded
export type DecisionPage = typeof DecisionPageSchema.Encoded
export type Decision = DecisionPage["decisions"][number]
export type DryRun = typeof DryRunSchema.Encoded
export type Rollout = typeof RolloutInfoSchema.Encoded
export type RolloutDetail = typeof RolloutDetailSchema.Encoded

export interface DashboardSession {
  readonly role: "admin" | "viewer"
  readonly expiresAt: string
}
