import { Effect, Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeCommands from "../../src/sql/SqlNodeCommands.js"
import { nodeCommandsContract } from "../../src/testing/NodeCommandsContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

nodeCommandsContract("SqlNodeCommands.layer on SQLite", {
  layer: (options) => Layer.provide(SqlNodeCommands.layer(options), SqliteNode.layer({ filename: ":memory:" })),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) => Layer.provide(SqlNodeCommands.layer(options), SqliteNode.layer({ filename }))
  )
})
