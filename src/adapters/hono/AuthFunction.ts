/** `auth`: who may do what, decided by a plain function. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as AuthCall from "../../api/AuthCall.js"
import { settled } from "../../api/Settled.js"
import type { AuthProtocol, AuthRequestBody } from "../../mediamtx/AuthRequest.js"
import { parseQuery } from "../../mediamtx/QueryString.js"
import * as AuthPolicy from "../../services/AuthPolicy.js"
import { asking } from "../../services/internal/authAround.js"
import { type Deciding, toEffect } from "../../services/internal/deciding.js"
import type { NodeId } from "../../services/NodeId.js"

/** Who asks: a client of a node, by what it says of itself. */
export interface AuthActor<Node extends string | undefined = string | undefined> {
  /** The client's address, as the node sees it. */
  readonly ip: string
  readonly user: string
  readonly password: string
  /** A bearer token; empty when there was none (MediaMTX repeats the password there: that is taken away). */
  readonly token: string
  /** Id of the session or connection, the same that hooks report; null where there is none. */
  readonly id: string | null
  readonly userAgent: string
  /** The node that asks. Empty, or undefined, where none does: `playback.request` comes from whoever wants a clip. */
  readonly node: Node
}

/** What it is about. */
export interface AuthPayload<Path extends string = string> {
  /** Name of the path. A node that still runs an older config may ask for one of that. */
  readonly path: Path
  /** Empty for playback, api, metrics and pprof. */
  readonly protocol: AuthProtocol
  /** The query of the client's URL, the first value of each key. It can hold credentials. */
  readonly query: Readonly<Record<string, string>>
}

/** Actions on a path, and actions on a node as a whole. */
export type PathAction = "publish" | "read" | "playback" | "playback.request"
export type NodeAction = "api" | "metrics" | "pprof" | "playback.worker"

/**
 * One question. `payload.path` is one of the config's names for actions on a path, empty for the others: a check of
 * `action` says which.
 */
export type AuthQuestion<Path extends string = string, Node extends string | undefined = string | undefined> = {
  readonly [Action in PathAction | NodeAction]: {
    readonly action: Action
    readonly actor: AuthActor<Node>
    readonly payload: AuthPayload<Action extends PathAction ? Path : "">
  }
}[PathAction | NodeAction]

/** `true` allows, `false` denies; an AuthDecision says it with a reason. Whatever is thrown denies, and is logged. */
export type AuthAnswer = boolean | AuthPolicy.AuthDecision

/** The signal is aborted when nobody waits for the answer any more. */
export type AuthFunction<Path extends string = string, Node extends string | undefined = string | undefined> = (
  question: AuthQuestion<Path, Node>,
  options: { readonly signal: AbortSignal }
) => AuthAnswer | Promise<AuthAnswer>

/** How an adapter is told who may do what: by a function, or by a policy of `AuthPolicy`. */
export type Auth<Path extends string = string, Node extends string | undefined = string | undefined> =
  | AuthFunction<Path, Node>
  | AuthPolicy.AuthPolicyShape

/** A node waits up to 10 seconds, and everything else on it waits with it. */
export const defaultDeadline: Duration.DurationInput = "2 seconds"

const nothing: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

/** The question as the function gets it. */
const questionOf = <Path extends string, Node extends string | undefined>(
  from: AuthPolicy.PlainAuthRequest,
  node: string | undefined
): AuthQuestion<Path, Node> => {
  const { id, ip, password, query, token, user, userAgent } = from
  const question = {
    action: from.action,
    actor: { ip, user, password, token, id, userAgent, node },
    payload: { path: from.path, protocol: from.protocol, query: query === "" ? nothing : parseQuery(query) }
  }
  // The names are those of the config that nodes are given, and MediaMTX only asks about paths that it has; only the
  // actions on a node come without a path. Where the node must be named, the route has seen to it.
  return question as AuthQuestion<Path, Node>
}

/**
 * Asks a function, within its deadline: now, or by a promise that never rejects.
 *
 * Not by `AuthPolicy.fromFunction`, because the fibers of that cost as much as all the rest of a call. What goes wrong
 * does go that way: it knows how to tell of failures.
 */
