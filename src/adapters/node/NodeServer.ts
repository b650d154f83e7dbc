/**
 * The manager on node:http: hot routes at the edge, everything else by the HttpApi's app.
 *
 * Closing its scope stops accepting, ends event streams, lets requests finish, and after `grace` cuts what is left.
 */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { InvalidRequest } from "../../api/ApiError.js"
import { Draining } from "../../api/Draining.js"
import { clientAddress } from "../../api/ForwardedFor.js"
import * as HotResponse from "../../api/HotResponse.js"
import { BODY_LIMIT, HotRoutes, repairUrl } from "../../api/HotRoutes.js"
import { locatedApp } from "../../api/LocatedApp.js"
import { ManagerHttp } from "../../api/ManagerHttp.js"
import { isStorage } from "../../api/StorageRoutes.js"
import * as HotEdge from "./HotEdge.js"

export interface NodeServerOptions extends HotEdge.HotEdgeOptions {
  /** Default 8080; 0 takes any free port. */
  readonly port?: number | undefined
  /** Default 127.0.0.1. */
  readonly host?: string | undefined
  /** How long requests may go on after the stop began (default 3 seconds). */
  readonly grace?: Duration.DurationInput | undefined
  /** How long a client may take for its headers (default 10 seconds): against clients that trickle. */
  readonly headersWithin?: Duration.DurationInput | undefined
  /** How long a client may take for the whole request (default 30 seconds). */
  readonly requestWithin?: Duration.DurationInput | undefined
}

export interface NodeServerShape {
  /** Where it listens: the port is the real one, also where 0 was asked for. */
  readonly host: string
  readonly port: number
  /** `http://HOST:PORT`, with brackets around IPv6. */
  readonly url: string
}

export class NodeServer extends Context.Tag("mtx-manager/NodeServer")<NodeServer, NodeServerShape>() {}

/** The port can't be taken: in use, not allowed, or no such address. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  host: Schema.String,
  port: Schema.Int,
  /** Node's code, such as EADDRINUSE. */
  code: Schema.String,
  message: Schema.String
}) {}

/** A proxy in front may keep idle connections for 60 s: ours must not be closed first. */
const KEEP_ALIVE = 65_000
/** How often clients that take too long are looked for, at most. */
const CHECK_EVERY = 2_000

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large"
}

/** Answers on a bare socket, where there is no request to answer. */
const refuse = (socket: Socket, status: number, message: string): void => {
  const { body } = HotResponse.fromError(new InvalidRequest({ message, issues: [] }))
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Bad Request"}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy()
  )
}

/** Whether node:http is in the middle of a response on this socket: nothing may be written between. */
const responding = (socket: Socket): boolean => {
  const current: unknown = Reflect.get(socket, "_httpMessage")
  return current instanceof Http.ServerResponse && current.headersSent
}

const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable || responding(socket)) socket.destroy()
  else if (error.code === "HPE_HEADER_OVERFLOW") refuse(socket, 431, "the headers are over 16 KiB")
  else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") refuse(socket, 408, "the request did not come in time")
  else refuse(socket, 400, "this is not HTTP/1.1")
}

/**
 * Holds an upload to the storage that has taken its time already to bytes that keep coming: it may take long, but not pause
 * for as long as other requests may take in all.
 */
const watchUpload = (request: Http.IncomingMessage, within: number): void => {
  const { socket } = request
  const late = () => {
    if (responding(socket)) socket.destroy()
    else refuse(socket, 408, "the request did not come in time")
  }
  const timer = setTimeout(late, within)
  // `data` would make it flow: what is read off the socket is looked at instead.
  let before = socket.bytesRead
  const watch = setInterval(() => {
    if (socket.bytesRead !== before) timer.refresh()
    before = socket.bytesRead
  }, within / 4)
  const done = () => {
    clearTimeout(timer)
    clearInterval(watch)
  }
  request.once("end", done)
  request.once("close", done)
}

