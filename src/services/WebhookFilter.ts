/** Which events a webhook wants: by type, path and node. What is not given wants all. */
import * as Either from "effect/Either"
import { didYouMean } from "../mediamtx/DidYouMean.js"
import { hookEventNames } from "../mediamtx/HookEvent.js"
import * as PathPattern from "./AuthPolicy/PathPattern.js"
import type { BusEvent, HookRecord } from "./HookBus.js"

export interface WebhookFilter {
  /** Names of events; one star stands for any text: `node_*`. */
  readonly types: ReadonlyArray<string>
  /** Patterns of paths: `cams/front`, `cams/*`, `cams/**`, `~^cam[0-9]+$`. An event that is about no path is none of them. */
  readonly paths: ReadonlyArray<string>
  /** The same of node ids. */
  readonly nodes: ReadonlyArray<string>
}

/** What the compiler checks to be all. */
const nodeEventNames: Readonly<Record<Exclude<BusEvent["event"], (typeof hookEventNames)[number]>, true>> = {
  node_discovered: true,
  node_online: true,
  node_stale: true,
  node_offline: true,
  node_restarted: true,
  node_config_applied: true,
  node_config_failed: true,
  node_config: true,
  node_removed: true
}

/** Every type of event. */
export const eventTypes: ReadonlyArray<string> = [...hookEventNames, ...Object.keys(nodeEventNames)]

/** The path that an event is about. */
export const pathOf = (event: BusEvent): string | undefined => ("path" in event ? event.path : undefined)

/** What is wrong with a filter: in which list, at which place, and what would be right. */
export interface FilterProblem {
  readonly field: string
  readonly message: string
  readonly expected: string
}

const typeMatcher = (text: string): ((type: string) => boolean) | string => {
  if (!/^[a-z_*]{1,64}$/.test(text)) return "is no name of an event"
  const star = text.indexOf("*")
  if (star === -1) {
    if (eventTypes.includes(text)) return (type) => type === text
    const near = didYouMean(text, eventTypes)
    return `is no event${near === undefined ? "" : `; did you mean ${near}?`}`
  }
  const head = text.slice(0, star)
  const tail = text.slice(star + 1)
  if (tail.includes("*")) return "has more than one star"
  const matches = (type: string) =>
    type.length >= head.length + tail.length && type.startsWith(head) && type.endsWith(tail)
  return eventTypes.some(matches) ? matches : "is true of no event"
}

/** Compiles a filter, or says what is wrong with it. */
export const compile = (
  filter: WebhookFilter
): Either.Either<(record: HookRecord) => boolean, ReadonlyArray<FilterProblem>> => {
  const problems: Array<FilterProblem> = []
  const types = filter.types.flatMap((text, at) => {
    const matcher = typeMatcher(text)
    if (typeof matcher !== "string") return [matcher]
    problems.push({ field: `types.${at}`, message: matcher, expected: `one of ${eventTypes.join(", ")}, or node_*` })
    return []
  })
  const patterns = (field: "paths" | "nodes", expected: string) =>
    filter[field].flatMap((text, at) => {
      const parsed = PathPattern.parse(text)
      if (Either.isRight(parsed)) return [parsed.right]
      problems.push({ field: `${field}.${at}`, message: parsed.left, expected })
      return []
    })
  const paths = patterns("paths", "a pattern of paths, such as cams/front, cams/* or ~^cam[0-9]+$")
  const nodes = patterns("nodes", "a node id, or a pattern such as eu-*")
  if (problems.length > 0) return Either.left(problems)
  return Either.right(({ event, node }) => {
    if (types.length > 0 && !types.some((matches) => matches(event.event))) return false
    if (nodes.length > 0 && !nodes.some((pattern) => PathPattern.matches(pattern, node))) return false
    if (paths.length === 0) return true
    const path = pathOf(event)
    return path !== undefined && paths.some((pattern) => PathPattern.matches(pattern, path))
  })
}
