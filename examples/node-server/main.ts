/**
 * The prebuilt server from your own program: the same layer that `mtx-manager serve` runs, with settings of your choice.
 *
 *     KEY=a-key-of-your-own-0123456789 npx vite-node examples/node-server/main.ts
 */

import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { ManagerLayer, NodeServer } from "@livecams/mtx-manager/node"
import { Config, Console, Effect, Layer } from "effect"

const Server = Layer.unwrapEffect(
  Effect.gen(function* () {
    const key = yield* Config.redacted("KEY")
    const port = yield* Config.port("PORT").pipe(Config.withDefault(8080))
    const data = yield* Config.string("DATA").pipe(Config.withDefault("./data"))
    return ManagerLayer.layer({
      port,
      key,
      base: `http://localhost:${port}`,
      config: `${data}/config`,
      rules: `${data}/config/manager.yml`,
      database: `${data}/manager.db`,
      // A node on a shaky line gets more time before it counts as gone.
      heartbeats: { staleAfter: 3, offlineAfter: 10 }
    })
  })
)

const Announce = Layer.effectDiscard(
  Effect.flatMap(NodeServer.NodeServer, ({ url }) => Console.log(`listening on ${url}`))
)

NodeRuntime.runMain(Layer.launch(Announce.pipe(Layer.provide(Server), Layer.provide(NodeContext.layer))))
