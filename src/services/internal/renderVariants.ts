/**
 * The prepared configs of a fleet: one that all nodes without an overlay share, one for those that the same overlays select,
 * one for each node with a config of its own.
 *
 * Each has at most one good version, the newest that could be rendered, so memory doesn't grow with the number of edits.
 */
import * as Either from "effect/Either"
import { type ConfigIssue, formatIssue, type InvalidConfig } from "../../mediamtx/ConfigIssue.js"
import { makeConfigValidator } from "../../mediamtx/ConfigValidation.js"
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import type { FleetConfig } from "../FleetConfig.js"
import type { NodeId } from "../NodeId.js"
import { RenderFailed } from "../RenderFailed.js"
import { classOf, mergeParts, type Part, partsOf } from "./configLayers.js"
import type { GroupOverlay } from "./groupPaths.js"
import { makeVariant, type Settings, type Variant } from "./renderConfig.js"

interface Reason {
  readonly message: string
  readonly issues: ReadonlyArray<ConfigIssue>
}

interface Entry {
  /** The last that could be rendered, with the revision it came with. */
  good: { readonly variant: Variant; revision: number } | undefined
  /** What the newest attempt was made of; nothing needs to be done while it is the same. */
  from: { readonly base: MediaMTXConfig; readonly parts: ReadonlyArray<object> } | undefined
  /** Why the newest attempt failed. */
  reason: Reason | undefined
  /** Nodes that asked while it failed. Bounded: beyond it they are not listed. */
  readonly affected: Set<NodeId>
}

const MOST_AFFECTED = 1_000
/** Beyond it the oldest are made again: a bound against invented node ids. */
const MOST_FOLLOWING = 20_000

export type Found =
  | {
      readonly _tag: "Good"
      readonly variant: Variant
      readonly revision: number
      readonly reported: RenderFailed | undefined
      /** The variant that this one is newer than, when it has just been made. */
      readonly replaced: Variant | undefined
    }
  | { readonly _tag: "Failed"; readonly failure: RenderFailed; readonly reported: RenderFailed | undefined }

