/** Brings hooks from the spool to the manager: in order, one after the other, for as long as it takes. */
import { appendFile, stat } from "node:fs/promises"
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { HookSpool, Spooled } from "./HookSpool.js"
import { HookRefused, NoAnswer, Upstream } from "./Upstream.js"

/** Between two attempts: doubled each time, up to this. */
export const RETRY_MOST = Duration.seconds(10)
const retry = Schedule.exponential("250 millis").pipe(Schedule.union(Schedule.spaced(RETRY_MOST)), Schedule.jittered)

/** What the manager will never take is kept here for people to look at, as long as it is no more than this. */
const REFUSED_MOST = 1024 * 1024
export const refusedOf = (folder: string): string => join(folder, "refused.jsonl")

export interface HookDelivery {
  /** Runs until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Why hooks wait; undefined when none does for long. */
  readonly problem: Effect.Effect<string | undefined>
}

const keepRefused = (folder: string, { body }: Spooled) =>
  Effect.tryPromise(async () => {
    const file = refusedOf(folder)
    const size = await stat(file).then(
      (info) => info.size,
      () => 0
    )
    if (size < REFUSED_MOST) await appendFile(file, `${body}\n`, { mode: 0o600, flush: true })
  }).pipe(Effect.catchAll((error) => Effect.logWarning(`${refusedOf(folder)} can't be written: ${error.message}`)))

export const make = (spool: HookSpool, folder: string): Effect.Effect<HookDelivery, never, Upstream> =>
  Effect.gen(function* () {
    const upstream = yield* Upstream
    let problem: string | undefined

    const trouble = (message: string) =>
      Effect.suspend(() => {
        if (problem === message) return Effect.void
        problem = message
        return Effect.logWarning(`hooks wait: ${message}`)
      })

    const deliver = (hook: Spooled) =>
      upstream.hook(hook.body).pipe(
        Effect.tapError((error) => (error instanceof NoAnswer ? trouble(error.message) : Effect.void)),
        Effect.retry({ schedule: retry, while: (error) => error instanceof NoAnswer }),
        Effect.catchAll((error) =>
          error instanceof HookRefused
            ? Effect.zipRight(
                Effect.logError(
                  `the manager refuses a hook for good (${error.message}): it is kept in ${refusedOf(folder)}`
                ),
                keepRefused(folder, hook)
              )
            : Effect.die(error)
        ),
        Effect.zipRight(
          Effect.suspend(() => {
            if (problem === undefined) return Effect.void
            problem = undefined
            return Effect.logInfo("hooks are delivered again")
          })
        )
      )

    const one = spool.peek.pipe(
      Effect.tapError((error) => trouble(error.message)),
      Effect.retry(retry),
      Effect.orDie,
      Effect.flatMap(deliver),
      // Not between the receipt and its note, for what is stopped there would be delivered once more.
      Effect.zipRight(spool.advance)
    )

    return { run: Effect.forever(one), problem: Effect.sync(() => problem) }
  })
