/**
 * NodeCommands: what the manager wants a node's updater to do, kept until the updater has done it.
 *
 * The manager can't call a node, so a command waits for the node's next heartbeat and goes out with the answer, again with
 * each heartbeat until the updater confirms it by its id or it expires: at least once, so commands are such that doing them
 * twice does no harm.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { makeUuidV7 } from "./internal/uuidV7.js"
import { type CommandResult, type DeliveredCommand, NodeCommand } from "./NodeCommand.js"
import { NodeId } from "./NodeId.js"
import type { SharedStore } from "./SharedStore.js"
import { Timestamp } from "./Timestamp.js"

export { CommandResult, DeliveredCommand, NodeCommand } from "./NodeCommand.js"

export const CommandState = Schema.Literal("waiting", "sent", "done", "gone", "failed", "expired").annotations({
  identifier: "CommandState",
  description:
    "waiting: for the node's next heartbeat. sent: went out at least once, not confirmed. done, gone, failed: as the updater says. expired: never confirmed."
})
export type CommandState = typeof CommandState.Type

export const CommandRecord = Schema.Struct({
  id: Schema.String,
  node: NodeId,
  command: NodeCommand,
  /** Why it was given, for people. */
  reason: Schema.String,
  state: CommandState,
  createdAt: Timestamp,
  expiresAt: Timestamp,
  /** When it was confirmed or expired. */
  endedAt: Schema.NullOr(Timestamp),
  /** What the updater said of a failure. */
  message: Schema.NullOr(Schema.String)
}).annotations({ identifier: "CommandRecord" })
export type CommandRecord = typeof CommandRecord.Type

/**
 * - `Full`: so many commands wait for this node that it takes no more.
 * - `Storage`: the command could not be written down, and was not given.
 */
export class NodeCommandsError extends Schema.TaggedError<NodeCommandsError>()("NodeCommandsError", {
  reason: Schema.Literal("Full", "Storage"),
  message: Schema.String,
  cause: Schema.optional(Schema.Defect)
}) {}

export interface NewCommand {
  readonly command: NodeCommand
  readonly reason: string
}

export interface NodeCommandsShape {
  /**
   * Gives commands to a node, all or none. Durable when it returns. A command that waits already is not given twice: its
   * record is returned.
   */
  readonly give: (
    node: NodeId,
    commands: ReadonlyArray<NewCommand>
  ) => Effect.Effect<ReadonlyArray<CommandRecord>, NodeCommandsError>
  /** What goes out to the node now, oldest first, at most a hundred. At once and from memory: every heartbeat asks. */
  readonly unsafeTake: (node: NodeId) => ReadonlyArray<DeliveredCommand>
  /** Notes what an updater says. Ids that are not known (any more), or of another node, are no error. */
  readonly confirm: (node: NodeId, results: ReadonlyArray<CommandResult>) => Effect.Effect<void, NodeCommandsError>
  readonly get: (id: string) => Effect.Effect<Option.Option<CommandRecord>>
  /** The node's commands: those that wait, and those that ended lately; oldest first. */
  readonly list: (node: NodeId) => Effect.Effect<ReadonlyArray<CommandRecord>>
  /** Forgets all of a node's commands. */
  readonly forget: (node: NodeId) => Effect.Effect<void, NodeCommandsError>
}

export class NodeCommands extends Context.Tag("mtx-manager/NodeCommands")<NodeCommands, NodeCommandsShape>() {}

/** Where commands that outlive the process are kept. The service answers from memory, and is the only writer. */
export interface CommandStore {
  readonly load: Effect.Effect<ReadonlyArray<CommandRecord>, NodeCommandsError>
  /** All or nothing; durable when it returns. */
  readonly write: (
    upsert: ReadonlyArray<CommandRecord>,
    remove: ReadonlyArray<string>
  ) => Effect.Effect<void, NodeCommandsError>
  /** With several managers: a command that one was given goes out with a heartbeat to any. */
  readonly shared?: SharedStore<CommandRecord, NodeCommandsError> | undefined
}

export interface NodeCommandsOptions {
  /** How long a command is tried (default 10 minutes). */
  readonly expires?: Duration.DurationInput | undefined
  /** How long an ended command can be looked up (default 1 hour). */
  readonly keep?: Duration.DurationInput | undefined
  /** How many may wait for one node (default 1,000). */
  readonly maxWaiting?: number | undefined
  /** How many ended ones are kept in all (default 10,000). */
  readonly maxEnded?: number | undefined
}

/** Each is some 150 bytes: what fits into one answer. */
const AT_ONCE = 100
/** How often what expired is cleared away, while there is anything. */
const SWEEP = Duration.seconds(30)
const MAX_MESSAGE = 500

