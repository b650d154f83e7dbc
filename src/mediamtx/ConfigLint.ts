/**
 * What a config that MediaMTX takes lays open: every rule a row of {@link lintRules}, so that the program, its tests and
 * docs/lint.md say the same.
 *
 * Not part of validation: a lab may well run open. Nothing that a Worker runs imports this.
 *
 * @since 0.1.0
 */
import { isHashedCredential } from "./Credential.js"
import { effectivePath } from "./EffectivePath.js"
import { globalFields } from "./GlobalFields.js"
import { goDurationToNanos } from "./GoDuration.js"
import { splitHookCommand } from "./HookCommand.js"
import { parseIp, parseIpNetwork } from "./IpNetwork.js"
import type { AuthInternalUser, AuthPermission, MediaMTXConfig } from "./MediaMTXConfig.js"
import { isCatchAll, isRegexPathName } from "./PathName.js"

/**
 * How bad it is: an `error` lets strangers in, a `warning` does so together with something else, `info` is worth knowing.
 *
 * @since 0.1.0
 * @category models
 */
export type LintSeverity = "error" | "warning" | "info"

/**
 * From bad to good.
 *
 * @since 0.1.0
 * @category models
 */
export const lintSeverities = ["error", "warning", "info"] as const satisfies ReadonlyArray<LintSeverity>

/**
 * One place where a rule found something.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintHit {
  /** Keys from the root of the config, list positions as decimal text. May be a field that is not set. */
  readonly field: ReadonlyArray<string>
  /** What is there, to be read after the field's name. Holds no secret. */
  readonly message: string
}

/**
 * A rule and what it says to people.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintRule<Subject> {
  /** Stable, in kebab case. */
  readonly id: string
  readonly severity: LintSeverity
  /** What it finds. */
  readonly finds: string
  /** What can happen. */
  readonly why: string
  /** What would be right. */
  readonly right: string
  readonly check: (subject: Subject) => Iterable<LintHit>
}

/**
 * What is known beside the config.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintContext {
  /**
   * The config is given out by the manager, which puts in its own auth address (unless the config has an `authMethod`) and
   * hooks. Default false: MediaMTX runs it as it is.
   */
  readonly managed?: boolean | undefined
  /** The image that nodes run, such as `bluenviron/mediamtx:latest`. Default: not known. */
  readonly image?: string | undefined
}

/**
 * A validated config, and what is known beside it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintSubject extends LintContext {
  readonly config: MediaMTXConfig
}

/**
 * A hit with the rule that made it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LintFinding extends LintHit {
  readonly rule: Omit<LintRule<never>, "check">
}

// ---------------------------------------------------------------------------------------------------------------------
// Who may do what

type Action = NonNullable<AuthPermission["action"]>

const defaultUsers: ReadonlyArray<AuthInternalUser> = globalFields.authInternalUsers.default

/** Who decides: as MediaMTX sees it once the manager has put in its part. */
const methodOf = ({ config, managed }: LintSubject): "internal" | "http" | "jwt" => {
  const method = config.authMethod
  if (managed === true && (method === undefined || (method === "http" && (config.authHTTPAddress ?? "") === ""))) {
    return "http"
  }
  return method ?? "internal"
}

const isLoopbackNetwork = (text: string): boolean => {
  const network = parseIpNetwork(text)
  if (network === undefined) return false
  if (network.family === 4) return network.bits >= 104 && ((network.address >> 24n) & 0xffn) === 127n
  return network.bits === 128 && network.address === 1n
}

/** Whether these addresses are all there are: none named, or a network of everything. */
const isAnywhere = (ips: ReadonlyArray<string> | undefined): boolean =>
  ips === undefined ||
  ips.length === 0 ||
  ips.some((ip) => {
    const network = parseIpNetwork(ip)
    return network !== undefined && network.bits <= (network.family === 4 ? 96 : 0)
  })

const onPath = (path: string | undefined): string => (path === undefined || path === "" ? "" : ` on ${path}`)

