/** A config and its overlays, checked to the last rule before any request is served. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ConfigIssue } from "../../mediamtx/ConfigIssue.js"
import { makeConfigValidator } from "../../mediamtx/ConfigValidation.js"
import { plainConfig, type TypedConfig } from "../../mediamtx/TypedPath.js"
import * as ConfigSource from "../../services/ConfigSource.js"
import { classesOf, configOf, mergeParts, type Part } from "../../services/internal/configLayers.js"
import { makeSettings, makeVariant, type RenderOptions } from "../../services/internal/renderConfig.js"
import type { Overlays } from "./Names.js"

const orThrow = <A, E>(either: Either.Either<A, E>): A => {
  if (Either.isLeft(either)) throw either.left
  return either.right
}

export interface CheckedConfig {
  readonly source: ConfigSource.SettableConfigSource
  readonly warnings: ReadonlyArray<ConfigIssue>
}

/**
 * The source of what nodes are given.
 *
 * @throws InvalidConfig, InvalidPath, CommandTextError
 */
export const checkedConfig = (
  given: Omit<ConfigSource.ConfigValue, "config" | "nodes"> & {
    readonly config: TypedConfig
    readonly nodes?: Overlays | undefined
  },
  options: RenderOptions
): CheckedConfig => {
  const settings = orThrow(makeSettings(options))
  const overlays = Object.fromEntries(
    Object.entries(given.nodes ?? {}).map(([id, overlay]) => [id, plainConfig(overlay)])
  )
  const source = orThrow(
    Effect.runSync(
      Effect.either(
        ConfigSource.make({
          config: plainConfig(given.config),
          labels: given.labels,
          overlays: given.overlays,
          nodes: overlays
        })
      )
    )
  )
  const fleet = Effect.runSync(source.current)
  const validator = makeConfigValidator()
  const warnings: Array<ConfigIssue> = []
  // As it will be with our own parts in it: what can't be rendered is known now, not when the first node asks.
  const classes = classesOf(fleet).map((each) =>
    mergeParts(
      fleet.base,
      each.map((overlay): Part => ({ of: "overlay", overlay }))
    )
  )
  for (const whole of [fleet.base, ...classes, ...[...fleet.nodes.keys()].map((node) => configOf(fleet, node))]) {
    const variant = orThrow(makeVariant(settings, validator, whole, fleet.warnings, { shared: false }))
    for (const found of variant.warnings) {
      if (!warnings.some((known) => known.rule === found.rule && known.fieldText === found.fieldText)) {
        warnings.push(found)
      }
    }
  }
  return { source, warnings }
}
