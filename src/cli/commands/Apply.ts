/**
 * `apply FILE|FOLDER`: makes a config the newest revision of a running manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import type { ConfigSourceError } from "../../services/ConfigSource.js"
import { type CliError, failed, usage } from "../CliError.js"
import * as FleetInput from "../FleetInput.js"
import { Output } from "../Output.js"
import * as Remote from "../Remote.js"
import type { Flags } from "../Settings.js"
import { authorOf, revisionOf, told } from "./Revisions.js"

export interface ApplyOptions extends Flags {
  readonly json: boolean
  readonly note: Option.Option<string>
  readonly author: Option.Option<string>
  /** The revision that the change was made from: if there is a newer one, nothing happens. */
  readonly from: Option.Option<string>
  /** A file, `-` for stdin, or a folder. */
  readonly source: string
}

export const apply = (
  options: ApplyOptions
): Effect.Effect<void, CliError | ConfigSourceError | DataFolderError, FileSystem.FileSystem | Path.Path | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const from = Option.isNone(options.from) ? undefined : yield* revisionOf(options.from.value)
    if (from === 0) return yield* usage("--from: there is no revision 0")
    const given = yield* FleetInput.read(options.source)
    const { base, client } = yield* Remote.connect(options)
    const explain = Remote.explain(base)
    const current = yield* (
      from === undefined
        ? client.revisions.current({ headers: {} })
        : client.revisions.revision({ path: { revision: String(from) } })
    ).pipe(Effect.mapError(explain))
    if (current === undefined) return yield* failed(`What answers at ${base} is not a manager of this version`)
    const changed = yield* client.revisions
      .put({
        headers: { "if-match": current.etag },
        payload: {
          config:
            given.config._tag === "whole" ? given.config.document : { ...current.config, ...given.config.sections },
          author: authorOf(options.author),
          ...(Option.isSome(options.note) && { note: options.note.value })
        }
      })
      .pipe(
        Effect.catchTag("InvalidRequest", (error) => FleetInput.refused(given, error)),
        Effect.mapError((error) => (error._tag === "CliError" ? error : explain(error)))
      )
    for (const warning of changed.warnings) {
      yield* output.note(`warning: ${warning.fieldText}: ${warning.message}; expected ${warning.expected}`)
    }
    yield* told(output, changed, options.json)
  }).pipe(Effect.provide(Remote.layerHttp))
