/**
 * The reducer behind every Recordings: what one record of the HookBus, one report of a worker, or time makes of the index.
 *
 * Deterministic: no clock, no I/O. It changes the state it is given.
 *
 * Of each path on each node it keeps the spans of time that are on disk, and the segments that are being written. Segments
 * that follow each other without a gap are one span, so a month of ten-second segments is one row, and a union of spans
 * comes out the same whatever the order in which hooks arrive, and however often.
 *
 * Invariants
 * - A record that is not newer than the state's cursor changes nothing.
 * - The spans of one path on one node are sorted, disjoint, and at least `tolerance` apart.
 * - A completed segment is never open: a late create of it is ignored.
 *
 * @internal
 */
import type { SegmentCompleteEvent, SegmentCreateEvent } from "../../mediamtx/HookEvent.js"
import type { Cursor, HookRecord } from "../HookBus.js"
import type { NodeId } from "../NodeId.js"
import { add, type Change, firstEndingAfter, type Interval, subtract, within } from "./intervals.js"

/** A list was read on the node a little before it got here: what ended less than this ago may be newer than it. */
export const REPORT_SKEW = 2_000
/** A segment ends with the key frame after its time is up: it is not overdue before this much more. */
export const OVERDUE_GRACE = 30_000
/** The create hook comes about this long after the start of its segment (measured: the first part must be on disk). */
const CREATE_LAG = 1_000
/** What is assumed of a path that no settings are known for. */
const DEFAULT_SEGMENT = 3_600_000
const DEFAULT_PART = 1_000
/** Names of completed files that are remembered, to know a late create: hooks are a few milliseconds out of order. */
const MAX_COMPLETED = 8
/** Segments of one path that are being written: one is, two while a hook is under way. More are invented. */
const MAX_OPEN = 4
/** Paths of one node beyond this are not indexed: a bound against a stolen node token. */
export const MAX_PATHS_PER_NODE = 20_000
/** MediaMTX ends a segment after a day at most, at the next key frame. A longer one is invented, up to what no clock shows. */
const LONGEST_SEGMENT = 48 * 3_600_000
/** Longer than any file name that a system takes. */
const MAX_TEXT = 4096

/** What the reducer needs of RecordSettings, in milliseconds. */
export interface Settings {
  readonly startOf: (file: string, path: string) => number | undefined
  readonly segment: number
  readonly part: number
  readonly keep: number | undefined
}

export interface OpenSegment {
  readonly file: string
  readonly start: number
  /** Its planned length: when it is overdue, this much of it is believed. */
  readonly planned: number
}

/** One row of a store: a span that is on disk (`file` is null), or a segment that is being written. */
export interface Row {
  readonly node: NodeId
  readonly path: string
  readonly start: number
  /** For an open segment: its planned end. */
  readonly end: number
  readonly file: string | null
}

/** One path on one node. */
export interface Track {
  readonly node: NodeId
  readonly path: string
  readonly spans: Array<Interval>
  /** By file. */
  readonly open: Map<string, OpenSegment>
  readonly completed: Array<string>
}

export interface State {
  cursor: Cursor
  readonly tolerance: number
  readonly tracks: Map<string, Map<NodeId, Track>>
  readonly pathsOf: Map<NodeId, Set<string>>
  /** What changed since the store was last written, by key; undefined when there is no store. */
  dirty: Map<string, { readonly row: Row; readonly gone: boolean }> | undefined
  /** Tracks that changed since `takeChanged`. */
  readonly changed: Map<string, { readonly node: NodeId; readonly path: string }>
}

export const make = (tolerance: number, track: boolean): State => ({
  cursor: 0,
  tolerance,
  tracks: new Map(),
  pathsOf: new Map(),
  dirty: track ? new Map() : undefined,
  changed: new Map()
})

export const keyOf = (row: Row): string => `${row.node}\0${row.path}\0${row.file === null ? "s" : "o"}\0${row.start}`

const mark = (state: State, row: Row, gone: boolean): void => {
  state.dirty?.set(keyOf(row), { row, gone })
  const key = `${row.node}\0${row.path}`
  if (!state.changed.has(key)) state.changed.set(key, { node: row.node, path: row.path })
}

/** Finds or makes a track; undefined when the node has too many. */
const trackOf = (state: State, node: NodeId, path: string): Track | undefined => {
  let nodes = state.tracks.get(path)
  const found = nodes?.get(node)
  if (found !== undefined) return found
  let paths = state.pathsOf.get(node)
  if (paths === undefined) {
    paths = new Set()
    state.pathsOf.set(node, paths)
  }
  if (paths.size >= MAX_PATHS_PER_NODE) return undefined
  paths.add(path)
  if (nodes === undefined) {
    nodes = new Map()
    state.tracks.set(path, nodes)
  }
  const made: Track = { node, path, spans: [], open: new Map(), completed: [] }
  nodes.set(node, made)
  return made
}

