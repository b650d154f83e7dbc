/** What `POST /plan` sends, turned into a change of config. */
import * as Either from "effect/Either"
import { parseConfigText } from "../mediamtx/ConfigDocument.js"
import { formatField, type InvalidConfig } from "../mediamtx/ConfigIssue.js"
import type { SourcePosition } from "../mediamtx/IssueText.js"
import * as ConfigPlan from "../services/ConfigPlan.js"
import type { ConfigChange } from "../services/ConfigRenderer.js"
import { type FleetDocument, sections } from "../services/FleetDocument.js"
import { isNodeId, type NodeId } from "../services/NodeId.js"
import type { InvalidRequest, RequestIssue } from "./ApiError.js"
import type { PlanRequest } from "./PlanApi.js"
import { expectedOf, invalid, invalidDocument, placed } from "./RequestIssues.js"

const NODE_ID = "1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"

type PositionOf = (field: ReadonlyArray<string>) => SourcePosition | undefined

/** A change that could be read, and where in its texts a field stands. */
export interface PlanCall {
  readonly change: ConfigChange
  /** Turns what a validator says into an answer, with lines and columns where texts were sent. */
  readonly explain: (error: InvalidConfig) => InvalidRequest
}

const readDocument = (config: FleetDocument, others: PlanRequest): Either.Either<PlanCall, InvalidRequest> => {
  const beside = sections.filter((section) => others[section] !== undefined)
  return beside.length > 0
    ? Either.left(
        invalid(
          "config",
          beside.map((field) => ({ field, message: "stands beside config", expected: "one of them" }))
        )
      )
    : Either.mapBoth(ConfigPlan.replaceBy(config), {
        onLeft: invalidDocument,
        onRight: (change) => ({ change, explain: invalidDocument })
      })
}

export const read = (request: PlanRequest): Either.Either<PlanCall, InvalidRequest> => {
  if (request.config !== undefined) return readDocument(request.config, request)
  const issues: Array<RequestIssue> = []
  const positions = new Map<string, PositionOf>()
  const valueOf = (at: string, input: string | Readonly<Record<string, unknown>>): unknown => {
    if (typeof input !== "string") return input
    const parsed = parseConfigText(input)
    if (Either.isLeft(parsed)) {
      for (const { hint, message, ...position } of parsed.left.issues) {
        issues.push({ field: at, message: placed(message, position), expected: hint ?? "YAML that MediaMTX can read" })
      }
      return undefined
    }
    positions.set(at, parsed.right.positionOf)
    return parsed.right.value
  }
  const base = request.base === undefined ? undefined : valueOf("base", request.base)
  const nodes = new Map<NodeId, unknown>()
  for (const [node, overlay] of Object.entries(request.nodes ?? {})) {
    if (!isNodeId(node)) {
      issues.push({ field: formatField(["nodes", node]), message: "is not a node id", expected: NODE_ID })
      continue
    }
    nodes.set(node, overlay === null ? null : valueOf(formatField(["nodes", node]), overlay))
  }
  if (issues.length > 0) return Either.left(invalid("config", issues))
  return Either.right({
    change: { base, labels: request.labels, overlays: request.overlays, nodes },
    explain: (error) =>
      invalid(
        "config",
        error.errors.map((issue) => {
          const { field } = issue
          const inNode = field[0] === "nodes"
          const text = positions.get(formatField(field.slice(0, inNode ? 2 : 1)))
          return {
            field: formatField(field),
            message: placed(issue.message, text?.(field.slice(inNode ? 2 : 1))),
            expected: expectedOf(issue)
          }
        })
      )
  })
}
