/**
 * How a running worker is, as a file in its spool: `mtx-playback health` and a container's health check read it.
 *
 * Healthy is a worker that runs and has reached its manager within two minutes. A MediaMTX that is away does not make the
 * worker unhealthy: starting the worker anew would not bring it back.
 */
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

const State = Schema.Struct({
  /** Epoch milliseconds, as are the others. */
  at: Schema.Number,
  started: Schema.Number,
  /** When the manager last answered; null: never. */
  manager: Schema.NullOr(Schema.Number),
  /** What went wrong with the manager since. */
  problem: Schema.NullOr(Schema.String),
  /** Jobs that are being worked on. */
  jobs: Schema.Number
})
const json = Schema.parseJson(State)
const decode = Schema.decodeUnknown(json)
const encode = Schema.encodeSync(json)

const EVERY = 5_000
/** A worker that has not written for this long does not run any more. */
const STALE = 20_000
const MANAGER_WITHIN = 120_000

const fileOf = (spool: string): string => join(spool, "health.json")

export interface Health {
  readonly managerAnswered: Effect.Effect<void>
  readonly managerFailed: (problem: string) => Effect.Effect<void>
  readonly working: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Writes the file for as long as it runs. */
  readonly beat: Effect.Effect<never>
}

export const make = (spool: string): Effect.Effect<Health> =>
  Effect.map(Clock.currentTimeMillis, (started) => {
    let manager: number | null = null
    let problem: string | null = null
    let jobs = 0
    const file = fileOf(spool)
    const write = Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const text = encode({ at, started, manager, problem, jobs })
      yield* Effect.tryPromise(async () => {
        await writeFile(`${file}.part`, text, { mode: 0o600 })
        await rename(`${file}.part`, file)
      })
    }).pipe(Effect.catchAll((error) => Effect.logWarning(`the health file can't be written: ${error.message}`)))
    return {
      managerAnswered: Effect.map(Clock.currentTimeMillis, (now) => {
        manager = now
        problem = null
      }),
      managerFailed: (text) =>
        Effect.sync(() => {
          problem = text
        }),
      working: (effect) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            jobs++
          }),
          () => effect,
          () =>
            Effect.sync(() => {
              jobs--
            })
        ),
      beat: Effect.zipRight(Effect.repeat(write, Schedule.spaced(EVERY)), Effect.never)
    }
  })

/** What a worker's file says: whether it is well, and in words. */
export const read = (spool: string): Effect.Effect<{ readonly healthy: boolean; readonly text: string }> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const state = yield* Effect.tryPromise(() => readFile(fileOf(spool), "utf8")).pipe(Effect.flatMap(decode))
    const say = (healthy: boolean, text: string) => ({ healthy, text })
    if (now - state.at > STALE) return say(false, `no sign of the worker for ${Math.round((now - state.at) / 1000)} s`)
    const reached = state.manager ?? state.started
    const silent = Math.round((now - reached) / 1000)
    const why = state.problem === null ? "" : `: ${state.problem}`
    if (now - reached > MANAGER_WITHIN) return say(false, `the manager has not answered for ${silent} s${why}`)
    if (state.manager === null) return say(false, `the manager has not answered yet${why}`)
    return say(true, `ok, ${state.jobs} jobs, manager answered ${silent} s ago${why}`)
  }).pipe(Effect.orElseSucceed(() => ({ healthy: false, text: `no worker runs on the spool ${spool}` })))
