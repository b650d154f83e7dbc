/**
 * The worker: asks the manager for jobs of its node and does them, several at a time, until it is interrupted. It then
 * gives back what it has not finished.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Health from "./Health.js"
import { type JobContext, run as runJob } from "./Job.js"
import * as ManagerLink from "./ManagerLink.js"
import * as MediaMTX from "./MediaMTX.js"
import type { Settings } from "./Settings.js"
import * as Spool from "./Spool.js"

/** Seconds that one request for a job waits: proxies close what is silent for a minute. */
const WAIT = 25

/** One asks after the other, so that a manager that comes back is not met by all workers of a fleet at once. */
const again = Schedule.exponential("500 millis").pipe(Schedule.union(Schedule.spaced("30 seconds")), Schedule.jittered)

export const run = (settings: Settings): Effect.Effect<never, Spool.SpoolError> =>
  Effect.gen(function* () {
    const spool = yield* Spool.make({ folder: settings.spool, limit: settings.spoolLimit })
    const health = yield* Health.make(settings.spool)
    const context: JobContext = {
      manager: ManagerLink.make(settings),
      mediamtx: MediaMTX.make({
        url: settings.mediamtxUrl,
        user: settings.mediamtxUser,
        password: settings.mediamtxPassword
      }),
      spool,
      settle: settings.settle
    }

    let told: string | undefined
    const lease = context.manager.lease(WAIT).pipe(
      Effect.tap(() => health.managerAnswered),
      Effect.tap(() =>
        Effect.suspend(() => {
          if (told === undefined) return Effect.void
          told = undefined
          return Effect.logInfo("the manager answers again")
        })
      ),
      Effect.tapError((error) =>
        Effect.zipRight(
          health.managerFailed(error.message),
          Effect.suspend(() => {
            if (told === error.message) return Effect.void
            told = error.message
            return Effect.logWarning(`no job can be had, will go on trying: ${error.message}`)
          })
        )
      ),
      Effect.retry(again),
      // The schedule has no end.
      Effect.orDie
    )

    const loop = lease.pipe(
      Effect.flatMap(
        Option.match({
          // At once again, but for a manager that answers without waiting.
          onNone: () => Effect.sleep(Duration.millis(200)),
          onSome: (job) => health.working(runJob(context, job))
        })
      ),
      Effect.forever
    )

    yield* Effect.logInfo(
      `mtx-playback cuts recordings of ${settings.node} from ${settings.mediamtxUrl.origin}, ${settings.concurrency} at a time`
    )
    return yield* Effect.raceFirst(
      health.beat,
      Effect.all(
        Array.from({ length: settings.concurrency }, () => loop),
        { concurrency: "unbounded" }
      ).pipe(Effect.zipRight(Effect.never))
    )
  })
