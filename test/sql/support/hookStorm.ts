/**
 * Publishes without end and writes `CURSOR PATH` for each event once it is acknowledged, until it is killed.
 * Argument: the database file.
 */
import { writeSync } from "node:fs"
import { Effect, Layer } from "effect"
import { HookBus } from "../../../src/services/HookBus.js"
import { NodeId } from "../../../src/services/NodeId.js"
import * as SqlHookBus from "../../../src/sql/SqlHookBus.js"
import * as SqliteNode from "../../../src/sql/SqliteNode.js"

const filename = process.argv[process.argv.length - 1] ?? ""
const node = NodeId.make("storm")

/** At once and unbuffered: what the parent has read was acknowledged before the kill. It may read slowly: a full pipe waits. */
const say = (line: string): void => {
  const bytes = Buffer.from(line)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

const storm = Effect.gen(function* () {
  const bus = yield* HookBus
  let n = 0
  const publish = Effect.suspend(() => {
    const path = `p${n++}`
    return Effect.map(bus.publish(node, { event: "init", path }), ({ cursor }) => say(`${cursor} ${path}\n`))
  })
  yield* Effect.all(
    Array.from({ length: 50 }, () => Effect.forever(publish)),
    { concurrency: "unbounded" }
  )
})

Effect.runFork(Effect.provide(storm, Layer.provide(SqlHookBus.layer(), SqliteNode.layer({ filename }))))