const NONE: ReadonlyArray<never> = []

/** Some databases refuse NUL in a text; one node's message must not keep others from being written. */
const clip = (text: string): string => text.slice(0, MAX_MESSAGE).replaceAll("\0", "\uFFFD")

const isOpen = ({ state }: CommandRecord): boolean => state === "waiting" || state === "sent"

const delivered = ({ command, id }: CommandRecord): DeliveredCommand => ({ ...command, command: id })

/** In memory; with a `store`, durable. */
export const make = (
  options: NodeCommandsOptions & { readonly store?: CommandStore | undefined } = {}
): Effect.Effect<NodeCommandsShape, NodeCommandsError, Scope.Scope> =>
  Effect.gen(function* () {
    const expires = Duration.toMillis(options.expires ?? Duration.minutes(10))
    const keep = Duration.toMillis(options.keep ?? Duration.hours(1))
    const maxWaiting = options.maxWaiting ?? 1_000
    const maxEnded = options.maxEnded ?? 10_000
    const clock = yield* Effect.clock
    const { store } = options
    const lock = yield* Effect.makeSemaphore(1)
    const newId = makeUuidV7()

    /** Open ones by node, in the order in which they were given. A node without any has no entry. */
    const open = new Map<NodeId, Map<string, CommandRecord>>()
    /** The one that ended first in front. */
    const ended = new Map<string, CommandRecord>()
    /** What the store does not know yet: ends that it failed to take, and removals. */
    const unwritten = new Map<string, CommandRecord | undefined>()
    const busy = yield* Effect.makeLatch(false)

    const insert = (record: CommandRecord): void => {
      const of = open.get(record.node)
      if (of === undefined) open.set(record.node, new Map([[record.id, record]]))
      else of.set(record.id, record)
      busy.unsafeOpen()
    }
    const extract = (record: CommandRecord): void => {
      const of = open.get(record.node)
      of?.delete(record.id)
      if (of?.size === 0) open.delete(record.node)
    }
    const end = (record: CommandRecord, state: CommandState, at: number, message: string | null): CommandRecord => {
      extract(record)
      const over: CommandRecord = { ...record, state, endedAt: at, message }
      ended.set(over.id, over)
      unwritten.set(over.id, over)
      busy.unsafeOpen()
      return over
    }
    const trim = (now: number): void => {
      for (const [id, record] of ended) {
        if (ended.size <= maxEnded && (record.endedAt ?? 0) + keep > now) return
        ended.delete(id)
        unwritten.set(id, undefined)
      }
    }
    const expire = (now: number): void => {
      for (const of of [...open.values()]) {
        for (const record of [...of.values()]) if (record.expiresAt <= now) end(record, "expired", now, null)
      }
      trim(now)
    }
    /** An open record that is past its time shows as expired before the sweep has seen it. */
    const asOf = (now: number) => (record: CommandRecord) =>
      isOpen(record) && record.expiresAt <= now
        ? ({ ...record, state: "expired", endedAt: record.expiresAt } satisfies CommandRecord)
        : record

    const write = (upsert: ReadonlyArray<CommandRecord>): Effect.Effect<void, NodeCommandsError> =>
      Effect.suspend(() => {
        if (store === undefined) {
          unwritten.clear()
          return Effect.void
        }
        const late = [...unwritten]
        const rows = [...upsert, ...late.flatMap(([, record]) => (record === undefined ? [] : [record]))]
        const gone = late.flatMap(([id, record]) => (record === undefined ? [id] : []))
        if (rows.length + gone.length === 0) return Effect.void
        return Effect.map(store.write(rows, gone), () => {
          for (const [id, record] of late) if (unwritten.get(id) === record) unwritten.delete(id)
        })
      })

    if (store !== undefined) {
      const rows = yield* store.load
      for (const record of [...rows].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))) {
        if (isOpen(record)) insert(record)
      }
      for (const record of [...rows].sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))) {
        if (!isOpen(record)) ended.set(record.id, record)
      }
      if (ended.size > 0) busy.unsafeOpen()
    }

    const shared = store?.shared
    /** Takes in what other managers have written. */
    const hear: Effect.Effect<void, NodeCommandsError> =
      shared === undefined
        ? Effect.void
        : Effect.map(shared.news, (news) => {
            for (const record of news) {
              const known = open.get(record.node)?.get(record.id)
              if (!isOpen(record)) {
                if (known !== undefined) extract(known)
                ended.set(record.id, record)
                busy.unsafeOpen()
                // It went out already: that is known here only.
              } else if (!ended.has(record.id)) insert(known?.state === "sent" ? known : record)
            }
          })
    const inTurn = <A>(body: Effect.Effect<A, NodeCommandsError>): Effect.Effect<A, NodeCommandsError> =>
      (shared === undefined ? body : shared.alone(Effect.zipRight(hear, body))).pipe(
        lock.withPermits(1),
        Effect.uninterruptible
      )
    /** For who looks: when it can't be read, what is known here. */
    const upToDate = shared === undefined ? Effect.void : Effect.ignore(lock.withPermits(1)(hear))
    if (shared !== undefined) yield* Effect.forkScoped(Stream.runForEach(shared.changes, () => upToDate))

    const sweep = Effect.gen(function* () {
      expire(clock.unsafeCurrentTimeMillis())
      yield* Effect.catchAll(write([]), (error) =>
        Effect.logWarning("Commands to nodes could not be written, will try again", error)
      )
      if (open.size === 0 && ended.size === 0 && unwritten.size === 0) yield* busy.close
    }).pipe(lock.withPermits(1), Effect.uninterruptible)
    yield* busy.await.pipe(Effect.zipRight(sweep), Effect.repeat(Schedule.spaced(SWEEP)), Effect.forkScoped)

    const find = (id: string): CommandRecord | undefined => {
      const over = ended.get(id)
      if (over !== undefined) return over
      for (const of of open.values()) {
        const found = of.get(id)
        if (found !== undefined) return found
      }
      return undefined
    }

    return NodeCommands.of({
      give: (node, commands) =>
        Effect.gen(function* () {
          const now = clock.unsafeCurrentTimeMillis()
          expire(now)
          const waiting = new Map(
            [...(open.get(node)?.values() ?? [])].map((record) => [JSON.stringify(record.command), record])
          )
          const fresh: Array<CommandRecord> = []
          const given: Array<CommandRecord> = []
          for (const { command, reason } of commands) {
            const key = JSON.stringify(command)
            const known = waiting.get(key)
            if (known !== undefined) {
              given.push(known)
              continue
            }
            const record: CommandRecord = {
              id: newId(now),
              node,
              command,
              reason,
              state: "waiting",
              createdAt: now,
              expiresAt: now + expires,
              endedAt: null,
              message: null
            }
            waiting.set(key, record)
            fresh.push(record)
            given.push(record)
          }
          if (waiting.size > maxWaiting && fresh.length > 0) {
            return yield* new NodeCommandsError({
              reason: "Full",
              message: `${waiting.size - fresh.length} commands wait for node ${node}, which takes no more than ${maxWaiting}: they go out with its next heartbeats, or expire`
            })
          }
          if (fresh.length > 0) yield* write(fresh)
          for (const record of fresh) insert(record)
          return given
        }).pipe(inTurn),
      unsafeTake: (node) => {
        const of = open.get(node)
        if (of === undefined) return NONE
        const now = clock.unsafeCurrentTimeMillis()
        const out: Array<DeliveredCommand> = []
        for (const record of of.values()) {
          if (record.expiresAt <= now) continue
          if (record.state === "waiting") of.set(record.id, { ...record, state: "sent" })
          out.push(delivered(record))
          if (out.length === AT_ONCE) break
        }
        return out
      },
      confirm: (node, results) =>
        results.length === 0
          ? Effect.void
          : Effect.suspend(() => {
              const now = clock.unsafeCurrentTimeMillis()
              const of = open.get(node)
              let news = false
              for (const { command, message, outcome } of results) {
                const record = of?.get(command)
                if (record === undefined) continue
                news = true
                end(record, outcome, now, message === undefined ? null : clip(message))
              }
              trim(now)
              return news ? write([]) : Effect.void
            }).pipe(inTurn),
      get: (id) =>
        Effect.map(upToDate, () => Option.map(Option.fromNullable(find(id)), asOf(clock.unsafeCurrentTimeMillis()))),
      list: (node) =>
        Effect.map(upToDate, () => {
          const now = clock.unsafeCurrentTimeMillis()
          const all = [
            ...[...ended.values()].filter((record) => record.node === node),
            ...(open.get(node)?.values() ?? [])
          ]
          return all.map(asOf(now)).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
        }),
      forget: (node) =>
        Effect.suspend(() => {
          for (const id of open.get(node)?.keys() ?? []) unwritten.set(id, undefined)
          open.delete(node)
          for (const [id, record] of ended) {
            if (record.node !== node) continue
            ended.delete(id)
            unwritten.set(id, undefined)
          }
          return write([])
        }).pipe(inTurn)
    })
  })

/** Gone with the process. */
export const layerMemory = (options?: NodeCommandsOptions): Layer.Layer<NodeCommands> =>
  // Only a store can fail.
  Layer.scoped(NodeCommands, Effect.orDie(make(options)))
