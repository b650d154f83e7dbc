/**
 * What the prebuilt server makes nodes' configs of, and the history of it in the database.
 *
 * - `files` (the default): the config's files are what counts, as they always have. Each edit that is accepted is recorded as
 *   a revision. Changes through the API are refused: the next edit of a file would undo them without a word.
 * - `revisions`: the newest revision in the database is what counts. The first is taken over from the files, which are not
 *   looked at any more; the others are made through the API.
 */
import { basename, join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type InvalidConfig, parseField } from "../../mediamtx/ConfigIssue.js"
import * as ConfigRevisions from "../../services/ConfigRevisions.js"
import { type ConfigSource, ConfigSourceError } from "../../services/ConfigSource.js"
import * as ConfigSourceFile from "../../services/ConfigSourceFile.js"
import type { DocumentChange } from "../../services/FleetDiff.js"
import * as SqlConfigRevisions from "../../sql/SqlConfigRevisions.js"

/** What nodes' configs are made of. */
export type ConfigSourceKind = "files" | "revisions"

export interface ConfigHistoryOptions {
  /** The config's file or folder. */
  readonly config: string
  /** Default `files`. */
  readonly configSource?: ConfigSourceKind | undefined
}

/** Where the revisions are read or made: each has a message for people. */
export type ConfigHistoryError = ConfigSourceError | ConfigRevisions.ConfigRevisionsError | InvalidConfig

/** The names of at most so many files stand in a note. */
const MOST_FILES = 5

/** Which files of a folder were edited, by what has changed. */
export const editedFiles = (changes: ReadonlyArray<DocumentChange>): string => {
  const files = new Set(
    changes.map(({ field }) => {
      const [section, name] = parseField(field)
      return section === "base" ? "base.yml" : section === "nodes" ? join("nodes", `${name}.yml`) : "overlays.yml"
    })
  )
  const names = [...files].slice(0, MOST_FILES)
  // The order of fields may be all that has changed.
  if (names.length === 0) return "order of fields"
  return files.size > names.length ? `${names.join(", ")} and ${files.size - names.length} more` : names.join(", ")
}

const isFile = (config: string): boolean => /\.ya?ml$/i.test(basename(config))

/** What the files hold now, all of it valid. */
const seed = (config: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const source = yield* ConfigSourceFile.make({ path: config })
      const rejected = yield* source.rejected
      // A node whose overlay is left out would be given the base alone, which may lack what the overlay was to forbid.
      if (rejected !== undefined) {
        return yield* new ConfigSourceError({
          origin: config,
          message: `the first revision can't be made of ${config}:\n${rejected.message}`
        })
      }
      return ConfigRevisions.documentOf(yield* source.current)
    })
  )

/** The source and its history. */
export const layer = ({
  config,
  configSource = "files"
}: ConfigHistoryOptions): Layer.Layer<
  ConfigSource | ConfigRevisions.ConfigRevisions,
  ConfigHistoryError,
  SqlClient.SqlClient | FileSystem.FileSystem | Path.Path
> =>
  configSource === "revisions"
    ? ConfigRevisions.layerSource({ seed: seed(config), seedNote: `taken over from ${config}` }).pipe(
        Layer.provideMerge(SqlConfigRevisions.layer())
      )
    : ConfigRevisions.layerRecorded(ConfigSourceFile.make({ path: config }), {
        note: isFile(config) ? () => basename(config) : editedFiles
      }).pipe(
        Layer.provideMerge(
          SqlConfigRevisions.layer({
            readOnly: `here the files in ${config} are what counts: edit those, or start the manager with --config-source revisions`
          })
        )
      )
