/** The manager, as the updater calls it: the config of this node, and the report about it. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { managerUrl } from "../../src/mediamtx/CommandText.js"
import { END_MARKER } from "../../src/mediamtx/EndMarker.js"
import { Heartbeat } from "../../src/services/NodeRegistry.js"
import type { HttpFailure } from "../support/Http.js"
import { exchange, type WholeReply } from "../support/WholeReply.js"
import { type ConfigFile, configFrom, isWhole } from "./ConfigText.js"
import type { Settings } from "./Settings.js"

/**
 * - `Away`: it does not answer, or says itself that it can't right now. Another try may help.
 * - `Refused`: it does not take this node or key.
 * - `Garbled`: what came is not what the manager gives: something else answers in its place, or part of it is missing.
 */
export class ManagerError extends Data.TaggedError("ManagerError")<{
  readonly reason: "Away" | "Refused" | "Garbled"
  readonly message: string
}> {}

export interface HeartbeatReply {
  /** SHA-256 (hex) of the config that this node should run; null when the manager does not know. */
  readonly configHash: string | null
  /** As they came: see Commands.ts. */
  readonly commands: ReadonlyArray<unknown>
}

export interface ManagerShape {
  /** The config, or `undefined` when it is the one with the hash `have`. Whole and unharmed, but not looked at. */
  readonly config: (have: string | undefined) => Effect.Effect<ConfigFile | undefined, ManagerError>
  readonly heartbeat: (beat: Heartbeat) => Effect.Effect<HeartbeatReply, ManagerError>
}

export class Manager extends Context.Tag("mtx-updater/Manager")<Manager, ManagerShape>() {}

/** MediaMTX configs of 10,000 paths have about 3 MB; what is longer is not one. */
const MAX_CONFIG = 16 * 1024 * 1024
const MAX_REPLY = 1024 * 1024

const HeartbeatReplyJson = Schema.parseJson(
  Schema.Struct({ configHash: Schema.NullOr(Schema.String), commands: Schema.Array(Schema.Unknown) })
)
const decodeReply = Schema.decodeUnknown(HeartbeatReplyJson)
const encodeBeat = Schema.encode(Schema.parseJson(Heartbeat))
const decodeMessage = Schema.decodeUnknownOption(Schema.parseJson(Schema.Struct({ message: Schema.String })))

const garbled = (message: string) => new ManagerError({ reason: "Garbled", message })

const away = (error: HttpFailure) =>
  error.code === "EMSGSIZE"
    ? garbled(error.message)
    : new ManagerError({ reason: "Away", message: `the manager is away: ${error.message}` })

/** What an answer that is none of the good ones says. */
const complaint = (reply: WholeReply, url: URL): ManagerError => {
  const { status } = reply
  // The manager's own errors say what is wrong; the page of a proxy is not for a log.
  const said = decodeMessage(Buffer.from(reply.body).toString("utf8"))
  const text = said._tag === "Some" ? `: ${said.value.message.slice(0, 300)}` : ""
  if (status === 401 || status === 403) {
    return new ManagerError({
      reason: "Refused",
      message: `the manager does not take KEY for this node (${status}${text})`
    })
  }
  if (status >= 300 && status < 400) {
    const location = reply.header("location") ?? ""
    return garbled(
      `${url.origin} redirects (${status}), which the manager never does; nothing was sent there. ` +
        `If the manager is at ${originOf(location, url)}, set URL to that`
    )
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new ManagerError({ reason: "Away", message: `the manager answers ${status}${text}` })
  }
  return new ManagerError({ reason: "Refused", message: `the manager answers ${status}${text}; is URL right?` })
}

const originOf = (location: string, base: URL): string => {
  try {
    return new URL(location, base).origin
  } catch {
    return "another place"
  }
}

/** All that a config from the manager has and one from anywhere else, or half of one, has not. */
const readConfig = (reply: WholeReply): ConfigFile | string => {
  const type = (reply.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase()
  if (type !== "text/yaml") return `its type is ${JSON.stringify(type ?? "")}, not text/yaml`
  const encoding = reply.header("content-encoding")
  if (encoding !== undefined && encoding !== "identity") return "it is compressed, which was not asked for"
  if (reply.body.byteLength === 0) return "it is empty"
  const length = reply.header("content-length")
  if (length !== undefined && Number(length) !== reply.body.byteLength) return "it is not as long as announced"
  const file = configFrom(reply.body)
  if (file === undefined) return "it is not UTF-8"
  if (!isWhole(file.text)) return `its last line is not ${JSON.stringify(END_MARKER)}, or nothing is before it`
  // A proxy may mark the tag as weak without touching the body, which is compared here anyway.
  const tag = /^(?:W\/)?"([0-9a-f]{64})"$/.exec(reply.header("etag") ?? "")?.[1]
  if (tag === undefined) return "it has no ETag of the manager"
  if (tag !== file.hash) return "its ETag is not the SHA-256 of what came"
  return file
}

export const layer = (settings: Settings): Layer.Layer<Manager> => {
  const { key, node, url } = settings
  const authorization = () => ({ authorization: `Bearer ${Redacted.value(key)}` })
  const configUrl = new URL(managerUrl(url, "", { node }, "URL"))
  const heartbeatUrl = new URL(managerUrl(url, `/nodes/${node}/heartbeat`, {}, "URL"))

  return Layer.succeed(Manager, {
    config: Effect.fn("Manager.config")(function* (have: string | undefined) {
      const reply = yield* exchange({
        method: "GET",
        url: configUrl,
        headers: {
          ...authorization(),
          accept: "text/yaml",
          ...(have === undefined ? {} : { "if-none-match": `"${have}"` })
        },
        within: Duration.seconds(20),
        limit: MAX_CONFIG
      }).pipe(Effect.mapError(away))
      if (reply.status === 304) {
        if (have !== undefined) return undefined
        return yield* garbled("the manager says that nothing changed, and was not asked that")
      }
      if (reply.status !== 200) return yield* complaint(reply, configUrl)
      const file = readConfig(reply)
      if (typeof file !== "string") return file
      return yield* garbled(`what ${configUrl.origin} gives is not a config of the manager: ${file}`)
    }),
    heartbeat: Effect.fn("Manager.heartbeat")(function* (beat: Heartbeat) {
      const body = yield* Effect.orDie(encodeBeat(beat))
      const reply = yield* exchange({
        method: "POST",
        url: heartbeatUrl,
        headers: { ...authorization(), "content-type": "application/json" },
        body,
        within: Duration.seconds(10),
        limit: MAX_REPLY
      }).pipe(Effect.mapError(away))
      if (reply.status !== 200) return yield* complaint(reply, heartbeatUrl)
      return yield* decodeReply(Buffer.from(reply.body).toString("utf8")).pipe(
        Effect.mapError(() => garbled(`what ${heartbeatUrl.origin} answers to a heartbeat is not the manager's`))
      )
    })
  })
}
