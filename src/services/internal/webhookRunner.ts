/**
 * A webhook at work: reads the log into the outbox, and delivers from there.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberMap from "effect/FiberMap"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type HookBusError, type HookBusShape, HookRecord } from "../HookBus.js"
import { compile, pathOf } from "../WebhookFilter.js"
import type { WebhookSenderShape } from "../WebhookSender.js"
import type { NewDelivery, Settlement, StoredDelivery, StoredWebhook, WebhookStoreShape } from "../WebhookStore.js"
import type { WebhooksError } from "../Webhooks.js"
import { type Lane, Lanes } from "./webhookLanes.js"
import { attempt, type Backoff, type Outcome, pause } from "./webhookTry.js"

export interface RunnerOptions {
  readonly backoff: Backoff
  /** How long a delivery is tried, in milliseconds. */
  readonly lifetime: number
  readonly timeout: Duration.Duration
  readonly concurrency: number
  readonly maxPending: number
  /** How long is waited for more between two looks at the log. */
  readonly gather: Duration.Duration
}

export interface RunnerServices {
  readonly bus: HookBusShape
  readonly store: WebhookStoreShape
  readonly sender: WebhookSenderShape
  /** `webhook-id` for a delivery that is made now. */
  readonly newId: (now: number) => string
  /** The receiver wants no more. */
  readonly gone: Effect.Effect<void>
}

export interface Runner {
  /** As it is now: what was changed of it, and what was put back into its outbox. */
  readonly update: (webhook: StoredWebhook) => Effect.Effect<void, WebhooksError>
  /** Nothing is begun from now on. Returns when what is under way is over, or `patience` is. */
  readonly stop: (patience: Duration.DurationInput) => Effect.Effect<void>
  readonly unsafeStatus: () => {
    readonly enabled: boolean
    readonly pending: number
    readonly oldestPending: number | undefined
    readonly dead: number
  }
  /** Dead letters were deleted. */
  readonly unsafeForget: (dead: number) => void
}

const counter = (outcome: string) =>
  Metric.counter("mtx_manager_webhook_deliveries_total", {
    description: "Tries of webhooks, and deliveries that were given up",
    incremental: true
  }).pipe(Metric.tagged("outcome", outcome))
const delivered = counter("delivered")
const failed = counter("failed")
const gaveUp = counter("dead")
const missedEvents = Metric.counter("mtx_manager_webhook_missed_total", {
  description: "Events that were deleted from the log before a webhook had looked at them",
  incremental: true
})

