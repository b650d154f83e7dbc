import * as Schema from "effect/Schema"
import { NodeId } from "./NodeId.js"

/** This node's config can't be rendered: base and overlay together are not valid. Other nodes are not affected. */
export class RenderFailed extends Schema.TaggedError<RenderFailed>()("RenderFailed", {
  node: NodeId,
  /** All issues in words. */
  message: Schema.String,
  issues: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String, expected: Schema.String }))
}) {}
