/**
 * The auth rules of a `manager.yml`, in force as long as the file stands: an edit takes effect within a second, an edit
 * that is not valid leaves the last good rules in force and says why, and without the file everybody is denied.
 *
 * Another storage takes a restart, and an edit that asks for one is told so: upload and download URLs that are out with
 * workers and people lead to the storage that signed them, and clips that are done are in it, so a swap under them would
 * break what works.
 */
import { dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AuthRules from "../../services/AuthPolicy/AuthRules.js"
import * as AuthPolicy from "../../services/AuthPolicy.js"
import { describePlatformError } from "./DataFolder.js"
import { isOpenToEveryone, type ManagerFile, ManagerFileError, parseManagerFile, sameStorage } from "./ManagerFile.js"

export interface AuthRulesFileOptions {
  /** The `manager.yml`. It may be absent. */
  readonly file: string
  /** How long a decision may take before it is a denial (default 2 seconds). */
  readonly deadline?: Duration.DurationInput | undefined
  /** How often the file is looked at besides the file system's own notices, which get lost (default 5 seconds). */
  readonly every?: Duration.DurationInput | undefined
}

/** An editor writes in several steps: what it does within this time is one change. */
const SETTLE = Duration.millis(150)

/** The text of a `manager.yml`; undefined when there is none. */
export const read = (file: string): Effect.Effect<string | undefined, ManagerFileError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)).pipe(
    Effect.catchAll((error) =>
      error._tag === "SystemError" && error.reason === "NotFound"
        ? Effect.succeed(undefined)
        : new ManagerFileError({ file, message: `Can't read ${file}: ${describePlatformError(error)}` })
    )
  )

type Content = Pick<ManagerFile, "auth" | "storageSettings">

/** Without the file nobody may do anything, and clips go where they go by default. */
const parse = (file: string, text: string | undefined): Either.Either<Content, ManagerFileError> =>
  parseManagerFile(text ?? "", file)

/** Said at the start and at each change that makes it true: nobody should be open, or closed, without knowing. */
const announce = (file: string, text: string | undefined, content: Content): Effect.Effect<void> => {
  if (text === undefined) return Effect.logWarning(`there is no ${file}: everybody is denied everything`)
  if (isOpenToEveryone(content)) {
    return Effect.logWarning(`anyone who reaches a node may publish and read: change that in ${file}`)
  }
  return content.auth.rules.length === 0
    ? Effect.logWarning(`${file} has no auth rules: everybody is denied everything`)
    : Effect.void
}

/** The policy of the file. Fails when the file is there but not valid. */
export const make = (
  options: AuthRulesFileOptions
): Effect.Effect<AuthPolicy.AuthPolicyShape, ManagerFileError, FileSystem.FileSystem | Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { file } = options
    let seen = yield* read(file)
    const first = yield* parse(file, seen)
    const rules = yield* AuthRules.makeReplaceable(first.auth).pipe(
      Effect.mapError((error) => new ManagerFileError({ file, message: error.message }))
    )
    yield* announce(file, seen, first)

    /** The content that the log was last about. */
    let told: Content = first
    // An unreadable file is reported once, not at every tick.
    let reported: string | undefined
    const look = Effect.gen(function* () {
      const text = yield* read(file)
      if (text === seen) return
      seen = text
      const content = yield* parse(file, text)
      yield* rules
        .replace(content.auth)
        .pipe(Effect.mapError((error) => new ManagerFileError({ file, message: error.message })))
      yield* Effect.logInfo(`the auth rules of ${file} have changed and are in force`)
      reported = undefined
      yield* announce(file, text, content)
      if (!sameStorage(content, told)) {
        yield* sameStorage(content, first)
          ? Effect.logInfo(`the storage of ${file} is again the one that is in use: no restart is needed`)
          : Effect.logWarning(
              `the storage of ${file} has changed: clips go where they went until the manager is restarted`
            )
      }
      told = content
    }).pipe(
      Effect.catchAll((error) => {
        if (error.message === reported) return Effect.void
        reported = error.message
        return Effect.logError(
          `the change of ${file} is refused, the last good auth rules stay in force:\n${error.message}`
        )
      })
    )

    // The folder, because editors replace the file. A folder that is not there, or a limit of watches, leaves the ticks.
    const notices = fs.watch(dirname(file)).pipe(
      Stream.debounce(SETTLE),
      Stream.catchAll(() => Stream.empty)
    )
    const ticks = Stream.fromSchedule(Schedule.spaced(options.every ?? "5 seconds"))
    yield* Effect.forkScoped(Stream.runForEach(Stream.merge(notices, ticks), () => look))
    return AuthPolicy.deadline(options.deadline ?? "2 seconds")(rules.policy)
  })

export const layer = (
  options: AuthRulesFileOptions
): Layer.Layer<AuthPolicy.AuthPolicy, ManagerFileError, FileSystem.FileSystem> => AuthPolicy.layerEffect(make(options))
