import * as NodeCommands from "../../src/services/NodeCommands.js"
import { nodeCommandsContract } from "../../src/testing/NodeCommandsContract.js"

nodeCommandsContract("NodeCommands.layerMemory", { layer: NodeCommands.layerMemory })
