/**
 * Why a command ended without having done its work, in words for the person who typed it.
 */
import * as Schema from "effect/Schema"

/**
 * What the process exits with. Documented in `mtx-manager --help`.
 *
 * - `failed`: the command was understood, but could not do its work, or a checked file is not valid
 * - `usage`: the command line or a setting is wrong; nothing was done
 * - `drops`: of `plan`: the change would drop something
 */
export const exitCodes = { ok: 0, failed: 1, usage: 2, drops: 3 } as const

/** Printed as it is, without a stack trace. Holds no secret. */
export class CliError extends Schema.TaggedError<CliError>()("CliError", {
  reason: Schema.Literal("failed", "usage", "drops"),
  /** One or more lines. Empty when everything has been said already. */
  message: Schema.String
}) {}

/** The command could not do its work. */
export const failed = (message: string): CliError => new CliError({ reason: "failed", message })

/** The command line or a setting is wrong. */
export const usage = (message: string): CliError => new CliError({ reason: "usage", message })
