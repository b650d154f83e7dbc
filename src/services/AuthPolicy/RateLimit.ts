/**
 * How often somebody may ask, and how often they may be wrong: limits by address, user and path around another policy.
 *
 * - Only calls that carry credentials, or that are allowed without any, count. What RTSP clients and browsers ask first,
 *   without credentials, to be told that some are needed, does not.
 * - Failed logins may have limits of their own, with a time for which nobody gets in, not even with the right password.
 *   A denial that says nothing of the client (see `Undecided`) is no failed login.
 * - IPv6 addresses count by their first 64 bits. Memory is bounded, whatever names and addresses are made up.
 * - Decided at once, in about a microsecond, before a password is looked at.
 *
 * Each manager counts for itself.
 *
 * @example
 * ```ts
 * import { RateLimit } from "@livecams/mtx-manager"
 *
 * const policy = RateLimit.limited([
 *   { by: "ip", calls: 120, within: "1 minute" },
 *   { by: ["ip", "user"], failures: 5, within: "10 minutes", lockout: "15 minutes" }
 * ])(myPolicy)
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import { AuthAction } from "../../mediamtx/AuthRequest.js"
import { parseIpNetwork } from "../../mediamtx/IpNetwork.js"
import { AuthDecision, type AuthPolicyShape, makeUnsafe, type PlainAuthRequest, type Policy } from "../AuthPolicy.js"
import {
  addressKey,
  asking,
  bounded,
  hasCredentials,
  inWords,
  makeIdentity,
  pathFilter,
  readLabelled,
  readPaths
} from "../internal/authAround.js"
import * as Buckets from "../internal/buckets.js"
import { andThen } from "../internal/deciding.js"
import * as Settings from "../internal/settings.js"
import { InvalidPolicy } from "./InvalidPolicy.js"
import * as IpSet from "./IpSet.js"
import { isUndecided } from "./Undecided.js"

/**
 * What a limit is counted for: each value of these, or each combination. Whoever gives no name and no token has no `user`,
 * and is not counted where that is part of it.
 *
 * @since 0.1.0
 * @category models
 */
export type LimitBy = "ip" | "user" | "path"

interface LimitScope {
  /** Shown in denials and in the metric. Default: its position, `limits[0]`. */
  readonly name?: string | undefined
  /** Default: `ip`. */
  readonly by?: LimitBy | ReadonlyArray<LimitBy> | undefined
  /** The stretch of time. */
  readonly within: Duration.DurationInput
  /** Actions that count. Default: publish, read and playback. */
  readonly actions?: ReadonlyArray<AuthAction> | undefined
  /** Paths that count, as in auth rules. Default: all. */
  readonly paths?: ReadonlyArray<string> | undefined
  /** Addresses and networks that are not limited. Default: none. */
  readonly exceptIps?: ReadonlyArray<string> | undefined
  /** How many addresses, names or combinations are remembered, those heard of last. Default 50,000: 10 MB or so. */
  readonly remembered?: number | undefined
}

/**
 * So many calls in a stretch of time. They come back evenly: 60 within a minute is one each second, with 60 to start with.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallLimit extends LimitScope {
  readonly calls: number
  /** How many at once. Default: `calls`. */
  readonly burst?: number | undefined
}

/**
 * So many failed logins in a stretch of time; then nobody gets in, for the time of `lockout`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailureLimit extends LimitScope {
  readonly failures: number
  /** Default: `within`. */
  readonly lockout?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Limit = CallLimit | FailureLimit

/** A limit with its counts. */
interface Active {
  /** Limits that say the same keep their counts when the list is replaced. */
  readonly id: string
  readonly label: string
  readonly by: ReadonlySet<LimitBy>
  readonly takes: (request: PlainAuthRequest) => boolean
  readonly buckets: Buckets.Buckets
  /** In words, for denials. */
  readonly text: string
  readonly lock:
    | { readonly millis: number; readonly until: Map<string, number>; readonly max: number; readonly text: string }
    | undefined
  readonly refused: () => void
}

const limitedKey = MetricKey.counter("mtx_manager_auth_limited", {
  description: "Auth calls that were denied by a limit, by the name of the limit",
  incremental: true
})
const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []

const parts: ReadonlyArray<LimitBy> = ["ip", "user", "path"]
const words: Readonly<Record<LimitBy, string>> = { ip: "address", user: "user", path: "path" }
const DAY = Duration.days(1)
const fields = [
  "name",
  "by",
  "calls",
  "burst",
  "failures",
  "lockout",
  "within",
  "actions",
  "paths",
  "exceptIps",
  "remembered"
]