/** Permissions that need no credentials, and from where they hold. */
const anonymous = function* (subject: LintSubject, action: Action): Iterable<LintHit> {
  const method = methodOf(subject)
  if (method === "internal") {
    for (const [index, user] of (subject.config.authInternalUsers ?? defaultUsers).entries()) {
      const nobody = user.user === "any" || (user.pass ?? "") === ""
      if (!nobody || !isAnywhere(user.ips)) continue
      for (const [at, permission] of (user.permissions ?? []).entries()) {
        if (permission.action !== action) continue
        yield {
          field: ["authInternalUsers", String(index), "permissions", String(at)],
          message: `lets anybody ${action}${onPath(permission.path)}, from any address and without a password${
            subject.config.authInternalUsers === undefined ? " (MediaMTX's default)" : ""
          }`
        }
      }
    }
    return
  }
  const exclude = method === "http" ? "authHTTPExclude" : "authJWTExclude"
  for (const [index, permission] of (subject.config[exclude] ?? []).entries()) {
    if (permission.action === action) {
      yield { field: [exclude, String(index)], message: `lets anybody ${action}${onPath(permission.path)} unasked` }
    }
  }
}

/** Whether clients show passwords or tokens at all. */
const usesCredentials = (subject: LintSubject): boolean =>
  methodOf(subject) !== "internal" ||
  (subject.config.authInternalUsers ?? []).some((user) => user.user !== "any" && (user.pass ?? "") !== "")

// ---------------------------------------------------------------------------------------------------------------------
// Where it listens

/** Whether others than the machine itself get there. */
const isReachable = (address: string): boolean => {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(":"))).replace(/^\[|\]$/g, "")
  if (host === "localhost") return false
  return host === "" || parseIp(host) === undefined || !isLoopbackNetwork(host)
}

const isEverywhere = (address: string): boolean => {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(":"))).replace(/^\[|\]$/g, "")
  return host === "" || host === "0.0.0.0" || host === "::"
}

type Server = "api" | "metrics" | "pprof"

const onAllAddresses = (server: Server) =>
  function* ({ config }: LintSubject): Iterable<LintHit> {
    const field = `${server}Address` as const
    const address = config[field] ?? globalFields[field].default
    if (config[server] !== true || !isEverywhere(address)) return
    yield config[field] === undefined
      ? { field: [server], message: `is on, and ${field} is by default ${address}: all addresses of the machine` }
      : { field: [field], message: `is ${JSON.stringify(address)}: all addresses of the machine` }
  }

const openServer = (server: Server) =>
  function* (subject: LintSubject): Iterable<LintHit> {
    if (subject.config[server] === true) yield* anonymous(subject, server)
  }

const trustedProxyFields = [
  "apiTrustedProxies",
  "metricsTrustedProxies",
  "pprofTrustedProxies",
  "playbackTrustedProxies",
  "rtspTrustedProxies",
  "rtmpTrustedProxies",
  "hlsTrustedProxies",
  "webrtcTrustedProxies",
  "moqTrustedProxies"
] as const satisfies ReadonlyArray<keyof MediaMTXConfig>

// ---------------------------------------------------------------------------------------------------------------------
// Hooks

const pathHooks = [
  "runOnInit",
  "runOnDemand",
  "runOnUnDemand",
  "runOnAvailable",
  "runOnUnavailable",
  "runOnOnline",
  "runOnOffline",
  "runOnRead",
  "runOnUnread",
  "runOnRecordSegmentCreate",
  "runOnRecordSegmentComplete"
] as const
const globalHooks = ["runOnConnect", "runOnDisconnect"] as const

interface Hook {
  readonly field: ReadonlyArray<string>
  readonly command: string
  /** Whether clients choose the path's name, as far as it goes. */
  readonly named: "by the config" | "by clients"
}

/** Every command where it is written, so that what stands in `pathDefaults` is found once. */
const hooksOf = function* (config: MediaMTXConfig): Iterable<Hook> {
  for (const field of globalHooks) {
    const command = config[field]
    if (command !== undefined && command !== "") yield { field: [field], command, named: "by the config" }
  }
  const names = Object.keys(config.paths ?? {})
  const chosen = (name: string) => isRegexPathName(name) || isCatchAll(name)
  for (const field of pathHooks) {
    const command = config.pathDefaults?.[field]
    if (command !== undefined && command !== "") {
      yield {
        field: ["pathDefaults", field],
        command,
        named: names.some(chosen) ? "by clients" : "by the config"
      }
    }
  }
  for (const [name, path] of Object.entries(config.paths ?? {})) {
    for (const field of pathHooks) {
      const command = path?.[field]
      if (command !== undefined && command !== "") {
        yield { field: ["paths", name, field], command, named: chosen(name) ? "by clients" : "by the config" }
      }
    }
  }
}

