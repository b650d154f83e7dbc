/**
 * Rewrites old names to the live ones that mean the same, as MediaMTX itself does while loading: where both are given, the
 * old one wins.
 *
 * @since 0.1.0
 */
import { RpiH264Level, RpiH264Profile } from "./ConfigEnums.js"
import type { CheckedFields, LocalIssue } from "./ConfigFields.js"
import { error, warning } from "./ConfigFields.js"
import { type DeprecatedRow, deprecatedGlobalFields, deprecatedPathFields } from "./DeprecatedFields.js"
import type { AuthInternalUser } from "./MediaMTXConfig.js"

/**
 * The users and passwords that older configs have inside paths.
 *
 * @since 0.1.0
 * @category models
 */
export interface LegacyCredentials {
  readonly publishUser?: string
  readonly publishPass?: string
  readonly publishIPs?: ReadonlyArray<string>
  readonly readUser?: string
  readonly readPass?: string
  readonly readIPs?: ReadonlyArray<string>
}

/**
 * A path or `pathDefaults` with live names only.
 *
 * @since 0.1.0
 * @category models
 */
export interface RewrittenPath {
  readonly issues: ReadonlyArray<LocalIssue>
  readonly values: Readonly<Record<string, unknown>>
  /** Live names whose value came from an old name. In `pathDefaults` they win over the same live name in a path. */
  readonly forced: ReadonlySet<string>
  readonly credentials: LegacyCredentials | undefined
  /** The largest read buffer that an old name asked for, which is a global setting now. */
  readonly udpReadBufferSize: number | undefined
}

/**
 * All global fields with live names only.
 *
 * @since 0.1.0
 * @category models
 */
export interface RewrittenGlobals {
  readonly issues: ReadonlyArray<LocalIssue>
  readonly values: Readonly<Record<string, unknown>>
  /** What belongs into `pathDefaults`, over what is there. */
  readonly pathDefaults: Readonly<Record<string, unknown>>
}

const deprecatedGlobal: ReadonlyMap<string, DeprecatedRow> = new Map(Object.entries(deprecatedGlobalFields))
const deprecatedPath: ReadonlyMap<string, DeprecatedRow> = new Map(Object.entries(deprecatedPathFields))

const deprecated = (name: string, row: DeprecatedRow, more?: string): LocalIssue =>
  warning({
    at: [name],
    rule: "deprecated-field",
    message: `is deprecated${more === undefined ? "" : `, ${more}`}`,
    expected: row.replacedBy ?? "nothing in its place"
  })

const wins = (name: string, over: string): LocalIssue =>
  warning({
    at: [name],
    rule: "deprecated-wins",
    message: `is deprecated and overrides ${over}, which is given too`,
    expected: `${over} alone`
  })

const apply = (row: DeprecatedRow, value: unknown): unknown =>
  row.rewrite === "negate" ? value !== true : row.rewrite === "wrap" ? [value] : value

const noSet: ReadonlySet<string> = new Set()
const credentialNames: ReadonlySet<string> = new Set([
  "publishUser",
  "publishPass",
  "publishIPs",
  "readUser",
  "readPass",
  "readIPs"
] satisfies ReadonlyArray<keyof LegacyCredentials>)

const rewriteH264 = (
  old: ReadonlyMap<string, unknown>,
  codec: unknown,
  part: "Profile" | "Level"
): { readonly from: string; readonly value: unknown } | undefined => {
  const pick = (name: string) => (old.has(name) ? { from: name, value: old.get(name) } : undefined)
  const software = pick(`rpiCameraSoftwareH264${part}`)
  if (codec === "softwareH264") return software
  const hardware = pick(`rpiCamera${part}`) ?? pick(`rpiCameraHardwareH264${part}`)
  return hardware ?? (codec === "hardwareH264" ? undefined : software)
}

/**
 * @since 0.1.0
 * @category conversions
 */
