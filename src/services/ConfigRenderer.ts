/**
 * ConfigRenderer: node id -> the exact bytes of that node's mediamtx.yml.
 *
 * Base config + the node's overlay + our hooks, auth address and refresh loop with that node's token. Stable bytes for
 * stable input: a changed hook text or auth address drops every stream on a node. Never empty, never partial: an empty
 * file is a wide-open server. The last line is always `END_MARKER`, which is how a node knows that it has it all.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { ConfigIssue } from "../mediamtx/ConfigIssue.js"
import { NodeId } from "./NodeId.js"

/** The last line of every rendered config. */
export const END_MARKER = "# end of mtx-manager config"

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
  readonly warnings: ReadonlyArray<ConfigIssue>
}

/** This node's config can't be rendered: base and overlay together are not valid. Other nodes are not affected. */
export class RenderFailed extends Schema.TaggedError<RenderFailed>()("RenderFailed", {
  node: NodeId,
  /** All issues in words. */
  message: Schema.String,
  issues: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String, expected: Schema.String }))
}) {}

export interface ConfigRendererShape {
  /**
   * The node's config. Cached per node until the source changes, so that a poll costs a look-up.
   * When a change makes this node's config invalid, its last good one stays in force (and `failures` says so);
   * `RenderFailed` only when there has never been a good one.
   */
  readonly render: (node: NodeId) => Effect.Effect<RenderedConfig, RenderFailed>
  /** Fires after each change of the source, when renders may differ. */
  readonly changes: Stream.Stream<{ readonly revision: number }>
  /** Nodes whose newest config can't be rendered, with why. */
  readonly failures: Effect.Effect<ReadonlyArray<RenderFailed>>
}

export class ConfigRenderer extends Context.Tag("mtx-manager/ConfigRenderer")<ConfigRenderer, ConfigRendererShape>() {}
