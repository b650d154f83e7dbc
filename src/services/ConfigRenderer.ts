/**
 * ConfigRenderer: node id -> the exact bytes of that node's mediamtx.yml.
 *
 * Base config + the node's overlay + our hooks, auth address and refresh loop with that node's token. Stable bytes for
 * stable input: a changed hook text or auth address drops every stream on a node. Never empty, never partial: an empty
 * file is a wide-open server. The last line is always `END_MARKER`, which is how a node knows that it has it all.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { CommandTextError } from "../mediamtx/CommandText.js"
import { baselineVersion, currentVersion, type MediaMTXVersion } from "../mediamtx/ConfigField.js"
import { type OlderRelease, olderRelease } from "../mediamtx/ConfigForVersion.js"
import type { ConfigIssue, InvalidConfig } from "../mediamtx/ConfigIssue.js"
import { parseVersion } from "../mediamtx/MediaMTXVersion.js"
import { type Explanation, explain as explainField, type NotExplained } from "./ConfigExplain.js"
import { ConfigSource, type FleetConfig } from "./ConfigSource.js"
import { Credentials } from "./Credentials.js"
import { judgeChange } from "./internal/configChange.js"
import { isOurField } from "./internal/managerFields.js"
import { makeSettings, type RenderOptions, type Settings, type Variant } from "./internal/renderConfig.js"
import { Variants } from "./internal/renderVariants.js"
import { sha256Hex } from "./internal/sha256Hex.js"
import type { NodeId } from "./NodeId.js"
import { labelsOf, VERSION_LABEL } from "./NodeLabels.js"
import { RenderFailed } from "./RenderFailed.js"
import { Topology, type Overlay as TopologyOverlay } from "./Topology.js"

/** The last line of every rendered config. */
export { END_MARKER } from "../mediamtx/EndMarker.js"
export type { RelayOptions } from "../mediamtx/Relay.js"
export type { RefreshOptions } from "./internal/renderConfig.js"
export { RenderFailed } from "./RenderFailed.js"

