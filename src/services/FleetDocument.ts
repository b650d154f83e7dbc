/**
 * The config of a whole fleet as plain data: what a revision holds, what a config folder amounts to, what the API takes.
 *
 * - `base`: what every node gets, in the form of `mediamtx.yml`
 * - `labels`: which nodes have which labels
 * - `overlays`: what nodes chosen by labels get on top, in this order; or fields for all paths of a pattern
 * - `nodes`: what single nodes get on top of all that
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { type ConfigIssue, InvalidConfig, makeIssue } from "../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig, PathConfig } from "../mediamtx/MediaMTXConfig.js"
import { unknownKeys } from "../mediamtx/UnknownKeys.js"
import * as PathPattern from "./AuthPolicy/PathPattern.js"
import { isNodeId, type NodeId } from "./NodeId.js"
import {
  isIdPattern,
  isLabelWord,
  LABEL_WORD,
  type LabelRules,
  NODE_LABEL,
  parseSelector,
  SELECTOR
} from "./NodeLabels.js"

/**
 * What goes over the base of the nodes that it selects. With `paths`, `config` is the fields of a path, and goes over every
 * entry of `paths` whose name fits.
 *
 * @since 0.1.0
 * @category models
 */
export type ConfigOverlay =
  | {
      /** Unique among the overlays. */
      readonly name: string
      /** A selector, see `NodeLabels.parseSelector`. Absent: all nodes. */
      readonly nodes?: string | undefined
      readonly paths?: undefined
      readonly config: MediaMTXConfig
    }
  | {
      readonly name: string
      readonly nodes?: string | undefined
      /** A name or a pattern of names: `cams/*`, `cams/**`, `~^cam[0-9]+$`, see `PathPattern.parse`. */
      readonly paths: string
      readonly config: PathConfig
    }

/**
 * Labels and overlays: what stands between the base and the nodes' own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Overlays {
  readonly labels: LabelRules
  readonly overlays: ReadonlyArray<ConfigOverlay>
}

const Config = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * The document on the wire and in the database. Only its outline: whether it makes valid configs is judged by the source.
 *
 * @since 0.1.0
 * @category models
 */
export const FleetDocument = Schema.Struct({
  base: Config.annotations({ description: "What every node gets, in the form of mediamtx.yml" }),
  labels: Schema.optional(
    Schema.Record({
      key: Schema.String,
      value: Schema.Record({ key: Schema.String, value: Schema.Union(Schema.String, Schema.Number, Schema.Boolean) })
    })
  ).annotations({ description: "Labels of nodes, by id or by a pattern such as eu-*" }),
  overlays: Schema.optional(
    Schema.Array(
      Schema.Struct({
        name: Schema.String,
        nodes: Schema.optional(Schema.String).annotations({ description: `Selector: ${SELECTOR}` }),
        paths: Schema.optional(Schema.String).annotations({
          description: "A name or pattern of paths; `config` is then the fields of a path"
        }),
        config: Config
      })
    )
  ).annotations({ description: "What goes over the base, in this order" }),
  nodes: Schema.optional(Schema.Record({ key: Schema.String, value: Config })).annotations({
    description: "What single nodes get on top, by their ids"
  })
}).annotations({ identifier: "FleetDocument" })
/** @since 0.1.0 */
export type FleetDocument = typeof FleetDocument.Type

/** The sections of a document. */
export const sections = ["base", "labels", "overlays", "nodes"] as const

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const text = (value: unknown): string | undefined =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
      ? String(value)
      : undefined

const error = (
  field: ReadonlyArray<string>,
  rule: string,
  message: string,
  expected: string,
  suggestion?: string | undefined
): ConfigIssue => makeIssue({ severity: "error", rule, field, message, expected, suggestion })

const readLabels = (value: unknown, issues: Array<ConfigIssue>): LabelRules => {
  const out: Record<string, Readonly<Record<string, string>>> = {}
  if (value === undefined || value === null) return out
  if (!isObject(value)) {
    issues.push(error(["labels"], "wrong-type", "is not an object", "labels by node id, such as eu-*: {region: eu}"))
    return out
  }
  for (const [pattern, labels] of Object.entries(value)) {
    const at = ["labels", pattern]
    if (!(pattern.includes("*") ? isIdPattern(pattern) : isNodeId(pattern))) {
      issues.push(error(at, "node-pattern", "is not a node id", "a node id, in which * may stand for any text"))
      continue
    }
    if (!isObject(labels)) {
      issues.push(error(at, "wrong-type", "is not an object", "labels with their values, such as {region: eu}"))
      continue
    }
    const good: Record<string, string> = {}
    for (const [label, given] of Object.entries(labels)) {
      const read = text(given)
      if (label === NODE_LABEL) {
        issues.push(error([...at, label], "label", "is the label that every node has: its id", "another name"))
      } else if (!isLabelWord(label)) {
        issues.push(error([...at, label], "label", "is not the name of a label", LABEL_WORD))
      } else if (read === undefined || !isLabelWord(read)) {
        issues.push(error([...at, label], "label", "is not the value of a label", LABEL_WORD))
      } else good[label] = read
    }
    out[pattern] = good
  }
  return out
}

