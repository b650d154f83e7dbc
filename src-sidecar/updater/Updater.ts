/** The updater at work: one fiber that delivers the config, one that reports; each wakes the other when it has news. */
import { randomUUID } from "node:crypto"
import { statfs } from "node:fs/promises"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { SessionKind } from "../../src/mediamtx/SessionKind.js"
import type { CommandResult } from "../../src/services/NodeCommand.js"
import type { Heartbeat, ReportedPath } from "../../src/services/NodeRegistry.js"
import { readCommand } from "./Commands.js"
import * as ConfigChecker from "./ConfigChecker.js"
import * as Delivery from "./Delivery.js"
import * as Manager from "./Manager.js"
import * as Relay from "./Relay.js"
import * as Server from "./Server.js"
import type { Settings } from "./Settings.js"
import * as Store from "./Store.js"
import * as Upstream from "./Upstream.js"

/** Until something fit is in place, MediaMTX waits for this updater: ask more often than every INTERVAL. */
const EAGER = Schedule.exponential("500 millis").pipe(Schedule.jittered)

/** How many commands are remembered that were done: more than the manager gives at a time. */
const OBEYED = 1000

/** Reports with more than this are sent without the list of paths: the manager reads no more than 1 MiB. */
const MAX_PATHS_JSON = 900 * 1024

/** After that many heartbeats without a sign of MediaMTX's API, something is wrong with it or with MEDIAMTX_API. */
const NEVER_SEEN = 6

/** Free and total bytes of the volume that a folder is on. Undefined when that can't be told. */
const diskUsage = (folder: string): Effect.Effect<Heartbeat["disk"] | undefined> =>
  Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map(({ bavail, blocks, bsize }) => ({ free: bavail * bsize, total: blocks * bsize })),
    Effect.orElseSucceed(() => undefined)
  )

/** What a heartbeat says of MediaMTX. */
interface Sight {
  readonly version?: string
  readonly startedAt?: number
  readonly paths?: ReadonlyArray<ReportedPath>
  readonly problem?: string
  /** False: there is none. */
  readonly serving?: boolean
}

/** Looks at MediaMTX for a heartbeat, and remembers from one to the next. */
const makeSight = Effect.fnUntraced(function* (interval: Duration.Duration) {
  const server = yield* Server.Server
  const delivery = yield* Delivery.Delivery
  /** The manager expects the heartbeat: an API that hangs must not hold it up. That is not taken for death. */
  const within = Duration.min(Duration.times(interval, 0.5), Duration.seconds(5))
  let known: { readonly version: string; readonly startedAt: number } | undefined
  let missed = 0

  const silent = new Server.ServerError({ reason: "Silent", message: "MediaMTX's API does not answer in time" })

  return Effect.gen(function* () {
    if (server === undefined) return {}
    const seen = yield* Effect.either(
      Effect.all({ info: server.info, paths: server.paths }).pipe(
        Effect.timeoutFail({ duration: within, onTimeout: () => silent })
      )
    )
    if (seen._tag === "Right") {
      const { info, paths } = seen.right
      missed = 0
      known = { version: info.version, startedAt: info.started }
      const fits = Buffer.byteLength(JSON.stringify(paths)) <= MAX_PATHS_JSON
      if (!fits) yield* Effect.logWarning(`${paths.length} paths are too many for one heartbeat: sent without them`)
      return fits ? { ...known, paths } : { ...known }
    }
    const error = seen.left
    if (error.reason !== "Gone") {
      missed = 0
      return { ...known, problem: error.message }
    }
    const { apiExpected, inPlace } = yield* delivery.report
    missed += 1
    // Told by the config to have no API there.
    if (!apiExpected) return {}
    // It may be waiting for its first config; but not for ever. The manager knows whether it was ever there.
    if (known === undefined) {
      if (inPlace === undefined || missed < 2) return {}
      return missed < NEVER_SEEN ? { serving: false } : { serving: false, problem: error.message }
    }
    // Once may be a restart of its API; twice, and there is no MediaMTX, so there is no path either.
    return missed < 2 ? { problem: error.message } : { serving: false, problem: error.message, paths: [] }
  }) satisfies Effect.Effect<Sight>
})

