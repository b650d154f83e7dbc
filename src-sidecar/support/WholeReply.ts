/**
 * A small HTTP exchange, done whole: the request with its body, the answer with all of its body, within one time limit for
 * everything. No redirect is followed, so a key that goes out never reaches another origin.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HttpFailure, placeOf } from "./Http.js"
import { codeOf, wordsOf } from "./SocketError.js"

export interface WholeRequest {
  readonly method: "GET" | "POST"
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  /** For all of it: look-up, connection, request, answer. A server that trickles is cut off as well. */
  readonly within: Duration.DurationInput
  /** The longest body that is read, in bytes. A longer one is a failure with the code `EMSGSIZE`. */
  readonly limit: number
}

export interface WholeReply {
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** Complete: as long as announced, or ended as HTTP's chunks end. */
  readonly body: Uint8Array
}

/** Not one of Node's codes. */
const STALE = "ESTALECONNECTION"

/** Makes the exchange. An interrupted fiber gives up the connection. */
export const exchange = (request: WholeRequest): Effect.Effect<WholeReply, HttpFailure> => {
  const failure = (code: string, message: string) =>
    new HttpFailure({ code, message: `${request.method} ${placeOf(request.url)}: ${message}` })

  const once = Effect.async<WholeReply, HttpFailure>((resume) => {
    const { body, method, url } = request
    const headers: Record<string, string> = { "user-agent": "mtx-sidecar", ...request.headers }
    if (body !== undefined) headers["content-length"] = String(Buffer.byteLength(body))
    const outgoing = (url.protocol === "https:" ? Https : Http).request(url, { method, headers })
    const fail = (code: string, message: string) => {
      outgoing.destroy()
      resume(Effect.fail(failure(code, message)))
    }
    outgoing.on("error", (error) => {
      const code = codeOf(error)
      // A kept connection that the server closed meanwhile says nothing about the server.
      const stale = outgoing.reusedSocket && (code === "ECONNRESET" || code === "EPIPE")
      fail(stale ? STALE : code, wordsOf(error))
    })
    outgoing.on("response", (incoming) => {
      const chunks: Array<Buffer> = []
      let size = 0
      incoming.on("data", (chunk: Buffer) => {
        size += chunk.byteLength
        if (size > request.limit) fail("EMSGSIZE", `the answer is longer than ${request.limit} bytes`)
        else chunks.push(chunk)
      })
      incoming.on("error", () => fail("ECONNRESET", "the answer broke off"))
      incoming.on("end", () => {
        if (!incoming.complete) return fail("ECONNRESET", "the answer broke off")
        resume(
          Effect.succeed({
            status: incoming.statusCode ?? 0,
            header: (name) => {
              const value = incoming.headers[name]
              return typeof value === "object" ? value[0] : value
            },
            body: Buffer.concat(chunks)
          })
        )
      })
    })
    outgoing.end(body)
    return Effect.sync(() => outgoing.destroy())
  })

  return once.pipe(
    Effect.retry({ times: 2, while: (error) => error.code === STALE }),
    Effect.timeoutFail({
      duration: request.within,
      onTimeout: () => failure("ETIMEDOUT", `there was no whole answer within ${Duration.format(request.within)}`)
    })
  )
}