export interface RenderedConfig {
  readonly node: NodeId
  /** Ends with `END_MARKER` and a newline. */
  readonly yaml: string
  /** `yaml` in UTF-8, ready to be sent. */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`, lower-case hex: what `sha256sum` prints on the node. */
  readonly hash: string
  /** The hash as a strong ETag, quotes included. */
  readonly etag: string
  /** Revision of the ConfigSource that it was rendered from. */
  readonly revision: number
  /** The release whose words it is in, where that is not the newest that is known. Absent: the newest. */
  readonly mediamtxVersion?: MediaMTXVersion | undefined
  readonly warnings: ReadonlyArray<ConfigIssue>
}

/**
 * What a node has told of itself; its entry in the NodeRegistry fits. A text alone is what a poll of the node itself says: its
 * refresh loop goes on saying it. One that has an updater (`instance`) tells it by heartbeats, and its loop's text stays.
 */
export interface NodeReport {
  readonly mediamtxVersion: string | null
  readonly instance?: string | null | undefined
}

export interface ConfigRendererShape {
  /**
   * The node's config. Cached per node until the source changes, so that a poll costs a look-up.
   * When a change makes this node's config invalid, its last good one stays in force (and `failures` says so);
   * `RenderFailed` only when there has never been a good one.
   *
   * `reported` is what the node says its MediaMTX is: the config is in that release's words. When it has said nothing (null),
   * or no release can be read from it, the label `mediamtx-version` counts, then the option of this name. Undefined: as the
   * last time.
   */
  readonly render: (
    node: NodeId,
    reported?: NodeReport | string | null | undefined
  ) => Effect.Effect<RenderedConfig, RenderFailed>
  /** Fires after each change of the source, or of who acts in a group of nodes: renders may differ. */
  readonly changes: Stream.Stream<{ readonly revision: number }>
  /** Nodes whose newest config can't be rendered, with why. */
  readonly failures: Effect.Effect<ReadonlyArray<RenderFailed>>
  /**
   * What nodes would be given if the source held something else. Changes nothing, neither here nor for any node. Fails when
   * the source would refuse the change. A renderer of another make may do without: then changes can't be planned.
   */
  readonly preview?: ((change: ConfigChange) => Effect.Effect<ConfigPreview, InvalidConfig>) | undefined
  /**
   * Where the value of a field of the node's config comes from. `NotExplained` when there is no such field. A renderer of
   * another make may do without.
   */
  readonly explain?:
    | ((node: NodeId, field: string) => Effect.Effect<Explanation, NotExplained | InvalidConfig>)
    | undefined
}

/** A change that nobody has made yet. What is absent stays as it is. */
export interface ConfigChange {
  /** Another base, unvalidated. */
  readonly base?: unknown
  /** Other labels, unvalidated. */
  readonly labels?: unknown
  /** Other overlays, unvalidated. */
  readonly overlays?: unknown
  /** Other overlays by node, unvalidated; null takes a node's overlay away. */
  readonly nodes?: ReadonlyMap<NodeId, unknown> | undefined
  /** Nodes that `nodes` does not name lose theirs. */
  readonly onlyNodes?: boolean | undefined
}

export interface ConfigPreview {
  /** What is in force. */
  readonly before: FleetConfig
  /** What would be. */
  readonly after: FleetConfig
  /** The text that the node would be given; `RenderFailed` where it would keep what it has. */
  readonly render: (
    node: NodeId,
    reported?: NodeReport | string | null | undefined
  ) => Effect.Effect<string, RenderFailed>
}

export class ConfigRenderer extends Context.Tag("mtx-manager/ConfigRenderer")<ConfigRenderer, ConfigRendererShape>() {}

/** See the fields; `base` is all that is needed. */
export interface ConfigRendererOptions extends RenderOptions {}

/**
 * How many nodes' hashes are remembered. Beyond it the oldest are made again when they are asked for: a bound against
 * invented node ids. A remembered node costs some hundred bytes; texts are made on each reading from parts that nodes share.
 */
const REMEMBERED = 20_000

/** Text and bytes are joined when they are read, so that 10,000 nodes don't keep 10,000 copies of one config. */
class Rendered implements RenderedConfig {
  readonly etag: string
  readonly warnings: ReadonlyArray<ConfigIssue>
  readonly #variant: Variant
  readonly #token: Redacted.Redacted
  constructor(
    readonly node: NodeId,
    readonly hash: string,
    readonly revision: number,
    /** Of the Topology that it was last found to be in line with. */
    readonly topology: number,
    readonly target: Target,
    variant: Variant,
    token: Redacted.Redacted,
    /** The token is of the key before. */
    readonly behind: boolean
  ) {
    this.etag = `"${hash}"`
    this.warnings = variant.warnings
    this.#variant = variant
    this.#token = token
  }
  get yaml(): string {
    return decoder.decode(this.bytes)
  }
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#variant.bytes(this.node, Redacted.value(this.#token), loopVersion(this.target.told))
  }
  get mediamtxVersion(): MediaMTXVersion | undefined {
    return this.target.release?.version
  }
  get variant(): Variant {
    return this.#variant
  }
  atRevision(revision: number, topology: number): Rendered {
    return revision === this.revision && topology === this.topology
      ? this
      : new Rendered(this.node, this.hash, revision, topology, this.target, this.#variant, this.#token, this.behind)
  }
}

const decoder = new TextDecoder()

/** Which MediaMTX a config is for. */
interface Target {
  /** Undefined: the newest that is known. */
  readonly release: OlderRelease | undefined
  readonly told: Told | undefined
}

/** What a node itself said. */
interface Told {
  readonly version: MediaMTXVersion
  /** It is the refresh loop that says so. */
  readonly byLoop: boolean
}
const sameTold = (a: Told | undefined, b: Told | undefined): boolean =>
  a === b || (a?.version === b?.version && a?.byLoop === b?.byLoop)

const loopVersion = (told: Told | undefined): MediaMTXVersion | undefined =>
  told?.byLoop === true ? told.version : undefined

const toldIn = (reported: NodeReport | string | null): Told | undefined => {
  const text = typeof reported === "object" ? reported?.mediamtxVersion : reported
  const version = text === null || text === undefined ? undefined : versionOf(text)
  if (version === undefined) return undefined
  return { version, byLoop: typeof reported === "string" || (reported?.instance ?? null) === null }
}
/** Nodes poll all the time, and say the same each time. */
const versions = new Map<string, MediaMTXVersion | undefined>()
const versionOf = (text: string): MediaMTXVersion | undefined => {
  const known = versions.get(text)
  if (known !== undefined || versions.has(text)) return known
  if (versions.size >= 256) versions.clear()
  const version = parseVersion(text)
  versions.set(text, version)
  return version
}

const newest: Target = { release: undefined, told: undefined }

const tooOld = (node: NodeId, version: MediaMTXVersion): RenderFailed =>
  new RenderFailed({
    node,
    message: `the config of node ${node} can't be rendered: MediaMTX ${version} is older than ${baselineVersion}, the oldest whose settings are known`,
    issues: []
  })

