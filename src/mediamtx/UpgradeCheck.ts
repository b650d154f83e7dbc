/**
 * What becomes of a config when a node gets another MediaMTX: the dry run of an upgrade, or of the way back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { AnyConfigField, MediaMTXVersion } from "./ConfigField.js"
import { configForVersion, olderRelease } from "./ConfigForVersion.js"
import { ConfigIssue } from "./ConfigIssue.js"
import { defaultIn } from "./FieldHistory.js"
import { globalFields } from "./GlobalFields.js"
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { isBefore } from "./MediaMTXVersion.js"
import { pathFields } from "./PathFields.js"

/**
 * @since 0.1.0
 * @category models
 */
export const UpgradeReport = Schema.Struct({
  from: Schema.String,
  to: Schema.String,
  /** With these the node gets no config at all after the change: what guards something and can't be said. */
  refused: Schema.Array(ConfigIssue),
  /** Set in the config, in force now, and left out then. */
  vanishes: Schema.Array(ConfigIssue),
  /** Set in the config, left out so far, and in force then. */
  begins: Schema.Array(ConfigIssue),
  /** Written otherwise; means the same. `places`: how many parts of the config have it. */
  renamed: Schema.Array(Schema.Struct({ before: Schema.String, after: Schema.String, places: Schema.NonNegativeInt })),
  /** Not set in the config: MediaMTX does something else by itself then. */
  defaults: Schema.Array(Schema.Struct({ field: Schema.String, before: Schema.Unknown, after: Schema.Unknown })),
  /** Fields that can be used then. */
  available: Schema.Array(Schema.String),
  /** What is done otherwise without any field being involved. */
  behaviour: Schema.Array(Schema.String)
}).annotations({ identifier: "UpgradeReport" })
/**
 * @since 0.1.0
 * @category models
 */
export type UpgradeReport = typeof UpgradeReport.Type

/** Changes that matter to a fleet and have no field. */
const changes: ReadonlyArray<{ readonly since: MediaMTXVersion; readonly before: string; readonly after: string }> = [
  {
    since: "1.15.1",
    before: "a changed recording setting closes and opens its path",
    after: "recording settings are changed in place, in a new segment"
  },
  {
    since: "1.17.1",
    before: "names of paths may have ~ and : in them",
    after: "names of paths with ~ or : in them, or with . or .. between slashes, are refused"
  },
  {
    since: "1.18.1",
    before: "hooks get the client's query as it came (MTX_QUERY)",
    after: "hooks get the client's query form-encoded (MTX_QUERY)"
  },
  {
    since: "1.19.0",
    before: "an auth question does not tell the user agent",
    after: "an auth question tells the user agent"
  },
  {
    since: "1.19.3",
    before: "hooks do not tell a real stream from a stand-in",
    after: "the hooks online and offline tell a real stream from a stand-in"
  }
]

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

/**
 * Compares what a config, in the newest names, is to two releases. Undefined: one of them is older than all that are known.
 *
 * @example
 * ```ts
 * checkUpgrade({ pathDefaults: { runOnAvailable: "/notify" } }, "1.18.2", "1.20.1")?.renamed
 * // [{ before: "runOnReady", after: "runOnAvailable", places: 1 }]
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const checkUpgrade = (
  config: MediaMTXConfig,
  from: MediaMTXVersion,
  to: MediaMTXVersion
): UpgradeReport | undefined => {
  const a = configForVersion(config, from)
  const b = configForVersion(config, to)
  const releases = { from: olderRelease(from), to: olderRelease(to) }
  if (a === undefined || b === undefined || releases.from === "unknown" || releases.to === "unknown") return undefined

  const places = (issues: ReadonlyArray<ConfigIssue>) => new Set(issues.map(({ fieldText }) => fieldText))
  const inA = places(a.issues)
  const inB = places(b.issues)

  const renamed = new Map<string, { readonly before: string; readonly after: string; places: number }>()
  const nameIn = (
    release: ReturnType<typeof olderRelease>,
    kind: "global" | "path",
    name: string,
    value: unknown
  ): string | undefined => {
    const step = typeof release === "string" ? undefined : release[kind].get(name)
    if (step === undefined) return name
    const fields = Object.keys(step.respell?.(value)?.fields ?? {})
    return fields.length === 0 ? undefined : fields.join(", ")
  }
  const compareNames = (kind: "global" | "path", part: object) => {
    for (const [name, value] of Object.entries(part)) {
      const before = nameIn(releases.from, kind, name, value)
      const after = nameIn(releases.to, kind, name, value)
      if (before === undefined || after === undefined || before === after) continue
      const found = renamed.get(before)
      if (found === undefined) renamed.set(before, { before, after, places: 1 })
      else found.places++
    }
  }
  const { pathDefaults = {}, paths = {}, ...globals } = config
  compareNames("global", globals)
  compareNames("path", pathDefaults)
  for (const path of Object.values(paths)) compareNames("path", path ?? {})

  const defaults: Array<{ readonly field: string; readonly before: unknown; readonly after: unknown }> = []
  const available: Array<string> = []
  const compareDefaults = (
    at: string,
    table: Readonly<Record<string, AnyConfigField>>,
    given: object,
    before: Fields,
    after: Fields
  ) => {
    for (const [name, row] of Object.entries(table)) {
      if (isBefore(from, row.since) && !isBefore(to, row.since) && row.renamedFrom === undefined) {
        available.push(`${at}${name}`)
      }
      if (Object.hasOwn(given, name)) continue
      const was = before[name] ?? defaultIn(row, from)
      const is = after[name] ?? defaultIn(row, to)
      if (!same(was, is)) defaults.push({ field: `${at}${name}`, before: was, after: is })
    }
  }
  const defaultsOf = (fitted: Fields): Fields => (isFields(fitted["pathDefaults"]) ? fitted["pathDefaults"] : {})
  compareDefaults("", globalFields, config, a.config, b.config)
  compareDefaults("pathDefaults.", pathFields, pathDefaults, defaultsOf(a.config), defaultsOf(b.config))

  return {
    from,
    to,
    refused: b.issues.filter(({ severity }) => severity === "error"),
    vanishes: b.issues.filter(({ fieldText, severity }) => severity === "warning" && !inA.has(fieldText)),
    begins: a.issues.filter(({ fieldText }) => !inB.has(fieldText)),
    renamed: [...renamed.values()],
    defaults,
    available,
    behaviour: changes.flatMap(({ after, before, since }) =>
      isBefore(from, since) === isBefore(to, since) ? [] : [isBefore(from, since) ? after : before]
    )
  }
}
