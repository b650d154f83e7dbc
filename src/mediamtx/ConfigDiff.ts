/**
 * What differs between two configs, as MediaMTX sees it: after defaults, whatever the spelling.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import {
  type AnyConfigField,
  currentVersion,
  type GlobalReload,
  type MediaMTXVersion,
  type PathReload
} from "./ConfigField.js"
import { formatField } from "./ConfigIssue.js"
import { type EffectivePath, effectivePath } from "./EffectivePath.js"
import { defaultIn, reloadIn } from "./FieldHistory.js"
import type { AnyFieldType } from "./FieldType.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { type PathFieldName, pathFields } from "./PathFields.js"

/**
 * A field that differs. Values are shown as they would stand in the file, defaults filled in; null is "no such path".
 * Secrets are not shown, of URLs only the scheme and the host.
 *
 * @since 0.1.0
 * @category models
 */
export const FieldChange = Schema.Struct({
  /** `hlsVariant`, `pathDefaults.record`, `paths.cam.maxReaders`, `paths.cam` for a path that comes or goes. */
  field: Schema.String,
  before: Schema.Unknown,
  after: Schema.Unknown,
  /** What a change of this field does at worst: see `GlobalReload` and `PathReload`; `add` and `remove` for whole paths. */
  reload: Schema.String
}).annotations({ identifier: "FieldChange" })
/**
 * @since 0.1.0
 * @category models
 */
export type FieldChange = typeof FieldChange.Type

const serialize = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item)) ?? "undefined"

/**
 * Whether two values of a field are one to MediaMTX.
 *
 * @since 0.1.0
 * @category predicates
 */
export const sameValue = (type: AnyFieldType, a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (type.meaning === undefined) return serialize(a) === serialize(b)
  return serialize(type.meaning(a)) === serialize(type.meaning(b))
}

const SECRET = "(secret)"
const url = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]+)(.*)$/is

const maskText = (text: string): string => {
  if (text === "" || text === "publisher" || text === "redirect" || text === "rpiCamera") return text
  const [, scheme, host, rest] = url.exec(text) ?? []
  // An @ further on: a password with a slash in it, of which the host would be a part.
  return scheme === undefined || rest === undefined || rest.includes("@")
    ? SECRET
    : `${scheme}://${host}${rest === "" || rest === "/" ? rest : "/..."}`
}

/** For lists of objects: each secret inside is hidden, what stands beside it is shown. */
const maskInside = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(maskInside)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      typeof item !== "string" || item === "" || !secretInside.has(key)
        ? maskInside(item)
        : key === "dest"
          ? maskText(item)
          : SECRET
    ])
  )
}
const secretInside: ReadonlySet<string> = new Set(["pass", "password", "whipBearerToken", "dest"])

/** Commands may carry tokens in their arguments: the program's name says enough. */
const maskCommand = (text: string): string => {
  const program = /^\S{1,40}/.exec(text)?.[0]
  return text === "" || program === undefined || program === text ? text : `${program} ...`
}

const shown = (name: string, type: AnyFieldType, value: unknown): unknown => {
  if (typeof value === "string") {
    return type.secret ? maskText(value) : type.name === "command" || /^runOn/.test(name) ? maskCommand(value) : value
  }
  return type.secret ? maskInside(value) : value
}

const { pathDefaults: _pathDefaults, paths: _paths, ...plainFields } = globalFields

/** Of a field that no table has, an old name say, nobody knows whether it is a secret. */
const shownUnknown = (value: unknown): unknown =>
  typeof value === "number" || typeof value === "boolean" || value === null || value === undefined ? value : SECRET

/**
 * The value of a global field as it may be shown: without secrets.
 *
 * @since 0.1.0
 * @category formatting
 */
export const showGlobalField = (name: string, value: unknown): unknown => {
  const row = Object.hasOwn(plainFields, name) ? plainFields[name as keyof typeof plainFields] : undefined
  return row === undefined ? shownUnknown(value) : shown(name, row.type, value)
}

/**
 * The value of a field of a path, or of `pathDefaults`, as it may be shown: without secrets.
 *
 * @since 0.1.0
 * @category formatting
 */
export const showPathField = (name: string, value: unknown): unknown => {
  const row = Object.hasOwn(pathFields, name) ? pathFields[name as PathFieldName] : undefined
  return row === undefined ? shownUnknown(value) : shown(name, row.type, value)
}

const plainRows = Object.entries<AnyConfigField<GlobalReload>>(plainFields)
const pathRows = Object.entries<AnyConfigField<PathReload>>(pathFields).filter(([name]) => name !== "name")

