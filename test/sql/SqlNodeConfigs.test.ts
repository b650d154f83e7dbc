import { Effect, Layer } from "effect"
import * as HookBus from "../../src/services/HookBus.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeConfigs from "../../src/sql/SqlNodeConfigs.js"
import { nodeConfigsContract } from "../../src/testing/NodeConfigsContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

nodeConfigsContract("SqlNodeConfigs.layer on SQLite", {
  layer: (options) =>
    SqlNodeConfigs.layer(options).pipe(
      Layer.provideMerge(HookBus.layerMemory()),
      Layer.provide(SqliteNode.layer({ filename: ":memory:" }))
    ),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) =>
      SqlNodeConfigs.layer(options).pipe(
        Layer.provideMerge(HookBus.layerMemory()),
        Layer.provide(SqliteNode.layer({ filename }))
      )
  )
})
