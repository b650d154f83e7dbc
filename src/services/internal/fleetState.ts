/**
 * The reducer behind every FleetState: what one record of the HookBus, or one reported path list, makes of the picture.
 *
 * Deterministic: no clock, no I/O. It changes the state it is given, in O(1) per hook, since 100,000 readers can't be copied
 * at each of them. Both layers run it; with `track` it also remembers which rows a store has to write.
 *
 * Everything that can be open is a row: a path that exists, one that is always available, a source of a path, a reader of a
 * path, a connection. A row is known by node, kind, path, type and id.
 *
 * Invariants
 * - Applying a record again (its cursor is not newer than the state's) changes nothing.
 * - A session id lives once: when its end is known, no later record opens it again (for `TOMBSTONE_WINDOW`), so that the
 *   order in which its start and its end arrive does not matter. Ids that are empty (static sources) live many times, so
 *   there the later record wins.
 * - A reported path list closes nothing that was opened less than `REPORT_SKEW` before it, and opens nothing that ended.
 *
 * @internal
 */
import type { ConnectionState, PathState, SessionState } from "../FleetState.js"
import type { BusEvent, Cursor, HookRecord } from "../HookBus.js"
import type { NodeId } from "../NodeId.js"
import type { ReportedPath } from "../NodeRegistry.js"

/** How long an end is remembered. MediaMTX sends a start and its end within milliseconds, the network may add seconds. */
export const TOMBSTONE_WINDOW = 60_000
/** More ends than this are not remembered, whatever their age: the oldest go first. */
export const MAX_TOMBSTONES = 100_000
/** A path list was read on the node a little before it got here: hooks this much older may be newer than it. */
export const REPORT_SKEW = 2_000
/** Rows of one node beyond this are not opened: a bound against a stolen node token. */
export const MAX_ROWS_PER_NODE = 100_000
/** Longer than anything MediaMTX sends: what is longer, or holds a NUL, is not kept. */
const MAX_TEXT = 1024

export type RowKind = "path" | "always" | "source" | "reader" | "connection"

export interface Row {
  readonly key: string
  readonly node: NodeId
  readonly kind: RowKind
  /** Empty for a connection. */
  readonly path: string
  /** Empty for `path` and `always`. */
  readonly type: string
  /** Empty for `path`, `always` and static sources. */
  readonly id: string
  /** When it was opened. */
  readonly since: number
  /** When it was last said to be open. */
  seen: number
  /** The record that said so; 0 when a path list did. */
  cursor: Cursor
  /** When it ended; null while it is open. An ended row is a tombstone. */
  ended: number | null
  /** No longer of any use: a store deletes it. */
  gone: boolean
}

interface PathRows {
  listed: Row | undefined
  always: Row | undefined
  /** By type and id. */
  readonly sources: Map<string, Row>
  readonly readers: Map<string, Row>
}

export interface NodeRows {
  readonly paths: Map<string, PathRows>
  readonly connections: Map<string, Row>
  /** How many rows are open. */
  size: number
  /** The node's part of the snapshot; undefined after a change. */
  view: NodeView | undefined
}

export interface NodeView {
  readonly paths: ReadonlyArray<PathState>
  readonly publishers: ReadonlyArray<SessionState>
  readonly readers: ReadonlyArray<SessionState>
  readonly connections: ReadonlyArray<ConnectionState>
}

export interface State {
  /** Every record up to this one was applied. */
  cursor: Cursor
  /** Rises with each change of what a snapshot shows. */
  version: number
  readonly nodes: Map<NodeId, NodeRows>
  /** Ended rows, the one that ended first in front. */
  readonly tombstones: Map<string, Row>
  /** Rows that a store has to write; undefined when there is none. */
  dirty: Map<string, Row> | undefined
  /** Told of each open row that comes and goes. */
  readonly watchers: Set<RowWatcher>
}

export interface RowWatcher {
  readonly opened: (row: Row) => void
  readonly closed: (row: Row) => void
}

export const make = (track: boolean): State => ({
  cursor: 0,
  version: 0,
  nodes: new Map(),
  tombstones: new Map(),
  dirty: track ? new Map() : undefined,
  watchers: new Set()
})

/** NUL is in none of the parts: see `isPlausible`. */
const keyOf = (node: NodeId, kind: RowKind, path: string, type: string, id: string): string =>
  `${node}\0${kind}\0${path}\0${type}\0${id}`

