/**
 * From a node's config and our parts to its text. Pure and synchronous; hashing and caching per node is the caller's.
 *
 * The text is in two parts. The head is the user's config and the same for every node that has the same config. The tail
 * is ours, holds whatever names the node or its token, and is made anew for each node:
 *
 *     # comment, the user's global fields, paths:          <- head
 *       mtx-manager: ...                                   <- tail
 *     authMethod, authHTTPAddress, runOnConnect, pathDefaults, END_MARKER
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { CommandTextError, managerUrl } from "../../mediamtx/CommandText.js"
import type { MediaMTXVersion } from "../../mediamtx/ConfigField.js"
import {
  type Fitting,
  hasRawQuery,
  type LackingPolicy,
  makeFitting,
  type OlderRelease
} from "../../mediamtx/ConfigForVersion.js"
import { type ConfigIssue, InvalidConfig, makeIssue } from "../../mediamtx/ConfigIssue.js"
import type { ConfigValidator } from "../../mediamtx/ConfigValidation.js"
import { END_MARKER } from "../../mediamtx/EndMarker.js"
import {
  busybox,
  checkHookCommands,
  type HookCommands,
  type HookConfiguration,
  type HookGenerator,
  hookField,
  type PathHookField
} from "../../mediamtx/HookGenerator.js"
import type { AuthPermission, MediaMTXConfig, PathConfig } from "../../mediamtx/MediaMTXConfig.js"
import { isRegexPathName } from "../../mediamtx/PathName.js"
import { defaultRefreshEvery, defaultRefreshPath, refreshPath } from "../../mediamtx/RefreshLoop.js"
import { makeRelay, type Relay, type RelayOptions, relayLine } from "../../mediamtx/Relay.js"
import { renderPath, renderSection, type YamlValue, YamlValueError } from "../../mediamtx/Yaml.js"

export interface RefreshOptions {
  /** Time between two polls of a node, in whole seconds from 2 to 3600 (default 10 seconds). */
  readonly every?: Duration.DurationInput | undefined
  /**
   * - `loop` (default): the config itself holds a path that keeps the file fresh; needs `sh` and `busybox` on the node, as in
   *   MediaMTX's ffmpeg image
   * - `updater`: a sidecar does it
   * - `none`: the node keeps the config that it was started with
   */
  readonly mode?: "loop" | "updater" | "none" | undefined
  /** Name of that path (default `mtx-manager`). */
  readonly path?: string | undefined
  /** File that MediaMTX was started with (default `/etc/mediamtx.yml`). */
  readonly file?: string | undefined
}

export interface RenderOptions {
  /** The manager, as nodes reach it: `https://example.com`, with the path it is mounted at. */
  readonly base: string | URL
  /** How events are reported (default `busybox`); false for no hooks of ours. */
  readonly hooks?: HookGenerator | false | undefined
  /** Which events are reported, on top of `defaultHookConfiguration`. */
  readonly hookConfiguration?: Partial<HookConfiguration> | undefined
  /**
   * Whether nodes ask the manager for every publish, read and so on. Absent: yes, unless the config says how it wants to
   * authenticate (`authMethod`). True: always, whatever the config says. False: never.
   */
  readonly auth?: boolean | undefined
  /** What a node allows without asking, if the config doesn't say itself. Absent: nothing. */
  readonly authHTTPExclude?: ReadonlyArray<AuthPermission> | undefined
  readonly refresh?: RefreshOptions | undefined
  /** Hooks and auth questions go to the relay of the node's updater (absent: to the manager). */
  readonly relay?: RelayOptions | undefined
  /**
   * The MediaMTX that nodes run which don't say it themselves and for which no label `mediamtx-version` says it: `1.19.3`.
   * Absent: the newest that is known.
   */
  readonly mediamtxVersion?: string | undefined
  /**
   * What becomes of values that a node's older MediaMTX has no field for: `drop` (default) leaves them out with a warning,
   * `refuse` lets the node keep the config that it has. What guards something is refused in any case.
   */
  readonly unknownFields?: LackingPolicy | undefined
}

/** Options with their defaults. */
export interface Settings {
  readonly base: string | URL
  readonly hooks: HookGenerator | undefined
  readonly hookConfiguration: Partial<HookConfiguration>
  readonly auth: boolean | undefined
  readonly authHTTPExclude: ReadonlyArray<AuthPermission> | undefined
  readonly refresh: { readonly every: number; readonly path: string; readonly file: string | undefined } | undefined
  readonly relay: Relay | undefined
  /** Undefined: the newest that is known. */
  readonly release: OlderRelease | undefined
  readonly unknownFields: LackingPolicy
}

