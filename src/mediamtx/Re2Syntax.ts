/**
 * Reads the syntax of Go's regular expressions, and refuses what Go refuses.
 *
 * Sets of characters are left to JavaScript's own engine, one character at a time: it has the tables of Unicode and folds
 * case as Go does. Names of Unicode classes are those that every release of MediaMTX knows: Go 1.25 took more of them, and
 * lost those with `_` in them.
 */

/** A set of characters, by code point. */
export type CharSet = (code: number) => boolean

/** What stands between characters: `^`, `$`, `\b`, `\B`, and the first two with `(?m)`. */
export type Assertion = "text-begin" | "text-end" | "line-begin" | "line-end" | "word-edge" | "no-word-edge"

/** `size`: how many instructions it makes. `depth`: how deep it is nested. */
interface Measured {
  readonly size: number
  readonly depth: number
}

export type Re2Node = Measured &
  (
    | { readonly _tag: "Set"; readonly has: CharSet }
    | { readonly _tag: "Assert"; readonly what: Assertion }
    | { readonly _tag: "All"; readonly of: ReadonlyArray<Re2Node> }
    | { readonly _tag: "Any"; readonly of: ReadonlyArray<Re2Node> }
    | { readonly _tag: "Group"; readonly index: number; readonly of: Re2Node }
    | {
        readonly _tag: "Repeat"
        readonly of: Re2Node
        readonly min: number
        /** `Infinity` without an upper end. */
        readonly max: number
        readonly greedy: boolean
      }
  )

/** Why Go would refuse it, in Go's words. */
export class Re2SyntaxError extends Error {
  constructor(code: string, fragment: string) {
    super(`error parsing regexp: ${code}: \`${fragment}\``)
  }
}

// As in Go.
const MAX_SIZE = (128 << 20) / 40
const MAX_DEPTH = 1000
const MAX_REPEAT = 1000

interface Flags {
  readonly fold: boolean
  readonly multiline: boolean
  readonly dotAll: boolean
  readonly lazy: boolean
}

/** What is inside of the brackets of a JavaScript class, and whether it is meant the other way round. */
interface ClassPart {
  readonly chars: string
  readonly negated: boolean
}

const named: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\0-\\x7f",
  blank: "\\t ",
  cntrl: "\\0-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f"
}

const perl: Readonly<Record<string, string>> = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" }

const assertions: ReadonlyMap<string, Assertion> = new Map([
  ["A", "text-begin"],
  ["b", "word-edge"],
  ["B", "no-word-edge"],
  ["z", "text-end"]
])

const escapes: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }

// The short names of scripts, which only JavaScript knows, have four letters, and so have these.
const fourLetters = /^(?:Ahom|Cham|Kawi|Lisu|Miao|Modi|Newa|Thai|Toto)$/

const quoted = (code: number): string => `\\u{${code.toString(16)}}`

const setOf = (parts: ReadonlyArray<ClassPart>, negated: boolean, fold: boolean): CharSet => {
  // Not before it is needed: of most patterns only the syntax is asked for.
  let known: CharSet | undefined
  const build = (): CharSet => {
    const tests = parts.map((part) => ({ ...part, regex: new RegExp(`[${part.chars}]`, fold ? "iu" : "u") }))
    const slow: CharSet = (code) => {
      const char = String.fromCodePoint(code)
      return tests.some((one) => one.regex.test(char) !== one.negated) !== negated
    }
    const ascii = Array.from({ length: 128 }, (_, code) => slow(code))
    return (code) => ascii[code] ?? slow(code)
  }
  return (code) => {
    known ??= build()
    return known(code)
  }
}

const set = (has: CharSet): Re2Node => ({ _tag: "Set", has, size: 1, depth: 1 })

const literal = (code: number, fold: boolean): Re2Node =>
  set(fold ? setOf([{ chars: quoted(code), negated: false }], false, true) : (other) => other === code)

const anything = set(() => true)
const notNewline = set((code) => code !== 10)

const sum = (nodes: ReadonlyArray<Re2Node>): number => nodes.reduce((total, { size }) => total + size, 0)
const deepest = (nodes: ReadonlyArray<Re2Node>): number => nodes.reduce((most, { depth }) => Math.max(most, depth), 0)

