/**
 * Prints what is wrong with a configuration as a compiler would: place, message, source line, underline, advice.
 * Secrets that stand on the source line are not printed.
 *
 * @since 0.1.0
 */

/**
 * A place in a text: line and column from 1, columns and length in UTF-16 units.
 *
 * @since 0.1.0
 * @category models
 */
export interface SourcePosition {
  readonly line: number
  readonly column: number
  readonly length: number
}

/**
 * What the printer needs to know of an issue. `field` tells whether the value is a secret, and is printed if there is no
 * `position`. A `suggestion` is one likely replacement (`did you mean ...?`), a `hint` is a sentence.
 *
 * @since 0.1.0
 * @category models
 */
export interface PrintableIssue {
  readonly severity: "error" | "warning" | "info"
  readonly message: string
  readonly field: ReadonlyArray<string | number>
  /** A printable form of `field`, where there is a better one than its parts joined by dots. */
  readonly fieldText?: string | undefined
  readonly rule?: string | undefined
  readonly expected?: string | undefined
  readonly suggestion?: string | undefined
  readonly hint?: string | undefined
  readonly position?:
    | { readonly line: number; readonly column: number; readonly length?: number | undefined }
    | undefined
}

/**
 * All issues in the order given, each ending in a newline; an empty string if there are none.
 *
 * `positionOf` (of a parsed document) places the issues that have no position of their own. Passwords, passphrases,
 * secrets, keys, tokens, and in URLs user names, passwords and queries, come out as `***`.
 *
 * @example
 * ```ts
 * import { formatIssues } from "@livecams/mtx-manager"
 *
 * formatIssues({
 *   file: "mediamtx.yml",
 *   text: "paths:\n  cam:\n    sorce: rtsp://u:p@10.0.0.1/\n",
 *   issues: [{
 *     severity: "error", message: "unknown field 'sorce'", field: ["paths", "cam", "sorce"], suggestion: "source",
 *     position: { line: 3, column: 5, length: 5 }
 *   }]
 * })
 * // mediamtx.yml:3:5: error: unknown field 'sorce'
 * //   3 |     sorce: rtsp://***@10.0.0.1/
 * //     |     ^^^^^
 * //     = did you mean `source`?
 * ```
 * @since 0.1.0
 * @category formatting
 */
