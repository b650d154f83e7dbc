import * as Recordings from "../../src/services/Recordings.js"
import { recordingsContract } from "../../src/testing/RecordingsContract.js"

recordingsContract("Recordings.layerMemory", { layer: Recordings.layerMemory })
