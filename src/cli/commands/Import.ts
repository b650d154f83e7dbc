/**
 * `import FILE`: an existing mediamtx.yml becomes the base config of the fleet.
 */
import { basename, dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { locate } from "../../adapters/node/ConfigFolder.js"
import { type DataFolderError, describePlatformError, replaceFile } from "../../adapters/node/DataFolder.js"
import { exampleBase, exampleManager } from "../../adapters/node/ExampleConfig.js"
import { parseManagerFile } from "../../adapters/node/ManagerFile.js"
import { settingsOf } from "../Access.js"
import { checkConfigText, formatChecked, summary } from "../CheckedConfig.js"
import { type CliError, failed } from "../CliError.js"
import { closed, importAuth } from "../ImportAuth.js"
import { inputName, readInput } from "../InputFile.js"
import { Output } from "../Output.js"
import { rewriteConfig } from "../RewriteConfig.js"
import type { Flags } from "../Settings.js"

export interface ImportOptions extends Flags {
  readonly file: string
  readonly force: boolean
}

/** Whether some rule lets clips be asked for and cut. A file that is not valid is not judged: its error is told elsewhere. */
const servesClips = (text: string, file: string): boolean =>
  Either.match(parseManagerFile(text, file), {
    onLeft: () => true,
    onRight: ({ auth }) =>
      ["playback.request" as const, "playback.worker" as const].every((action) =>
        auth.rules.some(({ allow }) => allow?.some((allowed) => allowed === "any" || allowed === action))
      )
  })

export const importConfig = (
  options: ImportOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const fs = yield* FileSystem.FileSystem
    const settings = yield* settingsOf(options)
    const name = inputName(options.file)
    const text = yield* readInput(options.file)
    const checked = checkConfigText(name, text)
    if (checked.issues.length > 0) yield* output.note(formatChecked(checked, output.noteColor).trimEnd())
    if (checked.config === undefined || checked.errors > 0) {
      return yield* failed(`${name} has ${summary(checked)}: nothing was imported`)
    }
    if (checked.document?.isEmpty !== false) return yield* failed(`${name} sets nothing: nothing was imported`)

    const places = yield* locate(settings.config, settings.data)
    const target = places.base
    const readable = (file: string) =>
      fs.readFileString(file).pipe(
        Effect.catchIf(
          (error) => error._tag === "SystemError" && error.reason === "NotFound",
          () => Effect.succeed(undefined)
        ),
        Effect.mapError((error) => failed(`Can't read ${file}: ${describePlatformError(error)}`))
      )
    const before = yield* readable(target)
    const rewritten = rewriteConfig(text, checked.config)
    if (before === rewritten.text) {
      return yield* output.line(`${target} has exactly this content already`)
    }
    // The untouched example is nobody's work.
    const valuable = before !== undefined && before !== exampleBase
    if (valuable && !options.force) {
      return yield* failed(`${target} exists: nothing was imported. Use --force to replace it; a backup is kept`)
    }
    yield* fs
      .makeDirectory(dirname(target), { recursive: true, mode: 0o700 })
      .pipe(Effect.mapError((error) => failed(`Can't create ${dirname(target)}: ${describePlatformError(error)}`)))
    if (valuable) {
      const now = new Date(yield* Clock.currentTimeMillis).toISOString().replace(/[-:]|\.\d+/g, "")
      // Not named .yml: the server must not take it for a config.
      const backup = `${target}.${now}.bak`
      yield* fs.copyFile(target, backup).pipe(
        Effect.zipRight(fs.chmod(backup, 0o600)),
        Effect.mapError((error) => failed(`Can't keep a backup of ${target}: ${describePlatformError(error)}`))
      )
      yield* output.note(`the former ${basename(target)} is kept as ${backup}`)
    }

    // The rules come first: a base config without them would be in force for a moment with the wrong ones.
    const rules = yield* readable(places.manager)
    if (rules === undefined || rules === exampleManager) {
      const auth = importAuth(checked.config, name)
      for (const note of auth.notes) yield* output.note(`warning: ${note}`)
      const wanted = auth.text ?? exampleManager
      const usable = Either.isRight(parseManagerFile(wanted, places.manager))
      yield* replaceFile(places.manager, usable ? wanted : closed)
      yield* output.note(
        !usable
          ? `warning: the users of ${name} can't be written as rules: nobody may publish or watch until ${places.manager} has some`
          : auth.text === undefined
            ? `who may do what is in ${places.manager}: open to everyone, as MediaMTX is without users of its own`
            : `who may do what is in ${places.manager}, made from the users of ${name}`
      )
      if (usable && auth.worker !== undefined) {
        yield* output.note(
          `workers that cut clips need MEDIAMTX_USER=${auth.worker} and its password, which is new: it is in ${places.manager}`
        )
      }
    } else {
      if (checked.config.authInternalUsers !== undefined) {
        yield* output.note(
          `warning: the users of ${name} don't count: who may do what is decided by ${places.manager}, which is left as it is`
        )
      }
      if (!servesClips(rules, places.manager)) {
        yield* output.note(
          `warning: no rule of ${places.manager} allows playback.request and playback.worker: add one, or there are no clips`
        )
      }
    }
    yield* replaceFile(target, rewritten.text)
    if (checked.config.authMethod !== undefined) {
      yield* output.note(
        `warning: ${name} sets authMethod, so nodes go on to decide by themselves who may do what: remove authMethod${
          checked.config.authInternalUsers === undefined ? "" : " and authInternalUsers"
        } from ${target} to have ${places.manager} decide`
      )
    }
    if (!rewritten.commentsKept) yield* output.note(`warning: the comments of ${name} could not be kept`)
    yield* output.line(`${name} is now ${target}${rewritten.changed ? ", with deprecated names replaced" : ""}`)
  })
