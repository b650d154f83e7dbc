/**
 * A look at the command line before the argument parser's: it takes a flag that it does not know for a file name, and an
 * impossible `--log-level` as well.
 */
import type { Usage } from "@effect/cli/Usage"
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

/** What is wrong with the words after the program's name, or undefined. */
export const commandLineProblem = (
  words: ReadonlyArray<string>,
  commands: ReadonlyMap<string, KnownFlags>
): string | undefined => {
  let command: string | undefined
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ""
    if (word === "--") return undefined
    if (!word.startsWith("-") || word === "-") {
      if (command !== undefined) continue
      if (!commands.has(word)) {
        const near = didYouMean(word, commands.keys())
        return `there is no command ${JSON.stringify(word)}; ${
          near === undefined ? `commands are ${[...commands.keys()].sort().join(", ")}` : `did you mean ${near}?`
        }`
      }
      command = word
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
      return `${flag} is no option ${where}${near === undefined ? "; see --help" : `; did you mean --${near}?`}`
    }
    if (!takesValue) continue
    const value = equals === -1 ? words[++at] : word.slice(equals + 1)
    if (value === undefined) return `${flag} needs a value`
    const allowed = flag === "--log-level" ? logLevels : flag === "--completions" ? shells : undefined
    if (allowed !== undefined && !allowed.some((one) => one === value)) {
      return `${flag}: ${JSON.stringify(value)} is unknown; expected one of ${allowed.join(", ")}`
    }
  }
  return undefined
}
