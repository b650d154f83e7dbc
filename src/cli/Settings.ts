/**
 * The prebuilt server's settings: flag, else environment variable, else what the last `serve` on the same data folder
 * used (for commands that look at that server), else the default.
 *
 * One table ({@link settingTable}) is behind the options, the help, the errors and the documentation, so that they can't
 * disagree. Every wrong setting is reported at once, by the name under which it was given.
 */

import * as nodePath from "node:path"
import * as Options from "@effect/cli/Options"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ConfigSourceKind } from "../adapters/node/ConfigHistory.js"
import { CommandTextError } from "../mediamtx/CommandText.js"
import { type LackingPolicy, olderRelease } from "../mediamtx/ConfigForVersion.js"
import { parseVersion, releases } from "../mediamtx/MediaMTXVersion.js"
import { defaultConfigFile } from "../mediamtx/RefreshLoop.js"
import { makeRelay, type RelayOptions } from "../mediamtx/Relay.js"
import { type CliError, usage } from "./CliError.js"

export type RefreshMode = "loop" | "updater" | "none"
export type LogFormat = "pretty" | "json"

export interface Settings {
  /** 0: any free port. */
  readonly port: number
  readonly host: string
  /** How nodes reach the manager, without a slash at the end; undefined when not given: it depends on the port. */
  readonly base: string | undefined
  /** Undefined when not given: the one kept in the data folder. */
  readonly key: Redacted.Redacted | undefined
  /** Undefined: none, or the one that rotate-key has kept in the data folder. */
  readonly previousKey: Redacted.Redacted | undefined
  /** Undefined: the key administrates as well. */
  readonly adminKey: Redacted.Redacted | undefined
  /** Undefined: only the admin key reads `/metrics`. */
  readonly metricsKey: Redacted.Redacted | undefined
  /** Undefined: only the admin key opens the dashboard. */
  readonly viewerKey: Redacted.Redacted | undefined
  /** Absolute. */
  readonly data: string
  /** A mediamtx.yml-shaped file, or a folder; absolute. */
  readonly config: string
  /** What nodes' configs are made of. */
  readonly configSource: ConfigSourceKind
  /** SQLite file, absolute, or `:memory:`, or the URL of a PostgreSQL database with its password. */
  readonly database: string
  /** Seconds. */
  readonly refreshEvery: number
  readonly refreshMode: RefreshMode
  /** Where a node has its config: what the refresh loop replaces. */
  readonly nodeConfigFile: string
  /** Undefined: nodes call the manager itself. */
  readonly relay: string | undefined
  /** Undefined: all nodes have a relay. */
  readonly relayNodes: ReadonlyArray<string> | undefined
  /** The MediaMTX of nodes that don't say it. Undefined: the newest that is known. */
  readonly mediamtxVersion: string | undefined
  /** What becomes of settings that a node's MediaMTX doesn't have. */
  readonly unknownFields: LackingPolicy
  readonly logFormat: LogFormat
}

/** A settings' raw text by its name in {@link settingTable}. */
export type Flags = { readonly [name in SettingName]?: Option.Option<string> }

interface Setting<A> {
  readonly flag: `--${string}`
  readonly variable: `MANAGER_${string}`
  /** Placeholder of the value in the help. */
  readonly value: string
  readonly about: string
  /** The default in words. */
  readonly fallback: string
  readonly secret?: true
  /** Left: what is wrong and what would be right. */
  readonly parse: (text: string, cwd: string) => Either.Either<A, Wrong>
}

interface Wrong {
  /** What the text is or is not, to be read after its name and value. */
  readonly problem: string
  readonly expected: string
}

const wrong = (problem: string, expected: string) => Either.left<Wrong>({ problem, expected })

const wholeNumber = /^[0-9]{1,9}$/

const parsePort = (text: string): Either.Either<number, Wrong> =>
  wholeNumber.test(text) && Number(text) <= 65_535
    ? Either.right(Number(text))
    : wrong("is not a TCP port", "a whole number from 1 to 65535, or 0 for any free port")

