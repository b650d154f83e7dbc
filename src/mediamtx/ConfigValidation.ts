/**
 * Says whether MediaMTX would take a config, and if not, everything that is wrong with it.
 *
 * Each path is checked on its own and remembered by its object, so that changing one path of a thousand costs the check of
 * one. That rests on objects not being changed after they were given: frozen objects are trusted, others are compared
 * with what they held last time.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import {
  type LegacyCredentials,
  type RewrittenPath,
  rewriteGlobals,
  rewritePath,
  usersFromCredentials
} from "./ConfigDeprecations.js"
import { checkFields, error, type FieldTable, type LocalIssue, warning } from "./ConfigFields.js"
import { type ConfigIssue, InvalidConfig, makeIssue } from "./ConfigIssue.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "./DeprecatedFields.js"
import { describe, isObject } from "./FieldType.js"
import { globalFields } from "./GlobalFields.js"
import { globalReader, globalRules } from "./GlobalRules.js"
import type { MediaMTXConfig, PathConfig } from "./MediaMTXConfig.js"
import { type PathFieldName, pathFields } from "./PathFields.js"
import { isCatchAll, isRegexPathName, pathNameProblem } from "./PathName.js"
import { type PathFacts, type PathReader, type PathValue, pathRules } from "./PathRules.js"

/**
 * A config that a node can be given.
 *
 * @since 0.1.0
 * @category models
 */
export interface ValidConfig {
  /**
   * Only live field names, no nulls; a path given as null is `{}`. A path that needed no rewriting is the very object that
   * was given, and so is the whole.
   */
  readonly config: MediaMTXConfig
  /** What works but is deprecated or dangerous. */
  readonly warnings: ReadonlyArray<ConfigIssue>
}

/**
 * A validator with a memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigValidator {
  readonly validate: (input: unknown) => Either.Either<ValidConfig, InvalidConfig>
}

const pathRows = new Map(Object.entries(pathFields))
const deprecatedPathRows = new Map(Object.entries(deprecatedPathFields))
const { pathDefaults: _pathDefaults, paths: _paths, ...plainGlobalFields } = globalFields
const globalRows = new Map(Object.entries(plainGlobalFields))
const deprecatedGlobalRows = new Map(Object.entries(deprecatedGlobalFields))

const globalTable: FieldTable = {
  live: globalRows,
  deprecated: deprecatedGlobalRows,
  elsewhere: (name) => (pathRows.has(name) && name !== "name" ? `pathDefaults.${name}` : undefined),
  nullable: false
}

const insideOf = (nullable: boolean): FieldTable => ({
  live: pathRows,
  deprecated: deprecatedPathRows,
  elsewhere: (name) => (globalRows.has(name) ? `${name} at the top level` : undefined),
  nullable
})
const pathTable = insideOf(true)
const pathDefaultsTable = insideOf(false)

const builtIn: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(pathFields).map(([name, row]) => [name, row.default])
)

/** All that the check of a path depends on outside of the path. */
interface Context {
  readonly key: string
  readonly playback: boolean
  readonly defaults: Readonly<Record<string, unknown>>
  readonly merged: Readonly<Record<string, unknown>>
  readonly forced: ReadonlySet<string>
}

interface PathIssue extends LocalIssue {
  /** Where the field that is to blame was set. */
  readonly layer: "path" | "pathDefaults"
}

interface PathResult {
  readonly issues: ReadonlyArray<PathIssue>
  readonly config: PathConfig
  /** Set for paths with a Raspberry Pi camera. */
  readonly camera: { readonly id: unknown; readonly secondary: boolean } | undefined
}

/** What an object held when it was checked, with copies of its lists and objects. */
interface Snapshot {
  readonly keys: ReadonlyArray<string>
  readonly values: ReadonlyArray<unknown>
}

interface PathEntry {
  readonly frozen: boolean
  readonly snapshot: Snapshot
  readonly rewritten: RewrittenPath
  context: Context | undefined
  plain: PathResult | undefined
  regex: PathResult | undefined
}

const noPathIssues: ReadonlyArray<PathIssue> = []

/** A copy that a later change of the original does not reach. */
const copyOf = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  return Array.isArray(value)
    ? value.map(copyOf)
    : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyOf(item)]))
}

const isDeepFrozen = (value: object): boolean =>
  Object.isFrozen(value) &&
  Object.values(value).every((item) => typeof item !== "object" || item === null || isDeepFrozen(item))

