/**
 * How many may read or publish at the same time, on all nodes together: quotas for a path, a user, an address.
 *
 * Counted is what FleetState shows, and who was let in within the last seconds and does not show yet: so a storm of viewers
 * who all come at once does not run over. A session that asks again is the same session; a publisher who comes again on the
 * path of a node takes the place of the one before.
 *
 * - Sessions are told apart by the id that MediaMTX puts into both its auth call and its hooks. Questions without an id
 *   (HTML pages, WHEP's OPTIONS) start nothing, and are let through. An HLS session ends 30 s after its last request; a
 *   player that forgets it (no cookies) begins another one.
 * - Whose session it is, this manager knows when it was asked: quotas per user and per address count the sessions that it
 *   let in itself. Quotas for paths count all, other managers' and those from before a restart included.
 * - A node that reads from another one is a reader there.
 *
 * Put it around everything else: it counts what the other policy allows. A decision costs one look-up for each quota.
 *
 * @example
 * ```ts
 * const AuthLive = AuthPolicy.layerEffect(
 *   Effect.map(
 *     ViewerQuota.make([
 *       { readers: 500, per: "path", paths: ["cams/*"] },
 *       { name: "screens", readers: 2, per: "user" },
 *       { publishers: 1, per: "user" }
 *     ]),
 *     ({ guard }) => guard(rules)
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { AuthDecision, type AuthPolicyShape, makeUnsafe, type PlainAuthRequest, type Policy } from "../AuthPolicy.js"
import {
  FleetState,
  type FleetStateError,
  type FleetStateShape,
  type SessionState,
  type SessionWatcher
} from "../FleetState.js"
import { addressKey, asking, makeIdentity, pathFilter, readLabelled, readPaths } from "../internal/authAround.js"
import { andThen } from "../internal/deciding.js"
import * as QuotaCounter from "../internal/quotaCounter.js"
import * as Settings from "../internal/settings.js"
import { InvalidPolicy } from "./InvalidPolicy.js"
import { undecided } from "./Undecided.js"

/**
 * What a quota is for: each value of these, or each combination. Whoever has no name and no token has no `user`, and has
 * room where that is part of it.
 *
 * @since 0.1.0
 * @category models
 */
export type QuotaPer = "path" | "user" | "ip"

interface QuotaScope {
  /** Shown in denials and in the metric. Default: its position, `quotas[0]`. */
  readonly name?: string | undefined
  /** Default: `path`. The empty list: all of the fleet together. */
  readonly per?: QuotaPer | ReadonlyArray<QuotaPer> | undefined
  /** Paths that count, as in auth rules. Default: all. */
  readonly paths?: ReadonlyArray<string> | undefined
}

/**
 * At most so many readers, or publishers, at a time.
 *
 * @since 0.1.0
 * @category models
 */
export type Quota = QuotaScope &
  (
    | { readonly readers: number; readonly publishers?: undefined }
    | { readonly publishers: number; readonly readers?: undefined }
  )

/**
 * @since 0.1.0
 * @category models
 */
export interface QuotaOptions {
  /**
   * How long somebody who was let in may take to show up as a session before the place is free again (default 10 seconds,
   * for which MediaMTX waits for a WebRTC handshake or a source on demand).
   */
  readonly reservation?: Duration.DurationInput | undefined
}

interface Active extends QuotaCounter.Rule {
  readonly label: string
  readonly full: AuthDecision
  readonly refused: () => void
}

const refusedKey = MetricKey.counter("mtx_manager_auth_over_quota", {
  description: "Auth calls that were denied because a quota had no room, by the name of the quota",
  incremental: true
})
const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []

const parts: ReadonlyArray<QuotaPer> = ["path", "user", "ip"]
const words: Readonly<Record<QuotaPer, string>> = { path: "one path", user: "one user", ip: "one address" }
const fields = ["name", "readers", "publishers", "per", "paths"]

const activate = (
  input: unknown,
  at: ReadonlyArray<string>,
  position: number,
  reader: Settings.Reader
): Active | undefined => {
  const quota = reader.mapping(input, at, fields)
  if (quota === undefined) return undefined
  if ("readers" in quota === "publishers" in quota) {
    reader.problem(
      at,
      "readers" in quota ? "is for both readers and publishers; make two quotas of it" : "is for nobody",
      "either readers or publishers, a number"
    )
  }
  const range = { least: 0, most: 10_000_000 }
  const readers = reader.whole(quota["readers"], [...at, "readers"], range)
  const publishers = reader.whole(quota["publishers"], [...at, "publishers"], range)
  const name = reader.name(quota["name"], [...at, "name"])
  const per = reader.texts(
    quota["per"],
    [...at, "per"],
    "a list of path, user and ip; empty for the whole fleet",
    reader.oneOf(parts, "part of a session"),
    { empty: true }
  ) ?? ["path"]
  const paths = readPaths(reader, quota["paths"], [...at, "paths"])
  if (reader.issues.length > 0) return undefined
  const label = name ?? `quotas[${position}]`
  const most = readers ?? publishers ?? 0
  const of = parts.filter((part) => per.includes(part)).map((part) => words[part])
  const counter = Metric.fromMetricKey(MetricKey.taggedWithLabels(refusedKey, [MetricLabel.make("quota", label)]))
  return {
    label,
    kind: readers === undefined ? "publisher" : "reader",
    most,
    perPath: per.includes("path"),
    perUser: per.includes("user"),
    perIp: per.includes("ip"),
    takes: pathFilter(paths),
    full: AuthDecision.Deny({
      reason: `quota ${JSON.stringify(label)}: all ${most} places for ${readers === undefined ? "publishers" : "readers"} of ${of.length === 0 ? "the fleet" : of.join(", ")} are taken`
    }),
    refused: () => counter.unsafeUpdate(1, noTags)
  }
}

