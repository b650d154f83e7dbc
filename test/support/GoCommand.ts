/**
 * Runs a hook command as MediaMTX does on unix: split by shell quoting, `$NAME` replaced in each word, no shell.
 * Written from Go's documentation of `os.Expand`, and checked against the real server in the tests that have it.
 */
import { splitHookCommand } from "../../src/mediamtx/HookCommand.js"

export const expandGo = (word: string, env: Readonly<Record<string, string>>): string =>
  word.replace(/\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?\-0-9]))/g, (_, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? ""
    return env[name] ?? ""
  })

/** The argument vector that the child gets. */
export const goArguments = (command: string, env: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const words = splitHookCommand(command)
  if (typeof words === "string") throw new Error(`unbalanced ${words} in: ${command}`)
  return words.map((word) => expandGo(word, env))
}
