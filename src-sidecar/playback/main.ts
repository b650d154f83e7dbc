#!/usr/bin/env node
import { tmpdir } from "node:os"
import { join } from "node:path"
/**
 * `mtx-playback`: cuts recorded clips beside a MediaMTX node and uploads them, as the manager asks.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Log from "../support/Log.js"
import * as Health from "./Health.js"
import { fromEnvironment, variables } from "./Settings.js"
import * as Worker from "./Worker.js"

const help = (): string => {
  const width = Math.max(...variables.map(([name]) => name.length))
  return [
    "mtx-playback: cuts recorded clips beside a MediaMTX node and uploads them, as its manager asks.",
    "",
    "  mtx-playback          Runs until SIGTERM, which gives unfinished jobs back",
    "  mtx-playback health   Exits 0 when the worker on the same spool is well",
    "",
    "Environment:",
    ...variables.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`)
  ].join("\n")
}

const fail = (message: string): never => {
  process.stderr.write(`mtx-playback: ${message}\n`)
  process.exit(2)
}

const health = async (): Promise<never> => {
  const { env } = process
  const spool = env["SPOOL"]?.trim() || join(tmpdir(), `mtx-playback-${env["NODE"]?.trim() ?? ""}`)
  const { healthy, text } = await Effect.runPromise(Health.read(spool))
  process.stdout.write(`${text}\n`)
  process.exit(healthy ? 0 : 1)
}

/** Signals interrupt it; a second one ends the process at once. */
const work = (): void => {
  const settings = Either.getOrElse(fromEnvironment(process.env), (problems) => fail(problems.join("\nmtx-playback: ")))
  const program = Worker.run(settings).pipe(Effect.provide(Log.layer(settings.logLevel)))
  const fiber = Effect.runFork(program)
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(1)
    stopping = true
    Effect.runFork(Fiber.interrupt(fiber))
  }
  process.on("SIGTERM", stop)
  process.on("SIGINT", stop)
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) process.exit(0)
    fail(Cause.pretty(exit.cause))
  })
}

const [command, ...more] = process.argv.slice(2)
if (more.length > 0) fail(`${command} takes no more words: see mtx-playback --help`)
else if (command === undefined) work()
else if (command === "health") void health()
else if (command === "--help" || command === "-h") process.stdout.write(`${help()}\n`)
else fail(`${command} is unknown: see mtx-playback --help`)
