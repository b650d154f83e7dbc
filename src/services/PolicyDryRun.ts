/**
 * PolicyDryRun: what another policy would have answered to the decisions of a DecisionLog.
 *
 * The log holds no secrets, so they can't be checked again. Of a policy of rules it holds whose secret or token was right, or
 * that it was wrong. That still counts under other rules for a user of the same name whose secret is the same there. Where
 * it can't be told, both are tried: if the answer depends on it, it is `unknown`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { AuthProtocol, AuthRequestBody } from "../mediamtx/AuthRequest.js"
import { REDACTED } from "../mediamtx/QueryString.js"
import type { RulesCandidate } from "./AuthPolicy/RulesInForce.js"
import type { AuthDecision, AuthPolicyShape, AuthRequest, PlainAuthRequest } from "./AuthPolicy.js"
import { DecidingRule, DecisionOutcome, type DecisionRecord, outcomeOf } from "./DecisionLog.js"
import { turn } from "./internal/gather.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/** One answer: what the node was told, or would have been. */
const Answer = Schema.Struct({
  outcome: DecisionOutcome,
  reason: Schema.String,
  rule: Schema.NullOr(DecidingRule)
})

/** What calls have in common that are told of together. */
const Asked = {
  node: NodeId,
  action: AuthRequestBody.fields.action,
  path: Schema.String,
  protocol: AuthProtocol,
  user: Schema.String,
  ip: Schema.String,
  /** Calls. */
  count: Schema.Int,
  /** Of the last call. */
  last: Timestamp,
  before: Answer
}

/**
 * Calls that would be answered otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export const DryRunChange = Schema.Struct({ ...Asked, after: Answer }).annotations({ identifier: "DryRunChange" })
export type DryRunChange = typeof DryRunChange.Type

/**
 * Calls of which it can't be told.
 *
 * @since 0.1.0
 * @category models
 */
export const DryRunUnknown = Schema.Struct({
  ...Asked,
  /** Why, such as `secret can't be replayed: alice has another one in the candidate`. */
  why: Schema.String,
  /** What it may be: it depends on the secret. */
  possible: Schema.Array(DecisionOutcome)
}).annotations({ identifier: "DryRunUnknown" })
export type DryRunUnknown = typeof DryRunUnknown.Type

/**
 * What came of a dry run. Numbers are of calls, so that a storm counts as much as it was.
 *
 * @since 0.1.0
 * @category models
 */
export const DryRunReport = Schema.Struct({
  /** All that were looked at. */
  calls: Schema.NonNegativeInt,
  /** Those that would be answered as they were. */
  unchanged: Schema.NonNegativeInt,
  changed: Schema.NonNegativeInt,
  unknown: Schema.NonNegativeInt,
  /** Of `unchanged`: by another rule than before. */
  otherRule: Schema.NonNegativeInt,
  /** Of `unchanged`: decided by something that the candidate does not replace, such as a token that was taken back. */
  notByRules: Schema.NonNegativeInt,
  /** `changed`, by what becomes of them. */
  changes: Schema.Struct({
    allowToAsk: Schema.NonNegativeInt,
    allowToDeny: Schema.NonNegativeInt,
    askToAllow: Schema.NonNegativeInt,
    askToDeny: Schema.NonNegativeInt,
    denyToAllow: Schema.NonNegativeInt,
    denyToAsk: Schema.NonNegativeInt
  }),
  /** Of the oldest and the newest call that was looked at; null when there was none. */
  from: Schema.NullOr(Timestamp),
  to: Schema.NullOr(Timestamp),
  /** Those that change, together as far as they have all but time and session in common; the most calls first. */
  changedCalls: Schema.Array(DryRunChange),
  unknownCalls: Schema.Array(DryRunUnknown),
  /** Whether one of the two lists was cut off. */
  truncated: Schema.Boolean
}).annotations({ identifier: "DryRunReport" })
export type DryRunReport = typeof DryRunReport.Type

/**
 * @since 0.1.0
 * @category models
 */
export interface DryRunOptions {
  /** At most so many in each of the two lists (default 200). */
  readonly limit?: number | undefined
}

const DEFAULT_LIMIT = 200

/** What came of one decision. */
type Verdict =
  | { readonly _tag: "Known"; readonly decision: AuthDecision }
  | { readonly _tag: "Kept" }
  | { readonly _tag: "Unknown"; readonly why: string; readonly possible: ReadonlyArray<DecisionOutcome> }

