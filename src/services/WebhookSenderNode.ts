/**
 * WebhookSender on Node. Where a request goes is looked at when the connection is made, by the address that the name has at
 * that moment and that is then connected to: a name that means another address a moment later changes nothing.
 */
import type { LookupAddress, LookupOptions } from "node:dns"
import { lookup as systemLookup } from "node:dns"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type WebhookResponse, WebhookSendError, WebhookSender, type WebhookSenderShape } from "./WebhookSender.js"
import { allowNothing, hostOf, parseTarget, refusedAddress, type WebhookAllow } from "./WebhookTarget.js"

export interface WebhookSenderOptions {
  /** Where webhooks may go beside public addresses over https. */
  readonly allow?: WebhookAllow | undefined
  /** As `dns.lookup` (the default), for all addresses of a name. */
  readonly resolve?: ((host: string) => Promise<ReadonlyArray<LookupAddress>>) | undefined
  /** Certificates of authorities beside the public ones, in PEM. */
  readonly authorities?: ReadonlyArray<string> | undefined
}

/** Connections to one receiver that are kept for the next event. */
const IDLE_CONNECTIONS = 8
/** Shorter than receivers usually keep them. */
const IDLE_MILLIS = 4_000
/** What is kept of a body, and what is read of it so that the connection can be used again. */
const EXCERPT_BYTES = 512
const READ_BYTES = 64 * 1024
/** How long is waited for the rest of a body, once it is known what the answer is. */
const BODY_MILLIS = 1_000
/** A receiver has no need for more. */
const HEADER_BYTES = 16 * 1024

/** Nothing was sent. */
class Refused extends Error {}

const systemResolve = (host: string): Promise<ReadonlyArray<LookupAddress>> =>
  new Promise((resolve, reject) =>
    systemLookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)))
  )

/** Node's words end with the address as often as not; and say nothing but a code for some. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  const code: unknown = Reflect.get(error, "code")
  return error.message !== "" ? error.message : typeof code === "string" ? code : error.name
}

export const make = (options: WebhookSenderOptions = {}): Effect.Effect<WebhookSenderShape, never, Scope.Scope> =>
  Effect.gen(function* () {
    const allow = options.allow ?? allowNothing
    const resolve = options.resolve ?? systemResolve
    const agentOptions = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS, timeout: IDLE_MILLIS }
    const [plain, secure] = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          [
            new Http.Agent(agentOptions),
            // Without these, Node takes the public ones.
            new Https.Agent({
              ...agentOptions,
              ...(options.authorities === undefined ? {} : { ca: [...options.authorities] })
            })
          ] as const
      ),
      (agents) =>
        Effect.sync(() => {
          for (const agent of agents) agent.destroy()
        })
    )

    /** Addresses of the URL's host that may be called: what a connection is made to. */
    const lookup =
      (url: URL) =>
      (
        host: string,
        { all, family }: LookupOptions,
        done: (error: Error | null, address: string | Array<LookupAddress>, family?: number) => void
      ): void => {
        resolve(host)
          .then((found) => {
            const wanted = found.filter((entry) => (family !== 4 && family !== 6 ? true : entry.family === family))
            const refusals: Array<string> = []
            const allowed = wanted.filter(({ address }) => {
              const refusal = refusedAddress(url, address, allow)
              if (refusal !== undefined) refusals.push(refusal)
              return refusal === undefined
            })
            const [first] = allowed
            if (first === undefined) {
              return done(
                refusals.length > 0
                  ? new Refused(`webhooks may not go to ${host}: ${refusals[0]}`)
                  : new Error(`${host} has no address`),
                ""
              )
            }
            if (all === true) done(null, allowed)
            else done(null, first.address, first.family)
          })
          .catch((error: unknown) => done(error instanceof Error ? error : new Error(String(error)), ""))
      }

    const request = (
      url: URL,
      headers: Readonly<Record<string, string>>,
      body: string,
      again: boolean
    ): Effect.Effect<WebhookResponse, WebhookSendError> =>
      Effect.async((resume) => {
        const secureUrl = url.protocol === "https:"
        let over = false
        let timer: NodeJS.Timeout | undefined
        const call = (secureUrl ? Https : Http).request(url, {
          method: "POST",
          agent: secureUrl ? secure : plain,
          lookup: lookup(url),
          headers: { ...headers, "content-length": Buffer.byteLength(body) },
          maxHeaderSize: HEADER_BYTES
        })
        const finish = (effect: Effect.Effect<WebhookResponse, WebhookSendError>): void => {
          if (over) return
          over = true
          clearTimeout(timer)
          resume(effect)
        }
        call.on("error", (error) => {
          // A connection that was kept, and that the other side has closed just now: nothing was read there.
          if (call.reusedSocket && again && !(error instanceof Refused)) {
            return finish(Effect.suspend(() => request(url, headers, body, false)))
          }
          const reason = error instanceof Refused ? "Refused" : "Unreachable"
          finish(Effect.fail(new WebhookSendError({ reason, message: messageOf(error) })))
        })
        call.on("response", (response) => {
          const kept: Array<Buffer> = []
          let read = 0
          const answer = (whole: boolean): void => {
            const retryAfter = response.headers["retry-after"]
            const excerpt = Buffer.concat(kept).subarray(0, EXCERPT_BYTES).toString("utf8")
            finish(Effect.succeed({ status: response.statusCode ?? 0, retryAfter, excerpt }))
            // Whatever else would come is of no use, nor is the connection then.
            if (!whole) call.destroy()
          }
          timer = setTimeout(() => answer(false), BODY_MILLIS)
          response.on("data", (chunk: Buffer) => {
            if (read < EXCERPT_BYTES) kept.push(chunk)
            read += chunk.length
            if (read > READ_BYTES) answer(false)
          })
          response.on("end", () => answer(true))
          response.on("error", () => answer(false))
          response.on("close", () => answer(false))
        })
        call.end(body)
        return Effect.sync(() => {
          over = true
          clearTimeout(timer)
          call.destroy()
        })
      })

    return {
      problem: (url) => {
        const parsed = parseTarget(url, allow)
        return Either.isLeft(parsed) ? parsed.left : undefined
      },
      send: ({ body, headers, url }) => {
        // Looked at again: what was allowed when it was given may not be any more.
        const parsed = parseTarget(url, allow)
        if (Either.isLeft(parsed)) {
          return Effect.fail(new WebhookSendError({ reason: "Refused", message: `the URL ${parsed.left}` }))
        }
        const target = parsed.right
        // An address is not looked up.
        const host = hostOf(target)
        const literal = /^[0-9.]+$/.test(host) || host.includes(":") ? refusedAddress(target, host, allow) : undefined
        return literal === undefined
          ? request(target, headers, body, true)
          : Effect.fail(new WebhookSendError({ reason: "Refused", message: `webhooks may not go there: ${literal}` }))
      }
    }
  })

/**
 * @example
 * ```ts
 * const Sender = WebhookSenderNode.layer()
 * ```
 */
export const layer = (options?: WebhookSenderOptions): Layer.Layer<WebhookSender> =>
  Layer.scoped(WebhookSender, make(options))
