/** State on Cloudflare Workers: in the SQLite of a Durable Object, or in a D1 database. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Layer from "effect/Layer"
import type { Wakeups } from "../../services/NodeRegistry.js"
import type { StateLayer, StateOptions } from "../../services/StateLayer.js"
import * as D1 from "../../sql/D1.js"
import * as DurableObjectSqlite from "../../sql/DurableObjectSqlite.js"
import * as SqlClipState from "../../sql/SqlClipState.js"
import * as SqlConfigRevisions from "../../sql/SqlConfigRevisions.js"
import * as SqlFleetState from "../../sql/SqlFleetState.js"
import * as SqlHookBus from "../../sql/SqlHookBus.js"
import * as SqlNodeCommands from "../../sql/SqlNodeCommands.js"
import * as SqlNodeConfigs from "../../sql/SqlNodeConfigs.js"
import * as SqlNodeRegistry from "../../sql/SqlNodeRegistry.js"
import * as SqlTokenSessions from "../../sql/SqlTokenSessions.js"
import * as ClipDeadlines from "./ClipDeadlines.js"

export interface WorkersStateOptions extends StateOptions {
  /** By whom the object is woken when a node's silence is to be noticed. Absent: by nobody. */
  readonly wakeups?: Wakeups | undefined
  /** By whom it is woken when time ends a lease of a clip job, or the job. Absent: by nobody. */
  readonly clipWakeups?: ClipDeadlines.ClipWakeups | undefined
}

/** Both databases take parameters of up to 2 MB, and a character may be three bytes of it. */
const MAX_BATCH_CHARACTERS = 512 * 1024

const over = <E extends { readonly message: string }>(
  database: Layer.Layer<SqlClient.SqlClient, E>,
  { clipWakeups, heartbeats, retention, wakeups }: WorkersStateOptions
): StateLayer =>
  Layer.mergeAll(SqlFleetState.layer(), SqlNodeCommands.layer(), SqlNodeConfigs.layer(), SqlTokenSessions.layer()).pipe(
    Layer.provideMerge(
      Layer.merge(
        SqlHookBus.layer({ ...retention, maxBatchSize: MAX_BATCH_CHARACTERS, trimAtStart: true }),
        SqlNodeRegistry.layer({ policy: heartbeats, wakeups })
      )
    ),
    Layer.merge(
      clipWakeups === undefined
        ? SqlClipState.layer
        : Layer.provide(ClipDeadlines.layer(clipWakeups), SqlClipState.layer)
    ),
    Layer.merge(SqlConfigRevisions.layerStore),
    Layer.provide(database)
  )

/**
 * State in the SQLite of the Durable Object that the manager runs in: `ctx.storage`. A `managerObject` does this by itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const durableObject = (
  storage: DurableObjectSqlite.DurableObjectSqliteStorage,
  options: WorkersStateOptions = {}
): StateLayer => over(DurableObjectSqlite.layer(storage), options)

/**
 * State in a D1 database, for a manager that runs in one place: a Durable Object, see `managerObject`.
 *
 * It must not be shared by the many isolates of a plain Worker. The services answer from memory, and one that does not hear
 * of what the others write would give out an old picture of the fleet and let nodes expire that have called elsewhere.
 *
 * @since 0.1.0
 * @category constructors
 */
export const d1 = (database: D1.D1Database, options: WorkersStateOptions = {}): StateLayer =>
  over(D1.layer(database), options)
