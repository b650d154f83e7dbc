import { Effect, Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import { nodeRegistryContract } from "../../src/testing/NodeRegistryContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

nodeRegistryContract("SqlNodeRegistry.layer on SQLite", {
  layer: (options) => Layer.provide(SqlNodeRegistry.layer(options), SqliteNode.layer({ filename: ":memory:" })),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) => Layer.provide(SqlNodeRegistry.layer(options), SqliteNode.layer({ filename }))
  )
})
