/** A logger that remembers. */
import * as Logger from "effect/Logger"

export const capture = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, logLevel, message }) => {
    const parts = Array.isArray(message) ? message : [message]
    lines.push(`${logLevel.label} ${parts.map(String).join(" ")}${cause._tag === "Empty" ? "" : ` ${String(cause)}`}`)
  })
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}