const isAnonymous = ({ credentials }: DecisionRecord): boolean => credentials === "none" || credentials === "query"

const told = (record: DecisionRecord, decision: AuthDecision): DecisionOutcome =>
  outcomeOf(decision, isAnonymous(record), record.protocol)

// ---------------------------------------------------------------------------------------------------------------------
// The report

type Changes = { -readonly [name in keyof DryRunReport["changes"]]: number }

const nameOf = (before: DecisionOutcome, after: DecisionOutcome): keyof Changes | undefined => {
  switch (`${before} ${after}` as const) {
    case "allow ask":
      return "allowToAsk"
    case "allow deny":
      return "allowToDeny"
    case "ask allow":
      return "askToAllow"
    case "ask deny":
      return "askToDeny"
    case "deny allow":
      return "denyToAllow"
    case "deny ask":
      return "denyToAsk"
    default:
      return undefined
  }
}

/** Those of one key become one, with the sum of their counts. */
const makeGroups = <Row extends { readonly count: number; readonly last: number }>() => {
  const groups = new Map<string, Row>()
  return {
    add: (key: ReadonlyArray<string>, row: Row): void => {
      const text = JSON.stringify(key)
      const known = groups.get(text)
      groups.set(
        text,
        known === undefined ? row : { ...known, count: known.count + row.count, last: Math.max(known.last, row.last) }
      )
    },
    most: (limit: number): ReadonlyArray<Row> =>
      [...groups.values()].sort((a, b) => b.count - a.count || b.last - a.last).slice(0, limit),
    size: () => groups.size
  }
}

const makeReport = ({ limit = DEFAULT_LIMIT }: DryRunOptions) => {
  const changes: Changes = { allowToAsk: 0, allowToDeny: 0, askToAllow: 0, askToDeny: 0, denyToAllow: 0, denyToAsk: 0 }
  const sums = { calls: 0, unchanged: 0, changed: 0, unknown: 0, otherRule: 0, notByRules: 0 }
  const changed = makeGroups<DryRunChange>()
  const unknown = makeGroups<DryRunUnknown>()
  let from: number | null = null
  let to: number | null = null

  const add = (record: DecisionRecord, verdict: Verdict): void => {
    const { action, at, count, ip, last, node, outcome, path, protocol, reason, rule, user } = record
    from = from === null ? at : Math.min(from, at)
    to = to === null ? last : Math.max(to, last)
    sums.calls += count
    const asked = { node, action, path, protocol, user, ip, count, last, before: { outcome, reason, rule } }
    const key = [node, action, path, protocol, user, ip, outcome, reason]
    if (verdict._tag === "Kept") {
      sums.unchanged += count
      sums.notByRules += count
      return
    }
    if (verdict._tag === "Unknown") {
      sums.unknown += count
      unknown.add([...key, verdict.why], { ...asked, why: verdict.why, possible: verdict.possible })
      return
    }
    const { decision } = verdict
    const after = told(record, decision)
    const name = nameOf(outcome, after)
    if (name === undefined) {
      sums.unchanged += count
      if (decision.rule?.place !== rule?.place || (decision.rule?.name ?? null) !== (rule?.name ?? null)) {
        sums.otherRule += count
      }
      return
    }
    sums.changed += count
    changes[name] += count
    const answer = { outcome: after, reason: decision.reason, rule: decision.rule ?? null }
    changed.add([...key, after, decision.reason], { ...asked, after: answer })
  }
  const report = (): DryRunReport => ({
    ...sums,
    changes,
    from,
    to,
    changedCalls: changed.most(limit),
    unknownCalls: unknown.most(limit),
    truncated: changed.size() > limit || unknown.size() > limit
  })
  return { add, report }
}

/** Decisions that are looked at before nodes that wait are answered: a millisecond or two. */
const AT_ONCE = 200

const runAll = (
  records: ReadonlyArray<DecisionRecord>,
  options: DryRunOptions,
  judge: (record: DecisionRecord) => Verdict | Effect.Effect<Verdict>
): Effect.Effect<DryRunReport> =>
  Effect.gen(function* () {
    const { add, report } = makeReport(options)
    for (const [index, record] of records.entries()) {
      if (index > 0 && index % AT_ONCE === 0) yield* turn
      const verdict = judge(record)
      add(record, Effect.isEffect(verdict) ? yield* verdict : verdict)
    }
    return report()
  })

