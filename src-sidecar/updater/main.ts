#!/usr/bin/env node
/** `mtx-updater [run | health]`; `check` is for the updater itself. */
import { realpathSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { unhealthy } from "./Health.js"
import { run } from "./Run.js"
import { configFile, variables } from "./Settings.js"
import { Question, Verdict } from "./Verdict.js"

const usage = `mtx-updater keeps MediaMTX's config file as the manager wants it, and reports what the node does.

  mtx-updater          run, until SIGTERM
  mtx-updater health   exit 0 when a valid config is in place, else 1 (for a container's health check)

Environment:
${variables.map(([name, fallback, about]) => `  ${name.padEnd(21)}${about} (${fallback})`).join("\n")}
`

const health = (): number => {
  const file = Effect.runSync(Effect.either(configFile))
  const problem = Either.isLeft(file) ? file.left.message : unhealthy(file.right)
  process.stdout.write(`${problem ?? "ok"}\n`)
  return problem === undefined ? 0 : 1
}

/** A question on stdin, a verdict on stdout. */
const check = async (): Promise<void> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  const question = Schema.decodeUnknownSync(Schema.parseJson(Question))(Buffer.concat(chunks).toString("utf8"))
  // Only here: it doubles the program.
  const { checkConfig } = await import("./ConfigCheck.js")
  process.stdout.write(Schema.encodeSync(Schema.parseJson(Verdict))(checkConfig(question)))
}

const [, file = "", command = "run"] = process.argv
if (command === "run") {
  // It waits nearly all of its life: compiled code would take memory, and the compiler's pages too, and save nothing.
  setFlagsFromString("--no-opt")
  setFlagsFromString("--no-sparkplug")
  run(realpathSync(file))
} else if (command === "health") process.exitCode = health()
else if (command === "check") await check()
else {
  process.stderr.write(usage)
  process.exitCode = command === "--help" || command === "help" ? 0 : 2
}
