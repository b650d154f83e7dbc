/**
 * AuthPolicy: may this client do this on that node?
 *
 * Decided in memory within milliseconds: a MediaMTX node asks from its single path manager, so one slow answer freezes
 * every publisher, reader, metrics and API call of that node.
 *
 * A policy is a plain value ({@link AuthPolicyShape}). Values combine ({@link all}, {@link any}, {@link deadline}) and
 * become the service by {@link layer}, which also counts the decisions. Declarative rules are in `AuthPolicy/AuthRules`.
 *
 * @example
 * ```ts
 * import * as AuthPolicy from "./AuthPolicy.js"
 *
 * const policy = AuthPolicy.fromFunction((request) => request.action === "read" && request.path.startsWith("public/"))
 * export const AuthLive = AuthPolicy.layer(policy.pipe(AuthPolicy.deadline("2 seconds")))
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { AuthAction, AuthProtocol } from "../mediamtx/AuthRequest.js"
import { REDACTED } from "../mediamtx/QueryString.js"
import type { RulesInForce } from "./AuthPolicy/RulesInForce.js"
import { isUndecided, undecided } from "./AuthPolicy/Undecided.js"
import { andThen, type Deciding, known, toEffect } from "./internal/deciding.js"
import type { NodeId } from "./NodeId.js"

/**
 * One question, with the node that asks. `token` is empty when MediaMTX only repeated the password there.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthRequest {
  /** The node that asks; undefined when the manager itself asks (`playback.request`). */
  readonly node: NodeId | undefined
  readonly action: AuthAction
  readonly path: string
  readonly protocol: AuthProtocol
  readonly ip: string
  readonly user: string
  readonly password: Redacted.Redacted
  readonly token: Redacted.Redacted
  /** The raw query string of the client's URL: it can hold credentials. */
  readonly query: Redacted.Redacted
  /** Session or connection id; null when the request has none. */
  readonly id: string | null
  readonly userAgent: string
}

/**
 * A question with its secrets as plain text, as it came from the node: what {@link AuthPolicyShape.unsafeDecide} gets.
 *
 * @since 0.1.0
 * @category models
 */
export interface PlainAuthRequest extends Omit<AuthRequest, "password" | "token" | "query"> {
  readonly password: string
  readonly token: string
  readonly query: string
}

const noSecret = Redacted.make("")
const secret = (text: string): Redacted.Redacted => (text === "" ? noSecret : Redacted.make(text))

/**
 * The question with its secrets wrapped.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromPlain = (request: PlainAuthRequest): AuthRequest => ({
  ...request,
  password: secret(request.password),
  token: secret(request.token),
  query: secret(request.query)
})

/**
 * The question with its secrets as plain text.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toPlain = (request: AuthRequest): PlainAuthRequest => ({
  ...request,
  password: Redacted.value(request.password),
  token: Redacted.value(request.token),
  query: Redacted.value(request.query)
})

/**
 * The answer and why. `reason` is shown to operators and lands in the node's log: it must never hold a secret.
 *
 * - `Allow` → 204
 * - `Deny` → 403, or 401 when no credentials were given and the protocol can prompt
 * - `Ask` → 401: ask for credentials; on a protocol that can't prompt it is a denial
 *
 * @since 0.1.0
 * @category models
 */
export type AuthDecision = Data.TaggedEnum<{
  Allow: { readonly reason: string } & DecisionBasis
  Deny: { readonly reason: string } & DecisionBasis
  Ask: { readonly reason: string } & DecisionBasis
}>

/**
 * What a decision stands on, for the log of decisions. Policies of rules say it; others need not.
 *
 * @since 0.1.0
 * @category models
 */
export interface DecisionBasis {
  /** The rule that decided, if one did. */
  readonly rule?: RuleReference | undefined
  /** What rules found out about who asks; absent: something else than rules decided. */
  readonly proof?: Proof | undefined
}

/**
 * A rule by its position, from 0, its name, and where it stands in its file (`auth.rules[2]`). The same object as long as
 * the rules are in force.
 *
 * @since 0.1.0
 * @category models
 */
