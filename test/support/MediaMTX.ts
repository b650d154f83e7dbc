/**
 * The real server in tests: started from `MEDIAMTX_BIN`, on free ports of 127.0.0.1, stopped by the process that started it.
 * Without the variable every test that needs it is skipped, and says so loudly: a silent skip would look like a pass.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { describe } from "vitest"

export const mediamtxBin = process.env["MEDIAMTX_BIN"]

/** `describe` for suites that need the real MediaMTX. */
export const describeMediaMTX = (name: string, body: (bin: string) => void): void => {
  if (mediamtxBin === undefined || mediamtxBin === "") {
    console.warn(`\n  SKIPPED: "${name}" needs the real server. Set MEDIAMTX_BIN=/path/to/mediamtx to run it.\n`)
    describe.skip(name, () => body(""))
    return
  }
  describe(name, () => body(mediamtxBin))
}

/** Ports that were free a moment ago. */
export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject)
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            if (address !== null && typeof address === "object") resolve(address.port)
          })
        })
    )
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** A child process whose output can be waited for. */
export interface Running {
  readonly child: ChildProcess
  readonly output: () => string
  /** Resolves with the match once the output has it; rejects when the process ends before or `ms` pass. */
  readonly waitFor: (pattern: RegExp, ms?: number) => Promise<RegExpMatchArray>
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | string>
}

/** Starts a program in a process group of its own, so that stopping it takes its children (hooks) with it. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string | undefined>> } = {}
): Running => {
  const child = spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true
  })
  let text = ""
  const listeners = new Set<() => void>()
  const take = (chunk: Buffer) => {
    text += chunk.toString("utf8")
    for (const listener of listeners) listener()
  }
  child.stdout?.on("data", take)
  child.stderr?.on("data", take)
  const exited = once(child, "exit").then(([code, signal]: Array<unknown>) => {
    for (const listener of listeners) listener()
    return typeof code === "number" ? code : String(signal)
  })
  const signalGroup = (signal: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null) return
    try {
      process.kill(-child.pid, signal)
    } catch {
      // Already gone.
    }
  }
  return {
    child,
    output: () => text,
    exited,
    waitFor: (pattern, ms = 15_000) =>
      new Promise((resolve, reject) => {
        const done = (finish: () => void) => {
          clearTimeout(timer)
          listeners.delete(look)
          finish()
        }
        const look = () => {
          const match = text.match(pattern)
          if (match !== null) done(() => resolve(match))
          else if (child.exitCode !== null || child.signalCode !== null) {
            done(() => reject(new Error(`${command} ended before printing ${pattern}. It printed:\n${text}`)))
          }
        }
        const timer = setTimeout(
          () => done(() => reject(new Error(`${command} did not print ${pattern} in ${ms} ms. It printed:\n${text}`))),
          ms
        )
        listeners.add(look)
        look()
      }),
    stop: async (signal = "SIGTERM") => {
      signalGroup(signal)
      const forced = setTimeout(() => signalGroup("SIGKILL"), 8_000)
      const result = await exited
      clearTimeout(forced)
      return result
    }
  }
}

/** Asks again until `ask` gives a value, for what only time can bring (a real process reacting). */
export const eventually = async <A>(
  what: string,
  ask: () => Promise<A | undefined | false>,
  ms = 15_000
): Promise<A> => {
  const end = performance.now() + ms
  let last: unknown
  while (performance.now() < end) {
    try {
      const value = await ask()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what}: not within ${ms} ms${last === undefined ? "" : ` (${String(last)})`}`)
}