/** Everything about a config of which the text is made, for one node. */
export interface Ours {
  readonly commands: HookCommands
  readonly refresh: ReturnType<typeof refreshPath> | undefined
  readonly authAddress: string
  /** Where both of them go when that is not the manager. */
  readonly relay: string | undefined
}

/** Hooks that would make some paths invalid, or behave otherwise, if they stood in `pathDefaults`. */
const perPathFields = [hookField("init"), hookField("demand"), hookField("undemand")] as const
type PerPathField = (typeof perPathFields)[number]
export const isPerPath = (field: string): field is PerPathField => perPathFields.some((name) => name === field)

/**
 * Who a config is validated for. It doesn't matter to validity, and always being the same it lets the validator remember
 * paths from one node to the next.
 */
export const sample = { node: "node", token: "token" }

/** Reads the options once, so that a bad one is found before any node asks. */
export const makeSettings = (options: RenderOptions): Either.Either<Settings, CommandTextError> =>
  Either.try({
    try: () => {
      const mode = options.refresh?.mode ?? "loop"
      const settings: Settings = {
        base: options.base,
        hooks: options.hooks === false ? undefined : (options.hooks ?? busybox),
        hookConfiguration: options.hookConfiguration ?? {},
        auth: options.auth,
        authHTTPExclude: options.authHTTPExclude,
        refresh:
          mode === "loop"
            ? {
                every:
                  options.refresh?.every === undefined
                    ? defaultRefreshEvery
                    : Duration.toSeconds(options.refresh.every),
                path: options.refresh?.path ?? defaultRefreshPath,
                file: options.refresh?.file
              }
            : undefined,
        relay: options.relay === undefined ? undefined : makeRelay(options.relay),
        release: undefined,
        unknownFields: options.unknownFields ?? "drop"
      }
      // With a relay and without, as nodes may differ in that.
      makeOurs(settings, sample.node, sample.token)
      makeOurs({ ...settings, relay: undefined }, sample.node, sample.token)
      return settings
    },
    catch: commandTextError
  })

const commandTextError = (cause: unknown): CommandTextError => {
  // Anything else is a bug, ours or of the user's generator: a defect, not a failure.
  if (cause instanceof CommandTextError) return cause
  throw cause
}

export const makeOurs = (settings: Settings, node: string, token: string, version?: MediaMTXVersion): Ours => {
  const relay = settings.relay?.has(node) === true ? settings.relay.url : undefined
  const base = relay ?? settings.base
  return {
    commands:
      settings.hooks === undefined
        ? { global: {}, path: {} }
        : checkHookCommands(
            settings.hooks({
              base: managerUrl(base, "/hooks", {}),
              key: token,
              node,
              ...(settings.release !== undefined && hasRawQuery(settings.release.version) && { rawQuery: true }),
              ...settings.hookConfiguration
            })
          ),
    refresh:
      settings.refresh === undefined
        ? undefined
        : refreshPath({ ...settings.refresh, base: settings.base, node, secret: token, version }),
    authAddress: managerUrl(base, "/auth", { node, token }),
    relay
  }
}

const samples = new WeakMap<Settings, Ours>()

/** What the config of any node has of ours, as far as it is the same for all of them. */
const oursOfSample = (settings: Settings): Ours => {
  let ours = samples.get(settings)
  if (ours === undefined) {
    ours = makeOurs(settings, sample.node, sample.token)
    samples.set(settings, ours)
  }
  return ours
}

/** One user config prepared for any number of nodes. */
export interface Variant {
  readonly warnings: ReadonlyArray<ConfigIssue>
  /** The whole text for one node, in UTF-8. `version` is what the node itself says it runs; its refresh loop repeats it. */
  readonly bytes: (node: string, token: string, version?: MediaMTXVersion) => Uint8Array<ArrayBuffer>
}

export interface VariantOptions {
  /** Many nodes have this config: its parts are kept joined, rather than joined again on each reading. */
  readonly shared: boolean
}

/** What is known of an entry of `paths` by its object: configs are values, nobody changes them in place. */
interface KnownPath {
  readonly name: string
  readonly text: Uint8Array
  /** Hooks that it has itself; switched off is not one. */
  readonly hooks: ReadonlyArray<PathHookField>
}
const knownPaths = new WeakMap<PathConfig, KnownPath>()