const parseHost = (text: string): Either.Either<string, Wrong> => {
  const bare = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text
  return /^[A-Za-z0-9][A-Za-z0-9.-]*$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9]+)?$/.test(bare)
    ? Either.right(bare)
    : wrong("is not an address to listen on", "an IP address or host name: 127.0.0.1, ::1, 0.0.0.0 for all interfaces")
}

const parseBase = (text: string): Either.Either<string, Wrong> => {
  const expected = "the URL under which nodes reach the manager, such as https://manager.example.com"
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return wrong("is not a URL", expected)
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return wrong("is neither http:// nor https://", expected)
  if (url.username !== "" || url.password !== "") {
    return wrong("holds a user name or password, which would stand in every node's config", "the URL without them")
  }
  if (url.search !== "" || url.hash !== "") return wrong("has a ? or # part", "the URL without it")
  // The text ends up in commands that MediaMTX splits and expands and that shells read.
  if (!/^[A-Za-z0-9:/._~[\]%-]*$/.test(url.href)) return wrong("has characters that need quoting", expected)
  return Either.right(url.href.replace(/\/+$/, ""))
}

const parseKey = (text: string): Either.Either<Redacted.Redacted, Wrong> => {
  if (!/^[\x21-\x7e]*$/.test(text)) {
    return wrong("has spaces or characters beyond ASCII", "letters, digits and punctuation, at least 8 of them")
  }
  // It travels in headers, URLs, YAML and shell commands.
  if (/["'\\$`]/.test(text)) return wrong("has a quote, backslash, $ or `", "a key without these")
  if (text.length < 8) return wrong("is shorter than 8 characters", "a long random text: openssl rand -base64 32")
  return Either.right(Redacted.make(text))
}

const parsePath = (text: string, cwd: string): Either.Either<string, Wrong> =>
  text.includes("\0") ? wrong("has a NUL character", "a path") : Either.right(nodePath.resolve(cwd, text))

const parseDatabase = (text: string, cwd: string): Either.Either<string, Wrong> => {
  if (text === ":memory:") return Either.right(text)
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(text)?.[1]?.toLowerCase()
  if (scheme === "postgres" || scheme === "postgresql") {
    return URL.canParse(text) && new URL(text).hostname !== ""
      ? Either.right(text)
      : wrong("is not the URL of a database", "postgres://USER:PASSWORD@HOST:PORT/NAME")
  }
  const expected = "the path of an SQLite file, or postgres://USER:PASSWORD@HOST:PORT/NAME"
  if (scheme !== undefined) return wrong(`begins with the unknown scheme ${scheme}:`, expected)
  return parsePath(text, cwd)
}

const unitSeconds: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600 }

const parseEvery = (text: string): Either.Either<number, Wrong> => {
  const match = /^([0-9]{1,6})(s|m|h|)$/.exec(text)
  const seconds = match === null ? Number.NaN : Number(match[1]) * (unitSeconds[match[2] ?? ""] ?? Number.NaN)
  // MediaMTX drops a change that follows another one within a second.
  return seconds >= 2 && seconds <= 3600
    ? Either.right(seconds)
    : wrong("is not an interval", "2s to 1h in whole seconds, minutes or hours, such as 10s or 1m")
}

const oneOf =
  <const Words extends ReadonlyArray<string>>(...words: Words) =>
  (text: string): Either.Either<Words[number], Wrong> => {
    const found = words.find((word) => word === text)
    return found === undefined ? wrong("is unknown", `one of ${words.join(", ")}`) : Either.right(found)
  }

const parseNodeFile = (text: string): Either.Either<string, Wrong> =>
  /^\/[A-Za-z0-9._/+@%=:,-]*[^/]$/.test(text)
    ? Either.right(text)
    : wrong("is not a plain absolute path of a file", `such as ${defaultConfigFile}`)

/** The renderer's own check, and its words. */
const checkRelay = (options: RelayOptions, expected: string): Wrong | undefined => {
  try {
    makeRelay(options)
    return undefined
  } catch (error) {
    if (!(error instanceof CommandTextError)) throw error
    return { problem: error.message.slice(error.option.length + 1), expected }
  }
}

const parseRelay = (text: string): Either.Either<string | undefined, Wrong> => {
  if (text === "none") return Either.right(undefined)
  const problem = checkRelay({ address: text }, "127.0.0.1:9995, updater:9995 or none")
  return problem === undefined ? Either.right(text) : Either.left(problem)
}

const parseRelayNodes = (text: string): Either.Either<ReadonlyArray<string> | undefined, Wrong> => {
  if (text === "all") return Either.right(undefined)
  const nodes = text.split(",").map((id) => id.trim())
  const problem = checkRelay({ address: "127.0.0.1:9995", nodes }, "ids such as cam-1,door-*, or all")
  return problem === undefined ? Either.right(nodes) : Either.left(problem)
}

const parseMediamtxVersion = (text: string): Either.Either<string | undefined, Wrong> => {
  if (text === "newest") return Either.right(undefined)
  const version = parseVersion(text)
  return version === undefined || olderRelease(version) === "unknown"
    ? wrong("is not a release of MediaMTX that is known", `${releases[0]} or newer, or newest`)
    : Either.right(version)
}

const setting = <A>(definition: Setting<A>): Setting<A> => definition

/** The URL of a database may hold a password. */
const userInfo = /\/\/[^/]*@/

/** Every setting, in the order of the help. */
export const settingTable = {
  port: setting({
    flag: "--port",
    variable: "MANAGER_PORT",
    value: "PORT",
    about: "Port to listen on",
    fallback: "8080",
    parse: parsePort
  }),
  host: setting({
    flag: "--host",
    variable: "MANAGER_HOST",
    value: "ADDRESS",
    about: "Address to listen on; 0.0.0.0 for all interfaces",
    fallback: "127.0.0.1",
    parse: parseHost
  }),
  base: setting({
    flag: "--base",
    variable: "MANAGER_BASE",
    value: "URL",
    about: "URL under which nodes reach the manager",
    fallback: "http://localhost:PORT",
    parse: parseBase
  }),
  key: setting({
    flag: "--key",
    variable: "MANAGER_KEY",
    value: "KEY",
    about: "Shared key of the fleet (prefer the variable: other users can see a process's flags)",
    fallback: "generated once and kept in DATA/key",
    secret: true,
    parse: parseKey
  }),
  previousKey: setting({
    flag: "--previous-key",
    variable: "MANAGER_PREVIOUS_KEY",
    value: "KEY",
    about: "Shared key before this one, while nodes go by it",
    fallback: "what rotate-key has kept in DATA/key.previous",
    secret: true,
    parse: parseKey
  }),
  adminKey: setting({
    flag: "--admin-key",
    variable: "MANAGER_ADMIN_KEY",
    value: "KEY",
    about: "Key for administration, so that the shared key serves nodes only",
    fallback: "same as the key",
    secret: true,
    parse: parseKey
  }),
  metricsKey: setting({
    flag: "--metrics-key",
    variable: "MANAGER_METRICS_KEY",
    value: "KEY",
    about: "Key that reads /metrics and nothing else, for Prometheus",
    fallback: "none: the admin key reads them",
    secret: true,
    parse: parseKey
  }),
  viewerKey: setting({
    flag: "--viewer-key",
    variable: "MANAGER_VIEWER_KEY",
    value: "KEY",
    about: "Key that opens the dashboard for looking, and changes nothing",
    fallback: "none: the admin key opens it",
    secret: true,
    parse: parseKey
  }),
  data: setting({
    flag: "--data",
    variable: "MANAGER_DATA",
    value: "FOLDER",
    about: "Folder for the key, the database and the default config",
    fallback: "./data",
    parse: parsePath
  }),
  config: setting({
    flag: "--config",
    variable: "MANAGER_CONFIG",
    value: "PATH",
    about: "A mediamtx.yml, or a folder with base.yml, overlays.yml, nodes/ID.yml and manager.yml",
    fallback: "DATA/config",
    parse: parsePath
  }),
  configSource: setting({
    flag: "--config-source",
    variable: "MANAGER_CONFIG_SOURCE",
    value: "files|revisions",
    about: "What counts: the files of the config, or revisions in the database that are made by apply",
    fallback: "files",
    parse: oneOf("files", "revisions")
  }),
  database: setting({
    flag: "--database",
    variable: "MANAGER_DATABASE",
    value: "FILE|URL",
    about: "SQLite file, or postgres://USER:PASSWORD@HOST/NAME for several managers (prefer the variable)",
    fallback: "DATA/manager.db",
    parse: parseDatabase
  }),
  refreshEvery: setting({
    flag: "--refresh-every",
    variable: "MANAGER_REFRESH_EVERY",
    value: "INTERVAL",
    about: "How often a node looks for a new config",
    fallback: "10s",
    parse: parseEvery
  }),
  refreshMode: setting({
    flag: "--refresh-mode",
    variable: "MANAGER_REFRESH_MODE",
    value: "loop|updater|none",
    about: "Who looks: a loop inside of MediaMTX (needs the ffmpeg image), the updater sidecar, or nobody",
    fallback: "loop",
    parse: oneOf("loop", "updater", "none")
  }),
  nodeConfigFile: setting({
    flag: "--node-config-file",
    variable: "MANAGER_NODE_CONFIG_FILE",
    value: "FILE",
    about: "Where nodes have their config, which the refresh loop replaces",
    fallback: defaultConfigFile,
    parse: parseNodeFile
  }),
  relay: setting({
    flag: "--relay",
    variable: "MANAGER_RELAY",
    value: "HOST:PORT",
    about: "Where MediaMTX reaches the relay of its updater, to which its hooks and auth questions go then",
    fallback: "none: they go to the manager",
    parse: parseRelay
  }),
  relayNodes: setting({
    flag: "--relay-nodes",
    variable: "MANAGER_RELAY_NODES",
    value: "IDS",
    about: "Which nodes have a relay: ids between commas, * for any text",
    fallback: "all",
    parse: parseRelayNodes
  }),
  mediamtxVersion: setting({
    flag: "--mediamtx-version",
    variable: "MANAGER_MEDIAMTX_VERSION",
    value: "VERSION",
    about: "The MediaMTX of nodes that don't say it themselves and have no label `mediamtx-version`, such as 1.19.3",
    fallback: "newest",
    parse: parseMediamtxVersion
  }),
  unknownFields: setting({
    flag: "--unknown-fields",
    variable: "MANAGER_UNKNOWN_FIELDS",
    value: "drop|refuse",
    about:
      "What a node's older MediaMTX doesn't have is left out with a warning, or the node keeps the config that it has",
    fallback: "drop",
    parse: oneOf("drop", "refuse")
  }),
  logFormat: setting({
    flag: "--log-format",
    variable: "MANAGER_LOG_FORMAT",
    value: "pretty|json",
    about: "Form of the log on stderr",
    fallback: "pretty",
    parse: oneOf("pretty", "json")
  })
} as const

export type SettingName = keyof typeof settingTable

/** The option of a setting, in text: {@link resolveSettings} reads it, so that all errors look the same. */
export const settingOption = (name: SettingName): Options.Options<Option.Option<string>> => {
  const { about, fallback, flag, value, variable } = settingTable[name]
  return Options.text(flag.slice(2)).pipe(
    Options.withPseudoName(value),
    Options.withDescription(`${about} [${variable}, default ${fallback}]`),
    Options.optional
  )
}

/** What the last `serve` of a data folder ran with: the defaults of commands that look at it. Never a secret. */
export type Remembered = { readonly [name in SettingName]?: string }

/**
 * Resolves all settings from the flags given, the environment (by the ConfigProvider) and the rest.
 * Fails with one message for all that is wrong.
 */
export const resolveSettings = <R = never>(
  flags: Flags,
  cwd: string,
  remembered?: (data: string) => Effect.Effect<Remembered, never, R>
): Effect.Effect<Settings, CliError, R> =>
  Effect.gen(function* () {
    const complaints: Array<string> = []
    let rest: Remembered = {}

    const read = <A>(name: SettingName, definition: Setting<A>) =>
      Effect.gen(function* () {
        const flag = Option.getOrUndefined(flags[name] ?? Option.none())
        // A variable that is set but empty (`KEY=${KEY:-}` in a compose file) counts as not set.
        const variable =
          flag !== undefined
            ? undefined
            : yield* Config.string(definition.variable).pipe(
                Effect.orElseSucceed(() => ""),
                Effect.map((text) => (text === "" ? undefined : text))
              )
        const given = flag ?? variable
        const text = given ?? rest[name]
        if (text === undefined) return undefined
        const source =
          flag !== undefined
            ? definition.flag
            : variable !== undefined
              ? definition.variable
              : `the last ${definition.flag}`
        const parsed = definition.parse(text, cwd)
        if (Either.isRight(parsed)) return parsed.right
        const shown =
          definition.secret === true
            ? "the key given"
            : text === ""
              ? "the empty text"
              : JSON.stringify(text.replace(userInfo, "//***@"))
        complaints.push(`${source}: ${shown} ${parsed.left.problem}; expected ${parsed.left.expected}`)
        return undefined
      })

    const data = (yield* read("data", settingTable.data)) ?? nodePath.resolve(cwd, "data")
    if (remembered !== undefined) rest = yield* remembered(data)
    const settings: Settings = {
      port: (yield* read("port", settingTable.port)) ?? 8080,
      host: (yield* read("host", settingTable.host)) ?? "127.0.0.1",
      base: yield* read("base", settingTable.base),
      key: yield* read("key", settingTable.key),
      previousKey: yield* read("previousKey", settingTable.previousKey),
      adminKey: yield* read("adminKey", settingTable.adminKey),
      metricsKey: yield* read("metricsKey", settingTable.metricsKey),
      viewerKey: yield* read("viewerKey", settingTable.viewerKey),
      data,
      config: (yield* read("config", settingTable.config)) ?? nodePath.join(data, "config"),
      configSource: (yield* read("configSource", settingTable.configSource)) ?? "files",
      database: (yield* read("database", settingTable.database)) ?? nodePath.join(data, "manager.db"),
      refreshEvery: (yield* read("refreshEvery", settingTable.refreshEvery)) ?? 10,
      refreshMode: (yield* read("refreshMode", settingTable.refreshMode)) ?? "loop",
      nodeConfigFile: (yield* read("nodeConfigFile", settingTable.nodeConfigFile)) ?? defaultConfigFile,
      relay: yield* read("relay", settingTable.relay),
      relayNodes: yield* read("relayNodes", settingTable.relayNodes),
      mediamtxVersion: yield* read("mediamtxVersion", settingTable.mediamtxVersion),
      unknownFields: (yield* read("unknownFields", settingTable.unknownFields)) ?? "drop",
      logFormat: (yield* read("logFormat", settingTable.logFormat)) ?? "pretty"
    }
    if (complaints.length > 0) return yield* usage(complaints.join("\n"))
    return settings
  })

/** The base URL: as given, or this machine's. */
export const baseOf = (settings: Settings, port = settings.port): string => settings.base ?? `http://localhost:${port}`

/** What the renderer is set to; the same for `serve` and for commands that show what it renders. */
export const renderOptions = (settings: Settings, base: string) => ({
  base,
  refresh: {
    every: Duration.seconds(settings.refreshEvery),
    mode: settings.refreshMode,
    file: settings.nodeConfigFile
  },
  relay: settings.relay === undefined ? undefined : { address: settings.relay, nodes: settings.relayNodes },
  mediamtxVersion: settings.mediamtxVersion,
  unknownFields: settings.unknownFields
})
