/**
 * ClipState: where a state keeps the index of recordings and the clip jobs. They are opened only by a manager that was
 * given a storage for clips.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as PlaybackQueue from "./PlaybackQueue.js"
import * as Recordings from "./Recordings.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface ClipStateShape {
  /** Opens the index. Nothing feeds it: see `Recordings.pump`. */
  readonly recordings: (
    options: Recordings.RecordingsOptions
  ) => Layer.Layer<Recordings.Recordings, Recordings.RecordingsError>
  /** Opens the queue. */
  readonly queue: (
    options: PlaybackQueue.PlaybackQueueOptions
  ) => Layer.Layer<PlaybackQueue.PlaybackQueue, PlaybackQueue.PlaybackQueueError, Recordings.Recordings>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ClipState extends Context.Tag("mtx-manager/ClipState")<ClipState, ClipStateShape>() {}

/** Both in memory, gone with the process: the index is made anew from the event log, the jobs are not. */
export const memory: ClipStateShape = {
  recordings: Recordings.layerMemory,
  queue: PlaybackQueue.layerMemory
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ClipState> = Layer.succeed(ClipState, memory)
