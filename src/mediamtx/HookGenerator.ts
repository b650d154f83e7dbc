/**
 * Commands for MediaMTX's lifecycle hooks (`runOn*`) that report each event to the manager.
 *
 * A {@link HookGenerator} is a plain function: {@link busybox} and {@link curl} ship with the package, and your own is
 * one {@link makeHookGenerator} away. What it returns spreads into a config:
 *
 * ```ts
 * const hooks = busybox({ base: "https://example.com/hooks", ...defaultHookConfiguration })
 * const config = { ...hooks.global, pathDefaults: { ...hooks.path }, paths: { cam: {} } } satisfies MediaMTXConfig
 * ```
 *
 * How the texts are built, and why:
 *
 * - MediaMTX starts no shell. It splits the text into words by shell quoting, then replaces `$NAME` in each word, so a
 *   value never becomes a second word. Values are glued to their key (`path=$MTX_PATH`): a word of its own that begins
 *   with `-` would be taken for an option.
 * - The body is a form that nothing encodes but MediaMTX, and only `MTX_QUERY`. Path names, types and ids have no
 *   character that means something in a form. A file name may have any, so it comes last, as `raw_segment_path`:
 *   everything to the end, as it is.
 * - `busybox wget` has no time limit of its own and hangs on a connection that is never closed; MediaMTX waits for
 *   running hooks without limit when it shuts down. So each command is under a time limit.
 * - No Restart flags: with them a command that has done its work would run again every 5 seconds.
 *
 * The same options give the same bytes, always: a changed text drops every stream of the node.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import { managerUrl, plainSecret, plainText, wholeSeconds } from "./CommandText.js"
import { type HookEventName, hookEventNames } from "./HookEvent.js"

/**
 * Which events are reported.
 *
 * @since 0.1.0
 * @category models
 */
export type HookConfiguration = { readonly [E in HookEventName]: boolean }

/**
 * Everything that can be reported from any path without changing what the path does.
 *
 * Off are `demand` and `undemand`, because a path with such a command lets readers wait for a publisher instead of
 * answering that there is none, and MediaMTX refuses it for a path whose source isn't a publisher; and `init`, which
 * MediaMTX refuses for paths by regular expression.
 *
 * @since 0.1.0
 * @category constructors
 */
export const defaultHookConfiguration: HookConfiguration = {
  connect: true,
  disconnect: true,
  init: false,
  demand: false,
  undemand: false,
  available: true,
  unavailable: true,
  online: true,
  offline: true,
  read: true,
  unread: true,
  record_segment_create: true,
  record_segment_complete: true
}

/**
 * Where the commands report to. An event that isn't mentioned is as in {@link defaultHookConfiguration}.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookOptions extends Partial<HookConfiguration> {
  /** URL of the hooks endpoint: `https://example.com/hooks`. */
  readonly base: string | URL
  /** Key, or this node's token; sent as bearer token. Without it no `Authorization` header is sent. */
  readonly key?: string | Redacted.Redacted | undefined
  /** The node that reports. Without it the receiver must tell nodes apart by other means. */
  readonly node?: string | undefined
  /** Seconds after which a command gives up, 1 to 300 (default 10). */
  readonly timeout?: number | undefined
  /**
   * For MediaMTX before 1.18.1, which hands on the client's query as it came: it is reported as `raw_query`, which takes the
   * rest of the body.
   */
  readonly rawQuery?: boolean | undefined
}

/** The field of MediaMTX's config that holds the command of each event. */
const fields = {
  connect: "runOnConnect",
  disconnect: "runOnDisconnect",
  init: "runOnInit",
  demand: "runOnDemand",
  undemand: "runOnUnDemand",
  available: "runOnAvailable",
  unavailable: "runOnUnavailable",
  online: "runOnOnline",
  offline: "runOnOffline",
  read: "runOnRead",
  unread: "runOnUnread",
  record_segment_create: "runOnRecordSegmentCreate",
  record_segment_complete: "runOnRecordSegmentComplete"
} as const satisfies Record<HookEventName, string>

type FieldOf<E extends HookEventName> = (typeof fields)[E]

/**
 * @since 0.1.0
 * @category models
 */
export type GlobalHookField = FieldOf<"connect" | "disconnect">

/**
 * @since 0.1.0
 * @category models
 */
export type PathHookField = FieldOf<Exclude<HookEventName, "connect" | "disconnect">>

/**
 * `global` spreads into a config, `path` into `pathDefaults` or a path.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookCommands {
  readonly global: { readonly [F in GlobalHookField]?: string }
  readonly path: { readonly [F in PathHookField]?: string }
}

/**
 * @since 0.1.0
 * @category models
 */
export type HookGenerator = (options: HookOptions) => HookCommands

const source = "type=$MTX_SOURCE_TYPE&id=$MTX_SOURCE_ID&query=$MTX_QUERY"
const reader = "type=$MTX_READER_TYPE&id=$MTX_READER_ID&query=$MTX_QUERY"

