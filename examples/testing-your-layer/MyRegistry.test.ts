/**
 * The package's contract of NodeRegistry, run against a layer of your own: `npx vitest run examples/testing-your-layer`.
 */
import { nodeRegistryContract } from "@livecams/mtx-manager/testing"
import { Effect } from "effect"
import { layer, MyDatabase } from "./MyRegistry.js"

nodeRegistryContract("MyRegistry", {
  layer: (options) => layer(new MyDatabase(), options),
  // For what must survive a restart: several layers over one database, one after the other.
  storage: Effect.sync(() => {
    const database = new MyDatabase()
    return (options) => layer(database, options)
  })
})
