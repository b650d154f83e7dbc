import { Effect, Layer } from "effect"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import { hookBusContract } from "../../src/testing/HookBusContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

hookBusContract("SqlHookBus.layer on SQLite", {
  layer: (retention) =>
    Layer.unwrapScoped(
      Effect.map(tempDatabase, (filename) => Layer.provide(SqlHookBus.layer(retention), SqliteNode.layer({ filename })))
    ),
  storage: Effect.map(
    tempDatabase,
    (filename) => (retention) => Layer.provide(SqlHookBus.layer(retention), SqliteNode.layer({ filename }))
  )
})
