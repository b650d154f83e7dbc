/**
 * How often something may happen, for many keys: the generic cell rate algorithm, which keeps one number for a key.
 *
 * The number is when the key would be as good as new. Memory is bounded: beyond `max` keys the one that was not touched for
 * longest is forgotten, which is as good as new for it.
 *
 * Invariants
 * - In any stretch of time, no key that is not forgotten takes more than `burst` plus one for each `interval` of it.
 * - Taking nothing costs nothing: a refusal does not put off the next one.
 *
 * @internal
 */
export interface Buckets {
  /** Takes one: 0, or, when there is none to take, in how many milliseconds there is. */
  readonly take: (key: string, now: number) => number
  /** In how many milliseconds one could be taken; 0 for now. Takes nothing. */
  readonly wait: (key: string, now: number) => number
  readonly forget: (key: string) => void
  /** How many keys are kept. */
  readonly size: () => number
}

export interface BucketsOptions {
  /** How many at once. */
  readonly burst: number
  /** Milliseconds until one more. */
  readonly interval: number
  readonly max: number
}

/** Float noise: below a thousandth of a millisecond nothing has to be waited for. */
const EPSILON = 1e-3

export const make = ({ burst, interval, max }: BucketsOptions): Buckets => {
  /** By key, the one that was touched least recently in front. */
  const fresh = new Map<string, number>()
  const slack = (burst - 1) * interval
  /** A clock that was set back must not lock anybody out for longer than emptying the bucket does. */
  const freshAt = (key: string, now: number): number => {
    const at = fresh.get(key) ?? now
    return at < now ? now : Math.min(at, now + slack + interval)
  }
  const trim = (now: number): void => {
    let looked = 0
    for (const [key, at] of fresh) {
      // Those that are as good as new go first of all, two for each that comes.
      if (fresh.size <= max && (at > now || looked >= 2)) return
      fresh.delete(key)
      looked++
    }
  }
  return {
    take: (key, now) => {
      const at = freshAt(key, now)
      const wait = at - slack - now
      fresh.delete(key)
      if (wait > EPSILON) {
        // Who goes on trying is not forgotten.
        fresh.set(key, at)
        return wait
      }
      fresh.set(key, at + interval)
      trim(now)
      return 0
    },
    wait: (key, now) => {
      const wait = freshAt(key, now) - slack - now
      return wait > EPSILON ? wait : 0
    },
    forget: (key) => {
      fresh.delete(key)
    },
    size: () => fresh.size
  }
}
