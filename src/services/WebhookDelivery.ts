/**
 * The Webhooks at work: over a WebhookStore, a WebhookSender and the HookBus. Each webhook has fibers of its own, so a slow
 * receiver holds up no other, and none of them whoever publishes.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { HookBus, type HookBusError } from "./HookBus.js"
import { makeUuidV7 } from "./internal/uuidV7.js"
import * as internal from "./internal/webhookRunner.js"
import { attempt } from "./internal/webhookTry.js"
import { compile, type FilterProblem } from "./WebhookFilter.js"
import { WebhookSender } from "./WebhookSender.js"
import { newSecret } from "./WebhookSignature.js"
import { noCounts, type OutboxCounts, type StoredWebhook, WebhookStore } from "./WebhookStore.js"
import {
  InvalidWebhook,
  type Webhook,
  type WebhookId,
  WebhookNotFound,
  type WebhookSettings,
  Webhooks,
  WebhooksError
} from "./Webhooks.js"

export interface WebhooksOptions {
  /** How long a delivery is tried (default 24 hours). */
  readonly lifetime?: Duration.DurationInput | undefined
  /** The pause after the first failure (default 5 seconds); it doubles. */
  readonly firstPause?: Duration.DurationInput | undefined
  /** The longest pause, also when the receiver asks for more (default 1 hour). */
  readonly longestPause?: Duration.DurationInput | undefined
  /** How long a receiver may take for its answer (default 15 seconds). */
  readonly timeout?: Duration.DurationInput | undefined
  /** How many streams of one webhook are delivered at a time (default 8). */
  readonly concurrency?: number | undefined
  /** How many deliveries of one webhook may wait (default 50,000). Beyond, events wait in the log. */
  readonly maxPending?: number | undefined
  /** How many webhooks there may be (default 100). */
  readonly maxWebhooks?: number | undefined
  /** How many deliveries are kept that are over: the newest delivered (default 1,000, for at most 7 days). */
  readonly keepDelivered?: number | undefined
  /** How many dead letters of one webhook are kept (default 10,000), and for how long (default 30 days). */
  readonly keepDead?: number | undefined
  readonly keepDeadFor?: Duration.DurationInput | undefined
  /** How long is waited for more events before the log is read again (default 25 ms). */
  readonly gather?: Duration.DurationInput | undefined
  /** With several managers: how long one that is silent keeps its webhooks (default 15 seconds). */
  readonly lease?: Duration.DurationInput | undefined
}

/** For how long the secret before a rotation signs as well. */
const OVERLAP = Duration.days(1)
/** How often what is over is deleted. */
const PRUNE_EVERY = 10 * 60_000
const KEEP_DELIVERED_FOR = Duration.toMillis(Duration.days(7))
/** How long the end of the layer waits for tries that are under way. */
const DRAIN_TIME = Duration.seconds(2)

const invalid = (issues: ReadonlyArray<FilterProblem>): InvalidWebhook =>
  new InvalidWebhook({
    message: `the webhook is not valid: ${issues
      .slice(0, 3)
      .map(({ field, message }) => `${field} ${message}`)
      .join("; ")}`,
    issues
  })

const URL_EXPECTED =
  "an https:// URL of a host with a public address; others are allowed by the setting --webhook-allow"

const unreadable = (cause: HookBusError): WebhooksError =>
  new WebhooksError({ reason: "Storage", message: "The event log could not be read", cause })

const notFound = (id: WebhookId): WebhookNotFound => new WebhookNotFound({ message: `there is no webhook ${id}` })

interface Running {
  readonly runner: internal.Runner
  readonly scope: Scope.CloseableScope
}

