/** `auth`: who may do what, decided by a plain function. */
import type * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import type { AuthProtocol } from "../../mediamtx/AuthRequest.js"
import { parseQuery } from "../../mediamtx/QueryString.js"
import * as AuthPolicy from "../../services/AuthPolicy.js"

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
  /** The node that asks. */
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

/** The question with its secrets laid open, for the function that decides by them. */
const reveal = (request: AuthPolicy.AuthRequest) => {
  const query = Redacted.value(request.query)
  return {
    action: request.action,
    actor: {
      ip: request.ip,
      user: request.user,
      password: Redacted.value(request.password),
      token: Redacted.value(request.token),
      id: request.id,
      userAgent: request.userAgent,
      node: request.node
    },
    payload: {
      path: request.path,
      protocol: request.protocol,
      query: query === "" ? nothing : parseQuery(query)
    }
  }
}

/** The policy, within its deadline. */
export const toPolicy = <Path extends string, Node extends string | undefined>(
  auth: Auth<Path, Node>,
  deadline: Duration.DurationInput = defaultDeadline
): AuthPolicy.Policy =>
  typeof auth === "function"
    ? AuthPolicy.fromFunction(
        (request, options) =>
          // The names are those of the config that nodes are given, and MediaMTX only asks about paths that it has; only
          // the actions on a node come without a path. Where the node must be named, the route has seen to it.
          auth(reveal(request) as AuthQuestion<Path, Node>, options),
        { deadline }
      )
    : AuthPolicy.deadline(deadline)(auth)
