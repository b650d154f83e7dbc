/**
 * What a path really is: its own fields over `pathDefaults` over MediaMTX's defaults. Reload compares paths in this form.
 *
 * @since 0.1.0
 */
import type { MediaMTXConfig } from "./MediaMTXConfig.js"
import { type PathFieldName, pathFields } from "./PathFields.js"
import type { PathValue } from "./PathRules.js"

/**
 * A path with every field filled in.
 *
 * @since 0.1.0
 * @category models
 */
export type EffectivePath = { readonly [K in PathFieldName]: PathValue<K> }

const builtIn = Object.fromEntries(Object.entries(pathFields).map(([name, row]) => [name, row.default]))

const assign = (target: Record<string, unknown>, source: object | null | undefined) => {
  for (const [name, value] of Object.entries(source ?? {})) {
    if (value !== undefined && value !== null && Object.hasOwn(builtIn, name)) target[name] = value
  }
}

/**
 * The path under a key of `config.paths`, with all fields; `undefined` when there is no such key. The config should have
 * been validated: old names are not looked at.
 *
 * @since 0.1.0
 * @category conversions
 */
export const effectivePath = (config: MediaMTXConfig, key: string): EffectivePath | undefined => {
  const { paths } = config
  if (paths === undefined || !Object.hasOwn(paths, key)) return undefined
  const merged: Record<string, unknown> = { ...builtIn }
  assign(merged, config.pathDefaults)
  assign(merged, paths[key])
  merged["name"] = key
  // Began as all rows of the table, and only rows of the table were assigned over them.
  return merged as EffectivePath
}
