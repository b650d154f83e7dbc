/**
 * A config file as `validate` and `import` look at it: read as MediaMTX reads it, validated, and everything found put at
 * its line and column.
 */
import * as Either from "effect/Either"
import { type ConfigDocument, parseConfigText } from "../mediamtx/ConfigDocument.js"
import { validateConfig } from "../mediamtx/ConfigValidation.js"
import { formatIssues, type PrintableIssue, type SourcePosition } from "../mediamtx/IssueText.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"

/** A finding with its place. */
export interface PlacedIssue extends PrintableIssue {
  readonly position: SourcePosition | undefined
}

export interface CheckedConfig {
  readonly file: string
  readonly text: string
  readonly issues: ReadonlyArray<PlacedIssue>
  readonly errors: number
  readonly warnings: number
  /** Undefined when the text can't be read. */
  readonly document: ConfigDocument | undefined
  /** Live names only; undefined when there are errors. */
  readonly config: MediaMTXConfig | undefined
}

const byPlace = (a: PlacedIssue, b: PlacedIssue): number =>
  (a.position?.line ?? 0) - (b.position?.line ?? 0) || (a.position?.column ?? 0) - (b.position?.column ?? 0)

/** Checks a text. `file` is the name for messages. */
export const checkConfigText = (file: string, text: string): CheckedConfig => {
  const parsed = parseConfigText(text, { file })
  if (Either.isLeft(parsed)) {
    const issues = parsed.left.issues.map(
      ({ hint, message, ...position }): PlacedIssue => ({
        severity: "error",
        rule: "syntax",
        field: [],
        message,
        hint,
        position
      })
    )
    return { file, text, issues, errors: issues.length, warnings: 0, document: undefined, config: undefined }
  }
  const document = parsed.right
  const issues: Array<PlacedIssue> = document.warnings.map(({ hint, message, ...position }) => ({
    severity: "warning",
    rule: "yaml",
    field: [],
    message,
    hint,
    position
  }))
  if (document.isEmpty) {
    issues.push({
      severity: "warning",
      rule: "empty-config",
      field: [],
      message: "sets nothing at all: MediaMTX alone would run on its defaults, open to everyone",
      expected: "at least one field",
      position: undefined
    })
  }
  const validated = validateConfig(document.value)
  const found = Either.isLeft(validated) ? validated.left.issues : validated.right.warnings
  for (const issue of found) issues.push({ ...issue, position: document.positionOf(issue.field) })
  issues.sort(byPlace)
  const errors = issues.filter((issue) => issue.severity === "error").length
  return {
    file,
    text,
    issues,
    errors,
    warnings: issues.length - errors,
    document,
    config: Either.isRight(validated) ? validated.right.config : undefined
  }
}

/** Compiler-style text of everything found; empty when all is well. */
export const formatChecked = (checked: CheckedConfig, color: boolean): string =>
  formatIssues({ text: checked.text, file: checked.file, issues: checked.issues, color })

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

/** `2 errors, 1 warning`; `no errors`. */
export const summary = (checked: { readonly errors: number; readonly warnings: number }): string =>
  [
    checked.errors === 0 ? "no errors" : count(checked.errors, "error"),
    ...(checked.warnings === 0 ? [] : [count(checked.warnings, "warning")])
  ].join(", ")
