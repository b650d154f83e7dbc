/** Edits of a `manager.yml` under a running server, on a real file. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AuthRulesFile from "../../../src/adapters/node/AuthRulesFile.js"
import * as Argon2Node from "../../../src/services/AuthPolicy/Argon2Node.js"
import { AuthPolicy } from "../../../src/services/AuthPolicy.js"
import { eventually } from "../../support/MediaMTX.js"
import { capture } from "../hono/Capture.js"

const rules = (action: string) => `auth:\n  rules:\n    - allow: ${action}\n`
const s3 = (bucket: string) =>
  `storage:\n  kind: s3\n  endpoint: https://s3.example.com\n  bucket: ${bucket}\n  accessKeyId: id\n  secretAccessKey: sesame\n`

describe("a manager.yml that is edited", () => {
  it.live("has its rules in force at once, and says that another storage takes a restart", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "mtx-rules-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
      const file = join(folder, "manager.yml")
      /** As editors do it. */
      const save = (text: string) => {
        writeFileSync(`${file}.new`, text)
        renameSync(`${file}.new`, file)
      }
      const { layer, lines } = capture()
      /** The lines that come of `act`, up to one that matches. */
      const caused = (act: () => void, last: RegExp) =>
        Effect.promise(async () => {
          const from = lines.length
          act()
          await eventually(String(last), async () => lines.slice(from).some((line) => last.test(line)), 10_000)
          return lines.slice(from).join("\n")
        })

      save(rules("publish"))
      yield* Effect.gen(function* () {
        yield* AuthPolicy
        const another = yield* caused(() => save(rules("publish") + s3("clips")), /restarted/)
        assert.match(another, /WARN the storage of .*manager\.yml has changed: clips go where they went until/)
        // Said once, whatever else is edited.
        const quiet = yield* caused(() => save(`# about rules\n${rules("read")}${s3("clips")}`), /are in force/)
        const third = yield* caused(() => save(rules("read") + s3("more")), /restarted/)
        assert.notMatch(quiet, /storage/)
        assert.match(third, /WARN the storage/)
        assert.match(yield* caused(() => save(rules("read")), /no restart/), /INFO the storage .* is again the one/)
        // A section that can't be used is refused as a whole.
        const bad = yield* caused(() => save(`${rules("any")}storage:\n  kind: s4\n`), /refused/)
        assert.match(bad, /ERROR .*refused, the last good auth rules stay in force[\s\S]*filesystem or s3/)
        // Without the file nobody may do anything, and clips go on.
        assert.notMatch(yield* caused(() => rmSync(file), /everybody is denied/), /storage/)
        assert.strictEqual(lines.filter((line) => line.includes("the storage of")).length, 3)
        assert.notInclude(lines.join("\n"), "sesame")
      }).pipe(
        Effect.provide(
          AuthRulesFile.layer({ file, every: "1 second" }).pipe(
            Layer.provide(Layer.merge(NodeFileSystem.layer, Argon2Node.layer())),
            Layer.provide(layer)
          )
        )
      )
    }).pipe(Effect.scoped)
  )
})