const askingFunction = <Path extends string, Node extends string | undefined>(
  auth: AuthFunction<Path, Node>,
  deadline: Duration.DurationInput
) => {
  const limit = Duration.decode(deadline)
  // Timers that are longer fire at once.
  const millis = Math.min(Duration.toMillis(limit), 2 ** 31 - 1)
  const late = AuthPolicy.tooLate(limit)
  const failures = new WeakMap<AuthPolicy.AuthRequest, { readonly error: unknown }>()
  const reporter = AuthPolicy.fromFunction((request) => {
    const failure = failures.get(request)
    if (failure !== undefined) throw failure.error
    return true
  })
  let failing = false

  const failed = (plain: AuthPolicy.PlainAuthRequest, error: unknown): Effect.Effect<AuthPolicy.AuthDecision> => {
    failing = true
    const request = AuthPolicy.fromPlain(plain)
    failures.set(request, { error })
    return reporter.decide(request)
  }
  const answered = (answer: AuthAnswer, plain: AuthPolicy.PlainAuthRequest): Deciding => {
    let decision: AuthPolicy.AuthDecision
    try {
      decision = AuthPolicy.toDecision(answer)
    } catch (error) {
      return failed(plain, error)
    }
    if (!failing) return decision
    failing = false
    return Effect.as(reporter.decide(AuthPolicy.fromPlain(plain)), decision)
  }

  /** `settle` is given the decision, or how to come to it, before the promise of it is kept: one hop less for each call. */
  return <A>(
    question: AuthQuestion<Path, Node>,
    request: AuthPolicy.PlainAuthRequest,
    settle: (deciding: Deciding) => A | PromiseLike<A>
  ): Deciding | Promise<A> => {
    const call = new AuthPolicy.AuthFunctionCall()
    let answer: ReturnType<typeof auth>
    try {
      answer = auth(question, call)
    } catch (error) {
      return failed(request, error)
    }
    if (!Predicate.isPromiseLike(answer)) return answered(answer, request)
    const promise = answer
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        call.abort()
        resolve(settle(late))
      }, millis)
      promise.then(
        (value) => {
          clearTimeout(timer)
          resolve(settle(answered(value, request)))
        },
        (error: unknown) => {
          clearTimeout(timer)
          resolve(settle(failed(request, error)))
        }
      )
    })
  }
}

/** The policy, within its deadline. */
export const toPolicy = <Path extends string>(
  auth: Auth<Path, string>,
  deadline: Duration.DurationInput = defaultDeadline
): AuthPolicy.Policy => {
  if (typeof auth !== "function") return AuthPolicy.deadline(deadline)(auth)
  const ask = askingFunction(auth, deadline)
  return AuthPolicy.makeUnsafe((request) => {
    const deciding = ask(questionOf<Path, string>(request, request.node ?? ""), request, toEffect)
    return deciding instanceof Promise
      ? Effect.async((resume) => {
          deciding.then(resume)
        })
      : deciding
  })
}

/** Decides on a call of MediaMTX; never throws, never rejects. */
export type Decider = (
  node: NodeId | undefined,
  body: AuthRequestBody
) => AuthPolicy.AuthDecision | Promise<AuthPolicy.AuthDecision>

const run = (deciding: Deciding): AuthPolicy.AuthDecision | Promise<AuthPolicy.AuthDecision> =>
  Effect.isEffect(deciding) ? (settled(deciding)?.value ?? Effect.runPromise(deciding)) : deciding

/** As `toPolicy`, where there is nothing else to run on. */
export const toDecider = <Path extends string>(
  auth: Auth<Path>,
  deadline: Duration.DurationInput = defaultDeadline
): Decider => {
  if (typeof auth !== "function") {
    const ask = asking(AuthPolicy.deadline(deadline)(auth))
    return (node, body) => run(ask(AuthCall.question(node, body)))
  }
  const ask = askingFunction(auth, deadline)
  return (node, body) => {
    const request = AuthCall.question(node, body)
    const deciding = ask(questionOf<Path, string | undefined>(request, node), request, run)
    return deciding instanceof Promise ? deciding : run(deciding)
  }
}
