import { Effect, Layer } from "effect"
import * as SqlConfigRevisions from "../../src/sql/SqlConfigRevisions.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import { configRevisionsContract } from "../../src/testing/ConfigRevisionsContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

configRevisionsContract("SqlConfigRevisions.layer on SQLite", {
  layer: (options) =>
    Layer.fresh(Layer.provide(SqlConfigRevisions.layer(options), SqliteNode.layer({ filename: ":memory:" }))),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) =>
      Layer.fresh(Layer.provide(SqlConfigRevisions.layer(options), SqliteNode.layer({ filename })))
  )
})
