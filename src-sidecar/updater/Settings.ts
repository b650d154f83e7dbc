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
const interval = (text: string): Parsed<Duration.Duration> => {
  const [, digits = "", unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? []
  const millis = digits === "" ? Number.NaN : Number(digits) * (units[unit] ?? Number.NaN)
  return millis >= 1000 && millis <= 3_600_000
    ? Either.right(Duration.millis(millis))
    : Either.left("is not a time from 1s to 1h, such as 10s")
}

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

const fallbacks = { CONFIG: "/config/mediamtx.yml", INTERVAL: "10s", MODE: "0600" } as const

const all = Config.all({
  url: setting("URL", undefined, managerUrl),
  key: setting("KEY", undefined, key),
  node: setting("NODE", undefined, node),
  config: setting("CONFIG", fallbacks.CONFIG, absolute),
  interval: setting("INTERVAL", fallbacks.INTERVAL, interval),
  api: setting("MEDIAMTX_API", "none", api),
  mode: setting("MODE", fallbacks.MODE, mode),
  recordings: setting("RECORDINGS", ".", (text) => Either.right(text))
})

/** Name, default in words, and what it is: for the help, and checked against the docs. */
export const variables: ReadonlyArray<readonly [name: string, fallback: string, about: string]> = [
  ["URL", "required", "The manager"],
  ["KEY", "required", "The shared key, or this node's token"],
  ["NODE", "required", "The id of this node"],
  ["CONFIG", fallbacks.CONFIG, "MediaMTX's config file, in a folder that the updater may write to"],
  ["INTERVAL", fallbacks.INTERVAL, "Between two polls and between two heartbeats, 1s to 1h"],
  ["MEDIAMTX_API", "none", "MediaMTX's control API, such as http://user:password@mediamtx:9997"],
  ["MODE", fallbacks.MODE, "Permissions of the config file"],
  ["RECORDINGS", "the folder of CONFIG", "A folder on the volume whose free space is reported"]
]

const problemsOf = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  if (error._op === "And" || error._op === "Or") return [...problemsOf(error.left), ...problemsOf(error.right)]
  return [`${error.path.join(".")} ${error.message}`]
}

/** Reads the environment, or whatever config provider is in place. */
export const settings: Effect.Effect<Settings, SettingsError> = all.pipe(
  Effect.mapError((error) => new SettingsError({ problems: problemsOf(error) })),
  Effect.map(({ api: server, recordings, ...rest }) => ({
    ...rest,
    ...server,
    recordings: resolve(rest.config, "..", recordings)
  }))
)

/** Only CONFIG: what `health` needs. */
export const configFile: Effect.Effect<string, SettingsError> = setting(
  "CONFIG",
  "/config/mediamtx.yml",
  absolute
).pipe(Effect.mapError((error) => new SettingsError({ problems: problemsOf(error) })))
