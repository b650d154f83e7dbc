/**
 * Waiting, by turns of the event loop instead of by time, for more of what can be written together.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { onWorkers } from "./onWorkers.js"

/** Runs `f` when the event loop has gone through the requests that it has in hand. */
const afterTurn: (f: () => void) => void =
  typeof setImmediate === "function" ? (f) => void setImmediate(f) : (f) => void setTimeout(f, 0)

/** How many turns a commit waits for more to commit with it: some microseconds each. */
const MOST_TURNS = 16

/** Waits for the next turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.async((resume) => afterTurn(() => resume(Effect.void)))

/**
 * Goes on when two turns of the event loop have brought nothing more, when there are `enough`, or after `MOST_TURNS`: callers
 * on new connections come over several turns (accepted in one, read in the next), and each commit costs far more than a turn.
 */
const gather = (size: () => number, enough: number, then: () => void): void => {
  const next = (seen: number, quiet: number, turns: number): void =>
    afterTurn(() => {
      const now = size()
      const more = now > seen
      if (turns >= MOST_TURNS || now >= enough || (!more && quiet >= 1)) then()
      else next(now, more ? 0 : quiet + 1, turns + 1)
    })
  next(size(), 0, 0)
}

/** So many times as long as a write has held up the event loop, it is left alone by the next one. */
const REST = 2
/** Never for longer than this, in milliseconds. */
const LONGEST_REST = 20

/**
 * Keeps writes that hold up the event loop, as those of an embedded database do while the disk works, to a third of the
 * time: under load more goes into each of them instead. One that lets the loop turn meanwhile costs others nothing, and is
 * followed by no rest.
 */
export class Pace {
  #restUntil = 0

  /** Runs a write and notes how long it has held up the loop. */
  paced<A, E, R>(write: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    // Nothing is held up there: storage is elsewhere, and the clock stands still meanwhile, so that it looks as if it were.
    if (onWorkers) return write
    return Effect.suspend(() => {
      // Not by the Clock: this is about the machine, also where a test has its own time.
      const begun = performance.now()
      let turned = false
      afterTurn(() => {
        turned = true
      })
      return Effect.ensuring(
        write,
        Effect.sync(() => {
          const now = performance.now()
          if (!turned) this.#restUntil = now + Math.min(LONGEST_REST, REST * (now - begun))
        })
      )
    })
  }

  /** As `gather`, after the rest. */
  gather(size: () => number, enough: number, then: () => void): void {
    const rest = this.#restUntil - performance.now()
    // A timer can't be shorter; what is, the turns make up for.
    if (rest >= 1 && size() < enough) setTimeout(() => gather(size, enough, then), rest)
    else gather(size, enough, then)
  }

  /** The same as an effect. */
  gathered(size: () => number, enough: number): Effect.Effect<void> {
    return Effect.async((resume) => this.gather(size, enough, () => resume(Effect.void)))
  }
}
