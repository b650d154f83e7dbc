import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { base, configCases } from "./configCases.js"

const binary = process.env["MEDIAMTX_BIN"]
if (binary === undefined) {
  console.warn("SKIPPED: MEDIAMTX_BIN is not set, so no config is shown to a real MediaMTX")
}

type Outcome = "refuses" | "ends" | "takes"

const running = new Set<ChildProcess>()
let folder = ""
let count = 0

/**
 * Starts the server on a config. It refuses before it says that the config was loaded; of what it has loaded, it takes what
 * does not make it end within `patience` ms.
 */
const tryConfig = async (
  config: unknown,
  patience: number
): Promise<{ readonly outcome: Outcome; readonly log: string }> => {
  const file = join(folder, `${count++}.yml`)
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config))
  return new Promise((resolve, reject) => {
    const child = spawn(binary ?? "", [file], { cwd: folder, env: {}, stdio: ["ignore", "pipe", "pipe"] })
    running.add(child)
    let log = ""
    let loaded = false
    let timer: NodeJS.Timeout | undefined
    const read = (chunk: Buffer) => {
      log += chunk.toString()
      if (loaded || !log.includes("configuration loaded from")) return
      loaded = true
      timer = setTimeout(() => {
        timer = undefined
        child.kill("SIGKILL")
      }, patience)
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.on("error", reject)
    child.on("close", (code, signal) => {
      running.delete(child)
      clearTimeout(timer)
      const outcome: Outcome = loaded ? (signal === "SIGKILL" ? "takes" : "ends") : "refuses"
      if (outcome === "refuses" && (code !== 1 || !log.includes("ERR"))) reject(new Error(`exit ${code}: ${log}`))
      else resolve({ outcome, log })
    })
  })
}

describe.skipIf(binary === undefined)("a real MediaMTX", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "mtx-rules-"))
  })
  afterAll(async () => {
    for (const child of running) child.kill("SIGKILL")
    await rm(folder, { recursive: true, force: true })
  })

  // A few at a time: each start takes a fraction of a second.
  const named = configCases.map((item, index) => [`${item.rule} #${index}`, item] as const)
  const batches = Array.from({ length: Math.ceil(named.length / 20) }, (_, index) =>
    named.slice(index * 20, index * 20 + 20)
  )

  it.each(batches.map((batch) => [batch[0]?.[0] ?? "", batch] as const))(
    "agrees from %s on",
    async (_, batch) => {
      const queue = batch.flatMap(([name, item]) => [
        { name: `${name} bad`, config: { ...base, ...item.bad }, expected: [item.real] },
        // A rule of the loader is kept once the file is loaded. Whether its servers then find their certificates and free
        // ports is another matter.
        {
          name: `${name} good`,
          config: { ...base, ...item.good },
          expected: item.real === "refuses" ? (["takes", "ends"] as const) : (["takes"] as const)
        }
      ])
      const wrong: Array<string> = []
      const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const patience = next.expected[0] === "ends" ? 5000 : 0
          const { outcome, log } = await tryConfig(next.config, patience)
          if (!next.expected.some((expected) => expected === outcome))
            wrong.push(`${next.name}: ${outcome}, expected ${next.expected.join(" or ")}\n${log}`)
        }
      }
      await Promise.all([worker(), worker(), worker(), worker()])
      expect(wrong).toEqual([])
    },
    60_000
  )
})