export interface RuleReference {
  readonly index: number
  readonly name: string | null
  readonly place: string
}

/**
 * Whose secret or token was right; or that it was wrong, and whose it is not, where such a user exists; or that rules
 * decided without looking.
 *
 * @since 0.1.0
 * @category models
 */
export interface Proof {
  readonly kind: "secret" | "token" | "wrong" | "anonymous" | "unchecked"
  readonly user: string | null
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const AuthDecision = Data.taggedEnum<AuthDecision>()

/**
 * What a policy is: one method.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthPolicyShape {
  /** Never fails: whatever goes wrong inside a policy is a denial with its reason. */
  readonly decide: (request: AuthRequest) => Effect.Effect<AuthDecision>
  /**
   * The same for a request whose secrets are plain text, with the decision itself where it is known at once. Optional: the
   * hot route takes it where it is there, because wrapping a secret costs more than deciding (each keeps its entry in a
   * WeakMap until the next major collection). Unsafe because nothing keeps the secrets out of a log: for policies that
   * don't hand the request on. Never throws.
   */
  readonly unsafeDecide?: ((request: PlainAuthRequest) => AuthDecision | Effect.Effect<AuthDecision>) | undefined
  /** The rules that it goes by, and nothing else, but for what is denied around them. For dry runs. */
  readonly rules?: RulesInForce | undefined
}

/**
 * @since 0.1.0
 * @category tags
 */
export class AuthPolicy extends Context.Tag("mtx-manager/AuthPolicy")<AuthPolicy, AuthPolicyShape>() {}

/**
 * A policy value that can be piped into the combinators. Every constructor here makes one; anything with a `decide` is
 * taken where a policy is wanted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy extends AuthPolicyShape, Pipeable {}

/**
 * A policy from its `decide`. What `decide` throws or dies of is a denial too.
 *
 * Decisions that are already known may be returned as `Effect.succeed(decision)`: the combinators then answer without
 * starting an effect of their own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (decide: AuthPolicyShape["decide"]): Policy => policyOf(guard(decide, secretsOf), undefined)

/**
 * A policy from a function of plain text that decides at once where it can: answers of the hot route then cost nothing but
 * the deciding. What it throws or dies of is a denial too. Its secrets must not get into a log, an error or a reason.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeUnsafe = (decide: (request: PlainAuthRequest) => AuthDecision | Effect.Effect<AuthDecision>): Policy =>
  ofPlain(guard(decide, plainSecretsOf))

/** A policy from its two forms, either of which is guarded already. */
const policyOf = (
  decide: Ask<AuthRequest>,
  unsafeDecide: Ask<PlainAuthRequest> | undefined,
  rules?: RulesInForce
): Policy => ({
  decide: (request) => toEffect(decide(request)),
  unsafeDecide,
  rules,
  pipe() {
    // biome-ignore lint/complexity/noArguments: what Pipeable asks for
    return pipeArguments(this, arguments)
  }
})
const ofPlain = (decide: Ask<PlainAuthRequest>): Policy => policyOf((request) => decide(toPlain(request)), decide)

type Ask<Request> = (request: Request) => Deciding

const CRASHED = undecided(AuthDecision.Deny({ reason: "the policy failed; the manager's log says why" }))

const secretsOf = ({ password, query, token }: AuthRequest): ReadonlyArray<string> =>
  [password, token, query].map(Redacted.value)
const plainSecretsOf = ({ password, query, token }: PlainAuthRequest): ReadonlyArray<string> => [password, token, query]

/** The text of a cause without the secrets of the request that may have got into it. */
const describe = (cause: Cause.Cause<unknown>, secrets: ReadonlyArray<string>): string => {
  let text = Cause.pretty(cause)
  for (const value of secrets) if (value !== "") text = text.replaceAll(value, REDACTED)
  return text
}

