/**
 * Rollout: which of two configs a node gets while a change comes to the fleet.
 *
 * It stands between the ConfigSource and the nodes, as the ConfigRenderer that they are given. A change of the source comes
 * to nobody before it was planned by the policy; then wave by wave; it halts when nodes that have it fail, go silent or don't
 * take it. What is old and what is new stays rendered side by side, so that the question of a poll is a look-up, and costs
 * one comparison while nothing is rolled out.
 *
 * A change that comes during another one takes its place: nodes that have the one in between keep it until their turn comes.
 *
 * With several managers on one database there is no leader: each of them looks after what goes on, and writes what it decides
 * if nobody has written since it has read. Whoever comes second reads, and decides anew.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { ConfigStatus } from "./NodeEvent.js"
import { NodeId } from "./NodeId.js"
import { disruptions, type RolloutPolicy } from "./RolloutPolicy.js"
import { Timestamp } from "./Timestamp.js"

export const RolloutState = Schema.Literal(
  "running",
  "held",
  "halted",
  "completed",
  "aborted",
  "superseded"
).annotations({
  identifier: "RolloutState",
  description:
    "running: wave by wave. held: the next wave waits for its window. halted: nobody else gets it until somebody decides. completed: every node gets it. aborted: every node gets what was before. superseded: a later change has taken its place."
})
export type RolloutState = typeof RolloutState.Type

/** A node that does not live with the new config. */
export const RolloutFailure = Schema.Struct({
  node: NodeId,
  /**
   * `failed`: it says so. `silent`: it has gone away since. `late`: it has not applied it in time. `unrenderable`: there is no
   * such config for it.
   */
  reason: Schema.Literal("failed", "silent", "late", "unrenderable"),
  message: Schema.String
}).annotations({ identifier: "RolloutFailure" })
export type RolloutFailure = typeof RolloutFailure.Type

const Millis = Schema.NonNegative

/** The policy that a rollout goes by, as it was when the change came. Times in milliseconds. */
const StoredPolicy = Schema.Struct({
  splay: Millis,
  soak: Millis,
  deadline: Millis,
  tolerate: Schema.NonNegativeInt,
  hold: Schema.NullOr(
    Schema.Struct({
      for: Schema.Array(Schema.Literal(...disruptions)),
      window: Schema.Struct({
        from: Schema.Int,
        to: Schema.Int,
        zone: Schema.String,
        days: Schema.NullOr(Schema.Array(Schema.Int)),
        text: Schema.String
      })
    })
  )
})
export type StoredPolicy = typeof StoredPolicy.Type

export const storePolicy = ({ deadline, hold, soak, splay, tolerate }: RolloutPolicy): StoredPolicy => ({
  splay: Duration.toMillis(splay),
  soak: Duration.toMillis(soak),
  deadline: Duration.toMillis(deadline),
  tolerate,
  hold:
    hold === undefined
      ? null
      : {
          for: [...hold.for],
          window: { ...hold.window, days: hold.window.days === undefined ? null : [...hold.window.days] }
        }
})

export const RolloutWave = Schema.Struct({
  /** Those that were known when the change came. Nodes that nobody knew then are in the last wave. */
  nodes: Schema.Array(NodeId),
  releasedAt: Schema.NullOr(Timestamp),
  /** Milliseconds for which it has stood still since. */
  paused: Millis,
  /** Since when all of its nodes are well. */
  wellSince: Schema.NullOr(Timestamp)
})
export type RolloutWave = typeof RolloutWave.Type

const common = {
  id: Schema.Int,
  state: RolloutState,
  stateSince: Timestamp,
  /** Why it is in this state; empty where that needs no words. */
  reason: Schema.String,
  createdAt: Timestamp,
  /** SHA-256 of the fleet's config before and after. */
  from: Schema.String,
  to: Schema.String,
  /** Number of the config's revision, where revisions are kept. */
  revision: Schema.NullOr(Schema.Int),
  /** Nodes that do not live with it. */
  failures: Schema.Array(RolloutFailure)
}

/** A rollout as it is kept. */
export const RolloutRecord = Schema.Struct({
  ...common,
  policy: StoredPolicy,
  waves: Schema.NonEmptyArray(RolloutWave),
  /** Nodes whose failure somebody has seen and taken. */
  excused: Schema.Array(NodeId),
  /** Let go to all nodes by somebody, whatever happens. */
  promoted: Schema.Boolean
})
export type RolloutRecord = typeof RolloutRecord.Type

/** A rollout as it is shown. */
export const RolloutInfo = Schema.Struct({
  ...common,
  promoted: Schema.Boolean,
  waves: Schema.Array(
    Schema.Struct({
      nodes: Schema.NonNegativeInt,
      /** How many of them get the new config now, and how many say that they run it. */
      given: Schema.NonNegativeInt,
      applied: Schema.NonNegativeInt,
      releasedAt: Schema.NullOr(Timestamp)
    })
  )
}).annotations({ identifier: "RolloutInfo" })
export type RolloutInfo = typeof RolloutInfo.Type

