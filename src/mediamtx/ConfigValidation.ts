/**
 * Says whether MediaMTX would take a config, and if not, everything that is wrong with it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { type ConfigIssue, InvalidConfig, makeIssue } from "./ConfigIssue.js"
import { describe, isObject, type Problem, unknownField } from "./FieldType.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"

/**
 * A config that a node can be given.
 *
 * @since 0.1.0
 * @category models
 */
export interface ValidConfig {
  /** Only live field names, no nulls; a path given as null is `{}`. */
  readonly config: MediaMTXConfig
  /** What works but is deprecated or dangerous. */
  readonly warnings: ReadonlyArray<ConfigIssue>
}

const rows = new Map(Object.entries(globalFields))

const toIssue = (found: Problem): ConfigIssue =>
  makeIssue({
    severity: "error",
    rule: found.rule,
    field: found.at,
    message: found.message,
    expected: found.expected,
    suggestion: found.suggestion
  })

/**
 * Validates a config.
 *
 * @since 0.1.0
 * @category validation
 */
export const validateConfig = (input: unknown): Either.Either<ValidConfig, InvalidConfig> => {
  if (!isObject(input)) {
    return Either.left(
      new InvalidConfig({
        issues: [toIssue({ at: [], rule: "wrong-type", message: `is ${describe(input)}`, expected: "an object" })]
      })
    )
  }
  const issues: Array<ConfigIssue> = []
  for (const [name, value] of Object.entries(input)) {
    const row = rows.get(name)
    if (row === undefined) issues.push(toIssue(unknownField(name, rows.keys())))
    else if (value !== undefined) {
      for (const found of row.type.check(value) ?? []) issues.push(toIssue({ ...found, at: [name, ...found.at] }))
    }
  }
  return issues.length > 0
    ? Either.left(new InvalidConfig({ issues }))
    : // Every field was just checked against the table that the type is written from.
      Either.right({ config: input as MediaMTXConfig, warnings: [] })
}