/** Makes a denial of whatever a policy throws or dies of. */
const guard = <Request extends { readonly action: AuthAction }>(
  decide: Ask<Request>,
  secrets: (request: Request) => ReadonlyArray<string>
): Ask<Request> => {
  const crashed = (cause: Cause.Cause<unknown>, request: Request): Effect.Effect<AuthDecision> =>
    Effect.as(
      Effect.logWarning(`the auth policy failed, so ${request.action} is denied: ${describe(cause, secrets(request))}`),
      CRASHED
    )
  return (request) => {
    try {
      const deciding = decide(request)
      if (known(deciding) !== undefined) return deciding
      return Effect.catchAllCause(toEffect(deciding), (cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : crashed(cause, request)
      )
    } catch (error) {
      return crashed(Cause.die(error), request)
    }
  }
}

/** A policy of the same forms as those that it is made of: `combine` is applied to each form that all of them have. */
const combined = (
  policies: ReadonlyArray<AuthPolicyShape>,
  combine: <Request>(asks: ReadonlyArray<Ask<Request>>) => Ask<Request>
): Policy => {
  // A user's own policy may throw or die: it is made to deny before it is combined, so that `any` still asks the others.
  const safe = combine(policies.map((policy) => guard((request: AuthRequest) => policy.decide(request), secretsOf)))
  // Of several it is not the rules alone that decide.
  const rules = policies.length === 1 ? policies[0]?.rules : undefined
  const plain: Array<Ask<PlainAuthRequest>> = []
  for (const policy of policies) {
    if (policy.unsafeDecide === undefined) return policyOf(safe, undefined, rules)
    plain.push(guard(policy.unsafeDecide, plainSecretsOf))
  }
  return policyOf(safe, combine(plain), rules)
}

const constant = (decision: AuthDecision): Policy => {
  const effect = Effect.succeed(decision)
  return policyOf(
    () => effect,
    () => decision
  )
}

/**
 * Everyone may do everything. For networks that are closed already, and for tests.
 *
 * @since 0.1.0
 * @category constructors
 */
export const allowAll: Policy = constant(AuthDecision.Allow({ reason: "everything is allowed" }))

/**
 * Nobody may do anything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const denyAll: Policy = constant(AuthDecision.Deny({ reason: "everything is denied" }))

/**
 * What a function given to {@link fromFunction} may answer: `true` allows, `false` denies, a decision says it in full.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = boolean | AuthDecision

/**
 * A function that decides, in whatever style. The signal is aborted when nobody waits for the answer any more.
 *
 * @since 0.1.0
 * @category models
 */
export type AuthFunction<R = never> = (
  request: AuthRequest,
  options: { readonly signal: AbortSignal }
) => Answer | Promise<Answer> | Effect.Effect<Answer, unknown, R>

/** Milliseconds. Timers that are longer fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

const ALLOWED = AuthDecision.Allow({ reason: "the auth function allows it" })
const allowedNow = Effect.succeed(ALLOWED)
const DENIED = AuthDecision.Deny({ reason: "the auth function denies it" })
const FAILED = undecided(AuthDecision.Deny({ reason: "the auth function failed; the manager's log says why" }))

/**
 * What an answer decides.
 *
 * @throws TypeError for anything else than `true`, `false` and a decision
 * @since 0.1.0
 * @category conversions
 */
export const toDecision = (answer: Answer): AuthDecision => {
  if (answer === true) return ALLOWED
  if (answer === false) return DENIED
  // Typed code can't get here with anything else, but JavaScript can: `undefined` must not allow.
  if (Predicate.hasProperty(answer, "_tag") && Predicate.hasProperty(answer, "reason")) {
    if (answer._tag === "Allow" || answer._tag === "Deny" || answer._tag === "Ask") return answer
  }
  throw new TypeError("an auth function must answer true, false or an AuthDecision")
}

/**
 * What goes to a function besides the question. Its signal is made when it is asked for: most functions never look at it.
 *
 * @since 0.1.0
 * @category models
 */
export class AuthFunctionCall {
  #controller: AbortController | undefined
  #aborted = false
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#aborted) this.#controller.abort()
    return this.#controller.signal
  }
  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
}

