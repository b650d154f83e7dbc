/**
 * The window of time that a clip is to show, against the spans that a node has recorded: what to fetch, and what is
 * missing.
 *
 * All times are whole microseconds since the epoch: the precision of MediaMTX's segments, and exact in a number.
 */

export interface Interval {
  readonly start: number
  /** The first moment after it. */
  readonly end: number
}

export const MICROS_PER_MILLI = 1_000

/** Parts and gaps below this are seams between segments, not content. */
export const NEGLIGIBLE = 100 * MICROS_PER_MILLI

const pattern = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** Reads an RFC 3339 time; undefined when it is none. Parts of a microsecond are rounded up, so that it never lies before. */
export const parseTime = (text: string): number | undefined => {
  const match = pattern.exec(text)
  const [, seconds, fraction = "", zone] = match ?? []
  if (seconds === undefined || zone === undefined) return undefined
  const millis = Date.parse(`${seconds}${zone}`)
  if (Number.isNaN(millis)) return undefined
  return millis * MICROS_PER_MILLI + Math.ceil(Number(fraction.padEnd(9, "0")) / 1_000)
}

/** RFC 3339 in UTC with microseconds, such as `2026-01-31T12:00:00.000250Z`. */
export const formatTime = (micros: number): string => {
  const millis = Math.floor(micros / MICROS_PER_MILLI)
  const rest = micros - millis * MICROS_PER_MILLI
  return `${new Date(millis).toISOString().slice(0, -1)}${String(rest).padStart(3, "0")}Z`
}

export interface Plan {
  /** To be fetched, one request each, in order. Each lies within one span. */
  readonly pieces: ReadonlyArray<Interval>
  readonly gaps: ReadonlyArray<Interval>
}

/** Cuts the window by the spans. */
export const plan = (window: Interval, spans: ReadonlyArray<Interval>): Plan => {
  const pieces: Array<Interval> = []
  let covered = window.start
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const start = Math.max(span.start, covered)
    const end = Math.min(span.end, window.end)
    if (end - start < NEGLIGIBLE) continue
    pieces.push({ start, end })
    covered = end
  }
  return { pieces, gaps: gapsBetween(window, pieces) }
}

/** What of the window is in none of the intervals, which are in order. */
export const gapsBetween = (window: Interval, pieces: ReadonlyArray<Interval>): ReadonlyArray<Interval> => {
  const gaps: Array<Interval> = []
  let covered = window.start
  for (const piece of [...pieces, { start: window.end, end: window.end }]) {
    if (piece.start - covered >= NEGLIGIBLE) gaps.push({ start: covered, end: piece.start })
    covered = Math.max(covered, piece.end)
  }
  return gaps
}

/** Whether nothing of the window can still be recorded: the last span reaches its end. */
export const isCovered = (window: Interval, spans: ReadonlyArray<Interval>): boolean =>
  spans.some((span) => span.end >= window.end && span.start < window.end)
