/**
 * What a policy of rules lets be known of itself: what a dry run compares a candidate with.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { AuthRulesDocument, InvalidAuthRules } from "./AuthRulesDocument.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface RulesInForce {
  /** The document that decides now. It holds secrets. */
  readonly document: () => AuthRulesDocument
  /** Reads another document as if it were to be put in force, with the same findings. `at`: where it stands. */
  readonly check: (input: unknown, at?: ReadonlyArray<string>) => Effect.Effect<AuthRulesDocument, InvalidAuthRules>
  /** When (epoch milliseconds) a user got other secrets, came, or went; undefined: not in this process's time. */
  readonly changedAt: (user: string) => number | undefined
  /** When that was so of any user. */
  readonly anyChangedAt: () => number | undefined
}
