import * as TokenSessions from "../../src/services/TokenSessions.js"
import { tokenSessionsContract } from "../../src/testing/TokenSessionsContract.js"

tokenSessionsContract("TokenSessions.layerMemory", { layer: TokenSessions.layerMemory })
