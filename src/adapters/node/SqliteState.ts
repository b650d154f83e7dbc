/** State in one SQLite file, for a manager on Node: survives restarts and crashes. */
import * as Layer from "effect/Layer"
import type { ClipState } from "../../services/ClipState.js"
import type { RevisionStore } from "../../services/ConfigRevisions.js"
import type { StateOptions, StateServices } from "../../services/StateLayer.js"
import * as SqlClipState from "../../sql/SqlClipState.js"
import * as SqlConfigRevisions from "../../sql/SqlConfigRevisions.js"
import * as SqlFleetState from "../../sql/SqlFleetState.js"
import * as SqlHookBus from "../../sql/SqlHookBus.js"
import * as SqliteNode from "../../sql/SqliteNode.js"
import * as SqlNodeCommands from "../../sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../sql/SqlNodeRegistry.js"
import * as SqlTokenSessions from "../../sql/SqlTokenSessions.js"

export interface SqliteStateOptions extends StateOptions {
  /** Created with its folder when absent. One process at a time. */
  readonly file: string
}

/**
 * The event log, the nodes, the picture of the fleet, recordings and clip jobs in one SQLite file.
 *
 * @example
 * ```ts
 * import { manager } from "@livecams/mtx-manager/hono"
 * import { sqlite } from "@livecams/mtx-manager/node"
 *
 * manager({ base, key, config, state: sqlite({ file: "data/manager.db" }) })
 * ```
 */
export const sqlite = (
  options: SqliteStateOptions
): Layer.Layer<StateServices | ClipState | RevisionStore, { readonly message: string }> =>
  Layer.mergeAll(SqlFleetState.layer(), SqlNodeCommands.layer(), SqlNodeConfigs.layer(), SqlTokenSessions.layer()).pipe(
    Layer.provideMerge(
      Layer.merge(SqlHookBus.layer(options.retention), SqlNodeRegistry.layer({ policy: options.heartbeats }))
    ),
    Layer.merge(SqlClipState.layer),
    Layer.merge(SqlConfigRevisions.layerStore),
    Layer.provide(SqliteNode.layer({ filename: options.file }))
  )
