/** The names of a config's paths, as types. */
import type { PathConfig } from "../../mediamtx/MediaMTXConfig.js"
import type { PathNameOf, TypedConfig, TypedPath, TypedPaths } from "../../mediamtx/TypedPath.js"

/** The names in a config; `string` where it has no paths that could be known. */
export type ConfigNames<Config> = Config extends { readonly paths: infer Paths }
  ? [PathNameOf<Paths>] extends [never]
    ? string
    : PathNameOf<Paths>
  : string

/** Names that single nodes have on top; none where an overlay brings no paths. */
export type OverlayNames<Nodes> = {
  [Node in keyof Nodes]: Nodes[Node] extends { readonly paths: infer Paths } ? PathNameOf<Paths> : never
}[keyof Nodes]

/** Overlays by node id. */
export type Overlays = Readonly<Record<string, TypedConfig>>

/**
 * `paths` with every field of a plain entry checked, as `satisfies` would: without it, a misspelled field beside a right
 * one would only be found at run time.
 */
export type CheckedPaths<Paths extends TypedPaths> = {
  readonly [Key in keyof Paths]: Paths[Key] extends TypedPath | null
    ? unknown
    : { readonly [Field in keyof Paths[Key]]: Field extends keyof PathConfig ? unknown : never }
}
