import * as NodeRegistry from "../../src/services/NodeRegistry.js"
import { nodeRegistryContract } from "../../src/testing/NodeRegistryContract.js"

nodeRegistryContract("NodeRegistry.layerMemory", { layer: NodeRegistry.layerMemory })