const overlayFields = ["name", "nodes", "paths", "config"]

const readOverlays = (value: unknown, issues: Array<ConfigIssue>): ReadonlyArray<ConfigOverlay> => {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    issues.push(error(["overlays"], "wrong-type", "is not a list", "a list of {name, nodes, paths, config}"))
    return []
  }
  const out: Array<ConfigOverlay> = []
  const names = new Set<string>()
  for (const [index, item] of value.entries()) {
    const at = ["overlays", String(index)]
    if (!isObject(item)) {
      issues.push(error(at, "wrong-type", "is not an object", "an object with name, config, and nodes or paths"))
      continue
    }
    const before = issues.length
    issues.push(...unknownKeys(item, overlayFields, at))
    const { config, name, nodes, paths } = item
    if (typeof name !== "string" || !/^[^\p{C}]{1,64}$/u.test(name)) {
      issues.push(error([...at, "name"], "overlay-name", "is no name", "a text of 1 to 64 characters, for messages"))
    } else if (names.has(name)) {
      issues.push(error([...at, "name"], "overlay-name", "is the name of an overlay above", "a name of its own"))
    } else names.add(name)
    if (nodes !== undefined && nodes !== null) {
      const read = typeof nodes === "string" ? parseSelector(nodes) : Either.left("is not a text")
      if (Either.isLeft(read)) issues.push(error([...at, "nodes"], "selector", read.left, SELECTOR))
    }
    if (paths !== undefined && paths !== null) {
      const read = typeof paths === "string" ? readPattern(paths) : Either.left("is not a text")
      if (Either.isLeft(read)) {
        issues.push(error([...at, "paths"], "path-pattern", read.left, "a path's name, or a pattern: cams/*, ~^cam"))
      }
    }
    if (!isObject(config)) {
      issues.push(
        error(
          [...at, "config"],
          "wrong-type",
          "is not an object",
          paths === undefined ? "fields of mediamtx.yml" : "fields of a path"
        )
      )
    }
    if (issues.length > before || typeof name !== "string" || !isObject(config)) continue
    const common = { name, ...(typeof nodes === "string" && { nodes }) }
    // Unvalidated still: what it makes of the base is judged, and only that.
    out.push(typeof paths === "string" ? { ...common, paths, config } : { ...common, config })
  }
  return out
}

/** An entry of `paths` that is a pattern itself is meant by its very text, or by `**`. */
const readPattern = (pattern: string): Either.Either<(name: string) => boolean, string> => {
  if (pattern === "all" || pattern === "all_others") return Either.right((name) => name === pattern)
  return Either.map(PathPattern.parse(pattern), (read) => (name: string) => {
    if (name === pattern || pattern === "**") return true
    return !name.startsWith("~") && name !== "all" && name !== "all_others" && PathPattern.matches(read, name)
  })
}

const patterns = new WeakMap<object, (name: string) => boolean>()

/** Whether a path overlay means the entry of this name. */
export const overlayTakesPath = (overlay: ConfigOverlay & { readonly paths: string }, name: string): boolean => {
  let known = patterns.get(overlay)
  if (known === undefined) {
    known = Either.getOrElse(readPattern(overlay.paths), () => () => false)
    patterns.set(overlay, known)
  }
  return known(name)
}

const selectors = new WeakMap<object, (labels: Readonly<Record<string, string>>) => boolean>()

/** Whether an overlay means a node with these labels. */
export const overlayTakesNode = (overlay: ConfigOverlay, labels: Readonly<Record<string, string>>): boolean => {
  if (overlay.nodes === undefined) return true
  let known = selectors.get(overlay)
  if (known === undefined) {
    known = Either.match(parseSelector(overlay.nodes), { onLeft: () => () => false, onRight: ({ matches }) => matches })
    selectors.set(overlay, known)
  }
  return known(labels)
}

/**
 * Reads labels and overlays from plain data: an object with `labels` and `overlays`. Says everything that is wrong with
 * their outline; their configs are judged by what they make of the base.
 *
 * @since 0.1.0
 * @category decoding
 */
export const readOverlaySections = (value: {
  readonly labels?: unknown
  readonly overlays?: unknown
}): Either.Either<Overlays, InvalidConfig> => {
  const issues: Array<ConfigIssue> = []
  const labels = readLabels(value.labels, issues)
  const overlays = readOverlays(value.overlays, issues)
  return issues.length > 0 ? Either.left(new InvalidConfig({ issues })) : Either.right({ labels, overlays })
}

/** Overlays of nodes by valid ids. */
export const readNodes = (
  nodes: Readonly<Record<string, unknown>>
): Either.Either<ReadonlyMap<NodeId, unknown>, InvalidConfig> => {
  const out = new Map<NodeId, unknown>()
  const issues: Array<ConfigIssue> = []
  for (const [node, overlay] of Object.entries(nodes)) {
    if (isNodeId(node)) out.set(node, overlay)
    else {
      issues.push(
        error(
          ["nodes", node],
          "node-id",
          "is not a node id",
          "1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"
        )
      )
    }
  }
  return issues.length > 0 ? Either.left(new InvalidConfig({ issues })) : Either.right(out)
}
