/**
 * How the registries of several managers keep one set of nodes: each answers from memory, and changes it in turns.
 *
 * - A step that has events, or is worth a write, is made in a turn, on what every manager has written before: so each event
 *   happens once, whichever manager a node calls.
 * - The time of a call that says nothing new is noted at once in the memory of the manager that was called, and written
 *   within `FLUSH`, so that no other one takes the node for silent.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { NodeEvent } from "../NodeEvent.js"
import type { NodeId } from "../NodeId.js"
import type { NodeRegistryError, NodeStore, SharedNodeStore, StoredNode } from "../NodeRegistry.js"
import { observe, type Step } from "./nodeRegistry.js"

/** How long the time of a call is in the memory of one manager only. */
const FLUSH = "500 millis"
/** Between two turns when the database refuses. */
const PAUSE = "1 second"
/** Rows of one statement. */
const WRITE_AT_ONCE = 200

/** What one call, or the time, makes of a node: undefined removes it, null leaves it as it is. */
export type Change = (previous: StoredNode | undefined) => Step | undefined | null

interface Pending {
  readonly id: NodeId
  readonly change: Change
  /** Made in memory when it can't be written. */
  readonly anyway: boolean
  readonly done: Deferred.Deferred<StoredNode | undefined, NodeRegistryError>
}

export interface SharedNodes {
  /** Makes a change in the next turn; the result is the node after it, when it is durable. */
  readonly change: (
    id: NodeId,
    change: Change,
    anyway: boolean
  ) => Effect.Effect<StoredNode | undefined, NodeRegistryError>
  /** The same without waiting. */
  readonly unsafeChange: (id: NodeId, change: Change, anyway: boolean) => void
  /** A call was noted in memory. */
  readonly noted: (id: NodeId) => void
  /** All that was asked of this manager is in memory. */
  readonly settled: Effect.Effect<void, NodeRegistryError>
  /** What any manager has written by now, and all that was asked of this one, is in memory. */
  readonly upToDate: Effect.Effect<void, NodeRegistryError>
}

/** What was heard here and is newer than what was written. */
const withNewerCall = (written: StoredNode, here: StoredNode | undefined): StoredNode => {
  if (here === undefined || here.record.lastSeen <= written.record.lastSeen) return written
  const { address, lastSeen, lastSeenBy } = here.record
  return observe(written, written.record.id, { via: lastSeenBy, address: address ?? undefined }, lastSeen).node
}

