/**
 * A look at the command line before the argument parser's, which takes a flag that it does not know for a file name (an
 * impossible `--log-level` as well), and every option behind a lone `-` too.
 */
import type { Usage } from "@effect/cli/Usage"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { didYouMean } from "../mediamtx/DidYouMean.js"

/** The flags of one command, and whether each takes a value. */
export type KnownFlags = ReadonlyMap<string, boolean>

/** Collects the flags of a command from its usage. */
export const flagsOf = (usage: Usage): KnownFlags => {
  const flags = new Map<string, boolean>()
  const visit = (part: Usage): void => {
    switch (part._tag) {
      case "Named":
        for (const name of part.names) if (name.startsWith("-")) flags.set(name, Option.isSome(part.acceptedValues))
        return
      case "Optional":
      case "Repeated":
        visit(part.usage)
        return
      case "Alternation":
      case "Concat":
        visit(part.left)
        visit(part.right)
    }
  }
  visit(usage)
  return flags
}

const builtIns: KnownFlags = new Map([
  ["--completions", true],
  ["--log-level", true],
  ["--help", false],
  ["-h", false],
  ["--wizard", false],
  ["--version", false]
])

export const logLevels = ["all", "trace", "debug", "info", "warning", "error", "fatal", "none"] as const
const shells = ["sh", "bash", "fish", "zsh"]

/**
 * The words after the program's name as the parser can't misread them: command, options (`--name=value`), arguments.
 * Left: what is wrong with them.
 */
export const readCommandLine = (
  words: ReadonlyArray<string>,
  commands: ReadonlyMap<string, KnownFlags>
): Either.Either<ReadonlyArray<string>, string> => {
  let command: string | undefined
  const before: Array<string> = []
  // The parser looks for its built-in options directly behind the command.
  const builtIn: Array<string> = []
  const options: Array<string> = []
  const given = new Set<string>()
  const args: Array<string> = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ""
    if (word === "--") {
      args.push(...words.slice(at))
      break
    }
    if (!word.startsWith("-") || word === "-") {
      if (command !== undefined) args.push(word)
      else if (commands.has(word)) command = word
      else {
        const near = didYouMean(word, commands.keys())
        return Either.left(
          `there is no command ${JSON.stringify(word)}; ${
            near === undefined ? `commands are ${[...commands.keys()].sort().join(", ")}` : `did you mean ${near}?`
          }`
        )
      }
      continue
    }
    const equals = word.indexOf("=")
    const flag = equals === -1 ? word : word.slice(0, equals)
    const known = (command === undefined ? undefined : commands.get(command)) ?? new Map<string, boolean>()
    const takesValue = builtIns.get(flag) ?? known.get(flag)
    if (takesValue === undefined) {
      const names = [...known.keys(), ...builtIns.keys()].filter((name) => name.startsWith("--"))
      const near = didYouMean(
        flag.replace(/^-+/, ""),
        names.map((name) => name.slice(2))
      )
      const where = command === undefined ? "before the command" : `of ${command}`
      return Either.left(
        `${flag} is no option ${where}${near === undefined ? "; see --help" : `; did you mean --${near}?`}`
      )
    }
    if (given.has(flag)) return Either.left(`${flag} is given twice`)
    given.add(flag)
    const target = command === undefined ? before : builtIns.has(flag) ? builtIn : options
    if (!takesValue) {
      target.push(word)
      continue
    }
    const value = equals === -1 ? words[++at] : word.slice(equals + 1)
    if (value === undefined) return Either.left(`${flag} needs a value`)
    const allowed = flag === "--log-level" ? logLevels : flag === "--completions" ? shells : undefined
    if (allowed !== undefined && !allowed.some((one) => one === value)) {
      return Either.left(`${flag}: ${JSON.stringify(value)} is unknown; expected one of ${allowed.join(", ")}`)
    }
    // The parser knows `=` behind long names only.
    if (flag.startsWith("--")) target.push(`${flag}=${value}`)
    else target.push(flag, value)
  }
  return Either.right([...before, ...(command === undefined ? [] : [command]), ...builtIn, ...options, ...args])
}