const know = (name: string, path: PathConfig): KnownPath => {
  const before = knownPaths.get(path)
  if (before !== undefined && before.name === name) return before
  const now = { name, text: encoder.encode(renderPath(name, asYaml(path))), hooks: hooksOf(path) }
  knownPaths.set(path, now)
  return now
}

/** A validated config is plain data: objects, lists, strings, numbers, booleans. */
const asYaml = (value: unknown): YamlValue => value as YamlValue

const pathHookEvents = [
  "init",
  "demand",
  "undemand",
  "available",
  "unavailable",
  "online",
  "offline",
  "read",
  "unread",
  "record_segment_create",
  "record_segment_complete"
] as const
const hookFieldNames: ReadonlyArray<PathHookField> = pathHookEvents.map((event) => hookField(event))

const hooksOf = (path: PathConfig): ReadonlyArray<PathHookField> =>
  hookFieldNames.filter((field) => (path[field] ?? "") !== "")

const head = "# Written by mtx-manager. Changes to this file are lost: change the manager's configuration instead.\n"
const encoder = new TextEncoder()

/** One after the other in one array. */
export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const warning = (rule: string, field: ReadonlyArray<string>, message: string, expected: string): ConfigIssue =>
  makeIssue({ severity: "warning", rule, field, message, expected })

/**
 * Puts our parts into a validated config.
 *
 * Whose value counts, field by field:
 * - A hook that the user has set in the config, in `pathDefaults` or in a path stays, ours isn't there, and a warning says
 *   that the manager won't hear of these events.
 * - `authMethod`, `authHTTPAddress`: see {@link RenderOptions.auth}.
 * - `authHTTPExclude`: the user's.
 * - A path of the refresh path's name: the user's, with a warning, and there is no refresh loop.
 */