const all = (of: ReadonlyArray<Re2Node>): Re2Node =>
  of.length === 1 && of[0] !== undefined
    ? of[0]
    : { _tag: "All", of, size: Math.max(1, sum(of)), depth: deepest(of) + 1 }

const any = (of: ReadonlyArray<Re2Node>): Re2Node =>
  of.length === 1 && of[0] !== undefined
    ? of[0]
    : { _tag: "Any", of, size: sum(of) + of.length - 1, depth: deepest(of) + 1 }

/** How many copies of its innermost part a pattern asks for. */
const copies = (node: Re2Node): number => {
  if (node._tag === "Set" || node._tag === "Assert") return 1
  if (node._tag === "All" || node._tag === "Any") return node.of.reduce((most, one) => Math.max(most, copies(one)), 1)
  if (node._tag === "Group") return copies(node.of)
  const own = node.max === Number.POSITIVE_INFINITY ? node.min : node.max
  return node.max === 0 ? 1 : Math.max(1, own) * copies(node.of)
}

const sizeOfRepeat = ({ size }: Re2Node, min: number, max: number): number =>
  max === Number.POSITIVE_INFINITY ? Math.max(2, min + 1) + Math.max(1, min) * size : max * size + max - min

interface Frame {
  readonly branches: Array<Re2Node>
  items: Array<Re2Node>
  /** What is in force again behind the group. */
  readonly flags: Flags
  /** `undefined` if it does not capture. */
  readonly index?: number
}

class Reader {
  at = 0
  groups = 0
  private flags: Flags = { fold: false, multiline: false, dotAll: false, lazy: false }
  private frame: Frame = { branches: [], items: [], flags: this.flags }
  private readonly outer: Array<Frame> = []

  constructor(readonly source: string) {}

  read(): Re2Node {
    let repeatedFrom: number | undefined
    while (this.at < this.source.length) {
      const start = this.at
      repeatedFrom = this.item(repeatedFrom) ? start : undefined
    }
    if (this.outer.length > 0) throw new Re2SyntaxError("missing closing )", this.source)
    return this.branches()
  }

