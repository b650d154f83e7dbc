/**
 * Reads a file that was named on the command line; `-` is stdin.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { describePlatformError } from "../adapters/node/DataFolder.js"
import { type CliError, failed } from "./CliError.js"

/** Longest input taken, in bytes: more is no config. */
const MAX_BYTES = 16 * 1024 * 1024

const readStdin: Effect.Effect<Uint8Array, CliError> = Effect.tryPromise({
  try: async () => {
    const chunks: Array<Buffer> = []
    let size = 0
    for await (const chunk of process.stdin) {
      const bytes = Buffer.from(chunk)
      size += bytes.length
      if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`)
      chunks.push(bytes)
    }
    return Buffer.concat(chunks)
  },
  catch: (cause) => failed(`Can't read stdin: ${cause instanceof Error ? cause.message : String(cause)}`)
})

const readFile = (file: string): Effect.Effect<Uint8Array, CliError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file)
    if (size > MAX_BYTES) return yield* failed(`Can't read ${file}: it has more than ${MAX_BYTES} bytes`)
    return yield* fs.readFile(file)
  }).pipe(
    Effect.catchTags({
      BadArgument: (error) => failed(`Can't read ${file}: ${describePlatformError(error)}`),
      SystemError: (error) => failed(`Can't read ${file}: ${describePlatformError(error)}`)
    })
  )

/** The name of an input in messages. */
export const inputName = (file: string): string => (file === "-" ? "(stdin)" : file)

/** The text of a file, or of stdin for `-`. Fails when it is not UTF-8: MediaMTX could not read it either. */
export const readInput = (file: string): Effect.Effect<string, CliError, FileSystem.FileSystem> =>
  Effect.flatMap(file === "-" ? readStdin : readFile(file), (bytes) =>
    Effect.try({
      // The byte order mark is kept, so that the validator can speak of it.
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
      catch: () => failed(`Can't read ${inputName(file)}: it is not UTF-8 text`)
    })
  )
