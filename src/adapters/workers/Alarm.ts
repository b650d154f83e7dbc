/**
 * The alarm of a Durable Object, as a NodeRegistry and clip jobs need it: an object that nobody calls is gone from memory
 * after a while, and must be there again when a node's silence is to be noticed, or a worker's.
 *
 * At most one alarm is set. While the object is in memory its own timers do the work; the alarm goes off a little later, and
 * finds it done. Also without any deadline the object is woken every hour, so that what is too old is deleted.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { Wakeups } from "../../services/NodeRegistry.js"
import type { ClipWakeups } from "./ClipDeadlines.js"

/** What is used of `ctx.storage`, in the shape that Cloudflare gives it. */
export interface AlarmStorage {
  get(key: string): Promise<unknown>
  put(key: string, value: number): Promise<void>
  setAlarm(time: number): Promise<void>
}

/** When the alarm is due that was set last: epoch milliseconds. */
const KEY = "mtx-manager/alarm"
/** How much later than a timer of the object the alarm goes off. */
const AFTER_TIMERS = 250
/** An alarm that has gone off just now is not set again for sooner than this. */
const SHORTEST_PAUSE = 1_000
const LONGEST_PAUSE = 60 * 60 * 1000
/** An alarm that is this late means that the platform was down, so that no node could be heard either. */
const PLATFORM_WAS_DOWN = 60_000

export class Alarm {
  readonly #storage: AlarmStorage
  readonly #ready = Deferred.unsafeMake<void>(FiberId.none)
  readonly #looked = Deferred.unsafeMake<void>(FiberId.none)
  /** When the alarm goes off that is set; undefined when none is, or it has gone off. */
  #set: number | undefined
  /** The next deadline, as the registry said last. */
  #deadline = Number.POSITIVE_INFINITY
  /** The next deadline of a clip job after a time. */
  #clipDeadline: (after: number) => number = () => Number.POSITIVE_INFINITY

  constructor(storage: AlarmStorage) {
    this.#storage = storage
  }

  /** The manager stands: from now on nodes may expire. */
  readonly begin: Effect.Effect<void> = Effect.asVoid(Deferred.succeed(this.#ready, undefined))

  /** What the registry is made with. */
  readonly wakeups: Effect.Effect<Wakeups> = Effect.gen(this, function* () {
    const stored = yield* Effect.promise(() => this.#storage.get(KEY))
    const now = yield* Clock.currentTimeMillis
    if (typeof stored === "number" && stored > now) this.#set = stored
    return {
      since: typeof stored === "number" && now - stored > PLATFORM_WAS_DOWN ? now : 0,
      ready: Deferred.await(this.#ready),
      plan: (at, now) => {
        this.#deadline = at
        this.#plan(at + AFTER_TIMERS, now)
        Deferred.unsafeDone(this.#looked, Effect.void)
      }
    }
  })

  /** What the queue of clip jobs is made with. */
  readonly clips: ClipWakeups = {
    plan: (next, now) => {
      this.#clipDeadline = next
      this.#plan(next(now) + AFTER_TIMERS, now)
    }
  }

  /** The alarm has gone off, and the manager stands. Returns when the deadlines were looked at and the next alarm is set. */
  readonly wentOff: Effect.Effect<void> = Effect.gen(this, function* () {
    this.#set = undefined
    yield* Deferred.await(this.#looked)
    const now = yield* Clock.currentTimeMillis
    const next = Math.min(this.#deadline, this.#clipDeadline(now))
    this.#plan(Math.max(next + AFTER_TIMERS, now + SHORTEST_PAUSE), now)
  })

  #plan(at: number, now: number): void {
    const next = Math.ceil(Math.max(now, Math.min(at, now + LONGEST_PAUSE)))
    // One that is set for sooner will see that it is too early, and be set anew. Each setting is a write.
    if (this.#set !== undefined && this.#set > now && this.#set <= next) return
    this.#set = next
    // Both are written together, since nothing is awaited between them; the runtime holds back answers until they are kept.
    for (const write of [this.#storage.setAlarm(next), this.#storage.put(KEY, next)]) {
      write.catch(() => {
        if (this.#set === next) this.#set = undefined
      })
    }
  }
}
