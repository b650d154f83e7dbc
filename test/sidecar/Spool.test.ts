import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Spool from "../../src-sidecar/playback/Spool.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-spool-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
const piece = (start: number) => ({ start, end: start + 1_000 })
const refusal = (take: () => void): string => {
  try {
    take()
    return "taken"
  } catch (error) {
    return error instanceof Spool.SpoolError ? error.reason : String(error)
  }
}

describe("Spool", () => {
  it.scoped("keeps what is whole for the next try, and nothing of what was not", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const first = yield* Spool.make({ folder: path, limit: 100 })
      const job = yield* first.open("a")
      const { file, part } = job.fileOf(piece(0), "mp4")
      job.take(40)
      writeFileSync(part, Buffer.alloc(40))
      yield* job.keep(part, file)
      writeFileSync(job.fileOf(piece(5_000), "mp4").part, "half")
      // As after a crash: another process on the same folder. Its clock stands at 0, so nothing is a day old.
      const second = yield* Spool.make({ folder: path, limit: 100 })
      assert.deepStrictEqual(readdirSync(path), ["a.0-1000.mp4"])
      const again = yield* second.open("a")
      assert.strictEqual(yield* again.sizeOf(file), 40)
      assert.strictEqual(
        refusal(() => again.take(61)),
        "Full"
      )
      yield* again.clear
      assert.deepStrictEqual(readdirSync(path), [])
      assert.strictEqual(
        refusal(() => again.take(100)),
        "taken"
      )
    })
  )

  it.scoped("room that was taken for a part that failed is free again, whatever had come to the disk", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const spool = yield* Spool.make({ folder: path, limit: 100 })
      const job = yield* spool.open("a")
      const { part } = job.fileOf(piece(0), "mp4")
      for (let round = 0; round < 5; round++) {
        job.take(90)
        writeFileSync(part, Buffer.alloc(10))
        yield* job.discard(part)
        assert.isFalse(existsSync(part))
      }
      assert.strictEqual(
        refusal(() => job.take(101)),
        "TooLarge"
      )
    })
  )

  it.scoped("makes room of what no running job needs, oldest first", () =>
    Effect.gen(function* () {
      const path = yield* folder
      for (const [index, name] of ["old.0-1.mp4", "middle.0-1.mp4", "new.0-1.mp4"].entries()) {
        writeFileSync(join(path, name), Buffer.alloc(30))
        utimesSync(join(path, name), 1_000 + index, 1_000 + index)
      }
      writeFileSync(join(path, "not-ours.txt"), "stays")
      const spool = yield* Spool.make({ folder: path, limit: 100 })
      const scope = yield* Scope.make()
      yield* Scope.extend(spool.open("old"), scope)
      const job = yield* spool.open("b")
      job.take(30)
      assert.deepStrictEqual(readdirSync(path).sort(), ["new.0-1.mp4", "not-ours.txt", "old.0-1.mp4"])
      job.take(40)
      assert.deepStrictEqual(readdirSync(path).sort(), ["not-ours.txt", "old.0-1.mp4"])
      assert.strictEqual(
        refusal(() => job.take(1)),
        "Full"
      )
      yield* Scope.close(scope, Exit.void)
      job.take(1)
      assert.deepStrictEqual(readdirSync(path), ["not-ours.txt"])
    })
  )
})
