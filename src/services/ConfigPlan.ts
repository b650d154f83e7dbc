/**
 * ConfigPlan: what a change of the fleet's config would do to each node and to what is live on it, before it is made.
 *
 * Configs are compared as nodes are given them, with our hooks and addresses in them. Nodes that share a config are
 * compared once.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { parseConfigText } from "../mediamtx/ConfigDocument.js"
import { ConfigIssue, type InvalidConfig } from "../mediamtx/ConfigIssue.js"
import { makeConfigValidator } from "../mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { type ConfigComparison, compareConfigs, type LiveState, ReloadImpact } from "../mediamtx/ReloadImpact.js"
import type { ConfigChange, ConfigPreview, ConfigRendererShape, NodeReport } from "./ConfigRenderer.js"
import type { FleetConfig } from "./FleetConfig.js"
import { type FleetDocument, readNodes } from "./FleetDocument.js"
import type { FleetSnapshot } from "./FleetState.js"
import { classOf, sampleNodes } from "./internal/configLayers.js"
import { isNodeId, NodeId } from "./NodeId.js"
import { labelsOf, VERSION_LABEL } from "./NodeLabels.js"
import type { NodeRecord } from "./NodeRegistry.js"

/** What the change does to one node. */
export const NodePlan = Schema.Struct({
  node: NodeId,
  /** As the registry has it; null for a node that has never called. What is live on a node that is not online is a guess. */
  status: Schema.NullOr(Schema.Literal("online", "stale", "offline")),
  /** Whether the node said that it runs what it is given now: the prediction starts from that. Null: it has not said. */
  inSync: Schema.NullOr(Schema.Boolean),
  /**
   * - `unchanged`: the very same config
   * - `reloads`: see `impact`
   * - `keeps`: with this change its config can't be rendered, so it keeps what it has; see `reason`
   * - `starts`: it has had no config so far
   */
  outcome: Schema.Literal("unchanged", "reloads", "keeps", "starts"),
  reason: Schema.NullOr(Schema.String),
  impact: Schema.NullOr(ReloadImpact)
}).annotations({ identifier: "NodePlan" })
export type NodePlan = typeof NodePlan.Type

export const ConfigPlan = Schema.Struct({
  /** The source's revision that the change was compared with. */
  revision: Schema.Int,
  /** What works in the new config but is deprecated or dangerous. */
  warnings: Schema.Array(ConfigIssue),
  /**
   * What it does to a node that has no overlay, whoever is on it: `changes`, `entries` and `listeners` are of use, there is
   * nothing live. Null when the base alone can't be rendered.
   */
  shared: Schema.NullOr(ReloadImpact),
  /** The worst first. */
  nodes: Schema.Array(NodePlan),
  drops: Schema.Struct({
    /** Nodes on which anything drops. */
    nodes: Schema.NonNegativeInt,
    streams: Schema.NonNegativeInt,
    readers: Schema.NonNegativeInt,
    connections: Schema.NonNegativeInt
  })
}).annotations({ identifier: "ConfigPlan" })
export type ConfigPlan = typeof ConfigPlan.Type

/** This ConfigRenderer has no `preview`. */
export class PlanNotSupported extends Schema.TaggedError<PlanNotSupported>()("PlanNotSupported", {
  message: Schema.String
}) {}

export interface PlanInput {
  readonly change: ConfigChange
  /** Nodes to plan for, and what the registry knows of them. */
  readonly nodes: ReadonlyArray<{ readonly id: NodeId; readonly record: NodeRecord | undefined }>
  /** Undefined: nothing is known of what is live. */
  readonly snapshot: FleetSnapshot | undefined
}

/** One node alone, or all that have called and all that the change has an overlay for. */
export const nodesOf = (
  change: ConfigChange,
  records: ReadonlyArray<NodeRecord>,
  only: NodeId | undefined
): PlanInput["nodes"] => {
  const known = new Map(records.map((record) => [record.id, record]))
  const ids = only === undefined ? new Set([...known.keys(), ...(change.nodes?.keys() ?? [])]) : [only]
  return [...ids].map((id) => ({ id, record: known.get(id) }))
}

