/**
 * The reading side of a HookBus: who is subscribed, how far each has read, and how they wake when there is more.
 *
 * A subscriber holds nothing but its cursor. It pulls pages from the log, and at the end of it waits for a wake-up. So
 * there is no queue to overflow, a slow one never holds up a publisher, and catching up is the same as following.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Cursor, HookBusError, HookRecord } from "../HookBus.js"

/** Some records after a cursor. */
export interface Page {
  readonly records: ReadonlyArray<HookRecord>
  /** Everything up to here has been looked at: past the last record when rows at the end were trimmed or unreadable. */
  readonly next: Cursor
}

/** How many records a subscriber takes at once. */
const pageSize = 256

/** How many turns of the event loop the end waits for subscribers that are still reading the last records. */
const graceTurns = 50

interface Subscriber {
  cursor: Cursor
  wake: (() => void) | undefined
}

export class Feed {
  private readonly subscribers = new Set<Subscriber>()
  private ended = false

  constructor(
    /** The newest cursor that may be read. */
    public latest: Cursor,
    private readonly page: (after: Cursor, limit: number) => Effect.Effect<Page, HookBusError>
  ) {}

  /** There are records up to `latest` now. */
  advance(latest: Cursor): void {
    this.latest = latest
    this.wakeAll()
  }

  subscribe(options?: { readonly after?: Cursor }): Stream.Stream<HookRecord, HookBusError> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const subscriber: Subscriber = { cursor: options?.after ?? this.latest, wake: undefined }
        this.subscribers.add(subscriber)
        return subscriber
      }),
      (subscriber) => Effect.sync(() => this.subscribers.delete(subscriber))
    ).pipe(
      Effect.map((subscriber) => Stream.repeatEffectChunkOption(this.pull(subscriber))),
      Stream.unwrapScoped
    )
  }

  /**
   * Ends every subscription, after giving those that are reading the chance to take the last records.
   *
   * Counted in turns, not in time: a stalled subscriber must not hold up a shutdown, and its cursor lets it resume.
   */
  end(turn: Effect.Effect<void>): Effect.Effect<void> {
    const wait = (left: number): Effect.Effect<void> =>
      Effect.suspend(() => (left === 0 || !this.anyBehind() ? Effect.void : Effect.zipRight(turn, wait(left - 1))))
    return Effect.suspend(() => {
      this.ended = true
      this.wakeAll()
      return wait(graceTurns)
    })
  }

  private anyBehind(): boolean {
    for (const subscriber of this.subscribers) if (subscriber.cursor < this.latest) return true
    return false
  }

  private wakeAll(): void {
    for (const subscriber of this.subscribers) {
      const wake = subscriber.wake
      if (wake !== undefined) {
        subscriber.wake = undefined
        wake()
      }
    }
  }

  private pull(subscriber: Subscriber): Effect.Effect<Chunk.Chunk<HookRecord>, Option.Option<HookBusError>> {
    const wait = Effect.async<void>((resume) => {
      if (this.ended || subscriber.cursor < this.latest) return resume(Effect.void)
      subscriber.wake = () => resume(Effect.void)
      return Effect.sync(() => {
        subscriber.wake = undefined
      })
    })
    const pull: Effect.Effect<Chunk.Chunk<HookRecord>, Option.Option<HookBusError>> = Effect.suspend(() => {
      if (subscriber.cursor >= this.latest) {
        return this.ended ? Effect.fail(Option.none()) : Effect.zipRight(wait, pull)
      }
      return Effect.matchEffect(this.page(subscriber.cursor, pageSize), {
        // After the end the storage may be gone: the subscriber resumes at its cursor another time.
        onFailure: (error) => Effect.fail(this.ended ? Option.none() : Option.some(error)),
        onSuccess: ({ records, next }) => {
          subscriber.cursor = next
          return records.length === 0 ? pull : Effect.succeed(Chunk.unsafeFromArray(records))
        }
      })
    })
    return pull
  }
}
