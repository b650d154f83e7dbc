import { Effect, Layer } from "effect"
import * as SqlFleetState from "../../src/sql/SqlFleetState.js"
import * as SqlHookBus from "../../src/sql/SqlHookBus.js"
import * as SqliteNode from "../../src/sql/SqliteNode.js"
import * as SqlNodeRegistry from "../../src/sql/SqlNodeRegistry.js"
import { fleetStateContract } from "../../src/testing/FleetStateContract.js"
import { tempDatabase } from "./support/TempDatabase.js"

const over = (filename: string) =>
  SqlFleetState.layer().pipe(
    Layer.provideMerge(Layer.merge(SqlHookBus.layer(), SqlNodeRegistry.layer())),
    Layer.provide(SqliteNode.layer({ filename, synchronous: "NORMAL" })),
    Layer.fresh
  )

fleetStateContract("SqlFleetState.layer on SQLite", {
  layer: over(":memory:"),
  storage: Effect.map(tempDatabase, over)
})
