/** The MediaMTX beside this updater, through its control API. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SessionKind } from "../../src/mediamtx/SessionKind.js"
import type { ReportedPath } from "../../src/services/NodeRegistry.js"
import { Timestamp } from "../../src/services/Timestamp.js"
import { exchange } from "../support/WholeReply.js"
import type { Settings } from "./Settings.js"
import type { Probe } from "./Verdict.js"

/**
 * - `Gone`: nothing listens where the API was.
 * - `Silent`: it took the connection and did not answer in time. MediaMTX does that while it waits for an auth decision.
 * - `Refused`: it answers, and does not let this updater in, or does not know what was asked for.
 */
export class ServerError extends Data.TaggedError("ServerError")<{
  readonly reason: "Gone" | "Silent" | "Refused"
  readonly message: string
}> {}

export interface ServerInfo {
  readonly version: string
  /** Epoch milliseconds. */
  readonly started: number
}

export interface ServerShape {
  readonly info: Effect.Effect<ServerInfo, ServerError>
  readonly paths: Effect.Effect<ReadonlyArray<ReportedPath>, ServerError>
  /** Whether the config in force has the values that tell it from its predecessor; the probes that still show the old one. */
  readonly lagging: (probes: ReadonlyArray<Probe>) => Effect.Effect<ReadonlyArray<Probe>, ServerError>
  /** False: there is no such session (any more). */
  readonly kick: (kind: SessionKind, id: string) => Effect.Effect<boolean, ServerError>
}

/** `undefined` when the updater was given no API. */
export class Server extends Context.Tag("mtx-updater/Server")<Server, ServerShape | undefined>() {}

const Info = Schema.parseJson(Schema.Struct({ version: Schema.String, started: Timestamp }))

const Endpoint = Schema.Struct({ type: Schema.String, id: Schema.String })
const PathItem = Schema.Struct({
  name: Schema.String,
  /** Before 1.17 there was only `ready`. */
  ready: Schema.optional(Schema.Boolean),
  available: Schema.optional(Schema.Boolean),
  online: Schema.optional(Schema.Boolean),
  source: Schema.optional(Schema.NullOr(Endpoint)),
  readers: Schema.optional(Schema.NullOr(Schema.Array(Endpoint))),
  inboundBytes: Schema.optional(Schema.NonNegative),
  outboundBytes: Schema.optional(Schema.NonNegative),
  bytesReceived: Schema.optional(Schema.NonNegative),
  bytesSent: Schema.optional(Schema.NonNegative)
})
const PathPage = Schema.parseJson(
  Schema.Struct({ pageCount: Schema.NonNegativeInt, items: Schema.NullOr(Schema.Array(PathItem)) })
)
const Fields = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const decodeInfo = Schema.decodeUnknown(Info)
const decodePage = Schema.decodeUnknown(PathPage)
const decodeFields = Schema.decodeUnknown(Fields)

const reported = (item: typeof PathItem.Type): ReportedPath => {
  const available = item.available ?? item.ready ?? false
  const received = item.inboundBytes ?? item.bytesReceived
  const sent = item.outboundBytes ?? item.bytesSent
  return {
    name: item.name,
    available,
    online: item.online ?? available,
    source: item.source ?? null,
    readers: item.readers ?? [],
    ...(received === undefined ? {} : { bytesReceived: received }),
    ...(sent === undefined ? {} : { bytesSent: sent })
  }
}

/** Where the sessions of a kind are, as hooks and `/v3/paths/list` name the kind. */
const folders: Readonly<Record<SessionKind, string>> = {
  rtspSession: "rtspsessions",
  rtspsSession: "rtspssessions",
  rtmpConn: "rtmpconns",
  rtmpsConn: "rtmpsconns",
  srtConn: "srtconns",
  webRTCSession: "webrtcsessions",
  hlsSession: "hlssessions",
  moqSession: "moqsessions"
}