const isPlausible = (path: string, type: string, id: string): boolean =>
  path.length + type.length + id.length <= MAX_TEXT &&
  !path.includes("\0") &&
  !type.includes("\0") &&
  !id.includes("\0")

const nodeRows = (state: State, node: NodeId): NodeRows => {
  let rows = state.nodes.get(node)
  if (rows === undefined) {
    rows = { paths: new Map(), connections: new Map(), size: 0, view: undefined }
    state.nodes.set(node, rows)
  }
  return rows
}

const pathRows = (rows: NodeRows, path: string): PathRows => {
  let found = rows.paths.get(path)
  if (found === undefined) {
    found = { listed: undefined, always: undefined, sources: new Map(), readers: new Map() }
    rows.paths.set(path, found)
  }
  return found
}

const find = (state: State, node: NodeId, kind: RowKind, path: string, key: string): Row | undefined => {
  const rows = state.nodes.get(node)
  if (rows === undefined) return undefined
  if (kind === "connection") return rows.connections.get(key)
  const of = rows.paths.get(path)
  if (of === undefined) return undefined
  switch (kind) {
    case "path":
      return of.listed
    case "always":
      return of.always
    case "source":
      return of.sources.get(key)
    case "reader":
      return of.readers.get(key)
  }
}

const touched = (state: State, rows: NodeRows): void => {
  rows.view = undefined
  state.version++
}

/** Puts an open row in its place. */
const insert = (state: State, row: Row): void => {
  const rows = nodeRows(state, row.node)
  if (row.kind === "connection") {
    rows.connections.set(row.key, row)
  } else {
    const of = pathRows(rows, row.path)
    if (row.kind === "path") of.listed = row
    else if (row.kind === "always") of.always = row
    else if (row.kind === "source") of.sources.set(row.key, row)
    else of.readers.set(row.key, row)
  }
  rows.size++
  touched(state, rows)
  for (const watcher of state.watchers) watcher.opened(row)
}

/** Takes an open row out of its place. */
const extract = (state: State, row: Row): void => {
  const rows = state.nodes.get(row.node)
  if (rows === undefined) return
  if (row.kind === "connection") {
    rows.connections.delete(row.key)
  } else {
    const of = rows.paths.get(row.path)
    if (of === undefined) return
    if (row.kind === "path") of.listed = undefined
    else if (row.kind === "always") of.always = undefined
    else if (row.kind === "source") of.sources.delete(row.key)
    else of.readers.delete(row.key)
    if (of.listed === undefined && of.always === undefined && of.sources.size === 0 && of.readers.size === 0) {
      rows.paths.delete(row.path)
    }
  }
  rows.size--
  touched(state, rows)
  if (rows.size === 0) state.nodes.delete(row.node)
  for (const watcher of state.watchers) watcher.closed(row)
}

/** Closes a row for good: nothing has to be known of it any more. */
const drop = (state: State, row: Row): void => {
  extract(state, row)
  row.gone = true
  state.dirty?.set(row.key, row)
}

const forget = (state: State, tombstone: Row): void => {
  state.tombstones.delete(tombstone.key)
  tombstone.gone = true
  state.dirty?.set(tombstone.key, tombstone)
}

/** Tombstones whose time is over, by the time of the records. One that lies in the future is from before a clock was set back. */
const prune = (state: State, now: number): void => {
  for (const tombstone of state.tombstones.values()) {
    const over = Math.abs(now - (tombstone.ended ?? now)) > TOMBSTONE_WINDOW
    if (!over && state.tombstones.size <= MAX_TOMBSTONES) return
    forget(state, tombstone)
  }
}

const entomb = (state: State, row: Row, at: number): void => {
  row.ended = at
  state.tombstones.delete(row.key)
  state.tombstones.set(row.key, row)
  state.dirty?.set(row.key, row)
  prune(state, at)
}

