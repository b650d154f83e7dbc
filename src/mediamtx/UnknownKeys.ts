/** Keys of a section of ours that it does not have: passed over without a word, a setting would seem to be in force. */
import { type ConfigIssue, makeIssue } from "./ConfigIssue.js"
import { didYouMean } from "./DidYouMean.js"

/** An error for each key of `given` that is none of `known`. `at` is where it stands. */
export const unknownKeys = (
  given: object,
  known: ReadonlyArray<string>,
  at: ReadonlyArray<string>
): ReadonlyArray<ConfigIssue> =>
  Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) =>
      makeIssue({
        severity: "error",
        rule: "unknown-field",
        field: [...at, key],
        message: "is not known here",
        expected: `one of ${known.join(", ")}`,
        suggestion: didYouMean(key, known)
      })
    )
