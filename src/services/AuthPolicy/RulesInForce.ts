/**
 * What a policy of rules offers besides its decisions: to try other rules on what was decided.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { AuthDecision, PlainAuthRequest, Proof } from "../AuthPolicy.js"
import type { InvalidAuthRules } from "./AuthRulesDocument.js"
import type { Identity } from "./Identity.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface RulesInForce {
  /**
   * Reads another document as if it were to be put in force, with the same findings. `at`: where it stands in its file, for
   * those.
   */
  readonly candidate: (input: unknown, at?: ReadonlyArray<string>) => Effect.Effect<RulesCandidate, InvalidAuthRules>
}

/**
 * What is known of a decision that was made, as the log of decisions has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decided {
  /** Epoch milliseconds. */
  readonly at: number
  readonly user: string
  /** Whether `user` is what the client gave. */
  readonly known: boolean
  readonly credentials: "none" | "password" | "token" | "query"
  readonly proof: Proof["kind"]
  readonly provenUser: string | null
}

/**
 * Rules that are not in force.
 *
 * @since 0.1.0
 * @category models
 */
export interface RulesCandidate {
  /** Who it may have been; a decision is somebody whose credentials are wrong. `why` there is more than one. */
  readonly possible: (decided: Decided) => {
    readonly identities: ReadonlyArray<Identity | AuthDecision>
    readonly why: string
  }
  /** What is decided for that one, and whether it mattered who it is. */
  readonly decide: (
    request: PlainAuthRequest,
    identity: Identity | AuthDecision
  ) => { readonly decision: AuthDecision; readonly asked: boolean }
}
