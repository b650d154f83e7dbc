/**
 * What a rollout consists of, and what can be told from it alone. Pure: no clock, no I/O.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { NodeId } from "../NodeId.js"
import { type LabelRules, labelsOf } from "../NodeLabels.js"
import type { RolloutPolicy } from "../RolloutPolicy.js"

/** A stable number from 0 to 1 (excluded) for a node: FNV-1a, mixed so that ids that differ in their end are far apart. */
export const fractionOf = (node: string, seed: number): number => {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < node.length; i++) {
    hash ^= node.charCodeAt(i)
    hash = Math.imul(hash, 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) / 0x1_0000_0000
}

/**
 * Which known nodes are in which wave; there is always a last one, which is also that of nodes that nobody knows yet. Who
 * fills a percentage is by chance, but the same for the same rollout; nodes that are up come first, since the others would
 * prove nothing. A wave that chooses nobody is left out.
 */
export const planWaves = (
  policy: Pick<RolloutPolicy, "waves">,
  nodes: ReadonlyArray<{ readonly id: NodeId; readonly up: boolean }>,
  labels: LabelRules | undefined,
  seed: number
): ReadonlyArray<ReadonlyArray<NodeId>> => {
  const order = [...nodes].sort(
    (a, b) => Number(b.up) - Number(a.up) || fractionOf(a.id, seed) - fractionOf(b.id, seed) || (a.id < b.id ? -1 : 1)
  )
  const left = new Set(order.map(({ id }) => id))
  const waves: Array<ReadonlyArray<NodeId>> = []
  for (const wave of policy.waves) {
    const chosen: Array<NodeId> = []
    if (wave.nodes !== undefined) {
      for (const id of left) if (wave.nodes.matches(labelsOf(labels, id))) chosen.push(id)
    } else {
      const wanted = Math.ceil((wave.percent / 100) * nodes.length) - (nodes.length - left.size)
      for (const id of left) {
        if (chosen.length >= wanted) break
        chosen.push(id)
      }
    }
    for (const id of chosen) left.delete(id)
    if (chosen.length > 0) waves.push(chosen)
  }
  return [...waves, [...left]]
}

/** When a wave was let go, and for how long it has stood still since. Times in epoch milliseconds. */
export interface WaveTimes {
  readonly releasedAt: number | null
  readonly paused: number
}

/** Whether a node of the wave has its turn. Once it has, it keeps it: standing still only keeps others from theirs. */
export const hasTurn = (wave: WaveTimes, node: string, seed: number, splay: number, until: number): boolean => {
  if (wave.releasedAt === null) return false
  if (splay === 0) return true
  return until - wave.releasedAt - wave.paused >= fractionOf(node, seed) * splay
}

/** When the node has its turn, if nothing stands still any more. */
export const turnOf = (wave: WaveTimes, node: string, seed: number, splay: number): number =>
  (wave.releasedAt ?? Number.POSITIVE_INFINITY) + wave.paused + fractionOf(node, seed) * splay

export const splayOf = (policy: Pick<RolloutPolicy, "splay">): number => Duration.toMillis(policy.splay)
