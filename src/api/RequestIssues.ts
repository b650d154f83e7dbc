/**
 * Turns a failed decode into issues that can be shown: field, what is wrong, what would be right, and never the value
 * itself, because it may be a password in the wrong place.
 */
import * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { InvalidRequest, type RequestIssue } from "./ApiError.js"

/** At most this many issues are reported: a hostile body can hold thousands. */
const MAX_ISSUES = 20

const describe = (ast: AST.AST): string => {
  const description = AST.getDescriptionAnnotation(ast)
  if (description._tag === "Some" && !AST.isStringKeyword(ast) && !AST.isNumberKeyword(ast)) return description.value
  if (AST.isTransformation(ast)) return describe(ast.to)
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
  switch (issue._tag) {
    case "Pointer": {
      const segments: ReadonlyArray<PropertyKey> = Array.isArray(issue.path) ? issue.path : [issue.path as PropertyKey]
      return walk(issue.issue, [...path, ...segments], out)
    }
    case "Composite": {
      const issues = ParseResult.isComposite(issue) && Array.isArray(issue.issues) ? issue.issues : [issue.issues]
      for (const inner of issues) walk(inner, path, out)
      return
    }
    case "Missing":
      out.push({ field, message: "is missing", expected: describe(issue.ast.type) })
      return
    case "Unexpected":
      out.push({ field, message: "is not known", expected: "nothing" })
      return
    case "Forbidden":
      out.push({ field, message: "is not allowed", expected: describe(issue.ast) })
      return
    case "Refinement":
    case "Transformation": {
      if (issue.kind !== "Predicate" && issue.kind !== "Transformation") return walk(issue.issue, path, out)
      out.push({ field, message: "is not valid", expected: customMessage(issue) ?? describe(issue.ast) })
      return
    }
    case "Type": {
      const expected = customMessage(issue) ?? issue.message ?? describe(issue.ast)
      out.push({ field, message: "is not valid", expected })
    }
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

/** An `InvalidRequest` with a single issue. */
export const invalidField = (what: string, field: string, message: string, expected: string): InvalidRequest =>
  invalid(what, [{ field, message, expected }])
