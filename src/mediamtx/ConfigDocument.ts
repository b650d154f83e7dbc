/**
 * Reads a MediaMTX configuration file the way MediaMTX v1.20 reads it, and remembers where everything stands, so that
 * whatever is found wrong later can be shown at its line and column.
 *
 * MediaMTX's YAML is neither 1.1 nor 1.2. What differs, and is followed here:
 *
 * - `yes`, `no`, `on`, `off` (also `Yes`, `YES`, ...) without quotes are booleans, `y` and `n` are text. Below an anchor
 *   or a tag they are text as well.
 * - Numbers: `0x1F`, `0o17`, `017` (octal), `0b11`, `1_000`, `1.5e3`; but `1e3` without a dot, `08`, dates and `12:30` are
 *   text. Infinity and NaN are errors. Integers over 2^53 come as `bigint`, those over 2^64 are text.
 * - A key that is not text gets the text of its value: `yes:` is `"true"`, `0x10:` is `"16"`, `~:` is `"null"`.
 * - With `<<`, whatever comes last in the file wins; YAML would let the mapping's own key win.
 * - A `%` directive, a comment before `---` and a comment after `...` make it "several documents", an error.
 * - A byte order mark becomes part of the first key.
 *
 * Where MediaMTX would lose something without a word (keys that are equal once read, recursive aliases, unknown tags), this
 * reader refuses.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { CST, Document, Pair, ParsedNode, Tags } from "yaml"
import { Composer, isAlias, isMap, isScalar, isSeq, Parser, Scalar, type YAMLMap } from "yaml"
import { formatIssues, type SourcePosition } from "./IssueText.js"
import { stringify } from "./Yaml.js"

export { formatIssues, type PrintableIssue, type SourcePosition } from "./IssueText.js"

/**
 * One thing that is wrong with the text, or (in {@link ConfigDocument.warnings}) likely not meant so. `line` and `column`
 * count from 1, columns in UTF-16 units; `length` is how many of them the thing covers on that line. Holds no text of
 * the file except names of keys and anchors, so it can be logged.
 *
 * @since 0.1.0
 * @category models
 */
export const ConfigSyntaxIssue = Schema.Struct({
  message: Schema.String,
  line: Schema.Int,
  column: Schema.Int,
  length: Schema.Int,
  hint: Schema.optional(Schema.String)
})

/** @since 0.1.0 */
export type ConfigSyntaxIssue = typeof ConfigSyntaxIssue.Type

/**
 * The text cannot be read, with everything that is wrong with it in the order of the file, at most 50 issues.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigSyntaxError extends Schema.TaggedError<ConfigSyntaxError>()("ConfigSyntaxError", {
  file: Schema.optional(Schema.String),
  issues: Schema.NonEmptyArray(ConfigSyntaxIssue)
}) {
  override get message(): string {
    const file = this.file ?? "config"
    return this.issues.map((issue) => `${file}:${issue.line}:${issue.column}: ${issue.message}`).join("\n")
  }
}

/**
 * A configuration as it was written.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigDocument {
  /** Plain data: a fresh object of strings, numbers, bigints, booleans, nulls, arrays and objects. Nothing is validated. */
  readonly value: Readonly<Record<string, unknown>>
  /** The text sets nothing at all. Never give that to a node: MediaMTX takes it for "all defaults", open to everyone. */
  readonly isEmpty: boolean
  /** Legal, but MediaMTX reads it otherwise than it looks. */
  readonly warnings: ReadonlyArray<ConfigSyntaxIssue>
  /**
   * Where a field stands: its key, or its value if `of` is `"value"` (for an item of a list both are the item). A field
   * that is not in the text gets the position of its nearest ancestor that is. `undefined` only if the text has no
   * mapping. What comes through `*alias` or `<<` is where its anchor is. List indices may be numbers or digits.
   */
  readonly positionOf: (field: ReadonlyArray<string | number>, of?: "key" | "value") => SourcePosition | undefined
  /**
   * The syntax tree, for edits that keep comments and order: `document.setIn(["paths", "cam", "record"], true)` and then
   * `document.toString({ lineWidth: 0 })`. Changing it does not change `value` or `positionOf`: parse the new text.
   */
  readonly document: Document.Parsed
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ParseConfigOptions {
  /** Name for messages. */
  readonly file?: string | undefined
  /** Longest text accepted, in bytes of UTF-8. Default 8 MiB. */
  readonly maxBytes?: number | undefined
  /** How many nodes aliases may add all together, against texts that grow exponentially. Default 1,000,000. */
  readonly maxAliasedNodes?: number | undefined
}

