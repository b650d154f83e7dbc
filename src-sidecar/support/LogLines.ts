/** Log output of a sidecar: one line a message, `TIME LEVEL message`, as container logs like it. */
import * as Cause from "effect/Cause"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

/** Control characters can't end a line or steer a terminal. */
const plain = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "?")

const textOf = (value: unknown): string =>
  Cause.isCause(value) ? Cause.pretty(value) : typeof value === "string" ? value : Inspectable.toStringUnknown(value, 0)

export const logLines: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ annotations, cause, date, logLevel, message }) => {
    const parts = (Array.isArray(message) ? message : [message]).map(textOf)
    for (const [name, value] of HashMap.entries(annotations)) parts.push(`${name}=${textOf(value)}`)
    if (!Cause.isEmpty(cause)) parts.push(Cause.pretty(cause))
    process.stdout.write(`${date.toISOString()} ${logLevel.label} ${plain(parts.join(" "))}\n`)
  })
)