const activate = (
  input: unknown,
  at: ReadonlyArray<string>,
  position: number,
  reader: Settings.Reader
): Active | undefined => {
  const limit = reader.mapping(input, at, fields)
  if (limit === undefined) return undefined
  const whole = (key: string, least: number, most: number) => reader.whole(limit[key], [...at, key], { least, most })

  const calls = whole("calls", 1, 1_000_000)
  const failures = whole("failures", 1, 1000)
  if ("calls" in limit === "failures" in limit) {
    reader.problem(
      at,
      "calls" in limit ? "limits both calls and failures; make two limits of it" : "has neither calls nor failures",
      "either calls or failures, a number"
    )
  }
  if (limit["burst"] !== undefined && failures !== undefined) {
    reader.problem([...at, "burst"], "belongs to calls", "no burst beside failures")
  }
  if (limit["lockout"] !== undefined && calls !== undefined) {
    reader.problem([...at, "lockout"], "belongs to failures", "no lockout beside calls")
  }
  const burst = whole("burst", 1, 1_000_000)
  if (limit["within"] === undefined) {
    reader.problem([...at, "within"], "is missing", "a duration such as 90s, 5m or 2h")
  }
  const within = reader.duration(limit["within"], [...at, "within"], Duration.minutes(1), DAY)
  const lockout = reader.duration(limit["lockout"], [...at, "lockout"], within, DAY)
  const max = whole("remembered", 1, 10_000_000) ?? 50_000
  const name = reader.name(limit["name"], [...at, "name"])
  const by = reader.texts(
    limit["by"],
    [...at, "by"],
    "a list of ip, user and path",
    reader.oneOf(parts, "part of a client")
  ) ?? ["ip"]
  const actions = reader.texts(
    limit["actions"],
    [...at, "actions"],
    `a list of actions: ${AuthAction.literals.join(", ")}`,
    reader.oneOf(AuthAction.literals, "action")
  ) ?? ["publish", "read", "playback"]
  const paths = readPaths(reader, limit["paths"], [...at, "paths"])
  const exceptIps =
    reader.texts(
      limit["exceptIps"],
      [...at, "exceptIps"],
      "a list of IP addresses or networks, for example 10.0.0.0/8 or ::1",
      (text) => (parseIpNetwork(text) === undefined ? "is no IP address or network" : undefined)
    ) ?? []
  if (reader.issues.length > 0) return undefined

  const key = new Set(parts.filter((part) => by.includes(part)))
  const takesPath = pathFilter(paths)
  const takesAction = new Set<string>(actions)
  const except = IpSet.make(exceptIps.flatMap((text) => parseIpNetwork(text) ?? []))
  const label = name ?? `limits[${position}]`
  const times = calls ?? failures ?? 1
  const each = `one ${[...key].map((part) => words[part]).join(", ")}`
  const counter = Metric.fromMetricKey(MetricKey.taggedWithLabels(limitedKey, [MetricLabel.make("limit", label)]))
  return {
    id: JSON.stringify([
      label,
      [...key],
      times,
      burst,
      Duration.toMillis(within),
      Duration.toMillis(lockout),
      max,
      actions,
      paths,
      exceptIps,
      calls === undefined
    ]),
    label,
    by: key,
    takes: ({ action, ip, path }) =>
      takesAction.has(action) && takesPath(path) && !(exceptIps.length > 0 && except.has(IpSet.read(ip))),
    buckets: Buckets.make({ burst: burst ?? times, interval: Duration.toMillis(within) / times, max }),
    text: `limit ${JSON.stringify(label)}: ${times} ${calls === undefined ? "failed logins" : "calls"} within ${Duration.format(within)} from ${each}`,
    lock:
      failures === undefined
        ? undefined
        : { millis: Duration.toMillis(lockout), until: new Map(), max, text: Duration.format(lockout) },
    refused: () => counter.unsafeUpdate(1, noTags)
  }
}

const activateAll = (input: unknown, at: ReadonlyArray<string>) =>
  readLabelled(
    Settings.make("invalid-limit"),
    input,
    at,
    "a list of limits, each with calls or failures, and within",
    activate
  )

/**
 * What is wrong with a list of limits; empty when nothing is. `at` is where it stands, for the findings.
 *
 * @since 0.1.0
 * @category decoding
 */
export const problems = (limits: unknown, at: ReadonlyArray<string> = ["limits"]) =>
  Either.match(activateAll(limits, at), { onLeft: (issues) => issues, onRight: () => [] })

/** What the limits of one request are counted for, each part made when it is first needed. */
const makeKeys = (identityOf: (request: PlainAuthRequest) => string) => (request: PlainAuthRequest) => {
  let ip: string | undefined
  let user: string | undefined
  return ({ by }: Active): string | undefined => {
    let key = ""
    if (by.has("ip")) {
      ip ??= addressKey(request.ip)
      key = ip
    }
    if (by.has("user")) {
      user ??= identityOf(request)
      if (user === "") return undefined
      key = by.size === 1 ? user : `${key}\0${user}`
    }
    return by.has("path") ? `${key}\0${bounded(request.path)}` : key
  }
}

const exceeded = (limit: Active, wait: number): AuthDecision => {
  limit.refused()
  return AuthDecision.Deny({ reason: `${limit.text}; come again in ${inWords(wait)}` })
}

