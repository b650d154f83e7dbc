/**
 * Brings hooks from the spool to the manager, in order, for as long as it takes: those that wait together go together, as a
 * list that the manager records in its order.
 */
import { appendFile, stat } from "node:fs/promises"
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { HookSpool, Spooled } from "./HookSpool.js"
import { NoAnswer, Upstream } from "./Upstream.js"

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

    const send = (body: string) =>
      upstream.hook(body).pipe(
        Effect.tapError((error) => (error instanceof NoAnswer ? trouble(error.message) : Effect.void)),
        Effect.retry({ schedule: retry, while: (error) => error instanceof NoAnswer }),
        // Those are tried again for ever.
        Effect.catchTag("NoAnswer", Effect.die),
        Effect.tap(() =>
          Effect.suspend(() => {
            if (problem === undefined) return Effect.void
            problem = undefined
            return Effect.logInfo("hooks are delivered again")
          })
        )
      )

    const deliverOne = (hook: Spooled) =>
      send(hook.body).pipe(
        Effect.catchTag("HookRefused", (error) =>
          Effect.zipRight(
            Effect.logError(
              `the manager refuses a hook for good (${error.message}): it is kept in ${refusedOf(folder)}`
            ),
            keepRefused(folder, hook)
          )
        ),
        Effect.zipRight(spool.advance(1))
      )

    const deliver = (hooks: ReadonlyArray<Spooled>) => {
      const oneByOne = Effect.forEach(hooks, deliverOne, { discard: true })
      return hooks.length === 1
        ? oneByOne
        : send(`[${hooks.map(({ body }) => body).join(",")}]`).pipe(
            Effect.zipRight(spool.advance(hooks.length)),
            // One of them is not to its taste, or it is older than lists are.
            Effect.catchTag("HookRefused", () => oneByOne)
          )
    }

    const some = spool.peek.pipe(
      Effect.tapError((error) => trouble(error.message)),
      Effect.retry(retry),
      Effect.orDie,
      Effect.flatMap(deliver)
    )

    return { run: Effect.forever(some), problem: Effect.sync(() => problem) }
  })
