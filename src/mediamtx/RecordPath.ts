/**
 * `recordPath`: the template of the names of recorded files, read backwards. A file's name holds the name of its path and
 * the time at which the segment starts; the segment hooks tell nothing else about either time.
 *
 * The fields: `%path`; `%Y %m %d %H %M %S` the local time of the node; `%f` its microseconds; `%z` the offset of that local
 * time (`Z`, `+0200`); `%s` the Unix time, which wins over all others but `%f`. A field that stands twice counts where it
 * stands last.
 *
 * Without `%z` and `%s` the name is in the time zone of the node (its `TZ`), which the manager has to be told. In the hour
 * that is repeated when summer time ends such names are ambiguous; they are read as MediaMTX itself reads them, since it is
 * by this time that its playback server finds the file. `TZ=UTC` on the node avoids the question.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/**
 * The template or the time zone can't be used: what is wrong, and what would be right.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordPathError extends Schema.TaggedError<RecordPathError>()("RecordPathError", {
  reason: Schema.Literal("MissingFields", "UnknownTimeZone"),
  message: Schema.String
}) {}

/**
 * What the name of a recorded file says.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedFile {
  /** Name of the path. */
  readonly path: string
  /** When the segment starts: epoch milliseconds, microseconds rounded down. */
  readonly start: number
}

/**
 * A template that was prepared for reading and writing names.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordPath {
  /** With the extension. */
  readonly template: string
  readonly timeZone: string
  /**
   * Reads a file's name; `undefined` when it is not one of this template. When the name of the path is known (hooks tell
   * it), give it: names can be read in more than one way without.
   */
  readonly parse: (file: string, path?: string) => RecordedFile | undefined
  /** The name that MediaMTX gives to a segment of `path` that starts at `start` (epoch milliseconds). */
  readonly render: (path: string, start: number) => string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordPathOptions {
  /** `recordFormat` (default `fmp4`): decides the extension. */
  readonly format?: "fmp4" | "mpegts" | undefined
  /** IANA name of the node's time zone (its `TZ`), such as `Europe/Berlin`. Default `UTC`. */
  readonly timeZone?: string | undefined
}

const fields = ["%path", "%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%z", "%s"] as const
type Field = (typeof fields)[number]

const patterns: { readonly [K in Field]: string } = {
  "%path": "([^\\n]*?)",
  "%Y": "([0-9]{4})",
  "%m": "([0-9]{2})",
  "%d": "([0-9]{2})",
  "%H": "([0-9]{2})",
  "%M": "([0-9]{2})",
  "%S": "([0-9]{2})",
  "%f": "([0-9]{6})",
  "%z": "(Z|[+-][0-9]{4})",
  "%s": "([0-9]{10})"
}

type Part = { readonly field: Field } | { readonly literal: string }

const partsOf = (template: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  let literal = ""
  for (let i = 0; i < template.length; ) {
    const field = fields.find((name) => template.startsWith(name, i))
    if (field === undefined) {
      literal += template.charAt(i++)
      continue
    }
    if (literal !== "") parts.push({ literal })
    literal = ""
    parts.push({ field })
    i += field.length
  }
  if (literal !== "") parts.push({ literal })
  return parts
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

/** Local fields of a point in time, and the offset of local time in milliseconds. */
interface Zone {
  readonly offset: (utc: number) => number
}

const utcZone: Zone = { offset: () => 0 }

const makeZone = (timeZone: string): Zone | undefined => {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric"
    })
  } catch {
    // The only way to ask whether a zone is known.
    return undefined
  }
  return {
    offset: (utc) => {
      const seconds = Math.floor(utc / 1000) * 1000
      const at: Record<string, string> = {}
      for (const { type, value } of format.formatToParts(seconds)) at[type] = value
      const year = Number(at["year"]) * (at["era"] === "BC" ? -1 : 1) + (at["era"] === "BC" ? 1 : 0)
      return (
        asUtc(
          year,
          Number(at["month"]),
          Number(at["day"]),
          Number(at["hour"]),
          Number(at["minute"]),
          Number(at["second"])
        ) - seconds
      )
    }
  }
}

/** Epoch milliseconds of these fields in UTC. Fields beyond their range carry over, as in Go. */
const asUtc = (year: number, month: number, day: number, hour: number, minute: number, second: number): number => {
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  return date.getTime()
}

/** From local time to UTC, with Go's choice where a local time exists twice or never. */
const fromLocal = (local: number, zone: Zone): number => {
  const offset = zone.offset(local)
  return offset === 0 ? local : local - zone.offset(local - offset)
}

const zonePattern = /^([+-])([0-9]{2})([0-9]{2})$/

const readZone = (text: string): number => {
  const match = zonePattern.exec(text)
  if (match === null) return 0
  const size = (Number(match[2]) * 60 + Number(match[3])) * 60_000
  return match[1] === "-" ? -size : size
}

const digits = (value: number, length: number): string => String(value).padStart(length, "0")

