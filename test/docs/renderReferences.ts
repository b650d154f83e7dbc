/**
 * Writes the reference pages of docs/ from the tables they describe. Run by file snapshots: after a change of a table,
 * `npx vitest run test/docs -u` brings the pages up to date.
 */
import { managerLintRules } from "../../src/adapters/node/ManagerFileLint.js"
import { settingTable } from "../../src/cli/Settings.js"
import { baselineVersion } from "../../src/mediamtx/ConfigField.js"
import { type LintRule, lintRules } from "../../src/mediamtx/ConfigLint.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../../src/mediamtx/DeprecatedFields.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

const row = (...cells: ReadonlyArray<string>): string => `| ${cells.map(cell).join(" | ")} |`

/** What a change of a field does to a running node, in words. */
const reloads: Readonly<Record<string, string>> = {
  everything: "all streams drop",
  auth: "all streams drop",
  "path-manager": "all streams drop",
  metrics: "all streams drop",
  connections: "RTSP, RTMP and SRT drop",
  rtsp: "RTSP drops",
  "rtsp-plain": "RTSP (plain) drops",
  rtsps: "RTSPS drops",
  rtmp: "RTMP drops",
  "rtmp-plain": "RTMP (plain) drops",
  rtmps: "RTMPS drops",
  hls: "HLS readers drop",
  webrtc: "WebRTC drops",
  srt: "SRT drops",
  moq: "MoQ drops",
  pprof: "nothing drops",
  playback: "nothing drops",
  api: "nothing drops",
  paths: "paths that changed",
  deferred: "takes effect with the next restart of its server",
  hot: "nothing drops",
  recreate: "the path's streams drop",
  recorder: "nothing drops; a gap in the recording"
}

/** With what it was, where that is another thing. */
const reloadOf = (field: {
  readonly reload: string
  readonly formerReload: { readonly before: string; readonly reload: string } | undefined
}): string => {
  const words = (reload: string) => reloads[reload] ?? reload
  const now = words(field.reload)
  const was = field.formerReload
  return was === undefined || words(was.reload) === now ? now : `${now} (before ${was.before}: ${words(was.reload)})`
}

/** When it came, what it was before, and what an older release makes of it. */
const historyOf = (field: {
  readonly since: string
  readonly renamedFrom: string | undefined
  readonly lacking: string
  readonly formerDefaults: ReadonlyArray<{ readonly before: string; readonly default: unknown }>
}): ReadonlyArray<string> => [
  ...(field.since === baselineVersion
    ? []
    : [
        `Since ${field.since}${field.renamedFrom === undefined ? "" : `, before that \`${field.renamedFrom}\``}${
          field.lacking === "refuse" ? "; never left out" : ""
        }.`
      ]),
  ...field.formerDefaults.map(({ before, default: value }) =>
    JSON.stringify(value).length > 60
      ? `Before ${before} another default.`
      : `Before ${before} the default was \`${JSON.stringify(value)}\`.`
  )
]

const fieldRows = (
  table: Readonly<
    Record<
      string,
      {
        readonly type: { readonly name: string }
        readonly default: unknown
        readonly unit: string | undefined
        readonly doc: string
        readonly since: string
        readonly renamedFrom: string | undefined
        readonly lacking: string
        readonly formerDefaults: ReadonlyArray<{ readonly before: string; readonly default: unknown }>
        readonly reload: string
        readonly formerReload: { readonly before: string; readonly reload: string } | undefined
      }
    >
  >
): string =>
  Object.entries(table)
    .filter(([name]) => name !== "name")
    .map(([name, field]) => {
      const fallback = JSON.stringify(field.default)
      return row(
        `\`${name}\``,
        field.type.name + (field.unit === undefined ? "" : ` (${field.unit})`),
        fallback.length > 60 ? "see above" : `\`${fallback}\``,
        [field.doc, ...historyOf(field)].join(" "),
        reloadOf(field)
      )
    })
    .join("\n")

