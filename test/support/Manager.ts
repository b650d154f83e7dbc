/**
 * The built server in tests, started as a user starts it: `node dist/cli/main.js serve`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePorts, type Running, run } from "./MediaMTX.js"

export const cliPath = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))

export interface RunningManager {
  readonly url: string
  readonly key: string
  readonly data: string
  readonly process: Running
  /** Asks as admin. */
  readonly get: (path: string) => Promise<Response>
  readonly json: <A>(path: string) => Promise<A>
  /** A command of the CLI against the same data folder; rejects unless it exits 0. */
  readonly cli: (...args: ReadonlyArray<string>) => Promise<string>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | string>
}

export const tempFolder = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "mtx-manager-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export const TEST_KEY = "test-key-0123456789abcdefghijklmnop"

/** Starts it and waits until it listens. Write `config/base.yml` and `config/manager.yml` below `data` before. */
export const startManager = async (options: {
  readonly data: string
  readonly port?: number
  /** Default {@link TEST_KEY}. */
  readonly key?: string
  /** As nodes reach it, when that is not its own address. */
  readonly base?: string
  readonly args?: ReadonlyArray<string>
}): Promise<RunningManager> => {
  const port = options.port ?? (await freePorts(1))[0] ?? 0
  const url = `http://127.0.0.1:${port}`
  const key = options.key ?? TEST_KEY
  const flags = ["--data", options.data, "--key", key]
  const process = run(
    "node",
    [cliPath, "serve", ...flags, "--port", String(port), "--base", options.base ?? url, ...(options.args ?? [])],
    { env: { NO_COLOR: "1" } }
  )
  await process.waitFor(/^listening on /m, 30_000)
  const get = (path: string) => fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` } })
  return {
    url,
    key,
    data: options.data,
    process,
    get,
    json: async <A>(path: string) => {
      const response = await get(path)
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
      // The caller states the shape; tests compare what they use of it.
      return (await response.json()) as A
    },
    cli: async (...args) => {
      const command = run("node", [cliPath, ...args], { env: { NO_COLOR: "1" } })
      const code = await command.exited
      if (code !== 0) throw new Error(`mtx-manager ${args.join(" ")}: exit ${code}\n${command.output()}`)
      return command.output()
    },
    stop: (signal) => process.stop(signal)
  }
}
