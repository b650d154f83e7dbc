/** Between Hono and the hot routes: a request's body, header and address, and a response. */
import type { Context } from "hono"
import { InvalidRequest } from "../../api/ApiError.js"
import { clientAddress } from "../../api/ForwardedFor.js"
import { BODY_LIMIT, type HotRequest, TooLarge } from "../../api/HotRequest.js"
import * as HotResponse from "../../api/HotResponse.js"
import { onWorkers } from "../../services/internal/onWorkers.js"

// ---------------------------------------------------------------------------------------------------------------------
// Responses

type Headers = Readonly<Record<string, string>>
/** Replies that are sent again and again are objects that stay: their headers are put together once. */
const known = new WeakMap<HotResponse.HotResponse, Headers>()

const headersOf = (hot: HotResponse.HotResponse): Headers => {
  const before = known.get(hot)
  if (before !== undefined) return before
  const headers: Record<string, string> = {}
  for (let i = 0; i + 1 < hot.headers.length; i += 2) {
    const name = hot.headers[i]
    const value = hot.headers[i + 1]
    if (name !== undefined && value !== undefined) headers[name] = value
  }
  known.set(hot, headers)
  return headers
}

/** Through the context, so that headers that middleware has set are sent as well. */
export const send = (c: Context, hot: HotResponse.HotResponse): Response =>
  c.newResponse(
    // Our own bytes are never in shared memory.
    hot.body.length === 0 ? null : (hot.body as string | Uint8Array<ArrayBuffer>),
    // Hono lists the codes that exist; ours are among them.
    hot.status as Parameters<typeof c.status>[0],
    headersOf(hot)
  )

// ---------------------------------------------------------------------------------------------------------------------
// Bodies

/** The client left before its body was complete. */
export const unread = HotResponse.fromError(
  new InvalidRequest({ message: "the request could not be read to its end", issues: [] })
)

const encoder = new TextEncoder()
const notUtf8 = Uint8Array.of(0xff)

/**
 * By Hono's own reader: a middleware may have read the body already, and Hono then has it. As text, which is the quickest,
 * though what is not UTF-8 becomes U+FFFD there: then the text no longer has the length of the body.
 */
const whole = (c: Context, length: string): Promise<HotRequest["body"]> =>
  c.req.text().then((text) => {
    if (text.length > BODY_LIMIT) return TooLarge
    if (!text.includes("\uFFFD")) return text
    return encoder.encode(text).length === Number(length) ? text : notUtf8
  })

const piecewise = async (stream: ReadableStream<Uint8Array>): Promise<HotRequest["body"]> => {
  const reader = stream.getReader()
  const chunks: Array<Uint8Array> = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > BODY_LIMIT) {
      // The answer must not wait for a client that goes on sending.
      reader.cancel().catch(() => undefined)
      return TooLarge
    }
    chunks.push(value)
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/** Reads the body up to the limit. Rejects when the client left. */
export const readBody = (c: Context): Promise<HotRequest["body"]> => {
  const length = c.req.raw.headers.get("content-length")
  // No more can come than was announced: HTTP itself sees to that.
  if (length !== null) return Number(length) > BODY_LIMIT ? Promise.resolve(TooLarge) : whole(c, length)
  if (c.req.raw.bodyUsed)
    return c.req.arrayBuffer().then((bytes) => (bytes.byteLength > BODY_LIMIT ? TooLarge : new Uint8Array(bytes)))
  const { body } = c.req.raw
  return body === null ? Promise.resolve("") : piecewise(body)
}

// ---------------------------------------------------------------------------------------------------------------------
// Addresses

/** What @hono/node-server puts into `c.env`. */
interface NodeBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } | undefined } | undefined
  readonly server?: NodeBindings | undefined
}

/**
 * The client's address: the socket's on Node, Cloudflare's word on Workers, `X-Forwarded-For` where proxies are trusted.
 */
export const addressOf = (c: Context, trustedProxies: number): string | undefined => {
  // Whatever is in `env` on another runtime, it is only looked at.
  const env = c.env as NodeBindings | undefined
  // Where we run decides which headers a client can't forge.
  const direct = onWorkers
    ? c.req.raw.headers.get("cf-connecting-ip")
    : (env?.server ?? env)?.incoming?.socket?.remoteAddress
  return trustedProxies <= 0
    ? (direct ?? undefined)
    : clientAddress(direct ?? undefined, c.req.raw.headers.get("x-forwarded-for") ?? undefined, trustedProxies)
}

/** A class: a literal with functions of its own costs a closure of each for every request. */
class HonoRequest implements HotRequest {
  readonly method: string
  constructor(
    private readonly context: Context,
    readonly query: string,
    readonly body: HotRequest["body"],
    private readonly trustedProxies: number
  ) {
    this.method = context.req.raw.method
  }
  header(name: string): string | undefined {
    return this.context.req.raw.headers.get(name) ?? undefined
  }
  /** On Node a system call, which most calls can do without. */
  get address(): string | undefined {
    return addressOf(this.context, this.trustedProxies)
  }
}

/** The request, with its body once it is read. */
export const hotRequest = (c: Context, query: string, body: HotRequest["body"], trustedProxies: number): HotRequest =>
  new HonoRequest(c, query, body, trustedProxies)