  /** Reads one thing; whether it was a repetition, behind which there can't be another. */
  private item(repeatedFrom: number | undefined): boolean {
    const { source } = this
    const char = source[this.at]
    switch (char) {
      case "(":
        this.open()
        return false
      case ")":
        this.close()
        return false
      case "|":
        this.at++
        this.frame.branches.push(all(this.frame.items))
        this.frame.items = []
        return false
      case "^":
      case "$": {
        const end = char === "$" ? "end" : "begin"
        this.at++
        this.assert(this.flags.multiline ? `line-${end}` : `text-${end}`)
        return false
      }
      case ".":
        this.at++
        this.push(this.flags.dotAll ? anything : notNewline)
        return false
      case "[":
        this.push(this.brackets())
        return false
      case "*":
      case "+":
      case "?":
        this.at++
        this.repeat(char === "+" ? 1 : 0, char === "?" ? 1 : Number.POSITIVE_INFINITY, this.at - 1, repeatedFrom)
        return true
      case "{": {
        const [text, min, comma, max] = source.slice(this.at).match(/^\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\}/) ?? []
        if (text === undefined) break
        const start = this.at
        this.at += text.length
        const [least, most] = [Number(min), comma === undefined ? Number(min) : Number(max ?? Number.POSITIVE_INFINITY)]
        if (least > MAX_REPEAT || (max !== undefined && most > MAX_REPEAT) || least > most) {
          throw new Re2SyntaxError("invalid repeat count", text)
        }
        this.repeat(least, most, start, repeatedFrom)
        return true
      }
      case "\\":
        this.backslash()
        return false
    }
    this.push(literal(this.char(), this.flags.fold))
    return false
  }

  private push(node: Re2Node): void {
    this.frame.items.push(node)
  }

  private assert(what: Assertion): void {
    this.push({ _tag: "Assert", what, size: 1, depth: 1 })
  }

  private char(): number {
    const code = this.source.codePointAt(this.at) ?? 0
    this.at += code > 0xffff ? 2 : 1
    return code
  }

  private open(): void {
    const rest = this.source.slice(this.at)
    if (!rest.startsWith("(?")) {
      this.at++
      this.enter(++this.groups)
      return
    }
    const beginning = /^\(\?P?</.exec(rest)?.[0]
    if (beginning !== undefined) {
      const end = rest.indexOf(">")
      const name = rest.slice(beginning.length, end)
      if (end < 0 || !/^\w+$/.test(name)) {
        throw new Re2SyntaxError("invalid named capture", end < 0 ? rest : rest.slice(0, end + 1))
      }
      this.at += end + 1
      this.enter(++this.groups)
      return
    }
    const [text, on = "", off, closing] = /^\(\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest) ?? []
    if (text === undefined) {
      throw new Re2SyntaxError(
        "invalid or unsupported Perl syntax",
        /^\(\?[imsU]*(?:-[imsU]*)?.?/su.exec(rest)?.[0] ?? rest
      )
    }
    this.at += text.length
    const now = (letter: string, before: boolean) => !off?.includes(letter) && (on.includes(letter) || before)
    if (closing === ":") this.enter()
    this.flags = {
      fold: now("i", this.flags.fold),
      multiline: now("m", this.flags.multiline),
      dotAll: now("s", this.flags.dotAll),
      lazy: now("U", this.flags.lazy)
    }
  }

  private enter(index?: number): void {
    this.outer.push(this.frame)
    this.frame = { branches: [], items: [], flags: this.flags, ...(index !== undefined && { index }) }
  }

  private branches(): Re2Node {
    const node = any([...this.frame.branches, all(this.frame.items)])
    this.limit(node)
    return node
  }

  private close(): void {
    const outer = this.outer.pop()
    if (outer === undefined) throw new Re2SyntaxError("unexpected )", this.source)
    this.at++
    const of = this.branches()
    const { flags, index } = this.frame
    this.flags = flags
    this.frame = outer
    this.push(index === undefined ? of : { _tag: "Group", index, of, size: of.size + 2, depth: of.depth + 1 })
  }

  private limit({ depth, size }: Re2Node): void {
    if (size > MAX_SIZE) throw new Re2SyntaxError("expression too large", this.source)
    if (depth > MAX_DEPTH) throw new Re2SyntaxError("expression nests too deeply", this.source)
  }

  private repeat(min: number, max: number, start: number, repeatedFrom: number | undefined): void {
    const lazy = this.source[this.at] === "?"
    if (lazy) this.at++
    const text = this.source.slice(start, this.at)
    if (repeatedFrom !== undefined) {
      throw new Re2SyntaxError("invalid nested repetition operator", this.source.slice(repeatedFrom, this.at))
    }
    const of = this.frame.items.pop()
    if (of === undefined) throw new Re2SyntaxError("missing argument to repetition operator", text)
    const size = sizeOfRepeat(of, min, max)
    const node: Re2Node = {
      _tag: "Repeat",
      of,
      min,
      max,
      greedy: lazy === this.flags.lazy,
      size: Math.max(1, size),
      depth: of.depth + 1
    }
    this.limit(node)
    const counted = max === Number.POSITIVE_INFINITY ? min >= 2 : max >= 2
    if (counted && copies(node) > MAX_REPEAT) throw new Re2SyntaxError("invalid repeat count", text)
    this.push(node)
  }

  private backslash(): void {
    const next = this.source[this.at + 1]
    const assertion = next === undefined ? undefined : assertions.get(next)
    if (assertion !== undefined) {
      this.at += 2
      this.assert(assertion)
      return
    }
    if (next === "Q") {
      const from = this.at + 2
      const end = this.source.indexOf("\\E", from)
      const text = this.source.slice(from, end < 0 ? undefined : end)
      for (const char of text) this.push(literal(char.codePointAt(0) ?? 0, this.flags.fold))
      this.at = end < 0 ? this.source.length : end + 2
      return
    }
    const part = this.classEscape()
    this.push(part === undefined ? literal(this.escape(), this.flags.fold) : set(setOf([part], false, this.flags.fold)))
  }

  /** `\d` or `\pL`, if there is one. */
  private classEscape(): ClassPart | undefined {
    const rest = this.source.slice(this.at, this.at + 64)
    const [text, letter = ""] = /^\\([dswDSW])/.exec(rest) ?? []
    if (text !== undefined) {
      this.at += 2
      const lower = letter.toLowerCase()
      return { chars: perl[lower] ?? "", negated: letter !== lower }
    }
    if (!/^\\p./isu.test(rest)) return undefined
    const [whole, sign, inBraces, alone] = /^\\([pP])(?:\{([^}]*)\}|([^{]))/u.exec(rest) ?? []
    const [, caret, name = ""] = /^(\^?)(.*)$/s.exec(inBraces ?? alone ?? "") ?? []
    const chars = unicodeClass(name)
    if (whole === undefined || chars === undefined) {
      throw new Re2SyntaxError("invalid character class range", whole ?? rest)
    }
    this.at += whole.length
    return { chars, negated: (sign === "P") !== (caret === "^") }
  }

  private escape(): number {
    const rest = this.source.slice(this.at)
    if (rest === "\\") throw new Re2SyntaxError("trailing backslash at end of expression", "")
    const octal = /^\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)
    const hex = /^\\x(?:\{([\da-fA-F]+)\}|([\da-fA-F]{2}))/.exec(rest)
    const short = /^\\([afnrtv])/.exec(rest)
    const itself = /^\\([^0-9A-Za-z\u0080-\uffff])/.exec(rest)
    const code =
      octal !== null
        ? Number.parseInt(octal[1] ?? "", 8)
        : hex !== null
          ? Number.parseInt(hex[1] ?? hex[2] ?? "", 16)
          : short !== null
            ? escapes[short[1] ?? ""]
            : itself?.[1]?.charCodeAt(0)
    if (code === undefined || code > 0x10ffff) {
      throw new Re2SyntaxError("invalid escape sequence", hex?.[0] ?? /^\\x?./su.exec(rest)?.[0] ?? rest)
    }
    this.at += (octal ?? hex ?? short ?? itself)?.[0].length ?? 0
    return code
  }

  private brackets(): Re2Node {
    const start = this.at
    this.at++
    const negated = this.source[this.at] === "^"
    if (negated) this.at++
    const parts: Array<ClassPart> = []
    let ranges = ""
    const missing = () => new Re2SyntaxError("missing closing ]", this.source.slice(start))
    const one = (): number => {
      if (this.at >= this.source.length) throw missing()
      return this.source[this.at] === "\\" ? this.escape() : this.char()
    }
    for (let first = true; first || this.source[this.at] !== "]"; first = false) {
      if (this.source.startsWith("[:", this.at)) {
        const end = this.source.indexOf(":]", this.at + 2)
        if (end >= 0) {
          const text = this.source.slice(this.at, end + 2)
          const [, caret, name = ""] = /^\[:(\^?)(\w+):\]$/.exec(text) ?? []
          const chars = Object.hasOwn(named, name) ? named[name] : undefined
          if (chars === undefined) throw new Re2SyntaxError("invalid character class range", text)
          parts.push({ chars, negated: caret === "^" })
          this.at = end + 2
          continue
        }
      }
      const part = this.classEscape()
      if (part !== undefined) {
        parts.push(part)
        continue
      }
      const from = this.at
      const low = one()
      let high = low
      // In `[a-]` the last is itself.
      if (this.source[this.at] === "-" && this.at + 1 < this.source.length && this.source[this.at + 1] !== "]") {
        this.at++
        high = one()
        if (high < low) {
          throw new Re2SyntaxError("invalid character class range", this.source.slice(from, this.at))
        }
      }
      ranges += `${quoted(low)}-${quoted(high)}`
    }
    this.at++
    if (ranges !== "") parts.push({ chars: ranges, negated: false })
    return set(setOf(parts, negated, this.flags.fold))
  }
}

const unicodeClass = (name: string): string | undefined => {
  if (name === "Any") return "\\0-\\u{10ffff}"
  const chars = /^(?:[A-Z][a-z]?|LC)$/.test(name)
    ? `\\p{gc=${name}}`
    : /^[A-Z][a-z]+$/.test(name) && (name.length !== 4 || fourLetters.test(name))
      ? `\\p{sc=${name}}`
      : undefined
  if (chars === undefined) return undefined
  try {
    new RegExp(chars, "u")
    return chars
  } catch {
    return undefined
  }
}

/** The pattern, and how many groups capture; throws a {@link Re2SyntaxError}. */
export const parseRe2 = (source: string): { readonly root: Re2Node; readonly groups: number } => {
  const reader = new Reader(source)
  const root = reader.read()
  return { root, groups: reader.groups }
}
