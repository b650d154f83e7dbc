/**
 * AuthPolicy: may this client do this on that node?
 *
 * Decided in memory within milliseconds: a MediaMTX node asks from its single path manager, so one slow answer freezes
 * every publisher, reader, metrics and API call of that node.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { AuthAction, AuthProtocol } from "../mediamtx/AuthRequest.js"
import type { NodeId } from "./NodeId.js"

/** One question, with the node that asks. `token` is empty when MediaMTX only repeated the password there. */
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
 * The answer and why. `reason` is shown to operators and lands in the node's log: it must never hold a secret.
 *
 * - `Allow` → 204
 * - `Deny` → 403, or 401 when no credentials were given and the protocol can prompt
 * - `Ask` → 401: ask for credentials; on a protocol that can't prompt it is a denial
 */
export type AuthDecision = Data.TaggedEnum<{
  Allow: { readonly reason: string }
  Deny: { readonly reason: string }
  Ask: { readonly reason: string }
}>
export const AuthDecision = Data.taggedEnum<AuthDecision>()

export interface AuthPolicyShape {
  /** Never fails: whatever goes wrong inside a policy is a denial with its reason. */
  readonly decide: (request: AuthRequest) => Effect.Effect<AuthDecision>
}

export class AuthPolicy extends Context.Tag("mtx-manager/AuthPolicy")<AuthPolicy, AuthPolicyShape>() {}
