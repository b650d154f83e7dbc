import { Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlRollouts from "../../src/sql/SqlRollouts.js"
import { rolloutStoreContract } from "../../src/testing/RolloutStoreContract.js"

rolloutStoreContract("SqlRollouts.layer on SQLite", {
  layer: Layer.provide(SqlRollouts.layer, SqliteNode.layer({ filename: ":memory:" }))
})
