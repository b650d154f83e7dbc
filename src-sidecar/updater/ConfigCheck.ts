/**
 * The node's own look at a config before MediaMTX gets it. The manager has validated it already; this one guards against a
 * manager that is not ours, is broken, or is of another age than the node.
 *
 * Refused is what surely ends the server or opens it: text that can't be read as MediaMTX reads it, text that sets
 * nothing (the defaults let anyone in), and values against MediaMTX's own rules. Field names that are not known here are
 * another matter: to a MediaMTX that is newer than this program they may be right, and refusing them would keep such a
 * node on its old config for ever. They are refused only when the server says that it is of a version which is known here,
 * and which surely ends at them. And when the server is newer than that, none of the rules is sure any more: then they warn.
 *
 * This module weighs more than all the rest of the updater, so it runs in a short-lived process of its own.
 */
import * as Either from "effect/Either"
import { parseConfigText } from "../../src/mediamtx/ConfigDocument.js"
import { type AnyConfigField, currentVersion } from "../../src/mediamtx/ConfigField.js"
import { type ConfigIssue, formatIssue } from "../../src/mediamtx/ConfigIssue.js"
import { validateConfig } from "../../src/mediamtx/ConfigValidation.js"
import { isObject } from "../../src/mediamtx/FieldType.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { isWhole } from "./ConfigText.js"
import type { Probe, Question, Verdict } from "./Verdict.js"

type Fields = Readonly<Record<string, unknown>>

const refused = (...problems: ReadonlyArray<string>): Verdict => ({
  accepted: false,
  problems,
  warnings: [],
  apiStays: false,
  probes: []
})

/** `known`: its fields and rules are in the tables. `newer`: they may differ. `unsaid`: nobody said. */
type Age = "known" | "newer" | "unsaid"

const ageOf = (serverVersion: string | undefined): Age => {
  const server = /^v?(\d+)\.(\d+)\./.exec(serverVersion ?? "")
  const [major = 0, minor = 0] = currentVersion.split(".").map(Number)
  if (server === null) return "unsaid"
  const [theirs, ours] = [Number(server[1]) * 1e6 + Number(server[2]), major * 1e6 + minor]
  return theirs > ours ? "newer" : "known"
}

const surelyEnds = (issue: ConfigIssue, age: Age): boolean =>
  issue.severity === "error" && age !== "newer" && (issue.rule !== "unknown-field" || age === "known")

/** Both tables as what they have in common. */
const globalTable: ReadonlyMap<string, AnyConfigField> = new Map(Object.entries(globalFields))
const pathTable: ReadonlyMap<string, AnyConfigField> = new Map(Object.entries(pathFields))

/** Values that the control API shows exactly as they stand in the file. */
const isPlain = (table: ReadonlyMap<string, AnyConfigField>, field: string): boolean => {
  const type = table.get(field)?.type
  return type !== undefined && !type.secret && type.meaning === undefined && type.json !== "array"
}

const isSimple = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const changesOf = (
  get: string,
  table: ReadonlyMap<string, AnyConfigField>,
  before: Fields,
  after: Fields
): ReadonlyArray<Probe> => {
  const probes: Array<Probe> = []
  for (const [field, now] of Object.entries(after)) {
    if (!isPlain(table, field)) continue
    const was = before[field] ?? table.get(field)?.default
    if (isSimple(was) && isSimple(now) && was !== now) probes.push({ get, field, was, now })
  }
  return probes
}

const MAX_PROBES = 8

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {})

/** What to look at in the config in force to see which of the two it is. */
const probesBetween = (before: Fields, after: Fields): ReadonlyArray<Probe> => {
  const probes: Array<Probe> = [...changesOf("global/get", globalTable, before, after)]
  const [defaultsBefore, defaultsAfter] = [fieldsOf(before["pathDefaults"]), fieldsOf(after["pathDefaults"])]
  probes.push(...changesOf("pathdefaults/get", pathTable, defaultsBefore, defaultsAfter))
  const [pathsBefore, pathsAfter] = [fieldsOf(before["paths"]), fieldsOf(after["paths"])]
  const url = (name: string) => `paths/get/${name.split("/").map(encodeURIComponent).join("/")}`
  for (const name of Object.keys(pathsAfter)) {
    if (!Object.hasOwn(pathsBefore, name)) probes.push({ get: url(name), was: false, now: true })
    else {
      // What a path does not set itself comes from the defaults, which may have changed as well.
      const own = fieldsOf(pathsBefore[name])
      const set = Object.fromEntries(
        Object.entries(fieldsOf(pathsAfter[name])).filter(([field]) => Object.hasOwn(own, field))
      )
      probes.push(...changesOf(url(name), pathTable, own, set))
    }
    if (probes.length >= MAX_PROBES) break
  }
  for (const name of Object.keys(pathsBefore)) {
    if (probes.length >= MAX_PROBES) break
    if (!Object.hasOwn(pathsAfter, name)) probes.push({ get: url(name), was: true, now: false })
  }
  return probes.slice(0, MAX_PROBES)
}

const apiFields = ["api", "apiAddress", "apiEncryption"] as const

/** Looks at a config; `previous` is only compared with. */
export const checkConfig = ({ previous, serverVersion, text }: Question): Verdict => {
  if (!isWhole(text)) return refused("it does not end with the manager's last line: part of it is missing")
  const parsed = parseConfigText(text)
  if (Either.isLeft(parsed)) {
    return refused(...parsed.left.issues.map((issue) => `line ${issue.line}: ${issue.message}`))
  }
  if (parsed.right.isEmpty) return refused("it sets nothing, and MediaMTX's defaults let anyone publish and read")

  const age = ageOf(serverVersion)
  const validated = validateConfig(parsed.right.value)
  const issues = Either.isLeft(validated) ? validated.left.issues : validated.right.warnings
  const problems = issues.filter((issue) => surelyEnds(issue, age)).map(formatIssue)
  const warnings = [
    ...parsed.right.warnings.map((issue) => `line ${issue.line}: ${issue.message}`),
    ...issues.filter((issue) => !surelyEnds(issue, age)).map(formatIssue)
  ]
  if (problems.length > 0) return { accepted: false, problems, warnings, apiStays: false, probes: [] }

  const after: Fields = Either.isRight(validated) ? { ...validated.right.config } : parsed.right.value
  const before = previous === undefined ? undefined : Either.getOrUndefined(parseConfigText(previous))?.value
  const earlier = before === undefined ? undefined : Either.getOrUndefined(validateConfig(before))?.config
  return {
    accepted: true,
    problems: [],
    warnings,
    apiStays:
      after["api"] === true &&
      (earlier === undefined || apiFields.every((field) => fieldsOf(earlier)[field] === after[field])),
    probes: earlier === undefined ? [] : probesBetween(fieldsOf(earlier), after)
  }
}
