/**
 * What every ConfigSource must do, as a test suite for vitest: run your own source through it.
 *
 * @example
 * ```ts
 * configSourceContract("ConfigSource.make", {
 *   open: (value) =>
 *     Effect.map(ConfigSource.make(value), (source) => ({ source, offer: (next) => Effect.ignore(source.set(next)) }))
 * })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConfigSourceShape, ConfigValue } from "../services/ConfigSource.js"
import { NodeId } from "../services/NodeId.js"

/** A source, and the way by which an operator edits it. */
export interface OpenConfigSource {
  readonly source: ConfigSourceShape
  /** Replaces all that the source holds. May return before the source has noticed. */
  readonly offer: (value: ConfigValue) => Effect.Effect<void>
}

export interface ConfigSourceContractOptions<E> {
  readonly open: (value: ConfigValue) => Effect.Effect<OpenConfigSource, E, Scope.Scope>
}

const north = NodeId.make("north")

/** Real time, because sources may follow real files. */
const eventually = (what: string, check: Effect.Effect<boolean>): Effect.Effect<void> =>
  check.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutFail({ duration: Duration.seconds(15), onTimeout: () => new Error(`never: ${what}`) }),
    Effect.orDie,
    Effect.asVoid
  )

export const configSourceContract = <E>(name: string, options: ConfigSourceContractOptions<E>): void => {
  const first: ConfigValue = { config: { logLevel: "warn", paths: { cam: { record: true }, door: {} } } }

  describe(`${name}: the ConfigSource contract`, () => {
    it.scopedLive("holds what it was given", () =>
      Effect.gen(function* () {
        const { source } = yield* options.open({ ...first, nodes: { north: { logLevel: "debug" } } })
        const fleet = yield* source.current
        assert.deepStrictEqual(fleet.base, first.config)
        assert.deepStrictEqual([...fleet.nodes], [[north, { logLevel: "debug" }]])
        assert.isAbove(fleet.revision, 0)
        assert.strictEqual(fleet.refused?.size ?? 0, 0)
        assert.isUndefined(yield* source.rejected)
      })
    )

    it.scopedLive("takes a good edit, keeps what it didn't touch, and tells", () =>
      Effect.gen(function* () {
        const { offer, source } = yield* options.open(first)
        const before = yield* source.current
        const told = yield* Effect.fork(Stream.runHead(source.changes))
        const edits = [
          { ...first.config, paths: { ...first.config.paths, door: { maxReaders: 3 } } },
          { ...first.config, paths: { ...first.config.paths, door: { maxReaders: 4 } } }
        ]
        // Whether the subscription stands already can't be seen from outside: edit until a change was told.
        let edit = 0
        yield* eventually(
          "a change is told",
          Effect.gen(function* () {
            const config = edits[edit++ % 2]
            if (config !== undefined) yield* offer({ config })
            return yield* Fiber.await(told).pipe(Effect.timeoutOption("500 millis"), Effect.map(Option.isSome))
          })
        )
        const change = yield* Fiber.join(told)
        assert.isTrue(Option.isSome(change))
        if (Option.isSome(change)) {
          assert.isAbove(change.value.revision, before.revision)
          assert.oneOf(change.value.base.paths?.["door"]?.maxReaders, [3, 4])
          assert.strictEqual(change.value.base.paths?.["cam"], before.base.paths?.["cam"], "the very same object")
        }
        assert.isAbove((yield* source.current).revision, before.revision)
      })
    )

    it.scopedLive("refuses a bad edit, says why, and forgets it when it is mended", () =>
      Effect.gen(function* () {
        const { offer, source } = yield* options.open(first)
        const before = yield* source.current
        const bad: ConfigValue = JSON.parse('{"config":{"paths":{"cam":{"recrod":true}}}}')
        yield* offer(bad)
        yield* eventually(
          "it is refused",
          Effect.map(source.rejected, (refusal) => refusal !== undefined)
        )
        assert.match((yield* source.rejected)?.message ?? "", /recrod/)
        assert.strictEqual(yield* source.current, before)
        yield* offer({ config: { paths: { cam: { record: false } } } })
        yield* eventually(
          "it is taken",
          Effect.map(source.rejected, (refusal) => refusal === undefined)
        )
        const after = yield* source.current
        assert.strictEqual(after.base.paths?.["cam"]?.record, false)
        assert.isAbove(after.revision, before.revision)
      })
    )

    it.scopedLive("judges an overlay by what it makes of the base", () =>
      Effect.gen(function* () {
        const { offer, source } = yield* options.open(first)
        const before = yield* source.current
        // By itself it is fine; with the base's recording path it isn't.
        const overlay = { paths: { cam: { recordSegmentDuration: "2h", recordDeleteAfter: "1h" } } }
        yield* offer({ ...first, nodes: { north: overlay } })
        yield* eventually(
          "it is refused",
          Effect.map(source.rejected, (refusal) => refusal !== undefined)
        )
        const fleet = yield* source.current
        assert.deepStrictEqual(fleet.base, before.base)
        assert.isFalse(fleet.nodes.has(north))
        yield* offer({ ...first, nodes: { north: { paths: { cam: { recordDeleteAfter: "2h" } } } } })
        yield* eventually(
          "the good one is taken",
          Effect.map(source.current, ({ nodes }) => nodes.has(north))
        )
        assert.isUndefined(yield* source.rejected)
      })
    )

    it.scopedLive("does not start without a valid config", () =>
      Effect.gen(function* () {
        const bad: ConfigValue = JSON.parse('{"config":{"logLevel":"loud"}}')
        assert.isTrue(Exit.isFailure(yield* Effect.exit(options.open(bad))))
      })
    )

    it.scopedLive("rewrites deprecated names and says so", () =>
      Effect.gen(function* () {
        const old: ConfigValue = JSON.parse('{"config":{"paths":{"cam":{"runOnReady":"true"}}}}')
        const { source } = yield* options.open(old)
        const fleet = yield* source.current
        assert.deepStrictEqual(fleet.base.paths, { cam: { runOnAvailable: "true" } })
        assert.isAbove(fleet.warnings.length, 0)
      })
    )
  })
}
