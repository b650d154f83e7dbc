/**
 * Runs a pattern over a text in time linear in the text: all the ways to match go forward together, one character at a time.
 * Of several matches it finds the one that Go finds, and its groups.
 */
import type { Assertion, CharSet, Re2Node } from "./Re2Syntax.js"

type Instruction =
  | { readonly _tag: "Set"; readonly has: CharSet }
  | { readonly _tag: "Assert"; readonly what: Assertion }
  /** Remembers the place. */
  | { readonly _tag: "Save"; readonly slot: number }
  /** Goes on at `first` and, if that leads nowhere, at `second`. */
  | { readonly _tag: "Split"; first: number; second: number }
  | { readonly _tag: "Match" }

/** Where the groups begin and end; -1 for one that took no part. */
type Slots = ReadonlyArray<number>

const compile = (root: Re2Node): ReadonlyArray<Instruction> => {
  const out: Array<Instruction> = []
  /** A choice between two places that are told later. */
  const split = (): { first: number; second: number } => {
    const one = { _tag: "Split" as const, first: out.length + 1, second: out.length + 1 }
    out.push(one)
    return one
  }
  const optional = (greedy: boolean, body: () => void): true => {
    const past = split()
    body()
    past[greedy ? "second" : "first"] = out.length
    return true
  }
  /** `x+`, with the choice behind `x`. */
  const loop = (of: Re2Node, greedy: boolean): boolean => {
    const begin = out.length
    const empty = emit(of)
    split()[greedy ? "first" : "second"] = begin
    return empty
  }
  const times = (count: number, of: Re2Node): boolean => {
    let empty = true
    for (let done = 0; done < count; done++) empty = emit(of)
    return empty
  }
  const repeat = ({ greedy, max, min, of }: Re2Node & { readonly _tag: "Repeat" }): boolean => {
    // Nothing stays nothing, however often.
    if (of._tag === "All" && of.of.length === 0) return true
    if (max !== Number.POSITIVE_INFINITY) {
      // `x{1,3}` is `x(x(x)?)?`.
      const rest = (count: number): boolean =>
        count === 0 ||
        optional(greedy, () => {
          emit(of)
          rest(count - 1)
        })
      const empty = times(min, of)
      rest(max - min)
      return empty
    }
    // `x{3,}` is `xxx+`.
    if (min > 0) {
      times(min - 1, of)
      return loop(of, greedy)
    }
    // If `x` can match nothing, `x*` is `(x+)?`, or the order of the ways were wrong.
    const begin = out.length
    const past = split()
    if (emit(of)) {
      split()[greedy ? "first" : "second"] = begin + 1
    } else {
      const back = split()
      back.first = begin
      back.second = begin
    }
    past[greedy ? "second" : "first"] = out.length
    return true
  }
  /** Whether it can match nothing. */
  const emit = (node: Re2Node): boolean => {
    switch (node._tag) {
      case "Set":
        out.push(node)
        return false
      case "Assert":
        out.push(node)
        return true
      case "All": {
        let empty = true
        for (const one of node.of) empty = emit(one) && empty
        return empty
      }
      case "Any": {
        const ends: Array<{ first: number; second: number }> = []
        let empty = false
        node.of.forEach((one, index) => {
          const other = index < node.of.length - 1 ? split() : undefined
          empty = emit(one) || empty
          if (other === undefined) return
          ends.push(split())
          other.second = out.length
        })
        for (const end of ends) {
          end.first = out.length
          end.second = out.length
        }
        return empty
      }
      case "Group": {
        out.push({ _tag: "Save", slot: node.index * 2 })
        const empty = emit(node.of)
        out.push({ _tag: "Save", slot: node.index * 2 + 1 })
        return empty
      }
      case "Repeat":
        return repeat(node)
    }
  }
  emit(root)
  out.push({ _tag: "Match" })
  return out
}

const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122)

const holds = (what: Assertion, text: string, at: number): boolean => {
  // NaN at either end, which is neither a word nor a newline.
  const [before, after] = [text.charCodeAt(at - 1), text.charCodeAt(at)]
  switch (what) {
    case "text-begin":
      return at === 0
    case "text-end":
      return at === text.length
    case "line-begin":
      return at === 0 || before === 10
    case "line-end":
      return at === text.length || after === 10
    case "word-edge":
      return isWord(before) !== isWord(after)
    case "no-word-edge":
      return isWord(before) === isWord(after)
  }
}

/** Ways to match, the preferred first: where each stands in the program, and what it has of the groups. */
interface Ways {
  readonly at: Array<number>
  readonly slots: Array<Slots>
}

/** The match and its groups (a group that took no part is ""), or `undefined`. Not anchored. */
export const makeMatcher = (root: Re2Node, groups: number): ((text: string) => ReadonlyArray<string> | undefined) => {
  const program = compile(root)
  const first = program[0]
  const anchored = first?._tag === "Assert" && first.what === "text-begin"
  const none: Slots = new Array<number>(groups * 2 + 2).fill(-1)

  // What follows is used anew by each match: a program belongs to one thread, and matching never waits.
  /** The step at which a place in the program was last reached: only the first way to reach it counts. */
  const reached = new Float64Array(program.length)
  let step = 0
  const places: Array<number> = []
  const states: Array<Slots> = []

  return (text) => {
    let now: Ways = { at: [], slots: [] }
    let next: Ways = { at: [], slots: [] }
    let found: Slots | undefined

    /** Follows everything that takes no character. */
    const follow = (ways: Ways, from: number, at: number, begin: Slots): void => {
      if (program[from]?._tag === "Set") {
        if (reached[from] === step) return
        reached[from] = step
        ways.at.push(from)
        ways.slots.push(begin)
        return
      }
      places.push(from)
      states.push(begin)
      for (let place = places.pop(); place !== undefined; place = places.pop()) {
        const slots = states.pop() ?? none
        if (reached[place] === step) continue
        reached[place] = step
        const instruction = program[place]
        switch (instruction?._tag) {
          case "Split":
            places.push(instruction.second, instruction.first)
            states.push(slots, slots)
            break
          case "Save":
            places.push(place + 1)
            states.push(slots.with(instruction.slot, at))
            break
          case "Assert":
            if (!holds(instruction.what, text, at)) break
            places.push(place + 1)
            states.push(slots)
            break
          default:
            ways.at.push(place)
            ways.slots.push(slots)
        }
      }
    }

    step++
    for (let at = 0; ; ) {
      if (found === undefined && (at === 0 || !anchored)) follow(now, 0, at, none.with(0, at))
      if (now.at.length === 0 && (found !== undefined || anchored)) break
      const code = text.codePointAt(at)
      step++
      const after = at + (code !== undefined && code > 0xffff ? 2 : 1)
      // By index: iterators cost more than the match.
      for (let index = 0; index < now.at.length; index++) {
        const place = now.at[index] ?? 0
        const slots = now.slots[index] ?? none
        const instruction = program[place]
        if (instruction?._tag === "Match") {
          found = slots.with(1, at)
          // The others are less preferred.
          break
        }
        if (code !== undefined && instruction?._tag === "Set" && instruction.has(code))
          follow(next, place + 1, after, slots)
      }
      if (code === undefined) break
      const done = now
      now = next
      next = done
      next.at.length = 0
      next.slots.length = 0
      at = after
    }
    if (found === undefined) return undefined
    const slots = found
    return Array.from({ length: groups + 1 }, (_, index) => text.slice(slots[index * 2], slots[index * 2 + 1]))
  }
}