/** How long the key is locked out, in milliseconds. */
const lockedFor = (lock: NonNullable<Active["lock"]>, key: string, now: number): number => {
  const until = lock.until.get(key)
  if (until === undefined) return 0
  // A clock that was set back must not lock anybody out for longer.
  if (until > now && until <= now + lock.millis) return until - now
  lock.until.delete(key)
  return 0
}

/** Counts a failed login, and locks when there may be no more. */
const failedLogin = (limit: Active, lock: NonNullable<Active["lock"]>, key: string, now: number): void => {
  limit.buckets.take(key, now)
  if (limit.buckets.wait(key, now) === 0) return
  limit.buckets.forget(key)
  lock.until.delete(key)
  lock.until.set(key, now + lock.millis)
  // All last equally long, so those in front end first.
  for (const [first, until] of lock.until) {
    if (until > now && lock.until.size <= lock.max) break
    lock.until.delete(first)
  }
}

const limiting = (current: () => ReadonlyArray<Active>, clock: Clock.Clock) => {
  const keysOf = makeKeys(makeIdentity())

  /** Locks are for who logs in: whoever is locked out may still see what everybody may. */
  const before = (
    request: PlainAuthRequest,
    limits: ReadonlyArray<Active>,
    now: number,
    login: boolean
  ): AuthDecision | undefined => {
    const keyOf = keysOf(request)
    for (const limit of limits) {
      if ((limit.lock !== undefined && !login) || !limit.takes(request)) continue
      const key = keyOf(limit)
      if (key === undefined) continue
      const wait = limit.lock === undefined ? limit.buckets.take(key, now) : lockedFor(limit.lock, key, now)
      if (wait > 0) return exceeded(limit, wait)
    }
    return undefined
  }

  const failed = (request: PlainAuthRequest, limits: ReadonlyArray<Active>): void => {
    const keyOf = keysOf(request)
    const now = clock.unsafeCurrentTimeMillis()
    for (const limit of limits) {
      if (limit.lock === undefined || !limit.takes(request)) continue
      const key = keyOf(limit)
      if (key !== undefined) failedLogin(limit, limit.lock, key, now)
    }
  }

  return (policy: AuthPolicyShape): Policy => {
    const ask = asking(policy)
    return makeUnsafe((request) => {
      const limits = current()
      if (limits.length === 0) return ask(request)
      if (hasCredentials(request)) {
        const denial = before(request, limits, clock.unsafeCurrentTimeMillis(), true)
        if (denial !== undefined) return denial
        return andThen(ask(request), (decision) => {
          if (decision._tag !== "Allow" && !isUndecided(decision)) failed(request, limits)
          return decision
        })
      }
      // Without credentials it may be the question whether some are needed: it counts only if it opens something.
      return andThen(ask(request), (decision) =>
        decision._tag === "Allow"
          ? (before(request, limits, clock.unsafeCurrentTimeMillis(), false) ?? decision)
          : decision
      )
    })
  }
}

/**
 * Limits that can be replaced while they are in use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limiter {
  /** Puts the limits before a policy. Several policies share the counts. */
  readonly guard: (policy: AuthPolicyShape) => Policy
  /** Other limits from now on. Those that are as they were keep their counts. */
  readonly replace: (limits: ReadonlyArray<Limit>) => Effect.Effect<void, InvalidPolicy>
  /** How many addresses, names and combinations are remembered, of all limits. */
  readonly size: () => number
}

const makeLimiter = (clock: Clock.Clock, first: ReadonlyArray<Active>): Limiter => {
  let current = first
  return {
    guard: limiting(() => current, clock),
    replace: (limits) =>
      Effect.suspend(() =>
        Either.match(activateAll(limits, ["limits"]), {
          onLeft: (issues) => Effect.fail(new InvalidPolicy({ issues })),
          onRight: (next) => {
            const kept = new Map(current.map((limit) => [limit.id, limit]))
            current = next.map((limit) => kept.get(limit.id) ?? limit)
            return Effect.void
          }
        })
      ),
    size: () => current.reduce((sum, { buckets, lock }) => sum + buckets.size() + (lock?.until.size ?? 0), 0)
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (limits: ReadonlyArray<Limit>): Effect.Effect<Limiter, InvalidPolicy> =>
  Effect.flatMap(Effect.clock, (clock) =>
    Either.match(activateAll(limits, ["limits"]), {
      onLeft: (issues) => Effect.fail(new InvalidPolicy({ issues })),
      onRight: (active) => Effect.succeed(makeLimiter(clock, active))
    })
  )

/**
 * A policy with limits before it, for programs without Effect.
 *
 * @throws InvalidPolicy when the limits can't be used
 * @since 0.1.0
 * @category combinators
 */
export const limited = (limits: ReadonlyArray<Limit>): ((policy: AuthPolicyShape) => Policy) =>
  makeLimiter(
    Clock.make(),
    Either.getOrThrowWith(activateAll(limits, ["limits"]), (issues) => new InvalidPolicy({ issues }))
  ).guard