const dropIfEmpty = (state: State, track: Track): void => {
  if (track.spans.length > 0 || track.open.size > 0) return
  const nodes = state.tracks.get(track.path)
  nodes?.delete(track.node)
  if (nodes?.size === 0) state.tracks.delete(track.path)
  const paths = state.pathsOf.get(track.node)
  paths?.delete(track.path)
  if (paths?.size === 0) state.pathsOf.delete(track.node)
}

const spanRow = (track: Track, { end, start }: Interval): Row => ({
  node: track.node,
  path: track.path,
  start,
  end,
  file: null
})
const openRow = (track: Track, { file, planned, start }: OpenSegment): Row => ({
  node: track.node,
  path: track.path,
  start,
  end: start + planned,
  file
})

const note = (state: State, track: Track, change: Change): void => {
  for (const interval of change.removed) mark(state, spanRow(track, interval), true)
  for (const interval of change.added) mark(state, spanRow(track, interval), false)
}

const addSpan = (state: State, track: Track, start: number, end: number): void =>
  note(state, track, add(track.spans, { start: Math.round(start), end: Math.round(end) }, state.tolerance))

const removeOpen = (state: State, track: Track, segment: OpenSegment): void => {
  track.open.delete(segment.file)
  mark(state, openRow(track, segment), true)
}

/** Until when an open segment reaches, as far as is known: it grows, and once it is overdue its planned length counts. */
export const openEnd = ({ planned, start }: OpenSegment, now: number): number =>
  now > start + planned + OVERDUE_GRACE ? start + planned : Math.max(start, now)

const closeOpen = (state: State, track: Track, segment: OpenSegment, end: number): void => {
  removeOpen(state, track, segment)
  addSpan(state, track, segment.start, end)
}

const created = (
  state: State,
  node: NodeId,
  at: number,
  event: typeof SegmentCreateEvent.Type,
  settings: Settings | undefined
): void => {
  const file = event.segmentPath
  const track = trackOf(state, node, event.path)
  if (track === undefined || track.open.has(file) || track.completed.includes(file)) return
  const start = settings?.startOf(file, event.path) ?? at - CREATE_LAG
  for (const other of track.open.values()) {
    // One path is recorded into one file at a time: the hook that said that the earlier one is complete was lost, or is late.
    if (other.start < start) closeOpen(state, track, other, Math.min(start, openEnd(other, at)))
    // An earlier create that was overtaken by a later one: its end is known.
    else {
      addSpan(state, track, start, Math.min(other.start, start + (settings?.segment ?? DEFAULT_SEGMENT)))
      return
    }
  }
  if (track.open.size >= MAX_OPEN) return
  const segment: OpenSegment = { file, start, planned: settings?.segment ?? DEFAULT_SEGMENT }
  track.open.set(file, segment)
  mark(state, openRow(track, segment), false)
}

const completed = (
  state: State,
  node: NodeId,
  at: number,
  event: typeof SegmentCompleteEvent.Type,
  settings: Settings | undefined
): void => {
  const file = event.segmentPath
  const track = trackOf(state, node, event.path)
  if (track === undefined) return
  const length = event.segmentDuration * 1000
  const open = track.open.get(file)
  const start = settings?.startOf(file, event.path) ?? open?.start ?? at - length
  if (open !== undefined) removeOpen(state, track, open)
  if (!track.completed.includes(file)) {
    track.completed.push(file)
    if (track.completed.length > MAX_COMPLETED) track.completed.shift()
  }
  if (length <= LONGEST_SEGMENT) addSpan(state, track, start, start + length)
  dropIfEmpty(state, track)
}

/** Forgets all that a node has recorded. */
export const forgetNode = (state: State, node: NodeId): void => {
  for (const path of [...(state.pathsOf.get(node) ?? [])]) {
    const track = state.tracks.get(path)?.get(node)
    if (track === undefined) continue
    for (const open of [...track.open.values()]) removeOpen(state, track, open)
    note(state, track, { removed: track.spans.splice(0), added: [] })
    dropIfEmpty(state, track)
  }
}

const plausible = (path: string, file: string): boolean =>
  path.length + file.length <= MAX_TEXT && !path.includes("\0") && !file.includes("\0")

/** Whether a record concerns recordings, and hence settings may be needed to apply it. */
export const concerns = (
  record: HookRecord
): record is HookRecord & { readonly event: typeof SegmentCreateEvent.Type | typeof SegmentCompleteEvent.Type } =>
  record.event.event === "record_segment_create" || record.event.event === "record_segment_complete"