const shells = /(?:^|[\\/])(?:sh|ash|bash|dash|zsh|ksh|busybox|cmd|cmd\.exe|powershell|powershell\.exe|pwsh)$/

/** What a shell is given to read, if the command starts one. */
const scriptOf = (command: string): string | undefined => {
  const words = splitHookCommand(command)
  if (typeof words === "string") return undefined
  // `env`, `timeout 5` and the like stand in front.
  const shell = words.findIndex((word) => shells.test(word))
  if (shell === -1) return undefined
  const script = words.findIndex((word, at) => at > shell && (/^-[a-z]*c$/.test(word) || /^\/c$/i.test(word)))
  if (script !== -1) return words.slice(script + 1).join(" ")
  return /^(?:cmd|cmd\.exe|powershell|powershell\.exe|pwsh)$/.test(words[shell] ?? "")
    ? words.slice(shell + 1).join(" ")
    : undefined
}

const queryVariable = /\$(?:MTX_QUERY\b|\{MTX_QUERY\})/
const nameVariable =
  /\$(?:(?:MTX_PATH|RTSP_PATH|MTX_SEGMENT_PATH|G[0-9]+)\b|\{(?:MTX_PATH|RTSP_PATH|MTX_SEGMENT_PATH|G[0-9]+)\})/

/** Whether an image is MediaMTX's own that has nothing but the program: no shell, no busybox. */
const hasNoShell = (image: string): boolean => {
  const [, tag = "latest"] = /^(?:[^/\s]+\/)*mediamtx(?::([^@\s]+))?(?:@\S+)?$/.exec(image) ?? []
  return /^(?:[^/\s]+\/)*bluenviron\/mediamtx(?:[:@]|$)/.test(image) && !/(?:ffmpeg|rpi)$/.test(tag)
}

// ---------------------------------------------------------------------------------------------------------------------
// Recordings

/** Where the value of a path's field is written, or would be. */
const placeOf = (config: MediaMTXConfig, name: string, field: "record" | "recordDeleteAfter"): ReadonlyArray<string> =>
  config.paths?.[name]?.[field] === undefined && config.pathDefaults?.[field] !== undefined
    ? ["pathDefaults", field]
    : ["paths", name, field]

/** Paths that record, once for each place that says how long it is kept. */
const recording = function* (
  config: MediaMTXConfig
): Iterable<{ readonly name: string; readonly stated: boolean; readonly deleteAfter: string }> {
  for (const name of Object.keys(config.paths ?? {})) {
    const path = effectivePath(config, name)
    if (path?.record !== true) continue
    const stated =
      config.paths?.[name]?.recordDeleteAfter !== undefined || config.pathDefaults?.recordDeleteAfter !== undefined
    yield { name, stated, deleteAfter: path.recordDeleteAfter }
  }
}

