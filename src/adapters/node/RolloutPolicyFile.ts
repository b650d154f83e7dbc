/**
 * The `rollout` section of a `manager.yml`, read for each change of the config. While the file is not valid, the last good
 * policy counts; `AuthRulesFile` says what is wrong with it.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { RolloutPolicy } from "../../services/RolloutPolicy.js"
import { read } from "./AuthRulesFile.js"
import { type ManagerFileError, parseManagerFile } from "./ManagerFile.js"

/** Fails when the file is there but not valid. */
export const make = (
  file: string
): Effect.Effect<Effect.Effect<RolloutPolicy>, ManagerFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const policy = read(file).pipe(
      Effect.flatMap((text) => parseManagerFile(text ?? "", file)),
      Effect.map(({ rollout }) => rollout),
      Effect.provideService(FileSystem.FileSystem, fs)
    )
    let last = yield* policy
    return policy.pipe(
      Effect.tap((read) =>
        Effect.sync(() => {
          last = read
        })
      ),
      Effect.catchAll(() =>
        Effect.as(
          Effect.logWarning(`${file} is not valid: this change comes to the nodes by its last good rollout`),
          last
        )
      )
    )
  })