/** `cursor` 0: a path list says so. */
const open = (
  state: State,
  node: NodeId,
  kind: RowKind,
  path: string,
  type: string,
  id: string,
  at: number,
  cursor: Cursor
): void => {
  if (!isPlausible(path, type, id)) return
  const key = keyOf(node, kind, path, type, id)
  const known = find(state, node, kind, path, key)
  if (known !== undefined) {
    known.seen = at
    known.cursor = cursor
    state.dirty?.set(key, known)
    return
  }
  const tombstone = state.tombstones.get(key)
  if (tombstone !== undefined) {
    const age = Math.abs(at - (tombstone.ended ?? at))
    if (id !== "" ? age <= TOMBSTONE_WINDOW : cursor === 0 && age < REPORT_SKEW) return
    state.tombstones.delete(key)
  }
  if ((state.nodes.get(node)?.size ?? 0) >= MAX_ROWS_PER_NODE) return
  const row: Row = { key, node, kind, path, type, id, since: at, seen: at, cursor, ended: null, gone: false }
  insert(state, row)
  state.dirty?.set(key, row)
}

const close = (
  state: State,
  node: NodeId,
  kind: RowKind,
  path: string,
  type: string,
  id: string,
  at: number,
  cursor: Cursor
): void => {
  if (!isPlausible(path, type, id)) return
  const key = keyOf(node, kind, path, type, id)
  const known = find(state, node, kind, path, key)
  if (known !== undefined) {
    extract(state, known)
    entomb(state, known, at)
    return
  }
  const before = state.tombstones.get(key)
  const tombstone = before ?? { key, node, kind, path, type, id, since: at, seen: at, cursor, ended: at, gone: false }
  entomb(state, tombstone, at)
}

/** Far enough in the past of a report, or so far in its future that the clock must have been set back since. */
const isOlder = (row: Row, at: number): boolean => row.seen <= at - REPORT_SKEW || row.seen > at + TOMBSTONE_WINDOW

/** A stream ended; its readers ended with it, even if nobody said so. Those that just came may be another stream's. */
const closeReaders = (state: State, node: NodeId, path: string, at: number): void => {
  const of = state.nodes.get(node)?.paths.get(path)
  if (of === undefined || of.always !== undefined || of.sources.size > 0) return
  for (const reader of of.readers.values()) if (isOlder(reader, at)) drop(state, reader)
}

export const allRows = function* (rows: NodeRows): Generator<Row> {
  yield* rows.connections.values()
  for (const of of rows.paths.values()) {
    if (of.listed !== undefined) yield of.listed
    if (of.always !== undefined) yield of.always
    yield* of.sources.values()
    yield* of.readers.values()
  }
}

/** Everything that was open on a node before `since` has ended. */
const closeNode = (state: State, node: NodeId, since: number, at: number, cursor: Cursor): void => {
  const rows = state.nodes.get(node)
  if (rows === undefined) return
  for (const row of [...allRows(rows)]) {
    const before =
      row.seen < since ||
      (row.seen === since && row.cursor !== 0 && row.cursor < cursor) ||
      row.seen > at + TOMBSTONE_WINDOW
    if (before) drop(state, row)
  }
}

/** Everything that is open on a node is closed: the registry says that it is gone. */
export const closeAll = (state: State, node: NodeId): void => {
  const rows = state.nodes.get(node)
  if (rows === undefined) return
  for (const row of [...allRows(rows)]) drop(state, row)
}

const applyEvent = (state: State, node: NodeId, event: BusEvent, at: number, cursor: Cursor): void => {
  switch (event.event) {
    case "connect":
      open(state, node, "connection", "", event.type, event.id, at, cursor)
      return
    case "disconnect":
      close(state, node, "connection", "", event.type, event.id, at, cursor)
      return
    case "init":
      open(state, node, "path", event.path, "", "", at, cursor)
      return
    // Without `alwaysAvailable` the two are one: the source makes the path available and goes with it, so that each may
    // stand in for the other when it is lost. With it, `available` has no source.
    case "available":
    case "online":
      if (event.type === "") open(state, node, "always", event.path, "", "", at, cursor)
      else open(state, node, "source", event.path, event.type, event.id, at, cursor)
      return
    case "unavailable":
    case "offline":
      if (event.type === "") close(state, node, "always", event.path, "", "", at, cursor)
      else close(state, node, "source", event.path, event.type, event.id, at, cursor)
      if (event.event === "unavailable") closeReaders(state, node, event.path, at)
      return
    case "read":
      open(state, node, "reader", event.path, event.type, event.id, at, cursor)
      return
    case "unread":
      close(state, node, "reader", event.path, event.type, event.id, at, cursor)
      return
    case "node_restarted":
    case "node_offline":
    case "node_removed":
      closeNode(state, node, event.since ?? at, at, cursor)
      // The nodes of the picture changed, whether or not anything was open.
      state.version++
      return
    case "node_discovered":
    case "node_online":
    case "node_stale":
    case "node_config_applied":
    case "node_config_failed":
      state.version++
      return
    case "demand":
    case "undemand":
    case "record_segment_create":
    case "record_segment_complete":
    // Not part of the picture: see NodeConfigs.
    case "node_config":
      return
  }
}