const holdsSame = (value: unknown, copy: unknown): boolean => {
  if (value === copy) return true
  if (typeof value !== "object" || typeof copy !== "object" || value === null || copy === null) return false
  if (Array.isArray(value)) {
    if (!Array.isArray(copy) || value.length !== copy.length) return false
    for (let index = 0; index < value.length; index++) if (!holdsSame(value[index], copy[index])) return false
    return true
  }
  if (Array.isArray(copy)) return false
  const entries = Object.entries(value)
  const copies = Object.entries(copy)
  return (
    entries.length === copies.length &&
    entries.every(([key, item], index) => copies[index]?.[0] === key && holdsSame(item, copies[index]?.[1]))
  )
}

// Runs over every field of every path on each call, so it is written without iterators and closures.
const isUnchanged = (entry: PathEntry, input: Readonly<Record<string, unknown>>): boolean => {
  const { keys, values } = entry.snapshot
  // Of a frozen object only the lists and objects in it can have changed, and only those are in its snapshot.
  const present = entry.frozen ? keys : Object.keys(input)
  if (present.length !== keys.length) return false
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] ?? ""
    if (present[index] !== key) return false
    const value = input[key]
    if (value !== values[index] && !holdsSame(value, values[index])) return false
  }
  return true
}

const takeSnapshot = (input: Readonly<Record<string, unknown>>, frozen: boolean): Snapshot => {
  const keys = Object.keys(input).filter((key) => {
    const value = input[key]
    return !frozen || (typeof value === "object" && value !== null && !isDeepFrozen(value))
  })
  return { keys, values: keys.map((key) => copyOf(input[key])) }
}

const readerOf =
  (own: Readonly<Record<string, unknown>>, merged: Readonly<Record<string, unknown>>): PathReader =>
  (name) =>
    // Only values that the field's own type has accepted, or its default, are in either.
    (own[name] ?? merged[name]) as PathValue<typeof name>

/** Where a rule's finding is reported: at the first of its fields that the path sets, else that pathDefaults sets. */
const blame = (
  fields: ReadonlyArray<PathFieldName>,
  own: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>
): { readonly field: string; readonly layer: "path" | "pathDefaults" } => {
  const mine = fields.find((name) => own[name] !== undefined)
  if (mine !== undefined) return { field: mine, layer: "path" }
  const inherited = fields.find((name) => defaults[name] !== undefined)
  return inherited === undefined
    ? { field: fields[0] ?? "", layer: "path" }
    : { field: inherited, layer: "pathDefaults" }
}

const evaluate = (rewritten: RewrittenPath, context: Context, regex: boolean): PathResult => {
  let issues: Array<PathIssue> | undefined
  let own = rewritten.values
  for (const issue of rewritten.issues) {
    issues ??= []
    issues.push({ ...issue, layer: "path" })
  }
  for (const name of context.forced) {
    if (own[name] === undefined || rewritten.forced.has(name)) continue
    const { [name]: _, ...rest } = own
    own = rest
    issues ??= []
    issues.push({
      ...warning({
        at: [name],
        rule: "deprecated-wins",
        message: "is overridden by an old name of the same setting in pathDefaults",
        expected: `pathDefaults.${name} under its live name`
      }),
      layer: "path"
    })
  }
  const get = readerOf(own, context.merged)
  const facts: PathFacts = { regex, playback: context.playback }
  for (const rule of pathRules) {
    const findings = rule.check(get, facts)
    if (findings === undefined) continue
    const at = blame(rule.fields, own, context.defaults)
    for (const found of findings) {
      issues ??= []
      issues.push({
        severity: rule.severity,
        rule: rule.id,
        at: [at.field, ...found.at],
        message: found.message,
        expected: found.expected,
        suggestion: found.suggestion,
        layer: at.layer
      })
    }
  }
  const source = get("source")
  return {
    issues: issues ?? noPathIssues,
    config: own,
    camera: source === "rpiCamera" ? { id: get("rpiCameraCamID"), secondary: get("rpiCameraSecondary") } : undefined
  }
}

const nullPath: Readonly<Record<string, unknown>> = Object.freeze({})

const wrongType = (value: unknown, expected: string) =>
  error({ at: [], rule: "wrong-type", message: `is ${describe(value)}`, expected })

