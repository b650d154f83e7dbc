/** The updater as a process: settings from the environment, gone within a second of a signal. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Log from "../support/Log.js"
import { type SettingsError, settings } from "./Settings.js"
import { layer, run as updater } from "./Updater.js"

/** A write takes milliseconds; a disk that hangs must not keep the process. */
const LAST_MOMENT = 800

const explain = (error: SettingsError) => Effect.sync(() => process.stderr.write(`mtx-updater: ${error.message}\n`))

/** `program`: the file that this process runs. */
export const run = (program: string): void => {
  const fiber = Effect.runFork(
    Effect.gen(function* () {
      const read = yield* Effect.tapError(settings, explain)
      yield* Effect.provide(updater(read), layer(read, program))
    }).pipe(
      Effect.tapDefect((cause) => Effect.logFatal("this is a bug of the updater", cause)),
      Effect.provide(Log.layer("info"))
    )
  )
  const stop = () => {
    Effect.runFork(Fiber.interruptFork(fiber))
    setTimeout(() => process.exit(0), LAST_MOMENT).unref()
  }
  process.once("SIGTERM", stop)
  process.once("SIGINT", stop)
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Exit.isInterrupted(exit)) process.exit(0)
    process.exit(Exit.isFailure(exit) && exit.cause._tag === "Fail" ? 2 : 1)
  })
}