/** The absolute form (`GET http://host/path`) that clients use towards proxies, as a path. */
const originForm = (url: string): string => {
  const found = /^https?:\/\/[^/?#]*/i.exec(url)
  if (found === null) return url
  const rest = url.slice(found[0].length)
  return rest.startsWith("/") ? rest : `/${rest}`
}

const listen = (server: Http.Server, host: string, port: number) =>
  Effect.async<AddressInfo, ListenError>((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(
        Effect.fail(
          new ListenError({
            host,
            port,
            code: error.code ?? "UNKNOWN",
            message: `can't listen on ${host}:${port}: ${error.message}`
          })
        )
      )
    server.once("error", failed)
    server.listen({ host, port }, () => {
      server.off("error", failed)
      const address = server.address()
      if (address !== null && typeof address === "object") resume(Effect.succeed(address))
    })
  })

/** Stops accepting, waits for what is open, and cuts it after the grace. */
const stop = (server: Http.Server, grace: Duration.DurationInput) => {
  const closed = Effect.async<void>((resume) => {
    if (!server.listening) return resume(Effect.void)
    server.close(() => resume(Effect.void))
  })
  // A connection that turns idle after `close` would stay for its keep-alive time.
  const sweep = Effect.repeat(
    Effect.sync(() => server.closeIdleConnections()),
    Schedule.spaced("25 millis")
  )
  return Effect.race(closed, Effect.zipRight(sweep, Effect.never)).pipe(
    Effect.timeoutOption(grace),
    Effect.ensuring(Effect.sync(() => server.closeAllConnections())),
    Effect.asVoid,
    // Finalizers run uninterruptibly, but both the race and the timeout work by interruption.
    Effect.interruptible
  )
}

export const make = (
  options: NodeServerOptions = {}
): Effect.Effect<NodeServerShape, ListenError, HotRoutes | ManagerHttp | Draining | Scope> =>
  Effect.gen(function* () {
    const hot = yield* HotRoutes
    const { app } = yield* ManagerHttp
    const draining = yield* Draining
    const host = options.host ?? "127.0.0.1"

    const { trustedProxies = 0 } = options
    const located =
      trustedProxies <= 0
        ? app
        : locatedApp(app, ({ headers, remoteAddress }) =>
            clientAddress(Option.getOrUndefined(remoteAddress), headers["x-forwarded-for"], trustedProxies)
          )
    const routed = yield* NodeHttpServer.makeHandler(located).pipe(
      // A span per request costs as much as the request, and nothing of ours exports it.
      Effect.locally(HttpMiddleware.currentTracerDisabledWhen, constTrue)
    )
    const listener = yield* HotEdge.make(hot, routed, options)

    const requestWithin = Duration.toMillis(options.requestWithin ?? "30 seconds")
    const headersTimeout = Duration.toMillis(options.headersWithin ?? "10 seconds")
    const server = Http.createServer({
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: requestWithin > 0 ? Math.min(headersTimeout, requestWithin) : headersTimeout,
      requestTimeout: Math.max(0, requestWithin),
      connectionsCheckingInterval: Math.min(
        CHECK_EVERY,
        headersTimeout,
        requestWithin > 0 ? requestWithin : CHECK_EVERY
      )
    })
    /** The last upload to the storage on each connection: node:http looks at the whole time only, and tells it once. */
    const uploads = new WeakMap<Socket, Http.IncomingMessage>()
    server.on("request", (request, response) => {
      const url = request.url ?? "/"
      request.url = repairUrl(url.startsWith("/") ? url : originForm(url))
      if (isStorage(request.url)) uploads.set(request.socket, request)
      listener(request, response)
    })
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      const upload = error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? uploads.get(socket) : undefined
      if (upload === undefined || upload.complete || upload.destroyed) onClientError(error, socket)
      else watchUpload(upload, requestWithin)
    })
    server.on("connect", (_request, socket: Socket) => refuse(socket, 405, "this is not a proxy"))
    // Without this, a client that asks first would be invited to send what is refused afterwards.
    server.on("checkContinue", (request, response) => {
      const size = Number(request.headers["content-length"] ?? "0")
      if (!(size > BODY_LIMIT) || isStorage(request.url ?? "")) response.writeContinue()
      server.emit("request", request, response)
    })

    yield* Effect.addFinalizer(() => Effect.zipRight(draining.begin, stop(server, options.grace ?? "3 seconds")))
    const address = yield* listen(server, host, options.port ?? 8080)
    const name = address.address.includes(":") ? `[${address.address}]` : address.address
    return NodeServer.of({ host: address.address, port: address.port, url: `http://${name}:${address.port}` })
  })

export const layer = (
  options?: NodeServerOptions
): Layer.Layer<NodeServer, ListenError, HotRoutes | ManagerHttp | Draining> => Layer.scoped(NodeServer, make(options))