const oldRows = (
  table: Readonly<Record<string, { readonly replacedBy: string | undefined; readonly doc: string }>>
): string =>
  Object.entries(table)
    .map(([name, old]) => row(`\`${name}\``, old.replacedBy === undefined ? "–" : `\`${old.replacedBy}\``, old.doc))
    .join("\n")

const head = "| field | type | default | what it does | a change on a running node |\n| --- | --- | --- | --- | --- |"

export const renderConfigReference = (): string => `# Config reference

Every field of MediaMTX 1.20, written from the tables that the validator uses. The last column says what MediaMTX does to
a running node when the value changes: a path is compared by its effective value, defaults merged in. What nodes with an
older MediaMTX get is in [MediaMTX's versions](versions.md).

Two defaults that are too long for the table: \`authInternalUsers\` lets anybody publish, read and play back, and anybody on
the same machine use the API, metrics and pprof.

## Global

${head}
${fieldRows(globalFields)}

## Paths and \`pathDefaults\`

${head}
${fieldRows(pathFields)}

## Old names

Accepted, and rewritten with a warning.

| global | now | |
| --- | --- | --- |
${oldRows(deprecatedGlobalFields)}

| path | now | |
| --- | --- | --- |
${oldRows(deprecatedPathFields)}
`

export const renderSettings = (): string => `# Settings of the server

For \`mtx-manager serve\` (and \`npm start\`). A flag wins over its environment variable, which wins over the default.

| flag | variable | default | |
| --- | --- | --- | --- |
${Object.values(settingTable)
  .map((setting) =>
    row(`\`${setting.flag} ${setting.value}\``, `\`${setting.variable}\``, setting.fallback, setting.about)
  )
  .join("\n")}
| \`--log-level LEVEL\` | \`MANAGER_LOG_LEVEL\` | info | all, trace, debug, info, warning, error, fatal or none |

The process ends with 0 when it was stopped by SIGINT or SIGTERM, with 1 when it could not do its work, and with 2 when a
setting is wrong. It drains for at most 5 seconds when it is stopped.
`

const lintRows = (rules: ReadonlyArray<Omit<LintRule<never>, "check">>): string =>
  rules.map(({ finds, id, right, severity, why }) => row(`\`${id}\``, severity, finds, why, right)).join("\n")

const lintHead = "| rule | severity | finds | why | right |\n| --- | --- | --- | --- | --- |"

export const renderLint = (): string => `# Lint: what a config leaves open

\`mtx-manager lint\` finds what MediaMTX and the manager take without a word and what is dangerous all the same, or has no
effect. What MediaMTX would refuse is for [\`validate\`](commands.md).

\`\`\`sh
mtx-manager lint                     # the config of the server, as its nodes get it
mtx-manager lint ./config            # a folder with base.yml, overlays.yml, nodes/ and manager.yml
mtx-manager lint mediamtx.yml        # a file as MediaMTX alone would run it
mtx-manager lint manager.yml
\`\`\`

Of a folder it looks at the base, at each kind of nodes that the overlays make, at each node with a config of its own, and at
\`manager.yml\`. Where the manager decides on access (no \`authMethod\` in the config), the rules about MediaMTX's own users
have nothing to say, and \`manager.yml\` is where publishing is open or closed.

| option | |
| --- | --- |
| \`--fail-on error\` | exit with 1 on findings as bad as this or worse: \`error\` (the default), \`warning\`, \`info\`, or \`never\` |
| \`--ignore RULES\` | ids of rules, separated by commas, that are not looked at |
| \`--image IMAGE\` | the image that nodes run: MediaMTX's standard one has no shell, so no hook runs in it |
| \`--json\` | \`{ok, failOn, findings: [{rule, severity, file?, line?, column?, length?, field, fieldText, message, why, right, nodes?}]}\` |

An error lets strangers in. A warning does so together with something else. An info is worth knowing.

## MediaMTX's config

${lintHead}
${lintRows(lintRules)}

## manager.yml

${lintHead}
${lintRows(managerLintRules)}
`
