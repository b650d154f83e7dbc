/**
 * Answers the hot routes at the edge of node:http, before any router: body read by hand, one captured runtime, one write.
 * Everything else goes on to `next`.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { clientAddress as forwardedFor } from "../../api/ForwardedFor.js"
import type { HotResponse } from "../../api/HotResponse.js"
import {
  BODY_LIMIT,
  type HotRequest,
  type HotRoute,
  type HotRoutesShape,
  match,
  TooLarge
} from "../../api/HotRoutes.js"
import { settled } from "../../api/Settled.js"

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

export interface HotEdgeOptions {
  /**
   * How many proxies in front append to `X-Forwarded-For` (default 0: the header is ignored, anyone can send it).
   * The address is the entry that the outermost of them added.
   */
  readonly trustedProxies?: number | undefined
}

/** Address of the client, seen through that many proxies. */
export const clientAddress = (request: IncomingMessage, trustedProxies: number): string | undefined => {
  const header = request.headers["x-forwarded-for"]
  return forwardedFor(
    request.socket.remoteAddress,
    typeof header === "object" ? header.join(",") : header,
    trustedProxies
  )
}

/**
 * The first header of that lower-case name, from the list that the parser made: the first look at `headers` puts an object
 * together of all of them, which costs more than an answer needs.
 */
const rawHeader = (request: IncomingMessage, name: string): string | undefined => {
  const raw = request.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const key = raw[i]
    if (key !== undefined && key.length === name.length && key.toLowerCase() === name) return raw[i + 1]
  }
  return undefined
}

const send = (response: ServerResponse, hot: HotResponse): void => {
  if (response.destroyed) return
  // A flat list of names and values is the one form of headers that node:http takes without copying.
  response.writeHead(hot.status, hot.headers as Array<string>)
  if (hot.body.length === 0) response.end()
  else response.end(hot.body)
}

const REPLACEMENT = "\uFFFD"

/** Bytes as text where that is certain; else the bytes, for a strict decoder to judge. */
const lenient = (bytes: Buffer): string | Uint8Array => {
  const text = bytes.toString("utf8")
  return text.includes(REPLACEMENT) ? bytes : text
}

/**
 * Collects the body, then calls `done` once. Beyond the limit it stops reading: what has come is thrown away.
 * A client that leaves before the end is not answered.
 */
const readBody = (request: IncomingMessage, done: (body: HotRequest["body"]) => void): void => {
  let first: Buffer | undefined
  let more: Array<Buffer> | undefined
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size > BODY_LIMIT) {
      request.off("data", onData)
      request.off("end", onEnd)
      request.resume()
      first = undefined
      more = undefined
      done(TooLarge)
      return
    }
    if (first === undefined) first = chunk
    else if (more === undefined) more = [first, chunk]
    else more.push(chunk)
  }
  const onEnd = (): void => {
    if (first === undefined) done("")
    else done(lenient(more === undefined ? first : Buffer.concat(more, size)))
  }
  request.on("data", onData)
  request.on("end", onEnd)
}

/**
 * A class, because an object literal with a getter gets a hidden class of its own each time: 2 KB that live until the next
 * major collection.
 */
class NodeRequest implements HotRequest {
  readonly method: string
  constructor(
    readonly incoming: IncomingMessage,
    readonly query: string,
    readonly body: HotRequest["body"],
    readonly trustedProxies: number
  ) {
    this.method = incoming.method ?? "GET"
  }
  header(name: string): string | undefined {
    return rawHeader(this.incoming, name)
  }
  /** A system call, which most calls can do without. */
  get address(): string | undefined {
    return clientAddress(this.incoming, this.trustedProxies)
  }
}

/** The listener for node:http's `request` event. Its runtime answers what can't be answered at once. */
export const make = (
  hot: HotRoutesShape,
  next: RequestListener,
  options: HotEdgeOptions = {}
): Effect.Effect<RequestListener> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const runFork = Runtime.runFork(runtime)
    const trustedProxies = options.trustedProxies ?? 0

    const answer = (
      route: HotRoute,
      query: string,
      body: HotRequest["body"],
      request: IncomingMessage,
      response: ServerResponse
    ): void => {
      const effect = hot.answer(route, new NodeRequest(request, query, body, trustedProxies))
      const known = settled(effect)
      if (known !== undefined) send(response, known.value)
      else {
        runFork(effect).addObserver((exit) => {
          if (Exit.isSuccess(exit)) send(response, exit.value)
          // Only an interruption ends here: the manager is going down.
          else response.destroy()
        })
      }
    }

    return (request, response) => {
      const url = request.url ?? "/"
      const at = url.indexOf("?")
      const route = match(request.method ?? "GET", at === -1 ? url : url.slice(0, at))
      if (route === undefined) {
        next(request, response)
        return
      }
      const query = at === -1 ? "" : url.slice(at + 1)
      if (route._tag === "Config") answer(route, query, "", request, response)
      else if (Number(rawHeader(request, "content-length") ?? "0") > BODY_LIMIT) {
        answer(route, query, TooLarge, request, response)
      } else readBody(request, (body) => answer(route, query, body, request, response))
    }
  })
