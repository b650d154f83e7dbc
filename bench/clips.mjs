/**
 * Clips from end to end: from `POST /playback/requests` to the signed URL, by the built manager and the built `mtx-playback`,
 * beside the same cut by hand: one script that saves MediaMTX's `/get` and sends the file to the same storage by a signed PUT.
 * And the memory of the worker while it moves a gibibyte.
 *
 * MediaMTX is a stand-in (peers/playback.mjs), so that this runs anywhere; both ask the same one.
 */
import { spawn } from "node:child_process"
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { Agent, request as httpRequest } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { Effect, Redacted } from "effect"
import { memory } from "../dist/services/ObjectStorage/MemoryStorage.js"
import { median, startServer } from "./process.mjs"

const KEY = "a-shared-key-of-the-bench"
const NODE = "edge-1"
/** Seconds of the recording that make a clip of so much. */
const SHORT = 10
const LARGE = 400
const GIBIBYTE = 4_100
/** Bytes that the script by hand has in its hands: as much as makes it no faster. */
const BUFFER = 512 * 1024
const agent = new Agent({ keepAlive: true })

/** What docs/playback-worker.md says keeps the worker small: V8's young space, and what glibc keeps of what was freed. */
const FRUGAL_FLAGS = ["--max-semi-space-size=1", "--v8-pool-size=1"]
const FRUGAL = {
  UV_THREADPOOL_SIZE: "2",
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "32768",
  MALLOC_TRIM_THRESHOLD_: "65536"
}

const startWorker = async (env, flags = []) => {
  const script = fileURLToPath(new URL("../dist/sidecar/mtx-playback.js", import.meta.url))
  const child = spawn(process.execPath, [...flags, script], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let log = ""
  const status = () => readFileSync(`/proc/${child.pid}/status`, "utf8")
  await new Promise((resolve, reject) => {
    const take = (chunk) => {
      log += chunk
      if (/mtx-playback cuts recordings/.test(log)) resolve()
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    child.once("exit", (code) => reject(new Error(`mtx-playback ended with ${code}: ${log}`)))
  })
  return {
    log: () => log,
    cpu: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ")
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
    /** The most that was resident so far, in MiB. */
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(status())[1]) / 1024,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve)
        child.kill("SIGTERM")
      })
  }
}

const send = (url, options) =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { agent, ...options }, resolve)
    outgoing.once("error", reject)
    if (options.body === undefined) outgoing.end()
    else if (typeof options.body === "string") outgoing.end(options.body)
    else pipeline(options.body, outgoing).catch(reject)
  })
const textOf = async (answer) => {
  let text = ""
  for await (const chunk of answer.setEncoding("utf8")) text += chunk
  return text
}

const withSite = async (body) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-bench-"))
  mkdirSync(join(folder, "config"))
  writeFileSync(join(folder, "config", "base.yml"), "paths:\n  cam:\n    record: yes\n")
  writeFileSync(
    join(folder, "config", "manager.yml"),
    "auth:\n  rules:\n    - allow: [playback.request, playback.worker]\n"
  )
  const started = []
  try {
    const node = await startServer("./peers/playback.mjs", [])
    started.push(node)
    const manager = await startServer("../dist/cli/mtx-manager.js", [
      "serve",
      "--port",
      "0",
      "--key",
      KEY,
      "--data",
      folder
    ])
    started.push(manager)
    const base = `http://127.0.0.1:${manager.port}`
    const mediamtx = `http://127.0.0.1:${node.port}`
    const env = { URL: base, KEY, NODE, MEDIAMTX_URL: mediamtx, SPOOL: join(folder, "spool") }
    const worker = await startWorker(env)
    started.push(worker)
    /** Another one in its place. */
    const frugal = async () => {
      await started.pop().stop()
      const next = await startWorker({ ...env, ...FRUGAL }, FRUGAL_FLAGS)
      started.push(next)
      return { base, mediamtx, folder, worker: next, manager }
    }
    return await body({ base, mediamtx, folder, worker, manager, frugal })
  } finally {
    for (const each of started.reverse()) await each.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

let windows = 0
const nextWindow = (seconds) => ({
  path: "cam",
  start: new Date(Date.now() - 24 * 3_600_000 + windows++ * 1_000).toISOString(),
  duration: seconds * 1_000
})

/** Milliseconds until the URL is there. */
const ours = async ({ base, worker }, seconds) => {
  const headers = { authorization: `Bearer ${KEY}` }
  const json = JSON.stringify(nextWindow(seconds))
  const begun = performance.now()
  const asked = await send(`${base}/playback/requests`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(json) },
    body: json
  })
  let job = JSON.parse(await textOf(asked))
  while (job.clip === null) {
    if (job.state === "failed") throw new Error(`${JSON.stringify(job)}\n${worker.log()}`)
    job = JSON.parse(await textOf(await send(`${base}/playback/jobs/${job.id}?wait=50`, { headers })))
  }
  const took = performance.now() - begun
  return { took, clip: job.clip }
}

