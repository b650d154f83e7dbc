/**
 * The layers of a node's config and how they go over each other: base, then the overlays that select the node in their
 * order, then the node's own.
 */
import type { MediaMTXConfig, PathConfig } from "../../mediamtx/MediaMTXConfig.js"
import type { FleetConfig } from "../FleetConfig.js"
import { type ConfigOverlay, overlayTakesNode, overlayTakesPath } from "../FleetDocument.js"
import type { NodeId } from "../NodeId.js"
import { type LabelRules, labelsOf, sampleIds } from "../NodeLabels.js"
import type { GroupOverlay } from "./groupPaths.js"
import { mergeConfig, mergePath } from "./mergeConfig.js"

/** What goes over the base. An overlay, what groups make of the paths, and a node's own config are told apart by `of`. */
export type Part =
  | { readonly of: "overlay"; readonly overlay: ConfigOverlay }
  | { readonly of: "groups"; readonly groups: GroupOverlay }
  | { readonly of: "node"; readonly config: MediaMTXConfig }

/** What layers are taken from. */
export type Layered = Pick<FleetConfig, "labels" | "overlays"> & { readonly nodes: ReadonlyMap<string, MediaMTXConfig> }

/** The overlays that select a node, in their order. */
export const overlaysOf = (
  fleet: { readonly labels?: LabelRules | undefined; readonly overlays?: ReadonlyArray<ConfigOverlay> | undefined },
  node: string
): ReadonlyArray<ConfigOverlay> => {
  const { overlays } = fleet
  if (overlays === undefined || overlays.length === 0) return none
  const labels = labelsOf(fleet.labels, node)
  return overlays.filter((overlay) => overlayTakesNode(overlay, labels))
}
const none: ReadonlyArray<never> = []

const overlayParts = new WeakMap<ConfigOverlay, Part>()
const partOf = (overlay: ConfigOverlay): Part => {
  let known = overlayParts.get(overlay)
  if (known === undefined) {
    known = { of: "overlay", overlay }
    overlayParts.set(overlay, known)
  }
  return known
}

/** All that goes over the base of a node: overlays, then groups, then its own. */
export const partsOf = (fleet: Layered, node: NodeId, groups?: GroupOverlay | undefined): ReadonlyArray<Part> => {
  const own = fleet.nodes.get(node)
  const parts = overlaysOf(fleet, node).map(partOf)
  if (groups !== undefined) parts.push({ of: "groups", groups })
  if (own !== undefined) parts.push({ of: "node", config: own })
  return parts
}

/** Entries are replaced whole: what is left of an entry that has another source makes no sense. */
const withGroups = (config: MediaMTXConfig, { paths, without }: GroupOverlay): MediaMTXConfig => {
  const all: Record<string, PathConfig | null> = { ...config.paths }
  for (const key of without) delete all[key]
  return { ...config, paths: Object.assign(all, paths) }
}

/** Nodes of one class and without a config of their own have the same config. Empty: the base alone. */
export const classOf = (fleet: Layered, node: string): string =>
  overlaysOf(fleet, node)
    .map(({ name }) => name)
    .join("\n")

/** Made-up ids of nodes: one for each way in which labels and overlays tell nodes apart, as far as rules can be tried out. */
export const sampleNodes = (fleet: Pick<Layered, "labels" | "overlays">): ReadonlyArray<string> => {
  // Overlays by id alone need samples as well: an id in a selector is a pattern of ids like those of labels.
  const named = (fleet.overlays ?? []).flatMap(({ nodes: selector }) =>
    [...(selector ?? "").matchAll(/node\s*!?=\s*([^,]*)/g)].flatMap(([, ids = ""]) =>
      ids.split("|").map((id) => id.trim())
    )
  )
  return sampleIds({ ...fleet.labels, ...Object.fromEntries(named.filter((id) => id !== "").map((id) => [id, {}])) })
}

/**
 * The overlays of every class that a node may belong to, without the base alone: as far as rules of labels can be tried out,
 * and for the nodes that are named.
 */