/** The change that puts a whole document in place of all that is in force. */
export const replaceBy = ({
  base,
  labels = {},
  nodes = {},
  overlays = []
}: FleetDocument): Either.Either<ConfigChange, InvalidConfig> =>
  Either.map(readNodes(nodes), (own) => ({ base, labels, overlays, nodes: own, onlyNodes: true }))

/**
 * Nodes to plan for where it is not known which there are: those that the config names, now or after the change, and one with
 * a made-up id for each other way in which nodes may be labelled.
 */
export const imaginedNodes = ({ after, before }: Pick<ConfigPreview, "after" | "before">): ReadonlyArray<NodeId> => {
  const fleets = [before, after]
  const named = new Set<string>(
    fleets.flatMap(({ labels = {}, nodes }) => [...nodes.keys(), ...Object.keys(labels).filter(isNodeId)])
  )
  const keyOf = (node: string) => classIn(fleets, node, null)
  const seen = new Set([ANY_NODE, ...named].map(keyOf))
  const madeUp = fleets.flatMap(sampleNodes).filter((node) => {
    const key = keyOf(node)
    return !seen.has(key) && seen.add(key)
  })
  return [...named, ...madeUp].filter(isNodeId)
}

const nothing: LiveState = { paths: [], publishers: [], readers: [], connections: [] }

/** What is live, node by node. */
const byNode = (snapshot: FleetSnapshot | undefined): ((node: NodeId) => LiveState) => {
  if (snapshot === undefined) return () => nothing
  const group = <A extends { readonly node: NodeId }>(items: ReadonlyArray<A>) => {
    const groups = new Map<NodeId, Array<A>>()
    for (const item of items) {
      const found = groups.get(item.node)
      if (found === undefined) groups.set(item.node, [item])
      else found.push(item)
    }
    return groups
  }
  const paths = group(snapshot.paths)
  const publishers = group(snapshot.publishers)
  const readers = group(snapshot.readers)
  const connections = group(snapshot.connections)
  return (node) => ({
    paths: paths.get(node) ?? [],
    publishers: publishers.get(node) ?? [],
    readers: readers.get(node) ?? [],
    connections: connections.get(node) ?? []
  })
}

/** Its name stands for every node that has no overlay. Nobody is rendered by it. */
const ANY_NODE = NodeId.make("plan")

const harm = ({ impact, outcome }: NodePlan): ReadonlyArray<number> => [
  impact?.drops.streams ?? 0,
  impact?.drops.readers ?? 0,
  impact?.drops.connections ?? 0,
  ["keeps", "reloads", "starts", "unchanged"].length - ["keeps", "reloads", "starts", "unchanged"].indexOf(outcome)
]

const worstFirst = (a: NodePlan, b: NodePlan): number => {
  const ofB = harm(b)
  for (const [index, value] of harm(a).entries()) {
    const difference = (ofB[index] ?? 0) - value
    if (difference !== 0) return difference
  }
  return a.node < b.node ? -1 : 1
}

/** Nodes that the same overlays select, and that run the same MediaMTX, have one config, but for those with their own. */
const classIn = (fleets: ReadonlyArray<FleetConfig>, node: string, version: string | null): string =>
  fleets
    .flatMap((fleet) => [classOf(fleet, node), version ?? labelsOf(fleet.labels, node)[VERSION_LABEL] ?? ""])
    .join("\n\n")

/** What the two texts of one group of nodes say. */
type Compared =
  | { readonly _tag: "Unchanged" }
  | { readonly _tag: "Starts" }
  | { readonly _tag: "Keeps"; readonly reason: string }
  | { readonly _tag: "Reloads"; readonly comparison: ConfigComparison }

/**
 * Plans a change. Fails with `InvalidConfig` when the source would refuse it.
 */
