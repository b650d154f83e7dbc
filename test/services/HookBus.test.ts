import { layerMemory } from "../../src/services/HookBus.js"
import { hookBusContract } from "../../src/testing/HookBusContract.js"

hookBusContract("HookBus.layerMemory", { layer: layerMemory })
