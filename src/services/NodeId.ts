/**
 * The name a MediaMTX node goes by in the fleet.
 *
 * 1 to 64 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or digit, so that it can stand unescaped in a URL,
 * a file name (`nodes/ID.yml`), a shell word and a metric label.
 */
import * as Schema from "effect/Schema"

const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export const NodeId = Schema.String.pipe(
  Schema.pattern(pattern, {
    message: () =>
      'a node id has 1 to 64 characters of A-Z a-z 0-9 . _ - and starts with a letter or digit, for example "cam-north.1"'
  }),
  Schema.brand("NodeId"),
  Schema.annotations({ identifier: "NodeId", description: "The name a MediaMTX node goes by in the fleet" })
)
export type NodeId = typeof NodeId.Type

/** Whether `value` is a valid node id. For hot paths: no allocation. */
export const isNodeId = (value: string): value is NodeId => pattern.test(value)