/**
 * Reads a text, or says everything that keeps MediaMTX from reading it.
 *
 * @example
 * ```ts
 * import { parseConfigText } from "@livecams/mtx-manager"
 * import { Either } from "effect"
 *
 * const config = Either.getOrThrow(parseConfigText("paths:\n  cam:\n    record: yes\n", { file: "mediamtx.yml" }))
 * config.value // { paths: { cam: { record: true } } }
 * config.positionOf(["paths", "cam", "record"]) // { line: 3, column: 5, length: 6 }
 * ```
 * @since 0.1.0
 * @category decoding
 */
export const parseConfigText = (
  text: string,
  options?: ParseConfigOptions
): Either.Either<ConfigDocument, ConfigSyntaxError> => {
  const lines = lineIndex(text)
  const failWith = (issues: ReadonlyArray<RawIssue>) => {
    const [first, ...rest] = [...issues]
      .sort((a, b) => a.start - b.start)
      .slice(0, MAX_ISSUES)
      .map((issue) => locate(lines, issue))
    // Only called with issues; the fallback keeps the array's type honest.
    const head = first ?? locate(lines, { start: 0, end: 0, message: "cannot be read" })
    return Either.left(new ConfigSyntaxError({ ...(options?.file && { file: options.file }), issues: [head, ...rest] }))
  }

  const maxBytes = options?.maxBytes ?? DEFAULT_MAX_BYTES
  if (isLongerThan(text, maxBytes)) {
    return failWith([{ start: 0, end: 0, message: `the text is longer than ${maxBytes} bytes` }])
  }
  if (text.startsWith(BYTE_ORDER_MARK)) {
    return failWith([
      {
        start: 0,
        end: 1,
        message: "the text begins with a byte order mark, which MediaMTX takes as part of the first name",
        hint: "save the file as UTF-8 without BOM"
      }
    ])
  }
  const composed = compose(text)
  if (composed.issues.length > 0 || composed.document === undefined) return failWith(composed.issues)

  const walk = new Walk(options?.maxAliasedNodes ?? DEFAULT_MAX_ALIASED_NODES, !/\n$/.test(text) ? text.length : -1)
  const root = walk.node(composed.document.contents, true, 0)
  if (root.value !== null && !isRecord(root.value)) walk.issues.push(notAMapping(root))
  walk.issues.push(...strayTabs(text, walk.quoted))
  if (walk.issues.length > 0) return failWith(walk.issues)

  const value = isRecord(root.value) ? root.value : {}
  return Either.right({
    value,
    isEmpty: Object.keys(value).length === 0,
    warnings: walk.warnings.map((issue) => locate(lines, issue)),
    positionOf: (field, of = "key") => {
      if (root.value === null) return undefined
      const place = find(root, field)
      const span = of === "key" ? (place.key ?? place.at) : place.at
      return position(lines, span.start, span.end)
    },
    document: composed.document
  })
}

