/**
 * `rollouts`, and `rollout resume|abort|promote ID`: changes of the config on their way to the nodes of a running manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { RolloutInfo } from "../../services/Rollout.js"
import type { CliError } from "../CliError.js"
import { Output, paint, printable, table } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"
import { lasting } from "./Nodes.js"

export interface RolloutsOptions extends Flags {
  readonly json: boolean
}
export interface RolloutActOptions extends RolloutsOptions {
  readonly id: number
}

const encode = Schema.encodeSync(Schema.Array(RolloutInfo))

const styles = {
  running: "cyan",
  held: "yellow",
  halted: "red",
  completed: "green",
  aborted: "dim",
  superseded: "dim"
} as const

const show = Effect.fnUntraced(function* (found: ReadonlyArray<RolloutInfo>, json: boolean) {
  const output = yield* Output
  if (json) return yield* output.line(JSON.stringify(encode(found), undefined, 2))
  const now = yield* Clock.currentTimeMillis
  const heading = ["ROLLOUT", "STATE", "FOR", "NODES", "WAVES", ""].map((text) => paint(text, "bold", output.color))
  const rows = found.map((rollout) => {
    const sum = (of: "nodes" | "given" | "applied") => rollout.waves.reduce((total, wave) => total + wave[of], 0)
    const released = rollout.waves.filter(({ releasedAt }) => releasedAt !== null).length
    return [
      String(rollout.id) + (rollout.revision === null ? "" : ` (revision ${rollout.revision})`),
      paint(rollout.state, styles[rollout.state], output.color),
      lasting(now - rollout.stateSince),
      `${sum("given")} of ${sum("nodes")} have it, ${sum("applied")} run it`,
      `${released} of ${rollout.waves.length}`,
      printable(rollout.reason)
    ]
  })
  return yield* output.line(table([heading, ...rows]))
})

export const rollouts = (
  options: RolloutsOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const { base, client } = yield* Remote.connect(options)
    const found = yield* client.rollouts.list().pipe(Effect.mapError(Remote.explain(base)))
    if (found.length === 0 && !options.json) {
      return yield* output.line("nothing was rolled out in steps: manager.yml says how, under rollout")
    }
    yield* show(found, options.json)
  }).pipe(Effect.provide(Remote.layerHttp))

export const act =
  (name: "resume" | "abort" | "promote") =>
  (options: RolloutActOptions): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
    Effect.gen(function* () {
      const { base, client } = yield* Remote.connect(options)
      const changed = yield* client.rollouts[name]({ path: { id: options.id } }).pipe(
        Effect.mapError(Remote.explain(base))
      )
      yield* show([changed], options.json)
    }).pipe(Effect.provide(Remote.layerHttp))