const run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] })
    child.once("error", reject)
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`))))
  })
const hasCurl = () =>
  run("curl", ["--version"]).then(
    () => true,
    () => false
  )

/** The cut by hand: `fetch(url, file)` it, then `store(url, headers, file)` it. */
const byHand =
  ({ fetch, store }) =>
  async ({ base, folder, mediamtx }, signer, seconds) => {
    const { duration, path, start } = nextWindow(seconds)
    const file = join(folder, "by-hand.mp4")
    const put = await Effect.runPromise(
      signer.signPut(`recordings/hand-${windows}.mp4`, { contentType: "video/mp4", expiresIn: "1 hour" })
    )
    const begun = performance.now()
    const query = new URLSearchParams({ path, start, duration: String(duration / 1_000), format: "mp4" })
    await fetch(`${mediamtx}/get?${query}`, file)
    await store(Redacted.value(put.url).replace("http://bench", base), put.headers, file)
    return performance.now() - begun
  }

const byScript = byHand({
  fetch: async (url, file) => pipeline(await send(url, {}), createWriteStream(file, { highWaterMark: BUFFER })),
  store: async (url, headers, file) => {
    const stored = await send(url, {
      method: "PUT",
      headers: { ...headers, "content-length": statSync(file).size },
      body: createReadStream(file, { highWaterMark: BUFFER })
    })
    await textOf(stored)
    if (stored.statusCode !== 200) throw new Error(`the upload by hand was answered with ${stored.statusCode}`)
  }
})

/** As in a shell. */
const byCurl = byHand({
  fetch: (url, file) => run("curl", ["-sSf", "-o", file, url]),
  store: (url, headers, file) =>
    run("curl", [
      "-sSf",
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      "-T",
      file,
      url
    ])
})

const milliseconds = (value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`

/** Both in turns, each going first as often. */
const compare = async (site, signer, seconds, times, curl) => {
  const figures = { ours: [], hand: [], curl: [], size: 0 }
  for (let i = -1; i < times; i++) {
    const turns = [
      async () => {
        const { clip, took } = await ours(site, seconds)
        figures.size = clip.size
        if (i >= 0) figures.ours.push(took)
      },
      async () => {
        const took = await byScript(site, signer, seconds)
        if (i >= 0) figures.hand.push(took)
      },
      async () => {
        if (!curl) return
        const took = await byCurl(site, signer, seconds)
        if (i >= 0) figures.curl.push(took)
      }
    ]
    for (const turn of i % 2 === 0 ? turns : turns.reverse()) await turn()
    // Neither fills the disk for the other.
    rmSync(join(site.folder, "clips", "recordings"), { recursive: true, force: true })
  }
  return {
    ours: median(figures.ours),
    hand: median(figures.hand),
    curl: curl ? median(figures.curl) : undefined,
    size: figures.size,
    all: figures
  }
}

export const clipRows = async ({ rounds }) =>
  withSite(async (site) => {
    const signer = await Effect.runPromise(
      Effect.scoped(memory().make({ base: "http://bench", key: Redacted.make(KEY) }))
    )
    const curl = await hasCurl()
    const short = await compare(site, signer, SHORT, 8 * rounds, curl)
    const large = await compare(site, signer, LARGE, 3 * rounds, curl)
    if (process.env["CLIPS_DETAILS"]) console.log(JSON.stringify({ short: short.all, large: large.all }))
    const frugal = await site.frugal()
    const resting = frugal.worker.peak()
    const { clip } = await ours(frugal, GIBIBYTE)
    const peak = frugal.worker.peak()
    const row = (what, by, ours, hand, reach) => ({
      what,
      ours: milliseconds(ours),
      peer: `${milliseconds(hand)} /get and a signed PUT by ${by}, the same stand-in for MediaMTX`,
      ratio: (ours / hand).toFixed(2),
      reach: reach === undefined ? "(shown only)" : `≤ ${reach}`,
      met: reach === undefined || ours / hand <= reach
    })
    const rows = (what, figures, reach) =>
      figures.curl === undefined
        ? [row(what, "one script (no curl here)", figures.ours, figures.hand, reach)]
        : [
            row(what, "curl", figures.ours, figures.curl, reach),
            row(what, "one running script", figures.ours, figures.hand, undefined)
          ]
    return [
      ...rows(`from the request to the URL, a clip of ${SHORT} s, ${(short.size / 1e6).toFixed(1)} MB`, short, 1.3),
      ...rows(`from the request to the URL, a clip of ${Math.round(large.size / 1e6)} MB, in parts`, large, 1.05),
      {
        what: `memory of mtx-playback while it moves ${(clip.size / 1024 ** 3).toFixed(2)} GiB in parts, set up to be small`,
        ours: `${Math.round(peak)} MiB, ${Math.round(resting)} MiB before`,
        peer: "80 MiB",
        ratio: (peak / 80).toFixed(2),
        reach: "≤ 1",
        met: peak <= 80
      }
    ]
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await clipRows({ rounds: 3 }))