const make = (settings: Settings) =>
  Effect.gen(function* () {
    const delivery = yield* Delivery.Delivery
    const manager = yield* Manager.Manager
    const server = yield* Server.Server
    const relay = yield* Relay.Relay
    const sight = yield* makeSight(settings.interval)
    const instance = randomUUID()

    // One wish that waits is enough: the cycle that serves it sees everything up to then. Nothing is lost at shutdown.
    const deliverNow = yield* Queue.sliding<void>(1)
    const reportNow = yield* Queue.sliding<void>(1)
    const ticks = Schedule.spaced(settings.interval).pipe(Schedule.jittered)

    // What is to be confirmed with the next heartbeat; and what was done, since a command comes again until the manager has
    // its confirmation on disk. Both belong to the fiber that reports.
    let results: ReadonlyArray<CommandResult> = []
    const obeyed = new Map<string, CommandResult>()
    const confirm = (result: CommandResult) => {
      results = [...results.filter(({ command }) => command !== result.command), result]
    }

    const kick = Effect.fnUntraced(function* (
      session: SessionKind,
      id: string
    ): Effect.fn.Return<Omit<CommandResult, "command">> {
      const what = `${session} ${id}`
      if (server === undefined) {
        yield* Effect.logWarning(`${what} can't be ended: MEDIAMTX_API is not set`)
        return { outcome: "failed", message: "MEDIAMTX_API of mtx-updater is not set" }
      }
      return yield* server.kick(session, id).pipe(
        Effect.tap((found) => Effect.logInfo(found ? `${what} was ended` : `${what} was over already`)),
        Effect.map((found) => ({ outcome: found ? ("done" as const) : ("gone" as const) })),
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning(`${what} could not be ended: ${error.message}`), {
            outcome: "failed" as const,
            message: error.message
          })
        )
      )
    })

    const obey = Effect.fnUntraced(function* (given: unknown) {
      const read = readCommand(given)
      if (read._tag === "None") {
        return yield* Effect.logWarning("the manager gave a command that this updater does not know: left out")
      }
      const wish = read.value
      const before = wish.command === undefined ? undefined : obeyed.get(wish.command)
      if (before !== undefined) return confirm(before)
      const result =
        wish.type === "refresh"
          ? yield* Effect.as(Queue.offer(deliverNow, undefined), { outcome: "done" as const })
          : yield* kick(wish.session, wish.id)
      if (wish.command === undefined) return
      if (obeyed.size >= OBEYED) for (const oldest of obeyed.keys()) if (obeyed.delete(oldest)) break
      const done = { ...result, command: wish.command }
      obeyed.set(wish.command, done)
      confirm(done)
    })

    let managerProblem: string | undefined
    const beat = Effect.gen(function* () {
      const [report, seen, disk, relayProblem] = yield* Effect.all(
        [
          delivery.report,
          sight,
          diskUsage(settings.recordings),
          relay?.problem ?? Effect.succeed(undefined)
        ] satisfies readonly [unknown, Effect.Effect<Sight>, unknown, unknown],
        { concurrency: "unbounded" }
      )
      const { paths, problem, serving, startedAt, version }: Sight = seen
      const error = [report.problem, problem, relayProblem].filter((text) => text !== undefined).join("; ")
      const confirming = results.slice(0, OBEYED)
      const reply = yield* manager.heartbeat({
        instance,
        status: error === "" ? "ok" : "failed",
        every: Duration.toSeconds(settings.interval),
        ...(error === "" ? {} : { error: error.slice(0, 2000) }),
        configError: report.problem?.slice(0, 2000) ?? null,
        ...(confirming.length === 0 ? {} : { commands: confirming }),
        ...(report.appliedHash === undefined ? {} : { appliedHash: report.appliedHash }),
        ...(version === undefined ? {} : { mediamtxVersion: version }),
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(paths === undefined ? {} : { paths }),
        ...(serving === undefined ? {} : { serving }),
        ...(disk === undefined ? {} : { disk })
      })
      managerProblem = undefined
      const { inPlace } = yield* delivery.report
      if (reply.configHash !== null && reply.configHash !== inPlace) yield* Queue.offer(deliverNow, undefined)
      results = results.slice(confirming.length)
      yield* Effect.forEach(reply.commands, obey, { discard: true })
      if (results.length > 0) yield* Queue.offer(reportNow, undefined)
    }).pipe(
      Effect.catchAll((error) => {
        if (managerProblem === error.message) return Effect.void
        managerProblem = error.message
        return Effect.logWarning(`heartbeat: ${error.message}`)
      })
    )

    /** Reports at once what a cycle has changed. */
    const cycle = Effect.gen(function* () {
      const before = yield* delivery.report
      yield* delivery.cycle
      const after = yield* delivery.report
      if (before.appliedHash !== after.appliedHash || before.problem !== after.problem) {
        yield* Queue.offer(reportNow, undefined)
      }
      return after.inPlace !== undefined
    })

    const delivering = Effect.gen(function* () {
      yield* delivery.start
      yield* Effect.repeat(cycle, Schedule.union(EAGER, ticks).pipe(Schedule.untilInput((fit: boolean) => fit)))
      yield* Effect.forkScoped(Effect.schedule(Queue.offer(deliverNow, undefined), ticks))
      yield* Effect.forever(Effect.zipRight(Queue.take(deliverNow), cycle))
    })
    const reporting = Effect.gen(function* () {
      yield* Effect.forkScoped(Effect.repeat(Queue.offer(reportNow, undefined), ticks))
      yield* Effect.forever(Effect.zipRight(Queue.take(reportNow), beat))
    })
    yield* Effect.logInfo(
      `node ${settings.node}: config from ${settings.url.origin} to ${settings.config}, every ${Duration.format(settings.interval)}` +
        (settings.api === undefined ? ", without MediaMTX's API" : `, MediaMTX's API at ${settings.api.origin}`)
    )
    return yield* Effect.all([delivering, reporting], { concurrency: "unbounded", discard: true })
  }).pipe(Effect.scoped)

/** Everything that the updater consists of; tests replace what they want to play. */
export const layer = (settings: Settings, program: string) =>
  Delivery.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Store.layer(settings),
        Manager.layer(settings),
        Server.layer(settings),
        ConfigChecker.layer(program, { relay: settings.relay !== undefined }),
        Relay.layer(settings).pipe(Layer.provide(Upstream.layer(settings)))
      )
    )
  )

/** Runs until it is interrupted. */
export const run = (
  settings: Settings
): Effect.Effect<void, never, Delivery.Delivery | Manager.Manager | Server.Server | Relay.Relay> => make(settings)