export const formatIssues = (options: {
  readonly text: string
  readonly file: string
  readonly issues: ReadonlyArray<PrintableIssue>
  readonly positionOf?: ((field: ReadonlyArray<string | number>) => SourcePosition | undefined) | undefined
  /** ANSI colours. Default false. */
  readonly color?: boolean | undefined
}): string => {
  const paint = options.color === true ? ansi : noColor
  const lines = options.text.split(/\r?\n/)
  let out = ""
  for (const issue of options.issues) {
    const at = issue.position ?? options.positionOf?.(issue.field)
    const place = at === undefined ? options.file : `${options.file}:${at.line}:${at.column}`
    // Messages of a validator are about their field: "is not a duration" says nothing without its name.
    const named = issue.fieldText !== undefined && issue.field.length > 0
    const before = named ? `${visible(issue.fieldText)}: ` : ""
    const after = !named && at === undefined && issue.field.length > 0 ? ` (at ${visible(issue.field.join("."))})` : ""
    const rule = issue.rule === undefined ? "" : ` [${visible(issue.rule)}]`
    const severity = paint[issue.severity](`${issue.severity}:`)
    out += `${paint.bold(`${visible(place)}:`)} ${severity} ${paint.bold(before + prose(issue.message) + after)}${rule}\n`
    const source = at === undefined ? undefined : lines[at.line - 1]
    const gutter = String(at?.line ?? "").padStart(3)
    const blank = " ".repeat(gutter.length)
    if (at !== undefined && source !== undefined) {
      const shown = excerpt(source, at.column - 1, at.length ?? 1, secretRanges(lines, at.line - 1, issue.field))
      const caret = " ".repeat(shown.column) + paint[issue.severity]("^".repeat(shown.length))
      out += `${paint.dim(`${gutter} |`)} ${shown.text}\n${paint.dim(`${blank} |`)} ${caret}\n`
    }
    const advice = (text: string) => {
      out += `${paint.dim(`${blank} =`)} ${text}\n`
    }
    if (issue.expected !== undefined) advice(`expected: ${prose(issue.expected)}`)
    if (issue.suggestion !== undefined) advice(`did you mean ${paint.good(`\`${prose(issue.suggestion)}\``)}?`)
    if (issue.hint !== undefined) advice(`hint: ${prose(issue.hint)}`)
  }
  return out
}

type Paint = (text: string) => string

const sgr =
  (code: string): Paint =>
  (text) =>
    `\u001b[${code}m${text}\u001b[0m`

const ansi = {
  error: sgr("1;31"),
  warning: sgr("1;33"),
  info: sgr("1;36"),
  bold: sgr("1"),
  dim: sgr("2"),
  good: sgr("32")
}

const same: Paint = (text) => text

const noColor: typeof ansi = { error: same, warning: same, info: same, bold: same, dim: same, good: same }

/** Neither a file nor a message may steer the terminal. One unit stays one unit, so that columns still fit. */
const visible = (text: string): string =>
  text
    .replace(/\t/g, " ")
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g, "\ufffd")

const prose = (text: string): string => {
  const line = text.replace(/\s*\n\s*/g, " ")
  return visible(mask(line, secretsInUrls(line)))
}

// ---------------------------------------------------------------------------------------------------------------------
// Secrets
// ---------------------------------------------------------------------------------------------------------------------

/** `[start, end)` in UTF-16 units. */
type Range = readonly [start: number, end: number]

const MASK = "***"

const isSecretName = (name: string): boolean =>
  /(?:pass|password|passphrase|secret|token|key|credentials?)s?$/i.test(name)

/** The `name:` that a line begins with, behind its indentation and list dashes. */
const leadingKey =
  /^(?:\s*(?:[-?]\s+){0,16})(?:"([^"]*)"|'([^']*)'|([^\s"'#{}[\],&*!|>%@`][^:#]{0,1024}?))\s{0,16}:(?=\s|$)/

const keyOf = (line: string): { readonly name: string; readonly end: number } | undefined => {
  const match = leadingKey.exec(line)
  return match === null ? undefined : { name: match[1] ?? match[2] ?? match[3] ?? "", end: match[0].length }
}

/** A line without a name of its own continues the value of the nearest name above it. */
const nameAbove = (lines: ReadonlyArray<string>, index: number): string => {
  for (let above = index - 1; above >= 0; above--) {
    const key = keyOf(lines[above] ?? "")
    if (key !== undefined) return key.name
  }
  return ""
}

const secretRanges = (
  lines: ReadonlyArray<string>,
  index: number,
  field: ReadonlyArray<string | number>
): ReadonlyArray<Range> => {
  const line = lines[index] ?? ""
  const key = keyOf(line)
  const fieldName = field.findLast((segment) => typeof segment === "string" && !/^\d+$/.test(segment))
  const secretField = typeof fieldName === "string" && isSecretName(fieldName)
  const ranges = [...secretsInText(line)]
  if (key === undefined ? secretField || isSecretName(nameAbove(lines, index)) : isSecretName(key.name)) {
    const from = key?.end ?? 0
    const start = from + (/^\s*(?:-\s+)*/.exec(line.slice(from))?.[0].length ?? 0)
    ranges.push([start, line.length])
  } else if (secretField && key !== undefined) ranges.push([key.end + 1, line.length])
  return ranges
}

/** `name: value` in a flow mapping or a header, `name=value` in a query; quoted values may hold anything. */
const namedValue =
  /(?:pass|password|passphrase|secret|token|key|credential|authorization)s?["']?\s*(?::\s*("(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|[^\s"',}\]][^"',}\]]*)|=\s*("[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s"'&,}\]]+))/gi
/** `--password value` of a command. */
const option =
  /(?<=\s)-{1,2}[\w-]{0,40}?(?:pass|password|passphrase|secret|token|key|credential)s?\s+("[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s"']+)/gi
/** Counts are bounded, here and above, so that a line of a megabyte takes no megabyte squared. */
const url = /[A-Za-z][A-Za-z0-9+.-]{0,30}:\/\/[^\s"']+/g
const authorization = /\b(?:bearer|basic)\s+([^\s"']+)|\s(?:-u|--user)[\s=]+(?:"[^"]*"|'[^']*'|[^\s"']+)/gi

const secretsInText = (text: string): ReadonlyArray<Range> => {
  const ranges: Array<Range> = [...secretsInUrls(text)]
  for (const match of [...text.matchAll(namedValue), ...text.matchAll(option)]) {
    const end = match.index + match[0].length
    ranges.push([end - (match[1] ?? match[2] ?? "").length, end])
  }
  return ranges
}

/** Also for messages, in which a name before a colon is only a sentence about it. */
const secretsInUrls = (text: string): ReadonlyArray<Range> => {
  const ranges: Array<Range> = []
  for (const match of text.matchAll(url)) {
    const authority = match.index + match[0].indexOf("://") + 3
    const end = match.index + match[0].length
    // The last "@": people write passwords with "/", "?" and "@" in them as they are.
    const at = text.lastIndexOf("@", end - 1)
    if (at > authority) ranges.push([authority, at])
    const query = text.indexOf("?", Math.max(authority, at))
    if (query !== -1 && query + 1 < end) ranges.push([query + 1, end])
  }
  for (const match of text.matchAll(authorization)) {
    const end = match.index + match[0].length
    const secret = match[1] ?? match[0].replace(/^\s\S+?[\s=]+/, "")
    ranges.push([end - secret.length, end])
  }
  return ranges
}

const merged = (ranges: ReadonlyArray<Range>): ReadonlyArray<Range> => {
  const out: Array<[number, number]> = []
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else if (end > start) out.push([start, end])
  }
  return out
}

const mask = (text: string, ranges: ReadonlyArray<Range>): string => {
  let out = ""
  let from = 0
  for (const [start, end] of merged(ranges)) {
    out += text.slice(from, start) + MASK
    from = end
  }
  return out + text.slice(from)
}

const MAX_WIDTH = 160
const LEAD = 60

/** The masked line with the place of the underline in it; of a long line, what is around the underline. */
const excerpt = (
  line: string,
  column: number,
  length: number,
  secrets: ReadonlyArray<Range>
): { readonly text: string; readonly column: number; readonly length: number } => {
  const ranges = merged(secrets)
  const moved = (at: number): number => {
    let shift = 0
    for (const [start, end] of ranges) {
      if (at >= end) shift += MASK.length - (end - start)
      else if (at > start) return start + shift
    }
    return at + shift
  }
  const text = mask(line, ranges)
  const start = Math.min(moved(column), text.length)
  const within = ranges.some(([from, to]) => column + length > from && column + length <= to)
  const end = within ? moved(column + length) + MASK.length : moved(column + length)
  const wanted = Math.max(1, Math.min(end, text.length) - start)
  if (text.length <= MAX_WIDTH) return { text: visible(text), column: start, length: wanted }
  const from = Math.max(0, Math.min(start - LEAD, text.length - MAX_WIDTH))
  const cut = visible(text.slice(from, from + MAX_WIDTH))
  const head = from > 0 ? "..." : ""
  const tail = from + MAX_WIDTH < text.length ? "..." : ""
  const at = start - from
  return { text: head + cut + tail, column: head.length + at, length: Math.max(1, Math.min(wanted, MAX_WIDTH - at)) }
}