/** One record of the bus. */
export const apply = (state: State, record: HookRecord): void => {
  if (record.cursor <= state.cursor) return
  state.cursor = record.cursor
  applyEvent(state, record.node, record.event, record.at, record.cursor)
}

/** The paths of a node as it reported them itself, received at `at`. */
export const reconcile = (state: State, node: NodeId, paths: ReadonlyArray<ReportedPath>, at: number): void => {
  const reported = new Set<string>()
  for (const path of paths) {
    reported.add(path.name)
    open(state, node, "path", path.name, "", "", at, 0)
    const source = path.online && path.source !== null && path.source.type !== "" ? path.source : undefined
    if (path.available && source === undefined) open(state, node, "always", path.name, "", "", at, 0)
    if (source !== undefined) open(state, node, "source", path.name, source.type, source.id, at, 0)
    for (const reader of path.readers) open(state, node, "reader", path.name, reader.type, reader.id, at, 0)
    const of = state.nodes.get(node)?.paths.get(path.name)
    if (of === undefined) continue
    // What the list confirms was just seen at `at`, so it is not older.
    for (const row of of.sources.values()) if (isOlder(row, at)) drop(state, row)
    for (const row of of.readers.values()) if (isOlder(row, at)) drop(state, row)
    // A list does not tell whether a path with a source would be available without one.
    if (!path.available && of.always !== undefined && isOlder(of.always, at)) drop(state, of.always)
  }
  const rows = state.nodes.get(node)
  if (rows === undefined) return
  for (const [name, of] of rows.paths) {
    if (reported.has(name)) continue
    for (const row of [of.listed, of.always, ...of.sources.values(), ...of.readers.values()]) {
      if (row !== undefined && isOlder(row, at)) drop(state, row)
    }
  }
}

/** A row from the store, at the start. Tombstones must come in the order of their ends. */
export const restore = (state: State, row: Row): void => {
  if (row.ended === null) insert(state, row)
  else state.tombstones.set(row.key, row)
}

/** A row as it is stored, without what is only in memory. */
export const row = (
  fields: Pick<Row, "node" | "kind" | "path" | "type" | "id" | "since" | "seen" | "cursor" | "ended">
): Row => ({
  ...fields,
  key: keyOf(fields.node, fields.kind, fields.path, fields.type, fields.id),
  gone: false
})

const session = (row: Row): SessionState => ({
  node: row.node,
  path: row.path,
  type: row.type,
  id: row.id,
  since: row.since
})

const pathSince = (of: PathRows): number => {
  let since = Number.POSITIVE_INFINITY
  const earlier = (row: Row | undefined): void => {
    if (row !== undefined && row.since < since) since = row.since
  }
  earlier(of.always)
  for (const row of of.sources.values()) earlier(row)
  if (since === Number.POSITIVE_INFINITY) earlier(of.listed)
  if (since === Number.POSITIVE_INFINITY) for (const row of of.readers.values()) earlier(row)
  return since
}

/** The node's part of a snapshot: the same object until something of the node changes. */
export const view = (node: NodeId, rows: NodeRows): NodeView => {
  if (rows.view !== undefined) return rows.view
  const paths: Array<PathState> = []
  const publishers: Array<SessionState> = []
  const readers: Array<SessionState> = []
  for (const [path, of] of rows.paths) {
    const online = of.sources.size > 0
    paths.push({
      node,
      path,
      available: online || of.always !== undefined,
      online,
      since: pathSince(of),
      readers: of.readers.size
    })
    for (const row of of.sources.values()) publishers.push(session(row))
    for (const row of of.readers.values()) readers.push(session(row))
  }
  const connections: Array<ConnectionState> = []
  for (const row of rows.connections.values()) {
    connections.push({ node, type: row.type, id: row.id, since: row.since })
  }
  rows.view = { paths, publishers, readers, connections }
  return rows.view
}
