/**
 * Where a value in a node's config comes from: every layer that says something of a field, in the order in which they go
 * over each other, and which of them counts.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { showGlobalField, showPathField } from "../mediamtx/ConfigDiff.js"
import { formatField } from "../mediamtx/ConfigIssue.js"
import { didYouMean } from "../mediamtx/DidYouMean.js"
import { globalFields } from "../mediamtx/GlobalFields.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { pathFields } from "../mediamtx/PathFields.js"
import { matchPath } from "../mediamtx/PathMatch.js"
import type { FleetConfig } from "./FleetConfig.js"
import { fieldIn, mergeParts, type Part, partsOf } from "./internal/configLayers.js"
import type { GroupOverlay } from "./internal/groupPaths.js"
import { NodeId } from "./NodeId.js"
import { labelsOf } from "./NodeLabels.js"

/** A layer that says something of a field. */
export const ExplainedLayer = Schema.Struct({
  /** `mediamtx` is MediaMTX's own default, `groups` a mirror or an edge, `manager` its own hooks and addresses. */
  layer: Schema.Literal("mediamtx", "base", "overlay", "groups", "node", "manager"),
  /** Name of the overlay, id of the node. */
  name: Schema.NullOr(Schema.String),
  /** What the field is called there: a path may have it from `pathDefaults`, or from an overlay's pattern. */
  field: Schema.String,
  /** Without secrets. Of the manager's own: null. */
  value: Schema.Unknown,
  /** Whether this is the one that counts. */
  counts: Schema.Boolean
}).annotations({ identifier: "ExplainedLayer" })
export type ExplainedLayer = typeof ExplainedLayer.Type

export const Explanation = Schema.Struct({
  node: NodeId,
  /** The node's labels, by which overlays are chosen. */
  labels: Schema.Record({ key: Schema.String, value: Schema.String }),
  /** In full: `paths["~^cam"].record` where `paths.cam1.record` was asked for. */
  field: Schema.String,
  /** As it may be shown; null for the manager's own. */
  value: Schema.Unknown,
  /** The lowest first. */
  layers: Schema.Array(ExplainedLayer)
}).annotations({ identifier: "Explanation" })
export type Explanation = typeof Explanation.Type

/** There is no such field, or no such path on this node. */
export class NotExplained extends Schema.TaggedError<NotExplained>()("NotExplained", {
  message: Schema.String,
  expected: Schema.String
}) {}

const EXPECTED = 'a field such as logLevel, pathDefaults.record, paths.cam.record, paths["cams/a"].record'

const refused = (message: string, expected = EXPECTED) => Either.left(new NotExplained({ message, expected }))

const known = (table: object, name: string): Either.Either<string, NotExplained> => {
  if (Object.hasOwn(table, name)) return Either.right(name)
  const meant = didYouMean(name, Object.keys(table))
  return refused(
    `${JSON.stringify(name)} is no field of MediaMTX`,
    meant === undefined ? EXPECTED : `one of its fields; did you mean ${meant}?`
  )
}

/** Names of paths have dots and slashes in them, so the last dot is what parts the name from the field. */
const parse = (text: string): Either.Either<ReadonlyArray<string>, NotExplained> => {
  const trimmed = text.trim()
  const quoted = /^paths\[("(?:[^"\\]|\\.)*")\]\.([A-Za-z0-9_]+)$/s.exec(trimmed)
  const plain = /^paths\.(.+)\.([A-Za-z0-9_]+)$/s.exec(trimmed)
  const field = quoted?.[2] ?? plain?.[2]
  if (field !== undefined) {
    let name: unknown = plain?.[1]
    try {
      if (quoted?.[1] !== undefined) name = JSON.parse(quoted[1])
    } catch {
      name = undefined
    }
    if (typeof name !== "string") return refused(`${JSON.stringify(trimmed)} has a name with a wrong escape`)
    const path = name
    return Either.map(known(pathFields, field), () => ["paths", path, field])
  }
  const default_ = /^pathDefaults\.([A-Za-z0-9_]+)$/.exec(trimmed)?.[1]
  if (default_ !== undefined) return Either.map(known(pathFields, default_), () => ["pathDefaults", default_])
  if (!/^[A-Za-z0-9_]+$/.test(trimmed)) return refused(`${JSON.stringify(trimmed)} is not the name of a field`)
  if (trimmed === "paths" || trimmed === "pathDefaults") return refused(`${trimmed} has many fields: name one of them`)
  return Either.map(known(globalFields, trimmed), () => [trimmed])
}

