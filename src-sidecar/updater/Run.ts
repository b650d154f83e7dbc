/** The updater as a process: settings from the environment, log lines on stdout, gone within a second of a signal. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { logLines } from "../support/LogLines.js"
import { settings } from "./Settings.js"
import { layer, run as updater } from "./Updater.js"

/** A write takes milliseconds; a disk that hangs must not keep the process. */
const LAST_MOMENT = 800

/** `program`: the file that this process runs. */
export const run = (program: string): void => {
  const fiber = Effect.runFork(
    settings.pipe(
      Effect.flatMap((read) => Effect.provide(updater(read), layer(read, program))),
      Effect.tapError((error) => Effect.logFatal(error.message)),
      Effect.tapDefect((cause) => Effect.logFatal("this is a bug of the updater", cause)),
      Effect.provide(logLines)
    )
  )
  const stop = () => {
    Effect.runFork(Fiber.interruptFork(fiber))
    setTimeout(() => process.exit(0), LAST_MOMENT).unref()
  }
  process.once("SIGTERM", stop)
  process.once("SIGINT", stop)
  fiber.addObserver((exit) => process.exit(Exit.isSuccess(exit) || Exit.isInterrupted(exit) ? 0 : 1))
}
