/**
 * The worker's settings, from the environment. Everything that is wrong is told at once.
 */
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { isNodeId, type NodeId } from "../../src/services/NodeId.js"

export interface Settings {
  /** The manager. */
  readonly url: URL
  readonly key: Redacted.Redacted
  readonly node: NodeId
  /** MediaMTX's playback server. */
  readonly mediamtxUrl: URL
  readonly mediamtxUser: string | undefined
  readonly mediamtxPassword: Redacted.Redacted | undefined
  readonly spool: string
  /** Bytes. */
  readonly spoolLimit: number
  readonly concurrency: number
  /** Milliseconds after the end of a window until all of it is on the node's disk: at least `recordPartDuration`. */
  readonly settle: number
  readonly logLevel: "debug" | "info" | "warning" | "error"
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4
}

/** `2G`, `500MiB`, `1048576`. */
const parseBytes = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  const [, number = "", unit = ""] = match ?? []
  const bytes = Math.floor(Number(number) * (units[unit.toLowerCase()] ?? Number.NaN))
  return number === "" || !Number.isSafeInteger(bytes) || bytes <= 0 ? undefined : bytes
}

/** `6s`, `1500ms`, `1m`; a plain number is seconds. */
const parseMillis = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|)$/.exec(text.trim())
  const [, number = "", unit = ""] = match ?? []
  return number === "" ? undefined : Math.ceil(Number(number) * (unit === "ms" ? 1 : unit === "m" ? 60_000 : 1_000))
}

const parseUrl = (text: string): URL | undefined => {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === "http:" || url.protocol === "https:" ? url : undefined
}

/** The variables, with what they mean: also the program's help. */
export const variables: ReadonlyArray<readonly [name: string, about: string]> = [
  ["URL", "the manager, such as https://manager.example.com/ (needed)"],
  ["KEY", "the shared key, or the token of this node (needed)"],
  ["NODE", "the id of the node whose recordings this worker cuts (needed)"],
  ["MEDIAMTX_URL", "MediaMTX's playback server, such as http://mediamtx:9996 (needed)"],
  ["MEDIAMTX_USER", "user for MediaMTX's playback, when it asks for one"],
  ["MEDIAMTX_PASSWORD", "and the password"],
  ["SPOOL", "folder for clips on their way [a folder in the system's temporary one]"],
  ["SPOOL_LIMIT", "how large it may become [2G]"],
  ["CONCURRENCY", "clips at a time [2]"],
  ["SETTLE", "how long after its end a recording is on the disk: recordPartDuration and a second [6s]"],
  ["LOG_LEVEL", "debug, info, warning or error [info]"]
]

export const fromEnvironment = (
  env: Readonly<Record<string, string | undefined>>
): Either.Either<Settings, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const value = (name: string): string | undefined => {
    const text = env[name]?.trim()
    return text === "" ? undefined : text
  }
  const need = <A>(name: string, parse: (text: string) => A | undefined, expected: string, fallback?: A) => {
    const text = value(name)
    if (text === undefined) {
      if (fallback === undefined) problems.push(`${name} is not set: expected ${expected}`)
      return fallback
    }
    const parsed = parse(text)
    // The value stays out where it may hold a secret.
    if (parsed === undefined) problems.push(`${name} is not valid: expected ${expected}`)
    return parsed
  }
  const http = "an http or https URL"
  const url = need("URL", parseUrl, `${http} of the manager, such as https://manager.example.com/`)
  const key = need("KEY", (text) => Redacted.make(text), "the shared key or this node's token")
  const node = need(
    "NODE",
    (text) => (isNodeId(text) ? text : undefined),
    "a node id: 1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"
  )
  const mediamtxUrl = need(
    "MEDIAMTX_URL",
    parseUrl,
    `${http} of MediaMTX's playback server, such as http://mediamtx:9996`
  )
  const spoolLimit = need("SPOOL_LIMIT", parseBytes, "a size such as 2G or 500M", 2 * 1024 ** 3)
  const settle = need("SETTLE", parseMillis, "a duration such as 6s", 6_000)
  const concurrency = need(
    "CONCURRENCY",
    (text) => (/^[1-9]\d?$/.test(text) ? Number(text) : undefined),
    "a whole number from 1 to 99",
    2
  )
  const logLevel = need(
    "LOG_LEVEL",
    (text): Settings["logLevel"] | undefined => {
      const name = text.toLowerCase()
      return name === "debug" || name === "info" || name === "error"
        ? name
        : name === "warning" || name === "warn"
          ? "warning"
          : undefined
    },
    "debug, info, warning or error",
    "info" as const
  )
  if (
    url === undefined ||
    key === undefined ||
    node === undefined ||
    mediamtxUrl === undefined ||
    spoolLimit === undefined ||
    settle === undefined ||
    concurrency === undefined ||
    logLevel === undefined ||
    problems.length > 0
  ) {
    return Either.left(problems)
  }
  // Credentials in MEDIAMTX_URL are as good as the variables.
  const user =
    value("MEDIAMTX_USER") ?? (mediamtxUrl.username === "" ? undefined : decodeURIComponent(mediamtxUrl.username))
  const password =
    value("MEDIAMTX_PASSWORD") ?? (mediamtxUrl.password === "" ? undefined : decodeURIComponent(mediamtxUrl.password))
  mediamtxUrl.username = ""
  mediamtxUrl.password = ""
  return Either.right({
    url,
    key,
    node,
    mediamtxUrl,
    mediamtxUser: user,
    mediamtxPassword: password === undefined ? undefined : Redacted.make(password),
    spool: value("SPOOL") ?? join(tmpdir(), `mtx-playback-${node}`),
    spoolLimit,
    concurrency,
    settle,
    logLevel
  })
}