export const make = Effect.fnUntraced(function* (options: {
  readonly store: NodeStore
  readonly shared: SharedNodeStore
  readonly nodes: ReadonlyMap<NodeId, StoredNode>
  /** Puts a node into memory; undefined takes it out. */
  readonly set: (id: NodeId, node: StoredNode | undefined) => void
  /** By this manager. */
  readonly emit: (id: NodeId, step: Step | undefined) => void
  /** Another manager has changed it. */
  readonly heard: (id: NodeId, before: StoredNode | undefined, after: StoredNode | undefined) => void
}): Effect.fn.Return<SharedNodes, never, Scope.Scope> {
  const { emit, heard, nodes, set, shared, store } = options
  let pending: Array<Pending> = []
  let waiting: Array<Deferred.Deferred<void, NodeRegistryError>> = []
  /** Whether what was asked for is being written. */
  let busy = false
  const dirty = new Set<NodeId>()
  const wake = yield* Effect.makeLatch(false)
  const wakeFlush = yield* Effect.makeLatch(false)
  const lock = yield* Effect.makeSemaphore(1)

  const noted = (id: NodeId): void => {
    dirty.add(id)
    wakeFlush.unsafeOpen()
  }
  const unsafePush = (id: NodeId, change: Change, anyway: boolean) => {
    const done = Deferred.unsafeMake<StoredNode | undefined, NodeRegistryError>(FiberId.none)
    pending.push({ id, change, anyway, done })
    wake.unsafeOpen()
    return done
  }

  const hear = Effect.map(shared.news, (news) => {
    for (const { id, node: written } of news) {
      const here = nodes.get(id)
      if (written === undefined) {
        dirty.delete(id)
        if (here === undefined) continue
        set(id, undefined)
        heard(id, here, undefined)
        continue
      }
      const { lastSeen } = written.record
      if (here !== undefined && here.record.lastSeen > lastSeen && written.record.status !== "online") {
        // It had called here when another manager took it for silent.
        unsafePush(
          id,
          (node) =>
            node === undefined || node.record.status === "online" || node.record.lastSeen >= here.record.lastSeen
              ? null
              : observe(node, id, { via: here.record.lastSeenBy }, here.record.lastSeen),
          true
        )
        set(id, written)
      } else set(id, withNewerCall(written, here))
      heard(id, here, written)
    }
  })

  /** One turn: what was asked for, and what is to be flushed. */
  const turn = (flush: boolean): Effect.Effect<void, NodeRegistryError> =>
    Effect.suspend(() => {
      const batch = pending
      busy = batch.length > 0
      const late = flush ? [...dirty] : []
      const readers = waiting
      pending = []
      waiting = []
      if (flush) dirty.clear()
      const outcomes: Array<readonly [Pending, Step | undefined | null]> = []
      const body = Effect.gen(function* () {
        yield* hear
        const staged = new Map<NodeId, StoredNode | undefined>()
        for (const each of batch) {
          const step = each.change(staged.has(each.id) ? staged.get(each.id) : nodes.get(each.id))
          if (step !== null) staged.set(each.id, step?.node)
          outcomes.push([each, step])
        }
        for (const id of late) if (!staged.has(id) && nodes.has(id)) staged.set(id, nodes.get(id))
        const rows = [...staged]
        for (let i = 0; i < rows.length; i += WRITE_AT_ONCE) {
          const slice = rows.slice(i, i + WRITE_AT_ONCE)
          yield* store.write(
            slice.flatMap(([, node]) => (node === undefined ? [] : [node])),
            slice.flatMap(([id, node]) => (node === undefined ? [id] : []))
          )
        }
      })
      const apply = ({ id }: Pending, step: Step | undefined | null): void => {
        if (step === null) return
        set(id, step === undefined ? undefined : withNewerCall(step.node, nodes.get(id)))
        emit(id, step)
      }
      return (batch.length + late.length === 0 ? hear : shared.alone(body)).pipe(
        Effect.matchCauseEffect({
          onSuccess: () =>
            Effect.sync(() => {
              for (const [each, step] of outcomes) apply(each, step)
              for (const { done, id } of batch) Deferred.unsafeDone(done, Effect.succeed(nodes.get(id)))
              for (const reader of readers) Deferred.unsafeDone(reader, Effect.void)
            }),
          onFailure: (cause) =>
            Effect.suspend(() => {
              for (const id of late) dirty.add(id)
              for (const each of batch) {
                if (each.anyway) {
                  apply(each, each.change(nodes.get(each.id)))
                  dirty.add(each.id)
                }
                Deferred.unsafeDone(each.done, Effect.failCause(cause))
              }
              for (const reader of readers) Deferred.unsafeDone(reader, Effect.failCause(cause))
              if (dirty.size > 0) wakeFlush.unsafeOpen()
              return Effect.failCause(cause)
            })
        })
      )
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          busy = false
        })
      ),
      lock.withPermits(1),
      Effect.uninterruptible
    )

  const takeTurn = (flush: boolean) =>
    Effect.catchAllCause(turn(flush), (cause) =>
      Effect.zipRight(
        Effect.logWarning("The node registry could not be written or read, will try again", Cause.squash(cause)),
        Effect.sleep(PAUSE)
      )
    )
  yield* Effect.addFinalizer(() =>
    pending.length + dirty.size === 0
      ? Effect.void
      : Effect.catchAllCause(turn(true), (cause) =>
          Effect.logError("The node registry could not be written at its end", cause)
        )
  )
  yield* wake.await.pipe(
    Effect.zipRight(wake.close),
    Effect.zipRight(takeTurn(false)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* wakeFlush.await.pipe(
    Effect.zipRight(wakeFlush.close),
    Effect.zipRight(Effect.delay(takeTurn(true), FLUSH)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.forkScoped(Stream.runForEach(shared.changes, () => takeTurn(false)))

  const upToDate = Effect.suspend(() => {
    const reader = Deferred.unsafeMake<void, NodeRegistryError>(FiberId.none)
    waiting.push(reader)
    wake.unsafeOpen()
    return Deferred.await(reader)
  })
  return {
    noted,
    upToDate,
    settled: Effect.suspend(() => (pending.length === 0 && !busy ? Effect.void : upToDate)),
    unsafeChange: unsafePush,
    change: (id, change, anyway) => Effect.suspend(() => Deferred.await(unsafePush(id, change, anyway)))
  }
})

/** The event by which subscribers here hear of what another manager did; undefined when it is none to them. */
export const eventOf = (before: StoredNode | undefined, after: StoredNode | undefined): NodeEvent | undefined => {
  if (after === undefined) return { event: "node_removed", since: before?.record.lastSeen ?? 0 }
  const { status, statusSince } = after.record
  if (before === undefined) return { event: "node_discovered" }
  const previous = before.record.status
  if (previous !== status) return { event: `node_${status}`, previous, since: statusSince }
  const { appliedHash, error, startedAt } = after.record
  if (startedAt !== before.record.startedAt && startedAt !== null) return { event: "node_restarted", since: startedAt }
  if (error !== before.record.error && error !== null) return { event: "node_config_failed", error }
  if (appliedHash !== before.record.appliedHash && appliedHash !== null)
    return { event: "node_config_applied", hash: appliedHash }
  return undefined
}