/**
 * A policy from a function. `true` allows, `false` denies; throwing, rejecting and failing deny.
 *
 * With a `deadline` it is as if piped through {@link deadline}, but for functions in Promise style that costs a timer
 * rather than two fibers, which would be most of what a decision costs.
 *
 * The first failure of a row is logged as a warning with its error, less the request's secrets; the ones that follow it
 * directly are logged at debug level, so that an outage of a database doesn't flood the log.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromFunction = (
  f: AuthFunction,
  options: { readonly deadline?: Duration.DurationInput | undefined } = {}
): Policy => {
  const limit = options.deadline === undefined ? undefined : Duration.decode(options.deadline)
  const millis = limit === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(limit)
  const late = Effect.succeed(tooLate(limit ?? Duration.infinity))
  let failing = false

  const failed = (cause: Cause.Cause<unknown>, request: AuthRequest): Effect.Effect<AuthDecision> => {
    const text = `the auth function failed, so ${request.action} is denied: ${describe(cause, secretsOf(request))}`
    const log = failing ? Effect.logDebug(text) : Effect.logWarning(text)
    failing = true
    return Effect.as(log, FAILED)
  }
  const answered = (answer: Answer, request: AuthRequest): Effect.Effect<AuthDecision> => {
    try {
      const decision = toDecision(answer)
      failing = false
      return decision === ALLOWED ? allowedNow : Effect.succeed(decision)
    } catch (error) {
      return failed(Cause.die(error), request)
    }
  }

  const promised = (
    answer: PromiseLike<Answer>,
    call: AuthFunctionCall,
    request: AuthRequest
  ): Effect.Effect<AuthDecision> => {
    // Never rejects, so that nothing is left unhandled if nobody waits.
    const decided = answer.then(
      (value) => answered(value, request),
      (error: unknown) => failed(Cause.fail(error), request)
    )
    return Effect.async<AuthDecision>((resume) => {
      const timer =
        millis > LONGEST_TIMER
          ? undefined
          : setTimeout(() => {
              call.abort()
              resume(late)
            }, millis)
      decided.then((decision) => {
        clearTimeout(timer)
        resume(decision)
      })
      return Effect.sync(() => {
        clearTimeout(timer)
        call.abort()
      })
    })
  }

  const effectful = (answer: Effect.Effect<Answer, unknown>, request: AuthRequest): Effect.Effect<AuthDecision> => {
    const decision = Effect.flatMap(answer, (value) => answered(value, request)).pipe(
      Effect.catchAllCause((cause) => (Cause.isInterruptedOnly(cause) ? Effect.interrupt : failed(cause, request)))
    )
    return limit === undefined ? decision : within(decision, limit)
  }

  const asked = (request: AuthRequest): Effect.Effect<AuthDecision> => {
    const call = new AuthFunctionCall()
    let result: ReturnType<AuthFunction>
    try {
      result = f(request, call)
    } catch (error) {
      return failed(Cause.die(error), request)
    }
    if (typeof result === "boolean") return answered(result, request)
    if (Effect.isEffect(result)) return effectful(result, request)
    return Predicate.isPromiseLike(result) ? promised(result, call, request) : answered(result, request)
  }
  return make((request) => Effect.suspend(() => asked(request)))
}

/**
 * The denial of a policy that has not decided in time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tooLate = (duration: Duration.Duration): AuthDecision =>
  undecided(AuthDecision.Deny({ reason: `no decision within ${Duration.format(duration)}` }))

/** Disconnected: a policy that can't be interrupted must not hold the answer back. */
const within = (effect: Effect.Effect<AuthDecision>, duration: Duration.Duration): Effect.Effect<AuthDecision> =>
  Effect.timeoutTo(Effect.disconnect(effect), {
    duration,
    onTimeout: () => tooLate(duration),
    onSuccess: (decision) => decision
  })

const joinReasons = (decisions: ReadonlyArray<AuthDecision>): string => decisions.map(({ reason }) => reason).join("; ")

