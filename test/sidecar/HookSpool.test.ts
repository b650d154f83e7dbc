/** Hooks on disk: what was acknowledged is there, in order, whatever happens to the process or to a file. */
import { createHash } from "node:crypto"
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { HookEvent } from "../../src/mediamtx/HookEvent.js"
import type { FileError } from "../../src-sidecar/support/ReplaceFile.js"
import { type HookSpool, make } from "../../src-sidecar/updater/HookSpool.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-spool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
const hook = (n: number, size = 0): HookEvent => ({ event: "init", path: `p${n}${"x".repeat(size)}` })
const numberOf = (body: string): number => Number(/"path":"p(\d+)/.exec(body)?.[1])

/** The spool as one run of the updater has it. */
const session = <A, E>(path: string, use: (spool: HookSpool) => Effect.Effect<A, E>, limit = 1024 * 1024) =>
  Effect.scoped(Effect.flatMap(make({ folder: path, limit }), use))

/** Up to `count` hooks, each done with. */
const take = (spool: HookSpool, count: number): Effect.Effect<ReadonlyArray<string>, FileError> =>
  Effect.gen(function* () {
    const bodies: Array<string> = []
    while (bodies.length < count) {
      const hooks = (yield* spool.peek).slice(0, count - bodies.length)
      bodies.push(...hooks.map(({ body }) => body))
      yield* spool.advance(hooks.length)
    }
    return bodies
  })

/** All that are left; the spool itself waits for more. */
const drain = (spool: HookSpool) =>
  Effect.gen(function* () {
    yield* spool.append(hook(999_999))
    const bodies: Array<string> = []
    for (;;) {
      const [body = ""] = yield* take(spool, 1)
      if (numberOf(body) === 999_999) return bodies
      bodies.push(body)
    }
  })
const segments = (path: string) => readdirSync(path).filter((name) => name.endsWith(".hooks"))

describe("HookSpool", () => {
  it.scoped("gives hooks in the order in which they came, each until it is done with, and waits for more", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(path, (spool) =>
        Effect.gen(function* () {
          const early = yield* Effect.fork(spool.peek)
          yield* spool.append(hook(0))
          const [first = { body: "" }, ...others] = yield* Fiber.join(early)
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual(yield* spool.peek, [first])
          assert.deepInclude(JSON.parse(first.body), { event: "init", path: "p0" })
          yield* spool.advance(1)
          yield* Effect.forEach([1, 2, 3], (n) => spool.append(hook(n)))
          const bodies = yield* take(spool, 3)
          assert.deepStrictEqual(bodies.map(numberOf), [1, 2, 3])
          const deliveries = [first.body, ...bodies].map((body) => /"delivery":"([\w-]{12})\.(\d+)"/.exec(body))
          assert.strictEqual(new Set(deliveries.map((match) => match?.[1])).size, 1)
          assert.deepStrictEqual(
            deliveries.map((match) => Number(match?.[2])),
            [1, 2, 3, 4]
          )
        })
      )
    })
  )

  it.scoped("is for its owner only", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "new", "er")
      yield* session(path, (spool) => spool.append(hook(0)))
      assert.strictEqual(statSync(path).mode & 0o777, 0o700)
      for (const name of readdirSync(path)) assert.strictEqual(statSync(join(path, name)).mode & 0o777, 0o600)
    })
  )

  it.scoped("goes on where it was in the next run, with other numbers", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(path, (spool) =>
        Effect.zipRight(
          Effect.forEach([0, 1, 2, 3], (n) => spool.append(hook(n))),
          take(spool, 2)
        )
      )
      const bodies = yield* session(path, (spool) => Effect.zipRight(spool.append(hook(4)), drain(spool)))
      assert.deepStrictEqual(bodies.map(numberOf), [2, 3, 4])
      assert.strictEqual(new Set(bodies.map((body) => /"delivery":"([^.]+)/.exec(body)?.[1])).size, 2)
      assert.deepStrictEqual((yield* session(path, drain)).map(numberOf), [])
    })
  )

  it.scoped("gives again, after a crash, at most what was done with since the last note of it", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const scope = yield* Scope.make()
      const spool = yield* Scope.extend(make({ folder: path, limit: 1024 * 1024 }), scope)
      yield* Effect.forEach([0, 1, 2, 3], (n) => spool.append(hook(n)))
      yield* take(spool, 2)
      // The note is a file that is written in real time when the clock says so.
      yield* TestClock.adjust("1 seconds")
      yield* Effect.promise(async () => {
        while (!readdirSync(path).includes("position")) await new Promise((resolve) => setImmediate(resolve))
      })
      yield* take(spool, 1)
      // No scope is closed by a crash: another run looks at the same files.
      const bodies = yield* session(path, drain)
      assert.deepStrictEqual(bodies.map(numberOf), [2, 3])
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
    })
  )

  it.scoped("has one fsync and one file for hooks that come together, and deletes files that are done with", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(path, (spool) =>
        Effect.gen(function* () {
          const count = 3_000
          yield* Effect.forEach(Array.from({ length: count }), (_, n) => spool.append(hook(n, 200)), {
            concurrency: "unbounded",
            discard: true
          })
          assert.isAbove(segments(path).length, 2)
          const bodies = yield* take(spool, count)
          assert.deepStrictEqual(
            bodies.map(numberOf),
            Array.from({ length: count }, (_, n) => n)
          )
          assert.deepStrictEqual(yield* drain(spool), [])
          assert.isAtMost(segments(path).length, 2)
        })
      )
    })
  )

  it.scoped("gives what waits in portions, by number and by size", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(path, (spool) =>
        Effect.gen(function* () {
          const append = (n: number, size: number) => spool.append(hook(n, size))
          yield* Effect.forEach(Array.from({ length: 150 }), (_, n) => append(n, 0), { concurrency: "unbounded" })
          assert.strictEqual((yield* spool.peek).length, 100)
          yield* take(spool, 150)
          yield* Effect.forEach([0, 1, 2], (n) => append(n, 60_000), { concurrency: "unbounded" })
          yield* Effect.forEach([3, 4], (n) => append(n, 200_000), { concurrency: "unbounded" })
          const portions: Array<number> = []
          while (portions.reduce((sum, count) => sum + count, 0) < 5) {
            const hooks = yield* spool.peek
            portions.push(hooks.length)
            assert.isBelow(
              hooks.reduce((sum, { body }) => sum + body.length, 0),
              300_000
            )
            yield* spool.advance(hooks.length)
          }
          assert.isAbove(portions.length, 1)
        })
      )
    })
  )

  it.scoped("refuses what has no room, keeps all that it took, and takes more when there is room again", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(
        path,
        (spool) =>
          Effect.gen(function* () {
            const taken: Array<number> = []
            for (let n = 0; n < 200; n++) {
              const result = yield* Effect.either(spool.append(hook(n)))
              if (Either.isRight(result)) taken.push(n)
              else assert.strictEqual(result.left._tag, "SpoolFull")
              assert.isAtMost(yield* spool.size, 4096)
            }
            assert.isAbove(taken.length, 20)
            assert.deepStrictEqual(
              taken,
              Array.from({ length: taken.length }, (_, n) => n)
            )
            yield* take(spool, 10)
            // Looking for the next one lets go of what is done with.
            yield* spool.peek
            yield* spool.append(hook(500))
            assert.deepStrictEqual((yield* take(spool, taken.length - 9)).map(numberOf), [...taken.slice(10), 500])
          }),
        4096
      )
    })
  )

  it.scoped("leaves out what was cut off or damaged, and nothing else", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* session(path, (spool) => Effect.forEach([0, 1, 2, 3, 4], (n) => spool.append(hook(n))))
      const [name = ""] = segments(path)
      const file = join(path, name)
      const whole = readFileSync(file)
      // A bit of the third line, whatever it is; then the end of the last one.
      const lines = whole.toString().split("\n")
      const at = Buffer.byteLength(`${lines.slice(0, 2).join("\n")}\n`) + 30
      whole[at] = (whole[at] ?? 0) ^ 1
      writeFileSync(file, whole.subarray(0, -7))
      assert.deepStrictEqual((yield* session(path, drain)).map(numberOf), [0, 1, 3])
    })
  )

  it.scoped("starts from the oldest file when its note of the position makes no sense", () =>
    Effect.gen(function* () {
      const position = (text: string) => `${createHash("sha256").update(text).digest("hex").slice(0, 16)} ${text}\n`
      for (const text of [
        "",
        "{",
        '{"segment":9,"offset":0}',
        position('{"segment":1,"offset":99999999}'),
        position('{"segment":-1,"offset":0}')
      ]) {
        const path = yield* folder
        yield* session(path, (spool) => Effect.forEach([0, 1], (n) => spool.append(hook(n))))
        writeFileSync(join(path, "position"), text)
        assert.deepStrictEqual((yield* session(path, drain)).map(numberOf), [0, 1], text)
      }
    })
  )

  it("whatever is cut off the end of the newest file, what came before is given, whole and in order", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.array(FastCheck.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }),
        FastCheck.nat({ max: 400 }),
        FastCheck.string(),
        (runs, cut, junk) =>
          Effect.runPromise(
            Effect.scoped(
              Effect.gen(function* () {
                const path = yield* folder
                let n = 0
                for (const count of runs) {
                  yield* session(path, (spool) =>
                    Effect.forEach(Array.from({ length: count }), () => spool.append(hook(n++)))
                  )
                }
                const newest = join(path, segments(path).at(-1) ?? "")
                const before = readFileSync(newest)
                const left = Math.max(0, before.length - cut)
                truncateSync(newest, left)
                // What a disk may hold where nothing was made durable.
                appendFileSync(newest, junk)
                const whole = before.subarray(0, left).toString().split("\n").length - 1
                const kept = n - (runs.at(-1) ?? 0) + whole
                const got = (yield* session(path, drain)).map(numberOf)
                // The newline alone may be what is missing.
                assert.include([kept, kept + 1], got.length)
                assert.deepStrictEqual(
                  got,
                  Array.from({ length: got.length }, (_, index) => index)
                )
              })
            ).pipe(Logger.withMinimumLogLevel(LogLevel.None))
          )
      ),
      { numRuns: 40 }
    ))

  it.scoped("says what keeps it from opening", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "file")
      writeFileSync(path, "")
      const result = yield* Effect.option(session(path, () => Effect.void))
      assert.isTrue(Option.isNone(result))
      const error = yield* Effect.flip(session(path, () => Effect.void))
      assert.match(error.message, /can't be made/)
    })
  )
})
