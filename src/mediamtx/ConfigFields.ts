/**
 * Checks one object of the config field by field against its table: types, nulls, unknown names, old names. What it hands
 * on holds only live fields with good values.
 *
 * @since 0.1.0
 */
import { Encryption } from "./ConfigEnums.js"
import type { AnyConfigField } from "./ConfigField.js"
import type { DeprecatedRow } from "./DeprecatedFields.js"
import { type AnyFieldType, describe, type Problem, unknownField } from "./FieldType.js"
import { HookCommand, hookWarnings } from "./HookCommand.js"

/**
 * An issue seen from the object that was checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface LocalIssue extends Problem {
  readonly severity: "error" | "warning"
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FieldTable {
  readonly live: ReadonlyMap<string, AnyConfigField>
  readonly deprecated: ReadonlyMap<string, DeprecatedRow>
  /** Where a name that is unknown here would be known: `pathDefaults.source`. */
  readonly elsewhere: (name: string) => string | undefined
  /** A null is always "not set", as behind a pointer. */
  readonly nullable: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CheckedFields {
  readonly issues: ReadonlyArray<LocalIssue>
  /** Good values of live fields. The very object that was given, if there was nothing to take out. */
  readonly values: Readonly<Record<string, unknown>>
  /** Good values of old names. */
  readonly old: ReadonlyMap<string, unknown>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const error = (problem: Problem): LocalIssue => ({ ...problem, severity: "error" })

/**
 * @since 0.1.0
 * @category constructors
 */
export const warning = (problem: Problem): LocalIssue => ({ ...problem, severity: "warning" })

const noOld: ReadonlyMap<string, unknown> = new Map()
const noIssues: ReadonlyArray<LocalIssue> = []

/** Takes nulls and undefineds out of the objects of a list; the same value comes back if there were none. */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    let changed = false
    const items = value.map((item: unknown) => {
      const stripped = withoutNulls(item)
      if (stripped !== item) changed = true
      return stripped
    })
    return changed ? items : value
  }
  if (typeof value !== "object" || value === null) return value
  let changed = false
  const kept: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const stripped = withoutNulls(item)
    if (stripped !== item || item === null || item === undefined) changed = true
    if (stripped !== null && stripped !== undefined) kept[key] = stripped
  }
  return changed ? kept : value
}

/** Words that old files have for `no` and `strict`, which MediaMTX still takes. */
const encryptionAlias: ReadonlyMap<unknown, string> = new Map([
  ["false", "no"],
  ["true", "strict"],
  ["yes", "strict"]
])

const isNested = (type: AnyFieldType) => type.json === "array" || type.json === "object"

/**
 * @since 0.1.0
 * @category validation
 */
export const checkFields = (input: Readonly<Record<string, unknown>>, table: FieldTable): CheckedFields => {
  const keys = Object.keys(input)
  let issues: Array<LocalIssue> | undefined
  let old: Map<string, unknown> | undefined
  // Keys whose value is to be replaced, or left out when the replacement is undefined.
  let replaced: Map<string, unknown> | undefined
  const replace = (key: string, value: unknown) => {
    replaced ??= new Map()
    replaced.set(key, value)
  }
  const report = (issue: LocalIssue) => {
    issues ??= []
    issues.push(issue)
  }
  for (const key of keys) {
    const value = input[key]
    const row = table.live.get(key)
    if (row === undefined) {
      replace(key, undefined)
      const deprecated = table.deprecated.get(key)
      if (deprecated === undefined) {
        if (value === undefined) continue
        const found = unknownField(key, [...table.live.keys(), ...table.deprecated.keys()])
        const near = table.deprecated.get(found.suggestion ?? "")
        report(error({ ...found, suggestion: table.elsewhere(key) ?? near?.replacedBy ?? found.suggestion }))
      } else if (value !== null && value !== undefined) {
        const alias = deprecated.type === Encryption ? encryptionAlias.get(value) : undefined
        const problems = alias === undefined ? deprecated.type.check(value) : undefined
        if (problems === undefined) {
          old ??= new Map()
          old.set(key, alias ?? withoutNulls(value))
        } else for (const found of problems) report(error({ ...found, at: [key, ...found.at] }))
      }
      continue
    }
    if (value === undefined) {
      replace(key, undefined)
      continue
    }
    const { type } = row
    if (value === null) {
      replace(key, undefined)
      if (table.nullable || type.onNull === "unset") continue
      if (type.onNull === "empty") {
        replace(key, type.name === "duration" ? "0s" : "")
        continue
      }
    }
    if (type === Encryption) {
      const alias = encryptionAlias.get(value)
      if (alias !== undefined) {
        replace(key, alias)
        report(
          warning({
            at: [key],
            rule: "encryption-alias",
            message: `is ${describe(value)}, an old word`,
            expected: `${JSON.stringify(alias)}, which it is rewritten to`
          })
        )
        continue
      }
    }
    const problems = type.check(value)
    if (problems !== undefined) {
      replace(key, undefined)
      for (const found of problems) report(error({ ...found, at: [key, ...found.at] }))
    } else if (isNested(type)) {
      const stripped = withoutNulls(value)
      if (stripped !== value) replace(key, stripped)
    } else if (type === HookCommand && typeof value === "string" && value !== "") {
      for (const found of hookWarnings(value)) report(warning({ ...found, at: [key] }))
    }
  }
  if (replaced === undefined) return { issues: issues ?? noIssues, values: input, old: old ?? noOld }
  const values: Record<string, unknown> = {}
  for (const key of keys) {
    const value = replaced.has(key) ? replaced.get(key) : input[key]
    if (value !== undefined) values[key] = value
  }
  return { issues: issues ?? noIssues, values, old: old ?? noOld }
}
