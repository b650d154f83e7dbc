/**
 * The state machine behind every NodeRegistry: what one call of a node, or the passing of time, makes of its record.
 *
 * Pure: no clock, no I/O. Both layers run it; they differ only in whether the result is written down.
 *
 * Invariants
 * - `statusSince` changes with `status` and only with it; each such change has exactly one event.
 * - A call of the node always leads to `online`, but for those of an updater whose MediaMTX is gone, which change nothing of
 *   it; only time leads to `stale` and `offline`, and only when the node has promised to call again.
 * - `dueAt` is null if and only if `interval` is; else it is `lastSeen + interval`.
 *
 * @internal
 */
import type { NodeEvent, NodeStatus } from "../NodeEvent.js"
import type { NodeId } from "../NodeId.js"
import type { Heartbeat, NodeRecord, Observation, StoredNode } from "../NodeRegistry.js"

/** HeartbeatPolicy in plain milliseconds. */
export interface Policy {
  readonly interval: number
  readonly staleAfter: number
  readonly offlineAfter: number
  readonly tolerance: number
}

export interface Step {
  readonly node: StoredNode
  readonly events: ReadonlyArray<NodeEvent>
  /** Whether it is worth a write now: anything but the time and origin of the last call. */
  readonly urgent: boolean
}

const NONE: ReadonlyArray<NodeEvent> = []

/** A promise longer than this is held to it: a week, far beyond any sensible interval, and safe in a Date. */
const LONGEST_PROMISE = 7 * 24 * 60 * 60 * 1000

/** What a node says about itself is kept up to this length: its memory is bounded whatever it sends. */
const clip = (text: string, length: number): string => {
  const short = text.length > length ? text.slice(0, length) : text
  // Some databases refuse NUL in a text; one node's heartbeat must not keep the others from being written.
  return short.includes("\0") ? short.replaceAll("\0", "\uFFFD") : short
}

const LONGEST_VERSION = 64

const promise = (millis: number): number => (millis > 1 ? Math.min(Math.round(millis), LONGEST_PROMISE) : 1)

const discover = (id: NodeId, via: NodeRecord["lastSeenBy"], now: number): NodeRecord => ({
  id,
  status: "online",
  statusSince: now,
  firstSeen: now,
  lastSeen: now,
  lastSeenBy: via,
  dueAt: null,
  address: null,
  instance: null,
  mediamtxVersion: null,
  startedAt: null,
  appliedHash: null,
  error: null,
  disk: null
})

/** `node_discovered`, `node_online`, or nothing when it was online before. */
const heard = (previous: StoredNode | undefined, now: number): Array<NodeEvent> | undefined =>
  previous === undefined
    ? [{ event: "node_discovered" }]
    : previous.record.status === "online"
      ? undefined
      : [{ event: "node_online", previous: previous.record.status, since: now }]

/** A call of the node. Any call proves that the node is alive now, so it moves the deadline of a promise that stands. */
export const observe = (previous: StoredNode | undefined, id: NodeId, o: Observation, now: number): Step => {
  const boot = o.boot === true
  // Nobody but the updater, a late hook say. A boot and a refresh loop are MediaMTX's own.
  if (previous?.serverDown === true && !boot && o.nextWithin === undefined) {
    return { node: previous, events: NONE, urgent: false }
  }
  const before = previous?.record ?? discover(id, o.via, now)
  let events = heard(previous, now)
  // A promise was made by a process; a boot means that this process is gone.
  const interval =
    o.nextWithin !== undefined ? promise(o.nextWithin) : boot || previous === undefined ? null : previous.interval
  if (boot && previous !== undefined) events = [...(events ?? NONE), { event: "node_restarted", since: now }]
  const mediamtxVersion =
    o.mediamtxVersion === undefined ? before.mediamtxVersion : clip(o.mediamtxVersion, LONGEST_VERSION)
  const appliedHash = o.appliedHash ?? before.appliedHash
  if (o.appliedHash !== undefined && o.appliedHash !== before.appliedHash) {
    events = [...(events ?? NONE), { event: "node_config_applied", hash: o.appliedHash }]
  }
  return {
    node: {
      record: {
        id,
        status: "online",
        statusSince: before.status === "online" ? before.statusSince : now,
        firstSeen: before.firstSeen,
        lastSeen: now,
        lastSeenBy: o.via,
        dueAt: interval === null ? null : now + interval,
        address: o.address ?? before.address,
        // The command that boots a node without an updater: one that is still there says so with its next heartbeat.
        instance: boot ? null : before.instance,
        mediamtxVersion,
        // Unknown until the new process is reported: the next heartbeat must not count as one more restart.
        startedAt: boot ? null : before.startedAt,
        appliedHash,
        error: boot ? null : before.error,
        disk: before.disk
      },
      interval,
      reportedAt: boot || previous === undefined ? null : previous.reportedAt,
      serverDown: false
    },
    events: events ?? NONE,
    urgent:
      events !== undefined || interval !== previous?.interval || mediamtxVersion !== previous?.record.mediamtxVersion
  }
}

