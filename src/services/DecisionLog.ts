/**
 * DecisionLog: what the manager answered to the auth calls of the last hour, and why.
 *
 * It holds no password, no token and no query. What came as a user name is shown where it is one: a text that holds the
 * request's secret is not.
 *
 * Calls that differ in nothing but their time and session are one entry with a count, for a minute from the first of them: a
 * storm of a thousand viewers at one door is a line a minute.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { AuthProtocol, AuthRequestBody, canPrompt } from "../mediamtx/AuthRequest.js"
import type { AuthDecision, PlainAuthRequest } from "./AuthPolicy.js"
import { makeDecisionLog } from "./internal/decisionLog.js"
import { NodeId } from "./NodeId.js"
import { Timestamp } from "./Timestamp.js"

/**
 * What the node was told: 204, 401 or 403.
 *
 * @since 0.1.0
 * @category models
 */
export const DecisionOutcome = Schema.Literal("allow", "ask", "deny").annotations({
  identifier: "DecisionOutcome",
  description: "What the node was told: allow is 204, ask is 401, deny is 403"
})
export type DecisionOutcome = typeof DecisionOutcome.Type

/**
 * Where the client had its credentials, as far as it gave any. `password` is a user name with whatever was given as
 * password; `token` a bearer token, or a password without a name; `query` a token in the URL and nothing else.
 *
 * @since 0.1.0
 * @category models
 */
export const DecisionCredentials = Schema.Literal("none", "password", "token", "query").annotations({
  identifier: "DecisionCredentials"
})
export type DecisionCredentials = typeof DecisionCredentials.Type

/**
 * What a policy of rules found out about who asked: `secret` and `token` are what was proven to be right, `wrong` what was
 * proven not to be. `anonymous`: no credentials, or none that its document looks at. `unchecked`: it was decided without
 * looking, or by something else than rules.
 *
 * @since 0.1.0
 * @category models
 */
export const DecisionProof = Schema.Literal("secret", "token", "wrong", "anonymous", "unchecked").annotations({
  identifier: "DecisionProof"
})
export type DecisionProof = typeof DecisionProof.Type

/**
 * The declarative rule that decided.
 *
 * @since 0.1.0
 * @category models
 */
export const DecidingRule = Schema.Struct({
  /** Its position, from 0. */
  index: Schema.NonNegativeInt,
  name: Schema.NullOr(Schema.String),
  /** Where it stands in its file, such as `auth.rules[2]`. */
  place: Schema.String
}).annotations({ identifier: "DecidingRule" })
export type DecidingRule = typeof DecidingRule.Type

/**
 * One decision, or several that differ in nothing but their time and session.
 *
 * @since 0.1.0
 * @category models
 */
export const DecisionRecord = Schema.Struct({
  /** Of this entry, for as long as it is kept: a repeat of the same call changes `last`, `count` and `session`. */
  id: Schema.String,
  /** Of the first call. */
  at: Timestamp,
  /** Of the last call. */
  last: Timestamp,
  /** Calls. */
  count: Schema.Positive.pipe(Schema.int()),
  node: NodeId,
  action: AuthRequestBody.fields.action,
  /** Empty for api, metrics and pprof. */
  path: Schema.String,
  /** Empty for playback, api, metrics and pprof. */
  protocol: AuthProtocol,
  ip: Schema.String,
  /** As the client gave it; empty for none, `***` where it may be a secret. */
  user: Schema.String,
  credentials: DecisionCredentials,
  /** Id of the session or connection of the last call, the same that hooks report; null for calls without one. */
  session: Schema.NullOr(Schema.String),
  userAgent: Schema.String,
  outcome: DecisionOutcome,
  /**
   * The node only asks its client for credentials, because it gave none: the first call of each RTSP, HLS or WebRTC client
   * that has some. No refusal yet.
   */
  prompt: Schema.Boolean,
  /** Why, in the words of the policy. */
  reason: Schema.String,
  /** Whether declarative rules decided, or something else: a function, a link between nodes, a token that was revoked. */
  decidedBy: Schema.Literal("rules", "other"),
  /** Null: no rule matched, or something else than rules decided. */
  rule: Schema.NullOr(DecidingRule),
  proof: DecisionProof,
  /** The user of the rules whose secret or token it was; of a wrong password, the user whose it is not. */
  provenUser: Schema.NullOr(Schema.String)
}).annotations({ identifier: "DecisionRecord" })
export type DecisionRecord = typeof DecisionRecord.Type

