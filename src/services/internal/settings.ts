/**
 * Reads settings that stand in code or in a file: each problem is noted with its place, and reading goes on. Values are never
 * repeated: they may be secrets.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type ConfigIssue, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { didYouMean } from "../../mediamtx/DidYouMean.js"
import { goDurationToDuration } from "../../mediamtx/GoDuration.js"
import { unknownKeys } from "../../mediamtx/UnknownKeys.js"

type Field = ReadonlyArray<string>

export interface Reader {
  readonly issues: ReadonlyArray<ConfigIssue>
  readonly problem: (field: Field, message: string, expected: string, suggestion?: string | undefined) => void
  /** A mapping with none but these keys; undefined when it is none. Empty values count as absent. */
  readonly mapping: (
    value: unknown,
    field: Field,
    known: ReadonlyArray<string>
  ) => Readonly<Record<string, unknown>> | undefined
  readonly list: (value: unknown, field: Field, expected: string) => ReadonlyArray<unknown>
  /** A list of texts of which one alone may stand without brackets; not empty. Undefined when absent. */
  readonly texts: (
    value: unknown,
    field: Field,
    expected: string,
    problem: (text: string) => string | undefined,
    options?: { readonly empty?: boolean }
  ) => ReadonlyArray<string> | undefined
  readonly oneOf: <A extends string>(known: ReadonlyArray<A>, what: string) => (text: string) => string | undefined
  readonly duration: (
    value: unknown,
    field: Field,
    fallback: Duration.Duration,
    most: Duration.Duration
  ) => Duration.Duration
  readonly whole: (
    value: unknown,
    field: Field,
    range: { readonly least: number; readonly most: number }
  ) => number | undefined
  readonly name: (value: unknown, field: Field) => string | undefined
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const absent = (value: unknown): value is undefined | null => value === undefined || value === null

/** In code durations are Effect's (`"2 seconds"`), in files Go's (`2s`), as in MediaMTX's own config. */
const readDuration = (value: unknown): Duration.Duration | undefined => {
  const go = typeof value === "string" ? goDurationToDuration(value) : undefined
  if (go !== undefined) return go
  // A bare number would be milliseconds, which nobody means who writes `within: 60`.
  return typeof value === "number" ? undefined : Option.getOrUndefined(Duration.decodeUnknown(value))
}

export const make = (rule: string): Reader => {
  const issues: Array<ConfigIssue> = []
  const problem: Reader["problem"] = (field, message, expected, suggestion) => {
    issues.push(makeIssue({ severity: "error", rule, field: [...field], message, expected, suggestion }))
  }
  return {
    issues,
    problem,
    mapping: (value, field, known) => {
      if (!isRecord(value)) {
        problem(field, "is not a mapping", `a mapping with ${known.join(", ")}`)
        return undefined
      }
      issues.push(...unknownKeys(value, known, field))
      return value
    },
    list: (value, field, expected) => {
      if (absent(value)) return []
      if (Array.isArray(value)) return value
      problem(field, "is not a list", expected)
      return []
    },
    texts: (value, field, expected, check, options = {}) => {
      if (absent(value)) return undefined
      const items: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
      if (items.length === 0 && options.empty !== true) {
        problem(field, "is an empty list, which matches nothing; leave the field out to match everything", expected)
      }
      return items.flatMap((item, index) => {
        const place = Array.isArray(value) ? [...field, String(index)] : field
        if (typeof item !== "string") {
          problem(place, "is not text", expected)
          return []
        }
        const wrong = check(item)
        if (wrong !== undefined) problem(place, wrong, expected)
        return [item]
      })
    },
    oneOf: (known, what) => (text) => {
      if (known.some((one) => one === text)) return undefined
      const near = didYouMean(text, known)
      return `${JSON.stringify(text.slice(0, 60))} is no ${what}${near === undefined ? "" : `; did you mean ${near}?`}`
    },
    duration: (value, field, fallback, most) => {
      if (absent(value)) return fallback
      const read = readDuration(value)
      if (read !== undefined && Duration.toMillis(read) > 0 && Duration.lessThanOrEqualTo(read, most)) return read
      problem(
        field,
        "is not a duration of that kind",
        `a duration such as 90s, 5m or 2h, at most ${Duration.format(most)}`
      )
      return fallback
    },
    whole: (value, field, { least, most }) => {
      if (absent(value)) return undefined
      if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value
      problem(field, "is not a number of that kind", `a whole number from ${least} to ${most}`)
      return undefined
    },
    name: (value, field) => {
      if (absent(value)) return undefined
      if (typeof value === "string" && /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u.test(value)) return value
      problem(field, "is not a name", "1 to 64 letters, digits, spaces and . _ -")
      return undefined
    }
  }
}

/** The value, if nothing was noted. */
export const outcome = <A>(reader: Reader, value: A): Either.Either<A, ReadonlyArray<ConfigIssue>> =>
  reader.issues.length > 0 ? Either.left(reader.issues) : Either.right(value)