const activateAll = (input: unknown, at: ReadonlyArray<string>) =>
  readLabelled(Settings.make("invalid-quota"), input, at, "a list of quotas, each with readers or publishers", activate)

/**
 * What is wrong with a list of quotas; empty when nothing is. `at` is where it stands, for the findings.
 *
 * @since 0.1.0
 * @category decoding
 */
export const problems = (quotas: unknown, at: ReadonlyArray<string> = ["quotas"]) =>
  Either.match(activateAll(quotas, at), { onLeft: (issues) => issues, onRight: () => [] })

const TOO_MANY = undecided(AuthDecision.Deny({ reason: "too many have been let in that did not show up yet" }))

/**
 * Quotas that can be replaced while they are in use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quotas {
  /** Puts the quotas around a policy. Several policies share the counts. */
  readonly guard: (policy: AuthPolicyShape) => Policy
  /** Other quotas from now on. Nobody who is in is put out. */
  readonly replace: (quotas: ReadonlyArray<Quota>) => Effect.Effect<void, InvalidPolicy>
}

/** For a FleetState that tells of no sessions by themselves: what changed between two snapshots. */
const watchSnapshots = (fleet: FleetStateShape, watcher: SessionWatcher): Effect.Effect<void, FleetStateError> => {
  type Seen = ReadonlyMap<string, readonly [kind: "publisher" | "reader", session: SessionState]>
  let before: Seen = new Map()
  return Stream.runForEach(fleet.changes, ({ publishers, readers }) =>
    Effect.sync(() => {
      const seen = (kind: "publisher" | "reader", sessions: ReadonlyArray<SessionState>) =>
        sessions.map(
          (session) =>
            [
              JSON.stringify([kind, session.node, session.path, session.type, session.id]),
              [kind, session] as const
            ] as const
        )
      const now: Seen = new Map([...seen("publisher", publishers), ...seen("reader", readers)])
      for (const [key, [kind, session]] of before) if (!now.has(key)) watcher.closed(kind, session)
      for (const [key, [kind, session]] of now) if (!before.has(key)) watcher.opened(kind, session)
      before = now
    })
  )
}

/**
 * Quotas over the sessions of the fleet, as long as the scope is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  quotas: ReadonlyArray<Quota>,
  options: QuotaOptions = {}
): Effect.Effect<Quotas, InvalidPolicy, FleetState | Scope.Scope> =>
  Effect.gen(function* () {
    const fleet = yield* FleetState
    const clock = yield* Effect.clock
    const decoded = activateAll(quotas, ["quotas"])
    if (Either.isLeft(decoded)) return yield* new InvalidPolicy({ issues: decoded.left })
    let active: ReadonlyArray<Active> = decoded.right
    const counter = QuotaCounter.make(active, Duration.toMillis(options.reservation ?? "10 seconds"))
    const identityOf = makeIdentity()

    const watcher: SessionWatcher = {
      opened: (kind, { id, node, path }) => counter.opened(kind, node, path, id),
      closed: (kind, { id, node, path }) => counter.closed(kind, node, path, id)
    }
    const scope = yield* Effect.scope
    const { unsafeWatch } = fleet
    let watching = false
    // Sessions are kept track of from the first quota on: without any it costs nothing.
    const watch = Effect.suspend(() => {
      if (watching || active.length === 0) return Effect.void
      watching = true
      if (unsafeWatch !== undefined) {
        const stop = unsafeWatch(watcher)
        return Scope.addFinalizer(scope, Effect.sync(stop))
      }
      return watchSnapshots(fleet, watcher).pipe(
        Effect.tapError((error) => Effect.logError("sessions can't be counted any more", error)),
        Effect.ignore,
        Effect.forkIn(scope)
      )
    })
    yield* watch

    const admit = (request: PlainAuthRequest, allowed: AuthDecision): AuthDecision => {
      const { action, id, node, path } = request
      const kind = action === "read" ? "reader" : action === "publish" ? "publisher" : undefined
      if (kind === undefined || id === null || id === "" || node === undefined) return allowed
      const verdict = counter.ask(
        {
          kind,
          node,
          path,
          id,
          user: identityOf(request),
          ip: addressKey(request.ip),
          unnamed: kind === "reader" && request.protocol === "rtsp" && request.userAgent === ""
        },
        clock.unsafeCurrentTimeMillis()
      )
      if (verdict._tag === "Room") return allowed
      const quota = verdict._tag === "Full" ? active[verdict.rule] : undefined
      if (quota === undefined) return TOO_MANY
      quota.refused()
      return quota.full
    }

    return {
      guard: (policy) => {
        const ask = asking(policy)
        return makeUnsafe((request) => {
          const deciding = ask(request)
          return active.length === 0
            ? deciding
            : andThen(deciding, (decision) => (decision._tag === "Allow" ? admit(request, decision) : decision))
        })
      },
      replace: (next) =>
        Effect.suspend(() =>
          Either.match(activateAll(next, ["quotas"]), {
            onLeft: (issues) => Effect.fail(new InvalidPolicy({ issues })),
            onRight: (compiled) =>
              Effect.suspend(() => {
                active = compiled
                counter.replace(compiled)
                return watch
              })
          })
        )
    }
  })
