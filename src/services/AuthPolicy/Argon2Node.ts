/**
 * Argon2 in worker threads of Node, so that checking a password doesn't hold up the answers to other nodes.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Argon2, type Argon2Input, type Argon2Shape, Argon2Unavailable } from "./Argon2.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Argon2NodeOptions {
  /** How many hashes are computed at once. Default: one less than the cores, between 1 and 4. */
  readonly workers?: number | undefined
  /** How long an unused thread is kept. Default: 1 minute. */
  readonly idle?: Duration.DurationInput | undefined
}

/**
 * The worker's whole program. A string rather than a file: the same in sources run as TypeScript and in the build. Where
 * hash-wasm is comes from this module, since a string has no place of its own to resolve it from.
 */
const program = `
const { parentPort, workerData } = require("node:worker_threads")
const wasm = import(workerData)
parentPort.on("message", async ({ variant, options }) => {
  try {
    parentPort.postMessage({ hash: await (await wasm)[variant](options) })
  } catch (error) {
    parentPort.postMessage({ error: String(error && error.message) })
  }
})
`

const spawn: Effect.Effect<Worker, Argon2Unavailable, Scope.Scope> = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const worker = new Worker(program, {
        eval: true,
        workerData: pathToFileURL(createRequire(import.meta.url).resolve("hash-wasm")).href,
        // Neither flags such as --import nor the environment, with its keys, are a hash's business.
        execArgv: [],
        env: {}
      })
      worker.unref()
      return worker
    },
    catch: (cause) => new Argon2Unavailable({ cause })
  }),
  (worker) => Effect.promise(() => worker.terminate())
)

const compute = (worker: Worker, input: Argon2Input): Effect.Effect<Uint8Array, Argon2Unavailable> =>
  Effect.async((resume) => {
    const onMessage = (message: { readonly hash: Uint8Array } | { readonly error: string }) => {
      done()
      resume("hash" in message ? Effect.succeed(message.hash) : new Argon2Unavailable({ cause: message.error }))
    }
    const onError = (cause: unknown) => {
      done()
      resume(new Argon2Unavailable({ cause }))
    }
    const onExit = (code: number) => onError(new Error(`its thread ended with code ${code}`))
    const done = () => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit).unref()
    }
    worker.on("message", onMessage).on("error", onError).on("exit", onExit).ref()
    worker.postMessage({
      variant: input.variant,
      options: {
        password: Redacted.value(input.password),
        salt: input.salt,
        memorySize: input.memory,
        iterations: input.time,
        parallelism: input.lanes,
        hashLength: input.length,
        outputType: "binary"
      }
    })
    return Effect.sync(done)
  })

/**
 * Threads are started when needed, `workers` at most, and end when idle or with the scope. Interrupting a computation ends
 * its thread, the only way to stop it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Argon2NodeOptions = {}): Effect.Effect<Argon2Shape, never, Scope.Scope> =>
  Effect.map(
    Pool.makeWithTTL({
      acquire: spawn,
      min: 0,
      max: options.workers ?? Math.max(1, Math.min(4, availableParallelism() - 1)),
      timeToLive: options.idle ?? Duration.minutes(1)
    }),
    (pool) => ({
      hash: (input) =>
        Effect.scoped(
          Effect.flatMap(Pool.get(pool), (worker) =>
            compute(worker, input).pipe(
              Effect.onInterrupt(() => Pool.invalidate(pool, worker)),
              Effect.tapError(() => Pool.invalidate(pool, worker))
            )
          )
        )
    })
  )

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Argon2NodeOptions = {}): Layer.Layer<Argon2> => Layer.scoped(Argon2, make(options))
