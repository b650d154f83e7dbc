/**
 * Who is calling the manager, as proved by a credential.
 *
 * - `Admin`: the admin key, or the key when it is the only one. May do everything.
 * - `Fleet`: the shared key when a separate admin key exists. May act as any node, and nothing else.
 * - `Viewer`: the viewer key. May look at the fleet, and change nothing.
 * - `Node`: the token derived for one node. May act as that node, and nothing else.
 */
import * as Data from "effect/Data"
import type { NodeId } from "./NodeId.js"

export type Principal = Data.TaggedEnum<{
  Admin: object
  Fleet: object
  Viewer: object
  Node: { readonly node: NodeId }
}>
export const Principal = Data.taggedEnum<Principal>()

/** Whether the caller may act as (fetch the config of, report for) this node. */
export const mayActAs = (principal: Principal, node: NodeId): boolean =>
  principal._tag === "Node" ? principal.node === node : principal._tag !== "Viewer"