/** Go sorts by bytes; for path names that is the order of their characters. */
const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Order and number of cameras across paths. */
const cameraIssues = (
  cameras: ReadonlyArray<{ readonly name: string; readonly id: unknown; readonly secondary: boolean }>
): ReadonlyArray<{ readonly name: string; readonly issue: LocalIssue }> => {
  const sorted = [...cameras].sort((a, b) => byName(a.name, b.name))
  const primaries = new Map<unknown, string>()
  const secondaries = new Map<unknown, string>()
  const issues: Array<{ readonly name: string; readonly issue: LocalIssue }> = []
  const report = (name: string, rule: string, at: string, message: string, expected: string) =>
    issues.push({ name, issue: error({ at: [at], rule, message, expected }) })
  for (const { name, id, secondary } of sorted) {
    if (secondary) continue
    const other = primaries.get(id)
    if (other === undefined) primaries.set(id, name)
    else {
      report(
        name,
        "rpi-camera-primary-duplicate",
        "source",
        `is camera ${id}, which ${other} has already`,
        "another rpiCameraCamID, or rpiCameraSecondary: true"
      )
    }
  }
  for (const { name, id, secondary } of sorted) {
    if (!secondary) continue
    const other = secondaries.get(id)
    if (!primaries.has(id)) {
      report(
        name,
        "rpi-camera-secondary-without-primary",
        "rpiCameraSecondary",
        `belongs to no other path with camera ${id}`,
        "a path with the same rpiCameraCamID that is not secondary"
      )
    } else if (other !== undefined) {
      report(
        name,
        "rpi-camera-secondary-duplicate",
        "rpiCameraSecondary",
        `is a second secondary stream of camera ${id} beside ${other}`,
        "one secondary stream a camera"
      )
    }
    if (other === undefined) secondaries.set(id, name)
  }
  return issues
}

/** Without those that are undefined, and with the checked in place of the given. */
const withPaths = (
  given: Readonly<Record<string, unknown>>,
  rewritten: ReadonlyMap<string, PathConfig>
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(given)
      .filter(([, path]) => path !== undefined)
      .map(([name, path]) => [name, rewritten.get(name) ?? path])
  )

