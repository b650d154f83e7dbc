/**
 * What a validator has to say about one place in a MediaMTX config, and the error that carries all of it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * One finding. An `error` keeps the config from being used; a `warning` names something that works but is deprecated or
 * dangerous.
 *
 * @since 0.1.0
 * @category models
 */
export const ConfigIssue = Schema.Struct({
  severity: Schema.Literal("error", "warning"),
  /** Stable kebab-case id of the rule, for tests, docs and suppressions: `record-path-needs-path`. */
  rule: Schema.String,
  /** Where: the keys from the root, list positions as decimal text. Empty for the config as a whole. */
  field: Schema.Array(Schema.String),
  /** The same as one printable text: `paths["~^cam(.*)$"].recordPath`. */
  fieldText: Schema.String,
  /** What is wrong. Never holds a secret: passwords in URLs and credentials are left out. */
  message: Schema.String,
  /** What would be right. */
  expected: Schema.String,
  /** A concrete replacement where one is likely meant: the nearest field name, the value with its unit. */
  suggestion: Schema.optionalWith(Schema.String, { exact: true })
}).annotations({ identifier: "ConfigIssue" })

/**
 * @since 0.1.0
 * @category models
 */
export type ConfigIssue = typeof ConfigIssue.Type

const bare = /^[A-Za-z_][A-Za-z0-9_]*$/
const listIndex = /^(?:0|[1-9][0-9]*)$/

/**
 * Prints a field path: `["paths", "~^a.b$", "forward", "0", "dest"]` becomes `paths["~^a.b$"].forward[0].dest`.
 * The empty path is `(config)`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatField = (field: ReadonlyArray<string>): string => {
  if (field.length === 0) return "(config)"
  let text = ""
  for (const [index, segment] of field.entries()) {
    if (bare.test(segment)) text += index === 0 ? segment : `.${segment}`
    // The names of paths may be all digits, so the key below `paths` is always quoted unless it is a bare word.
    else if (listIndex.test(segment) && !(index === 1 && field[0] === "paths")) text += `[${segment}]`
    else text += `[${JSON.stringify(segment)}]`
  }
  return text
}

const segment = /^(?:\.?([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\])/

/**
 * Reads what {@link formatField} printed. A text of another form gives the segments up to where it differs.
 *
 * @since 0.1.0
 * @category formatting
 */
export const parseField = (text: string): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (let rest = text; rest !== ""; ) {
    const [whole, word, index, quoted] = segment.exec(rest) ?? []
    if (whole === undefined) break
    out.push(word ?? index ?? String(JSON.parse(quoted ?? '""')))
    rest = rest.slice(whole.length)
  }
  return out
}

/**
 * Builds a {@link ConfigIssue}, deriving its printable field.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeIssue = (issue: {
  readonly severity: "error" | "warning"
  readonly rule: string
  readonly field: ReadonlyArray<string>
  readonly message: string
  readonly expected: string
  readonly suggestion?: string | undefined
}): ConfigIssue => ({
  severity: issue.severity,
  rule: issue.rule,
  field: issue.field,
  fieldText: formatField(issue.field),
  message: issue.message,
  expected: issue.expected,
  ...(issue.suggestion === undefined ? {} : { suggestion: issue.suggestion })
})

/**
 * One line for people: `error paths.cam.record: is the text "yes" (expected true or false; did you mean true?) [wrong-type]`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatIssue = (issue: ConfigIssue): string =>
  `${issue.severity} ${issue.fieldText}: ${issue.message} (expected ${issue.expected}${
    issue.suggestion === undefined ? "" : `; did you mean ${issue.suggestion}?`
  }) [${issue.rule}]`

/**
 * The config cannot be given to a node. Holds every finding, warnings included, never only the first.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>()("InvalidConfig", {
  issues: Schema.Array(ConfigIssue)
}) {
  /** The findings that make the config unusable. */
  get errors(): ReadonlyArray<ConfigIssue> {
    return this.issues.filter((issue) => issue.severity === "error")
  }
  /** The findings that would not stop it. */
  get warnings(): ReadonlyArray<ConfigIssue> {
    return this.issues.filter((issue) => issue.severity === "warning")
  }
  override get message(): string {
    const errors = this.errors
    return [
      `the MediaMTX config is invalid: ${errors.length} error${errors.length === 1 ? "" : "s"}`,
      ...errors.map((issue) => `  ${formatIssue(issue)}`)
    ].join("\n")
  }
}
