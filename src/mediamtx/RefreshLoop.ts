/**
 * The path that keeps a node's config fresh with no sidecar at all.
 *
 * A path of MediaMTX may run a command while it exists (`runOnInit`). This one runs a small shell loop: ask the manager
 * for the config, and if it is whole and differs, move it over the file that MediaMTX watches. Each round is also a
 * heartbeat.
 *
 * The path itself is inert, whatever `pathDefaults` say. Its source is a redirect, so nobody can publish to it (MediaMTX
 * refuses before any stream exists) and there is nothing to read: RTSP readers are sent to a host name that by RFC 6761
 * never resolves, all others are told that there is no stream. It shows up in `/v3/paths/list` as
 * `source: redirect`, `online: true`, `available: false`.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import { CommandTextError, managerUrl, plainFile, plainSecret, wholeSeconds } from "./CommandText.js"
import { END_MARKER } from "./EndMarker.js"
import { staticPathNameProblem } from "./PathName.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface RefreshLoopOptions {
  /** The manager, as the node reaches it. */
  readonly base: string | URL
  readonly node: string
  /** This node's token (or the key). */
  readonly secret: string | Redacted.Redacted
  /** Seconds between two polls, 2 to 3600 (default 10). */
  readonly every?: number | undefined
  /** Name of the path (default `mtx-manager`). */
  readonly path?: string | undefined
  /** The file that MediaMTX was started with (default `/etc/mediamtx.yml`). `FILE.new` beside it must be writable. */
  readonly file?: string | undefined
  /** Seconds after which one poll gives up, 1 to 300 (default 30). */
  readonly timeout?: number | undefined
  /** The release of MediaMTX that the node has told, to be told with each poll. */
  readonly version?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export const defaultRefreshPath = "mtx-manager"

/**
 * @since 0.1.0
 * @category models
 */
export const defaultConfigFile = "/etc/mediamtx.yml"

/**
 * @since 0.1.0
 * @category models
 */
export const defaultRefreshEvery = 10

/**
 * Exactly these fields, so that no default of the user's can turn the path into something that can be used.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshPathConfig {
  readonly source: "redirect"
  readonly sourceRedirect: string
  readonly alwaysAvailable: false
  readonly srtPublishPassphrase: ""
  readonly runOnDemand: ""
  readonly runOnUnDemand: ""
  readonly runOnInit: string
  readonly runOnInitRestart: true
}

/**
 * The loop as a `runOnInit` command.
 *
 * MediaMTX replaces `$NAME` in it before `sh` sees it and nothing can prevent that, so the script has no variables: what
 * would be one is spelled out, and the one that is needed (the process id of MediaMTX) is spelled `\044PPID` for `printf`
 * and evaluated by the shell. Each round:
 *
 * - wait, and end when MediaMTX is gone: a loop that outlived a killed MediaMTX would tell the manager that all is well;
 * - fetch into `FILE.new` under a time limit, naming the hash of `FILE`. An equal config is answered by 304, for which
 *   wget writes no file and ends with an error;
 * - check the last line, compare, and only then move: MediaMTX never sees an empty, partial or equal file. As there
 *   is a wait of at least 2 s between two moves, MediaMTX doesn't miss one (it is deaf for 1 s after a reload);
 * - what went wrong goes to MediaMTX's log, but for the 304.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const refreshLoopCommand = (options: RefreshLoopOptions): string => {
  const every = wholeSeconds("refresh.every", options.every ?? defaultRefreshEvery, 2, 3600)
  const timeout = wholeSeconds("refresh.timeout", options.timeout ?? 30, 1, 300)
  const file = plainFile("refresh.file", options.file ?? defaultConfigFile)
  const url = managerUrl(options.base, "", { node: options.node, every: String(every), version: options.version })
  const secret = plainSecret("key", options.secret)
  const fetch =
    `busybox timeout ${timeout} busybox wget -q -O "${file}.new" --header "Authorization: Bearer ${secret}"` +
    ` --header "If-None-Match: \\"\`sha256sum "${file}" | cut -c1-64\`\\"" "${url}"`
  const whole = `test "\`tail -n 1 "${file}.new"\`" = "${END_MARKER}"`
  const differs = `! cmp -s "${file}.new" "${file}"`
  const move = `mv -f "${file}.new" "${file}"`
  return (
    `sh -c 'umask 077; while sleep ${every} && eval kill -0 \`printf "\\044PPID"\`;` +
    ` do rm -f "${file}.new"; { ${fetch} && ${whole} && ${differs} && ${move}; } 2>&1 | grep -v " 304 "; done'`
  )
}

/**
 * The whole entry of `paths`: its name and its config.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const refreshPath = (
  options: RefreshLoopOptions
): { readonly name: string; readonly config: RefreshPathConfig } => {
  const name = options.path ?? defaultRefreshPath
  const problem = ["all", "all_others"].includes(name) ? "is the catch-all" : staticPathNameProblem(name)
  if (problem !== undefined) {
    throw new CommandTextError({
      option: "refresh.path",
      message: `refresh.path ${problem}; use the name of a single path, such as ${defaultRefreshPath}`
    })
  }
  return {
    name,
    config: {
      source: "redirect",
      sourceRedirect: "rtsp://mtx-manager.invalid/",
      alwaysAvailable: false,
      srtPublishPassphrase: "",
      runOnDemand: "",
      runOnUnDemand: "",
      runOnInit: refreshLoopCommand(options),
      runOnInitRestart: true
    }
  }
}