export const apply = (state: State, record: HookRecord, settings: Settings | undefined): void => {
  if (record.cursor <= state.cursor) return
  state.cursor = record.cursor
  const { at, event, node } = record
  switch (event.event) {
    case "record_segment_create":
      if (plausible(event.path, event.segmentPath)) created(state, node, at, event, settings)
      return
    case "record_segment_complete":
      if (plausible(event.path, event.segmentPath)) completed(state, node, at, event, settings)
      return
    case "node_restarted": {
      // MediaMTX is a new process: nobody writes to the old files any more.
      const since = event.since ?? at
      for (const path of state.pathsOf.get(node) ?? []) {
        const track = state.tracks.get(path)?.get(node)
        for (const open of [...(track?.open.values() ?? [])]) {
          if (track !== undefined && open.start < since) {
            closeOpen(state, track, open, Math.min(since, openEnd(open, since)))
          }
        }
      }
      return
    }
    case "node_removed":
      forgetNode(state, node)
      return
    default:
      return
  }
}

/**
 * What a worker read from MediaMTX's `/list` for `[from, to)` is the truth about that time, except for what ended a moment
 * ago.
 */
export const reconcile = (
  state: State,
  node: NodeId,
  path: string,
  listed: ReadonlyArray<Interval>,
  from: number,
  to: number,
  now: number,
  settings: Settings | undefined
): void => {
  if (!plausible(path, "")) return
  const track = trackOf(state, node, path)
  if (track === undefined) return
  const before = now - REPORT_SKEW
  const wanted: Array<Interval> = []
  for (const { end, start } of listed) {
    add(
      wanted,
      { start: Math.floor(Math.max(start, from)), end: Math.round(Math.min(end, to, now + REPORT_SKEW)) },
      state.tolerance
    )
  }
  const sure = Math.min(to, before)
  let position = from
  for (const { end, start } of wanted) {
    if (start > position) note(state, track, subtract(track.spans, position, Math.min(start, sure)))
    position = end
  }
  if (sure > position) note(state, track, subtract(track.spans, position, sure))
  for (const { end, start } of wanted) addSpan(state, track, start, end)

  for (const open of [...track.open.values()]) {
    if (open.start < from || open.start >= Math.min(to, before - CREATE_LAG) || to < before) continue
    // What is listed of an open segment lags behind by the part that is being written. One that lags more is not written any
    // more; what it holds is in the list.
    const reaches = wanted.some(
      ({ end, start }) => start < before && end > now - (settings?.part ?? DEFAULT_PART) - 5_000
    )
    if (!reaches) removeOpen(state, track, open)
  }
  dropIfEmpty(state, track)
}

/** Drops what the node deletes, and closes what is overdue. */
export const age = (state: State, track: Track, now: number, settings: Settings | undefined): void => {
  for (const open of [...track.open.values()]) {
    if (now > open.start + open.planned + OVERDUE_GRACE) closeOpen(state, track, open, open.start + open.planned)
  }
  if (settings?.keep !== undefined) {
    note(state, track, subtract(track.spans, Number.NEGATIVE_INFINITY, now - settings.keep))
  }
  dropIfEmpty(state, track)
}

/** Puts a stored row in its place, without marking it as changed. */
export const restore = (state: State, row: Row): void => {
  const track = trackOf(state, row.node, row.path)
  if (track === undefined) return
  if (row.file === null) add(track.spans, { start: row.start, end: row.end }, 0)
  else track.open.set(row.file, { file: row.file, start: row.start, planned: row.end - row.start })
}

/** A span of one node, as it is shown. */
export interface View extends Interval {
  /** It is being written. */
  readonly open: boolean
}

/** The spans of one track in `[from, to)`, open segments included. */
export const view = (track: Track, from: number, to: number, now: number, tolerance: number): ReadonlyArray<View> => {
  if (track.open.size === 0) return within(track.spans, from, to).map((span) => ({ ...span, open: false }))
  const spans = [...track.spans]
  const growing: Array<number> = []
  for (const open of track.open.values()) {
    const end = openEnd(open, now)
    add(spans, { start: open.start, end }, tolerance)
    if (end === now) growing.push(end)
  }
  return within(spans, from, to).map((span) => ({ ...span, open: growing.some((end) => span.end >= end) }))
}

/** Milliseconds of `[start, end)` that a track holds, open segments included. Allocates nothing when nothing is open. */
export const covered = (track: Track, start: number, end: number, now: number, tolerance: number): number => {
  if (track.open.size > 0) {
    return view(track, start, end, now, tolerance).reduce((sum, span) => sum + span.end - span.start, 0)
  }
  let sum = 0
  for (let i = firstEndingAfter(track.spans, start); i < track.spans.length; i++) {
    const span = track.spans[i]
    if (span === undefined || span.start >= end) break
    sum += Math.min(span.end, end) - Math.max(span.start, start)
  }
  return sum
}
