/**
 * Who of a group acts: a pure function of who acted, what the registry knows, and the time.
 *
 * - Down is only who the registry calls offline. Stale is late, not gone.
 * - The next takes over only when it has called after the other was given up: when the manager itself is cut off, all nodes
 *   fall silent at once, and none of them is any better than the others.
 * - Who comes back acts again after `returnAfter` online without a break, however late: each break starts it anew, so a node
 *   that flaps stays out.
 * - Nobody left: whoever acted last stays.
 */
import type { FleetGroup } from "../FleetGroups.js"
import { sourcesOf } from "../FleetGroups.js"
import type { NodeId } from "../NodeId.js"
import type { NodeRecord } from "../NodeRegistry.js"

/** A node that has not called since the manager began to listen is given up after this. */
export const UNHEARD = 60_000
/** How soon it is looked again for a sign of life that is awaited. */
export const LOOK_AGAIN = 1_000

export interface Situation {
  readonly record: (node: NodeId) => NodeRecord | undefined
  /** Epoch milliseconds. */
  readonly now: number
  /** Since when the manager has listened. */
  readonly listeningSince: number
}

export interface Verdict {
  readonly acting: NodeId
  /** When it may come out otherwise although no node changes; undefined: not. */
  readonly lookAt: number | undefined
}

/** Since when a node is gone; undefined when it is not. */
const goneSince = (node: NodeId, { listeningSince, now, record }: Situation): number | undefined => {
  const known = record(node)
  if (known === undefined) return listeningSince + UNHEARD <= now ? listeningSince + UNHEARD : undefined
  return known.status === "offline" ? known.statusSince : undefined
}

/** For how long a node is online; undefined when it is not. */
const onlineSince = (node: NodeId, { record }: Situation): number | undefined => {
  const known = record(node)
  return known?.status === "online" ? known.statusSince : undefined
}

/** With no memory of who acted, as after a restart of the manager. */
const begin = (group: FleetGroup, sources: ReadonlyArray<NodeId>, situation: Situation): NodeId | undefined => {
  const [first, ...others] = sources
  if (first === undefined) return undefined
  const known = situation.record(first)
  const since = onlineSince(first, situation)
  // It was away and came back a moment ago: another acted meanwhile, and goes on until the time is up.
  if (
    known !== undefined &&
    since !== undefined &&
    since > known.firstSeen &&
    situation.now - since < group.returnMillis
  ) {
    const standIn = others.find((node) => {
      const online = onlineSince(node, situation)
      return online !== undefined && online < since
    })
    if (standIn !== undefined) return standIn
  }
  return first
}

export const decide = (group: FleetGroup, before: NodeId | undefined, situation: Situation): Verdict | undefined => {
  const sources = sourcesOf(group)
  let acting = before !== undefined && sources.includes(before) ? before : begin(group, sources, situation)
  if (acting === undefined) return undefined
  // Only these change hands.
  if (group.kind === "mirror" && group.fallback !== "takeover") return { acting: group.primary, lookAt: undefined }
  const { listeningSince, now, record } = situation
  const looks: Array<number> = []

  const gone = goneSince(acting, situation)
  if (gone !== undefined) {
    const due = gone + group.failoverMillis
    const alive = sources.filter((node) => node !== acting && onlineSince(node, situation) !== undefined)
    if (now < due) looks.push(due)
    else {
      const next = alive.find((node) => (record(node)?.lastSeen ?? 0) > gone)
      if (next !== undefined) acting = next
      else if (alive.length > 0) looks.push(now + LOOK_AGAIN)
    }
  } else if (record(acting) === undefined) looks.push(listeningSince + UNHEARD)

  const place = sources.indexOf(acting)
  for (const node of sources.slice(0, place)) {
    const since = onlineSince(node, situation)
    if (since === undefined) continue
    if (now - since >= group.returnMillis) {
      acting = node
      break
    }
    looks.push(since + group.returnMillis)
  }
  return { acting, lookAt: looks.length === 0 ? undefined : Math.min(...looks) }
}
