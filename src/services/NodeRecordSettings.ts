/**
 * How each node of the fleet records each path, by the config that is in force: what `Recordings` and `PlaybackQueue` need
 * to read the names of segments and to know when a recording is on the disk.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import { ConfigSource } from "./ConfigSource.js"
import type { FleetConfig } from "./FleetConfig.js"
import { classOf, configOf } from "./internal/configLayers.js"
import type { NodeId } from "./NodeId.js"
import { type RecordSettings, recordSettings } from "./RecordSettings.js"
import { Topology } from "./Topology.js"

export interface NodeRecordSettingsOptions {
  /** The time zone of the nodes, in which MediaMTX names segments (default UTC, which containers have). */
  readonly timeZone?: string | undefined
}

type Lookup = (path: string) => RecordSettings | undefined

const none: Lookup = () => undefined

/** Gives the settings of a path on a node; undefined where the config has no such path. */
export const make = (
  options: NodeRecordSettingsOptions = {}
): Effect.Effect<(node: NodeId, path: string) => Effect.Effect<RecordSettings | undefined>, never, ConfigSource> =>
  Effect.gen(function* () {
    const source = yield* ConfigSource
    const topology = Option.getOrUndefined(yield* Effect.serviceOption(Topology))
    let fleet: FleetConfig | undefined
    let lookups = new Map<string, Lookup>()
    const prepare = (config: MediaMTXConfig): Lookup =>
      Either.getOrElse(recordSettings(config, { timeZone: options.timeZone ?? "UTC" }), () => none)
    /** Of nodes that follow in groups, whose paths are those of others. Goes with the config. */
    const following = new WeakMap<MediaMTXConfig, Lookup>()
    const followingLookup = (config: MediaMTXConfig): Lookup => {
      let lookup = following.get(config)
      if (lookup === undefined) {
        lookup = prepare(config)
        following.set(config, lookup)
      }
      return lookup
    }
    const withoutGroups = (node: NodeId, path: string) =>
      Effect.map(source.current, (current) => {
        if (current !== fleet) {
          fleet = current
          lookups = new Map()
        }
        // Nodes without a config of their own share one with all that the same overlays select. No id begins with a space.
        const key = current.nodes.has(node) ? node : ` ${classOf(current, node)}`
        let lookup = lookups.get(key)
        if (lookup === undefined) {
          lookup = prepare(configOf(current, node))
          lookups.set(key, lookup)
        }
        return lookup(path)
      })
    if (topology === undefined) return withoutGroups
    return (node, path) =>
      Effect.gen(function* () {
        if ((yield* topology.overlay(yield* source.current, node)) === undefined)
          return yield* withoutGroups(node, path)
        return followingLookup(yield* topology.configOf(node))(path)
      })
  })

/** What may still be missing on disk a moment after it was recorded, and a second for a busy disk. */
const RESERVE = Duration.seconds(1)

/** For `PlaybackQueueOptions.partDuration`: of the base config, which decides for nearly every node. */
export const partDuration = (
  options: NodeRecordSettingsOptions = {}
): Effect.Effect<(path: string) => Effect.Effect<Duration.Duration>, never, ConfigSource> =>
  Effect.map(ConfigSource, (source) => {
    let config: MediaMTXConfig | undefined
    let lookup = none
    return (path) =>
      Effect.map(source.current, ({ base }) => {
        if (base !== config) {
          config = base
          lookup = Either.getOrElse(recordSettings(base, { timeZone: options.timeZone ?? "UTC" }), () => none)
        }
        return Duration.sum(lookup(path)?.partDuration ?? Duration.seconds(1), RESERVE)
      })
  })
