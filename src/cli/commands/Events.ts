import type * as Effect from "effect/Effect"
import { type CliError, failed } from "../CliError.js"
export const events = (_options: object): Effect.Effect<void, CliError> => failed("not built yet")