/**
 * Whether a heartbeat tells of another MediaMTX process than the last one did.
 *
 * - A later start: yes. It is the only proof, for an updater may be restarted (another instance) beside a process that
 *   runs on, and must not close that process's streams.
 * - An earlier start from the same instance: a heartbeat that was overtaken by its successor. Ignored.
 * - An earlier start from another instance: the node moved to a machine with a slower clock. Yes.
 */
const isRestart = (before: NodeRecord, heartbeat: Heartbeat, instance: string): boolean =>
  heartbeat.startedAt !== undefined &&
  before.startedAt !== null &&
  (heartbeat.startedAt > before.startedAt || (heartbeat.startedAt < before.startedAt && instance !== before.instance))

/** A heartbeat of the node's updater. */
export const report = (
  previous: StoredNode | undefined,
  id: NodeId,
  heartbeat: Heartbeat,
  address: string | undefined,
  now: number,
  policy: Policy
): Step => {
  const before = previous?.record ?? discover(id, "heartbeat", now)
  // Of a MediaMTX that was never reported it may be the updater's settings that are wrong.
  const serverDown = heartbeat.serving === false && before.startedAt !== null
  const events = serverDown ? [] : (heard(previous, now) ?? [])
  const interval = promise(heartbeat.every === undefined ? policy.interval : heartbeat.every * 1000)
  const instance = clip(heartbeat.instance, 128)
  const reported = heartbeat.startedAt
  const restarted = isRestart(before, heartbeat, instance)
  if (restarted && reported !== undefined) {
    // The start is by the node's clock, which may be wrong. By ours it lies between the last report of the old process
    // and this one; what was opened in between is told apart as well as the node's clock allows.
    const earliest = previous?.reportedAt ?? before.firstSeen
    events.push({ event: "node_restarted", since: Math.min(now, Math.max(reported, earliest)) })
  }
  const startedAt = reported !== undefined && (before.startedAt === null || restarted) ? reported : before.startedAt
  const appliedHash = heartbeat.appliedHash ?? before.appliedHash
  if (appliedHash !== null && appliedHash !== before.appliedHash) {
    events.push({ event: "node_config_applied", hash: appliedHash })
  }
  const error = heartbeat.status === "ok" ? null : clip(heartbeat.error ?? "no reason given", 2000)
  if (error !== null && error !== before.error) events.push({ event: "node_config_failed", error })
  const mediamtxVersion =
    heartbeat.mediamtxVersion === undefined ? before.mediamtxVersion : clip(heartbeat.mediamtxVersion, LONGEST_VERSION)
  return {
    node: {
      record: {
        id,
        ...(serverDown
          ? {
              status: before.status,
              statusSince: before.statusSince,
              lastSeen: before.lastSeen,
              lastSeenBy: before.lastSeenBy,
              dueAt: before.lastSeen + interval
            }
          : {
              status: "online",
              statusSince: before.status === "online" ? before.statusSince : now,
              lastSeen: now,
              lastSeenBy: "heartbeat",
              dueAt: now + interval
            }),
        firstSeen: before.firstSeen,
        address: address ?? before.address,
        instance,
        mediamtxVersion,
        startedAt,
        appliedHash,
        error,
        disk: heartbeat.disk ?? before.disk
      },
      interval,
      reportedAt: serverDown ? (previous?.reportedAt ?? null) : now,
      serverDown
    },
    events: events.length === 0 ? NONE : events,
    urgent:
      events.length > 0 ||
      error !== before.error ||
      instance !== before.instance ||
      mediamtxVersion !== before.mediamtxVersion ||
      startedAt !== before.startedAt ||
      serverDown !== (previous?.serverDown ?? false) ||
      interval !== previous?.interval
  }
}

/**
 * When silence changes this node's status next; infinite when it never does. Silence counts from the last call or from
 * `floor`, whichever is later: the time since which the manager has been listening.
 */
export const deadline = (node: StoredNode, policy: Policy, floor: number): number => {
  const { lastSeen, status } = node.record
  if (node.interval === null || status === "offline") return Number.POSITIVE_INFINITY
  const missed = status === "online" ? policy.staleAfter : policy.offlineAfter
  return Math.max(lastSeen, floor) + missed * node.interval + policy.tolerance
}

/** What the time makes of a node whose deadline has come. */
export const expire = (node: StoredNode, now: number, policy: Policy, floor: number): Step => {
  let current = node
  const events: Array<NodeEvent> = []
  while (deadline(current, policy, floor) <= now) {
    const previous = current.record.status
    const status: NodeStatus = previous === "online" ? "stale" : "offline"
    events.push({ event: `node_${status}`, previous, since: now })
    current = { ...current, record: { ...current.record, status, statusSince: now } }
  }
  return { node: current, events: events.length === 0 ? NONE : events, urgent: events.length > 0 }
}

/** The clock was set back: calls that seem to come from the future came at the latest now. */
export const rebase = (node: StoredNode, now: number): StoredNode =>
  node.record.lastSeen <= now
    ? node
    : {
        ...node,
        record: { ...node.record, lastSeen: now, dueAt: node.interval === null ? null : now + node.interval },
        reportedAt: node.reportedAt === null ? null : Math.min(node.reportedAt, now)
      }
