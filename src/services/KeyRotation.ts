/**
 * While a fleet goes over from one shared key to another: which nodes still run on the one before.
 *
 * A node's token is derived from the key and stands in its hooks and its auth address, and a change of these drops every
 * stream on it. So a node is given what it has: the token that it calls with, until it boots. Nothing of this is kept: what a
 * node calls with says it, and a config goes out only as the answer to such a call.
 *
 * @since 0.1.0
 */
import type { NodeId } from "./NodeId.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface KeyRotation {
  /** Whether the node's config is to hold tokens of the key before. */
  readonly isBehind: (node: NodeId) => boolean
  /**
   * The node, or whoever acts as it, has called with a secret that was found right. True when that was the key before, or a
   * token of it, and was not known of the node.
   */
  readonly note: (secret: string, node: NodeId) => boolean
  /** The node boots: there are no streams to drop, so it is given the token of the key. */
  readonly booted: (node: NodeId) => void
  /** The nodes that run on the key before, as far as they have called since the start. */
  readonly behind: () => ReadonlySet<NodeId>
}

/** How many nodes are remembered. Beyond it the oldest are forgotten, and noted again with their next call. */
const REMEMBERED = 20_000

/** `usesPrevious` says of a secret that was found right for the node: by the key before, by the key, or by neither. */
export const make = (usesPrevious: (secret: string, node: NodeId) => boolean | undefined): KeyRotation => {
  const behind = new Set<NodeId>()
  return {
    isBehind: (node) => behind.has(node),
    note: (secret, node) => {
      const uses = usesPrevious(secret, node)
      if (uses === false) behind.delete(node)
      if (uses !== true || behind.has(node)) return false
      if (behind.size >= REMEMBERED) for (const oldest of behind) if (behind.delete(oldest)) break
      behind.add(node)
      return true
    },
    booted: (node) => {
      behind.delete(node)
    },
    behind: () => behind
  }
}
