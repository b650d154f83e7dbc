/**
 * What differs between two configs of a fleet, as they are written: layer by layer, field by field, without secrets. What a
 * difference does to nodes is a `ConfigPlan`'s to say.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { showGlobalField, showPathField } from "../mediamtx/ConfigDiff.js"
import { formatField } from "../mediamtx/ConfigIssue.js"
import type { FleetDocument } from "./FleetDocument.js"

/**
 * One field that differs.
 *
 * @since 0.1.0
 * @category models
 */
export const DocumentChange = Schema.Struct({
  /** `base.logLevel`, `labels["eu-*"].region`, `overlays.europe.config.paths.cam.record`, `nodes.north.logLevel`. */
  field: Schema.String,
  change: Schema.Literal("added", "removed", "changed"),
  /** Secrets are not shown, of URLs only the scheme and the host. Null where there was none. */
  before: Schema.Unknown,
  after: Schema.Unknown
}).annotations({ identifier: "DocumentChange" })
/** @since 0.1.0 */
export type DocumentChange = typeof DocumentChange.Type

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {})

type Show = (name: string, value: unknown) => unknown

const plain: Show = (_, value) => value

class Changes {
  readonly found: Array<DocumentChange> = []

  add(at: ReadonlyArray<string>, before: unknown, after: unknown, show: Show): void {
    if (same(before, after)) return
    const name = at[at.length - 1] ?? ""
    this.found.push({
      field: formatField(at),
      change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
      before: before === undefined ? null : show(name, before),
      after: after === undefined ? null : show(name, after)
    })
  }

  fields(at: ReadonlyArray<string>, before: unknown, after: unknown, show: Show): void {
    const [a, b] = [fieldsOf(before), fieldsOf(after)]
    for (const name of keysOf(a, b)) this.add([...at, name], own(a, name), own(b, name), show)
  }

  /** The fields of a path. One that comes or goes without any field is a difference as well. */
  path(at: ReadonlyArray<string>, before: unknown, after: unknown): void {
    if (before === undefined || after === undefined) {
      const there = fieldsOf(before ?? after)
      if (Object.keys(there).length === 0) {
        this.add(at, before === undefined ? undefined : {}, after === undefined ? undefined : {}, plain)
        return
      }
    }
    this.fields(at, before, after, showPathField)
  }

  /** A config in the form of `mediamtx.yml`. */
  config(at: ReadonlyArray<string>, before: unknown, after: unknown): void {
    const [{ pathDefaults: a1, paths: a2, ...a }, { pathDefaults: b1, paths: b2, ...b }] = [
      fieldsOf(before),
      fieldsOf(after)
    ]
    this.fields(at, a, b, showGlobalField)
    this.fields([...at, "pathDefaults"], a1, b1, showPathField)
    const [pathsBefore, pathsAfter] = [fieldsOf(a2), fieldsOf(b2)]
    for (const name of keysOf(pathsBefore, pathsAfter)) {
      this.path([...at, "paths", name], own(pathsBefore, name), own(pathsAfter, name))
    }
  }
}

const own = (fields: Fields, name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined)

const keysOf = (a: Fields, b: Fields): ReadonlyArray<string> => [...new Set([...Object.keys(a), ...Object.keys(b)])]

/** As data: the order of fields counts only where it has a meaning, in lists. */
const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
}

/**
 * Every difference: base, labels, overlays, nodes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const diffDocuments = (before: FleetDocument, after: FleetDocument): ReadonlyArray<DocumentChange> => {
  const changes = new Changes()
  changes.config(["base"], before.base, after.base)
  const [labelsBefore, labelsAfter] = [fieldsOf(before.labels), fieldsOf(after.labels)]
  for (const pattern of keysOf(labelsBefore, labelsAfter)) {
    changes.fields(["labels", pattern], own(labelsBefore, pattern), own(labelsAfter, pattern), plain)
  }
  const [overlaysBefore, overlaysAfter] = [before.overlays ?? [], after.overlays ?? []]
  const names = (overlays: typeof overlaysBefore) => overlays.map(({ name }) => name)
  const common = (of: ReadonlyArray<string>, others: ReadonlyArray<string>) =>
    of.filter((name) => others.includes(name))
  const [namesBefore, namesAfter] = [names(overlaysBefore), names(overlaysAfter)]
  for (const name of new Set([...namesBefore, ...namesAfter])) {
    const a = overlaysBefore.find((overlay) => overlay.name === name)
    const b = overlaysAfter.find((overlay) => overlay.name === name)
    const at = ["overlays", name]
    if (a === undefined || b === undefined) changes.add(at, a && selectorsOf(a), b && selectorsOf(b), plain)
    else {
      changes.add([...at, "nodes"], a.nodes, b.nodes, plain)
      changes.add([...at, "paths"], a.paths, b.paths, plain)
    }
    const ofPath = (a ?? b)?.paths !== undefined || b?.paths !== undefined
    if (ofPath) changes.fields([...at, "config"], a?.config, b?.config, showPathField)
    else changes.config([...at, "config"], a?.config, b?.config)
  }
  // Their order decides who wins.
  changes.add(["overlays"], common(namesBefore, namesAfter), common(namesAfter, namesBefore), plain)
  const [nodesBefore, nodesAfter] = [fieldsOf(before.nodes), fieldsOf(after.nodes)]
  for (const node of keysOf(nodesBefore, nodesAfter)) {
    const [a, b] = [own(nodesBefore, node), own(nodesAfter, node)]
    const empty = Object.keys(fieldsOf(a ?? b)).length === 0
    if (empty && (a === undefined || b === undefined)) changes.add(["nodes", node], a, b, plain)
    else changes.config(["nodes", node], a, b)
  }
  return changes.found
}

const selectorsOf = ({
  nodes,
  paths
}: {
  readonly nodes?: string | undefined
  readonly paths?: string | undefined
}) => ({
  ...(nodes !== undefined && { nodes }),
  ...(paths !== undefined && { paths })
})
