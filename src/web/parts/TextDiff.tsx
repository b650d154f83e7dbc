/** Two texts, line by line: what was taken out, what was put in, and some lines around. */
import { useMemo } from "preact/hooks"
import { showNumber } from "../Format.js"
import { Scroll } from "./Scroll.js"

export interface DiffLine {
  readonly kind: "same" | "out" | "in"
  readonly text: string
}

const AROUND = 3
/** Texts with more lines of difference than this are shown as one taken out and one put in. */
const MOST = 2_000

/** How two lists of lines become each other with the fewest lines taken out and put in (Myers, 1986). */
export const diffLines = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<DiffLine> => {
  const out: Array<DiffLine> = []
  const line = (kind: DiffLine["kind"], text: string | undefined): DiffLine => ({ kind, text: text ?? "" })
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) {
    out.push(line("same", before[start++]))
  }
  let [n, m] = [before.length - start, after.length - start]
  const tail: Array<DiffLine> = []
  while (n > 0 && m > 0 && before[start + n - 1] === after[start + m - 1]) {
    n--
    m--
    tail.push(line("same", before[start + n]))
  }
  const [a, b] = [before.slice(start, start + n), after.slice(start, start + m)]
  /** By the number of differences: how far along `a` each diagonal gets. */
  const reached: Array<Int32Array> = []
  let furthest = new Int32Array(3)
  search: for (let d = 0; ; d++) {
    if (d > Math.min(MOST, n + m)) {
      return [...out, ...a.map((text) => line("out", text)), ...b.map((text) => line("in", text)), ...tail.reverse()]
    }
    const last = furthest
    furthest = new Int32Array(2 * d + 3)
    reached.push(last)
    for (let k = -d; k <= d; k += 2) {
      // Diagonal k of the round before is at k + d in its list, as that is two shorter.
      const down = k === -d || (k !== d && (last[k - 1 + d] ?? 0) < (last[k + 1 + d] ?? 0))
      let x = d === 0 ? 0 : down ? (last[k + 1 + d] ?? 0) : (last[k - 1 + d] ?? 0) + 1
      while (x < n && x - k < m && a[x] === b[x - k]) x++
      furthest[k + d + 1] = x
      if (x >= n && x - k >= m) break search
    }
  }
  const middle: Array<DiffLine> = []
  let [x, y] = [n, m]
  for (let d = reached.length - 1; d >= 0; d--) {
    const last = reached[d] ?? furthest
    const k = x - y
    const down = k === -d || (k !== d && (last[k - 1 + d] ?? 0) < (last[k + 1 + d] ?? 0))
    const fromX = d === 0 ? 0 : down ? (last[k + 1 + d] ?? 0) : (last[k - 1 + d] ?? 0)
    const fromY = d === 0 ? 0 : fromX - (down ? k + 1 : k - 1)
    const [stepX, stepY] = d === 0 ? [0, 0] : down ? [fromX, fromY + 1] : [fromX + 1, fromY]
    while (x > stepX && y > stepY) {
      x--
      y--
      middle.push(line("same", a[x]))
    }
    if (d === 0) break
    middle.push(down ? line("in", b[fromY]) : line("out", a[fromX]))
    x = fromX
    y = fromY
  }
  return [...out, ...middle.reverse(), ...tail.reverse()]
}

type Shown = DiffLine | { readonly kind: "fold"; readonly lines: number }

/** Without the lines that are far from any difference. */
const fold = (lines: ReadonlyArray<DiffLine>): ReadonlyArray<Shown> => {
  const near = new Uint8Array(lines.length)
  for (const [i, { kind }] of lines.entries()) {
    if (kind !== "same") near.fill(1, Math.max(0, i - AROUND), i + AROUND + 1)
  }
  const out: Array<Shown> = []
  let hidden = 0
  const flush = () => {
    if (hidden > 0) out.push({ kind: "fold", lines: hidden })
    hidden = 0
  }
  for (const [i, line] of lines.entries()) {
    if (near[i] !== 1) {
      hidden++
      continue
    }
    flush()
    out.push(line)
  }
  flush()
  return out
}

const linesOf = (text: string): ReadonlyArray<string> => text.replace(/\n$/, "").split("\n")

export const TextDiff = (props: { readonly before: string; readonly after: string }) => {
  const { after, before } = props
  const shown = useMemo(() => fold(diffLines(linesOf(before), linesOf(after))), [before, after])
  return (
    <Scroll>
      <pre class="diff">
        {shown.map((line, i) => {
          if (line.kind === "fold") {
            return (
              <span class="soft" key={i}>
                {`⋯ ${showNumber(line.lines)} lines the same\n`}
              </span>
            )
          }
          if (line.kind === "same") return <span key={i}>{`  ${line.text}\n`}</span>
          return line.kind === "out" ? <del key={i}>{`- ${line.text}\n`}</del> : <ins key={i}>{`+ ${line.text}\n`}</ins>
        })}
      </pre>
    </Scroll>
  )
}