const PAGE = 500
const MAX_PAGES = 200

/** Longer than MediaMTX's default `readTimeout` (10 s), for which an auth decision may hold up the API. */
const PATIENCE = Duration.seconds(12)

const make = (settings: Settings, api: URL): ServerShape => {
  const headers =
    settings.apiCredentials === undefined ? {} : { authorization: Redacted.value(settings.apiCredentials) }
  const base = `${api.origin}${api.pathname.replace(/\/+$/, "")}`

  const call = (method: "GET" | "POST", path: string) =>
    exchange({
      method,
      url: new URL(`${base}/v3/${path}`),
      headers,
      within: PATIENCE,
      limit: 16 * 1024 * 1024,
      ...(method === "POST" ? { body: "" } : {})
    }).pipe(
      Effect.mapError(
        (error) =>
          new ServerError({
            reason: error.code === "ETIMEDOUT" || error.code === "EMSGSIZE" ? "Silent" : "Gone",
            message: `MediaMTX does not answer: ${error.message}`
          })
      )
    )

  const denied = (status: number) =>
    new ServerError({
      reason: "Refused",
      message:
        status === 401 || status === 403
          ? `MediaMTX's API does not let the updater in (${status}): allow it the action "api", and give it user and ` +
            "password in MEDIAMTX_API (http://user:password@mediamtx:9997) where that needs them"
          : `MediaMTX's API answers ${status}`
    })

  const get = <A, E>(path: string, decode: (body: string) => Effect.Effect<A, E>): Effect.Effect<A, ServerError> =>
    call("GET", path).pipe(
      Effect.flatMap((reply) =>
        reply.status === 200
          ? Effect.mapError(
              decode(Buffer.from(reply.body).toString("utf8")),
              () => new ServerError({ reason: "Refused", message: `what answers at ${base} is not MediaMTX's API` })
            )
          : Effect.fail(denied(reply.status))
      )
    )

  const page = (number: number) => get(`paths/list?itemsPerPage=${PAGE}&page=${number}`, decodePage)

  const lags = (probe: Probe): Effect.Effect<boolean, ServerError> =>
    call("GET", `config/${probe.get}`).pipe(
      Effect.flatMap((reply) => {
        const { field } = probe
        if (field === undefined) {
          // Whether the path is configured.
          if (reply.status === 200 || reply.status === 404) return Effect.succeed((reply.status === 200) === probe.was)
          return Effect.fail(denied(reply.status))
        }
        if (reply.status === 404) return Effect.succeed(false)
        if (reply.status !== 200) return Effect.fail(denied(reply.status))
        return decodeFields(Buffer.from(reply.body).toString("utf8")).pipe(
          // Anything but the old value: an MTX_ variable may have the last word over the file.
          Effect.map((fields) => fields[field] === probe.was),
          Effect.orElseSucceed(() => false)
        )
      })
    )

  return {
    info: get("info", decodeInfo),
    paths: Effect.gen(function* () {
      const first = yield* page(0)
      const items = [...(first.items ?? [])]
      for (let number = 1; number < Math.min(first.pageCount, MAX_PAGES); number++) {
        items.push(...((yield* page(number)).items ?? []))
      }
      // A path that came while the pages were read may stand on two of them.
      return [...new Map(items.map((item) => [item.name, reported(item)])).values()]
    }),
    lagging: (probes) => Effect.filter(probes, lags),
    kick: (kind, id) =>
      call("POST", `${folders[kind]}/kick/${encodeURIComponent(id)}`).pipe(
        Effect.flatMap((reply) =>
          reply.status === 200 || reply.status === 404
            ? Effect.succeed(reply.status === 200)
            : Effect.fail(denied(reply.status))
        )
      )
  }
}

export const layer = (settings: Settings): Layer.Layer<Server> =>
  Layer.succeed(Server, settings.api === undefined ? undefined : make(settings, settings.api))
