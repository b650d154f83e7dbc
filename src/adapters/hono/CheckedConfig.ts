/** A config and its overlays, checked to the last rule before any request is served. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ConfigIssue } from "../../mediamtx/ConfigIssue.js"
import { makeConfigValidator } from "../../mediamtx/ConfigValidation.js"
import { plainConfig, type TypedConfig } from "../../mediamtx/TypedPath.js"
import * as ConfigSource from "../../services/ConfigSource.js"
import { mergeConfig } from "../../services/internal/mergeConfig.js"
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
  config: TypedConfig,
  nodes: Overlays | undefined,
  options: RenderOptions
): CheckedConfig => {
  const settings = orThrow(makeSettings(options))
  const overlays = Object.fromEntries(Object.entries(nodes ?? {}).map(([id, overlay]) => [id, plainConfig(overlay)]))
  const source = orThrow(
    Effect.runSync(Effect.either(ConfigSource.make({ config: plainConfig(config), nodes: overlays })))
  )
  const fleet = Effect.runSync(source.current)
  const validator = makeConfigValidator()
  const warnings: Array<ConfigIssue> = []
  // As it will be with our own parts in it: what can't be rendered is known now, not when the first node asks.
  for (const overlay of [undefined, ...fleet.nodes.values()]) {
    const variant = orThrow(
      makeVariant(settings, validator, mergeConfig(fleet.base, overlay), fleet.warnings, { shared: false })
    )
    for (const found of variant.warnings) {
      if (!warnings.some((known) => known.rule === found.rule && known.fieldText === found.fieldText)) {
        warnings.push(found)
      }
    }
  }
  return { source, warnings }
}
