/** What a ConfigSource would make of a change, without making it. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { InvalidConfig } from "../../mediamtx/ConfigIssue.js"
import type { ConfigChange } from "../ConfigRenderer.js"
import type { FleetConfig } from "../FleetConfig.js"
import type { NodeId } from "../NodeId.js"
import { inDocument, judgeInSteps, makeValidators } from "./configSource.js"

/**
 * The fleet's config after the change. `InvalidConfig`, with fields as in a FleetDocument, when what is new is not valid. An overlay that stays, but is
 * not valid with the new base, is no error: its node is among the `refused`, as it would be in the source.
 */
export const judgeChange = (before: FleetConfig, change: ConfigChange): Effect.Effect<FleetConfig, InvalidConfig> =>
  Effect.gen(function* () {
    const given = change.nodes ?? new Map<NodeId, unknown>()
    const overlays = new Map<NodeId, unknown>(change.onlyNodes === true ? [] : before.nodes)
    for (const [node, overlay] of given) {
      if (overlay === null) overlays.delete(node)
      else overlays.set(node, overlay)
    }
    const refusals: Array<InvalidConfig> = []
    const verdict = yield* judgeInSteps(makeValidators(), before, {
      base: Either.right(change.base === undefined ? before.base : change.base),
      overlays: Either.right({
        labels: change.labels === undefined ? before.labels : change.labels,
        overlays: change.overlays === undefined ? before.overlays : change.overlays
      }),
      nodes: new Map([...overlays].map(([node, overlay]) => [node, Either.right(overlay)])),
      explain: (node, error) => {
        const placed = inDocument(node, error)
        // What is kept was good with what was in force: that it no longer is, is for its node to suffer, not for the change.
        if (node === undefined || given.has(node)) refusals.push(placed)
        return placed
      }
    })
    if (refusals.length > 0 || verdict.config === undefined) {
      return yield* new InvalidConfig({ issues: refusals.flatMap(({ issues }) => issues) })
    }
    // Those that the source has refused already: what they hold is not known here, so they stay refused.
    const refused = new Map([...(verdict.config.refused ?? [])])
    if (change.onlyNodes !== true) {
      for (const [node, why] of before.refused ?? []) {
        if (!overlays.has(node) && !given.has(node)) refused.set(node, why)
      }
    }
    return verdict.config === before ? before : { ...verdict.config, refused }
  })