export const makeVariant = (
  settings: Settings,
  validator: ConfigValidator,
  config: MediaMTXConfig,
  sourceWarnings: ReadonlyArray<ConfigIssue>,
  options: VariantOptions
): Either.Either<Variant, InvalidConfig | YamlValueError> => {
  const warnings: Array<ConfigIssue> = [...sourceWarnings]
  const { pathDefaults, paths = {}, ...globals } = config
  const defaults = pathDefaults ?? {}
  const names = Object.keys(paths)
  const ours = oursOfSample(settings)
  const isOurs = (field: string): field is PathHookField => Object.hasOwn(ours.commands.path, field)

  const asks = authIsOurs(settings, config)
  if (settings.auth === undefined && !asks) {
    warnings.push(
      warning(
        "auth-not-asked",
        ["authMethod"],
        `is ${config.authMethod}, so that nodes don't ask the manager who may do what`,
        "no authMethod, for the manager to decide"
      )
    )
  }
  if (asks && config.authMethod !== undefined && config.authMethod !== "http") {
    warnings.push(
      warning("auth-replaced", ["authMethod"], `is ${config.authMethod} but is replaced by "http"`, "no authMethod")
    )
  }
  if (asks && config.authInternalUsers !== undefined) {
    warnings.push(
      warning("auth-users-unused", ["authInternalUsers"], "has no effect: the manager decides", "no authInternalUsers")
    )
  }

  const notHeard = (at: ReadonlyArray<string>, field: string) => {
    warnings.push(
      warning(
        "hook-not-heard",
        [...at, field],
        "takes the place of the hook that reports to the manager",
        `no ${field}`
      )
    )
  }
  for (const field of Object.keys(ours.commands.global)) {
    if ((Reflect.get(config, field) ?? "") !== "") notHeard([], field)
  }
  for (const field of hooksOf(defaults)) if (isOurs(field)) notHeard(["pathDefaults"], field)
  // Rendered now, because a value that YAML can't hold must be a failure of this config, not of a later reader.
  const entries: Array<KnownPath> = []
  try {
    for (const [name, path] of Object.entries(paths)) entries.push(know(name, path ?? none))
  } catch (cause) {
    if (cause instanceof YamlValueError) return Either.left(cause)
    throw cause
  }
  for (const { hooks, name } of entries) {
    for (const field of hooks) if (isOurs(field)) notHeard(["paths", name], field)
  }

  if (ours.refresh !== undefined && Object.hasOwn(paths, ours.refresh.name)) {
    warnings.push(
      warning(
        "refresh-path-taken",
        ["paths", ours.refresh.name],
        "has the name of the path that keeps the node's config fresh, which is left out",
        "another name, here or for refresh.path"
      )
    )
  }
  const refreshes = ours.refresh !== undefined && !Object.hasOwn(paths, ours.refresh.name)
  const perPath = perPathFields.some(isOurs)

  const globalsOf = (mine: Ours): MediaMTXConfig => ({
    ...(asks && { authMethod: "http" as const, authHTTPAddress: mine.authAddress }),
    ...(asks &&
      globals.authHTTPExclude === undefined &&
      settings.authHTTPExclude !== undefined && { authHTTPExclude: settings.authHTTPExclude }),
    ...withoutKeys(mine.commands.global, globals)
  })
  const defaultsOf = (mine: Ours): PathConfig => ({
    ...defaults,
    ...withoutKeys(mine.commands.path, defaults, isPerPath)
  })
  const pathOf = (name: string, mine: Ours): PathConfig => {
    const path = paths[name] ?? {}
    return perPath ? { ...path, ...perPathHooks(name, path, defaults, mine.commands) } : path
  }

  const theirs: { -readonly [K in keyof MediaMTXConfig]: MediaMTXConfig[K] } = { ...globals }
  if (asks) {
    delete theirs.authMethod
    delete theirs.authHTTPAddress
  }

  const theirPaths = perPath ? Object.fromEntries(names.map((name) => [name, pathOf(name, ours)])) : paths
  const hasPaths = refreshes || names.length > 0
  const complete: MediaMTXConfig = {
    ...theirs,
    ...(names.length > 0 && { paths: theirPaths }),
    ...globalsOf(ours),
    ...notEmpty("pathDefaults", defaultsOf(ours))
  }
  if (Object.keys(complete).length === 0 && !refreshes) return Either.left(empty)
  const valid = validator.validate(complete)
  if (Either.isLeft(valid)) return Either.left(valid.left)
  if (refreshes && ours.refresh !== undefined) {
    // Apart from the others: a copy of a thousand paths with one more would cost as much as all the rest.
    const inert = validator.validate({ ...complete, paths: { [ours.refresh.name]: ours.refresh.config } })
    if (Either.isLeft(inert)) return Either.left(inert.left)
  }
  const fitting = settings.release && makeFitting(settings.release, complete, settings.unknownFields)
  const fitted = fitting && fitTheirs(settings, fitting, theirs, defaults, perPath ? theirPaths : paths)
  const refused = fitted?.issues.filter(({ severity }) => severity === "error") ?? []
  if (refused.length > 0) return Either.left(new InvalidConfig({ issues: refused }))
  if (fitted !== undefined) warnings.push(...fitted.issues)
  const told = new Set(warnings.map(({ fieldText, rule }) => `${rule} ${fieldText}`))
  for (const found of valid.right.warnings) if (!told.has(`${found.rule} ${found.fieldText}`)) warnings.push(found)

  const start = (): string => {
    let text = head
    for (const [field, value] of Object.entries(fitted?.globals ?? theirs)) text += renderSection(field, asYaml(value))
    return hasPaths ? `${text}paths:\n` : text
  }
  const pathAs = (name: string, path: PathConfig): PathConfig => fitting?.path(["paths", name], path).values ?? path
  const tail = (node: string, token: string, version?: MediaMTXVersion): string => {
    const mine = makeOurs(settings, node, token, version)
    let text = ""
    if (perPath) for (const name of names) text += renderPath(name, asYaml(pathAs(name, pathOf(name, mine))))
    if (refreshes && mine.refresh !== undefined) {
      text += renderPath(mine.refresh.name, asYaml(pathAs(mine.refresh.name, { ...mine.refresh.config })))
    }
    text += `# Of mtx-manager, for node ${node}.\n`
    if (mine.relay !== undefined) text += relayLine(mine.relay)
    const last = globalsOf(mine)
    const lastFitted = fitting === undefined ? last : { ...fitting.globals(last).values, ...fitting.added }
    for (const [field, value] of Object.entries(lastFitted)) text += renderSection(field, asYaml(value))
    const mineAll = defaultsOf(mine)
    const all =
      fitting === undefined ? mineAll : { ...fitted?.pathDefaults, ...fitting.path(["pathDefaults"], mineAll).values }
    if (Object.keys(all).length > 0) text += renderSection("pathDefaults", asYaml(all))
    return `${text}${END_MARKER}\n`
  }

  try {
    const parts: ReadonlyArray<Uint8Array> = [
      encoder.encode(start()),
      ...(perPath ? [] : entries.map(({ name, text }) => fitted?.texts.get(name) ?? text))
    ]
    tail(sample.node, sample.token)
    let joined: Uint8Array | undefined
    let uses = 0
    return Either.right({
      warnings,
      bytes: (node, token, version) => {
        const end = encoder.encode(tail(node, token, version))
        const all = concat(joined === undefined ? [...parts, end] : [joined, end])
        // A copy, because this array belongs to whoever asked.
        if (joined === undefined && options.shared && ++uses > 1) joined = all.slice(0, all.length - end.length)
        return all
      }
    })
  } catch (cause) {
    if (cause instanceof YamlValueError) return Either.left(cause)
    throw cause
  }
}