/** A rollout with its nodes. */
export const RolloutDetail = Schema.Struct({
  ...RolloutInfo.fields,
  nodes: Schema.Array(
    Schema.Struct({
      node: NodeId,
      /** From 0. */
      wave: Schema.NonNegativeInt,
      /** It gets the new config now. */
      given: Schema.Boolean,
      /** When it gets, or got, that; null while its wave waits. */
      turn: Schema.NullOr(Timestamp),
      /** Where it stands with the config that it should run. */
      status: ConfigStatus
    })
  )
}).annotations({ identifier: "RolloutDetail" })
export type RolloutDetail = typeof RolloutDetail.Type

export class RolloutNotFound extends Schema.TaggedError<RolloutNotFound>()("RolloutNotFound", {
  id: Schema.Int,
  message: Schema.String
}) {}

/** It is not in a state in which this could be done. */
export class RolloutNotActive extends Schema.TaggedError<RolloutNotActive>()("RolloutNotActive", {
  id: Schema.Int,
  state: RolloutState,
  message: Schema.String
}) {}

/** Rollouts could not be read or written. What was asked for was not done. */
export class RolloutError extends Schema.TaggedError<RolloutError>()("RolloutError", {
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

/** Another manager has written since this one has read. What was to be written was decided on old knowledge, and was not. */
export class RolloutBehind extends Schema.TaggedError<RolloutBehind>()("RolloutBehind", {
  message: Schema.String
}) {}

type ActError = RolloutNotFound | RolloutNotActive | RolloutError

export interface RolloutShape {
  /** The newest first. */
  readonly list: Effect.Effect<ReadonlyArray<RolloutInfo>>
  readonly get: (id: number) => Effect.Effect<RolloutDetail, RolloutNotFound>
  /** Goes on after a halt. The nodes that failed are not looked at again. */
  readonly resume: (id: number) => Effect.Effect<RolloutInfo, ActError>
  /** Back to the last config that was rolled out completely, for every node. */
  readonly abort: (id: number) => Effect.Effect<RolloutInfo, ActError>
  /** To every node now, without waves, windows and halts. */
  readonly promote: (id: number) => Effect.Effect<RolloutInfo, ActError>
  /** Looks after what goes on, now rather than at its next time; returns when that is done. */
  readonly look: Effect.Effect<void>
}

export class Rollout extends Context.Tag("mtx-manager/Rollout")<Rollout, RolloutShape>() {}

// ---------------------------------------------------------------------------------------------------------------------

/** What is known of rollouts over a restart. */
export interface StoredRollouts {
  /** Hash of the last config that every node was to have. Undefined: nothing was rolled out yet. */
  readonly settled: string | undefined
  /** Rollouts by which nodes get their config now, the newest last. */
  readonly stack: ReadonlyArray<number>
  /** In order of their ids. */
  readonly rollouts: ReadonlyArray<RolloutRecord>
}

export interface RolloutStoreShape {
  readonly load: Effect.Effect<StoredRollouts, RolloutError>
  /** The text of a fleet's config. */
  readonly config: (hash: string) => Effect.Effect<string | undefined, RolloutError>
  /**
   * Writes these, all or nothing. Configs that are not among `keep` are forgotten, and rollouts below `oldest`.
   */
  readonly save: (change: {
    readonly settled: string | undefined
    readonly stack: ReadonlyArray<number>
    readonly rollouts: ReadonlyArray<RolloutRecord>
    readonly oldest: number
    readonly configs: ReadonlyMap<string, string>
    readonly keep: ReadonlySet<string>
  }) => Effect.Effect<void, RolloutError | RolloutBehind>
  /** With several managers, any of them may write, if it has read what the others have written: else `save` is `RolloutBehind`. */
  readonly shared?:
    | {
        /** What is kept, if another manager has written since this was last asked, loaded or saved. */
        readonly news: Effect.Effect<StoredRollouts | undefined, RolloutError>
        /** Emits when there may be news, in bounded time. */
        readonly changes: Stream.Stream<void>
      }
    | undefined
}

/** Where rollouts are kept. One manager at a time, or several where the store is `shared`. */
export class RolloutStore extends Context.Tag("mtx-manager/RolloutStore")<RolloutStore, RolloutStoreShape>() {}

export const makeMemoryStore: Effect.Effect<RolloutStoreShape> = Effect.sync(() => {
  let stored: StoredRollouts = { settled: undefined, stack: [], rollouts: [] }
  const configs = new Map<string, string>()
  return {
    load: Effect.sync(() => stored),
    config: (hash) => Effect.sync(() => configs.get(hash)),
    save: (change) =>
      Effect.sync(() => {
        const rollouts = new Map(stored.rollouts.map((record) => [record.id, record]))
        for (const record of change.rollouts) rollouts.set(record.id, record)
        stored = {
          settled: change.settled,
          stack: change.stack,
          rollouts: [...rollouts.values()].filter(({ id }) => id >= change.oldest).sort((a, b) => a.id - b.id)
        }
        for (const [hash, text] of change.configs) configs.set(hash, text)
        for (const hash of [...configs.keys()]) if (!change.keep.has(hash)) configs.delete(hash)
      })
  }
})

/** Gone with the process: after a restart every node gets the newest config. */
export const layerMemoryStore: Layer.Layer<RolloutStore> = Layer.effect(RolloutStore, makeMemoryStore)
