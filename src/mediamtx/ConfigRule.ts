/**
 * A rule about how fields of a config fit together, beyond the type of each.
 *
 * @since 0.1.0
 */

/**
 * Who minds when a rule is broken.
 *
 * - `load`: MediaMTX refuses the file
 * - `start`: MediaMTX takes the file, then ends because a server can't be started
 * - `run`: MediaMTX starts, and fails, crashes or does nothing later on
 *
 * @since 0.1.0
 * @category models
 */
export type RuleOrigin = "load" | "start" | "run"

/**
 * One break of a rule.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly at: ReadonlyArray<string>
  readonly message: string
  readonly expected: string
  readonly suggestion?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RuleInfo {
  /** Stable kebab-case id, as in `ConfigIssue.rule`. */
  readonly id: string
  readonly severity: "error" | "warning"
  readonly origin: RuleOrigin
  /** The rule as one sentence. */
  readonly doc: string
}