/**
 * Asks one policy after the other. `absorb` says whether a decision ends it; `settle` makes the answer of all the others.
 * As long as decisions are known without running anything, none of this runs as an effect.
 */
const sequence = (
  policies: ReadonlyArray<AuthPolicyShape>,
  absorb: (decision: AuthDecision) => boolean,
  settle: (decisions: ReadonlyArray<AuthDecision>) => AuthDecision
): Policy =>
  combined(policies, <Request>(asks: ReadonlyArray<Ask<Request>>): Ask<Request> => {
    const from = (request: Request, start: number, before: ReadonlyArray<AuthDecision>): Deciding => {
      const decisions = [...before]
      for (let index = start; index < asks.length; index++) {
        const deciding = asks[index]?.(request)
        if (deciding === undefined) continue
        const decision = known(deciding)
        if (decision === undefined) {
          return andThen(deciding, (late) => (absorb(late) ? late : from(request, index + 1, [...decisions, late])))
        }
        if (absorb(decision)) return deciding
        decisions.push(decision)
      }
      return settle(decisions)
    }
    return (request) => from(request, 0, [])
  })

/**
 * Every policy must allow (intersection). Asked in order, up to the first denial.
 *
 * - one denies → that `Deny`: an explicit deny of a rules policy wins here, wherever it stands
 * - else one asks → the first `Ask`
 * - else `Allow`, with all reasons
 *
 * `all([])` is {@link allowAll}, which is also its identity.
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = (policies: ReadonlyArray<AuthPolicyShape>): Policy =>
  policies.length === 0
    ? allowAll
    : sequence(
        policies,
        (decision) => decision._tag === "Deny",
        (decisions) =>
          decisions.find((decision) => decision._tag === "Ask") ??
          AuthDecision.Allow({ reason: joinReasons(decisions) })
      )

/**
 * One policy that allows is enough (union). Asked in order, up to the first that allows.
 *
 * - one allows → that `Allow`, whatever the others deny (an explicit deny of a rules policy does not win here: use
 *   {@link all} for that)
 * - else one asks → the first `Ask`: with credentials it might allow
 * - else `Deny`, with all reasons
 *
 * `any([])` is {@link denyAll}, which is also its identity.
 *
 * @since 0.1.0
 * @category combinators
 */
export const any = (policies: ReadonlyArray<AuthPolicyShape>): Policy =>
  policies.length === 0
    ? denyAll
    : sequence(
        policies,
        (decision) => decision._tag === "Allow",
        (decisions) => {
          const ask = decisions.find((decision) => decision._tag === "Ask")
          if (ask !== undefined) return ask
          const denial = AuthDecision.Deny({ reason: joinReasons(decisions) })
          return decisions.some(isUndecided) ? undecided(denial) : denial
        }
      )

/**
 * Denies when the policy has not decided within `duration`, and interrupts it without waiting for it to stop.
 *
 * A node waits for its `readTimeout` (10 s by default) with everything else standing still, so stay far below that.
 *
 * @since 0.1.0
 * @category combinators
 */
export const deadline =
  (duration: Duration.DurationInput) =>
  (policy: AuthPolicyShape): Policy => {
    const limit = Duration.decode(duration)
    return combined(
      [policy],
      <Request>([ask]: ReadonlyArray<Ask<Request>>): Ask<Request> =>
        (request) => {
          const deciding = ask?.(request) ?? CRASHED
          return known(deciding) === undefined ? within(toEffect(deciding), limit) : deciding
        }
    )
  }

const decisionsKey = MetricKey.counter("mtx_manager_auth_decisions", {
  description: "Auth decisions by their outcome",
  incremental: true
})
/** With the tag in the key: `Metric.tagged` puts the key together anew at every count. */
const decisionsCounter = (decision: string) =>
  Metric.fromMetricKey(MetricKey.taggedWithLabels(decisionsKey, [MetricLabel.make("decision", decision)]))
