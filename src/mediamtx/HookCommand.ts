/**
 * The commands that MediaMTX runs on events. It splits them like a shell (quotes, backslashes) but starts no shell.
 *
 * @since 0.1.0
 */
import { type FieldType, problem, textWith } from "./FieldType.js"

/**
 * The words of a command before variables are replaced, or what keeps it from being split.
 *
 * @since 0.1.0
 * @category conversions
 */
export const splitHookCommand = (
  command: string
): ReadonlyArray<string> | "single quote" | "double quote" | "backslash" => {
  const words: Array<string> = []
  let word: string | undefined
  for (let at = 0; at < command.length; at++) {
    const char = command[at]
    if (char === " " || char === "\t" || char === "\n") {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (char === "'") {
      const end = command.indexOf("'", at + 1)
      if (end === -1) return "single quote"
      word = (word ?? "") + command.slice(at + 1, end)
      at = end
    } else if (char === '"') {
      word ??= ""
      for (at++; ; at++) {
        const inner = command[at]
        if (inner === undefined) return "double quote"
        if (inner === '"') break
        if (inner === "\\") {
          at++
          const next = command[at]
          if (next === undefined) return "double quote"
          if (next !== "\n") word += '$`"\\'.includes(next) ? next : `\\${next}`
        } else word += inner
      }
    } else if (char === "\\") {
      at++
      const next = command[at]
      if (next === undefined) return "backslash"
      if (next !== "\n") word = (word ?? "") + next
    } else word = (word ?? "") + (char ?? "")
  }
  if (word !== undefined) words.push(word)
  return words
}

const expected = "a program and its arguments with every quote closed, or nothing at all"

// Hook texts are long and the same for every path of a config.
const seen = new Map<string, ReturnType<typeof check>>()

const check = (value: string) => {
  const words = splitHookCommand(value)
  if (typeof words === "string") {
    return problem(
      "hook-unbalanced",
      words === "backslash" ? "ends in a lone backslash" : `a ${words} is never closed, so it would never run`,
      expected
    )
  }
  return words.length === 0 || words[0] === ""
    ? problem(
        "hook-blank",
        words.length === 0
          ? "has only white space, which makes MediaMTX crash on the first event"
          : "begins with an empty word where the program should be",
        expected,
        words.length === 0 ? '""' : undefined
      )
    : undefined
}

/**
 * A hook command: empty for none, else a program and its arguments. White space alone would crash the real server at the
 * first event, and an open quote would silently never run, so both are errors here.
 *
 * @since 0.1.0
 * @category types
 */
export const HookCommand: FieldType<string> = textWith({
  name: "command",
  expected,
  check: (value) => {
    if (value === "") return undefined
    const known = seen.get(value)
    if (known !== undefined || seen.has(value)) return known
    const found = check(value)
    if (seen.size >= 512) seen.clear()
    seen.set(value, found)
    return found
  }
})

const operators: ReadonlySet<string> = new Set(["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>"])

/**
 * Something that MediaMTX runs but that does other than it looks.
 *
 * @since 0.1.0
 * @category models
 */
export interface HookWarning {
  readonly rule: "hook-no-shell" | "hook-option-injection"
  readonly message: string
  readonly expected: string
}

const noWarnings: ReadonlyArray<HookWarning> = []

const findWarnings = (command: string): ReadonlyArray<HookWarning> => {
  const words = splitHookCommand(command)
  if (typeof words === "string") return noWarnings
  const warnings: Array<HookWarning> = []
  const operator = words.find((word) => operators.has(word))
  if (operator !== undefined) {
    warnings.push({
      rule: "hook-no-shell",
      message: `passes ${JSON.stringify(operator)} to the program as an argument, since no shell is there to read it`,
      expected: `sh -c '...' around the whole`
    })
  }
  if (
    words.some((word, index) => index > 0 && /^\$(?:MTX_PATH|RTSP_PATH|\{MTX_PATH\}|\{RTSP_PATH\}|G[0-9]+)$/.test(word))
  ) {
    warnings.push({
      rule: "hook-option-injection",
      message:
        "passes the name of a path as a word of its own; names may begin with - and would then be read as options",
      expected: "the variable glued to something, as in path=$MTX_PATH"
    })
  }
  return warnings.length === 0 ? noWarnings : warnings
}

const seenWarnings = new Map<string, ReadonlyArray<HookWarning>>()

/**
 * What is dangerous about a command that MediaMTX would run.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hookWarnings = (command: string): ReadonlyArray<HookWarning> => {
  if (command === "") return noWarnings
  const known = seenWarnings.get(command)
  if (known !== undefined) return known
  const found = findWarnings(command)
  if (seenWarnings.size >= 512) seenWarnings.clear()
  seenWarnings.set(command, found)
  return found
}
