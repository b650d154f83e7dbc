/**
 * A NodeRegistry of your own: the package's state machine over a storage that you have, here a map that stands for it.
 */
import { NodeRegistry } from "@livecams/mtx-manager"
import { Effect, Layer } from "effect"

/** Whatever keeps rows for you. This one outlives the layer, as a database would. */
export class MyDatabase {
  readonly rows = new Map<string, NodeRegistry.StoredNode>()
}

const store = (database: MyDatabase): NodeRegistry.NodeStore => ({
  load: Effect.sync(() => [...database.rows.values()]),
  // All or nothing: a real database would do this in one transaction.
  write: (upsert, remove) =>
    Effect.sync(() => {
      for (const node of upsert) database.rows.set(node.record.id, node)
      for (const id of remove) database.rows.delete(id)
    })
})

export const layer = (database: MyDatabase, options?: NodeRegistry.NodeRegistryOptions) =>
  Layer.scoped(NodeRegistry.NodeRegistry, NodeRegistry.make({ ...options, store: store(database) }))
