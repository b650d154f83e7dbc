/** Has a config looked at by `mtx-updater check`: a process that is gone again when it has answered. */
import { spawn } from "node:child_process"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { relayOf } from "../../src/mediamtx/Relay.js"
import { Question, Verdict } from "./Verdict.js"

/** There is no verdict, for a reason that is not the config's. */
export class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly message: string }> {}

export class ConfigChecker extends Context.Tag("mtx-updater/ConfigChecker")<
  ConfigChecker,
  { readonly check: (question: Question) => Effect.Effect<Verdict, CheckFailed> }
>() {}

const encode = Schema.encode(Schema.parseJson(Question))
const decode = Schema.decodeUnknown(Schema.parseJson(Verdict))

/** A check of 10,000 paths takes a second; one that takes this long hangs. */
const PATIENCE = Duration.seconds(30)
const MAX_ANSWER = 4 * 1024 * 1024

const failed = (why: string) => new CheckFailed({ message: `the config could not be checked: ${why}` })

const ask = (program: string, question: string): Effect.Effect<string, CheckFailed> =>
  Effect.async<string, CheckFailed>((resume) => {
    // What Node itself may need to start, without what is secret or meant for the parent alone.
    const { KEY: _key, MEDIAMTX_API: _api, NODE_OPTIONS: _options, ...env } = process.env
    const child = spawn(process.execPath, [program, "check"], { env, stdio: ["pipe", "pipe", "pipe"] })
    const out: Array<Buffer> = []
    let size = 0
    let complaint = ""
    child.on("error", (error) => resume(Effect.fail(failed(error.message))))
    child.stdin.on("error", () => {})
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > MAX_ANSWER) child.kill("SIGKILL")
      else out.push(chunk)
    })
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString("utf8")).slice(-300)
    })
    child.on("close", (code, signal) =>
      resume(
        code === 0
          ? Effect.succeed(Buffer.concat(out).toString("utf8"))
          : Effect.fail(failed(`its process ended with ${code ?? signal} ${complaint}`.trimEnd()))
      )
    )
    child.stdin.end(question)
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({
      duration: PATIENCE,
      onTimeout: () => failed(`no answer within ${Duration.format(PATIENCE)}`)
    })
  )

/** What a config says of the relay, against whether there is one. */
const relayMismatch = (question: Question, relay: boolean): string | undefined => {
  const url = relayOf(question.text)
  if (url !== undefined && !relay) {
    return `it sends hooks and auth questions to a relay at ${url}, and this updater has none (RELAY is not set): everybody would be denied`
  }
  return url === undefined && relay
    ? "this updater has a relay, but the config sends hooks and auth questions elsewhere; start the manager with --relay"
    : undefined
}

/** `program`: this updater's own file. */
export const layer = (program: string, { relay }: { readonly relay: boolean }): Layer.Layer<ConfigChecker> =>
  Layer.succeed(ConfigChecker, {
    check: Effect.fn("ConfigChecker.check")(function* (question: Question) {
      const mismatch = relayMismatch(question, relay)
      if (mismatch !== undefined && !relay) {
        return { accepted: false, problems: [mismatch], warnings: [], apiStays: false, probes: [] }
      }
      const text = yield* Effect.orDie(encode(question))
      const answer = yield* ask(program, text)
      const verdict = yield* Effect.mapError(decode(answer), () => failed("its answer is none"))
      return mismatch === undefined ? verdict : { ...verdict, warnings: [...verdict.warnings, mismatch] }
    })
  })
