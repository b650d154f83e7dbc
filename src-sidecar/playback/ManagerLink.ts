/**
 * The manager as a worker sees it: asks for a job, reports on it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { PartsReply, PartsRequest, WorkerJob, WorkerReply, WorkerReport } from "../../src/api/PlaybackWire.js"
import type { NodeId } from "../../src/services/NodeId.js"
import { type HttpFailure, readText, send } from "../support/Http.js"

/**
 * The manager did not do what was asked.
 * - `Away`: no answer, or one that says to come back later. Trying again helps.
 * - `LeaseLost`: the job belongs to another worker by now, was cancelled, or has ended.
 * - `Denied`: the key is wrong, or not of this node.
 * - `Refused`: it does not understand: probably another version.
 */
export class ManagerError extends Data.TaggedError("ManagerError")<{
  readonly reason: "Away" | "LeaseLost" | "Denied" | "Refused"
  readonly message: string
}> {}

export interface ManagerLinkShape {
  /** Waits up to `wait` seconds for a job. */
  readonly lease: (wait: number) => Effect.Effect<Option.Option<WorkerJob>, ManagerError>
  /** Begins an upload in parts, or goes on with one. */
  readonly parts: (job: string, request: PartsRequest) => Effect.Effect<PartsReply, ManagerError>
  readonly report: (job: string, report: WorkerReport) => Effect.Effect<WorkerReply, ManagerError>
}

const decodeJob = Schema.decodeUnknown(Schema.parseJson(WorkerJob))
const decodeReply = Schema.decodeUnknown(Schema.parseJson(WorkerReply))
const decodeParts = Schema.decodeUnknown(Schema.parseJson(PartsReply))
const encodeParts = Schema.encodeSync(Schema.parseJson(PartsRequest))
const decodeProblem = Schema.decodeUnknown(Schema.parseJson(Schema.Struct({ message: Schema.String })))
const encodeReport = Schema.encodeSync(Schema.parseJson(WorkerReport))

const away = (error: HttpFailure) =>
  new ManagerError({ reason: "Away", message: `the manager can't be reached: ${error.message}` })

export const make = (options: {
  readonly url: URL
  readonly key: Redacted.Redacted
  readonly node: NodeId
}): ManagerLinkShape => {
  const base = new URL(options.url)
  base.pathname = base.pathname.replace(/\/*$/, "/")
  base.search = ""
  const authorization = `Bearer ${Redacted.value(options.key)}`

  const call = Effect.fnUntraced(function* (
    request: { readonly method: "GET" | "PUT" | "POST"; readonly path: string; readonly body?: string },
    idle: number
  ) {
    const body = request.body === undefined ? undefined : Buffer.from(request.body)
    const reply = yield* Effect.mapError(
      send({
        method: request.method,
        url: new URL(request.path, base),
        headers: { authorization, accept: "application/json", ...(body && { "content-type": "application/json" }) },
        body: body === undefined ? undefined : { size: body.byteLength, write: (write) => write(body) },
        idle
      }),
      away
    )
    const text = yield* Effect.mapError(readText(reply), away)
    const { status } = reply
    if (status >= 200 && status < 300) return { status, text }
    const message = yield* decodeProblem(text).pipe(
      Effect.map((problem) => problem.message),
      Effect.orElseSucceed(() => `the manager answered with status ${status}`)
    )
    const reason = ((): ManagerError["reason"] => {
      if (status === 409 || status === 410) return "LeaseLost"
      if (status === 404 && request.method !== "GET") return "LeaseLost"
      if (status === 401 || status === 403) return "Denied"
      return status === 408 || status === 429 || status >= 500 ? "Away" : "Refused"
    })()
    return yield* new ManagerError({ reason, message })
  }, Effect.scoped)

  const garbled = () =>
    new ManagerError({ reason: "Refused", message: "what answers at URL is not a manager of this version" })

  return {
    lease: Effect.fnUntraced(function* (wait) {
      const query = new URLSearchParams({ node: options.node, wait: String(wait) })
      const { status, text } = yield* call({ method: "GET", path: `playback/jobs?${query}` }, (wait + 15) * 1000)
      if (status === 204) return Option.none()
      return Option.some(yield* Effect.mapError(decodeJob(text), garbled))
    }),
    parts: Effect.fnUntraced(function* (job, request) {
      const query = new URLSearchParams({ node: options.node })
      const path = `playback/jobs/${encodeURIComponent(job)}/parts?${query}`
      const { text } = yield* call({ method: "POST", path, body: encodeParts(request) }, 60_000)
      return yield* Effect.mapError(decodeParts(text), garbled)
    }),
    report: Effect.fnUntraced(function* (job, report) {
      const query = new URLSearchParams({ node: options.node })
      const path = `playback/jobs/${encodeURIComponent(job)}?${query}`
      // A storage may take its time to make one object of many parts.
      const wait = report.status === "done" ? 60_000 : 15_000
      const { text } = yield* call({ method: "PUT", path, body: encodeReport(report) }, wait)
      return yield* Effect.mapError(decodeReply(text), garbled)
    })
  }
}