/**
 * {@link formatIssues} for a text that could not be read.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatSyntaxError = (
  error: ConfigSyntaxError,
  text: string,
  options?: { readonly color?: boolean }
): string =>
  formatIssues({
    text,
    file: error.file ?? "config",
    color: options?.color ?? false,
    issues: error.issues.map(({ hint, message, ...at }) => ({
      severity: "error",
      message,
      field: [],
      position: at,
      hint
    }))
  })

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024
const DEFAULT_MAX_ALIASED_NODES = 1_000_000
const MAX_ISSUES = 50
const MAX_DEPTH = 64
const BYTE_ORDER_MARK = "\uFEFF"

interface Span {
  readonly start: number
  readonly end: number
}

interface RawIssue extends Span {
  readonly message: string
  readonly hint?: string | undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isLongerThan = (text: string, maxBytes: number): boolean =>
  text.length > maxBytes || (text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes)

// ---------------------------------------------------------------------------------------------------------------------
// Lines and columns
// ---------------------------------------------------------------------------------------------------------------------

interface LineIndex {
  readonly text: string
  readonly starts: ReadonlyArray<number>
}

const lineIndex = (text: string): LineIndex => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return { text, starts }
}

const position = ({ starts, text }: LineIndex, start: number, end: number): SourcePosition => {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] ?? 0) <= start) low = middle
    else high = middle - 1
  }
  const lineStart = starts[low] ?? 0
  const nextLine = starts[low + 1]
  const lineEnd = nextLine === undefined ? text.length : nextLine - (text[nextLine - 2] === "\r" ? 2 : 1)
  const from = Math.min(start, Math.max(lineStart, lineEnd))
  return { line: low + 1, column: from - lineStart + 1, length: Math.max(1, Math.min(end, lineEnd) - from) }
}

const locate = (lines: LineIndex, issue: RawIssue): ConfigSyntaxIssue => ({
  message: issue.message,
  ...position(lines, issue.start, issue.end),
  ...(issue.hint !== undefined && { hint: issue.hint })
})

// ---------------------------------------------------------------------------------------------------------------------
// Text to syntax tree
// ---------------------------------------------------------------------------------------------------------------------

const compose = (
  text: string
): { readonly document: Document.Parsed | undefined; readonly issues: ReadonlyArray<RawIssue> } => {
  try {
    const tokens = [...new Parser().parse(text)]
    const outside = outsideDocument(tokens)
    if (outside.length > 0) return { document: undefined, issues: outside }
    const composer = new Composer({
      customTags: goTags,
      logLevel: "error",
      merge: false,
      prettyErrors: false,
      resolveKnownTags: false,
      schema: "failsafe",
      uniqueKeys: false
    })
    const [document] = composer.compose(tokens, true, text.length)
    const errors = document?.errors ?? []
    // The composer recurses, so a thousand open brackets exhaust the stack; what it says besides is consequence.
    const exhausted = errors.find((error) => error.code === "RESOURCE_EXHAUSTION")
    return { document, issues: exhausted === undefined ? errors.map(explain) : [tooDeep(exhausted.pos)] }
  } catch (cause) {
    if (cause instanceof RangeError) return { document: undefined, issues: [tooDeep([0, 0])] }
    throw cause
  }
}

const tooDeep = ([start, end]: readonly [number, number]): RawIssue => ({
  start,
  end,
  message: "the text is nested too deeply to be read"
})

/** What MediaMTX counts as documents of their own. Found in the tokens, because YAML proper allows the most of it. */
const outsideDocument = (tokens: ReadonlyArray<CST.Token>): ReadonlyArray<RawIssue> => {
  const issues: Array<RawIssue> = []
  let comment: number | undefined
  let documents = 0
  let ended = false
  for (const token of tokens) {
    if (token.type === "directive") {
      issues.push({
        start: token.offset,
        end: token.offset + token.source.length,
        message: "MediaMTX does not read % directives",
        hint: "remove the line"
      })
    } else if (token.type === "comment") {
      comment ??= token.offset
      if (ended) issues.push(commentOutside(token, "after `...`"))
    } else if (token.type === "document") {
      documents++
      const marker = token.start.find((part) => part.type === "doc-start")
      if (documents > 1) {
        const start = marker?.offset ?? token.offset
        issues.push({
          start,
          end: start + 3,
          message: "a second document begins here, and MediaMTX takes only one",
          hint: "keep one document, and no `---` but before the first line"
        })
      } else if (marker !== undefined) {
        const early = token.start.find((part) => part.type === "comment" && part.offset < marker.offset)
        if (early !== undefined) issues.push(commentOutside(early, "before `---`"))
        else if (comment !== undefined) issues.push(commentOutside({ offset: comment, source: "#" }, "before `---`"))
      }
    } else if (token.type === "doc-end") {
      ended = true
      for (const part of token.end ?? []) if (part.type === "comment") issues.push(commentOutside(part, "after `...`"))
    }
  }
  return issues
}

