/** `handler` and `manager` in Hono beside Hono by hand, on @hono/node-server. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { authRequest, hookRequest } from "./hot.mjs"
import { KEY } from "./peers/work.mjs"
import { drive, median, startServer, whole } from "./process.mjs"

const withKey = (request) => request.replace(/token=[^ &]+/, `token=${KEY}`).replace(/Bearer [^\r]+/, `Bearer ${KEY}`)

export const honoRows = async ({ rounds, seconds }) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-bench-"))
  const servers = {
    handler: await startServer("./hono-app.mjs", ["handler"]),
    plain: await startServer("./peers/hono-plain.mjs", []),
    manager: await startServer("./hono-app.mjs", ["manager", join(folder, "manager.db")]),
    hono: await startServer("./peers/hono.mjs", [join(folder, "hono.db")])
  }
  const jobs = [
    { name: "handler: auth", ours: "handler", peer: "plain", request: withKey(authRequest) },
    { name: "handler: hooks", ours: "handler", peer: "plain", request: withKey(hookRequest) },
    { name: "manager in Hono: auth", ours: "manager", peer: "hono", request: authRequest },
    { name: "manager in Hono: hooks, durable", ours: "manager", peer: "hono", request: hookRequest }
  ]
  const results = {}
  try {
    for (let round = -1; round < rounds; round++) {
      for (const job of jobs) {
        for (const fresh of [true, false]) {
          const order = [job.ours, job.peer]
          if (round % 2 !== 0) order.reverse()
          for (const name of order) {
            const server = servers[name]
            const before = server.cpu()
            const result = await drive({
              port: server.port,
              requests: [job.request],
              connections: 32,
              seconds: round < 0 ? 1 : seconds,
              fresh
            })
            const cpu = ((server.cpu() - before) * 1000) / Math.max(1, result.done)
            const others = Object.keys(result.statuses).filter((status) => status !== "204")
            if (others.length > 0 || result.failed > 0) {
              throw new Error(`${name} ${job.name}: ${JSON.stringify(result.statuses)}, ${result.failed} failed`)
            }
            if (round < 0) continue
            const key = `${job.name}|${fresh}|${name}`
            results[key] = [...(results[key] ?? []), { ...result, cpu }]
          }
        }
      }
    }
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  const rows = []
  for (const job of jobs) {
    for (const fresh of [true, false]) {
      const of = (name) => results[`${job.name}|${fresh}|${name}`]
      const shown = (name) => {
        const figure = (field) => median(of(name).map((one) => one[field]))
        return `${whole(figure("rps"))}/s, ${figure("cpu").toFixed(0)} µs CPU, p99 ${figure("p99").toFixed(1)} ms`
      }
      const ratio = median(of(job.ours).map((one, round) => one.rps / of(job.peer)[round].rps))
      rows.push({
        what: `${job.name}, ${fresh ? "new connection each" : "kept connections"}`,
        ours: shown(job.ours),
        peer: `Hono by hand: ${shown(job.peer)}`,
        ratio: ratio.toFixed(2),
        reach: "≥ 0.85",
        met: ratio >= 0.845
      })
    }
  }
  return rows
}