export class Variants {
  readonly #settings: Settings
  readonly #shared: Entry = newEntry()
  /** By the names of the overlays that make a class. */
  readonly #classes = new Map<string, Entry>()
  readonly #own = new Map<NodeId, Entry>()
  /** Of nodes that follow in groups: each pulls with a credential of its own. */
  readonly #following = new Map<NodeId, Entry>()
  /** Apart, because a validator remembers paths for one set of path defaults, and ours differ from the user's by the hooks. */
  readonly #mergedValidator = makeConfigValidator()
  readonly #finalValidator = makeConfigValidator()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /**
   * Called once for each new config, before anything of it is rendered. A node that gets an overlay of its own and has been
   * given the shared config before starts from that, so that it keeps it if the overlay turns out bad.
   */
  follow(fleet: FleetConfig, wasGiven: (node: NodeId) => boolean): void {
    for (const node of this.#own.keys()) {
      if (!fleet.nodes.has(node) && fleet.refused?.has(node) !== true) this.#own.delete(node)
    }
    const overlays = new Set(fleet.overlays?.map(({ name }) => name))
    for (const key of this.#classes.keys()) {
      if (!key.split("\n").every((name) => overlays.has(name))) this.#classes.delete(key)
    }
    for (const nodes of [fleet.nodes, fleet.refused ?? new Map<NodeId, never>()]) {
      for (const node of nodes.keys()) {
        if (this.#own.has(node)) continue
        const entry = newEntry()
        const before = this.#sharedBy(fleet, node)
        if (wasGiven(node) && before?.good !== undefined) entry.good = { ...before.good }
        this.#own.set(node, entry)
      }
    }
    for (const [node, refusal] of fleet.refused ?? []) {
      const entry = this.#own.get(node)
      if (entry === undefined) continue
      entry.from = undefined
      entry.reason = {
        message: refusal.message,
        issues: refusal._tag === "InvalidConfig" ? refusal.issues.filter((issue) => issue.severity === "error") : []
      }
      entry.affected.add(node)
    }
  }

  /** `groups` is what the node's groups make of its paths; undefined when it follows in none. */
  find(fleet: FleetConfig, node: NodeId, groups?: Either.Either<GroupOverlay, InvalidConfig> | undefined): Found {
    const own = this.#own.get(node)
    const following = fleet.refused?.has(node) === true ? undefined : this.#followingOf(node, groups !== undefined)
    const entry = following ?? own ?? this.#sharedBy(fleet, node, true) ?? this.#shared
    let reported: RenderFailed | undefined
    let replaced: Variant | undefined
    if (fleet.refused?.has(node) !== true) {
      const parts = partsOf(fleet, node, groups === undefined ? undefined : Either.getOrUndefined(groups))
      const failed = groups !== undefined && Either.isLeft(groups) ? groups.left : undefined
      const content = failed === undefined ? parts.map(contentOf) : [...parts.map(contentOf), failed]
      if (entry.from === undefined || entry.from.base !== fleet.base || !sameItems(entry.from.parts, content)) {
        entry.from = { base: fleet.base, parts: content }
        entry.affected.clear()
        const made =
          failed === undefined
            ? this.#make(fleet, parts, following === undefined && own === undefined)
            : Either.left(reasonOf(failed))
        if (Either.isRight(made)) {
          replaced = entry.good?.variant
          entry.good = { variant: made.right, revision: fleet.revision }
          entry.reason = undefined
        } else {
          entry.reason = made.left
          reported = failure(node, made.left)
        }
      } else if (entry.reason === undefined && entry.good !== undefined) entry.good.revision = fleet.revision
    }
    if (entry.reason !== undefined && entry.affected.size < MOST_AFFECTED) entry.affected.add(node)
    return entry.good === undefined
      ? { _tag: "Failed", failure: failure(node, entry.reason ?? unknownReason), reported }
      : { _tag: "Good", variant: entry.good.variant, revision: entry.good.revision, reported, replaced }
  }

  failures(): ReadonlyArray<RenderFailed> {
    const out: Array<RenderFailed> = []
    for (const entry of [this.#shared, ...this.#classes.values(), ...this.#own.values(), ...this.#following.values()]) {
      if (entry.reason === undefined) continue
      for (const node of entry.affected) out.push(failure(node, entry.reason))
    }
    return out.sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  #followingOf(node: NodeId, follows: boolean): Entry | undefined {
    if (!follows) {
      if (this.#following.size > 0) this.#following.delete(node)
      return undefined
    }
    let entry = this.#following.get(node)
    if (entry === undefined) {
      if (this.#following.size >= MOST_FOLLOWING) {
        for (const oldest of this.#following.keys()) {
          this.#following.delete(oldest)
          break
        }
      }
      entry = newEntry()
      this.#following.set(node, entry)
    }
    return entry
  }

  /** The entry of all nodes that get the same as this one but for its own config. Undefined: there is none yet. */
  #sharedBy(fleet: FleetConfig, node: NodeId, create = false): Entry | undefined {
    const key = classOf(fleet, node)
    if (key === "") return this.#shared
    let entry = this.#classes.get(key)
    if (entry === undefined && create) {
      entry = newEntry()
      this.#classes.set(key, entry)
    }
    return entry
  }

  #make(fleet: FleetConfig, parts: ReadonlyArray<Part>, isShared: boolean): Either.Either<Variant, Reason> {
    const make = (config: MediaMTXConfig, warnings: ReadonlyArray<ConfigIssue>, shared: boolean) =>
      Either.mapLeft(makeVariant(this.#settings, this.#finalValidator, config, warnings, { shared }), reasonOf)
    if (parts.length === 0) return make(fleet.base, fleet.warnings, true)
    // Once before our parts are added: overlays may use deprecated names, which validation rewrites.
    const merged = this.#mergedValidator.validate(mergeParts(fleet.base, parts))
    return Either.flatMap(Either.mapLeft(merged, reasonOf), (valid) => make(valid.config, valid.warnings, isShared))
  }
}

const contentOf = (part: Part): object => {
  switch (part.of) {
    case "node":
      return part.config
    case "groups":
      return part.groups
    case "overlay":
      return part.overlay
  }
}

const sameItems = (before: ReadonlyArray<object>, now: ReadonlyArray<object>): boolean =>
  before.length === now.length && now.every((item, index) => item === before[index])

const newEntry = (): Entry => ({ good: undefined, from: undefined, reason: undefined, affected: new Set() })

const unknownReason: Reason = { message: "there is no config for this node", issues: [] }

const reasonOf = (error: { readonly message: string; readonly issues?: ReadonlyArray<ConfigIssue> }): Reason => {
  const issues = (error.issues ?? []).filter((issue) => issue.severity === "error")
  return { message: issues.length === 0 ? error.message : issues.map(formatIssue).join("\n"), issues }
}

const failure = (node: NodeId, reason: Reason): RenderFailed =>
  new RenderFailed({
    node,
    message: `the config of node ${node} can't be rendered: ${reason.message}`,
    issues: reason.issues.map((issue) => ({
      field: issue.fieldText,
      message: issue.message,
      expected: issue.expected
    }))
  })
