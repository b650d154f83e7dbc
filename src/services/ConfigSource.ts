/**
 * ConfigSource: where the fleet's configuration comes from. Every snapshot it gives has been validated; an edit that
 * does not validate keeps the last good snapshot in force and shows up as `rejected`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { InvalidConfig, makeIssue } from "../mediamtx/ConfigIssue.js"
import type { MediaMTXConfig } from "../mediamtx/MediaMTXConfig.js"
import type { ConfigSourceError, FleetConfig } from "./FleetConfig.js"
import type { ConfigOverlay } from "./FleetDocument.js"
import { combine, judge, makeValidators, underNode, type Validators } from "./internal/configSource.js"
import { isNodeId, type NodeId } from "./NodeId.js"
import type { LabelRules } from "./NodeLabels.js"

export { ConfigSourceError, type FleetConfig } from "./FleetConfig.js"
export type { ConfigOverlay } from "./FleetDocument.js"

export interface ConfigSourceShape {
  readonly current: Effect.Effect<FleetConfig>
  /** The same without an effect, for sources that hold it in memory: config polls are then answered without a fiber. */
  readonly unsafeCurrent?: (() => FleetConfig) | undefined
  /** Each accepted change, from now on. */
  readonly changes: Stream.Stream<FleetConfig>
  /** The edit that was refused last, while it stands: the config in force is an older one. */
  readonly rejected: Effect.Effect<ConfigSourceError | InvalidConfig | undefined>
}

export class ConfigSource extends Context.Tag("mtx-manager/ConfigSource")<ConfigSource, ConfigSourceShape>() {}

/** A config with the overlays of single nodes, not validated yet. */
export interface ConfigValue {
  readonly config: MediaMTXConfig
  /** Labels of nodes, by id or by a pattern of ids. */
  readonly labels?: LabelRules | undefined
  /** What goes over the config of the nodes that each selects, in this order. */
  readonly overlays?: ReadonlyArray<ConfigOverlay> | undefined
  /** Overlays by node id. */
  readonly nodes?: Readonly<Record<string, MediaMTXConfig>> | undefined
}

/** A source that is told its config: for values, for tests, for sources of your own. */
export interface SettableConfigSource extends ConfigSourceShape {
  /**
   * Puts another config in force, all of it or (when any part is invalid) nothing. Parts that are equal to what was in
   * force stay the same objects, so that what is cached by them stays valid. An equal config is no change. Fastest when it
   * is made from `current` by replacing what differs: what is in force is frozen, and taken over unread.
   */
  readonly set: (value: ConfigValue) => Effect.Effect<FleetConfig, InvalidConfig>
}

const offered = (value: ConfigValue): Either.Either<ReadonlyMap<NodeId, MediaMTXConfig>, InvalidConfig> => {
  const nodes = new Map<NodeId, MediaMTXConfig>()
  for (const [node, overlay] of Object.entries(value.nodes ?? {})) {
    if (!isNodeId(node)) {
      return Either.left(
        new InvalidConfig({
          issues: [
            makeIssue({
              severity: "error",
              rule: "node-id",
              field: ["nodes", node],
              message: "is not a node id",
              expected: "1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"
            })
          ]
        })
      )
    }
    nodes.set(node, overlay)
  }
  return Either.right(nodes)
}

const accept = (
  validators: Validators,
  previous: FleetConfig | undefined,
  value: ConfigValue
): Either.Either<FleetConfig, InvalidConfig> =>
  Either.flatMap(offered(value), (nodes) => {
    const verdict = judge(validators, previous, {
      base: Either.right(value.config),
      overlays: Either.right({ labels: value.labels, overlays: value.overlays }),
      nodes: new Map([...nodes].map(([node, overlay]) => [node, Either.right(overlay)])),
      explain: underNode
    })
    const issues = verdict.refusals.flatMap((refusal) => (refusal._tag === "InvalidConfig" ? refusal.issues : []))
    return verdict.config === undefined || issues.length > 0
      ? Either.left(new InvalidConfig({ issues }))
      : Either.right(verdict.config)
  })

/**
 * A source that starts with a value and can be given others.
 *
 * @example
 * ```ts
 * import { ConfigSource } from "@livecams/mtx-manager"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const source = yield* ConfigSource.make({ config: { paths: { cam: {} } } })
 *   yield* source.set({ config: { paths: { cam: {}, door: {} } } })
 * })
 * ```
 */
export const make = Effect.fn("ConfigSource.make")(function* (value: ConfigValue) {
  const validators = makeValidators()
  let current = yield* accept(validators, undefined, value)
  const rejected = yield* Ref.make<ConfigSourceError | InvalidConfig | undefined>(undefined)
  // A subscriber that is 16 changes behind loses the oldest: only the newest config matters to anyone.
  const changes = yield* PubSub.sliding<FleetConfig>(16)
  const lock = yield* Effect.makeSemaphore(1)
  return {
    current: Effect.sync(() => current),
    unsafeCurrent: () => current,
    changes: Stream.fromPubSub(changes),
    rejected: Ref.get(rejected),
    set: (next) =>
      Effect.gen(function* () {
        const before = current
        const verdict = accept(validators, before, next)
        yield* Ref.set(rejected, Either.isLeft(verdict) ? combine("value", [verdict.left]) : undefined)
        const config = yield* verdict
        if (config !== before) {
          current = config
          yield* PubSub.publish(changes, config)
        }
        return config
      }).pipe(lock.withPermits(1))
  } satisfies SettableConfigSource
})

/** A config that never changes, and the overlays of single nodes. */
export const fromValue = (
  config: MediaMTXConfig,
  options?: { readonly nodes?: Readonly<Record<string, MediaMTXConfig>> | undefined }
): Layer.Layer<ConfigSource, InvalidConfig> => Layer.effect(ConfigSource, make({ config, nodes: options?.nodes }))
