/** What the updater is told by its environment. Everything that is wrong is said at once. */
import { resolve } from "node:path"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { isNodeId, type NodeId } from "../../src/services/NodeId.js"
import type { AuthOptions } from "./AuthRelay.js"
import type { SpoolOptions } from "./HookSpool.js"

export interface Settings {
  /** The manager; a path is kept as a prefix. No credentials, query or fragment. */
  readonly url: URL
  /** The shared key or this node's token. */
  readonly key: Redacted.Redacted
  readonly node: NodeId
  /** MediaMTX's config file, absolute. */
  readonly config: string
  /** Between two polls, and between two heartbeats. */
  readonly interval: Duration.Duration
  /** MediaMTX's control API, without credentials; undefined: the updater works without it. */
  readonly api: URL | undefined
  /** For the control API, as an `Authorization` header. */
  readonly apiCredentials: Redacted.Redacted | undefined
  /** Permissions of the config file. */
  readonly mode: number
  /** A folder on the volume whose free space is reported, absolute. */
  readonly recordings: string
  /** Undefined: MediaMTX calls the manager itself. */
  readonly relay: RelaySettings | undefined
}

export interface RelaySettings {
  /** Where it listens. */
  readonly address: { readonly host: string; readonly port: number }
  readonly spool: SpoolOptions
  readonly auth: AuthOptions
}

/** One line for each thing that is wrong. */
export class SettingsError extends Data.TaggedError("SettingsError")<{ readonly problems: ReadonlyArray<string> }> {
  override get message(): string {
    return `these settings are wrong:\n${this.problems.map((problem) => `  ${problem}`).join("\n")}`
  }
}

type Parsed<A> = Either.Either<A, string>

const setting = <A>(name: string, fallback: string | undefined, parse: (text: string) => Parsed<A>): Config.Config<A> =>
  Config.string(name).pipe(
    Config.withDefault(""),
    // compose gives "" for a variable that is not set.
    Config.map((text) => (text.trim() === "" ? fallback : text.trim())),
    Config.mapOrFail((text) =>
      Either.mapLeft(
        text === undefined ? Either.left("is not set") : parse(text),
        (problem): ConfigError.ConfigError => invalid(name, problem)
      )
    )
  )

const invalid = (name: string, problem: string): ConfigError.ConfigError => ConfigError.InvalidData([name], problem)

const httpUrl = (text: string, example: string): Parsed<URL> => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return Either.left(`is not a URL; give one such as ${example}`)
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return Either.left(`is not an http or https URL; give one such as ${example}`)
  }
  if (url.search !== "" || url.hash !== "") return Either.left("has a query or fragment; give the URL without it")
  return Either.right(url)
}

const managerUrl = (text: string): Parsed<URL> =>
  Either.flatMap(httpUrl(text, "https://example.com"), (url) =>
    url.username === "" && url.password === ""
      ? Either.right(url)
      : Either.left("has credentials in it, which would end up in logs; put the key into KEY")
  )

const key = (text: string): Parsed<Redacted.Redacted> =>
  /^[\x21-\x7e]+$/.test(text)
    ? Either.right(Redacted.make(text))
    : Either.left("holds a space or a character that is not printable ASCII, which no key or token does")

const node = (text: string): Parsed<NodeId> =>
  isNodeId(text)
    ? Either.right(text)
    : Either.left(
        "is not a node id: 1 to 64 characters of A-Z a-z 0-9 . _ -, the first a letter or digit, such as cam-north.1"
      )

const absolute = (text: string): Parsed<string> =>
  text.includes("\0") || text.endsWith("/") ? Either.left("is not the path of a file") : Either.right(resolve(text))

const units: Readonly<Record<string, number>> = { "": 1000, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const time =
  (least: string, most: string, example: string) =>
  (text: string): Parsed<Duration.Duration> => {
    const millis = millisOf(text)
    return millis >= millisOf(least) && millis <= millisOf(most)
      ? Either.right(Duration.millis(millis))
      : Either.left(`is not a time from ${least} to ${most}, such as ${example}`)
  }
const millisOf = (text: string): number => {
  const [, digits = "", unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? []
  return digits === "" ? Number.NaN : Number(digits) * (units[unit] ?? Number.NaN)
}
const interval = time("1s", "1h", "10s")

const listenAt = (text: string): Parsed<RelaySettings["address"] | undefined> => {
  if (text === "none") return Either.right(undefined)
  const [, host = "", digits = ""] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text) ?? []
  return host !== "" && Number(digits) <= 65_535
    ? Either.right({ host: host.replace(/^\[|\]$/g, ""), port: Number(digits) })
    : Either.left("is not an address to listen on, such as 127.0.0.1:9995, or 0.0.0.0:9995 in a container")
}

const sizes: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 }
const size = (text: string): Parsed<number> => {
  const [, digits = "", unit = ""] = /^(\d{1,6})([KMG])$/.exec(text) ?? []
  const bytes = Number(digits) * (sizes[unit] ?? Number.NaN)
  return bytes >= 1024 ** 2 && bytes <= 1024 ** 4
    ? Either.right(bytes)
    : Either.left("is not a size from 1M to 1024G, such as 64M")
}

const whenAway = (text: string): Parsed<Duration.Duration> =>
  text === "deny"
    ? Either.right(Duration.zero)
    : Either.mapLeft(
        time("1s", "24h", "10m")(text),
        () =>
          "is neither deny nor a time from 1s to 24h, such as 10m, for which what the manager has permitted goes on to hold"
      )

