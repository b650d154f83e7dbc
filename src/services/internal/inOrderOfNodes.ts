/**
 * What has gathered, handed on: things of one node in their order and one at a time, those of different nodes together, so
 * that whoever takes them can take many at once. Ten thousand nodes that change in one moment then cost a few commits of the
 * event log instead of ten thousand.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Mailbox from "effect/Mailbox"
import type { NodeId } from "../NodeId.js"

/** Handed on at a time: enough for the group commit of the log, few enough to stay in the order of the nodes. */
const AT_ONCE = 256

const together = <A extends { readonly node: NodeId }>(
  items: ReadonlyArray<A>,
  one: (item: A) => Effect.Effect<void>
): Effect.Effect<void> => {
  const byNode = new Map<NodeId, Array<A>>()
  for (const item of items) {
    const of = byNode.get(item.node)
    if (of === undefined) byNode.set(item.node, [item])
    else of.push(item)
  }
  return Effect.forEach(byNode.values(), (of) => Effect.forEach(of, one, { discard: true }), {
    concurrency: "unbounded",
    discard: true
  })
}

/** Empties the mailbox again and again until it ends. */
export const inOrderOfNodes = <A extends { readonly node: NodeId }>(
  mailbox: Mailbox.ReadonlyMailbox<A>,
  one: (item: A) => Effect.Effect<void>
): Effect.Effect<void> => {
  const step = Effect.flatMap(mailbox.takeAll, ([messages, done]) => {
    const items = Chunk.toReadonlyArray(messages)
    if (items.length <= AT_ONCE) return Effect.as(together(items, one), done)
    const slices: Array<ReadonlyArray<A>> = []
    for (let i = 0; i < items.length; i += AT_ONCE) slices.push(items.slice(i, i + AT_ONCE))
    return Effect.as(
      Effect.forEach(slices, (slice) => together(slice, one), { discard: true }),
      done
    )
  })
  return Effect.asVoid(Effect.repeat(step, { until: (done) => done }))
}
