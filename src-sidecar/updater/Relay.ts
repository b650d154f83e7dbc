/**
 * The relay: MediaMTX reports its hooks and asks its questions here, over a way that does not break, and the relay deals
 * with the manager.
 *
 * It takes what the manager takes: `POST /hooks?node=ID` with a bearer token, `POST /auth?node=ID&token=T`.
 */
import { createHmac } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import type { HookEvent } from "../../src/mediamtx/HookEvent.js"
import { decodeForm, decodeJson } from "../../src/mediamtx/HookForm.js"
import { REDACTED, redactQuery } from "../../src/mediamtx/QueryString.js"
import { equal } from "../../src/services/Credentials.js"
import * as AuthRelay from "./AuthRelay.js"
import * as HookDelivery from "./HookDelivery.js"
import * as HookSpool from "./HookSpool.js"
import type { RelaySettings, Settings } from "./Settings.js"
import type { Upstream } from "./Upstream.js"

export interface RelayShape {
  /** What keeps it from its work, for the heartbeat. */
  readonly problem: Effect.Effect<string | undefined>
}

/** `undefined` when the updater has no relay. */
export class Relay extends Context.Tag("mtx-updater/Relay")<Relay, RelayShape | undefined>() {}

/** Nobody can be listened to. */
class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

const LISTEN_AGAIN = Duration.seconds(2)
/** Longer than anything that MediaMTX sends, shorter than what would fill the spool at once. */
const MAX_BODY = 64 * 1024
/** Each waits for one answer. MediaMTX has no more than a few at the same time; a storm of hooks has a process each. */
const MAX_CONNECTIONS = 512

interface Reply {
  readonly status: number
  readonly body?: string
}

const taken: Reply = { status: 204 }
const later = (body: string): Reply => ({ status: 503, body })

/**
 * A query without what in it may be a credential, which has no business on this disk; the manager keeps none either. Of a signed
 * token only the signature is hidden: what it says is how the manager knows which session came in by it.
 */
export const withoutSecrets = (query: string): string =>
  query
    .split("&")
    .map((part) => {
      const signed = /^((?:token|jwt)=eyJ[\w-]*\.[\w-]+\.)[\w-]*$/.exec(part)?.[1]
      return signed === undefined ? redactQuery(part) : `${signed}${REDACTED}`
    })
    .join("&")

/** A hook as it goes to the disk and to the manager, or what is wrong with it. */
const readHook = (type: string, body: string): Either.Either<HookEvent, Reply> => {
  const media = (type.split(";")[0] ?? "").trim().toLowerCase()
  const form = media === "" || media === "application/x-www-form-urlencoded"
  if (!form && media !== "application/json") {
    return Either.left({ status: 415, body: "a hook is a form or JSON" })
  }
  let decoded: ReturnType<typeof decodeForm>
  try {
    decoded = form ? decodeForm(body) : decodeJson(JSON.parse(body))
  } catch {
    return Either.left({ status: 400, body: "the body is not JSON" })
  }
  if (Either.isLeft(decoded)) {
    const error = decoded.left
    const why =
      error._tag === "Field"
        ? `${error.issue.field} ${error.issue.message}; expected ${error.issue.expected}`
        : "it is none that MediaMTX has"
    return Either.left({ status: 400, body: `this is not a hook: ${why}` })
  }
  const event = decoded.right
  return Either.right("query" in event ? { ...event, query: withoutSecrets(event.query) } : event)
}

const bodyOf = (request: IncomingMessage): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.byteLength
      if (size <= MAX_BODY) chunks.push(chunk)
    })
    request.on("end", () => resolve(size > MAX_BODY ? undefined : Buffer.concat(chunks).toString("utf8")))
    // A hook that was killed half-way has reported nothing.
    request.on("error", reject)
    request.on("aborted", () => reject(new Error("aborted")))
  })

const send = (response: ServerResponse, { body = "", status }: Reply): void => {
  // busybox waits for the end of the connection where a 204 leaves it open.
  const headers = { connection: "close", ...(status === 204 ? {} : { "content-length": Buffer.byteLength(body) }) }
  response.writeHead(status, headers).end(status === 204 ? undefined : body)
}

const bearer = /^Bearer ([\x21-\x7e]+)$/i

/** Whether a call is of the MediaMTX beside this updater, by the token in the config that it was given. */
const makeGate = ({ key, node }: Pick<Settings, "key" | "node">) => {
  const mine = Redacted.value(key)
  // KEY is the fleet's key or this node's token; either way the config holds the token.
  const token = createHmac("sha256", mine).update(`mtx-manager node ${node}`).digest("base64url")
  return (request: IncomingMessage, url: URL): Reply | undefined => {
    const presented = url.searchParams.get("token") ?? bearer.exec(request.headers.authorization ?? "")?.[1] ?? ""
    const known = equal(presented, token)
    if (!equal(presented, mine) && !known) return { status: 401, body: "the token is not this node's" }
    const about = url.searchParams.get("node")
    return about === node ? undefined : { status: 403, body: `this is the relay of node ${node}` }
  }
}

