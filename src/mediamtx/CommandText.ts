/**
 * Values that stand inside commands: what may go in, and the one error for what may not.
 *
 * Our commands pass through up to four readers: YAML, MediaMTX's word splitting, MediaMTX's `$NAME` expansion (which no
 * quoting turns off) and `sh`. Instead of escaping for each of them, values are limited to characters that mean nothing
 * to any of them inside quotes, and everything else is refused.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * A value can't stand in a command, or makes no sense there.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandTextError extends Schema.TaggedError<CommandTextError>()("CommandTextError", {
  /** The option that holds the value: `base`, `key`, `refresh.every`, ... */
  option: Schema.String,
  /** What is wrong and what would be right. Never holds the value: it may be a secret. */
  message: Schema.String
}) {}

/** Printable ASCII but `"`, `'`, `$`, backtick and backslash. */
const plain = /^[ !#%&()*+,\-./0-9:;<=>?@A-Z[\]^_a-z{|}~]+$/

/**
 * `value`, if it may stand between quotes in any command.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category validation
 */
export const plainText = (option: string, value: string): string => {
  if (plain.test(value)) return value
  throw new CommandTextError({
    option,
    message: `${option} ${value === "" ? "is empty" : "has a character that can't stand in a command"}; use printable ASCII without " ' $ \` and \\`
  })
}

/**
 * A key or token, checked for an `Authorization` header and for commands: no spaces either.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category validation
 */
export const plainSecret = (option: string, secret: string | Redacted.Redacted): string => {
  const value = plainText(option, typeof secret === "string" ? secret : Redacted.value(secret))
  if (!value.includes(" ")) return value
  throw new CommandTextError({ option, message: `${option} has a space; use printable ASCII without spaces` })
}

/**
 * A file on the node, as an absolute path.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category validation
 */
export const plainFile = (option: string, file: string): string => {
  const value = plainText(option, file)
  if (value.startsWith("/") && !value.endsWith("/")) return value
  throw new CommandTextError({
    option,
    message: `${option} must be an absolute path of a file, such as /etc/mediamtx.yml`
  })
}

/**
 * Whole seconds within bounds.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category validation
 */
export const wholeSeconds = (option: string, value: number, least: number, most: number): number => {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new CommandTextError({ option, message: `${option} must be whole seconds from ${least} to ${most}` })
}

/**
 * The URL of something on the manager: `base` + `path`, with parameters appended in the order given.
 *
 * `base` is an absolute http or https URL; without a path of its own it gets `/`. A query of its own is kept. Fragment
 * and credentials are refused: the first never reaches a server, the second would end up in logs.
 *
 * @throws CommandTextError
 * @example
 * ```ts
 * import { managerUrl } from "@livecams/mtx-manager"
 *
 * managerUrl("https://example.com", "/hooks", { node: "cam-1" }) // https://example.com/hooks?node=cam-1
 * managerUrl("https://example.com/mtx", "", { node: "cam-1" }) // https://example.com/mtx?node=cam-1
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const managerUrl = (
  base: string | URL,
  path: string,
  parameters: Readonly<Record<string, string | undefined>>,
  option = "base"
): string => {
  const refuse = (why: string): never => {
    throw new CommandTextError({
      option,
      message: `${option} ${why}; use an http or https URL such as https://example.com`
    })
  }
  let url: URL
  try {
    url = new URL(base)
  } catch {
    return refuse("is not an absolute URL")
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("is not an http or https URL")
  if (url.username !== "" || url.password !== "") return refuse("has credentials, which would end up in logs")
  if (url.hash !== "") return refuse("has a fragment, which never reaches a server")
  const query = Object.entries(parameters)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&")
  const search = url.search === "" ? "" : url.search.slice(1)
  const all = [search, query].filter((part) => part !== "").join("&")
  const pathname = path === "" ? url.pathname : url.pathname.replace(/\/+$/, "") + path
  return plainText(option, `${url.origin}${pathname}${all === "" ? "" : `?${all}`}`)
}
