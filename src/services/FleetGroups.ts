/**
 * FleetGroups: which nodes stand in for each other, and which read from which.
 *
 * - A mirror group: fallbacks have the paths of the primary. While the primary is there they pull from it; when it is gone,
 *   the first of them gets the primary's own sources.
 * - A group of edges: they have the paths of an origin and pull each from it when somebody reads.
 *
 * Here is what is stated; who is acting at the moment is the `Topology`'s business.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { type ConfigIssue, makeIssue } from "../mediamtx/ConfigIssue.js"
import { goDurationToDuration } from "../mediamtx/GoDuration.js"
import { unknownKeys } from "../mediamtx/UnknownKeys.js"
import * as PathPattern from "./AuthPolicy/PathPattern.js"
import { type AddressRules, addressOf } from "./NodeDirectory.js"
import { isNodeId, type NodeId } from "./NodeId.js"
import { parseSelector, SELECTOR } from "./NodeLabels.js"

/**
 * What a fallback does:
 *
 * - `takeover` (default): pulls from whoever is acting, and gets the primary's own sources when that is itself
 * - `pull`: pulls from the primary, always
 * - `demand`: never pulls; has the primary's own sources and starts each when somebody reads from the fallback. Its config
 *   never changes because of another node, and it works while the manager is away
 *
 * @since 0.1.0
 * @category models
 */
export const fallbackModes = ["takeover", "pull", "demand"] as const
/** @since 0.1.0 */
export type FallbackMode = (typeof fallbackModes)[number]

