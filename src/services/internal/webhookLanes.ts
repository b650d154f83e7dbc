/**
 * The deliveries of a webhook that wait, by stream. Pure: no clock, no I/O.
 *
 * @internal
 */
import type { Cursor } from "../HookBus.js"
import type { PendingDelivery } from "../WebhookStore.js"

/** A stream with something to deliver. */
export interface Lane {
  readonly stream: string
  /** In order. The first is tried, or is the next. */
  readonly cursors: Array<Cursor>
  /** Failed tries in a row, of whichever delivery. */
  failures: number
  /** The last try of this process has failed. */
  failing: boolean
  /** Not tried before, in epoch milliseconds. */
  tryAt: number
  /** `idle`: new, nobody has it. `ready`: somebody takes it as soon as they can. `busy`: they do. `waiting`: for its time. */
  state: "idle" | "ready" | "busy" | "waiting"
}

export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  /** All that wait, and since when. */
  readonly #waiting = new Map<Cursor, number>()

  get size(): number {
    return this.#waiting.size
  }

  /** Takes in deliveries; those that are known are passed over. Returns the lanes that nobody has yet. */
  add(deliveries: Iterable<PendingDelivery>): ReadonlyArray<Lane> {
    const fresh: Array<Lane> = []
    for (const { attempts, createdAt, cursor, nextAttempt, stream } of deliveries) {
      if (this.#waiting.has(cursor)) continue
      this.#waiting.set(cursor, createdAt)
      const lane = this.#lanes.get(stream)
      if (lane !== undefined) {
        let at = lane.cursors.length
        while (at > 0 && (lane.cursors[at - 1] ?? 0) > cursor) at--
        lane.cursors.splice(at, 0, cursor)
        continue
      }
      const made: Lane = {
        stream,
        cursors: [cursor],
        failures: attempts,
        failing: false,
        tryAt: attempts === 0 ? 0 : nextAttempt,
        state: "idle"
      }
      this.#lanes.set(stream, made)
      fresh.push(made)
    }
    return fresh
  }

  /** The delivery is over. False: it was the lane's last, and the lane is gone. */
  done(lane: Lane, cursor: Cursor): boolean {
    this.#waiting.delete(cursor)
    const at = lane.cursors.indexOf(cursor)
    if (at !== -1) lane.cursors.splice(at, 1)
    if (lane.cursors.length > 0) return true
    this.#lanes.delete(lane.stream)
    return false
  }

  /** Those that wait for their time. */
  waiting(): ReadonlyArray<Lane> {
    return [...this.#lanes.values()].filter(({ state }) => state === "waiting")
  }

  /** Since when the oldest waits, in epoch milliseconds. */
  oldest(): number | undefined {
    let oldest: number | undefined
    for (const { cursors } of this.#lanes.values()) {
      const since = this.#waiting.get(cursors[0] ?? -1)
      if (since !== undefined && (oldest === undefined || since < oldest)) oldest = since
    }
    return oldest
  }
}
