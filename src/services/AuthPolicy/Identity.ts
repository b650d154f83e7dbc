/**
 * Who asks, as auth rules have found out.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { AuthDecision, PlainAuthRequest, Proof } from "../AuthPolicy.js"

/**
 * The name of who asks; undefined for whoever gave no credentials. And how that is known.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  readonly _tag: "Identity"
  readonly user: string | undefined
  readonly proof: Proof
}

/**
 * Finds out who asks; a decision means: not who they say they are.
 *
 * @since 0.1.0
 * @category models
 */
export type Authenticate = (
  request: PlainAuthRequest
) => Identity | AuthDecision | Effect.Effect<Identity | AuthDecision>

export const ANONYMOUS: Identity = { _tag: "Identity", user: undefined, proof: { kind: "anonymous", user: null } }

export const UNCHECKED: Proof = { kind: "unchecked", user: null }
export const WRONG: Proof = { kind: "wrong", user: null }