const commentOutside = (token: { readonly offset: number; readonly source: string }, where: string): RawIssue => ({
  start: token.offset,
  end: token.offset + token.source.length,
  message: `MediaMTX takes a comment ${where} for a document of its own`,
  hint: where === "before `---`" ? "remove the `---` line" : "remove the `...` line"
})

/** In place of the parser's own texts, which may quote the file, and with it a password. */
const explain = (error: {
  readonly code: string
  readonly message: string
  readonly pos: [number, number]
}): RawIssue => {
  const [start, end] = error.pos
  const known = missing.find(({ pattern }) => pattern.test(error.message))?.text ?? explanations[error.code]
  return { start, end, message: known?.[0] ?? error.message.replace(/: ".*"$/s, ""), hint: known?.[1] }
}

type Explanation = readonly [message: string, hint?: string]

/** The parser's codes put these together with others. */
const missing: ReadonlyArray<{ readonly pattern: RegExp; readonly text: Explanation }> = [
  {
    pattern: /^Missing closing/,
    text: ["a quote is opened and not closed", "double a single quote inside single quotes: 'it''s'"]
  },
  {
    pattern: /^Implicit map keys need/,
    text: ["a name must be followed by `: ` and a value", "is the `:`, or the space after it, missing?"]
  },
  {
    pattern: /end with a [\]}]/,
    text: ["a [ or { is opened and not closed, or its lines are not indented more than its name"]
  }
]

const explanations: Readonly<Record<string, Explanation | undefined>> = {
  BAD_INDENT: ["the indentation does not fit the lines above", "give all fields of one mapping the same column"],
  BAD_SCALAR_START: ["a value without quotes cannot begin with this character", "put the value in double quotes"],
  BAD_DQ_ESCAPE: ["no such escape in double quotes", "write `\\\\` for a backslash, or use single quotes"],
  BLOCK_AS_IMPLICIT_KEY: [
    "a second `:` on one line",
    "put a value that contains `: ` in double quotes, and start a nested mapping on a new line"
  ],
  BLOCK_IN_FLOW: ["no indented mapping or list may stand inside [] or {}"],
  KEY_OVER_1024_CHARS: ["a name is over 1024 characters long, or a `:` is missing"],
  MULTILINE_IMPLICIT_KEY: [
    "a name must be on one line and be followed by `: `",
    "is a `:`, or the space after it, missing here or on the line above?"
  ],
  MULTIPLE_ANCHORS: ["a value can have only one anchor"],
  MULTIPLE_TAGS: ["a value can have only one tag"],
  TAB_AS_INDENT: ["a tab is used as indentation", "indent with spaces"]
}

