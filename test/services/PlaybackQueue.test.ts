import * as PlaybackQueue from "../../src/services/PlaybackQueue.js"
import { playbackQueueContract } from "../../src/testing/PlaybackQueueContract.js"

playbackQueueContract("PlaybackQueue.layerMemory", { layer: PlaybackQueue.layerMemory, histories: 100 })
