/**
 * `validate FILE...`: would MediaMTX take these files, and if not, where and why not.
 */
import * as Effect from "effect/Effect"
import { type CheckedConfig, checkConfigText, formatChecked, summary } from "../CheckedConfig.js"
import { CliError, usage } from "../CliError.js"
import { inputName, readInput } from "../InputFile.js"
import { Output, paint } from "../Output.js"

export interface ValidateOptions {
  readonly files: ReadonlyArray<string>
  readonly json: boolean
  /** Warnings fail as well. */
  readonly strict: boolean
}

/** One file's findings for programs. Positions count from 1; a finding without a place in the text has none. */
const toJson = (checked: CheckedConfig) => ({
  file: checked.file,
  valid: checked.errors === 0,
  errors: checked.errors,
  warnings: checked.warnings,
  issues: checked.issues.map((issue) => ({
    severity: issue.severity,
    rule: issue.rule,
    field: issue.field,
    ...(issue.position === undefined
      ? {}
      : { line: issue.position.line, column: issue.position.column, length: issue.position.length }),
    message: issue.message,
    expected: issue.expected,
    suggestion: issue.suggestion,
    hint: issue.hint
  }))
})

export const validate = Effect.fn("cli.validate")(function* (options: ValidateOptions) {
  const output = yield* Output
  if (options.files.filter((file) => file === "-").length > 1) {
    return yield* usage("- stands for stdin and can be given only once")
  }
  const outcomes = yield* Effect.forEach(options.files, (file) =>
    Effect.either(Effect.map(readInput(file), (text) => checkConfigText(inputName(file), text)))
  )
  let bad = false
  const report: Array<unknown> = []
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome._tag === "Left") {
      bad = true
      if (options.json) {
        report.push({
          file: inputName(options.files[index] ?? ""),
          valid: false,
          errors: 1,
          warnings: 0,
          issues: [{ severity: "error", rule: "unreadable", field: [], message: outcome.left.message }]
        })
      } else yield* output.note(outcome.left.message)
      continue
    }
    const checked = outcome.right
    if (checked.errors > 0 || (options.strict && checked.warnings > 0)) bad = true
    if (options.json) {
      report.push(toJson(checked))
      continue
    }
    // Findings are this command's result, so that `validate FILE | less` shows them.
    if (checked.issues.length > 0) yield* output.raw(formatChecked(checked, output.color))
    const line = `${checked.file}: ${summary(checked)}`
    yield* output.line(
      paint(line, checked.errors > 0 ? "red" : checked.warnings > 0 ? "yellow" : "green", output.color)
    )
  }
  if (options.json) yield* output.line(JSON.stringify({ valid: !bad, files: report }, undefined, 2))
  // Everything has been said.
  if (bad) return yield* new CliError({ reason: "failed", message: "" })
})