const read = (value: unknown, field: ReadonlyArray<string>): unknown => {
  let at: unknown = value
  for (const key of field) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

/** One layer's word, with the field as that layer has it. */
interface Said {
  readonly of: "mediamtx" | "base" | "manager" | Part
  readonly field: ReadonlyArray<string>
  readonly value: unknown
}

const said = (base: MediaMTXConfig, parts: ReadonlyArray<Part>, field: ReadonlyArray<string>): ReadonlyArray<Said> => {
  const out: Array<Said> = []
  const add = (of: "base" | Part, inside: ReadonlyArray<string>, value: unknown) => {
    // Null is "nothing said", as in MediaMTX.
    if (value !== undefined && value !== null) out.push({ of, field: inside, value })
  }
  add("base", field, read(base, field))
  for (const part of parts) {
    const inside = fieldIn(part, field)
    if (part.of === "groups") {
      const [section, name = ""] = field
      // A group's entries are whole ones: what stood below them no longer counts.
      if (section === "paths" && Object.hasOwn(part.groups.paths, name)) out.length = 0
      if (inside !== undefined) add(part, inside, read(part.groups, inside))
    } else if (inside !== undefined) {
      add(part, inside, read(part.of === "node" ? part.config : part.overlay.config, inside))
    }
  }
  return out
}

/** The layers that say something of a field, the lowest first; the last one counts. */
interface Layers {
  readonly field: ReadonlyArray<string>
  readonly said: ReadonlyArray<Said>
}

/** What a renderer knows besides. */
export interface ExplainContext {
  /** What the groups that the node is in make of its paths. */
  readonly groups?: GroupOverlay | undefined
  /** Whether the manager puts its own value there. */
  readonly isOurs?: ((config: MediaMTXConfig, field: ReadonlyArray<string>) => boolean) | undefined
}

const layersOf = (
  fleet: FleetConfig,
  node: NodeId,
  text: string,
  context: ExplainContext
): Either.Either<Layers, NotExplained> =>
  Either.flatMap(parse(text), (asked): Either.Either<Layers, NotExplained> => {
    const parts = partsOf(fleet, node, context.groups)
    const merged = mergeParts(fleet.base, parts)
    const ours = (field: ReadonlyArray<string>): ReadonlyArray<Said> =>
      context.isOurs?.(merged, field) === true ? [{ of: "manager", field, value: null }] : []
    const [section, name = ""] = asked
    if (section !== "paths") {
      const row: { readonly default: unknown } =
        section === "pathDefaults"
          ? pathFields[name as keyof typeof pathFields]
          : globalFields[section as keyof typeof globalFields]
      const own: ReadonlyArray<Said> = [{ of: "mediamtx", field: asked, value: row.default }]
      return Either.right({ field: asked, said: [...own, ...said(fleet.base, parts, asked), ...ours(asked)] })
    }
    // The path of the refresh loop is in no config but the rendered one.
    if (!Object.hasOwn(merged.paths ?? {}, name) && context.isOurs?.(merged, asked) === true) {
      return Either.right({ field: asked, said: ours(asked) })
    }
    const match = matchPath(merged, name)
    if (match === undefined) {
      return refused(`node ${node} has no path ${JSON.stringify(name)}`, "a path that its config has an entry for")
    }
    const field = asked[2] ?? ""
    const full = ["paths", match.key, field]
    const builtIn = pathFields[field as keyof typeof pathFields].default
    return Either.right({
      field: full,
      said: [
        { of: "mediamtx", field: ["pathDefaults", field], value: builtIn },
        ...said(fleet.base, parts, ["pathDefaults", field]),
        ...said(fleet.base, parts, full),
        ...ours(full)
      ]
    })
  })

const nameOf = (of: Said["of"], node: NodeId): Pick<ExplainedLayer, "layer" | "name"> =>
  typeof of === "string"
    ? { layer: of, name: null }
    : of.of === "node"
      ? { layer: "node", name: node }
      : of.of === "groups"
        ? { layer: "groups", name: null }
        : { layer: "overlay", name: of.overlay.name }

/**
 * Says where the value of a field comes from on a node. Fields are global ones, those of `pathDefaults`, and those of paths,
 * which may also be named as a stream is: the entry that it belongs to is looked for.
 *
 * @example
 * ```ts
 * explain(yield* source.current, NodeId.make("eu-1"), "paths.cam.record")
 * ```
 * @since 0.1.0
 */
export const explain = (
  fleet: FleetConfig,
  node: NodeId,
  text: string,
  context: ExplainContext = {}
): Either.Either<Explanation, NotExplained> =>
  Either.map(layersOf(fleet, node, text, context), ({ field, said: all }) => {
    const show = field.length === 1 ? showGlobalField : showPathField
    const shown = (value: unknown) => show(field[field.length - 1] ?? "", value)
    const last = all[all.length - 1]
    return {
      node,
      labels: labelsOf(fleet.labels, node),
      field: formatField(field),
      value: shown(last?.value) ?? null,
      layers: all.map((each) => ({
        ...nameOf(each.of, node),
        field: formatField(each.field),
        value: shown(each.value) ?? null,
        counts: each === last
      }))
    }
  })
