/** One line on stderr for each message, as the log of a container: time, level, text, cause. */
import * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

const levels = {
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error
} as const

const lines = Logger.make<unknown, void>(({ cause, date, logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message])
    .map((part) => (typeof part === "string" ? part : String(part)))
    .join(" ")
  const why = Cause.isEmpty(cause) ? "" : `\n${Cause.pretty(cause)}`
  // One line a message: what a node or a storage answers must not look like a line of its own.
  process.stderr.write(`${date.toISOString()} ${logLevel.label} ${text.replaceAll("\n", " ")}${why}\n`)
})

export const layer = (level: keyof typeof levels): Layer.Layer<never> =>
  Layer.merge(Logger.replace(Logger.defaultLogger, lines), Logger.minimumLogLevel(levels[level]))
