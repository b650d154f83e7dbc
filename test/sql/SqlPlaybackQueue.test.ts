import { Effect, Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlPlaybackQueue from "../../src/sql/SqlPlaybackQueue.js"
import { playbackQueueContract } from "../../src/testing/PlaybackQueueContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

playbackQueueContract("SqlPlaybackQueue.layer on SQLite", {
  layer: (options) =>
    Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), SqliteNode.layer({ filename: ":memory:" }))),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) =>
      Layer.fresh(Layer.provide(SqlPlaybackQueue.layer(options), SqliteNode.layer({ filename, synchronous: "NORMAL" })))
  )
})
