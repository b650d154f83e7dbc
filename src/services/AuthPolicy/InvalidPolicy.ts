/**
 * Settings that a policy can't be made from.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConfigIssue, formatIssue } from "../../mediamtx/ConfigIssue.js"

/**
 * Holds every finding, each with its place, what is wrong and what would be right; no secrets.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPolicy extends Schema.TaggedError<InvalidPolicy>()("InvalidPolicy", {
  issues: Schema.Array(ConfigIssue)
}) {
  override get message(): string {
    return ["the policy can't be made:", ...this.issues.map((issue) => `  ${formatIssue(issue)}`)].join("\n")
  }
}
