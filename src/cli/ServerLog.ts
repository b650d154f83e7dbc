/**
 * The log of the server, on stderr: for people, or one JSON object a line for programs. Neither holds a secret.
 *
 * ```json
 * {"time":"2026-01-31T12:00:00.000Z","level":"error","message":"internal error","fiber":"#31","errorId":"…","error":"Error: …\n    at …"}
 * ```
 */
import * as Cause from "effect/Cause"
import * as FiberId from "effect/FiberId"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import * as List from "effect/List"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type { LogFormat } from "./Settings.js"

const MASK = "***"

/** User and password of a URL, values of a query or form that are named like secrets, credentials of a header. */
const userInfo = /([A-Za-z][A-Za-z0-9+.-]{0,30}:\/\/)[^\s/@"'?#]{1,512}@/g
const namedValue =
  /\b((?:[A-Za-z]{0,20}_?)?(?:pass|password|passphrase|secret|token|jwt|key|credential)s?=)[^\s&"'<>]{1,4096}/gi
const header = /\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,4096}/gi

/** Takes out of a text the secrets given, which may become more, and whatever stands where secrets stand. */
export const makeHide =
  (secrets: ReadonlyArray<Redacted.Redacted | undefined>): ((text: string) => string) =>
  (text) => {
    const known = secrets
      .flatMap((secret) => (secret === undefined ? [] : [Redacted.value(secret)]))
      .filter((secret) => secret !== "")
      // One may begin with another.
      .sort((one, other) => other.length - one.length)
    let out = text
    for (const secret of known) out = out.replaceAll(secret, MASK)
    return out.replace(userInfo, `$1${MASK}@`).replace(namedValue, `$1${MASK}`).replace(header, `$1${MASK}`)
  }

const reserved: ReadonlySet<string> = new Set(["time", "level", "message", "fiber", "error", "spans"])

const wordsOf = (message: unknown): { readonly text: string; readonly errors: ReadonlyArray<string> } => {
  const parts = Array.isArray(message) ? message : [message]
  const words: Array<string> = []
  const errors: Array<string> = []
  for (const part of parts) {
    if (typeof part === "string") words.push(part)
    else if (part instanceof Error) errors.push(part.stack ?? String(part))
    else words.push(Inspectable.toStringUnknown(part, 0))
  }
  return { text: words.join(" "), errors }
}

/** One JSON object, without the end of the line. Annotations are fields of it; those that would hide ours get a `_`. */
export const jsonLine = (hide: (text: string) => string): Logger.Logger<unknown, string> =>
  Logger.make(({ annotations, cause, date, fiberId, logLevel, message, spans }) => {
    const { errors, text } = wordsOf(message)
    const line: Record<string, unknown> = {
      time: date.toISOString(),
      level: logLevel._tag.toLowerCase(),
      message: hide(text),
      fiber: FiberId.threadName(fiberId)
    }
    for (const [name, value] of HashMap.toEntries(annotations)) {
      line[reserved.has(name) ? `_${name}` : name] =
        typeof value === "number" || typeof value === "boolean" ? value : hide(Inspectable.toStringUnknown(value, 0))
    }
    if (List.isCons(spans)) {
      const now = date.getTime()
      line["spans"] = Object.fromEntries([...spans].map(({ label, startTime }) => [label, now - startTime]))
    }
    const failure = [...errors, ...(Cause.isEmpty(cause) ? [] : [Cause.pretty(cause, { renderErrorCause: true })])]
    if (failure.length > 0) line["error"] = hide(failure.join("\n"))
    return JSON.stringify(line)
  })

export interface ServerLogOptions {
  readonly format: LogFormat
  readonly colors: boolean
  /** Never to be shown; read with each line. */
  readonly secrets: ReadonlyArray<Redacted.Redacted | undefined>
}

const hidden = (hide: (text: string) => string, value: unknown): unknown =>
  typeof value === "string" ? hide(value) : Array.isArray(value) ? value.map((item) => hidden(hide, item)) : value

/** In place of the logger given. */
export const layer = (instead: Logger.Logger<unknown, unknown>, options: ServerLogOptions): Layer.Layer<never> => {
  const hide = makeHide(options.secrets)
  return Logger.replace(
    instead,
    options.format === "json"
      ? Logger.withConsoleError(jsonLine(hide))
      : Logger.mapInput(
          Logger.prettyLogger({ stderr: true, colors: options.colors, mode: "tty" }),
          (message: unknown) => hidden(hide, message)
        )
  )
}