export const classesOf = (
  fleet: Layered,
  nodes: Iterable<string> = []
): ReadonlyArray<ReadonlyArray<ConfigOverlay>> => {
  if (fleet.overlays === undefined || fleet.overlays.length === 0) return none
  const found = new Map<string, ReadonlyArray<ConfigOverlay>>()
  for (const id of [...sampleNodes(fleet), ...fleet.nodes.keys(), ...nodes]) {
    const overlays = overlaysOf(fleet, id)
    if (overlays.length > 0) found.set(overlays.map(({ name }) => name).join("\n"), overlays)
  }
  return [...found.values()]
}

const pathsOf = (part: Part): MediaMTXConfig["paths"] => {
  if (part.of === "node") return part.config.paths
  if (part.of === "groups") return part.groups.paths
  return part.overlay.paths === undefined ? part.overlay.config.paths : undefined
}

/** What a part says of a path; `undefined`: nothing. */
const pathIn = (part: Part, name: string): PathConfig | null | undefined => {
  if (part.of === "overlay" && part.overlay.paths !== undefined) {
    return overlayTakesPath(part.overlay, name) ? part.overlay.config : undefined
  }
  const paths = pathsOf(part)
  return paths !== undefined && Object.hasOwn(paths, name) ? paths[name] : undefined
}

/**
 * The base with the parts over it. A path overlay goes over every path that fits, whichever layer the path comes from; what
 * a later layer says of that path wins.
 */
export const mergeParts = (base: MediaMTXConfig, parts: ReadonlyArray<Part>): MediaMTXConfig => {
  let out = base
  let hasPatterns = false
  for (const part of parts) {
    if (part.of === "node") out = mergeConfig(out, part.config)
    else if (part.of === "groups") out = withGroups(out, part.groups)
    else if (part.overlay.paths === undefined) out = mergeConfig(out, part.overlay.config)
    else hasPatterns = true
  }
  if (!hasPatterns || out.paths === undefined) return out
  const groups = parts.find((part) => part.of === "groups")?.groups
  const paths: Record<string, PathConfig | null> = { ...out.paths }
  for (const name of Object.keys(paths)) {
    // Patterns have had their word where the group has it from.
    if (groups !== undefined && Object.hasOwn(groups.paths, name)) continue
    const said = parts.map((part) => pathIn(part, name))
    // Merged already, unless a pattern fits.
    if (
      !parts.some(
        (part, index) => part.of === "overlay" && part.overlay.paths !== undefined && said[index] !== undefined
      )
    ) {
      continue
    }
    let path: PathConfig | null | undefined = base.paths?.[name]
    for (const next of said) {
      if (next === undefined) continue
      path = path === undefined || path === null ? next : next === null ? path : mergePath(path, next)
    }
    if (path !== undefined) paths[name] = path
  }
  return { ...out, paths }
}

/** The node's config before the manager's own parts. */
export const configOf = (fleet: FleetConfig, node: NodeId): MediaMTXConfig =>
  mergeParts(fleet.base, partsOf(fleet, node))

const has = (value: unknown, field: ReadonlyArray<string>): boolean => {
  let at: unknown = value
  for (const key of field) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return false
    at = Reflect.get(at, key)
  }
  return field.length > 0
}

/** The field as it is called in the part, when the part says something of it. */
export const fieldIn = (part: Part, field: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  if (part.of === "node") return has(part.config, field) ? field : undefined
  if (part.of === "groups") {
    const [first, ...rest] = field
    return first === "paths" && has(part.groups.paths, rest) ? field : undefined
  }
  const { overlay } = part
  if (overlay.paths === undefined) return has(overlay.config, field) ? field : undefined
  const [first, name, ...rest] = field
  return first === "paths" && name !== undefined && overlayTakesPath(overlay, name) && has(overlay.config, rest)
    ? rest
    : undefined
}

/** Whose word on a field counts: the last part that says something of it. Undefined: the base's, or nobody's. */
export const sourceOf = (
  parts: ReadonlyArray<Part>,
  field: ReadonlyArray<string>
): { readonly part: Part; readonly field: ReadonlyArray<string> } | undefined => {
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index]
    const inside = part === undefined ? undefined : fieldIn(part, field)
    if (part !== undefined && inside !== undefined) return { part, field: inside }
  }
  return undefined
}
