/**
 * Labels of nodes, and expressions that choose nodes by them.
 *
 * Nodes come and go, so labels are not theirs to report: rules in the config give them, by id or by a pattern of ids.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"

/**
 * What nodes are labelled, by id or by a pattern in which `*` stands for any text: `{"eu-*": {region: "eu"}}`. All rules
 * that fit a node count; of two that give the same label a later one wins, and one for the id itself over all patterns.
 *
 * @since 0.1.0
 * @category models
 */
export type LabelRules = Readonly<Record<string, Labels>>

/**
 * Labels of one node. `node`, its id, is always among them.
 *
 * @since 0.1.0
 * @category models
 */
export type Labels = Readonly<Record<string, string>>

const word = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,62}[A-Za-z0-9])?$/

/** Whether a text can be the name or the value of a label. */
export const isLabelWord = (text: string): boolean => word.test(text)

/** In words, for errors. */
export const LABEL_WORD = "1 to 64 characters of A-Z a-z 0-9 . _ - /, with a letter or digit at both ends"

/** The label that every node has by itself. */
export const NODE_LABEL = "node"

/** The label that states the MediaMTX of nodes that don't say it themselves: `1.19.3`. */
export const VERSION_LABEL = "mediamtx-version"

const idPattern = /^[A-Za-z0-9._*-]{1,64}$/

/** Whether a text is a node id or a pattern of ids. */
export const isIdPattern = (text: string): boolean => idPattern.test(text)

/** `*` is any text. Takes time linear in pattern times id, whatever they are. */
export const matchesId = (pattern: string, id: string): boolean => {
  let at = 0
  let star = -1
  let resume = 0
  let index = 0
  while (index < id.length) {
    if (pattern[at] === "*") {
      star = at++
      resume = index
    } else if (pattern[at] === id[index]) {
      at++
      index++
    } else if (star !== -1) {
      at = star + 1
      index = ++resume
    } else return false
  }
  while (pattern[at] === "*") at++
  return at === pattern.length
}

/**
 * The labels that the rules give to a node.
 *
 * @example
 * ```ts
 * labelsOf({ "eu-*": { region: "eu" }, "eu-1": { role: "edge" } }, "eu-1") // { node: "eu-1", region: "eu", role: "edge" }
 * ```
 * @since 0.1.0
 * @category conversions
 */
export const labelsOf = (rules: LabelRules | undefined, node: string): Labels => {
  const out: Record<string, string> = {}
  if (rules !== undefined) {
    for (const [pattern, labels] of Object.entries(rules)) {
      if (pattern.includes("*") && matchesId(pattern, node)) Object.assign(out, labels)
    }
    if (Object.hasOwn(rules, node)) Object.assign(out, rules[node])
  }
  out[NODE_LABEL] = node
  return out
}

interface Term {
  readonly label: string
  /** Undefined: any value will do. */
  readonly values: ReadonlyArray<string> | undefined
  readonly negated: boolean
}

/**
 * Which nodes are meant.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeSelector {
  readonly text: string
  readonly matches: (labels: Labels) => boolean
}

const term = (text: string): Either.Either<Term, string> => {
  const [, bang = "", label = "", operator, values = ""] = /^(!?)\s*([^!=\s]*)\s*(?:(!?=)\s*(.*))?$/.exec(text) ?? []
  if (!isLabelWord(label)) return Either.left(`has ${JSON.stringify(text)}, which begins with no name of a label`)
  if (operator === undefined) return Either.right({ label, values: undefined, negated: bang === "!" })
  if (bang === "!") return Either.left(`has ${JSON.stringify(text)}: write ${label}!=${values}`)
  const each = values.split("|").map((value) => value.trim())
  const wrong = each.find((value) => !(label === NODE_LABEL ? isIdPattern(value) : isLabelWord(value)))
  if (wrong !== undefined) return Either.left(`has ${JSON.stringify(wrong)}, which is no value of a label`)
  return Either.right({ label, values: each, negated: operator === "!=" })
}

const holds = ({ label, negated, values }: Term, labels: Labels): boolean => {
  const value = Object.hasOwn(labels, label) ? labels[label] : undefined
  const found =
    value !== undefined &&
    (values === undefined ||
      values.some((wanted) => (label === NODE_LABEL ? matchesId(wanted, value) : wanted === value)))
  return found !== negated
}

/** In words, for errors. */
export const SELECTOR =
  "conditions that must all hold, such as region=eu, role!=edge, region=eu|us, gpu, !gpu, node=eu-*"

/**
 * Reads an expression, or says what is wrong with it: conditions with commas between them, all of which must hold.
 *
 * - `region=eu`, `region=eu|us`: the label has this value, or one of these
 * - `region!=eu`: it has another, or the node has no such label
 * - `gpu`, `!gpu`: the node has such a label, or has none
 * - `node=eu-*`: the node's id; here `*` stands for any text
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseSelector = (text: string): Either.Either<NodeSelector, string> => {
  const terms: Array<Term> = []
  for (const part of text.split(",")) {
    if (part.trim() === "") return Either.left(text.trim() === "" ? "is empty" : "has nothing between two commas")
    const read = term(part.trim())
    if (Either.isLeft(read)) return Either.left(read.left)
    terms.push(read.right)
  }
  return Either.right({ text, matches: (labels) => terms.every((each) => holds(each, labels)) })
}

/** More pairs than this are not looked at. */
const MOST_PAIRS = 2_000

/**
 * Made-up ids such that whatever labels the rules can give to a node, some of them has: for each rule an id that fits it,
 * and for each pair of rules an id that fits both. Three patterns that overlap in a way that no two do are not covered.
 */
export const sampleIds = (rules: LabelRules | undefined): ReadonlyArray<string> => {
  const all = Object.keys(rules ?? {})
  const patterns = all.filter((pattern) => pattern.includes("*"))
  const ids = new Set([
    "x",
    ...all.map((pattern) => pattern.replaceAll("*", "x")),
    ...all.map((p) => p.replaceAll("*", ""))
  ])
  const head = (pattern: string) => pattern.slice(0, pattern.indexOf("*"))
  const tail = (pattern: string) => pattern.slice(pattern.lastIndexOf("*") + 1)
  let pairs = 0
  for (const a of patterns) {
    for (const b of patterns) {
      if (a === b || pairs++ >= MOST_PAIRS) continue
      const id = `${head(a)}x${tail(b)}`
      if (matchesId(a, id) && matchesId(b, id)) ids.add(id)
    }
  }
  return [...ids].filter((id) => id !== "")
}
