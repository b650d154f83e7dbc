/** Starting, measuring and stopping the processes of the bench. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const TICK = 100

/** Starts a server and waits for its line `listening on ...`; resolves with its port. */
export const startServer = async (script, args) => {
  const begun = performance.now()
  const child = spawn(process.execPath, [here(script), ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  let errors = ""
  child.stderr.on("data", (chunk) => {
    errors += chunk
  })
  const port = await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += chunk
      const match = /^listening on (?:http:\/\/[^:\s]+:)?(\d+)/m.exec(text)
      if (match !== null) resolve(Number(match[1]))
    })
    child.once("exit", (code) => reject(new Error(`${script} ended with ${code}: ${text}${errors}`)))
  })
  return {
    port,
    begun,
    pid: child.pid,
    /** CPU time used so far, in ms (user and system). */
    cpu: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ")
      return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICK
    },
    /** Resident memory in MiB. */
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]) / 1024,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve)
        child.kill("SIGTERM")
      })
  }
}

/** Runs the load driver; resolves with its result. */
export const drive = (job) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [here("./driver.mjs"), JSON.stringify(job)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let text = ""
    child.stdout.on("data", (chunk) => {
      text += chunk
    })
    child.once("exit", (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`driver ended with ${code}`))
    )
  })

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `12,345` */
export const whole = (value) => Math.round(value).toLocaleString("en-US")
