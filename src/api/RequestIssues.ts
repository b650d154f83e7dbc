/**
 * Turns a failed decode into issues that can be shown: field, what is wrong, what would be right, and never the value
 * itself, because it may be a password in the wrong place.
 */
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { type ConfigIssue, formatField, type InvalidConfig } from "../mediamtx/ConfigIssue.js"
import type { SourcePosition } from "../mediamtx/IssueText.js"
import { InvalidRequest, type RequestIssue } from "./ApiError.js"

/** At most this many issues are reported: a hostile body can hold thousands. */
const MAX_ISSUES = 20

const describe = (ast: AST.AST): string => {
  const description = AST.getDescriptionAnnotation(ast)
  if (description._tag === "Some" && !AST.isStringKeyword(ast) && !AST.isNumberKeyword(ast)) return description.value
  if (AST.isTransformation(ast)) return describe(ast.to)
  // An identifier such as AuthProtocol says nothing to a caller: the values do.
  if (AST.isUnion(ast))
    return ast.types
      .filter((type) => !AST.isUndefinedKeyword(type))
      .map(describe)
      .join(" | ")
  if (AST.isTypeLiteral(ast)) return "an object"
  if (AST.isTupleType(ast)) return "a list"
  const text = String(ast)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

const customMessage = (issue: ParseResult.ParseIssue): string | undefined => {
  if (issue._tag !== "Refinement" && issue._tag !== "Transformation" && issue._tag !== "Type") return undefined
  const annotation = AST.getMessageAnnotation(issue.ast)
  if (annotation._tag === "None") return undefined
  const message = annotation.value(issue)
  return typeof message === "string" ? message : undefined
}

const walk = (issue: ParseResult.ParseIssue, path: ReadonlyArray<PropertyKey>, out: Array<RequestIssue>): void => {
  if (out.length >= MAX_ISSUES) return
  const field = path.map(String).join(".")
  const add = (message: string, expected: string) => out.push({ field, message, expected })
  switch (issue._tag) {
    case "Pointer":
      walk(issue.issue, path.concat(issue.path), out)
      break
    case "Composite": {
      const from = out.length
      for (const inner of [issue.issues].flat()) walk(inner, path, out)
      // A union's members each complain about the same value: that is one thing that is wrong.
      if (AST.isUnion(issue.ast) && out.slice(from).every((found) => found.field === field)) {
        out.length = from
        add("is not valid", describe(issue.ast))
      }
      break
    }
    case "Missing":
      add("is missing", describe(issue.ast.type))
      break
    case "Unexpected":
      add("is not known", "nothing")
      break
    case "Forbidden":
      add("is not allowed", describe(issue.ast))
      break
    case "Refinement":
    case "Transformation":
      if (issue.kind !== "Predicate" && issue.kind !== "Transformation") walk(issue.issue, path, out)
      else add("is not valid", customMessage(issue) ?? describe(issue.ast))
      break
    case "Type":
      add("is not valid", customMessage(issue) ?? issue.message ?? describe(issue.ast))
  }
}

/** All issues of a failed decode, without the values. */
export const fromParseError = (error: ParseResult.ParseError): ReadonlyArray<RequestIssue> => {
  const out: Array<RequestIssue> = []
  walk(error.issue, [], out)
  return out
}

/** Issues in one line, for the `message`. */
const summary = (issues: ReadonlyArray<RequestIssue>): string =>
  issues
    .slice(0, 3)
    .map((issue) => (issue.field === "" ? issue.message : `${issue.field} ${issue.message}`))
    .join("; ")

/** An `InvalidRequest` whose message sums its issues up. `what`: the part of the request, for example `body`. */
export const invalid = (what: string, issues: ReadonlyArray<RequestIssue>): InvalidRequest =>
  new InvalidRequest({ message: `invalid ${what}: ${summary(issues)}`, issues })

/** What is wrong, after where it is in a text. */
export const placed = (message: string, position: SourcePosition | undefined): string =>
  position === undefined ? message : `line ${position.line}, column ${position.column}: ${message}`

/** What would be right, with what was likely meant. */
export const expectedOf = ({ expected, suggestion }: ConfigIssue): string =>
  suggestion === undefined ? expected : `${expected}; did you mean ${suggestion}?`

/** What a validator says of the fleet's whole config that stands in the body as `config`. */
export const invalidDocument = (error: InvalidConfig): InvalidRequest =>
  invalid(
    "config",
    error.errors.map((issue) => ({
      field: formatField(["config", ...issue.field]),
      message: issue.message,
      expected: expectedOf(issue)
    }))
  )

/** An `InvalidRequest` with a single issue. */
export const invalidField = (what: string, field: string, message: string, expected: string): InvalidRequest =>
  invalid(what, [{ field, message, expected }])