const isPlainRemote = (url: string): boolean => {
  try {
    const { hostname, protocol } = new URL(url)
    return protocol === "http:" && hostname !== "localhost" && !isLoopbackNetwork(hostname.replace(/^\[|\]$/g, ""))
  } catch {
    return false
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/**
 * The rules for MediaMTX's config.
 *
 * @since 0.1.0
 * @category rules
 */
export const lintRules: ReadonlyArray<LintRule<LintSubject>> = [
  {
    id: "anonymous-api",
    severity: "error",
    finds: "The control API is on and answers anybody, from any address.",
    why: "Whoever reaches it reads every setting, kicks sessions, and adds paths with commands of their own.",
    right: "A user with a password, addresses in `ips`, or no entry for `api` in the exclude list",
    check: openServer("api")
  },
  {
    id: "anonymous-pprof",
    severity: "error",
    finds: "The profiler (pprof) is on and answers anybody, from any address.",
    why: "Memory dumps hold passwords and tokens, and one profile costs seconds of CPU.",
    right: "`pprof: false`, or only for localhost",
    check: openServer("pprof")
  },
  {
    id: "anonymous-metrics",
    severity: "warning",
    finds: "MediaMTX's metrics are on and answer anybody, from any address.",
    why: "They name every path, session and client address.",
    right: "A user with a password, or addresses in `ips`",
    check: openServer("metrics")
  },
  {
    id: "open-publish",
    severity: "error",
    finds: "Anybody may publish.",
    why: "Strangers put their pictures on your streams, and fill disk and uplink.",
    right: "Publishing by users with a password, from addresses in `ips`, or decided by the manager",
    check: (subject) => anonymous(subject, "publish")
  },
  {
    id: "open-read",
    severity: "info",
    finds: "Anybody may watch.",
    why: "Right for public cameras, and only for these.",
    right: "Reading by users with a password where the stream is not public",
    check: (subject) => anonymous(subject, "read")
  },
  {
    id: "open-playback",
    severity: "warning",
    finds: "The playback server is on and gives recordings to anybody.",
    why: "What is public live is often not meant to be public for weeks.",
    right: "Playback by users with a password, or from the worker's address only",
    *check(subject) {
      if (subject.config.playback === true) yield* anonymous(subject, "playback")
    }
  },
  {
    id: "any-ips",
    severity: "warning",
    finds: "A user with a password may use api, metrics or pprof from any address.",
    why: "One leaked password is then all it takes, from anywhere.",
    right: "The addresses of those who need it, in `ips`",
    *check(subject) {
      if (methodOf(subject) !== "internal") return
      for (const [index, user] of (subject.config.authInternalUsers ?? []).entries()) {
        if (user.user === "any" || (user.pass ?? "") === "" || !isAnywhere(user.ips)) continue
        const actions = (["api", "metrics", "pprof"] as const).filter(
          (action) => subject.config[action] === true && user.permissions?.some((each) => each.action === action)
        )
        if (actions.length > 0) {
          yield {
            field: ["authInternalUsers", String(index), "ips"],
            message: `names no addresses, and the user may use ${actions.join(", ")}`
          }
        }
      }
    }
  },
  {
    id: "plain-password",
    severity: "info",
    finds: "A password stands in the config as it is.",
    why: "Everybody who can read the file, or a backup of it, can log in.",
    right: "`argon2:$argon2id$...` or `sha256:BASE64`; not with RTSP's digest, which needs the password itself",
    *check(subject) {
      if (methodOf(subject) !== "internal" || subject.config.rtspAuthMethods?.includes("digest") === true) return
      for (const [index, user] of (subject.config.authInternalUsers ?? []).entries()) {
        const pass = user.pass ?? ""
        if (pass !== "" && !isHashedCredential(pass)) {
          yield { field: ["authInternalUsers", String(index), "pass"], message: "is not hashed" }
        }
      }
    }
  },
  {
    id: "auth-http-unencrypted",
    severity: "warning",
    finds: "`authHTTPAddress` is plain http to another machine.",
    why: "Each auth call carries the password of the client.",
    right: "https",
    *check(subject) {
      const address = subject.config.authHTTPAddress ?? ""
      if (subject.config.authMethod === "http" && isPlainRemote(address)) {
        yield { field: ["authHTTPAddress"], message: "is not encrypted" }
      }
    }
  },
  {
    id: "rtsp-plain-passwords",
    severity: "warning",
    finds: "RTSP takes basic passwords without encryption.",
    why: "Basic is the password itself, readable by whoever is on the way.",
    right:
      '`rtspEncryption: "strict"` (or `"optional"` where players can\'t), or with internal users `rtspAuthMethods: [digest]`',
    *check(subject) {
      const { config } = subject
      if (config.rtsp === false || !usesCredentials(subject) || (config.rtspEncryption ?? "no") === "strict") return
      if (!isReachable(config.rtspAddress ?? globalFields.rtspAddress.default)) return
      if ((config.rtspAuthMethods ?? ["basic"]).includes("basic")) {
        yield {
          field: ["rtspEncryption"],
          message: `is ${config.rtspEncryption ?? "no"}, and passwords are sent as they are`
        }
      }
    }
  },
  {
    id: "rtmp-plain-passwords",
    severity: "warning",
    finds: "RTMP takes passwords without encryption.",
    why: "They stand in the URL (`?user=&pass=`), readable by whoever is on the way.",
    right: '`rtmpEncryption: "strict"`, or `rtmp: false` where nobody uses it',
    *check(subject) {
      const { config } = subject
      if (config.rtmp === false || !usesCredentials(subject) || (config.rtmpEncryption ?? "no") === "strict") return
      if (!isReachable(config.rtmpAddress ?? globalFields.rtmpAddress.default)) return
      yield {
        field: ["rtmpEncryption"],
        message: `is ${config.rtmpEncryption ?? "no"}, and passwords are sent as they are`
      }
    }
  },
  {
    id: "http-plain-passwords",
    severity: "info",
    finds: "HLS or WebRTC takes passwords over plain HTTP.",
    why: "Right behind a proxy that does HTTPS, and only there. Browsers refuse a camera or microphone without HTTPS.",
    right:
      "A reverse proxy in front and the server on a loopback address, or its own `hlsEncryption`, `webrtcEncryption`",
    *check(subject) {
      const { config } = subject
      if (!usesCredentials(subject)) return
      for (const server of ["hls", "webrtc"] as const) {
        const address = config[`${server}Address`] ?? globalFields[`${server}Address`].default
        if (config[server] !== false && config[`${server}Encryption`] !== true && isReachable(address)) {
          yield { field: [`${server}Encryption`], message: "is off" }
        }
      }
    }
  },
  {
    id: "pprof-all-addresses",
    severity: "warning",
    finds: "The profiler (pprof) listens on all addresses.",
    why: "Only its password stands between the internet and memory dumps.",
    right: "`pprofAddress: 127.0.0.1:9999`, or `pprof: false`",
    check: onAllAddresses("pprof")
  },
  {
    id: "api-all-addresses",
    severity: "warning",
    finds: "The control API listens on all addresses.",
    why: "Only its password stands between the internet and the node.",
    right: "`apiAddress: 127.0.0.1:9997`; in a container, a port that is not published",
    check: onAllAddresses("api")
  },
  {
    id: "metrics-all-addresses",
    severity: "info",
    finds: "MediaMTX's metrics listen on all addresses.",
    why: "They name every path and client.",
    right: "`metricsAddress: 127.0.0.1:9998`, or an address in the network of the scraper",
    check: onAllAddresses("metrics")
  },
  {
    id: "trusted-proxies-any",
    severity: "error",
    finds: "Everybody is trusted as a proxy.",
    why: "Clients then say themselves which address they come from, and every limit by address falls.",
    right: "The addresses of your proxies, and no others",
    *check({ config }) {
      for (const field of trustedProxyFields) {
        for (const [index, network] of (config[field] ?? []).entries()) {
          if (isAnywhere([network])) yield { field: [field, String(index)], message: "is every address" }
        }
      }
    }
  },
  {
    id: "hook-query-in-shell",
    severity: "error",
    finds: "A hook gives `$MTX_QUERY` to a shell to read.",
    why: "Clients write it. MediaMTX before 1.18.1 puts it in as it came, so a viewer runs commands on the node; later ones encode it, and one changed option undoes that.",
    right:
      "A program that is given the value as one argument (`path=$MTX_PATH&query=$MTX_QUERY`), or a script file that reads it from its environment in quotes",
    *check({ config }) {
      for (const { command, field } of hooksOf(config)) {
        const script = scriptOf(command)
        if (script !== undefined && queryVariable.test(script)) {
          yield { field, message: "has $MTX_QUERY in the text that a shell reads" }
        }
      }
    }
  },
  {
    id: "hook-name-in-shell",
    severity: "warning",
    finds: "A hook gives the name of a path to a shell to read, and clients choose that name.",
    why: "MediaMTX lets no quotes and spaces into names, but one may begin with `-` and be an option, or be a file you didn't mean.",
    right: "The variable glued to something and in quotes, or a path with a fixed name",
    *check({ config }) {
      for (const { command, field, named } of hooksOf(config)) {
        const script = scriptOf(command)
        if (named === "by clients" && script !== undefined && nameVariable.test(script)) {
          yield { field, message: `has ${nameVariable.exec(script)?.[0] ?? ""} in the text that a shell reads` }
        }
      }
    }
  },
  {
    id: "hook-query-argument",
    severity: "info",
    finds: "A hook gives `$MTX_QUERY` to a program.",
    why: "Queries hold credentials (RTMP's passwords, tokens), and arguments can be read by every user of the machine.",
    right: "Leaving it out, or a program that takes it from its environment",
    *check({ config }) {
      for (const { command, field } of hooksOf(config)) {
        if (queryVariable.test(command) && !queryVariable.test(scriptOf(command) ?? "")) {
          yield { field, message: "has $MTX_QUERY as an argument" }
        }
      }
    }
  },
  {
    id: "hook-image-without-shell",
    severity: "error",
    finds: "Nodes run an image without a shell (`--image`), and there are hooks.",
    why: "MediaMTX's standard image has nothing in it but MediaMTX: commands fail with a line in the log, or without one.",
    right: "`bluenviron/mediamtx:latest-ffmpeg`",
    *check({ config, image, managed }) {
      if (image === undefined || !hasNoShell(image)) return
      const hooks = [...hooksOf(config)]
      for (const { field } of hooks) yield { field, message: `can't run in ${image}` }
      if (managed === true && hooks.length === 0) {
        yield { field: [], message: `the manager's own hooks and its boot command can't run in ${image}` }
      }
    }
  },
  {
    id: "record-forever",
    severity: "warning",
    finds: "Recordings are never deleted.",
    why: "The disk fills up, and then nothing is recorded any more.",
    right: "`recordDeleteAfter` as long as the disk lasts, such as `14d`",
    *check({ config }) {
      for (const { deleteAfter, name, stated } of recording(config)) {
        if (stated && goDurationToNanos(deleteAfter) === 0n) {
          yield { field: placeOf(config, name, "recordDeleteAfter"), message: "is 0: never" }
        }
      }
    }
  },
  {
    id: "record-default-retention",
    severity: "info",
    finds: "A path records, and nothing says for how long it is kept.",
    why: "MediaMTX's default deletes recordings after a day, which few mean.",
    right: "`recordDeleteAfter` stated, beside `record` or in `pathDefaults`",
    *check({ config }) {
      for (const { name, stated } of recording(config)) {
        if (!stated) {
          yield { field: placeOf(config, name, "record"), message: "is on without recordDeleteAfter: kept for a day" }
        }
      }
    }
  },
  {
    id: "source-plain-password",
    severity: "info",
    finds: "A camera's password goes over the network in the open.",
    why: "Whoever is on the way to the camera can read it.",
    right: "`rtsps://` where the camera can, else a network of its own",
    *check({ config }) {
      for (const [name, path] of Object.entries(config.paths ?? {})) {
        if (/^(?:rtsp|rtmp|http|whep)(?:\+[a-z]+)?:\/\/[^/@\s]+:[^/@\s]+@/.test(path?.source ?? "")) {
          yield { field: ["paths", name, "source"], message: "has a password and no encryption" }
        }
      }
    }
  },
  {
    id: "dump-packets",
    severity: "warning",
    finds: "Every packet is written to disk.",
    why: "Meant for hunting bugs: it fills the disk and holds what was said.",
    right: "`dumpPackets: false`",
    *check({ config }) {
      if (config.dumpPackets === true) yield { field: ["dumpPackets"], message: "is on" }
    }
  }
]

/**
 * Runs rules over a subject. What one place says is found once by each rule.
 *
 * @since 0.1.0
 * @category linting
 */
export const lintWith = <Subject>(
  rules: ReadonlyArray<LintRule<Subject>>,
  subject: Subject
): ReadonlyArray<LintFinding> => {
  const findings: Array<LintFinding> = []
  for (const rule of rules) {
    const seen = new Set<string>()
    for (const hit of rule.check(subject)) {
      const key = JSON.stringify([hit.field, hit.message])
      if (!seen.has(key)) findings.push({ ...hit, rule })
      seen.add(key)
    }
  }
  return findings
}

/**
 * What a validated config lays open.
 *
 * @example
 * ```ts
 * import { lintConfig } from "@livecams/mtx-manager"
 *
 * lintConfig({ api: true, authInternalUsers: [{ user: "any", permissions: [{ action: "api" }] }] })
 * // [{ rule: { id: "anonymous-api", severity: "error", ... }, field: ["authInternalUsers", "0", ...], ... }, ...]
 * ```
 * @since 0.1.0
 * @category linting
 */
export const lintConfig = (config: MediaMTXConfig, context: LintContext = {}): ReadonlyArray<LintFinding> =>
  lintWith(lintRules, { ...context, config })
