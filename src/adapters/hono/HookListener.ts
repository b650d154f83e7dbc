/** `on`: what nodes report by their hooks, told to a plain function. */
import type { HookEvent, HookEventName } from "../../mediamtx/HookEvent.js"
import { hookScope } from "../../mediamtx/HookEvent.js"
import { parseQuery } from "../../mediamtx/QueryString.js"
import type { NodeId } from "../../services/NodeId.js"

/** The fields that come with an event. */
type Fields<Event extends HookEventName, All extends HookEvent = HookEvent> = All extends {
  readonly event: infer Names
}
  ? Event extends Names
    ? Omit<All, "event">
    : never
  : never

/**
 * What comes with an event: `path` for all but `connect` and `disconnect`, `type` and `id` of the connection, source or
 * reader, and so on.
 */
export type HookPayload<Event extends HookEventName = HookEventName, Path extends string = string> = {
  readonly [Field in keyof Fields<Event>]: Field extends "path"
    ? Path
    : Field extends "query"
      ? Readonly<Record<string, string>>
      : Fields<Event>[Field]
} & {
  /** The node that reports, where its address says so. */
  readonly node: string | undefined
}

/** `global` for `connect` and `disconnect`, which know no path yet; `path` for the others. */
export type ScopeOf<Event extends HookEventName> = Event extends "connect" | "disconnect" ? "global" : "path"

/** The three arguments, so that a check of one says what the others are. */
export type HookArguments<Path extends string = string> = {
  readonly [Event in HookEventName]: [scope: ScopeOf<Event>, event: Event, payload: HookPayload<Event, Path>]
}[HookEventName]

/**
 * Called with each report. Queries are parsed and may hold credentials. The node is answered once a promise that this
 * returns has settled; MediaMTX does not wait for the answer, and never reports again what failed.
 */
export type HookListener<Path extends string = string> = (...args: HookArguments<Path>) => unknown

/** The arguments for an event. */
export const hookArguments = (node: NodeId | undefined, hook: HookEvent): HookArguments => {
  const { event, ...fields } = hook
  const payload = "query" in fields ? { node, ...fields, query: parseQuery(fields.query) } : { node, ...fields }
  // The fields are those of this very event: the decoder has checked them together.
  return [hookScope(event), event, payload] as unknown as HookArguments
}
