/**
 * A config in the words of an older MediaMTX.
 *
 * Configs are written in the names and with the meaning of the newest release that the tables know. One unknown name ends a
 * server, so what an older one lacks is left out with a warning or spelled as it was then. What guards something is never
 * left out: where it can't be said, the config is refused, and the node keeps what it has.
 *
 * What the releases did was read off the structs of each of them, see the tables of fields; what is about values and not
 * about names stands here.
 *
 * @since 0.1.0
 */
import { type AnyConfigField, currentVersion, type MediaMTXVersion } from "./ConfigField.js"
import { type ConfigIssue, makeIssue } from "./ConfigIssue.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "./DeprecatedFields.js"
import { globalFields } from "./GlobalFields.js"
import type { ForwardDestination, MediaMTXConfig, PathConfig } from "./MediaMTXConfig.js"
import { isBefore, knownRelease } from "./MediaMTXVersion.js"
import { pathFields } from "./PathFields.js"

type Fields = Readonly<Record<string, unknown>>

/** A value as an older release takes it: its own fields, and what it had in every path rather than once. */
interface Respelled {
  readonly fields: Fields
  readonly pathDefaults?: Fields
}

/** Undefined: can't be said in that release. */
type Respell = (value: unknown) => Respelled | undefined

const rename =
  (to: string): Respell =>
  (value) => ({ fields: { [to]: value } })

/** Before there were lists: the one origin, or none. A pattern was taken literally. */
const onlyOrigin =
  (to: string): Respell =>
  (value) => {
    if (!Array.isArray(value) || value.length > 1) return undefined
    const [origin = ""]: ReadonlyArray<unknown> = value
    return typeof origin !== "string" || (origin !== "*" && origin.includes("*"))
      ? undefined
      : { fields: { [to]: origin } }
  }

/** One for each encoder, of which `auto` chose the default. */
const perEncoder =
  (part: "Profile" | "Level"): Respell =>
  (value) =>
    value === "auto"
      ? { fields: {} }
      : { fields: { [`rpiCameraHardwareH264${part}`]: value, [`rpiCameraSoftwareH264${part}`]: value } }

/** Old spellings that are more than another name. */
const respellings: Readonly<Record<string, Respell>> = {
  apiAllowOrigins: onlyOrigin("apiAllowOrigin"),
  metricsAllowOrigins: onlyOrigin("metricsAllowOrigin"),
  pprofAllowOrigins: onlyOrigin("pprofAllowOrigin"),
  playbackAllowOrigins: onlyOrigin("playbackAllowOrigin"),
  hlsAllowOrigins: onlyOrigin("hlsAllowOrigin"),
  webrtcAllowOrigins: onlyOrigin("webrtcAllowOrigin"),
  udpReadBufferSize: (value) => ({
    fields: { rtspUDPReadBufferSize: value },
    pathDefaults: { rtspUDPReadBufferSize: value, mpegtsUDPReadBufferSize: value, rtpUDPReadBufferSize: value }
  }),
  rpiCameraH264Profile: perEncoder("Profile"),
  rpiCameraH264Level: perEncoder("Level")
}

/** What is done with a field that a release doesn't have by this name. */
interface Step {
  readonly row: AnyConfigField
  readonly respell: Respell | undefined
}

const stepsFor = (
  version: MediaMTXVersion,
  table: Readonly<Record<string, AnyConfigField>>,
  old: Readonly<Record<string, { readonly since: MediaMTXVersion }>>
): ReadonlyMap<string, Step> => {
  const steps = new Map<string, Step>()
  for (const [name, row] of Object.entries(table)) {
    if (!isBefore(version, row.since)) continue
    const before = row.renamedFrom
    const had = before !== undefined && !isBefore(version, old[before]?.since ?? row.since)
    steps.set(name, { row, respell: had && before !== undefined ? (respellings[name] ?? rename(before)) : undefined })
  }
  return steps
}

/**
 * An older release, and what differs in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface OlderRelease {
  readonly version: MediaMTXVersion
  readonly global: ReadonlyMap<string, Step>
  readonly path: ReadonlyMap<string, Step>
}

const known = new Map<MediaMTXVersion, OlderRelease>()

/**
 * What has to be done for a release. `current`: nothing, it is the one of the tables or newer. `unknown`: it is older than
 * all that is known, and nothing may be given to it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const olderRelease = (version: MediaMTXVersion): OlderRelease | "current" | "unknown" => {
  const release = knownRelease(version)
  if (release === undefined) return "unknown"
  if (release === currentVersion) return "current"
  let found = known.get(release)
  if (found === undefined) {
    found = {
      version: release,
      global: stepsFor(release, globalFields, deprecatedGlobalFields),
      path: stepsFor(release, pathFields, deprecatedPathFields)
    }
    known.set(release, found)
  }
  return found
}

/** From here on `MTX_QUERY` is form-encoded. Before, hooks get the text of the client as it came. */
const queryIsEncoded: MediaMTXVersion = "1.18.1"