/**
 * Makes a validator with a memory of its own. Memory is held by the path objects themselves, so it goes when they go.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeConfigValidator = (): ConfigValidator => {
  const entries = new WeakMap<object, PathEntry>()
  /**
   * Paths that can't change and of which there was nothing to say, under the name they had: most paths of most configs, so
   * that an edit of one path costs little more than a look at each of the others.
   */
  const clean = new WeakMap<object, { readonly name: string; readonly context: Context }>()
  let lastContext: Context | undefined

  const contextOf = (playback: boolean, defaults: RewrittenPath): Context => {
    const key = JSON.stringify([playback, defaults.values, [...defaults.forced]])
    if (lastContext?.key === key) return lastContext
    lastContext = {
      key,
      playback,
      // A copy: the caller may change its object, this context stands for what was in it.
      defaults: { ...defaults.values },
      merged: { ...builtIn, ...defaults.values },
      forced: defaults.forced
    }
    return lastContext
  }

  const entryOf = (input: Readonly<Record<string, unknown>>): PathEntry => {
    const known = entries.get(input)
    if (known !== undefined && isUnchanged(known, input)) return known
    const frozen = Object.isFrozen(input)
    const entry: PathEntry = {
      frozen,
      snapshot: takeSnapshot(input, frozen),
      rewritten: rewritePath(checkFields(input, pathTable)),
      context: undefined,
      plain: undefined,
      regex: undefined
    }
    entries.set(input, entry)
    return entry
  }

  const resultOf = (entry: PathEntry, context: Context, regex: boolean): PathResult => {
    if (entry.context !== context) {
      entry.context = context
      entry.plain = undefined
      entry.regex = undefined
    }
    if (regex) {
      entry.regex ??= evaluate(entry.rewritten, context, true)
      return entry.regex
    }
    entry.plain ??= evaluate(entry.rewritten, context, false)
    return entry.plain
  }

  const validate = (input: unknown): Either.Either<ValidConfig, InvalidConfig> => {
    const issues: Array<ConfigIssue> = []
    const report = (field: ReadonlyArray<string>, issue: LocalIssue) =>
      issues.push(makeIssue({ ...issue, field: [...field, ...issue.at] }))

    if (!isObject(input)) {
      report([], wrongType(input, "an object with the fields of a MediaMTX config"))
      return Either.left(new InvalidConfig({ issues }))
    }

    const { pathDefaults: givenDefaults, paths: givenPaths, ...givenGlobals } = input
    const globals = rewriteGlobals(checkFields(givenGlobals, globalTable))
    for (const issue of globals.issues) report([], issue)

    let rawDefaults: Readonly<Record<string, unknown>> = nullPath
    if (isObject(givenDefaults)) rawDefaults = givenDefaults
    else if (givenDefaults !== undefined && givenDefaults !== null) {
      report(["pathDefaults"], wrongType(givenDefaults, "an object with the fields of a path"))
    }
    const ownDefaults = rewritePath(checkFields(rawDefaults, pathDefaultsTable))
    for (const issue of ownDefaults.issues) report(["pathDefaults"], issue)
    const moved = Object.keys(globals.pathDefaults)
    const defaults: RewrittenPath =
      moved.length === 0 ? ownDefaults : { ...ownDefaults, values: { ...ownDefaults.values, ...globals.pathDefaults } }
    for (const name of moved) {
      if (ownDefaults.values[name] === undefined) continue
      report(
        [],
        warning({
          at: [name],
          rule: "deprecated-wins",
          message: `is deprecated and overrides pathDefaults.${name}, which is given too`,
          expected: `pathDefaults.${name} alone`
        })
      )
    }

    let rawPaths: Readonly<Record<string, unknown>> = nullPath
    if (isObject(givenPaths)) rawPaths = givenPaths
    else if (givenPaths !== undefined && givenPaths !== null) {
      report(["paths"], wrongType(givenPaths, "an object, each key the name of a path"))
    }

    const context = contextOf(globals.values["playback"] === true, defaults)
    // Side by side as lists: to look each path up by its name takes longer than all the rest of a known one.
    const names = Object.keys(rawPaths)
    const givens = Object.values(rawPaths)
    const inherited = new Set<string>()
    const cameras: Array<{ readonly name: string; readonly id: unknown; readonly secondary: boolean }> = []
    const credentials: Array<readonly [string, LegacyCredentials]> = []
    let anyCredentials = defaults.credentials !== undefined
    let udpReadBufferSize = defaults.udpReadBufferSize
    let samePaths = true
    let catchAll: string | undefined
    let lastRegex = ""
    /** The checked paths that are not what was given. */
    const rewrittenPaths = new Map<string, PathConfig>()

    for (let index = 0; index < names.length; index++) {
      const name = names[index] ?? ""
      const given = givens[index]
      const known = typeof given === "object" && given !== null ? clean.get(given) : undefined
      if (known !== undefined && known.context === context && known.name === name) continue
      const issuesBefore = issues.length
      const field = ["paths", name]
      const named = pathNameProblem(name)
      if (named !== undefined) report(field, error(named))
      if (isCatchAll(name)) {
        if (catchAll === undefined) catchAll = name
        else {
          report(
            field,
            error({
              at: [],
              rule: "catch-all-alias",
              message: `means the same as ${JSON.stringify(catchAll)}, which is there too`,
              expected: "one of all_others, all and ~^.*$"
            })
          )
        }
      } else if (name.startsWith("~") && name > lastRegex) lastRegex = name

      if (given === undefined) {
        samePaths = false
        continue
      }
      if (given !== null && !isObject(given)) {
        report(field, wrongType(given, "an object with the fields of a path, or {}"))
        continue
      }
      const object = given ?? nullPath
      const entry = entryOf(object)
      const result = resultOf(entry, context, isRegexPathName(name))
      for (const { layer, ...issue } of result.issues) {
        if (layer === "path") report(field, issue)
        else {
          // One mistake in pathDefaults is one issue, however many paths inherit it.
          const once = JSON.stringify([issue.rule, issue.at])
          if (inherited.has(once)) continue
          inherited.add(once)
          report(["pathDefaults"], {
            ...issue,
            message: `${issue.message} (inherited by path ${JSON.stringify(name)})`
          })
        }
      }
      if (typeof object["name"] === "string" && object["name"] !== name) {
        report(
          field,
          warning({
            at: ["name"],
            rule: "path-name-ignored",
            message: "is not the key of the path and will be ignored",
            expected: `nothing, or ${JSON.stringify(name)}`
          })
        )
      }
      if (result.camera !== undefined) cameras.push({ name, ...result.camera })
      if (entry.rewritten.credentials !== undefined) anyCredentials = true
      if (entry.rewritten.udpReadBufferSize !== undefined) {
        udpReadBufferSize = Math.max(udpReadBufferSize ?? 0, entry.rewritten.udpReadBufferSize)
      }
      if (result.config !== given) {
        samePaths = false
        rewrittenPaths.set(name, result.config)
      } else if (
        issues.length === issuesBefore &&
        entry.frozen &&
        entry.snapshot.keys.length === 0 &&
        result.issues.length === 0 &&
        result.camera === undefined &&
        entry.rewritten.credentials === undefined &&
        entry.rewritten.udpReadBufferSize === undefined &&
        !isRegexPathName(name)
      ) {
        clean.set(given, { name, context })
      }
    }

    if (catchAll === "~^.*$" && lastRegex > catchAll) {
      report(
        ["paths", catchAll],
        warning({
          at: [],
          rule: "catch-all-not-last",
          message: `is tried before ${JSON.stringify(lastRegex)}, which never gets its turn`,
          expected: "all_others, which is tried last",
          suggestion: '"all_others"'
        })
      )
    }
    for (const { name, issue } of cameraIssues(cameras)) report(["paths", name], issue)

    const values: Record<string, unknown> = { ...globals.values }
    if (udpReadBufferSize !== undefined) {
      const present = values["udpReadBufferSize"]
      values["udpReadBufferSize"] = Math.max(typeof present === "number" ? present : 0, udpReadBufferSize)
    }
    if (anyCredentials) {
      // The server compares with its built-in list in a way that no list from a file can equal.
      if (Object.hasOwn(values, "authInternalUsers")) {
        report(
          [],
          error({
            at: ["authInternalUsers"],
            rule: "legacy-credentials-exclusive",
            message:
              "is given together with publishUser, publishPass, publishIPs, readUser, readPass or readIPs of a path",
            expected: "all users in authInternalUsers, none in paths"
          })
        )
      } else {
        for (const name of [...names].sort(byName)) {
          const given = rawPaths[name]
          const own = isObject(given) ? entryOf(given).rewritten.credentials : undefined
          const merged: { -readonly [K in keyof LegacyCredentials]: LegacyCredentials[K] } = {
            ...defaults.credentials,
            ...own
          }
          for (const [who, pass] of [
            ["publishUser", "publishPass"],
            ["readUser", "readPass"]
          ] as const) {
            if ((merged[pass] ?? "") !== "" && ["", "any"].includes(merged[who] ?? "")) {
              report(
                ["paths", name],
                error({
                  at: [pass],
                  rule: "legacy-password-without-user",
                  message: `is a password without ${who}, which authInternalUsers can't express`,
                  expected: `${who} beside it`
                })
              )
              delete merged[pass]
            }
          }
          credentials.push([name, merged])
        }
        values["authInternalUsers"] = usersFromCredentials(credentials)
      }
    }

    const get = globalReader(values)
    for (const rule of globalRules) {
      for (const found of rule.check(get)) report([], { ...found, severity: rule.severity, rule: rule.id })
    }

    if (issues.some((issue) => issue.severity === "error")) return Either.left(new InvalidConfig({ issues }))

    const unchanged =
      globals.values === givenGlobals &&
      !anyCredentials &&
      udpReadBufferSize === undefined &&
      (givenDefaults === undefined || defaults.values === givenDefaults) &&
      (givenPaths === undefined || (samePaths && isObject(givenPaths)))
    const config = unchanged
      ? input
      : {
          ...values,
          ...(isObject(givenDefaults) || moved.length > 0 ? { pathDefaults: defaults.values } : {}),
          ...(isObject(givenPaths) ? { paths: samePaths ? givenPaths : withPaths(givenPaths, rewrittenPaths) } : {})
        }
    // Every field that is left was checked by its row of the tables that the type is written from.
    return Either.right({ config: config as MediaMTXConfig, warnings: issues })
  }

  return { validate }
}

// A pure memo: it holds nothing but what was computed from the objects that are its keys.
const shared = makeConfigValidator()

/**
 * Validates a config of MediaMTX 1.20: types, names, and every rule that the server itself has, on the config that results
 * with defaults and `pathDefaults` merged in. Old names are rewritten. All findings come at once.
 *
 * Fast for repeated use: a path object that did not change since the last call is not checked again.
 *
 * @example
 * import { validateConfig } from "@livecams/mtx-manager"
 * import * as Either from "effect/Either"
 *
 * const result = validateConfig({ paths: { cam: { runOnRedy: "true" } } })
 * if (Either.isLeft(result)) console.log(result.left.message)
 * // the MediaMTX config is invalid: 1 error
 * //   error paths.cam.runOnRedy: is not a field of MediaMTX (... did you mean runOnRead?) [unknown-field]
 *
 * @since 0.1.0
 * @category validation
 */
export const validateConfig = (input: unknown): Either.Either<ValidConfig, InvalidConfig> => shared.validate(input)
