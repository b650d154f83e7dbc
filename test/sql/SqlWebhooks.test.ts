import { Layer } from "effect"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlWebhooks from "../../src/sql/SqlWebhooks.js"
import { webhookStoreContract } from "../../src/testing/WebhooksContract.js"

webhookStoreContract("SqlWebhooks.layer on SQLite", {
  layer: Layer.provide(SqlWebhooks.layer, Layer.fresh(SqliteNode.layer({ filename: ":memory:" })))
})
