/**
 * Sorted, disjoint, half-open intervals of time. Two that are less than `tolerance` apart are one: which intervals come
 * out does not depend on the order in which they were put in, nor on how often.
 *
 * @internal
 */
export interface Interval {
  readonly start: number
  readonly end: number
}

/** Index of the first interval that ends at or after `time`. */
export const firstEndingAfter = (intervals: ReadonlyArray<Interval>, time: number): number => {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = intervals[middle]
    if (at !== undefined && at.end < time) low = middle + 1
    else high = middle
  }
  return low
}

/** What one change took away and put in place. */
export interface Change {
  readonly removed: ReadonlyArray<Interval>
  readonly added: ReadonlyArray<Interval>
}
const unchanged: Change = { removed: [], added: [] }

/** Adds an interval, in place. */
export const add = (intervals: Array<Interval>, interval: Interval, tolerance: number): Change => {
  if (!(interval.end > interval.start)) return unchanged
  const from = firstEndingAfter(intervals, interval.start - tolerance)
  let to = from
  let { end, start } = interval
  for (let next = intervals[to]; next !== undefined && next.start <= interval.end + tolerance; next = intervals[++to]) {
    start = Math.min(start, next.start)
    end = Math.max(end, next.end)
  }
  const first = intervals[from]
  if (to === from + 1 && first !== undefined && first.start === start && first.end === end) return unchanged
  const merged = { start, end }
  return { removed: intervals.splice(from, to - from, merged), added: [merged] }
}

/** Takes `[start, end)` away, in place. */
export const subtract = (intervals: Array<Interval>, start: number, end: number): Change => {
  if (!(end > start)) return unchanged
  // One that ends at `start` is not touched.
  let from = firstEndingAfter(intervals, start)
  if (intervals[from]?.end === start) from++
  let to = from
  const rest: Array<Interval> = []
  for (let next = intervals[to]; next !== undefined && next.start < end; next = intervals[++to]) {
    if (next.start < start) rest.push({ start: next.start, end: start })
    if (next.end > end) rest.push({ start: end, end: next.end })
  }
  const touched = intervals.slice(from, to)
  if (touched.length === 0) return unchanged
  intervals.splice(from, to - from, ...rest)
  return { removed: touched, added: rest }
}

/** The parts of the intervals that lie in `[start, end)`. */
export const within = (intervals: ReadonlyArray<Interval>, start: number, end: number): ReadonlyArray<Interval> => {
  const found: Array<Interval> = []
  for (let i = firstEndingAfter(intervals, start); i < intervals.length; i++) {
    const at = intervals[i]
    if (at === undefined || at.start >= end) break
    const part = { start: Math.max(at.start, start), end: Math.min(at.end, end) }
    if (part.end > part.start) found.push(part)
  }
  return found
}
