import { Effect, Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlRecordings from "../../src/sql/SqlRecordings.js"
import { recordingsContract } from "../../src/testing/RecordingsContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

recordingsContract("SqlRecordings.layer on SQLite", {
  layer: (options) =>
    Layer.fresh(Layer.provide(SqlRecordings.layer(options), SqliteNode.layer({ filename: ":memory:" }))),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) => Layer.fresh(Layer.provide(SqlRecordings.layer(options), SqliteNode.layer({ filename })))
  )
})
