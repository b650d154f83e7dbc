/**
 * What groups make of a node's paths: a pure function of the groups, the config that each node has without them, and who acts.
 *
 * A path that is pulled takes from its origin only what concerns reading and recording. What makes a stream (its source,
 * commands, forwarding) stays where the stream is made, or it would be made twice.
 */
import * as Either from "effect/Either"
import { type ConfigIssue, InvalidConfig, makeIssue } from "../../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig, PathConfig } from "../../mediamtx/MediaMTXConfig.js"
import * as PathPattern from "../AuthPolicy/PathPattern.js"
import { type FleetGroup, sourcesOf } from "../FleetGroups.js"
import { type AddressRules, addressOf, parseHostPort } from "../NodeDirectory.js"
import type { NodeId } from "../NodeId.js"
import { type Labels, parseSelector } from "../NodeLabels.js"
import { portOf } from "./nodeUrls.js"

/** Goes over the base and its overlays, below what the node's own config says. */
export interface GroupOverlay {
  /** Whole entries of `paths`. */
  readonly paths: Readonly<Record<string, PathConfig>>
  /** Entries that the node has no part in. */
  readonly without: ReadonlyArray<string>
}

/** What stands in the URL that a node pulls by. */
export interface Link {
  readonly user: string
  readonly token: string
}

export interface GroupContext {
  readonly node: NodeId
  readonly groups: ReadonlyArray<FleetGroup>
  readonly addresses: AddressRules
  readonly labels: Labels
  readonly acting: (group: FleetGroup) => NodeId
  /** The config of a node before the groups of this one. */
  readonly configOf: (node: NodeId) => MediaMTXConfig
  readonly linkTo: (source: NodeId) => Link
}

const taken = new WeakMap<FleetGroup, (key: string) => boolean>()

/** Whether an entry of `paths` is meant: by its name, and an entry that is a pattern by its very text or when all are. */
export const takesEntry = (group: FleetGroup, key: string): boolean => {
  const { paths } = group
  if (paths === undefined || paths === "**" || paths === key) return true
  if (key.startsWith("~") || key === "all" || key === "all_others") return false
  return takesName(group, key)
}

/** Whether a stream of this name is the group's. */
export const takesName = (group: FleetGroup, name: string): boolean => {
  const { paths } = group
  if (paths === undefined || paths === "**") return true
  let known = taken.get(group)
  if (known === undefined) {
    // Entries `all` and `all_others` are no patterns of ours: they take every name.
    const read = paths === "all" || paths === "all_others" ? PathPattern.parse("**") : PathPattern.parse(paths)
    known = Either.match(read, {
      onLeft: () => () => false,
      onRight: (pattern) => (path: string) => PathPattern.matches(pattern, path)
    })
    taken.set(group, known)
  }
  return known(name)
}

const selectors = new WeakMap<FleetGroup, (labels: Labels) => boolean>()

/** Whether the node reads from the group's sources. */
export const isFollower = (group: FleetGroup, node: NodeId, labels: Labels): boolean => {
  if (group.kind === "mirror") return group.fallbacks.includes(node)
  if (group.origins.includes(node)) return false
  let known = selectors.get(group)
  if (known === undefined) {
    known = Either.match(parseSelector(group.edges), {
      onLeft: () => () => false,
      onRight: ({ matches }) => matches
    })
    selectors.set(group, known)
  }
  return known(labels)
}

/** Whether a follower may read from this node: it acts, or may come to. */
export const mayPull = (group: FleetGroup, follower: NodeId, source: NodeId): boolean => {
  if (group.kind === "edges") return group.origins.includes(source)
  if (group.fallback === "demand") return false
  if (group.fallback === "pull") return source === group.primary
  return source !== follower && sourcesOf(group).includes(source)
}

const kept = [
  "maxReaders",
  "srtReadPassphrase",
  "useAbsoluteTimestamp",
  "runOnRead",
  "runOnReadRestart",
  "runOnUnread"
] as const satisfies ReadonlyArray<keyof PathConfig>
const keptOfRecording = [
  "record",
  "recordPath",
  "recordFormat",
  "recordPartDuration",
  "recordMaxPartSize",
  "recordSegmentDuration",
  "recordDeleteAfter"
] as const satisfies ReadonlyArray<keyof PathConfig>

const pick = (path: PathConfig, fields: ReadonlyArray<keyof PathConfig>): PathConfig => {
  const out: Record<string, unknown> = {}
  for (const field of fields) if (path[field] !== undefined) out[field] = path[field]
  return out
}

/** What path defaults may say that a pulled path can't have, and what takes it back. */
const neutral: PathConfig = {
  runOnInit: "",
  runOnDemand: "",
  runOnUnDemand: "",
  alwaysAvailable: false,
  srtPublishPassphrase: "",
  sourceRedirect: "",
  forward: []
}

