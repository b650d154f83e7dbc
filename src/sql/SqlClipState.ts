/** ClipState in the database of the SqlClient, whose migrations must have been run. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ClipState } from "../services/ClipState.js"
import * as SqlPlaybackQueue from "./SqlPlaybackQueue.js"
import * as SqlRecordings from "./SqlRecordings.js"

export const layer: Layer.Layer<ClipState, never, SqlClient.SqlClient> = Layer.effect(
  ClipState,
  Effect.map(SqlClient.SqlClient, (sql) => {
    const database = Layer.succeed(SqlClient.SqlClient, sql)
    return {
      recordings: (options) => Layer.provide(SqlRecordings.layer(options), database),
      queue: (options) => Layer.provide(SqlPlaybackQueue.layer(options), database)
    }
  })
)
