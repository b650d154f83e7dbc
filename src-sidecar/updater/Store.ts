/**
 * The folder that the updater and MediaMTX share: the config in place, the last good one, and what is known about them.
 *
 * | file | |
 * | --- | --- |
 * | `mediamtx.yml` | what MediaMTX reads: only ever replaced as a whole |
 * | `mediamtx.yml.last-good` | the last config that is known to work |
 * | `mediamtx.yml.state.json` | hashes that were checked, and what was under way: see {@link State} |
 * | `mediamtx.yml.new-…` | a write that is under way, or was cut off |
 */
import { readFile, stat } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type FileError, fileError, removeLeftovers, replaceFile } from "../support/ReplaceFile.js"
import { type ConfigFile, configFrom } from "./ConfigText.js"
import type { Settings } from "./Settings.js"

/** What survives the updater. Losing it costs checks that were done already, no more. */
export const State = Schema.Struct({
  /** Hashes of configs that may stand in place: `health` accepts these. The newest first. */
  checked: Schema.Array(Schema.String),
  /** A config that was put in place while MediaMTX was up, and was not seen to work yet. */
  trial: Schema.optional(Schema.String),
  /** A config that did not work, and how often. */
  failed: Schema.optional(Schema.Struct({ hash: Schema.String, error: Schema.String, times: Schema.Positive }))
})
export type State = typeof State.Type

export const noState: State = { checked: [] }

export interface StoreShape {
  /** The config in place. Undefined: none, or not UTF-8. */
  readonly current: Effect.Effect<ConfigFile | undefined, FileError>
  readonly lastGood: Effect.Effect<ConfigFile | undefined, FileError>
  /** When the config in place was written, in epoch milliseconds by the file system's clock. Undefined: none there. */
  readonly writtenAt: Effect.Effect<number | undefined>
  readonly replace: (config: ConfigFile) => Effect.Effect<void, FileError>
  readonly keepAsLastGood: (config: ConfigFile) => Effect.Effect<void, FileError>
  /** Unreadable is the same as none. */
  readonly state: Effect.Effect<State>
  readonly note: (state: State) => Effect.Effect<void, FileError>
  /** Clears away what a killed updater left behind; how many files that were. */
  readonly recover: Effect.Effect<number, FileError>
}

export class Store extends Context.Tag("mtx-updater/Store")<Store, StoreShape>() {}

export const lastGoodOf = (config: string): string => `${config}.last-good`
export const stateOf = (config: string): string => `${config}.state.json`

const StateJson = Schema.parseJson(State)
const decodeState = Schema.decodeUnknownOption(StateJson)
const encodeState = Schema.encode(StateJson)

const read = (path: string): Effect.Effect<Uint8Array | undefined, FileError> =>
  Effect.tryPromise({ try: () => readFile(path), catch: fileError(`${path} can't be read`) }).pipe(
    Effect.catchIf(
      (error) => error.code === "ENOENT",
      () => Effect.succeed(undefined)
    )
  )

const readConfig = (path: string) =>
  Effect.map(read(path), (bytes) => (bytes === undefined ? undefined : configFrom(bytes)))

export const make = ({ config, mode }: Pick<Settings, "config" | "mode">): StoreShape => {
  const lastGood = lastGoodOf(config)
  const state = stateOf(config)
  return {
    current: readConfig(config),
    lastGood: readConfig(lastGood),
    writtenAt: Effect.tryPromise(() => stat(config)).pipe(
      Effect.map(({ mtimeMs }) => mtimeMs),
      Effect.orElseSucceed(() => undefined)
    ),
    replace: ({ bytes }) => replaceFile(config, bytes, mode),
    keepAsLastGood: ({ bytes }) => replaceFile(lastGood, bytes, mode),
    state: read(state).pipe(
      Effect.orElseSucceed(() => undefined),
      Effect.map((bytes) =>
        bytes === undefined
          ? noState
          : Option.getOrElse(decodeState(Buffer.from(bytes).toString("utf8")), () => noState)
      )
    ),
    note: (value) =>
      Effect.orDie(encodeState(value)).pipe(
        Effect.flatMap((text) => replaceFile(state, Buffer.from(`${text}\n`), 0o600))
      ),
    recover: Effect.gen(function* () {
      const counts = yield* Effect.forEach([config, lastGood, state], removeLeftovers)
      return counts.reduce((sum, count) => sum + count, 0)
    })
  }
}

export const layer = (settings: Pick<Settings, "config" | "mode">): Layer.Layer<Store> =>
  Layer.sync(Store, () => make(settings))
