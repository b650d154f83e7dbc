/** Auth, hooks and config polls: the built server beside node:http and Hono by hand. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KEY, NODE, nodeToken, PASSWORD } from "./peers/work.mjs"
import { drive, median, startServer, whole } from "./process.mjs"

const token = nodeToken(KEY, NODE)

const request = (method, target, headers, body = "") => {
  const all = {
    Host: "127.0.0.1",
    ...headers,
    ...(method === "POST" ? { "Content-Length": Buffer.byteLength(body) } : {})
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${target} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`
}

/** As MediaMTX sends it. */
export const authRequest = request(
  "POST",
  `/auth?node=${NODE}&token=${token}`,
  { "User-Agent": "Go-http-client/1.1", "Content-Type": "application/json", "Accept-Encoding": "gzip" },
  `{"ip":"127.0.0.1","user":"viewer","password":"${PASSWORD}","token":"${PASSWORD}","action":"read","path":"cams/7","protocol":"rtsp","id":"c3c3c74b-3841-45b5-adf9-1ca1da9fd96e","query":"","userAgent":"Lavf59.27.100"}`
)
/** A reader comes and goes: as busybox wget sends it, but for `Connection: close`, so that it can be measured with kept connections too. */
export const hookRequests = ["read", "unread"].map((event) =>
  request(
    "POST",
    `/hooks?node=${NODE}`,
    { "User-Agent": "Wget", Authorization: `Bearer ${token}`, "Content-Type": "application/x-www-form-urlencoded" },
    `event=${event}&path=cams/7&type=rtspSession&id=c3c3c74b-3841-45b5-adf9-@@@@@@@@@@&query=`
  )
)
export const [hookRequest] = hookRequests
const pollRequest = (etag) =>
  request("GET", `/?node=${NODE}&every=10`, {
    "User-Agent": "Wget",
    Authorization: `Bearer ${token}`,
    "If-None-Match": etag
  })

const managerYml = `auth:
  users:
    - name: viewer
      secret: ${PASSWORD}
  rules:
    - allow: [read]
      paths: ["cams/**"]
      users: [viewer]
`

export const startManager = async (folder, baseYml) => {
  mkdirSync(join(folder, "config"), { recursive: true })
  writeFileSync(join(folder, "config", "base.yml"), baseYml)
  writeFileSync(join(folder, "config", "manager.yml"), managerYml)
  return startServer("../dist/cli/mtx-manager.js", ["serve", "--port", "0", "--key", KEY, "--data", folder])
}

const etagOf = async (server) => {
  const response = await fetch(`http://127.0.0.1:${server.port}/?node=${NODE}`, {
    headers: { authorization: `Bearer ${token}` }
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`config of ${server.port}: ${response.status}`)
  return response.headers.get("etag")
}

export const hotRows = async ({ rounds, seconds }) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-bench-"))
  const servers = {
    manager: await startManager(
      join(folder, "manager"),
      `paths:\n${Array.from({ length: 40 }, (_, i) => `  cams/${i}:\n    record: yes\n`).join("")}`
    ),
    raw: await startServer("./peers/raw.mjs", [join(folder, "raw.db")]),
    hono: await startServer("./peers/hono.mjs", [join(folder, "hono.db")])
  }
  const etags = {}
  for (const [name, server] of Object.entries(servers)) etags[name] = await etagOf(server)

  const jobs = [
    { name: "auth", requests: () => [authRequest], expect: "204", reach: 0.85, alsoHono: true },
    { name: "hooks, durable", requests: () => hookRequests, expect: "204", reach: 0.6 },
    { name: "config poll, 304", requests: (server) => [pollRequest(etags[server])], expect: "304", reach: 0.8 }
  ]
  const results = {}
  try {
    for (let round = -1; round < rounds; round++) {
      for (const job of jobs) {
        for (const fresh of [true, false]) {
          const order = Object.keys(servers)
          if (round % 2 !== 0) order.reverse()
          for (const name of order) {
            const server = servers[name]
            const before = server.cpu()
            const result = await drive({
              port: server.port,
              requests: job.requests(name),
              connections: 32,
              // Round -1 warms up.
              seconds: round < 0 ? 1 : seconds,
              fresh
            })
            const cpu = ((server.cpu() - before) * 1000) / Math.max(1, result.done)
            const others = Object.keys(result.statuses).filter((status) => status !== job.expect)
            if (others.length > 0 || result.failed > 0) {
              throw new Error(`${name} ${job.name}: ${JSON.stringify(result.statuses)}, ${result.failed} failed`)
            }
            if (round < 0) continue
            const key = `${job.name}|${fresh}|${name}`
            const list = results[key] ?? []
            results[key] = list
            list.push({ ...result, cpu })
          }
        }
      }
    }
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  }

  const figure = (job, fresh, name, field) => median(results[`${job}|${fresh}|${name}`].map((one) => one[field]))
  const shown = (job, fresh, name) =>
    `${whole(figure(job, fresh, name, "rps"))}/s, ${figure(job, fresh, name, "cpu").toFixed(0)} µs CPU, p99 ${figure(job, fresh, name, "p99").toFixed(1)} ms`
  const rows = []
  for (const job of jobs) {
    for (const fresh of [true, false]) {
      for (const peer of ["raw", "hono"]) {
        // Ratios by round, then their median: neighbours in time share the machine's mood.
        const ratio = median(
          results[`${job.name}|${fresh}|manager`].map(
            (one, round) => one.rps / results[`${job.name}|${fresh}|${peer}`][round].rps
          )
        )
        const reach = peer === "raw" ? job.reach : job.alsoHono === true ? 1 : undefined
        rows.push({
          what: `${job.name}, ${fresh ? "new connection each" : "kept connections"}`,
          ours: shown(job.name, fresh, "manager"),
          peer: `${peer === "raw" ? "node:http" : "Hono"} by hand: ${shown(job.name, fresh, peer)}`,
          ratio: ratio.toFixed(2),
          reach: reach === undefined ? "–" : `≥ ${reach}`,
          met: reach === undefined || ratio >= reach - 0.005
        })
      }
    }
  }
  return rows
}