interface Common {
  /** Unique among the groups. */
  readonly name: string
  /** Which paths, by name or pattern, see `PathPattern.parse`. Absent: all of them. */
  readonly paths: string | undefined
  /** Pulls only while somebody reads. */
  readonly onDemand: boolean
  /** For how long (milliseconds) the one that acts must have been offline before the next takes its place. */
  readonly failoverMillis: number
  /** For how long (milliseconds) one that came back must have been online without a break before it acts again. */
  readonly returnMillis: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MirrorGroup extends Common {
  readonly kind: "mirror"
  readonly primary: NodeId
  /** In the order in which they take over. */
  readonly fallbacks: ReadonlyArray<NodeId>
  readonly fallback: FallbackMode
}

/**
 * @since 0.1.0
 * @category models
 */
export interface EdgeGroup extends Common {
  readonly kind: "edges"
  /** The first is who is read from; the others, which must have the same paths, when those before are offline. */
  readonly origins: ReadonlyArray<NodeId>
  /** A selector of nodes, see `NodeLabels.parseSelector`. Origins are never among them. */
  readonly edges: string
}

/**
 * @since 0.1.0
 * @category models
 */
export type FleetGroup = MirrorGroup | EdgeGroup

/**
 * Who has the streams, in order of preference: the first defines the paths.
 *
 * @since 0.1.0
 * @category accessors
 */
export const sourcesOf = (group: FleetGroup): ReadonlyArray<NodeId> =>
  group.kind === "edges" ? group.origins : [group.primary, ...group.fallbacks]

/**
 * A group as it is written, in `manager.yml` or as an option. Durations as MediaMTX writes them: `15s`, `1m30s`.
 *
 * @since 0.1.0
 * @category models
 */
export type FleetGroupInput =
  | {
      readonly name: string
      readonly primary: string
      readonly fallbacks: ReadonlyArray<string>
      readonly fallback?: FallbackMode | undefined
      readonly paths?: string | undefined
      /** Default false: a fallback always pulls, so that it is warm and can record. */
      readonly onDemand?: boolean | undefined
      /** Default `0s`: being offline already means several missed calls. */
      readonly failoverAfter?: string | undefined
      /** Default `1m`. */
      readonly returnAfter?: string | undefined
    }
  | {
      readonly name: string
      readonly origins: ReadonlyArray<string>
      readonly edges: string
      readonly paths?: string | undefined
      /** Default true. */
      readonly onDemand?: boolean | undefined
      readonly failoverAfter?: string | undefined
      readonly returnAfter?: string | undefined
    }

const defaultFailoverMillis = 0
const defaultReturnMillis = 60_000

const common = ["name", "paths", "onDemand", "failoverAfter", "returnAfter"]
const mirrorFields = [...common, "primary", "fallbacks", "fallback"]
const edgeFields = [...common, "origins", "edges"]

const NODE_ID = "1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Reads groups from plain data, or says all that is wrong with them, also of the addresses that they need.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeGroups = (
  value: unknown,
  addresses: AddressRules,
  at: ReadonlyArray<string> = ["groups"]
): Either.Either<ReadonlyArray<FleetGroup>, ReadonlyArray<ConfigIssue>> => {
  const issues: Array<ConfigIssue> = []
  const out: Array<FleetGroup> = []
  const names = new Set<string>()
  if (value === undefined || value === null) return Either.right(out)
  const error = (
    field: ReadonlyArray<string>,
    rule: string,
    message: string,
    expected: string,
    suggestion?: string | undefined
  ) => {
    issues.push(makeIssue({ severity: "error", rule, field: [...at, ...field], message, expected, suggestion }))
    return undefined
  }
  if (!Array.isArray(value)) {
    error([], "wrong-type", "is not a list", "a list of {name, primary, fallbacks} and {name, origins, edges}")
    return Either.left(issues)
  }

  const nodeOf = (field: ReadonlyArray<string>, given: unknown): NodeId | undefined =>
    typeof given === "string" && isNodeId(given) ? given : error(field, "node-id", "is not a node id", NODE_ID)

  const nodesOf = (field: ReadonlyArray<string>, given: unknown, taken: ReadonlySet<string>): ReadonlyArray<NodeId> => {
    if (!Array.isArray(given) || given.length === 0) {
      error(field, "wrong-type", "is not a list of nodes", "at least one node id")
      return []
    }
    const seen = new Set(taken)
    const nodes: Array<NodeId> = []
    for (const [index, item] of given.entries()) {
      const node = nodeOf([...field, String(index)], item)
      if (node === undefined) continue
      if (seen.has(node)) error([...field, String(index)], "group-node", "is in this group already", "another node")
      seen.add(node)
      nodes.push(node)
    }
    return nodes
  }

  const millisOf = (field: ReadonlyArray<string>, given: unknown, otherwise: number): number => {
    if (given === undefined || given === null) return otherwise
    const read = typeof given === "string" ? goDurationToDuration(given) : undefined
    if (read !== undefined && Duration.greaterThanOrEqualTo(read, Duration.zero)) return Duration.toMillis(read)
    error(field, "duration", "is not a duration", "such as 15s, 1m30s")
    return otherwise
  }

  /** Others pull from it, so they need to know where it is. */
  const needsAddress = (field: ReadonlyArray<string>, node: NodeId) => {
    if (addressOf(addresses, node).address !== undefined) return
    error(
      field,
      "group-address",
      `is read from by other nodes, and nothing says how they reach node ${node}`,
      `addresses: {${node}: {address: HOST}}, as the other nodes of the group reach it`
    )
  }

  for (const [index, item] of value.entries()) {
    const here = [String(index)]
    if (!isObject(item)) {
      error(here, "wrong-type", "is not an object", "{name, primary, fallbacks} or {name, origins, edges}")
      continue
    }
    const before = issues.length
    const isMirror = item["primary"] !== undefined || item["fallbacks"] !== undefined
    const isEdges = item["origins"] !== undefined || item["edges"] !== undefined
    if (isMirror === isEdges) {
      const message = isMirror ? "is two kinds of group at once" : "says of no node what it does"
      error(here, "group-kind", message, "primary and fallbacks, or origins and edges")
      continue
    }
    const known = isMirror ? mirrorFields : edgeFields
    issues.push(...unknownKeys(item, known, [...at, ...here]))
    const { name, paths, onDemand } = item
    if (typeof name !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      error([...here, "name"], "group-name", "is no name", "1 to 64 characters of A-Z a-z 0-9 . _ -")
    } else if (names.has(name)) {
      error([...here, "name"], "group-name", "is the name of a group above", "a name of its own")
    } else names.add(name)
    if (paths !== undefined && paths !== null) {
      const read = typeof paths === "string" ? PathPattern.parse(paths) : Either.left("is not a text")
      if (Either.isLeft(read)) {
        error([...here, "paths"], "path-pattern", read.left, "a path's name, or a pattern: cams/*, ~^cam")
      }
    }
    if (onDemand !== undefined && onDemand !== null && typeof onDemand !== "boolean") {
      error([...here, "onDemand"], "wrong-type", "is not a boolean", "true or false")
    }
    const shared = {
      name: String(name),
      paths: typeof paths === "string" ? paths : undefined,
      failoverMillis: millisOf([...here, "failoverAfter"], item["failoverAfter"], defaultFailoverMillis),
      returnMillis: millisOf([...here, "returnAfter"], item["returnAfter"], defaultReturnMillis)
    }
    if (isMirror) {
      const primary = nodeOf([...here, "primary"], item["primary"])
      const fallbacks = nodesOf(
        [...here, "fallbacks"],
        item["fallbacks"],
        new Set(primary === undefined ? [] : [primary])
      )
      const given = item["fallback"] ?? "takeover"
      const fallback = fallbackModes.find((mode) => mode === given)
      if (fallback === undefined) {
        error([...here, "fallback"], "group-fallback", "is no way to stand in", fallbackModes.join(", "))
      }
      if (fallback === "takeover" || fallback === "pull") {
        if (primary !== undefined) needsAddress([...here, "primary"], primary)
        // The others pull from the one that has taken over. Nobody is left to pull from the last.
        for (const [place, node] of fallbacks.entries()) {
          if (fallback === "takeover" && place < fallbacks.length - 1) {
            needsAddress([...here, "fallbacks", String(place)], node)
          }
        }
      }
      if (issues.length > before || primary === undefined || fallback === undefined) continue
      out.push({ ...shared, kind: "mirror", primary, fallbacks, fallback, onDemand: onDemand === true })
    } else {
      const origins = nodesOf([...here, "origins"], item["origins"], new Set())
      for (const [place, node] of origins.entries()) needsAddress([...here, "origins", String(place)], node)
      const { edges } = item
      const selector = typeof edges === "string" ? parseSelector(edges) : Either.left("is not a text")
      if (Either.isLeft(selector)) error([...here, "edges"], "selector", selector.left, SELECTOR)
      if (issues.length > before || typeof edges !== "string") continue
      out.push({ ...shared, kind: "edges", origins, edges, onDemand: onDemand !== false })
    }
  }
  return issues.length > 0 ? Either.left(issues) : Either.right(out)
}
