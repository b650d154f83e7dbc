import { Effect, Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlTokenSessions from "../../src/sql/SqlTokenSessions.js"
import { tokenSessionsContract } from "../../src/testing/TokenSessionsContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

tokenSessionsContract("SqlTokenSessions.layer on SQLite", {
  layer: (options) => Layer.provide(SqlTokenSessions.layer(options), SqliteNode.layer({ filename: ":memory:" })),
  storage: Effect.map(
    tempDatabase,
    (filename) => (options) => Layer.provide(SqlTokenSessions.layer(options), SqliteNode.layer({ filename }))
  )
})
