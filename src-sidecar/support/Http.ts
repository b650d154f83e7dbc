/**
 * HTTP calls over node:http, with bodies as streams: no redirect is followed, nothing is kept in memory, and a call is
 * aborted with the fiber that makes it.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { codeOf, wordsOf } from "./SocketError.js"

/** No answer: the connection could not be made, broke, or was silent for too long. */
export class HttpFailure extends Data.TaggedError("HttpFailure")<{
  /** Without the query of the URL, which may hold a signature. */
  readonly message: string
  /** Node's code, such as ECONNREFUSED; `ETIMEDOUT` for silence. */
  readonly code: string
}> {}

export interface HttpReply {
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: Http.IncomingMessage
}

export interface HttpRequest {
  readonly method: "GET" | "PUT" | "POST"
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Sent with `content-length: size`. A chunk may be used again when its `write` has returned. */
  readonly body?:
    | { readonly size: number; readonly write: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void> }
    | undefined
  /** No byte in either direction for this long: the call has failed (default 30 seconds). */
  readonly idle?: Duration.DurationInput | undefined
}

/** Where a URL leads, without its credentials and its query. */
export const placeOf = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`

const failure = (request: HttpRequest, error: Error): HttpFailure => {
  return new HttpFailure({
    code: codeOf(error),
    message: `${request.method} ${placeOf(request.url)}: ${wordsOf(error)}`
  })
}

const timeout = (): Error => Object.assign(new Error("no byte came or went in time"), { code: "ETIMEDOUT" })

/**
 * Sends a request and gives the answer when its head is there, which may be before the body was sent. The connection is
 * given up with the scope, and when the caller is interrupted.
 */
export const send = (request: HttpRequest): Effect.Effect<HttpReply, HttpFailure, Scope> =>
  Effect.uninterruptibleMask((restore) =>
    restore(exchange(request)).pipe(
      Effect.tap(({ outgoing, reply }) =>
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            // One that was read to its end goes back to the pool by itself.
            if (!reply.body.complete || !outgoing.writableFinished) outgoing.destroy()
          })
        )
      ),
      Effect.map(({ reply }) => reply)
    )
  )

const exchange = (request: HttpRequest) =>
  Effect.async<{ readonly reply: HttpReply; readonly outgoing: Http.ClientRequest }, HttpFailure>((resume, signal) => {
    const { body, headers, method, url } = request
    const outgoing = (url.protocol === "https:" ? Https : Http).request(url, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(body.size) }) },
      signal
    })
    outgoing.setTimeout(Duration.toMillis(request.idle ?? "30 seconds"), () => outgoing.destroy(timeout()))
    outgoing.once("response", (incoming) => {
      // After the head, errors belong to whoever reads the body; without a reader they must not end the process.
      incoming.on("error", () => {})
      resume(
        Effect.succeed({
          outgoing,
          reply: {
            status: incoming.statusCode ?? 0,
            header: (name) => {
              const value = incoming.headers[name]
              return typeof value === "object" ? value[0] : value
            },
            body: incoming
          }
        })
      )
    })
    outgoing.on("error", (error) => resume(Effect.fail(failure(request, error))))
    if (body === undefined) {
      outgoing.end()
      return
    }
    const write = (chunk: Uint8Array): Promise<void> =>
      new Promise((resolve, reject) =>
        outgoing.write(chunk, (error) => (error === null || error === undefined ? resolve() : reject(error)))
      )
    body.write(write).then(
      () => outgoing.end(),
      // Also after an early answer, when the connection is given up and with it the rest of the body.
      (error) => outgoing.destroy(error instanceof Error ? error : new Error(String(error)))
    )
  })

/** The rest of a body, up to `limit` bytes: what comes after is not read. */
export const readText = (reply: HttpReply, limit = 4 * 1024 * 1024): Effect.Effect<string, HttpFailure> =>
  Effect.tryPromise({
    try: async () => {
      const chunks: Array<Uint8Array> = []
      let size = 0
      for await (const chunk of reply.body) {
        // node:http gives Buffers unless an encoding was set.
        const bytes = chunk as Uint8Array
        size += bytes.byteLength
        if (size > limit) break
        chunks.push(bytes)
      }
      return Buffer.concat(chunks).toString("utf8")
    },
    catch: (error) =>
      new HttpFailure({ code: error instanceof Error ? codeOf(error) : "", message: "the answer broke off" })
  })