export const rewritePath = (checked: CheckedFields): RewrittenPath => {
  const { old } = checked
  if (old.size === 0) {
    return {
      issues: checked.issues,
      values: checked.values,
      forced: noSet,
      credentials: undefined,
      udpReadBufferSize: undefined
    }
  }
  const issues = [...checked.issues]
  const values: Record<string, unknown> = { ...checked.values }
  const forced = new Set<string>()
  const credentials: Record<string, unknown> = {}
  let udpReadBufferSize: number | undefined
  const set = (name: string, to: string, value: unknown, row: DeprecatedRow) => {
    issues.push(Object.hasOwn(checked.values, to) ? wins(name, to) : deprecated(name, row))
    values[to] = value
    forced.add(to)
  }
  for (const [name, value] of old) {
    const row = deprecatedPath.get(name)
    if (row === undefined) continue
    if (row.rewrite === "drop") {
      issues.push(deprecated(name, row, "and left out, as nothing means the same"))
    } else if (credentialNames.has(name)) {
      credentials[name] = value
      issues.push(deprecated(name, row))
    } else if (name.endsWith("UDPReadBufferSize")) {
      udpReadBufferSize = Math.max(udpReadBufferSize ?? 0, Number(value))
      issues.push(deprecated(name, row, "and raises the global setting instead"))
    } else if (row.rewrite !== "special" && row.replacedBy !== undefined) {
      set(name, row.replacedBy, apply(row, value), row)
    }
  }
  for (const [part, type] of [
    ["Profile", RpiH264Profile],
    ["Level", RpiH264Level]
  ] as const) {
    const chosen = rewriteH264(old, checked.values["rpiCameraCodec"] ?? "auto", part)
    for (const [name, row] of deprecatedPath) {
      if (!name.endsWith(part) || !old.has(name)) continue
      if (name !== chosen?.from) {
        issues.push(deprecated(name, row, "and left out, as it has no effect here"))
        continue
      }
      const problems = type.check(chosen.value)
      if (problems === undefined) set(name, `rpiCameraH264${part}`, chosen.value, row)
      else issues.push(...problems.map((found) => error({ ...found, at: [name] })))
    }
  }
  return {
    issues,
    values,
    forced,
    // Only names of credentials were put in, each with a value that its own type has checked.
    credentials: Object.keys(credentials).length === 0 ? undefined : (credentials as LegacyCredentials),
    udpReadBufferSize
  }
}

/** `turn:user:pass:host:port` is how old files say it. */
const iceServer = (text: string) => {
  const [scheme = "", username = "", password = "", host = "", port = "", ...rest] = text.split(":")
  return port !== "" && rest.length === 0 ? { url: `${scheme}:${host}:${port}`, username, password } : { url: text }
}

/**
 * @since 0.1.0
 * @category conversions
 */
export const rewriteGlobals = (checked: CheckedFields): RewrittenGlobals => {
  const { old } = checked
  if (old.size === 0) return { issues: checked.issues, values: checked.values, pathDefaults: {} }
  const issues = [...checked.issues]
  const values: Record<string, unknown> = { ...checked.values }
  const pathDefaults: Record<string, unknown> = {}
  for (const [name, value] of old) {
    const row = deprecatedGlobal.get(name)
    if (row === undefined) continue
    if (row.rewrite === "drop" || row.replacedBy === undefined) {
      issues.push(deprecated(name, row, "and left out, as nothing means the same"))
    } else if (row.rewrite === "path-default") {
      pathDefaults[name] = value
      issues.push(deprecated(name, row))
    } else if (name === "externalAuthenticationURL") {
      const other = ["authHTTPAddress", "authMethod"].find((given) => Object.hasOwn(checked.values, given))
      issues.push(other === undefined ? deprecated(name, row) : wins(name, other))
      values["authMethod"] = "http"
      values["authHTTPAddress"] = value
    } else if (name === "webrtcICEServers") {
      issues.push(deprecated(name, row))
      const given = values["webrtcICEServers2"]
      values["webrtcICEServers2"] = [
        ...(Array.isArray(given) ? given : []),
        ...(Array.isArray(value) ? value.map((server) => iceServer(String(server))) : [])
      ]
    } else {
      issues.push(Object.hasOwn(checked.values, row.replacedBy) ? wins(name, row.replacedBy) : deprecated(name, row))
      values[row.replacedBy] = apply(row, value)
    }
  }
  return { issues, values, pathDefaults }
}

/**
 * The users that stand for credentials inside paths. Paths in order of their names, `pathDefaults` already merged in.
 *
 * @since 0.1.0
 * @category conversions
 */
export const usersFromCredentials = (
  paths: ReadonlyArray<readonly [name: string, credentials: LegacyCredentials]>
): ReadonlyArray<AuthInternalUser> => [
  { user: "any", permissions: [{ action: "playback" }] },
  {
    user: "any",
    ips: ["127.0.0.1/32", "::1/128"],
    permissions: [{ action: "api" }, { action: "metrics" }, { action: "pprof" }]
  },
  ...paths.flatMap(([name, given]): ReadonlyArray<AuthInternalUser> => {
    const path = name === "all_others" || name === "all" ? "~^.*$" : name
    const user = (
      action: "publish" | "read",
      who: string | undefined,
      pass: string | undefined,
      ips: ReadonlyArray<string> | undefined
    ): AuthInternalUser => ({
      user: who === undefined || who === "" ? "any" : who,
      ...(pass === undefined || pass === "" ? {} : { pass }),
      // The old names never let IPv6 in unless they named it.
      ips: ips === undefined || ips.length === 0 ? ["0.0.0.0/0"] : ips,
      permissions: [{ action, path }]
    })
    return [
      user("publish", given.publishUser, given.publishPass, given.publishIPs),
      user("read", given.readUser, given.readPass, given.readIPs)
    ]
  })
]
