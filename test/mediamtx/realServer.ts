/**
 * The real server, started on one config at a time. Needs MEDIAMTX_BIN.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const binary = process.env["MEDIAMTX_BIN"]

if (binary === undefined) {
  console.warn("SKIPPED: MEDIAMTX_BIN is not set, so nothing is compared with a real MediaMTX")
}

/** A TCP port that was free a moment ago: the server never says which one it got for port 0. */
export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))
      )
    })
  })

export interface RealServer {
  /**
   * Runs the server on a config. As soon as its log matches `until`, `then` is run with the match, and the server is killed.
   * Without a match the server ended by itself.
   */
  readonly run: <A>(
    config: unknown,
    until: RegExp,
    then: (match: RegExpExecArray, ended: Promise<void>) => Promise<A>
  ) => Promise<{ readonly matched: A | undefined; readonly code: number | null; readonly log: string }>
  readonly close: () => Promise<void>
}

export const makeRealServer = async (): Promise<RealServer> => {
  const folder = await mkdtemp(join(tmpdir(), "mtx-real-"))
  const running = new Set<ChildProcess>()
  let count = 0
  return {
    run: async <A>(
      config: unknown,
      until: RegExp,
      then: (match: RegExpExecArray, ended: Promise<void>) => Promise<A>
    ) => {
      const file = join(folder, `${count++}.yml`)
      // JSON is YAML.
      await writeFile(file, JSON.stringify(config))
      // An empty environment: MTX_ variables would override the file.
      const child = spawn(binary ?? "", [file], { cwd: folder, env: {}, stdio: ["ignore", "pipe", "pipe"] })
      running.add(child)
      let log = ""
      let matched: { readonly value: A } | undefined
      let working: Promise<void> | undefined
      let failed: unknown
      const ended = new Promise<void>((resolve, reject) => {
        child.on("error", reject)
        child.on("close", () => resolve())
      })
      const read = (chunk: Buffer) => {
        log += chunk.toString()
        const match = working === undefined ? until.exec(log) : null
        if (match === null) return
        working = then(match, ended)
          .then((value) => {
            matched = { value }
          })
          .catch((cause: unknown) => {
            failed = cause
          })
          .finally(() => child.kill("SIGKILL"))
      }
      child.stdout.on("data", read)
      child.stderr.on("data", read)
      await ended
      running.delete(child)
      await working
      if (failed !== undefined) throw failed
      return { matched: matched?.value, code: child.exitCode, log }
    },
    close: async () => {
      for (const child of running) child.kill("SIGKILL")
      await rm(folder, { recursive: true, force: true })
    }
  }
}