/**
 * Renders what the source holds.
 *
 * Fails when an option can't stand in a command (`base`, `refresh.every`, ...), before any node asks.
 */
export const make = (
  options: ConfigRendererOptions
): Effect.Effect<ConfigRendererShape, CommandTextError, ConfigSource | Credentials> =>
  Effect.gen(function* () {
    const settings: Settings = yield* makeSettings(options)
    const source = yield* ConfigSource
    const credentials = yield* Credentials
    // A manager may do without groups of nodes.
    const topology = Option.getOrUndefined(yield* Effect.serviceOption(Topology))
    const topologyVersion = () => topology?.unsafeVersion() ?? 0
    const noGroups = Effect.succeed(undefined)
    const groupsOf = (fleet: FleetConfig, node: NodeId): Effect.Effect<TopologyOverlay | undefined> =>
      topology === undefined ? noGroups : topology.overlay(fleet, node)
    const fallback = options.mediamtxVersion === undefined ? undefined : parseVersion(options.mediamtxVersion)
    if (options.mediamtxVersion !== undefined && (fallback === undefined || olderRelease(fallback) === "unknown")) {
      return yield* new CommandTextError({
        option: "mediamtxVersion",
        message: `mediamtxVersion is not a release of MediaMTX that is known; use ${baselineVersion} to ${currentVersion}`
      })
    }
    /** One for each release that nodes run. */
    const variants = new Map<OlderRelease | undefined, Variants>()
    // Undefined: has been given a config, of which a newer one exists by now.
    const rendered = new Map<NodeId, Rendered | undefined>()
    let seen: FleetConfig | undefined
    /** What nodes said they run. */
    const told = new Map<NodeId, Told>()
    const toldBy = (node: NodeId, reported: NodeReport | string | null | undefined): Told | undefined => {
      const known = told.get(node)
      if (reported === undefined) return known
      const now = toldIn(reported)
      if (sameTold(known, now)) return known
      if (now === undefined) told.delete(node)
      else {
        if (told.size >= REMEMBERED) told.clear()
        told.set(node, now)
      }
      return now
    }

    const given = (node: NodeId, release: OlderRelease | undefined): boolean => {
      const known = rendered.get(node)
      return known === undefined ? rendered.has(node) : known.target.release === release
    }

    const variantsOf = (fleet: FleetConfig, release: OlderRelease | undefined): Variants => {
      let found = variants.get(release)
      if (found === undefined) {
        found = new Variants({ ...settings, release })
        found.follow(fleet, (node) => given(node, release))
        variants.set(release, found)
      }
      return found
    }

    /** What nobody can ask for any more is let go, but for last good configs. */
    const follow = (fleet: FleetConfig) => {
      if (fleet === seen) return
      seen = fleet
      for (const [release, each] of variants) each.follow(fleet, (node) => given(node, release))
    }

    /** The parts of an outdated config must not live on because a node that is gone once had it. */
    const forget = (variant: Variant) => {
      for (const [node, config] of rendered) if (config?.variant === variant) rendered.set(node, undefined)
    }

    const isBehind = (node: NodeId): boolean => credentials.rotation?.isBehind(node) === true

    /** What was rendered from this very config, for what the node says it runs and goes by. */
    const fresh = (node: NodeId, fleet: FleetConfig, said: Told | undefined): Rendered | undefined => {
      const known = rendered.get(node)
      return known !== undefined &&
        known.revision === fleet.revision &&
        fleet === seen &&
        known.topology === topologyVersion() &&
        sameTold(known.target.told, said) &&
        known.behind === isBehind(node)
        ? known
        : undefined
    }

    const targetOf = (
      fleet: FleetConfig,
      node: NodeId,
      said: Told | undefined
    ): Either.Either<Target, RenderFailed> => {
      const label = said === undefined && fleet.labels !== undefined ? labelsOf(fleet.labels, node) : undefined
      const version = said?.version ?? parseVersion(label?.[VERSION_LABEL] ?? "") ?? fallback
      if (version === undefined) return Either.right(newest)
      const release = olderRelease(version)
      if (release === "unknown") return Either.left(tooOld(node, version))
      return Either.right({ release: release === "current" ? undefined : release, told: said })
    }

    const renderNow = Effect.fnUntraced(function* (
      node: NodeId,
      said: Told | undefined
    ): Effect.fn.Return<Rendered, RenderFailed> {
      const fleet = yield* source.current
      const current = fresh(node, fleet, said)
      if (current !== undefined) return current
      const target = yield* targetOf(fleet, node, said)
      const before = rendered.get(node)
      // A config in the words of another release is none that could be kept.
      const known = before !== undefined && before.target.release === target.release ? before : undefined
      const inLine = topologyVersion()
      const groups = yield* groupsOf(fleet, node)
      // Tokens may have been derived meanwhile: an older config must not follow a newer one.
      if ((yield* source.current).revision !== fleet.revision) return yield* renderNow(node, said)
      follow(fleet)
      const found = variantsOf(fleet, target.release).find(fleet, node, groups)
      if (found.reported !== undefined) yield* Effect.logWarning(found.reported.message)
      if (found._tag === "Failed") {
        // Its labels have changed, and what it should get now can't be rendered: it keeps what it has.
        if (known !== undefined) return known
        return yield* found.failure
      }
      if (found.replaced !== undefined) forget(found.replaced)
      const behind = isBehind(node)
      if (
        known !== undefined &&
        known.variant === found.variant &&
        sameTold(known.target.told, said) &&
        known.behind === behind
      ) {
        const again = known.atRevision(found.revision, inLine)
        rendered.set(node, again)
        return again
      }
      const token = yield* credentials.nodeToken(node)
      const hash = yield* sha256Hex(found.variant.bytes(node, Redacted.value(token), loopVersion(said)))
      const made = new Rendered(node, hash, found.revision, inLine, target, found.variant, token, behind)
      if (rendered.size >= REMEMBERED && !rendered.has(node)) {
        for (const oldest of rendered.keys()) {
          rendered.delete(oldest)
          break
        }
      }
      rendered.set(node, made)
      return made
    })

    const render: ConfigRendererShape["render"] = (node, reported) => {
      const version = toldBy(node, reported)
      const fleet = source.unsafeCurrent?.()
      const current = fleet === undefined ? undefined : fresh(node, fleet, version)
      return current === undefined ? renderNow(node, version) : Effect.succeed(current)
    }

    const preview = (change: ConfigChange): Effect.Effect<ConfigPreview, InvalidConfig> =>
      Effect.gen(function* () {
        const before = yield* source.current
        const after = yield* judgeChange(before, change)
        // Apart from the prepared configs of nodes, which must not hear of a change that may never be made.
        const tried = new Map<OlderRelease | undefined, Variants>()
        const triedFor = (release: OlderRelease | undefined): Variants => {
          let found = tried.get(release)
          if (found === undefined) {
            found = new Variants({ ...settings, release })
            found.follow(after, () => false)
            tried.set(release, found)
          }
          return found
        }
        return {
          before,
          after,
          render: (node, reported) =>
            Effect.gen(function* () {
              const said = reported === undefined ? told.get(node) : toldIn(reported)
              const { release } = yield* targetOf(after, node, said)
              const found = triedFor(release).find(after, node, yield* groupsOf(after, node))
              if (found._tag === "Failed") return yield* found.failure
              const token = yield* credentials.nodeToken(node)
              return decoder.decode(found.variant.bytes(node, Redacted.value(token), loopVersion(said)))
            })
        }
      })

    const explain = (node: NodeId, field: string) =>
      Effect.gen(function* () {
        const fleet = yield* source.current
        const groups = yield* groupsOf(fleet, node)
        return yield* explainField(fleet, node, field, {
          groups: groups === undefined ? undefined : yield* groups,
          isOurs: (config, of) => isOurField(settings, config, of)
        })
      })

    return {
      render,
      explain,
      preview,
      changes: Stream.merge(
        Stream.map(source.changes, ({ revision }) => ({ revision })),
        topology === undefined
          ? Stream.empty
          : Stream.mapEffect(topology.changes, () => Effect.map(source.current, ({ revision }) => ({ revision })))
      ),
      failures: Effect.map(source.current, (fleet) => {
        follow(fleet)
        variantsOf(fleet, undefined)
        // A node that changed its release may have failed for both.
        const all = new Map<NodeId, RenderFailed>()
        for (const each of variants.values()) for (const failed of each.failures()) all.set(failed.node, failed)
        return [...all.values()].sort((a, b) => (a.node < b.node ? -1 : 1))
      })
    }
  })

export const layer = (
  options: ConfigRendererOptions
): Layer.Layer<ConfigRenderer, CommandTextError, ConfigSource | Credentials> =>
  Layer.effect(ConfigRenderer, make(options))