/**
 * Whether hooks get `MTX_QUERY` as the client sent it, encoded by nobody.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasRawQuery = (version: MediaMTXVersion): boolean => isBefore(version, queryIsEncoded)

/**
 * What to do with a value that an older release has no field for: leave it out with a warning, or make no config. What guards
 * something is refused in any case.
 *
 * @since 0.1.0
 * @category models
 */
export type LackingPolicy = "drop" | "refuse"

/**
 * @since 0.1.0
 * @category models
 */
export interface FittedFields {
  /** The very object that was given, if nothing had to change. */
  readonly values: Fields
  readonly issues: ReadonlyArray<ConfigIssue>
  /** What was global later but stood in every path. */
  readonly pathDefaults: Fields
}

/**
 * Puts the parts of one config into an older release's words.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fitting {
  /** Some of the global fields, without `pathDefaults` and `paths`. */
  readonly globals: (part: MediaMTXConfig) => FittedFields
  /** `pathDefaults`, or one of `paths`. */
  readonly path: (at: ReadonlyArray<string>, path: PathConfig) => FittedFields
  /** Global fields to be said that need no saying in the newest release. */
  readonly added: MediaMTXConfig
}

const none: Fields = Object.freeze({})
const noIssues: ReadonlyArray<ConfigIssue> = []

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

