/**
 * Clip jobs: leases per second on SQLite beside better-sqlite3 that does the same transaction by hand, how long a waiting
 * worker takes to be given a job that is requested, and clips from end to end (clips.mjs).
 *
 * Part of `npm run bench`; alone: `npm run build && node bench/playback.mjs`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { Context, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { NodeId } from "../dist/services/NodeId.js"
import { PlaybackQueue } from "../dist/services/PlaybackQueue.js"
import * as Recordings from "../dist/services/Recordings.js"
import * as SqliteNode from "../dist/sql/SqliteNode.js"
import * as SqlPlaybackQueue from "../dist/sql/SqlPlaybackQueue.js"
import { clipRows } from "./clips.mjs"

const JOBS = 4000
const WORKERS = 64
const WAKES = 200
const IDLE = 1000

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
const percentile = (numbers, p) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) * p)]
const nodes = Array.from({ length: WORKERS }, (_, i) => NodeId.make(`node-${i}`))

/** A queue on a database file, every node of which holds the last ten hours of "cam". */
const withQueue = async (folder, body) => {
  const scope = await Effect.runPromise(Scope.make())
  const layer = SqlPlaybackQueue.layer({ perNode: JOBS, maxUnfinished: 2 * JOBS }).pipe(
    Layer.provideMerge(Recordings.layerMemory()),
    Layer.provide(SqliteNode.layer({ filename: join(folder, "ours.sqlite"), synchronous: "NORMAL" }))
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  try {
    const recordings = Context.get(context, Recordings.Recordings)
    const now = Date.now()
    const span = { start: now - 36_000_000, end: now - 10_000 }
    for (const node of nodes) await Effect.runPromise(recordings.reconcile(node, "cam", [span]))
    return await body(Context.get(context, PlaybackQueue), now - 30_000_000)
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
const window = (start) => ({ path: "cam", start, duration: 10_000, format: "mp4", priority: 0 })

/** `callers` workers lease until there is nothing left. Returns leases per second. */
const ours = (folder, callers) =>
  withQueue(folder, async (queue, start) => {
    await Effect.runPromise(
      Effect.forEach(Array.from({ length: JOBS }), (_, i) => queue.request(window(start + i * 1000)), {
        concurrency: "unbounded",
        discard: true
      })
    )
    const drain = (node) => Effect.flatMap(queue.lease(node), (job) => (Option.isSome(job) ? drain(node) : Effect.void))
    const begun = performance.now()
    await Effect.runPromise(Effect.forEach(nodes.slice(0, callers), drain, { concurrency: "unbounded", discard: true }))
    return JOBS / ((performance.now() - begun) / 1000)
  })

/** The same by hand: find the first job that may be given out, write it back as leased, in one transaction each. */
const raw = (folder) => {
  const db = new Database(join(folder, "raw.sqlite"))
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = NORMAL")
  db.exec(`CREATE TABLE jobs (id TEXT PRIMARY KEY, state TEXT NOT NULL, priority INTEGER NOT NULL, requested_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL, version INTEGER NOT NULL, job TEXT NOT NULL);
    CREATE INDEX ready ON jobs (state, priority DESC, requested_at, id)`)
  const insert = db.prepare("INSERT INTO jobs VALUES (?, 'queued', 0, ?, ?, 1, ?)")
  const now = Date.now()
  db.transaction(() => {
    for (let i = 0; i < JOBS; i++) {
      const id = crypto.randomUUID()
      const job = { state: "queued", id, ...window(now - i), end: now, requestedAt: now, updatedAt: now, readyAt: now }
      const more = {
        expiresAt: now,
        attempts: 0,
        token: 0,
        setbacks: 0,
        lastFailure: null,
        refusedBy: [],
        notBefore: now
      }
      insert.run(id, now + i, now, JSON.stringify({ ...job, ...more }))
    }
  })()
  const find = db.prepare(
    "SELECT id, version, job FROM jobs WHERE state = 'queued' AND not_before <= ? ORDER BY priority DESC, requested_at, id LIMIT 1"
  )
  const write = db.prepare("UPDATE jobs SET state = 'leased', version = ?, job = ? WHERE id = ? AND version = ?")
  const lease = db.transaction((node) => {
    const row = find.get(Date.now())
    if (row === undefined) return undefined
    const job = JSON.parse(row.job)
    const time = Date.now()
    const token = job.token + 1
    const leased = {
      ...job,
      state: "leased",
      token,
      updatedAt: time,
      lease: { node, token, objectName: job.id, leasedAt: time, expiresAt: time + 20_000 }
    }
    return write.run(row.version + 1, JSON.stringify(leased), row.id, row.version).changes === 1 ? leased : undefined
  })
  const begun = performance.now()
  for (let i = 0; lease(nodes[i % WORKERS]) !== undefined; i++);
  const rate = JOBS / ((performance.now() - begun) / 1000)
  db.close()
  return rate
}

/** Milliseconds from the call of `request` until the waiting worker has the job, while a thousand others wait in vain. */
const wakes = (folder) =>
  withQueue(folder, async (queue, start) => {
    const idle = Array.from({ length: IDLE }, (_, i) =>
      Effect.runFork(queue.lease(NodeId.make(`idle-${i}`), { wait: "10 minutes" }))
    )
    const taken = []
    for (let i = 0; i < WAKES; i++) {
      const waiting = Effect.runPromise(
        Effect.map(queue.lease(nodes[i % WORKERS], { wait: "10 seconds" }), (job) => [performance.now(), job])
      )
      await new Promise((resolve) => setTimeout(resolve, 2))
      const begun = performance.now()
      await Effect.runPromise(queue.request(window(start + i * 1000)))
      const [at, job] = await waiting
      if (Option.isNone(job)) throw new Error("the worker was not woken")
      taken.push(at - begun)
    }
    await Effect.runPromise(Fiber.interruptAll(idle))
    return taken
  })

const inFolder = async (body) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-bench-"))
  try {
    return await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const playbackRows = async ({ rounds }) => {
  const figures = { many: [], alone: [], raw: [] }
  await inFolder((folder) => ours(folder, WORKERS))
  await inFolder((folder) => raw(folder))
  for (let round = 0; round < rounds; round++) {
    const variants = [
      async () => figures.many.push(await inFolder((folder) => ours(folder, WORKERS))),
      async () => figures.raw.push(await inFolder((folder) => raw(folder))),
      async () => figures.alone.push(await inFolder((folder) => ours(folder, 1)))
    ]
    for (const variant of round % 2 === 0 ? variants : variants.reverse()) await variant()
  }
  const taken = await inFolder(wakes)
  const [many, alone, hand] = [median(figures.many), median(figures.alone), median(figures.raw)]
  const rate = (perSecond) => `${Math.round(perSecond).toLocaleString("en")} /s`
  return [
    {
      what: `clip jobs leased, durable, ${WORKERS} workers`,
      ours: rate(many),
      peer: `${rate(hand)} better-sqlite3, the same transaction`,
      ratio: (many / hand).toFixed(2),
      reach: "≥ 0.5",
      met: many / hand >= 0.5
    },
    {
      what: "clip jobs leased, durable, one worker",
      ours: rate(alone),
      peer: `${rate(hand)} better-sqlite3, the same transaction`,
      ratio: (alone / hand).toFixed(2),
      reach: "(shown only)",
      met: true
    },
    {
      what: `from a request to the waiting worker, ${IDLE} others waiting`,
      ours: `${median(taken).toFixed(2)} ms, p99 ${percentile(taken, 0.99).toFixed(2)} ms`,
      peer: "50 ms",
      ratio: (median(taken) / 50).toFixed(3),
      reach: "≤ 1",
      met: percentile(taken, 0.99) <= 50
    },
    ...(await clipRows({ rounds }))
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.table(await playbackRows({ rounds: 5 }))
