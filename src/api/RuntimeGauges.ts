/** What the runtime under the manager has to tell of itself. Node has it, other runtimes tell nothing. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Family } from "./PrometheusText.js"

export interface RuntimeGaugesShape {
  /** The values now. */
  readonly read: Effect.Effect<ReadonlyArray<Family>>
}

export class RuntimeGauges extends Context.Tag("mtx-manager/RuntimeGauges")<RuntimeGauges, RuntimeGaugesShape>() {}
