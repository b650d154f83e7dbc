/**
 * What commands print: results on stdout, everything else on stderr, colours only where a person looks.
 */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

export interface OutputShape {
  /** Writes a result and a newline to stdout. */
  readonly line: (text: string) => Effect.Effect<void>
  /** Writes to stdout exactly these bytes. Returns when they are handed to the operating system. */
  readonly raw: (bytes: string | Uint8Array) => Effect.Effect<void>
  /** Writes a message and a newline to stderr. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Whether stdout shows colours. */
  readonly color: boolean
  /** Whether stderr shows colours. */
  readonly noteColor: boolean
}

export class Output extends Context.Tag("mtx-manager/cli/Output")<Output, OutputShape>() {}

/** The part of a process that output depends on. */
export interface OutputStreams {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** `NO_COLOR`: any text but the empty one switches colours off. */
  readonly noColor: string | undefined
}

const escapeSequence = /\u001b\[[0-9;]*m/g

/** The text without its colours. */
export const stripColors = (text: string): string => text.replace(escapeSequence, "")

const write = (stream: NodeJS.WriteStream, chunk: string | Uint8Array): Effect.Effect<void> =>
  Effect.async((resume) => {
    // A reader that went away (`mtx-manager events | head -1`) is no error of ours: main ends the process on EPIPE.
    stream.write(chunk, () => resume(Effect.void))
  })

export const make = (streams: OutputStreams): OutputShape => {
  const colorless = streams.noColor !== undefined && streams.noColor !== ""
  return {
    line: (text) => write(streams.stdout, `${text}\n`),
    raw: (bytes) => write(streams.stdout, bytes),
    note: (text) => write(streams.stderr, `${text}\n`),
    color: !colorless && streams.stdout.isTTY === true,
    noteColor: !colorless && streams.stderr.isTTY === true
  }
}

/** For the help and the errors of the argument parser, which always print colours to the Console. */
export const layerConsole = (output: OutputShape): Layer.Layer<never> => {
  const text = (parts: ReadonlyArray<unknown>, color: boolean): string => {
    const joined = parts.map(String).join(" ").replace(/\n+$/, "")
    return color ? joined : stripColors(joined)
  }
  const out = (...parts: ReadonlyArray<unknown>) => output.line(text(parts, output.color))
  const err = (...parts: ReadonlyArray<unknown>) => output.note(text(parts, output.noteColor))
  return Layer.unwrapEffect(
    Effect.map(Console.consoleWith(Effect.succeed), (console) =>
      Console.setConsole({ ...console, log: out, info: out, debug: err, warn: err, error: err })
    )
  )
}

/** Of commands other than `serve`: what has to be said besides the result, plainly, on stderr. */
export const noteLogger = Logger.make<unknown, void>(({ logLevel, message }) => {
  const words = (Array.isArray(message) ? message : [message]).map((part) =>
    typeof part === "string" ? part : JSON.stringify(part)
  )
  process.stderr.write(`${logLevel.label.toLowerCase()}: ${words.join(" ")}\n`)
})

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan"
const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39]
}

/** The text in a style, or as it is when `color` is off. */
export const paint = (text: string, style: Style, color: boolean): string => {
  if (!color) return text
  const [on, off] = codes[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** Control characters of foreign text (node errors, hook queries) shown as escapes: a terminal must not obey them. */
export const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    const code = char.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`
  })

/** Left-aligned columns, two spaces apart, no trailing spaces. Cells may be coloured. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths: Array<number> = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, stripColors(cell).length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) =>
          index === row.length - 1 ? cell : cell + " ".repeat((widths[index] ?? 0) - stripColors(cell).length)
        )
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