const noTags: ReadonlyArray<MetricLabel.MetricLabel> = []
const counters = {
  Allow: decisionsCounter("allow"),
  Deny: decisionsCounter("deny"),
  Ask: decisionsCounter("ask")
}

/**
 * Counts the decisions by outcome in the metric `mtx_manager_auth_decisions{decision="allow"|"deny"|"ask"}`. The layers
 * do it themselves.
 *
 * @since 0.1.0
 * @category combinators
 */
export const counted = (policy: AuthPolicyShape): Policy => {
  const count = (decision: AuthDecision) => {
    counters[decision._tag].unsafeUpdate(1, noTags)
    return decision
  }
  const counting = combined(
    [policy],
    <Request>([ask]: ReadonlyArray<Ask<Request>>): Ask<Request> =>
      (request) => {
        const deciding = ask?.(request) ?? CRASHED
        const decision = known(deciding)
        // A known decision stays known, so that the edge can answer without a fiber.
        if (decision === undefined) return Effect.map(toEffect(deciding), count)
        count(decision)
        return deciding
      }
  )
  uncounted.set(counting, policy)
  return counting
}

/** What stands behind a counted policy, so that a combination of layers counts its answer only and not its parts'. */
const uncounted = new WeakMap<AuthPolicyShape, AuthPolicyShape>()
const withoutCount = (policy: AuthPolicyShape): AuthPolicyShape => uncounted.get(policy) ?? policy

/**
 * The service from a policy value; counts its decisions.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (policy: AuthPolicyShape): Layer.Layer<AuthPolicy> => Layer.succeed(AuthPolicy, counted(policy))

/**
 * The service from an effect that makes the policy value; counts its decisions.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEffect = <E, R>(policy: Effect.Effect<AuthPolicyShape, E, R>) =>
  Layer.scoped(AuthPolicy, Effect.map(policy, counted))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerAllowAll: Layer.Layer<AuthPolicy> = layer(allowAll)

/**
 * @since 0.1.0
 * @category layers
 */
export const layerDenyAll: Layer.Layer<AuthPolicy> = layer(denyAll)

/**
 * {@link fromFunction} as a layer. What an Effect function requires becomes the layer's requirement.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFunction = <R = never>(f: AuthFunction<R>): Layer.Layer<AuthPolicy, never, R> =>
  layerEffect(
    Effect.map(Effect.context<R>(), (context) =>
      fromFunction((request, options) => {
        const result = f(request, options)
        return Effect.isEffect(result) ? Effect.provide(result, context) : result
      })
    )
  )

/**
 * {@link all} of the policies that these layers build.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAll = <E = never, R = never>(
  layers: ReadonlyArray<Layer.Layer<AuthPolicy, E, R>>
): Layer.Layer<AuthPolicy, E, R> => combine(layers, all)

/**
 * {@link any} of the policies that these layers build.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAny = <E = never, R = never>(
  layers: ReadonlyArray<Layer.Layer<AuthPolicy, E, R>>
): Layer.Layer<AuthPolicy, E, R> => combine(layers, any)

const combine = <E, R>(
  layers: ReadonlyArray<Layer.Layer<AuthPolicy, E, R>>,
  combinator: (policies: ReadonlyArray<AuthPolicyShape>) => Policy
): Layer.Layer<AuthPolicy, E, R> =>
  Layer.scoped(
    AuthPolicy,
    Effect.map(
      Effect.forEach(layers, (one) =>
        Effect.map(Layer.build(one), (context) => withoutCount(Context.get(context, AuthPolicy)))
      ),
      (policies) => counted(combinator(policies))
    )
  )

/**
 * {@link deadline} around the policy that the layer builds.
 *
 * @since 0.1.0
 * @category layers
 */
export const withDeadline =
  (duration: Duration.DurationInput) =>
  <E, R>(self: Layer.Layer<AuthPolicy, E, R>): Layer.Layer<AuthPolicy, E, R> =>
    Layer.map(self, (context) =>
      Context.add(context, AuthPolicy, counted(deadline(duration)(withoutCount(Context.get(context, AuthPolicy)))))
    )