const mode = (text: string): Parsed<number> => {
  const value = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  if (Number.isNaN(value)) return Either.left("is not an octal mode such as 0600 or 0640")
  if ((value & 0o600) !== 0o600) return Either.left("must let the owner read and write, as 0600 and 0640 do")
  return Either.right(value)
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const api = (text: string): Parsed<Pick<Settings, "api" | "apiCredentials">> => {
  if (text === "none") return Either.right({ api: undefined, apiCredentials: undefined })
  return Either.map(httpUrl(text, "http://mediamtx:9997"), (url) => {
    const { password, username } = url
    url.username = ""
    url.password = ""
    const pair = `${decoded(username)}:${decoded(password)}`
    return {
      api: url,
      apiCredentials: pair === ":" ? undefined : Redacted.make(`Basic ${Buffer.from(pair).toString("base64")}`)
    }
  })
}

const fallbacks = {
  CONFIG: "/config/mediamtx.yml",
  INTERVAL: "10s",
  CONFIG_MODE: "0600",
  RELAY_SPOOL_LIMIT: "64M",
  RELAY_AUTH_CACHE: "5s",
  RELAY_AUTH_AWAY: "deny",
  RELAY_AUTH_DEADLINE: "3s"
} as const

const all = Config.all({
  url: setting("URL", undefined, managerUrl),
  key: setting("KEY", undefined, key),
  node: setting("NODE", undefined, node),
  config: setting("CONFIG", fallbacks.CONFIG, absolute),
  interval: setting("INTERVAL", fallbacks.INTERVAL, interval),
  api: setting("MEDIAMTX_API", "none", api),
  mode: setting("CONFIG_MODE", fallbacks.CONFIG_MODE, mode),
  recordings: setting("RECORDINGS", ".", (text) => Either.right(text)),
  relayAddress: setting("RELAY", "none", listenAt),
  spoolFolder: setting("RELAY_SPOOL", "", (text) => Either.right(text)),
  spoolLimit: setting("RELAY_SPOOL_LIMIT", fallbacks.RELAY_SPOOL_LIMIT, size),
  cache: setting("RELAY_AUTH_CACHE", fallbacks.RELAY_AUTH_CACHE, time("0s", "1m", "5s")),
  lastDecision: setting("RELAY_AUTH_AWAY", fallbacks.RELAY_AUTH_AWAY, whenAway),
  // MediaMTX itself gives up after its readTimeout, 10 seconds unless it is told otherwise.
  deadline: setting("RELAY_AUTH_DEADLINE", fallbacks.RELAY_AUTH_DEADLINE, time("100ms", "9s", "3s"))
})

/** Name, default in words, and what it is: for the help, and checked against the docs. */
export const variables: ReadonlyArray<readonly [name: string, fallback: string, about: string]> = [
  ["URL", "required", "The manager"],
  ["KEY", "required", "The shared key, or this node's token"],
  ["NODE", "required", "The id of this node"],
  ["CONFIG", fallbacks.CONFIG, "MediaMTX's config file, in a folder that the updater may write to"],
  ["INTERVAL", fallbacks.INTERVAL, "Between two polls and between two heartbeats, 1s to 1h"],
  ["MEDIAMTX_API", "none", "MediaMTX's control API, such as http://user:password@mediamtx:9997"],
  ["CONFIG_MODE", fallbacks.CONFIG_MODE, "Permissions of the config file"],
  ["RECORDINGS", "the folder of CONFIG", "A folder on the volume whose free space is reported"],
  ["RELAY", "none", "Where the relay for hooks and auth questions listens, such as 127.0.0.1:9995"],
  ["RELAY_SPOOL", "CONFIG.hooks", "The folder in which hooks wait for the manager"],
  ["RELAY_SPOOL_LIMIT", fallbacks.RELAY_SPOOL_LIMIT, "How much of them; what comes beyond that is refused"],
  ["RELAY_AUTH_CACHE", fallbacks.RELAY_AUTH_CACHE, "How long a permission is good without asking again, 0s to 1m"],
  [
    "RELAY_AUTH_AWAY",
    fallbacks.RELAY_AUTH_AWAY,
    "While the manager is away: deny, or a time such as 10m for which its last permission holds"
  ],
  ["RELAY_AUTH_DEADLINE", fallbacks.RELAY_AUTH_DEADLINE, "How long MediaMTX waits for a decision at most, 100ms to 9s"]
]

const problemsOf = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  if (error._op === "And" || error._op === "Or") return [...problemsOf(error.left), ...problemsOf(error.right)]
  return [`${error.path.join(".")} ${error.message}`]
}

/** Reads the environment, or whatever config provider is in place. */
export const settings: Effect.Effect<Settings, SettingsError> = all.pipe(
  Effect.mapError((error) => new SettingsError({ problems: problemsOf(error) })),
  Effect.map(
    ({
      api: server,
      cache,
      deadline,
      lastDecision,
      recordings,
      relayAddress: address,
      spoolFolder,
      spoolLimit: limit,
      ...rest
    }): Settings => ({
      ...rest,
      ...server,
      recordings: resolve(rest.config, "..", recordings),
      relay:
        address === undefined
          ? undefined
          : {
              address,
              spool: { folder: resolve(spoolFolder === "" ? `${rest.config}.hooks` : spoolFolder), limit },
              auth: { cache, lastDecision, deadline }
            }
    })
  )
)

/** Only CONFIG: what `health` needs. */
export const configFile: Effect.Effect<string, SettingsError> = setting(
  "CONFIG",
  "/config/mediamtx.yml",
  absolute
).pipe(Effect.mapError((error) => new SettingsError({ problems: problemsOf(error) })))