const shell = /(?:^|[\s/'"])(?:ba|da|a|k|z)?sh\b[^$]*\s-\w*c\b.*MTX_QUERY/s

const needs = (version: MediaMTXVersion): string => `MediaMTX ${version} or newer on this node`

/**
 * @since 0.1.0
 * @category constructors
 */
export const makeFitting = (release: OlderRelease, all: MediaMTXConfig, policy: LackingPolicy): Fitting => {
  const { version } = release
  const before = (other: MediaMTXVersion): boolean => isBefore(version, other)
  const lacks = (
    at: ReadonlyArray<string>,
    since: MediaMTXVersion,
    guards: boolean,
    what = "is not known"
  ): ConfigIssue => {
    const refused = guards || policy === "refuse"
    return makeIssue({
      severity: refused ? "error" : "warning",
      rule: guards ? "version-guard-missing" : "version-field-missing",
      field: at,
      message: `${what} to MediaMTX ${version}, which the node runs${
        guards ? "; without it the node would be less guarded than was meant" : refused ? "" : ", and is left out"
      }`,
      expected: needs(since)
    })
  }

  /** Fields of servers that are off. Older releases check them all the same. */
  const inert = new Set<string>()
  const added: { -readonly [K in keyof MediaMTXConfig]: MediaMTXConfig[K] } = {}
  const method = all.authMethod ?? "internal"
  if (before("1.16.0")) {
    if (all.webrtc === false) {
      for (const name of [
        "webrtcLocalUDPAddress",
        "webrtcLocalTCPAddress",
        "webrtcIPsFromInterfaces",
        "webrtcAdditionalHosts",
        "webrtcICEServers2"
      ]) {
        inert.add(name)
      }
    }
    if (all.rtsp === false) inert.add("rtspAuthMethods")
    if (method !== "internal") inert.add("authInternalUsers")
    if (method !== "http") inert.add("authHTTPAddress")
    if (method !== "jwt") inert.add("authJWTJWKS")
  }
  // Until then these were open to everybody unless the config said otherwise.
  if (before("1.20.1") && method === "http" && all.authHTTPExclude === undefined) added.authHTTPExclude = []

  const fitFields = (
    at: ReadonlyArray<string>,
    given: object,
    steps: ReadonlyMap<string, Step>,
    leftOut: ReadonlySet<string>
  ): FittedFields => {
    let values: Record<string, unknown> | undefined
    let issues: Array<ConfigIssue> | undefined
    let pathDefaults = none
    for (const name in given) {
      const step = steps.get(name)
      if (step === undefined && !leftOut.has(name)) continue
      if (values === undefined) values = { ...given }
      const value: unknown = Reflect.get(given, name)
      delete values[name]
      if (step === undefined || value === undefined || leftOut.has(name)) continue
      const { respell, row } = step
      const respelled = respell?.(value)
      if (respelled !== undefined) {
        Object.assign(values, respelled.fields)
        if (respelled.pathDefaults !== undefined) pathDefaults = { ...pathDefaults, ...respelled.pathDefaults }
      } else if (respell !== undefined || !same(value, row.absent)) {
        issues ??= []
        issues.push(
          respell === undefined
            ? lacks([...at, name], row.since, row.lacking === "refuse")
            : lacks([...at, name], row.since, row.lacking === "refuse", "has a value that can't be told")
        )
      }
    }
    return { values: values ?? (given as Fields), issues: issues ?? noIssues, pathDefaults }
  }

  /** `forward` of 1.20.0 had addresses only, and none for WHIP. */
  const forward = (
    at: ReadonlyArray<string>,
    list: ReadonlyArray<ForwardDestination>,
    issues: Array<ConfigIssue>
  ): ReadonlyArray<ForwardDestination> =>
    list.flatMap((item, index) => {
      const here = [...at, "forward", String(index)]
      if (/^whips?:/.test(item.dest ?? "")) {
        issues.push(lacks([...here, "dest"], "1.20.1", false, "is WHIP, which is not known"))
        return []
      }
      if ((item.destFingerprint ?? "") !== "") issues.push(lacks([...here, "destFingerprint"], "1.20.1", true))
      return [{ ...(item.dest !== undefined && { dest: item.dest }) }]
    })

  const path = (at: ReadonlyArray<string>, given: PathConfig): FittedFields => {
    const fitted = fitFields(at, given, release.path, nothing)
    const issues = [...fitted.issues]
    const more: Record<string, unknown> = {}
    if (before("1.20.1")) {
      if (given.source?.startsWith("moqt:") === true) {
        issues.push(lacks([...at, "source"], "1.20.1", true, "is MoQ, which is not known"))
      }
      if (given.forward !== undefined && given.forward.length > 0 && !before("1.20.0")) {
        more["forward"] = forward(at, given.forward, issues)
      }
    }
    if (before("1.19.2") && at[0] === "paths" && (given.source ?? all.pathDefaults?.source) === "rpiCamera") {
      const secondary = given.rpiCameraSecondary ?? all.pathDefaults?.rpiCameraSecondary ?? false
      const codec = given.rpiCameraCodec ?? all.pathDefaults?.rpiCameraCodec ?? "auto"
      if (codec === "mjpeg" ? !secondary : secondary && codec !== "auto") {
        issues.push(
          lacks(
            [...at, "rpiCameraCodec"],
            "1.19.2",
            false,
            `is ${codec} on ${secondary ? "a secondary" : "a primary"} stream, which is not known`
          )
        )
        more["rpiCameraCodec"] = "auto"
      }
    }
    if (hasRawQuery(version)) {
      for (const [name, value] of Object.entries(given)) {
        if (!name.startsWith("runOn") || typeof value !== "string" || !shell.test(value)) continue
        issues.push(
          makeIssue({
            severity: "error",
            rule: "version-query-injection",
            field: [...at, name],
            message: `hands $MTX_QUERY to a shell; MediaMTX ${version}, which the node runs, puts in what the client sent as it is, so that any client could run commands on the node`,
            expected: `${needs(queryIsEncoded)}, or a command without the query`
          })
        )
      }
    }
    return Object.keys(more).length === 0 && issues.length === fitted.issues.length
      ? fitted
      : { values: { ...fitted.values, ...more }, issues, pathDefaults: none }
  }

  return { globals: (part) => fitFields([], part, release.global, inert), path, added }
}
const nothing: ReadonlySet<string> = new Set()

/**
 * A whole config in an older release's words, as the renderer does it part by part.
 *
 * @since 0.1.0
 * @category conversions
 */
export const configForVersion = (
  config: MediaMTXConfig,
  version: MediaMTXVersion,
  policy: LackingPolicy = "drop"
): { readonly config: Fields; readonly issues: ReadonlyArray<ConfigIssue> } | undefined => {
  const release = olderRelease(version)
  if (release === "unknown") return undefined
  // A struct of known fields is a record of them.
  if (release === "current") return { config: config as Fields, issues: [] }
  const fitting = makeFitting(release, config, policy)
  const { pathDefaults, paths, ...globals } = config
  const top = fitting.globals(globals)
  const defaults = fitting.path(["pathDefaults"], pathDefaults ?? {})
  const issues = [...top.issues, ...defaults.issues]
  const fittedPaths: Record<string, Fields> = {}
  for (const [name, path] of Object.entries(paths ?? {})) {
    const fitted = fitting.path(["paths", name], path ?? {})
    issues.push(...fitted.issues)
    fittedPaths[name] = fitted.values
  }
  const allDefaults = { ...top.pathDefaults, ...defaults.values }
  return {
    config: {
      ...top.values,
      ...fitting.added,
      ...(Object.keys(allDefaults).length > 0 && { pathDefaults: allDefaults }),
      ...(paths !== undefined && { paths: fittedPaths })
    },
    issues
  }
}
