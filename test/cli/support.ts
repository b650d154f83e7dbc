/**
 * The built program as a user runs it: `node dist/cli/main.js ...`, with stdout and stderr apart.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))

export interface Outcome {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves when stdout matches; rejects when the process ends first. */
  readonly printed: (pattern: RegExp) => Promise<RegExpMatchArray>
  /** Resolves when stderr matches; rejects when the process ends first. */
  readonly noted: (pattern: RegExp) => Promise<RegExpMatchArray>
  readonly outcome: Promise<Outcome>
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string | Uint8Array
}

const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill("SIGKILL")
})

/** Starts the program without the settings of whoever runs the tests. */
export const start = (args: ReadonlyArray<string>, options: RunOptions = {}): Started => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MANAGER_") && name !== "NO_COLOR")
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  running.add(child)
  const text = { stdout: "", stderr: "" }
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of [...waiting]) check()
  }
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text.stdout += chunk
    wake()
  })
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.stderr += chunk
    wake()
  })
  // A program that does not read its input may be gone before it is written.
  child.stdin.on("error", () => {})
  child.stdin.end(options.stdin ?? "")
  let ended = false
  const outcome = once(child, "close").then(([code, signal]: Array<unknown>): Outcome => {
    ended = true
    running.delete(child)
    wake()
    return { code: typeof code === "number" ? code : String(signal), ...text }
  })
  const when = (stream: "stdout" | "stderr") => (pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const check = () => {
        const match = pattern.exec(text[stream])
        if (match === null && !ended) return
        waiting.delete(check)
        if (match !== null) resolve(match)
        else reject(new Error(`it ended without ${pattern} on ${stream}:\n${text.stdout}\n${text.stderr}`))
      }
      waiting.add(check)
      check()
    })
  return {
    child,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    printed: when("stdout"),
    noted: when("stderr"),
    outcome
  }
}

export const cli = (args: ReadonlyArray<string>, options?: RunOptions): Promise<Outcome> => start(args, options).outcome

/** A folder that is gone after the tests of the file. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "mtx-manager-cli-"))
  afterAll(() => rmSync(path, { recursive: true, force: true }))
  return path
}