export const plan = (
  renderer: ConfigRendererShape,
  input: PlanInput
): Effect.Effect<ConfigPlan, InvalidConfig | PlanNotSupported> =>
  Effect.gen(function* () {
    if (renderer.preview === undefined) {
      return yield* new PlanNotSupported({ message: "this manager's ConfigRenderer can't preview a change" })
    }
    const preview = yield* renderer.preview(input.change)
    // A memory of its own for each side: a validator remembers paths for one set of defaults at a time.
    const sides = { before: makeConfigValidator(), after: makeConfigValidator() }
    const read = (side: keyof typeof sides, text: string): Either.Either<MediaMTXConfig, string> =>
      parseConfigText(text).pipe(
        Either.flatMap((document) => sides[side].validate(document.value)),
        Either.mapBoth({ onLeft: (error) => error.message, onRight: (valid) => valid.config })
      )

    const compare = (node: NodeId, version: NodeReport | null): Effect.Effect<Compared> =>
      Effect.gen(function* () {
        const old = yield* Effect.either(renderer.render(node, version))
        const fresh = yield* Effect.either(preview.render(node, version))
        if (Either.isLeft(fresh)) return { _tag: "Keeps", reason: fresh.left.message } as const
        if (Either.isLeft(old)) return { _tag: "Starts" } as const
        if (old.right.yaml === fresh.right) return { _tag: "Unchanged" } as const
        const before = read("before", old.right.yaml)
        const after = read("after", fresh.right)
        // What we have rendered we can read: anything else is a bug of ours.
        if (Either.isLeft(before)) return yield* Effect.dieMessage(`a rendered config can't be read: ${before.left}`)
        if (Either.isLeft(after)) return yield* Effect.dieMessage(`a rendered config can't be read: ${after.left}`)
        return {
          _tag: "Reloads",
          comparison: compareConfigs(before.right, after.right, old.right.mediamtxVersion)
        } as const
      })

    const isAlone = (node: NodeId): boolean =>
      [preview.before, preview.after].some((fleet) => fleet.nodes.has(node) || fleet.refused?.has(node) === true)
    const shared = yield* compare(ANY_NODE, null)
    // Nodes of the same class, before and after, are compared once.
    const classKey = (node: NodeId, version: NodeReport | null) =>
      classIn([preview.before, preview.after], node, version?.mediamtxVersion ?? null)
    const classes = new Map<string, Compared>([[classKey(ANY_NODE, null), shared]])
    const ofClass = (node: NodeId, version: NodeReport | null): Effect.Effect<Compared> =>
      Effect.gen(function* () {
        const key = classKey(node, version)
        const known = classes.get(key)
        if (known !== undefined) return known
        const compared = yield* compare(node, version)
        classes.set(key, compared)
        return compared
      })

    const live = byNode(input.snapshot)
    const nodes = yield* Effect.forEach(input.nodes, ({ id, record }) =>
      Effect.gen(function* () {
        const version = record ?? null
        const compared = isAlone(id) ? yield* compare(id, version) : yield* ofClass(id, version)
        const hash = yield* Effect.map(Effect.option(renderer.render(id, version)), (found) =>
          found._tag === "Some" ? found.value.hash : undefined
        )
        const applied = record?.appliedHash ?? undefined
        const common = {
          node: id,
          status: record?.status ?? null,
          inSync: applied === undefined || hash === undefined ? null : applied === hash,
          reason: null,
          impact: null
        }
        switch (compared._tag) {
          case "Unchanged":
            return { ...common, outcome: "unchanged" } as const
          case "Starts":
            return { ...common, outcome: "starts" } as const
          case "Keeps":
            return { ...common, outcome: "keeps", reason: compared.reason } as const
          case "Reloads":
            return { ...common, outcome: "reloads", impact: compared.comparison.impactOn(live(id)) } as const
        }
      })
    )
    const impacts = nodes.flatMap((each: NodePlan) => (each.impact === null ? [] : [each.impact.drops]))
    const sum = (of: "streams" | "readers" | "connections") => impacts.reduce((total, drops) => total + drops[of], 0)
    return {
      revision: preview.before.revision,
      warnings: preview.after.warnings,
      shared:
        shared._tag === "Reloads"
          ? shared.comparison.impactOn(nothing)
          : shared._tag === "Unchanged"
            ? compareConfigs({}, {}).impactOn(nothing)
            : null,
      nodes: [...nodes].sort(worstFirst),
      drops: {
        nodes: impacts.filter(({ connections, readers, streams }) => streams + readers + connections > 0).length,
        streams: sum("streams"),
        readers: sum("readers"),
        connections: sum("connections")
      }
    }
  })