/** The wire form of each event after `event=NAME&`. */
const bodies: { readonly [E in HookEventName]: string } = {
  connect: "type=$MTX_CONN_TYPE&id=$MTX_CONN_ID",
  disconnect: "type=$MTX_CONN_TYPE&id=$MTX_CONN_ID",
  init: "path=$MTX_PATH",
  demand: "path=$MTX_PATH&query=$MTX_QUERY",
  undemand: "path=$MTX_PATH&query=$MTX_QUERY",
  available: `path=$MTX_PATH&${source}`,
  unavailable: `path=$MTX_PATH&${source}`,
  online: `path=$MTX_PATH&${source}`,
  offline: `path=$MTX_PATH&${source}`,
  read: `path=$MTX_PATH&${reader}`,
  unread: `path=$MTX_PATH&${reader}`,
  record_segment_create: "path=$MTX_PATH&raw_segment_path=$MTX_SEGMENT_PATH",
  record_segment_complete: "path=$MTX_PATH&segment_duration=$MTX_SEGMENT_DURATION&raw_segment_path=$MTX_SEGMENT_PATH"
}

/**
 * One event to be reported, ready for a command: no part has a quote or a backslash, and `$` only before the names of
 * MediaMTX's variables in `body`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookReport {
  readonly event: HookEventName
  readonly url: string
  /** `application/x-www-form-urlencoded`. Post it as it is. */
  readonly body: string
  /** Value of the `Authorization` header, if one is to be sent. */
  readonly authorization: string | undefined
  /** Seconds. */
  readonly timeout: number
}

/**
 * Makes a generator from the one thing that differs: how a single report is sent.
 *
 * The command runs without a shell. Quote each part; put no value in a word of its own.
 *
 * @example
 * ```ts
 * import { makeHookGenerator } from "@livecams/mtx-manager"
 *
 * const mine = makeHookGenerator(({ body, url }) => `/usr/local/bin/report '${url}' 'body=${body}'`)
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const makeHookGenerator =
  (command: (report: HookReport) => string): HookGenerator =>
  (options) => {
    const url = managerUrl(options.base, "", { node: options.node })
    const authorization = options.key === undefined ? undefined : `Bearer ${plainSecret("key", options.key)}`
    const timeout = wholeSeconds("timeout", options.timeout ?? 10, 1, 300)
    const global: { [F in GlobalHookField]?: string } = {}
    const path: { [F in PathHookField]?: string } = {}
    for (const event of hookEventNames) {
      if (!(options[event] ?? defaultHookConfiguration[event])) continue
      const body = options.rawQuery === true ? bodies[event].replace("&query=", "&raw_query=") : bodies[event]
      const text = command({ event, url, body: `event=${event}&${body}`, authorization, timeout })
      if (event === "connect" || event === "disconnect") global[fields[event]] = text
      else path[fields[event]] = text
    }
    return { global, path }
  }

/**
 * Reports by `busybox wget`, which MediaMTX's ffmpeg image has.
 *
 * @throws CommandTextError for a `base`, `key`, `node` or `timeout` that can't stand in a command.
 * @example
 * ```ts
 * import { busybox, defaultHookConfiguration } from "@livecams/mtx-manager"
 *
 * const { global, path } = busybox({ base: "https://example.com/hooks", ...defaultHookConfiguration, read: false })
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const busybox: HookGenerator = makeHookGenerator(
  ({ authorization, body, timeout, url }) =>
    `busybox timeout ${timeout} busybox wget -q -O /dev/null${
      authorization === undefined ? "" : ` --header 'Authorization: ${authorization}'`
    } --post-data '${body}' '${url}'`
)

/**
 * Reports by `curl`, for machines that have it and no busybox.
 *
 * @throws CommandTextError for a `base`, `key`, `node` or `timeout` that can't stand in a command.
 * @since 0.1.0
 * @category constructors
 */
export const curl: HookGenerator = makeHookGenerator(
  ({ authorization, body, timeout, url }) =>
    // -q: no curlrc of whoever runs MediaMTX; -g: brackets in the URL are just brackets.
    `curl -q -g -s -S -o /dev/null -m ${timeout}${
      authorization === undefined ? "" : ` -H 'Authorization: ${authorization}'`
    } --data-raw '${body}' '${url}'`
)

/**
 * The field that holds the command of an event: `available` -> `runOnAvailable`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hookField = <E extends HookEventName>(event: E): FieldOf<E> => fields[event]

/** Refuses texts that would end the server: MediaMTX panics on a command of only white space. */
export const checkHookCommands = (commands: HookCommands): HookCommands => {
  for (const [field, text] of [...Object.entries(commands.global), ...Object.entries(commands.path)]) {
    if (typeof text === "string" && text !== "" && text.trim() === "") plainText(`hooks: ${field}`, "")
  }
  return commands
}