const make = (settings: Settings, { address, auth, spool: where }: RelaySettings) =>
  Effect.gen(function* () {
    const gate = makeGate(settings)
    const authRelay = yield* AuthRelay.make(auth)
    let listenProblem: string | undefined
    let hookProblem: string | undefined
    let spool: HookSpool.HookSpool | undefined
    let delivery: HookDelivery.HookDelivery | undefined
    /** Whether it could be opened or not. */
    const spoolTried = yield* Deferred.make<void>()

    // The folder may come later, as the config's own may.
    yield* HookSpool.make(where).pipe(
      Effect.tapError((error) =>
        Effect.suspend(() => {
          if (hookProblem === error.message) return Effect.void
          hookProblem = error.message
          return Effect.logError(error.message)
        })
      ),
      Effect.tap((made) =>
        Effect.sync(() => {
          spool = made
        })
      ),
      Effect.onExit(() => Deferred.succeed(spoolTried, undefined)),
      Effect.retry(Schedule.spaced(LISTEN_AGAIN)),
      Effect.flatMap((made) => {
        hookProblem = undefined
        return HookDelivery.make(made, where.folder)
      }),
      Effect.flatMap((made) => {
        delivery = made
        return made.run
      }),
      Effect.forkScoped
    )

    const hook = (type: string, body: string): Effect.Effect<Reply> =>
      Effect.gen(function* () {
        const read = readHook(type, body)
        if (Either.isLeft(read)) return read.left
        yield* Deferred.await(spoolTried)
        if (spool === undefined) return later("hooks can't be kept yet")
        const occurredAt = new Date(yield* Clock.currentTimeMillis).toISOString()
        yield* spool.append({ ...read.right, occurredAt })
        if (hookProblem !== undefined) yield* Effect.logInfo("hooks are kept again")
        hookProblem = undefined
        return taken
      }).pipe(
        Effect.catchAll((error) => {
          const first = hookProblem !== error.message
          hookProblem = error.message
          const reply = later(error.message)
          return first
            ? Effect.as(Effect.logError(`hooks are refused: ${error.message}`), reply)
            : Effect.succeed(reply)
        })
      )

    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const run = (response: ServerResponse, reply: Effect.Effect<Reply>): void => {
      Runtime.runFork(runtime)(
        Effect.matchCauseEffect(reply, {
          onSuccess: (given) => Effect.sync(() => send(response, given)),
          onFailure: (cause) =>
            Effect.zipRight(
              Effect.logError("this is a bug of the updater", cause),
              Effect.sync(() => send(response, { status: 500, body: "a bug of the updater" }))
            )
        }),
        { scope }
      )
    }

    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const url = new URL(request.url ?? "/", "http://relay")
      const { pathname } = url
      const body = await bodyOf(request)
      if (request.method !== "POST" || (pathname !== "/hooks" && pathname !== "/auth")) {
        return send(response, { status: 404, body: "a relay has POST /hooks and POST /auth" })
      }
      const refused = gate(request, url)
      if (refused !== undefined) return send(response, refused)
      if (body === undefined) return send(response, { status: 413, body: `the body is over ${MAX_BODY} bytes` })
      if (pathname === "/hooks") return run(response, hook(request.headers["content-type"] ?? "", body))
      run(response, authRelay.answer(body))
    }

    const listen = Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>, CannotListen>((resume) => {
        const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
          answer(request, response).catch(() => response.destroy())
        })
        server.maxConnections = MAX_CONNECTIONS
        server.once("error", (error) =>
          resume(
            Effect.fail(
              new CannotListen({
                message: `the relay can't listen on ${address.host}:${address.port}: ${error.message}`
              })
            )
          )
        )
        server.listen(address.port, address.host, () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
    yield* listen.pipe(
      Effect.tapError((error) =>
        Effect.suspend(() => {
          const first = listenProblem === undefined
          listenProblem = error.message
          return first ? Effect.logError(error.message) : Effect.void
        })
      ),
      Effect.retry(Schedule.spaced(LISTEN_AGAIN)),
      Effect.tap((server) => {
        listenProblem = undefined
        server.removeAllListeners("error")
        server.on("error", () => {})
        const bound = server.address()
        const port = typeof bound === "object" && bound !== null ? bound.port : address.port
        return Effect.logInfo(`the relay listens on ${address.host}:${port}`)
      }),
      Effect.forkScoped
    )

    return Relay.of({
      problem: Effect.suspend(() =>
        Effect.map(delivery?.problem ?? Effect.succeed(undefined), (waiting) =>
          [listenProblem, hookProblem, waiting === undefined ? undefined : `hooks wait: ${waiting}`]
            .filter((text) => text !== undefined)
            .join("; ")
        )
      ).pipe(Effect.map((text) => (text === "" ? undefined : text)))
    })
  })

export const layer = (settings: Settings): Layer.Layer<Relay, never, Upstream> =>
  settings.relay === undefined ? Layer.succeed(Relay, undefined) : Layer.scoped(Relay, make(settings, settings.relay))
