/** Webhooks over a log in memory, with a receiver that a test scripts, in a time that a test makes. */
import { createHmac } from "node:crypto"
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import type { HookEvent } from "../../src/mediamtx/HookEvent.js"
import { type BusEvent, HookBus, layerMemory } from "../../src/services/HookBus.js"
import { NodeId } from "../../src/services/NodeId.js"
import * as WebhookDelivery from "../../src/services/WebhookDelivery.js"
import { type WebhookRequest, WebhookSendError, WebhookSender } from "../../src/services/WebhookSender.js"
import * as WebhookStore from "../../src/services/WebhookStore.js"
import { type NewWebhook, Webhooks } from "../../src/services/Webhooks.js"
import { allowNothing, parseTarget } from "../../src/services/WebhookTarget.js"

/** What a receiver is given. */
export interface Received {
  readonly url: string
  readonly id: string
  readonly timestamp: number
  readonly signature: string
  readonly body: string
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it, and a wrong look fails them
  readonly data: any
  /** By the test's clock. */
  readonly at: number
}

/** What it does: a status, one with a `Retry-After`, no answer for ever, or a connection that breaks. */
export type Reply = number | { readonly status: number; readonly retryAfter: string } | "hang" | "drop"

/** A signature as the specification has it, made by another implementation. */
export const signatureOf = (secret: string, id: string, timestamp: string | number, body: string): string => {
  const key = Buffer.from(secret.slice("whsec_".length), "base64")
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`
}

// WebCrypto works on threads: what is under way there is waited for, as the clock of a test does not.
let crypting = 0
const counted = <F extends (...args: never) => Promise<unknown>>(f: F): F =>
  ((...args: never) => {
    crypting++
    return f(...args).finally(() => crypting--)
  }) as F
crypto.subtle.sign = counted(crypto.subtle.sign.bind(crypto.subtle))
crypto.subtle.importKey = counted(crypto.subtle.importKey.bind(crypto.subtle)) as typeof crypto.subtle.importKey

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets everything run that does not wait for the clock. */
export const quiet: Effect.Effect<void> = Effect.promise(async () => {
  for (let still = 0; still < 12; still++) {
    await turn()
    if (crypting > 0) still = -1
  }
})

/** Lets time pass, from one timer to the next. */
export const pass = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* quiet
    const clock = yield* Effect.clock
    const end = clock.unsafeCurrentTimeMillis() + millis
    for (;;) {
      const now = clock.unsafeCurrentTimeMillis()
      // One that is due already is about to wake: to set the time to its own once more would bring nobody further.
      const next = Math.min(end, ...Array.from(yield* TestClock.sleeps()).filter((at) => at > now))
      yield* TestClock.setTime(next)
      yield* quiet
      if (next >= end) return
    }
  })

export const event = (name: "available" | "unavailable" | "read", path: string): HookEvent => ({
  event: name,
  path,
  query: "token=***",
  type: "rtmpConn",
  id: `${name}-${path}-${counter++}`
})
let counter = 0

export const nodeId = (id: string) => NodeId.make(id)

export const URL_A = "https://receiver.example.com/hook"

export const make = (
  options: WebhookDelivery.WebhooksOptions & { readonly store?: Layer.Layer<WebhookStore.WebhookStore> } = {}
) =>
  Effect.gen(function* () {
    const received: Array<Received> = []
    /** What the receiver answers; by default it takes everything. */
    const script: { reply: (request: Received, n: number) => Reply } = { reply: () => 204 }
    const clock = yield* Effect.clock
    const sender = Layer.succeed(WebhookSender, {
      problem: (url) => {
        const parsed = parseTarget(url, allowNothing)
        return parsed._tag === "Left" ? parsed.left : undefined
      },
      send: ({ body, headers, url }: WebhookRequest) =>
        Effect.suspend(() => {
          const { data, type } = JSON.parse(body)
          const request: Received = {
            url,
            id: headers["webhook-id"] ?? "",
            timestamp: Number(headers["webhook-timestamp"]),
            signature: headers["webhook-signature"] ?? "",
            body,
            type,
            data,
            at: clock.unsafeCurrentTimeMillis()
          }
          received.push(request)
          const reply = script.reply(request, received.length)
          if (reply === "hang") return Effect.never
          if (reply === "drop") return Effect.fail(new WebhookSendError({ reason: "Unreachable", message: "reset" }))
          return Effect.succeed(
            typeof reply === "number"
              ? { status: reply, retryAfter: undefined, excerpt: reply === 204 ? "" : "sorry" }
              : { ...reply, excerpt: "" }
          )
        })
    })
    // It trims itself every half a minute, which nobody has to wait for here.
    const bus = yield* Effect.withClock(Effect.map(Layer.build(layerMemory()), Context.get(HookBus)), {
      ...clock,
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
      sleep: () => Effect.never
    })
    const context = yield* Layer.build(
      WebhookDelivery.layer({ gather: 0, ...options }).pipe(
        Layer.provideMerge(
          Layer.mergeAll(sender, options.store ?? WebhookStore.layerMemory, Layer.succeed(HookBus, bus))
        )
      )
    )
    const webhooks = Context.get(context, Webhooks)
    const publish = (node: string, of: BusEvent) => bus.publish(nodeId(node), of)
    /** Adds a webhook, and waits until it works. */
    const add = (over: Partial<NewWebhook> = {}) =>
      Effect.gen(function* () {
        const { secret, webhook } = yield* webhooks.create({ url: URL_A, ...over })
        yield* quiet
        return { id: webhook.id, secret: Redacted.value(secret) }
      })
    const states = (id: string) =>
      Effect.map(webhooks.deliveries(id, { limit: 10_000 }), (found) => [...found].reverse().map(({ state }) => state))
    /** Whether each request was signed by one of the secrets. */
    const signedBy = (request: Received, ...secrets: ReadonlyArray<string>) =>
      assert.strictEqual(
        request.signature,
        secrets.map((secret) => signatureOf(secret, request.id, request.timestamp, request.body)).join(" ")
      )
    return { webhooks, bus, publish, add, states, received, script, signedBy }
  })