const neutralised = (defaults: PathConfig | undefined): PathConfig => {
  const out: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(neutral)) {
    const said: unknown = Reflect.get(defaults ?? {}, field)
    if (said !== undefined && said !== value && !(Array.isArray(said) && said.length === 0)) out[field] = value
  }
  return out
}

/**
 * The entry on the node that pulls, and the end of the URL. Sources know `$G1` but not `$MTX_PATH`, so a pattern is put in
 * a group that takes the whole name.
 */
const pulledAs = (key: string): { readonly key: string; readonly path: string; readonly isPattern: boolean } => {
  if (key === "all" || key === "all_others") return { key: "~^(.*)$", path: "$G1", isPattern: true }
  return key.startsWith("~")
    ? { key: `~^(.*(?:${key.slice(1)}).*)$`, path: "$G1", isPattern: true }
    : { key, path: key, isPattern: false }
}

const sourceUrl = (context: GroupContext, source: NodeId): Either.Either<string, ConfigIssue> => {
  const issue = (message: string, expected: string) =>
    Either.left(makeIssue({ severity: "error", rule: "group-source", field: ["groups"], message, expected }))
  const { address } = addressOf(context.addresses, source)
  const at = address === undefined ? undefined : parseHostPort(address)
  if (at === undefined) {
    return issue(`nothing says how other nodes reach node ${source}`, `addresses: {${source}: {address: HOST}}`)
  }
  const config = context.configOf(source)
  if (config.rtsp === false) return issue(`node ${source}, which is to be read from, has rtsp off`, "rtsp: true")
  const encrypted = at.scheme === undefined ? config.rtspEncryption === "strict" : at.scheme === "rtsps"
  const port = at.port ?? (encrypted ? portOf(config.rtspsAddress, 8322) : portOf(config.rtspAddress, 8554))
  const { token, user } = context.linkTo(source)
  return Either.right(`${encrypted ? "rtsps" : "rtsp"}://${user}:${token}@${at.host}:${port}/`)
}

/** As on the primary, but nothing starts before somebody reads. */
const startedByReaders = (path: PathConfig, defaults: PathConfig | undefined): PathConfig => {
  const { alwaysAvailable: _a, alwaysAvailableFile: _f, alwaysAvailableTracks: _t, ...rest } = path
  const off = { ...rest, ...(defaults?.alwaysAvailable === true && { alwaysAvailable: false }) }
  const source = path.source ?? defaults?.source ?? "publisher"
  if (source === "redirect") return path
  if (source !== "publisher") return { ...off, sourceOnDemand: true }
  const command = path.runOnInit ?? defaults?.runOnInit ?? ""
  const demand = path.runOnDemand ?? defaults?.runOnDemand ?? ""
  if (command === "" || demand !== "") return off
  const restart = path.runOnInitRestart ?? defaults?.runOnInitRestart ?? false
  return { ...off, runOnInit: "", runOnInitRestart: false, runOnDemand: command, runOnDemandRestart: restart }
}

/**
 * What the groups that the node follows in make of its paths; undefined when it follows in none. Later groups go over
 * earlier ones. Fails when it can't be said where a source is.
 */
export const groupOverlay = (context: GroupContext): Either.Either<GroupOverlay, InvalidConfig> | undefined => {
  const { node } = context
  const mine = context.groups.filter((group) => isFollower(group, node, context.labels))
  if (mine.length === 0) return undefined
  const own = context.configOf(node)
  const paths: Record<string, PathConfig> = {}
  const without = new Set<string>()
  for (const group of mine) {
    const [first] = sourcesOf(group)
    if (first === undefined) continue
    const origin = context.configOf(first)
    const entries = Object.entries(origin.paths ?? {}).filter(([key]) => takesEntry(group, key))
    if (group.kind === "edges") {
      // Cameras of the base are not for edges to open as well.
      for (const key of Object.keys(own.paths ?? {})) if (takesEntry(group, key)) without.add(key)
    }
    const acting = context.acting(group)
    if (group.kind === "mirror" && (group.fallback === "demand" || acting === node)) {
      for (const [key, path] of entries) {
        paths[key] = group.fallback === "demand" ? startedByReaders(path ?? {}, origin.pathDefaults) : (path ?? {})
      }
      continue
    }
    const url = sourceUrl(context, acting)
    if (Either.isLeft(url)) return Either.left(new InvalidConfig({ issues: [url.left] }))
    for (const [key, path] of entries) {
      const pulled = pulledAs(key)
      if (pulled.key !== key) without.add(key)
      paths[pulled.key] = {
        ...neutralised(own.pathDefaults),
        ...pick(path ?? {}, kept),
        ...(group.kind === "mirror" && pick(path ?? {}, keptOfRecording)),
        ...(group.kind === "edges" && own.pathDefaults?.record === true && { record: false }),
        source: url.right + pulled.path,
        ...((group.onDemand || pulled.isPattern) && { sourceOnDemand: true }),
        rtspTransport: "tcp"
      }
    }
  }
  for (const key of Object.keys(paths)) without.delete(key)
  return Either.right({ paths, without: [...without] })
}