/**
 * Which decisions are wanted. What is not said is not asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface DecisionFilter {
  /** Epoch milliseconds; those whose last call was then or later. */
  readonly since?: number | undefined
  /** Epoch milliseconds; those whose first call was before. */
  readonly until?: number | undefined
  readonly outcome?: DecisionOutcome | undefined
  readonly prompt?: boolean | undefined
  readonly node?: string | undefined
  readonly action?: string | undefined
  readonly protocol?: string | undefined
  /** Whether it is one of the paths that are wanted. */
  readonly path?: ((path: string) => boolean) | undefined
  /** The name as it was given, or whose secret it was. */
  readonly user?: string | undefined
  /** Whether it is one of the addresses that are wanted. */
  readonly ip?: ((ip: string) => boolean) | undefined
  /** Name or place of the rule that decided. */
  readonly rule?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DecisionPageOptions {
  /** At most so many (default 100). */
  readonly limit?: number | undefined
  /** `next` of the page before this one. */
  readonly cursor?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export const DecisionPage = Schema.Struct({
  /** The newest first; with `after`, what has come or was repeated since, in that order. */
  decisions: Schema.Array(DecisionRecord),
  /** For `cursor`, to get those that are older. Null: there are none. */
  next: Schema.NullOr(Schema.String),
  /** For `after`, to get what comes, and what is repeated, from now on. */
  follow: Schema.String,
  /** Calls that the filter finds in all, by outcome, whatever the limit. Prompts are apart, and not in `ask`. */
  matched: Schema.Struct({
    allow: Schema.NonNegativeInt,
    ask: Schema.NonNegativeInt,
    deny: Schema.NonNegativeInt,
    prompt: Schema.NonNegativeInt
  }),
  /** Of the oldest decision that is kept; null when there is none. */
  oldest: Schema.NullOr(Timestamp),
  /** Entries that had to go before their time was over, because there were too many, since the manager was started. */
  dropped: Schema.NonNegativeInt
}).annotations({ identifier: "DecisionPage" })
export type DecisionPage = typeof DecisionPage.Type

/**
 * @since 0.1.0
 * @category models
 */
export interface DecisionLogOptions {
  /** How long a decision is kept (default 1 hour). */
  readonly maxAge?: Duration.DurationInput | undefined
  /** How many entries are kept (default 20,000). 0: none, and nothing is logged. */
  readonly maxEntries?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DecisionLogShape {
  /** Notes what a node was told. At once and in memory, because the node waits; never throws. */
  readonly unsafeNote: (
    node: NodeId,
    request: PlainAuthRequest,
    decision: AuthDecision,
    outcome: DecisionOutcome
  ) => void
  /** The newest first. */
  readonly page: (filter?: DecisionFilter, options?: DecisionPageOptions) => Effect.Effect<DecisionPage>
  /** What has come or was repeated since a `follow`, in that order; from now on for one that is not known. */
  readonly since: (follow: string, filter?: DecisionFilter, limit?: number) => Effect.Effect<DecisionPage>
  /** Returns when something was noted after a `follow`: at once where that was so already. */
  readonly changed: (follow: string) => Effect.Effect<void>
  /** All that the filter finds, the oldest first. */
  readonly all: (filter?: DecisionFilter) => Effect.Effect<ReadonlyArray<DecisionRecord>>
}

/**
 * @since 0.1.0
 * @category tags
 */
export class DecisionLog extends Context.Tag("mtx-manager/DecisionLog")<DecisionLog, DecisionLogShape>() {}

/**
 * What a decision is to the node. `anonymous`: it came without name, password and token.
 *
 * @since 0.1.0
 * @category conversions
 */
export const outcomeOf = (decision: AuthDecision, anonymous: boolean, protocol: AuthProtocol): DecisionOutcome => {
  if (decision._tag === "Allow") return "allow"
  return decision._tag === "Ask" || (anonymous && canPrompt(protocol)) ? "ask" : "deny"
}

/**
 * In memory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (options?: DecisionLogOptions) => Effect.Effect<DecisionLogShape> = makeDecisionLog

/**
 * Gone with the process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options?: DecisionLogOptions): Layer.Layer<DecisionLog> =>
  Layer.effect(DecisionLog, make(options))