// ---------------------------------------------------------------------------------------------------------------------
// Rules

const requestOf = (record: DecisionRecord): PlainAuthRequest => ({
  node: record.node,
  action: record.action,
  path: record.path,
  protocol: record.protocol,
  ip: record.ip,
  user: record.user,
  password: "",
  token: "",
  query: "",
  id: record.session,
  userAgent: record.userAgent
})

/** More than this many users could have had a token: that is not tried. */
const MOST_TRIED = 100

/**
 * What other rules would have answered. What was decided by something else than rules stays as it was.
 *
 * @example
 * ```ts
 * const log = yield* DecisionLog.DecisionLog
 * const { rules } = yield* AuthPolicy.AuthPolicy
 * if (rules !== undefined) {
 *   const candidate = yield* rules.candidate({ rules: [{ allow: ["read"], paths: ["public/**"] }] })
 *   const report = yield* PolicyDryRun.rules(candidate, yield* log.all())
 * }
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const rules = (
  { decide, possible }: RulesCandidate,
  records: ReadonlyArray<DecisionRecord>,
  options: DryRunOptions = {}
): Effect.Effect<DryRunReport> =>
  runAll(records, options, (record) => {
    if (record.decidedBy === "other") return { _tag: "Kept" }
    const request = requestOf(record)
    const decisions: Array<AuthDecision> = []
    const { identities, why } = possible({ ...record, known: record.user !== REDACTED })
    for (const identity of identities.slice(0, MOST_TRIED)) {
      const { asked, decision } = decide(request, identity)
      // Whoever it was: nobody's secret is looked at.
      if (!asked) return { _tag: "Known", decision }
      decisions.push(decision)
    }
    const outcomes = new Set(decisions.map((decision) => told(record, decision)))
    const [first] = decisions
    return first !== undefined && outcomes.size === 1 && identities.length <= MOST_TRIED
      ? { _tag: "Known", decision: first }
      : { _tag: "Unknown", why: `secret can't be replayed: ${why}`, possible: [...outcomes] }
  })

// ---------------------------------------------------------------------------------------------------------------------
// Any policy

const noSecret = Redacted.make("")

/** What the log has for a policy of code: no secrets. It tells whether the policy looked for one that there was. */
const replay = (record: DecisionRecord) => {
  let looked = false
  const given = record.credentials !== "none"
  const look = <A>(value: A): A => {
    if (given) looked = true
    return value
  }
  const { password: _, query: __, token: ___, ...shared } = requestOf(record)
  return {
    looked: () => looked,
    plain: {
      ...shared,
      get password() {
        return look("")
      },
      get token() {
        return look("")
      },
      get query() {
        return look("")
      }
    } satisfies PlainAuthRequest,
    safe: {
      ...shared,
      get password() {
        return look(noSecret)
      },
      get token() {
        return look(noSecret)
      },
      get query() {
        return look(noSecret)
      }
    } satisfies AuthRequest
  }
}

/**
 * What a policy, in whatever style it is written, would have answered. It is asked once for each decision, without the
 * secrets. Where it looks at a secret that a client had given, that is `unknown`.
 *
 * The log knows nothing of queries: to the policy all are empty.
 *
 * @example
 * ```ts
 * const policy = AuthPolicy.fromFunction(({ ip, path }) => path.startsWith("public/") || ip.startsWith("10."))
 * const report = yield* PolicyDryRun.run(policy, yield* log.all())
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const run = (
  policy: AuthPolicyShape,
  records: ReadonlyArray<DecisionRecord>,
  options: DryRunOptions = {}
): Effect.Effect<DryRunReport> =>
  runAll(records, options, (record) => {
    const { looked, plain, safe } = replay(record)
    const decided = policy.unsafeDecide === undefined ? policy.decide(safe) : policy.unsafeDecide(plain)
    const verdict = (decision: AuthDecision): Verdict =>
      looked()
        ? { _tag: "Unknown", why: "secret can't be replayed: the policy looks at it", possible: [] }
        : { _tag: "Known", decision }
    return Effect.isEffect(decided) ? Effect.map(decided, verdict) : verdict(decided)
  })
