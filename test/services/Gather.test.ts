import { it } from "@effect/vitest"
import { Effect } from "effect"
import { assert, describe } from "vitest"
import { Pace } from "../../src/services/internal/gather.js"

/** Turns of the event loop until `then` is called. */
const turnsUntil = (begin: (then: () => void) => void): Promise<number> =>
  new Promise((resolve) => {
    let turns = 0
    let done = false
    begin(() => {
      done = true
      resolve(turns)
    })
    const count = () => {
      if (done) return
      turns++
      setImmediate(count)
    }
    setImmediate(count)
  })

const holdUp = (millis: number) =>
  Effect.sync(() => {
    const until = performance.now() + millis
    while (performance.now() < until);
  })
const one = () => 1

describe("Pace", () => {
  it.effect("a lone caller waits for two turns, and for no timer", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      assert.isAtMost(yield* Effect.promise(() => turnsUntil((then) => pace.gather(one, 200, then))), 3)
    })
  )

  it.effect("it waits while each turn brings more, until there are enough", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      let size = 0
      const grow = () => {
        size++
        if (size < 50) setImmediate(grow)
      }
      setImmediate(grow)
      yield* Effect.async<void>((resume) => {
        pace.gather(
          () => size,
          10,
          () => resume(Effect.void)
        )
      })
      assert.isAtLeast(size, 9)
      assert.isAtMost(size, 12)
    })
  )

  it.effect("a write that holds up the loop is left alone for twice as long by the next", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      yield* pace.paced(holdUp(4))
      const ended = performance.now()
      yield* pace.gathered(one, 200)
      // Timers of Node may be up to a millisecond early.
      assert.isAtLeast(performance.now() - ended, 6)
    })
  )

  it.effect("a full batch does not wait", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      yield* pace.paced(holdUp(4))
      assert.isAtMost(yield* Effect.promise(() => turnsUntil((then) => pace.gather(one, 1, then))), 3)
    })
  )

  it.effect("a write that lets the loop turn is followed by no rest", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      yield* pace.paced(
        Effect.promise(
          () =>
            new Promise((resolve) => {
              setTimeout(resolve, 5)
            })
        )
      )
      assert.isAtMost(yield* Effect.promise(() => turnsUntil((then) => pace.gather(one, 200, then))), 3)
    })
  )

  it.effect("a write that fails is noted as well, and its failure told", () =>
    Effect.gen(function* () {
      const pace = new Pace()
      const error = yield* Effect.flip(pace.paced(Effect.zipRight(holdUp(4), Effect.fail("full"))))
      assert.strictEqual(error, "full")
      const ended = performance.now()
      yield* pace.gathered(one, 200)
      assert.isAtLeast(performance.now() - ended, 6)
    })
  )
})