/** MediaMTX's scanner refuses tabs before the content of any line, comments and blank lines included. */
const strayTabs = (text: string, quoted: ReadonlyArray<Span>): ReadonlyArray<RawIssue> => {
  if (!text.includes("\t")) return []
  const issues: Array<RawIssue> = []
  const lastLine = text.lastIndexOf("\n") + 1
  let next = 0
  for (const match of text.matchAll(/^ *\t/gm)) {
    // Blanks after the last newline are nobody's indentation.
    if (match.index >= lastLine && text.slice(lastLine).trim() === "") continue
    const start = match.index + match[0].length - 1
    // Both run in the order of the text.
    while ((quoted[next]?.end ?? Number.POSITIVE_INFINITY) <= start) next++
    if ((quoted[next]?.start ?? Number.POSITIVE_INFINITY) < start) continue
    issues.push({ start, end: start + 1, message: "a tab is used as indentation", hint: "indent with spaces" })
    if (issues.length === MAX_ISSUES) break
  }
  return issues
}

// ---------------------------------------------------------------------------------------------------------------------
// Scalars as MediaMTX reads them
// ---------------------------------------------------------------------------------------------------------------------

const trueWords = /^(?:true|True|TRUE)$/
const falseWords = /^(?:false|False|FALSE)$/
const legacyTrueWords = /^(?:yes|Yes|YES|on|On|ON)$/
const legacyFalseWords = /^(?:no|No|NO|off|Off|OFF)$/
const nullWords = /^(?:|~|null|Null|NULL)$/
const notANumberWords = /^(?:-?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/

/** A superset of what {@link goNumber} accepts. */
const maybeNumber = /^[-+]{0,3}[\d_.][\d_]*(?:[xob][\da-fA-F_]+|\.?[\d_]*(?:[eE][-+]?[\d_]+)?)$/

const bases: Readonly<Record<string, { readonly prefix: string; readonly digits: RegExp } | undefined>> = {
  "0x": { prefix: "0x", digits: /^[\da-fA-F]+$/ },
  "0o": { prefix: "0o", digits: /^[0-7]+$/ },
  "0b": { prefix: "0b", digits: /^[01]+$/ }
}

const goNumber = (source: string): number | bigint | undefined => {
  if (!maybeNumber.test(source) || source.startsWith("_")) return undefined
  const dots = source.split(".").length - 1
  const negative = source.startsWith("-")
  const digits = source.replace(/^\+/, "").replace(/^-/, "").replaceAll("_", "")
  const base = bases[digits.slice(0, 2)]
  if (base !== undefined) return goInteger(digits.slice(2), base.digits, base.prefix, negative)
  if (dots === 1) {
    const text = negative ? `-${digits}` : digits
    const value = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN
    return Number.isFinite(value) ? value : undefined
  }
  if (dots > 1) return undefined
  return digits.length > 1 && digits.startsWith("0")
    ? goInteger(digits, /^[0-7]+$/, "0o", negative)
    : goInteger(digits, /^\d+$/, "", negative)
}

const goInteger = (digits: string, allowed: RegExp, prefix: string, negative: boolean): number | bigint | undefined => {
  if (!allowed.test(digits)) return undefined
  const size = BigInt(prefix + digits)
  const value = negative ? -size : size
  if (value < -(2n ** 63n) || value >= 2n ** 64n) return undefined
  const number = Number(value)
  return Number.isSafeInteger(number) ? number + 0 : value
}

const plainScalar = (source: string, legacy: boolean): string | number | bigint | boolean | null => {
  if (nullWords.test(source)) return null
  if (trueWords.test(source)) return true
  if (falseWords.test(source)) return false
  if (legacy && legacyTrueWords.test(source)) return true
  if (legacy && legacyFalseWords.test(source)) return false
  return goNumber(source) ?? source
}

/** Go's `fmt.Sprint`, which makes the text of a key that is not text. */
const goText = (value: number | bigint | boolean | null, isFloat: boolean): string => {
  if (typeof value !== "number" || !isFloat) return String(value)
  const [mantissa = "", exponent = ""] = value.toExponential().split("e")
  const power = Number(exponent)
  if (value === 0 || (power >= -4 && power < 6)) return String(value)
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`
}

/** The same rules as tags of the `yaml` package, so that edits of the syntax tree are written as MediaMTX will read them. */
const goTags = (failsafe: Tags): Tags => [
  ...failsafe,
  {
    tag: "tag:yaml.org,2002:null",
    default: true,
    identify: (value) => value === null,
    test: nullWords,
    resolve: () => new Scalar(null),
    createNode: () => new Scalar(null),
    stringify: ({ source }) => (typeof source === "string" && nullWords.test(source) ? source : "null")
  },
  {
    tag: "tag:yaml.org,2002:bool",
    default: true,
    identify: (value) => typeof value === "boolean",
    test: /^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
    resolve: (source: string) => plainScalar(source, true),
    stringify: ({ source, value }) =>
      typeof source === "string" && plainScalar(source, true) === value ? source : String(value)
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    identify: (value) => typeof value === "number" || typeof value === "bigint",
    test: maybeNumber,
    resolve: (source: string) => goNumber(source) ?? source,
    stringify: ({ source, value }) => {
      if (typeof source === "string" && goNumber(source) === value) return source
      return typeof value === "number" || typeof value === "bigint" ? stringify(value).trimEnd() : String(value)
    }
  }
]

// ---------------------------------------------------------------------------------------------------------------------
// Syntax tree to plain data and positions
// ---------------------------------------------------------------------------------------------------------------------

/** A value with where it is; the same shape at every level so that any field can be found again. */
interface Place {
  readonly value: unknown
  readonly at: Span
  readonly key?: Span
  readonly children?: ReadonlyMap<string, Place> | ReadonlyArray<Place>
}

const isPlaces = (children: Place["children"]): children is ReadonlyArray<Place> => Array.isArray(children)

const childOf = (place: Place, segment: string | number): Place | undefined => {
  const { children } = place
  if (children === undefined) return undefined
  if (!isPlaces(children)) return children.get(String(segment))
  return typeof segment === "number" || /^\d+$/.test(segment) ? children[Number(segment)] : undefined
}

const find = (root: Place, field: ReadonlyArray<string | number>): Place => {
  let place = root
  for (const segment of field) {
    const child = childOf(place, segment)
    if (child === undefined) break
    place = child
  }
  return place
}

const spanOf = (node: ParsedNode | null, otherwise: Span): Span =>
  node === null ? otherwise : { start: node.range[0], end: node.range[1] }

const nowhere: Span = { start: 0, end: 0 }

const CORE = "tag:yaml.org,2002:"

class Walk {
  readonly issues: Array<RawIssue> = []
  readonly warnings: Array<RawIssue> = []
  /** Quoted scalars and blocks, in which a tab may begin a line. */
  readonly quoted: Array<Span> = []
  private readonly anchors = new Map<string, ParsedNode>()
  /** Anchored nodes that are being read right now: an alias to one of them would never end. */
  private readonly open = new Set<ParsedNode>()
  private expanding = 0
  private aliasedNodes = 0

  constructor(
    readonly maxAliasedNodes: number,
    /** Length of a text whose last line has no newline, else -1. */
    readonly unterminatedAt: number
  ) {}

  /** `legacy`: whether `yes` is a boolean here, which it is not below anchors and tags. */
  node(node: ParsedNode | null, legacy: boolean, depth: number, otherwise: Span = nowhere): Place {
    const at = spanOf(node, otherwise)
    if (node === null) return { value: null, at }
    if (this.expanding > 0 && ++this.aliasedNodes > this.maxAliasedNodes) {
      // Once is enough; the walk unwinds quickly because every further node ends here too.
      if (this.aliasedNodes === this.maxAliasedNodes + 1) {
        this.issues.push({ ...at, message: `the aliases of this text stand for over ${this.maxAliasedNodes} values` })
      }
      return { value: null, at }
    }
    if (depth > MAX_DEPTH) {
      this.issues.push({ ...at, message: `nested over ${MAX_DEPTH} levels deep` })
      return { value: null, at }
    }
    if (isAlias(node)) return this.alias(node.source, at, depth)
    const { anchor } = node
    if (anchor === undefined) return this.content(node, legacy, depth, at)
    this.anchors.set(anchor, node)
    this.open.add(node)
    const place = this.content(node, false, depth, at)
    this.open.delete(node)
    return place
  }

  private alias(name: string, at: Span, depth: number): Place {
    const target = this.anchors.get(name)
    if (target === undefined) {
      this.issues.push({ ...at, message: `there is no anchor &${name} above` })
      return { value: null, at }
    }
    if (this.open.has(target)) {
      this.issues.push({ ...at, message: `*${name} is inside of what &${name} names, and would never end` })
      return { value: null, at }
    }
    this.expanding++
    this.open.add(target)
    const place = this.content(target, false, depth + 1, spanOf(target, at))
    this.open.delete(target)
    this.expanding--
    return { ...place, at }
  }

  private content(node: ParsedNode, tagless: boolean, depth: number, at: Span): Place {
    const legacy = tagless && node.tag === undefined
    if (isScalar(node)) return { value: this.scalar(node, tagless, at), at }
    if (isMap<ParsedNode, ParsedNode | null>(node)) {
      this.checkTag(node.tag, "map", at)
      return this.map(node, legacy, depth, at)
    }
    if (isSeq<ParsedNode>(node)) {
      this.checkTag(node.tag, "seq", at)
      const children = node.items.map((item) => this.node(item, legacy, depth + 1, at))
      return { value: children.map((child) => child.value), at, children }
    }
    return { value: null, at }
  }

  private checkTag(tag: string | undefined, allowed: string, at: Span): void {
    if (tag !== undefined && tag !== CORE + allowed) {
      this.issues.push({ ...at, message: "this tag does not fit its value or is not known", hint: "remove the `!tag`" })
    }
  }

  private map(node: YAMLMap<ParsedNode, ParsedNode | null>, legacy: boolean, depth: number, at: Span): Place {
    const value: Record<string, unknown> = {}
    const children = new Map<string, Place>()
    const own = new Map<string, Span>()
    const put = (key: string, place: Place) => {
      children.set(key, place)
      // A plain assignment to "__proto__" would set the prototype and lose the field.
      if (key === "__proto__") {
        Object.defineProperty(value, key, { value: place.value, enumerable: true, configurable: true, writable: true })
      } else value[key] = place.value
    }
    for (const pair of node.items) {
      const keyAt = spanOf(pair.key, at)
      const key = this.key(pair, node.flow === true, legacy, keyAt)
      if (key === undefined) continue
      const earlier = own.get(key)
      if (earlier !== undefined) {
        this.issues.push({
          ...keyAt,
          message: `the name ${JSON.stringify(key)} is there twice`,
          hint: "keep one of the two"
        })
        continue
      }
      own.set(key, keyAt)
      if (isMergeKey(pair.key)) {
        for (const [name, place] of this.mergeSources(pair.value, legacy, depth, keyAt)) {
          if (own.has(name)) {
            this.warnings.push({
              ...keyAt,
              message: `<< replaces ${JSON.stringify(name)} from above, because for MediaMTX the last one wins`,
              hint: "put << before the mapping's own fields"
            })
          }
          put(name, place)
        }
      } else put(key, { ...this.node(pair.value, legacy, depth + 1, keyAt), key: keyAt })
    }
    return { value, at, children }
  }

  private mergeSources(source: ParsedNode | null, legacy: boolean, depth: number, keyAt: Span): Array<[string, Place]> {
    const place = this.node(source, legacy, depth + 1, keyAt)
    const entries: Array<[string, Place]> = []
    const collect = (from: Place) => {
      if (from.children !== undefined && !isPlaces(from.children)) entries.push(...from.children)
      else if (this.issues.length === 0) {
        this.issues.push({ ...from.at, message: "<< takes a mapping, an alias of a mapping, or a list of these" })
      }
    }
    if (isPlaces(place.children)) place.children.forEach(collect)
    else collect(place)
    return entries
  }

  private key(pair: Pair<ParsedNode, ParsedNode | null>, flow: boolean, legacy: boolean, at: Span): string | undefined {
    const node = pair.key
    if (isMergeKey(node)) return "<<"
    if (isScalar(node) && node.type === Scalar.PLAIN && node.source === "" && node.tag === undefined) {
      this.issues.push({ ...at, message: "the name before `:` is missing" })
      return undefined
    }
    if (!isScalar(node) && !isAlias(node)) {
      this.issues.push({ ...at, message: "a name must be text, not a list or a mapping" })
      return undefined
    }
    const { value } = this.node(node, legacy, 0)
    if (isScalar(node) && flow && pair.value === null && node.type === Scalar.PLAIN && /:/.test(node.source)) {
      this.issues.push({ ...at, message: "inside {} a space is missing after `:`", hint: "write `name: value`" })
    }
    if (typeof value === "string") return value
    if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "boolean" && value !== null) {
      this.issues.push({ ...at, message: "a name must be text, not a list or a mapping" })
      return undefined
    }
    const source = isScalar(node) ? node.source : undefined
    const key = goText(value, source?.includes(".") ?? false)
    if (key !== source) {
      this.warnings.push({
        ...at,
        message: `MediaMTX reads this name as ${JSON.stringify(key)}`,
        hint: "put the name in double quotes"
      })
    }
    return key
  }

  private scalar(node: Scalar.Parsed, legacy: boolean, at: Span): unknown {
    if (node.type !== Scalar.PLAIN && this.expanding === 0) this.quoted.push(at)
    const source = node.source
    if (node.tag !== undefined && node.tag !== "!") return this.tagged(node.tag, source, at)
    if (node.type !== Scalar.PLAIN) {
      // Without a last newline MediaMTX reads a `|` block as if it ended there, whatever YAML adds.
      const block = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED
      return block && at.end === this.unterminatedAt ? source.replace(/\n$/, "") : source
    }
    if (node.tag === "!") return source
    if (notANumberWords.test(source)) {
      this.issues.push({ ...at, message: "MediaMTX cannot load infinity or NaN", hint: "put text in double quotes" })
    }
    if (!legacy && (legacyTrueWords.test(source) || legacyFalseWords.test(source))) {
      this.warnings.push({
        ...at,
        message: "below an anchor or a tag MediaMTX reads this as text, not as a boolean",
        hint: "write true or false, or put text in double quotes"
      })
    }
    return plainScalar(source, legacy)
  }

  private tagged(tag: string, source: string, at: Span): unknown {
    const number = goNumber(source)
    if (tag === `${CORE}str`) return source
    if (tag === `${CORE}null`) return null
    if ((tag === `${CORE}int` || tag === `${CORE}float`) && number !== undefined) return number
    if (tag === `${CORE}bool`) {
      const boolean = plainScalar(source, true)
      if (typeof boolean === "boolean") return boolean
    }
    this.issues.push({ ...at, message: "this tag does not fit its value or is not known", hint: "remove the `!tag`" })
    return null
  }
}

const isMergeKey = (node: ParsedNode): boolean =>
  isScalar(node) && node.type === Scalar.PLAIN && node.source === "<<" && node.tag === undefined

const notAMapping = (root: Place): RawIssue => ({
  ...root.at,
  message: `the text is ${Array.isArray(root.value) ? "a list" : "a single value"}, not a mapping of names to values`,
  hint:
    typeof root.value === "string" && /^[A-Za-z0-9+/\s]{40,}={0,2}$/.test(root.value)
      ? "an encrypted file must be decrypted first"
      : "write `name: value`, with a space after the colon"
})
