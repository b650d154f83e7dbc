/**
 * One server that plays what a worker meets: MediaMTX's playback, the manager, and the storage. A test scripts each of them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Schema from "effect/Schema"
import { PartsRequest, WorkerReport } from "../../../src/api/PlaybackWire.js"

const decodeParts = Schema.decodeUnknownSync(Schema.parseJson(PartsRequest))
const decode = Schema.decodeUnknownSync(Schema.parseJson(WorkerReport))

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => void

export interface Upload {
  readonly target: URL
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

export interface Site {
  readonly url: URL
  /** Answers `/list` and `/get`. */
  list: Answer
  get: Answer
  /** Answers an upload once its body is there; `beforeBody` may answer, or stall, before that. */
  put: Answer
  beforeBody: Answer | undefined
  /** Answers a report; by default the lease goes on. */
  report: (report: WorkerReport & { readonly at: number }, response: ServerResponse) => void
  /** Answers a worker that wants to send parts. */
  parts: (request: PartsRequest, response: ServerResponse) => void
  /** Jobs that the next polls are given. */
  readonly jobs: Array<Record<string, unknown>>
  readonly asked: Array<{ readonly route: string; readonly url: URL }>
  readonly reports: Array<WorkerReport>
  readonly uploads: Array<Upload>
  /** Resolves with the first report of this status. */
  readonly reported: (status: WorkerReport["status"]) => Promise<WorkerReport>
  readonly close: () => Promise<void>
}

export const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(value))
}

export const openSite = async (): Promise<Site> => {
  const waiting = new Set<() => void>()
  const polls = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    const target = new URL(request.url ?? "/", site.url)
    const route = `${request.method} ${target.pathname}`
    site.asked.push({ route, url: target })
    if (route === "GET /list") return site.list(request, response, target)
    if (route === "GET /get") return site.get(request, response, target)
    if (route === "GET /playback/jobs") {
      const job = site.jobs.shift()
      if (job !== undefined) return json(response, job)
      polls.add(response)
      response.on("close", () => polls.delete(response))
      return
    }
    if (route.startsWith("PUT /upload") && site.beforeBody !== undefined) {
      return site.beforeBody(request, response, target)
    }
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(chunks)
      if (route.startsWith("PUT /upload")) {
        site.uploads.push({ target, headers: request.headers, body })
        site.put(request, response, target)
        return
      }
      if (target.pathname.endsWith("/parts")) return site.parts(decodeParts(body.toString()), response)
      const report = decode(body.toString())
      site.reports.push(report)
      site.report({ ...report, at: performance.now() }, response)
      for (const check of waiting) check()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const site: Site = {
    url: new URL(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`),
    list: (_request, response) => json(response, [], 404),
    get: (_request, response) => json(response, { status: "error", error: "no recording segments found" }, 404),
    put: (_request, response) => response.writeHead(200, { etag: '"e"' }).end(),
    beforeBody: undefined,
    report: (_report, response) => json(response, { leaseMillis: 20_000 }),
    parts: (_request, response) => json(response, { _tag: "NotFound", message: "no such route" }, 404),
    jobs: [],
    asked: [],
    reports: [],
    uploads: [],
    reported: (status) =>
      new Promise((resolve) => {
        const check = () => {
          const found = site.reports.find((report) => report.status === status)
          if (found === undefined) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
  return site
}