const writeZone = (offset: number): string => {
  if (offset === 0) return "Z"
  const minutes = Math.trunc(Math.abs(offset) / 60_000)
  return `${offset < 0 ? "-" : "+"}${digits(Math.trunc(minutes / 60), 2)}${digits(minutes % 60, 2)}`
}

const startOf = (values: ReadonlyMap<Field, string>, zone: Zone): number => {
  const number = (field: Field, absent: number): number => {
    const text = values.get(field)
    return text === undefined ? absent : Number(text)
  }
  const millis = Math.floor(number("%f", 0) / 1000)
  const unix = number("%s", -1)
  if (unix > 0) return unix * 1000 + millis
  const local = asUtc(
    number("%Y", 0),
    number("%m", 1),
    number("%d", 1),
    number("%H", 0),
    number("%M", 0),
    number("%S", 0)
  )
  const offset = values.get("%z")
  return (offset === undefined ? fromLocal(local, zone) : local - readZone(offset)) + millis
}

interface Pattern {
  readonly regex: RegExp
  /** What each group is. */
  readonly groups: ReadonlyArray<Field>
}

const compile = (parts: ReadonlyArray<Part>, path: string | undefined): Pattern => {
  const groups: Array<Field> = []
  let source = ""
  for (const part of parts) {
    if ("literal" in part) source += escaped(part.literal)
    else if (part.field === "%path" && path !== undefined) source += escaped(path)
    else {
      groups.push(part.field)
      source += patterns[part.field]
    }
  }
  return { regex: new RegExp(`^${source}$`), groups }
}

/** Patterns for single paths that one template keeps: the oldest go first. */
const MAX_PATTERNS = 256

/**
 * Prepares a `recordPath`.
 *
 * @example
 * ```ts
 * const template = Either.getOrThrow(recordPath("/rec/%path/%Y-%m-%d_%H-%M-%S-%f"))
 * template.parse("/rec/cam/1/2026-01-31_12-00-00-250000.mp4")
 * // { path: "cam/1", start: Date.UTC(2026, 0, 31, 12, 0, 0, 250) }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const recordPath = (
  template: string,
  options: RecordPathOptions = {}
): Either.Either<RecordPath, RecordPathError> => {
  const timeZone = options.timeZone ?? "UTC"
  const zone = timeZone === "UTC" ? utcZone : makeZone(timeZone)
  if (zone === undefined) {
    return Either.left(
      new RecordPathError({
        reason: "UnknownTimeZone",
        message: `the time zone ${JSON.stringify(timeZone)} is not known here: give an IANA name such as "Europe/Berlin", or "UTC"`
      })
    )
  }
  const missing = template.includes("%s")
    ? []
    : (["%Y", "%m", "%d", "%H", "%M", "%S"] as const).filter((field) => !template.includes(field))
  if (missing.length > 0 || !template.includes("%path")) {
    return Either.left(
      new RecordPathError({
        reason: "MissingFields",
        message: `recordPath ${JSON.stringify(template)} lacks ${[...(template.includes("%path") ? [] : ["%path"]), ...missing].join(" ")}: it needs %path, and %s or all of %Y %m %d %H %M %S`
      })
    )
  }
  const full = `${template}${options.format === "mpegts" ? ".ts" : ".mp4"}`
  const parts = partsOf(full)
  const anyPath = compile(parts, undefined)
  // At most MAX_PATTERNS, owned by this template.
  const byPath = new Map<string, Pattern>()
  const patternFor = (path: string): Pattern => {
    let found = byPath.get(path)
    if (found === undefined) {
      found = compile(parts, path)
      if (byPath.size >= MAX_PATTERNS) {
        for (const oldest of byPath.keys()) {
          byPath.delete(oldest)
          break
        }
      }
      byPath.set(path, found)
    }
    return found
  }
  return Either.right({
    template: full,
    timeZone,
    parse: (file, path) => {
      const { groups, regex } = path === undefined ? anyPath : patternFor(path)
      const match = regex.exec(file)
      if (match === null) return undefined
      const values = new Map<Field, string>()
      groups.forEach((field, i) => {
        values.set(field, match[i + 1] ?? "")
      })
      return { path: path ?? values.get("%path") ?? "", start: startOf(values, zone) }
    },
    render: (path, start) => {
      const millis = ((start % 1000) + 1000) % 1000
      const seconds = start - millis
      const offset = zone.offset(seconds)
      const local = new Date(seconds + offset)
      const text: { readonly [K in Field]: () => string } = {
        "%path": () => path,
        "%Y": () => String(local.getUTCFullYear()),
        "%m": () => digits(local.getUTCMonth() + 1, 2),
        "%d": () => digits(local.getUTCDate(), 2),
        "%H": () => digits(local.getUTCHours(), 2),
        "%M": () => digits(local.getUTCMinutes(), 2),
        "%S": () => digits(local.getUTCSeconds(), 2),
        "%f": () => digits(millis * 1000, 6),
        "%z": () => writeZone(offset),
        "%s": () => String(seconds / 1000)
      }
      return parts.map((part) => ("literal" in part ? part.literal : text[part.field]())).join("")
    }
  })
}