/** For the database: 50 ms, 100 ms, … then every 5 seconds. */
const insist = Schedule.exponential("50 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))
/** A position that brought nothing is written down after so many events, or so long. */
const WRITE_AFTER = 1000
const WRITE_WITHIN = 5000
/** After so many failures in a row, the first success means that the receiver is back: what waits is tried at once. */
const WAS_AWAY = 5
/** After a bug of ours. */
const REST = 60_000
/** Settlements in one statement. */
const AT_ONCE = 200

/** The log is to be read anew, from where we are. */
class Again extends Schema.TaggedError<Again>()("Again", {}) {}

const encodeRecord = Schema.encodeSync(HookRecord)

/** Standard Webhooks' form; `data` is the record as `GET /events` has it. */
export const bodyOf = (record: HookRecord): string => {
  const { event } = record
  const timestamp = ("occurredAt" in event ? event.occurredAt : undefined) ?? new Date(record.at).toISOString()
  return JSON.stringify({ type: event.event, timestamp, data: encodeRecord(record) })
}

/** A path of a node; a node, for what is about no path. */
const streamOf = ({ event, node }: HookRecord): string => {
  const path = pathOf(event)
  return path === undefined ? node : `${node}\n${path}`
}

export const make = Effect.fnUntraced(function* (
  { bus, gone, newId, sender, store }: RunnerServices,
  initial: StoredWebhook,
  options: RunnerOptions
): Effect.fn.Return<Runner, WebhooksError, Scope.Scope> {
  const { id } = initial.settings
  const clock = yield* Effect.clock
  const lanes = new Lanes()
  // As many as there are lanes; owned by the workers. What is in it at the end is in the outbox as well.
  const ready = yield* Queue.unbounded<Lane>()
  const timers = yield* FiberMap.make<string>()
  let webhook = initial
  let matches = (_record: HookRecord): boolean => false
  let open = false
  let stopped = false
  const gate = yield* Effect.makeLatch(false)
  let full = false
  const room = yield* Effect.makeLatch(true)
  let busy = 0
  const idle = yield* Effect.makeLatch(true)
  let failuresInARow = 0
  let dead = 0

  const offer = (lane: Lane): void => {
    lane.state = "ready"
    Queue.unsafeOffer(ready, lane)
  }
  const account = (): void => {
    if (!full && lanes.size >= options.maxPending) {
      full = true
      room.unsafeClose()
    } else if (full && lanes.size < options.maxPending * 0.9) {
      full = false
      room.unsafeOpen()
    }
  }
  /** What waits for its time has its turn now. */
  const wakeAll = Effect.sync(() => {
    // Their timers find that they wait no more.
    for (const lane of lanes.waiting()) {
      lane.tryAt = 0
      offer(lane)
    }
  })
  const reload = Effect.gen(function* () {
    dead = yield* store.dead(id)
    for (const lane of lanes.add(yield* store.pending(id))) offer(lane)
    account()
  })
  const adopt = (changed: StoredWebhook): void => {
    webhook = changed
    const compiled = compile(changed.settings)
    // It was checked when it came; what another version takes, and this one does not, is wanted by nobody.
    matches = Either.isRight(compiled)
      ? (record) => record.cursor > webhook.skip && compiled.right(record)
      : () => false
    open = changed.settings.enabled && !stopped
    if (open) gate.unsafeOpen()
    else gate.unsafeClose()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // From the log to the outbox

  /** Everything up to here was looked at; up to `written` that is in the outbox's row as well. */
  let position = initial.cursor
  let written = initial.cursor
  let writtenAt = clock.unsafeCurrentTimeMillis()

  const write = (deliveries: ReadonlyArray<NewDelivery>, missed: number) =>
    Effect.gen(function* () {
      const to = position
      if (!(yield* store.enqueue(id, to, deliveries, missed))) {
        // It is another manager's, or removed: we are about to be told.
        yield* Effect.sleep("1 second")
        return yield* new Again()
      }
      written = to
      writtenAt = clock.unsafeCurrentTimeMillis()
      const fresh = lanes.add(
        deliveries.map(({ createdAt, cursor, stream }) => ({
          cursor,
          stream,
          createdAt,
          attempts: 0,
          nextAttempt: createdAt
        }))
      )
      for (const lane of fresh) offer(lane)
      account()
    })

  /** What was trimmed away before we came to it. */
  const lookForGap = Effect.gen(function* () {
    const latest = yield* bus.latest
    if (position > latest) {
      // Of several managers, another one may be ahead of us. Alone, it is another log than the one that we had read.
      if (store.changes === undefined) position = latest
      return
    }
    const from = Math.max(position, webhook.skip)
    const [oldest] = yield* bus.read({ after: 0, limit: 1 })
    const missed = (oldest === undefined ? latest : oldest.cursor - 1) - from
    if (missed <= 0) return
    position = from + missed
    yield* write([], missed)
    yield* Metric.incrementBy(missedEvents, missed)
    yield* Effect.logWarning(
      `A webhook has missed ${missed} events: the log had deleted them before it could look at them`
    ).pipe(Effect.annotateLogs("webhook", id))
  })

  const take = (records: Chunk.Chunk<HookRecord>): Effect.Effect<void, Again | WebhooksError> =>
    Effect.gen(function* () {
      if (!open || full) {
        yield* gate.await
        yield* room.await
        return yield* new Again()
      }
      const now = clock.unsafeCurrentTimeMillis()
      const deliveries: Array<NewDelivery> = []
      let to = position
      for (const record of records) {
        to = record.cursor
        if (!matches(record)) continue
        deliveries.push({
          cursor: record.cursor,
          id: newId(now),
          stream: streamOf(record),
          type: record.event.event,
          node: record.node,
          path: pathOf(record.event) ?? null,
          body: bodyOf(record),
          at: record.at,
          createdAt: now,
          deadline: now + options.lifetime
        })
      }
      const before = position
      position = to
      if (deliveries.length > 0 || to - written >= WRITE_AFTER || now - writtenAt >= WRITE_WITHIN) {
        yield* Effect.tapError(write(deliveries, 0), () => Effect.sync(() => (position = before)))
      }
      // What comes in the next moment goes into one transaction; and whoever ingests has the loop for itself.
      yield* Duration.equals(options.gather, Duration.zero) ? Effect.yieldNow() : Effect.sleep(options.gather)
    })

  const reading: Effect.Effect<void, HookBusError | WebhooksError> = gate.await.pipe(
    Effect.zipRight(lookForGap),
    Effect.zipRight(Effect.suspend(() => Stream.runForEachChunk(bus.subscribe({ after: position }), take))),
    Effect.catchTag("Again", () => Effect.suspend(() => reading))
  )
  const pump = reading.pipe(
    Effect.tapError((error) =>
      Effect.annotateLogs(
        Effect.logWarning("The event log could not be read into the outbox of a webhook, trying again", error),
        "webhook",
        id
      )
    ),
    Effect.retry({
      schedule: Schedule.resetAfter(insist, "1 minute"),
      while: (error) => !(error._tag === "HookBusError" && error.reason === "Closed")
    }),
    Effect.ignore
  )

  // -------------------------------------------------------------------------------------------------------------------
  // From the outbox to the receiver

  // At most one of each worker; owned by the writer below, which is done when the workers are.
  const unsettled = yield* Queue.unbounded<readonly [Settlement, Deferred.Deferred<void>]>()
  const patiently = <A>(effect: Effect.Effect<A, WebhooksError>): Effect.Effect<A> =>
    effect.pipe(
      Effect.tapError((error) => Effect.logWarning("The outbox of a webhook is not to be had, trying again", error)),
      Effect.retry(insist),
      Effect.orDie
    )
  const settling = Effect.gen(function* () {
    const batch = yield* Queue.takeBetween(unsettled, 1, AT_ONCE)
    yield* patiently(
      store.settle(
        id,
        Chunk.toReadonlyArray(batch).map(([settlement]) => settlement)
      )
    )
    for (const [, deferred] of batch) Deferred.unsafeDone(deferred, Effect.void)
  })
  const settle = (settlement: Settlement): Effect.Effect<void> =>
    Effect.flatMap(Deferred.make<void>(), (deferred) =>
      Effect.zipRight(Queue.offer(unsettled, [settlement, deferred]), Deferred.await(deferred))
    )

  const waitUntil = (lane: Lane, at: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      lane.state = "waiting"
      const wake = Effect.sync(() => {
        if (lane.state === "waiting") offer(lane)
      })
      return FiberMap.run(
        timers,
        lane.stream,
        Effect.zipRight(Effect.sleep(Math.max(1, at - clock.unsafeCurrentTimeMillis())), wake)
      )
    })
  /** The delivery is over; the next one of its lane comes behind those of others. */
  const over = (lane: Lane, delivery: StoredDelivery): Effect.Effect<void> =>
    Effect.sync(() => {
      if (lanes.done(lane, delivery.cursor)) offer(lane)
      account()
    })

  const onDelivered = (lane: Lane, delivery: StoredDelivery, { status }: Outcome, now: number) =>
    Effect.gen(function* () {
      yield* settle({
        cursor: delivery.cursor,
        state: "delivered",
        attempts: delivery.attempts + 1,
        nextAttempt: null,
        lastAttempt: now,
        endedAt: clock.unsafeCurrentTimeMillis(),
        status,
        error: null
      })
      yield* Metric.increment(delivered)
      lane.failures = 0
      lane.failing = false
      lane.tryAt = 0
      yield* over(lane, delivery)
      const back = failuresInARow >= WAS_AWAY
      failuresInARow = 0
      if (back) yield* wakeAll
    })

  const giveUp = (lane: Lane, delivery: StoredDelivery, last: Partial<Settlement> = {}) =>
    Effect.gen(function* () {
      const { attempts, cursor, error, lastAttempt, status } = delivery
      yield* settle({
        cursor,
        state: "dead",
        attempts,
        nextAttempt: null,
        lastAttempt,
        endedAt: clock.unsafeCurrentTimeMillis(),
        status,
        error: error ?? "was not tried: earlier events of its stream could not be delivered",
        ...last
      })
      yield* Metric.increment(gaveUp)
      dead++
      yield* over(lane, delivery)
    })

  const onFailed = (lane: Lane, delivery: StoredDelivery, outcome: Outcome, now: number) =>
    Effect.gen(function* () {
      yield* Metric.increment(failed)
      failuresInARow++
      lane.failures++
      lane.failing = true
      const tried = clock.unsafeCurrentTimeMillis()
      lane.tryAt = tried + (yield* pause(options.backoff, lane.failures, outcome.retryAfter))
      const { error, status } = outcome
      const attempts = delivery.attempts + 1
      if (outcome.kind === "gone") {
        open = false
        gate.unsafeClose()
      } else if (tried >= delivery.deadline) {
        return yield* giveUp(lane, delivery, { attempts, lastAttempt: now, status, error })
      }
      yield* settle({
        cursor: delivery.cursor,
        state: "pending",
        attempts,
        nextAttempt: lane.tryAt,
        lastAttempt: now,
        endedAt: null,
        status,
        error
      })
      if (outcome.kind === "gone") yield* gone
      yield* waitUntil(lane, Math.min(lane.tryAt, delivery.deadline))
    })

  /** Goes on with a lane by one delivery. */
  const step = (lane: Lane): Effect.Effect<void> =>
    Effect.gen(function* () {
      const cursor = lane.cursors[0]
      if (cursor === undefined) return
      const found = yield* patiently(store.delivery(id, cursor))
      if (Option.isNone(found) || found.value.state !== "pending") {
        if (lanes.done(lane, cursor)) offer(lane)
        return account()
      }
      const delivery = found.value
      const now = clock.unsafeCurrentTimeMillis()
      if (lane.failing && now >= delivery.deadline) return yield* giveUp(lane, delivery)
      if (lane.tryAt > now) return yield* waitUntil(lane, Math.min(lane.tryAt, Math.max(delivery.deadline, now + 1)))
      const { secrets, settings } = webhook
      const outcome = yield* attempt(sender, { url: settings.url, secrets }, delivery, now, options.timeout)
      yield* outcome.kind === "delivered"
        ? onDelivered(lane, delivery, outcome, now)
        : onFailed(lane, delivery, outcome, now)
    })

  const work = Effect.gen(function* () {
    const lane = yield* Queue.take(ready)
    yield* gate.await
    lane.state = "busy"
    if (busy++ === 0) idle.unsafeClose()
    yield* step(lane).pipe(
      Effect.catchAllCause((cause) =>
        Effect.zipRight(
          Effect.annotateLogs(Effect.logError("A webhook could not be sent because of a bug", cause), "webhook", id),
          waitUntil(lane, clock.unsafeCurrentTimeMillis() + REST)
        )
      ),
      Effect.ensuring(
        Effect.sync(() => {
          if (--busy === 0) idle.unsafeOpen()
        })
      )
    )
  })

  yield* reload
  adopt(initial)
  yield* Effect.forkScoped(Effect.forever(settling))
  for (let worker = 0; worker < options.concurrency; worker++) yield* Effect.forkScoped(Effect.forever(work))
  yield* Effect.forkScoped(pump)

  return {
    update: (changed) =>
      Effect.suspend(() => {
        const news = changed.version !== webhook.version
        adopt(changed)
        // The receiver may have been repaired, or be another one.
        return news ? Effect.zipRight(reload, wakeAll) : Effect.void
      }),
    stop: (patience) =>
      Effect.gen(function* () {
        stopped = true
        open = false
        gate.unsafeClose()
        if (busy > 0) yield* Effect.timeoutOption(idle.await, patience)
        if (position > written) yield* Effect.ignore(store.enqueue(id, position, [], 0))
      }),
    unsafeStatus: () => ({
      enabled: webhook.settings.enabled,
      pending: lanes.size,
      oldestPending: lanes.oldest(),
      dead
    }),
    unsafeForget: (count) => {
      dead = Math.max(0, dead - count)
    }
  }
})
