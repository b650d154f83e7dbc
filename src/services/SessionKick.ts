/**
 * Ends sessions without reaching into a node: finds where a session is, and gives the node's updater the command.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { isSessionKind, type SessionKind } from "../mediamtx/SessionKind.js"
import { type ConnectionState, FleetState, type FleetStateError, type SessionState } from "./FleetState.js"
import { type CommandRecord, NodeCommands, type NodeCommandsError } from "./NodeCommands.js"
import { NodeId } from "./NodeId.js"
import { type NodeRecord, NodeRegistry, type NodeRegistryError } from "./NodeRegistry.js"

/** No node has such a session now. */
export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  session: Schema.String,
  message: Schema.String
}) {}

/**
 * The session is there, and nobody can be told to end it.
 * - `NoUpdater`: the node runs without mtx-updater, and the manager can't call nodes.
 * - `NoApi`: its updater has not seen MediaMTX's control API, through which sessions are ended.
 * - `NotKickable`: MediaMTX can't end this kind.
 */
export class SessionNotKickable extends Schema.TaggedError<SessionNotKickable>()("SessionNotKickable", {
  reason: Schema.Literal("NoUpdater", "NoApi", "NotKickable"),
  session: Schema.String,
  node: NodeId,
  message: Schema.String
}) {}

/** What became of the wish to end some sessions. */
export interface Kicked {
  readonly given: ReadonlyArray<CommandRecord>
  readonly refused: ReadonlyArray<SessionNotKickable>
}

export interface SessionKickShape {
  /** Ends one session. The command waits for the node's next heartbeat. */
  readonly kick: (
    session: string,
    reason: string
  ) => Effect.Effect<
    CommandRecord,
    SessionNotFound | SessionNotKickable | NodeCommandsError | FleetStateError | NodeRegistryError
  >
  /** Ends those of these sessions that are there. */
  readonly kickAll: (
    sessions: ReadonlySet<string>,
    reason: string
  ) => Effect.Effect<Kicked, NodeCommandsError | FleetStateError | NodeRegistryError>
}

export class SessionKick extends Context.Tag("mtx-manager/SessionKick")<SessionKick, SessionKickShape>() {}

type Open = Pick<SessionState | ConnectionState, "node" | "type" | "id">

/** RTSP's connections and sessions have different ids, and only sessions can be ended. */
const notKickable = ({ id, node, type }: Open) =>
  new SessionNotKickable({
    reason: "NotKickable",
    session: id,
    node,
    message:
      type === "rtspConn" || type === "rtspsConn"
        ? `${id} on node ${node} is an RTSP connection, which MediaMTX can't end: end its session, which GET /state lists among publishers or readers`
        : `${id} on node ${node} is a ${type}, which MediaMTX can't end: a static source ends by a change of the config`
  })

/** Why the node can't be told; undefined when it can. */
const deaf = (open: Open, kind: SessionKind, record: NodeRecord | undefined): SessionNotKickable | undefined => {
  const { id: session, node } = open
  if (record === undefined || record.instance === null) {
    return new SessionNotKickable({
      reason: "NoUpdater",
      session,
      node,
      message:
        `node ${node} runs without mtx-updater, and the manager can't call nodes: run mtx-updater beside it with ` +
        `MEDIAMTX_API, or end the session on the node itself: POST /v3/${kind.toLowerCase()}s/kick/${session} of its control API`
    })
  }
  if (record.startedAt === null && record.mediamtxVersion === null) {
    return new SessionNotKickable({
      reason: "NoApi",
      session,
      node,
      message: `mtx-updater of node ${node} has not seen MediaMTX's control API, through which sessions are ended: set MEDIAMTX_API for it`
    })
  }
  return undefined
}

export const make: Effect.Effect<SessionKickShape, never, FleetState | NodeRegistry | NodeCommands> = Effect.gen(
  function* () {
    const fleet = yield* FleetState
    const registry = yield* NodeRegistry
    const commands = yield* NodeCommands

    /** Where the sessions are. A connection counts only where no session has its id (RTMP, SRT: both do). */
    const locate = Effect.fnUntraced(function* (wanted: ReadonlySet<string>) {
      const { connections, publishers, readers } = yield* fleet.snapshot
      const found = new Map<string, Open>()
      for (const list of [connections, publishers, readers]) {
        for (const open of list) {
          if (open.id === "" || !wanted.has(open.id)) continue
          const before = found.get(open.id)
          if (before === undefined || !isSessionKind(before.type)) found.set(open.id, open)
        }
      }
      return found
    })

    const kickAll: SessionKickShape["kickAll"] = Effect.fnUntraced(function* (sessions, reason) {
      const refused: Array<SessionNotKickable> = []
      const byNode = new Map<NodeId, Array<{ readonly kind: SessionKind; readonly id: string }>>()
      if (sessions.size > 0) {
        const records = new Map((yield* registry.list).map((record) => [record.id, record]))
        for (const open of (yield* locate(sessions)).values()) {
          const { id, node, type } = open
          const problem = isSessionKind(type) ? deaf(open, type, records.get(node)) : notKickable(open)
          if (problem !== undefined || !isSessionKind(type)) {
            if (problem !== undefined) refused.push(problem)
            continue
          }
          const of = byNode.get(node)
          if (of === undefined) byNode.set(node, [{ kind: type, id }])
          else of.push({ kind: type, id })
        }
      }
      const given = yield* Effect.forEach(byNode, ([node, of]) =>
        commands.give(
          node,
          of.map(({ id, kind }) => ({ command: { type: "kick" as const, session: kind, id }, reason }))
        )
      )
      return { given: given.flat(), refused }
    })

    return SessionKick.of({
      kickAll,
      kick: Effect.fnUntraced(function* (session, reason) {
        const { given, refused } = yield* kickAll(new Set([session]), reason)
        if (given[0] !== undefined) return given[0]
        if (refused[0] !== undefined) return yield* refused[0]
        return yield* new SessionNotFound({
          session,
          message: `no node has a session ${session} now: GET /state lists publishers and readers with their ids`
        })
      })
    })
  }
)

export const layer: Layer.Layer<SessionKick, never, FleetState | NodeRegistry | NodeCommands> = Layer.effect(
  SessionKick,
  make
)