const read = (object: object, name: string): unknown => {
  const value: unknown = Reflect.get(object, name)
  return value === null ? undefined : value
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PathDifference {
  readonly name: PathFieldName
  readonly reload: "recreate" | "recorder" | "hot"
}

/**
 * The fields in which two paths differ, with all defaults filled in, and what that does in a release. Where the entry is
 * called does not count.
 *
 * @since 0.1.0
 * @category conversions
 */
export const pathDifferences = (
  before: EffectivePath,
  after: EffectivePath,
  version: MediaMTXVersion = currentVersion
): ReadonlyArray<PathDifference> =>
  pathRows
    .filter(([name, row]) => !sameValue(row.type, read(before, name), read(after, name)))
    // The rows' names are those of the table.
    .map(([name, row]) => ({ name: name as PathFieldName, reload: reloadIn(row, version) }))

/** What `pathDefaults` make of a path that says nothing itself. */
const defaultsOf = (config: MediaMTXConfig): EffectivePath | undefined =>
  effectivePath({ ...(config.pathDefaults && { pathDefaults: config.pathDefaults }), paths: { x: {} } }, "x")

/**
 * Every difference, in the order of the tables, then path by path. A path that is new or gone is one difference. A path
 * that differs only through `pathDefaults` is not repeated. Both in the newest names; `version` is of the server.
 *
 * @since 0.1.0
 * @category conversions
 */
export const diffConfigs = (
  before: MediaMTXConfig,
  after: MediaMTXConfig,
  version: MediaMTXVersion = currentVersion
): ReadonlyArray<FieldChange> => {
  const changes: Array<FieldChange> = []
  for (const [name, row] of plainRows) {
    const fallback = defaultIn(row, version)
    const a = read(before, name) ?? fallback
    const b = read(after, name) ?? fallback
    if (sameValue(row.type, a, b)) continue
    changes.push({
      field: name,
      before: shown(name, row.type, a),
      after: shown(name, row.type, b),
      reload: reloadIn(row, version)
    })
  }
  const push = (
    at: ReadonlyArray<string>,
    a: EffectivePath,
    b: EffectivePath,
    names: ReadonlyArray<PathDifference>
  ) => {
    for (const { name, reload } of names) {
      const { type } = pathFields[name]
      changes.push({
        field: formatField([...at, name]),
        before: shown(name, type, a[name]),
        after: shown(name, type, b[name]),
        reload
      })
    }
  }
  const defaultsBefore = defaultsOf(before)
  const defaultsAfter = defaultsOf(after)
  const inherited = new Set<PathFieldName>()
  if (defaultsBefore !== undefined && defaultsAfter !== undefined && before.pathDefaults !== after.pathDefaults) {
    const names = pathDifferences(defaultsBefore, defaultsAfter, version)
    push(["pathDefaults"], defaultsBefore, defaultsAfter, names)
    for (const { name } of names) inherited.add(name)
  }
  const pathsBefore = before.paths ?? {}
  const pathsAfter = after.paths ?? {}
  for (const key of [...new Set([...Object.keys(pathsBefore), ...Object.keys(pathsAfter)])].sort()) {
    const was = pathsBefore[key]
    const is = pathsAfter[key]
    // Nothing that the path says itself has changed, so what differs is a default.
    if (was === is && Object.hasOwn(pathsBefore, key) && Object.hasOwn(pathsAfter, key)) continue
    const a = effectivePath(before, key)
    const b = effectivePath(after, key)
    if (a === undefined || b === undefined) {
      changes.push({
        field: formatField(["paths", key]),
        before: a === undefined ? null : shownPath(was ?? {}),
        after: b === undefined ? null : shownPath(is ?? {}),
        reload: a === undefined ? "add" : "remove"
      })
      continue
    }
    const own = (name: PathFieldName) =>
      (was !== null && was !== undefined && read(was, name) !== undefined) ||
      (is !== null && is !== undefined && read(is, name) !== undefined)
    push(
      ["paths", key],
      a,
      b,
      pathDifferences(a, b, version).filter(({ name }) => !inherited.has(name) || own(name))
    )
  }
  return changes
}

const shownPath = (path: object): Readonly<Record<string, unknown>> => {
  const out: Record<string, unknown> = {}
  for (const [name, row] of pathRows) {
    const value = read(path, name)
    if (value !== undefined) out[name] = shown(name, row.type, value)
  }
  return out
}
