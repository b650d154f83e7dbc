import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { jsonLine, makeHide } from "../../src/cli/ServerLog.js"

const KEY = "a-key-that-nobody-may-see"
const hide = makeHide([Redacted.make(KEY), undefined, Redacted.make("")])

/** What an effect logs, each line as JSON. */
const logged = <E>(effect: Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.map(jsonLine(hide), (line) => void lines.push(line))
    yield* Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger))
    for (const line of lines) assert.notInclude(line, "\n")
    return lines.map((line): Record<string, unknown> => JSON.parse(line))
  })

describe("the log in JSON", () => {
  it.effect("has time, level, message and fiber, annotations as fields, and causes as text", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.logInfo("plain", 7).pipe(
          Effect.zipRight(
            Effect.annotateLogs(Effect.logError("bad", Cause.die(new Error("boom"))), {
              errorId: "e-1",
              node: "cam-1",
              tries: 3,
              level: "not ours"
            })
          )
        )
      )
      const fiber = lines[0]?.["fiber"]
      assert.match(String(fiber), /^#\d+$/)
      assert.deepStrictEqual(lines[0], { time: "1970-01-01T00:00:00.000Z", level: "info", message: "plain 7", fiber })
      const { error, ...rest } = lines[1] ?? {}
      assert.deepStrictEqual(rest, {
        time: "1970-01-01T00:00:00.000Z",
        level: "error",
        message: "bad",
        fiber,
        errorId: "e-1",
        node: "cam-1",
        tries: 3,
        _level: "not ours"
      })
      assert.match(String(error), /^Error: boom\n\s+at /)
    })
  )

  it.effect("holds no secret, wherever it comes from", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.logWarning(
          `key ${KEY}`,
          "rtsp://ann:pw-1@10.0.0.1/x?token=tok-1&a=b",
          "POST /auth?node=n&token=tok-1 user=ann&pass=pw-1",
          "Authorization: Bearer abcdefgh.tok-1"
        ).pipe(
          Effect.zipRight(Effect.logError("bad", Cause.fail(new Error(`no ${KEY} at http://u:pw-1@x/`)))),
          Effect.annotateLogs("url", `https://x/?jwt=tok-1&key=${KEY}`)
        )
      )
      assert.strictEqual(lines.length, 2)
      const text = JSON.stringify(lines)
      for (const secret of [KEY, "pw-1", "tok-1"]) assert.notInclude(text, secret)
      assert.include(text, "a=b")
      assert.include(text, "node=n")
    })
  )

  it("hides what it knows in any text, and leaves texts without secrets alone", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.string(),
        FastCheck.string(),
        (before, after) => !hide(`${before}${KEY}${after}`).includes(KEY)
      ),
      { numRuns: 50 }
    )
    for (const text of ["the key given is short", "keys=", "created /data/key", "http://localhost:8080/?node=a"]) {
      assert.strictEqual(hide(text), text)
    }
  })
})