const none: PathConfig = Object.freeze({})

/** A path in the words of an older release; no text where it stays as it is. */
interface FittedPath {
  readonly name: string
  readonly release: OlderRelease | undefined
  readonly unknownFields: LackingPolicy
  readonly issues: ReadonlyArray<ConfigIssue>
  readonly text: Uint8Array | undefined
}
const fittedPaths = new WeakMap<PathConfig, FittedPath>()

const fitPath = (
  { release, unknownFields }: Settings,
  fitting: Fitting,
  name: string,
  path: PathConfig,
  cameras: boolean
): FittedPath => {
  const before = fittedPaths.get(path)
  if (
    !cameras &&
    before !== undefined &&
    before.name === name &&
    before.release === release &&
    before.unknownFields === unknownFields
  ) {
    return before
  }
  const { issues, values } = fitting.path(["paths", name], path)
  const now = { name, release, unknownFields, issues, text: values === path ? undefined : know(name, values).text }
  // What a camera gets depends on the defaults as well.
  if (!cameras && path.source !== "rpiCamera") fittedPaths.set(path, now)
  return now
}

/** The user's part in the words of an older release. */
const fitTheirs = (
  settings: Settings,
  fitting: Fitting,
  globals: MediaMTXConfig,
  defaults: PathConfig,
  paths: Readonly<Record<string, PathConfig | null>>
) => {
  const top = fitting.globals(globals)
  const issues = [...top.issues, ...fitting.path(["pathDefaults"], defaults).issues]
  /** Of those paths that had to change. */
  const texts = new Map<string, Uint8Array>()
  const cameras = defaults.source === "rpiCamera"
  for (const [name, given] of Object.entries(paths)) {
    const path = given ?? none
    const fitted = fitPath(settings, fitting, name, path, cameras)
    if (fitted.issues.length > 0) issues.push(...fitted.issues)
    if (fitted.text !== undefined) texts.set(name, fitted.text)
  }
  return { globals: top.values, pathDefaults: top.pathDefaults, issues, texts }
}

const empty = new InvalidConfig({
  issues: [
    makeIssue({
      severity: "error",
      rule: "empty-config",
      field: [],
      message: "sets nothing: MediaMTX would run on its defaults, open to everyone",
      expected: "at least one setting"
    })
  ]
})

const notEmpty = (field: "pathDefaults", value: PathConfig) => (Object.keys(value).length > 0 ? { [field]: value } : {})

export const authIsOurs = (settings: Settings, config: MediaMTXConfig): boolean => {
  if (settings.auth !== undefined) return settings.auth
  if (config.authMethod === undefined) return true
  // "http" without an address is unfinished, and ours finishes it.
  return config.authMethod === "http" && (config.authHTTPAddress ?? "") === ""
}

/** `from` without what `over` has already, or `left out` names. */
const withoutKeys = <A extends object>(
  from: A,
  over: object,
  leftOut: (field: string) => boolean = () => false
): Partial<A> => {
  const out: Partial<A> = {}
  for (const key in from) {
    // An explicit undefined is no value of the user's.
    if (!leftOut(key) && Reflect.get(over, key) === undefined) out[key] = from[key]
  }
  return out
}

/** `runOnInit` for single paths, demand hooks for paths that wait for publishers: where MediaMTX takes them. */
export const perPathHooks = (
  name: string,
  path: PathConfig,
  defaults: PathConfig,
  commands: HookCommands
): Partial<Record<PerPathField, string>> => {
  const out: Partial<Record<PerPathField, string>> = {}
  const source = path.source ?? defaults.source ?? "publisher"
  const always = path.alwaysAvailable ?? defaults.alwaysAvailable ?? false
  for (const field of perPathFields) {
    const command = commands.path[field]
    if (command === undefined || path[field] !== undefined || defaults[field] !== undefined) continue
    if (field === "runOnInit" ? !isRegexPathName(name) : source === "publisher" && !always) out[field] = command
  }
  return out
}
