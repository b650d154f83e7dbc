/**
 * Durations as MediaMTX writes them: Go's syntax, plus whole days in front (`1d12h`).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { type FieldType, problem, textWith } from "./FieldType.js"

const nanosPerUnit: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n,
  "\u03bcs": 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n
}
const nanosPerDay = 86_400_000_000_000n
const max = 9_223_372_036_854_775_807n

const days = /^(-?[0-9]+)d/
const whole = /^[-+]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$/
const part = /([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g

const parseGo = (text: string): bigint | undefined => {
  if (!whole.test(text)) return undefined
  let total = 0n
  for (const [, integer = "", fraction = "", unit = ""] of text.matchAll(part)) {
    const nanos = nanosPerUnit[unit] ?? 0n
    total += BigInt(integer === "" ? 0 : integer) * nanos
    if (fraction !== "") total += (BigInt(fraction) * nanos) / 10n ** BigInt(fraction.length)
  }
  return text.startsWith("-") ? -total : total
}

const parseUncached = (text: string): bigint | undefined => {
  const match = days.exec(text)
  const rest = match === null ? text : text.slice(match[0].length)
  const nonDays = rest === "" ? 0n : parseGo(rest)
  if (nonDays === undefined) return undefined
  const signedDays = match === null ? 0n : BigInt(match[1] ?? "0")
  // A minus before the days turns the whole around: -1d2h is minus 26 hours.
  const total = signedDays < 0n ? -(nonDays - signedDays * nanosPerDay) : nonDays + signedDays * nanosPerDay
  return total > max || total < -max - 1n ? undefined : total
}

// A config of 1,000 paths repeats a handful of durations thousands of times. Bounded, so that hostile input can't grow it.
const seen = new Map<string, bigint | undefined>()

/**
 * Nanoseconds of a duration, or `undefined` when MediaMTX would not take it. The empty text is 0, as it is for MediaMTX.
 *
 * @example
 * import { goDurationToNanos } from "@livecams/mtx-manager"
 *
 * goDurationToNanos("1d2h") // 93600000000000n
 *
 * @since 0.1.0
 * @category conversions
 */
export const goDurationToNanos = (text: string): bigint | undefined => {
  if (seen.has(text)) return seen.get(text)
  // Digits beyond this can't be inside the range of an int64 and would only cost time.
  const parsed = text.length > 128 ? undefined : parseUncached(text)
  if (seen.size >= 512) seen.clear()
  seen.set(text, parsed)
  return parsed
}

/**
 * An Effect Duration, or `undefined` for bad syntax. Effect's durations are not negative: a negative one becomes zero.
 *
 * @since 0.1.0
 * @category conversions
 */
export const goDurationToDuration = (text: string): Duration.Duration | undefined => {
  const nanos = goDurationToNanos(text)
  return nanos === undefined ? undefined : Duration.nanos(nanos < 0n ? 0n : nanos)
}

const trimmed = (value: bigint, unit: bigint): string => {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, "0")
    .replace(/0+$/, "")
  return fraction === "" ? String(value / unit) : `${value / unit}.${fraction}`
}

const formatGo = (nanos: bigint): string => {
  if (nanos < 1_000n) return `${nanos}ns`
  if (nanos < 1_000_000n) return `${trimmed(nanos, 1_000n)}us`
  if (nanos < 1_000_000_000n) return `${trimmed(nanos, 1_000_000n)}ms`
  const hours = nanos / 3_600_000_000_000n
  const minutes = (nanos / 60_000_000_000n) % 60n
  const seconds = nanos % 60_000_000_000n
  return [
    hours === 0n ? "" : `${hours}h`,
    minutes === 0n ? "" : `${minutes}m`,
    seconds === 0n ? "" : `${trimmed(seconds, 1_000_000_000n)}s`
  ].join("")
}

/**
 * The shortest text for so many nanoseconds, with whole days in front: `1d2h`, `200ms`, `0s`. Beyond the range of an
 * int64 (292 years) it stops at the end of the range.
 *
 * @since 0.1.0
 * @category conversions
 */
export const goDurationFromNanos = (nanos: bigint): string => {
  const clamped = nanos > max ? max : nanos < -max ? -max : nanos
  if (clamped === 0n) return "0s"
  const size = clamped < 0n ? -clamped : clamped
  const wholeDays = size / nanosPerDay
  const rest = size % nanosPerDay
  return `${clamped < 0n ? "-" : ""}${wholeDays === 0n ? "" : `${wholeDays}d`}${rest === 0n ? "" : formatGo(rest)}`
}

/**
 * From an Effect duration (`"10 seconds"`, `Duration.hours(1)`).
 *
 * @since 0.1.0
 * @category conversions
 */
export const goDurationFrom = (duration: Duration.DurationInput): string => {
  const decoded = Duration.decode(duration)
  return goDurationFromNanos(Duration.isFinite(decoded) ? Duration.unsafeToNanos(decoded) : max)
}

const expected = 'a duration as text, such as "10s", "1h30m" or "1d2h"'

/**
 * A duration: text such as `10s`, `1h30m`, `1d2h`, `200ms`. A bare number is refused by the loader.
 *
 * @since 0.1.0
 * @category types
 */
export const GoDuration: FieldType<string> = textWith({
  name: "duration",
  expected,
  onNull: "empty",
  fromNumber: (value) => `${value}s`,
  meaning: (value) => `${goDurationToNanos(value) ?? value}ns`,
  check: (value) => {
    if (goDurationToNanos(value) !== undefined) return undefined
    const compact = value.replace(/\s+/g, "").toLowerCase()
    const meant = /^[0-9]+(?:\.[0-9]+)?$/.test(compact)
      ? `${compact}s`
      : goDurationToNanos(compact) === undefined
        ? undefined
        : compact
    return problem(
      "invalid-duration",
      `${JSON.stringify(value.slice(0, 60))} is not a duration`,
      expected,
      meant === undefined ? undefined : JSON.stringify(meant)
    )
  }
})
