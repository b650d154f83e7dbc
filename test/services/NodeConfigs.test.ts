import * as Layer from "effect/Layer"
import * as HookBus from "../../src/services/HookBus.js"
import * as NodeConfigs from "../../src/services/NodeConfigs.js"
import { nodeConfigsContract } from "../../src/testing/NodeConfigsContract.js"

nodeConfigsContract("NodeConfigs.layerMemory", {
  layer: (options) => NodeConfigs.layerMemory(options).pipe(Layer.provideMerge(HookBus.layerMemory()))
})