/** Makes the service. It works until its scope is closed; what is then under way may come to its end, for two seconds. */
export const make = Effect.fn("WebhookDelivery.make")(function* (options: WebhooksOptions = {}) {
  const store = yield* WebhookStore
  const sender = yield* WebhookSender
  const bus = yield* HookBus
  const clock = yield* Effect.clock
  const newUuid = makeUuidV7()
  const newId = (now: number): string => `msg_${newUuid(now).replaceAll("-", "")}`
  const timeout = Duration.decode(options.timeout ?? Duration.seconds(15))
  const lifetime = Duration.toMillis(options.lifetime ?? Duration.days(1))
  const lease = Duration.toMillis(options.lease ?? Duration.seconds(15))
  const maxWebhooks = options.maxWebhooks ?? 100
  const keepDeadFor = Duration.toMillis(options.keepDeadFor ?? Duration.days(30))
  const runnerOptions: internal.RunnerOptions = {
    backoff: {
      first: Duration.toMillis(options.firstPause ?? Duration.seconds(5)),
      longest: Duration.toMillis(options.longestPause ?? Duration.hours(1))
    },
    lifetime,
    timeout,
    concurrency: options.concurrency ?? 8,
    maxPending: options.maxPending ?? 50_000,
    gather: Duration.decode(options.gather ?? Duration.millis(25))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Who works

  const running = new Map<WebhookId, Running>()
  /** They come to their end, and must not be begun again before. */
  const ending = new Set<WebhookId>()
  // One wish that waits is enough: whoever serves it sees everything up to then.
  const pokes = yield* Queue.sliding<void>(1)
  const poke = Queue.offer(pokes, undefined)
  const scope = yield* Effect.scope

  const onGone = (id: WebhookId) =>
    store
      .change(id, ({ secrets, settings, skip }) => ({
        secrets,
        skip,
        settings: { ...settings, enabled: false, disabledBy: "gone", updatedAt: clock.unsafeCurrentTimeMillis() }
      }))
      .pipe(
        Effect.zipRight(
          Effect.annotateLogs(
            Effect.logWarning("A webhook was disabled, because its receiver has answered 410 Gone"),
            "webhook",
            id
          )
        ),
        Effect.zipRight(poke),
        Effect.catchAll((error) => Effect.logError("A webhook that is gone could not be disabled", error))
      )

  const begin = (webhook: StoredWebhook): Effect.Effect<void, WebhooksError> =>
    Effect.gen(function* () {
      const { id } = webhook.settings
      const own = yield* Scope.make()
      const runner = yield* internal.make({ bus, store, sender, newId, gone: onGone(id) }, webhook, runnerOptions).pipe(
        Scope.extend(own),
        Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
      )
      running.set(id, { runner, scope: own })
    })

  const end = (id: WebhookId, patience: Duration.DurationInput): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = running.get(id)
      if (entry === undefined) return Effect.void
      running.delete(id)
      ending.add(id)
      return entry.runner
        .stop(patience)
        .pipe(
          Effect.zipRight(Scope.close(entry.scope, Exit.void)),
          Effect.ensuring(Effect.sync(() => ending.delete(id)))
        )
    })

  const prune = (webhooks: ReadonlyArray<StoredWebhook>, now: number) =>
    Effect.forEach(
      webhooks,
      ({ settings: { id } }) =>
        Effect.map(
          store.prune(id, {
            delivered: options.keepDelivered ?? 1_000,
            deliveredSince: now - KEEP_DELIVERED_FOR,
            dead: options.keepDead ?? 10_000,
            deadSince: now - keepDeadFor
          }),
          (dead) => running.get(id)?.runner.unsafeForget(dead)
        ),
      { discard: true }
    )

  let claimedAt = clock.unsafeCurrentTimeMillis()
  let prunedAt = claimedAt
  /** Brings what works to what the store says. */
  const look = Effect.gen(function* () {
    const claimed = yield* store.claim(lease)
    claimedAt = clock.unsafeCurrentTimeMillis()
    const ours = new Set(claimed.map(({ settings }) => settings.id))
    for (const id of [...running.keys()]) {
      // For as long as the receiver may still answer.
      if (!ours.has(id)) yield* Effect.forkIn(Effect.zipRight(end(id, Duration.sum(timeout, "1 second")), poke), scope)
    }
    for (const webhook of claimed) {
      const { id } = webhook.settings
      const entry = running.get(id)
      if (entry !== undefined) yield* entry.runner.update(webhook)
      else if (!ending.has(id)) yield* begin(webhook)
    }
    if (claimedAt - prunedAt >= PRUNE_EVERY) {
      prunedAt = claimedAt
      yield* prune(claimed, claimedAt)
    }
  }).pipe(
    Effect.catchAll((error) =>
      Effect.gen(function* () {
        yield* Effect.logWarning("The webhooks could not be looked after, will try again", error)
        // By now they may be another manager's.
        if (store.changes !== undefined && clock.unsafeCurrentTimeMillis() - claimedAt > lease) {
          for (const id of [...running.keys()]) yield* Effect.forkIn(end(id, Duration.zero), scope)
        }
      })
    )
  )

  const pause = store.changes === undefined ? PRUNE_EVERY : lease / 3
  const begun = yield* Deferred.make<void>()
  const supervisor = yield* look.pipe(
    Effect.zipRight(Deferred.succeed(begun, undefined)),
    Effect.zipRight(Effect.timeoutOption(Queue.take(pokes), pause)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Fiber.interrupt(supervisor)
      // Finalizers can't be interrupted: only fibers of their own can wait with a limit.
      const ends = yield* Effect.forEach([...running.keys()], (id) =>
        Effect.fork(Effect.interruptible(end(id, DRAIN_TIME)))
      )
      yield* Effect.forEach(ends, Fiber.join, { discard: true })
      yield* Effect.ignore(store.release)
    })
  )
  if (store.changes !== undefined) yield* Effect.forkScoped(Stream.runForEach(store.changes, () => poke))
  yield* Deferred.await(begun)

  // -------------------------------------------------------------------------------------------------------------------
  // What operators do

  const shown = (
    { cursor, missed, secrets, settings }: StoredWebhook,
    { dead, lastDelivered, oldestPending, pending }: OutboxCounts
  ): Webhook => {
    const now = clock.unsafeCurrentTimeMillis()
    return {
      ...settings,
      cursor,
      missed,
      pending,
      oldestPending,
      dead,
      lastDelivered,
      previousSecretUntil: secrets.find(({ until }) => until !== null && until > now)?.until ?? null
    }
  }
  const find = (id: WebhookId) =>
    Effect.flatMap(store.list, (webhooks) => {
      const found = webhooks.find(([{ settings }]) => settings.id === id)
      return found === undefined ? Effect.fail(notFound(id)) : Effect.succeed(found)
    })
  const get = (id: WebhookId) => Effect.map(find(id), ([webhook, counts]) => shown(webhook, counts))
  const check = (
    settings: Pick<WebhookSettings, "url" | "types" | "paths" | "nodes">
  ): Effect.Effect<void, InvalidWebhook> => {
    const problem = sender.problem(settings.url)
    const issues = problem === undefined ? [] : [{ field: "url", message: problem, expected: URL_EXPECTED }]
    const compiled = compile(settings)
    if (Either.isLeft(compiled)) issues.push(...compiled.left)
    return issues.length === 0 ? Effect.void : Effect.fail(invalid(issues))
  }
  const changed = (id: WebhookId, change: Parameters<typeof store.change>[1]) =>
    Effect.flatMap(
      store.change(id, change),
      Option.match({ onNone: () => Effect.fail(notFound(id)), onSome: () => Effect.zipRight(poke, get(id)) })
    )

  return Webhooks.of({
    list: Effect.map(store.list, (webhooks) => webhooks.map(([webhook, counts]) => shown(webhook, counts))),
    get,
    create: (webhook) =>
      Effect.gen(function* () {
        const now = clock.unsafeCurrentTimeMillis()
        const enabled = webhook.enabled ?? true
        const settings: WebhookSettings = {
          id: newUuid(now),
          url: webhook.url,
          description: webhook.description ?? "",
          types: webhook.types ?? [],
          paths: webhook.paths ?? [],
          nodes: webhook.nodes ?? [],
          enabled,
          disabledBy: enabled ? null : "operator",
          createdAt: now,
          updatedAt: now
        }
        yield* check(settings)
        if ((yield* store.list).length >= maxWebhooks) {
          return yield* new WebhooksError({
            reason: "Full",
            message: `there are ${maxWebhooks} webhooks, and there may be no more: remove one first`
          })
        }
        const cursor = typeof webhook.from === "number" ? webhook.from : yield* Effect.mapError(bus.latest, unreadable)
        const secret: Redacted.Redacted = yield* newSecret
        const config = { settings, secrets: [{ secret, until: null }], skip: 0 }
        yield* store.insert({ ...config, cursor })
        yield* poke
        return { webhook: shown({ ...config, cursor, missed: 0, version: 1 }, noCounts), secret }
      }),
    update: (id, { enabled, from, ...change }) =>
      Effect.gen(function* () {
        const [{ settings }] = yield* find(id)
        yield* check({ ...settings, ...withoutAbsent(change) })
        const latest = from === undefined ? undefined : yield* Effect.mapError(bus.latest, unreadable)
        return yield* changed(id, ({ secrets, settings, skip }) => ({
          secrets,
          skip: latest === undefined ? skip : Math.max(skip, latest),
          settings: {
            ...settings,
            ...withoutAbsent(change),
            ...(enabled === undefined || enabled === settings.enabled
              ? {}
              : { enabled, disabledBy: enabled ? null : ("operator" as const) }),
            updatedAt: clock.unsafeCurrentTimeMillis()
          }
        }))
      }),
    remove: (id) =>
      Effect.flatMap(store.remove(id), (removed) => (removed ? Effect.asVoid(poke) : Effect.fail(notFound(id)))),
    rotateSecret: (id, { overlap = OVERLAP } = {}) =>
      Effect.gen(function* () {
        const secret: Redacted.Redacted = yield* newSecret
        const until = clock.unsafeCurrentTimeMillis() + Duration.toMillis(overlap)
        const webhook = yield* changed(id, ({ secrets: [newest], settings, skip }) => ({
          settings: { ...settings, updatedAt: clock.unsafeCurrentTimeMillis() },
          skip,
          // One before is enough: whoever rotates twice means to be rid of it.
          secrets: [{ secret, until: null }, ...(newest === undefined ? [] : [{ secret: newest.secret, until }])]
        }))
        return { webhook, secret }
      }),
    test: (id) =>
      Effect.gen(function* () {
        const [{ secrets, settings }] = yield* find(id)
        const now = clock.unsafeCurrentTimeMillis()
        const message = {
          id: newId(now),
          body: JSON.stringify({
            type: "test",
            timestamp: new Date(now).toISOString(),
            data: { webhook: id, message: "a test: the signature and the way are what they are for every event" }
          })
        }
        const outcome = yield* attempt(sender, { url: settings.url, secrets }, message, now, timeout)
        return {
          id: message.id,
          delivered: outcome.kind === "delivered",
          status: outcome.status,
          error: outcome.error,
          took: Math.max(0, Math.round(clock.unsafeCurrentTimeMillis() - now))
        }
      }),
    deliveries: (id, filter = {}) => Effect.zipRight(find(id), store.deliveries(id, filter)),
    replay: (id, selection = {}) =>
      Effect.gen(function* () {
        yield* find(id)
        const now = clock.unsafeCurrentTimeMillis()
        const count = yield* store.replay(id, selection, now, now + lifetime)
        if (count > 0) yield* poke
        return count
      }),
    unsafeGauges: () => {
      const all = [...running.values()].map(({ runner }) => runner.unsafeStatus())
      const sum = (of: "pending" | "dead") => all.reduce((total, status) => total + status[of], 0)
      const since = all.flatMap(({ oldestPending }) => (oldestPending === undefined ? [] : [oldestPending]))
      const enabled = all.filter((status) => status.enabled).length
      return {
        enabled,
        disabled: all.length - enabled,
        pending: sum("pending"),
        dead: sum("dead"),
        oldestPending: since.length === 0 ? undefined : Math.min(...since)
      }
    }
  })
})

/** What is not said stays. */
const withoutAbsent = <A extends object>(change: A): { [K in keyof A]?: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as {
    [K in keyof A]?: Exclude<A[K], undefined>
  }

export const layer = (
  options?: WebhooksOptions
): Layer.Layer<Webhooks, never, WebhookStore | WebhookSender | HookBus> => Layer.scoped(Webhooks, make(options))
