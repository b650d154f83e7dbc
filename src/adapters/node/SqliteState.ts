/** State in one SQLite file, for a manager on Node: survives restarts and crashes. */
import * as Layer from "effect/Layer"
import type { StateLayer, StateOptions } from "../../services/StateLayer.js"
import * as SqlFleetState from "../../sql/SqlFleetState.js"
import * as SqlHookBus from "../../sql/SqlHookBus.js"
import * as SqliteNode from "../../sql/SqliteNode.js"
import * as SqlNodeRegistry from "../../sql/SqlNodeRegistry.js"

export interface SqliteStateOptions extends StateOptions {
  /** Created with its folder when absent. One process at a time. */
  readonly file: string
}

/**
 * The event log, the nodes and the picture of the fleet in one SQLite file.
 *
 * @example
 * ```ts
 * import { manager } from "@livecams/mtx-manager/hono"
 * import { sqlite } from "@livecams/mtx-manager/node"
 *
 * manager({ base, key, config, state: sqlite({ file: "data/manager.db" }) })
 * ```
 */
export const sqlite = (options: SqliteStateOptions): StateLayer =>
  SqlFleetState.layer().pipe(
    Layer.provideMerge(
      Layer.merge(SqlHookBus.layer(options.retention), SqlNodeRegistry.layer({ policy: options.heartbeats }))
    ),
    Layer.provide(SqliteNode.layer({ filename: options.file }))
  )
