/**
 * The renderer of a server, without the server: what it gives to its nodes, from the config's files, or from the database
 * where that is what counts.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as AuthRulesFile from "../adapters/node/AuthRulesFile.js"
import * as ConfigFolder from "../adapters/node/ConfigFolder.js"
import { isPostgres, withoutPassword } from "../adapters/node/DatabaseUrl.js"
import { parseManagerFile } from "../adapters/node/ManagerFile.js"
import type { CommandTextError } from "../mediamtx/CommandText.js"
import * as ConfigRenderer from "../services/ConfigRenderer.js"
import { type ConfigSource, ConfigSourceError } from "../services/ConfigSource.js"
import * as ConfigSourceFile from "../services/ConfigSourceFile.js"
import * as Credentials from "../services/Credentials.js"
import * as NodeRegistry from "../services/NodeRegistry.js"
import * as Topology from "../services/Topology.js"
import { baseOf, renderOptions, type Settings } from "./Settings.js"

/** Loaded when it is needed: the driver of the database takes its time. */
const loadDatabase = Effect.promise(() =>
  Promise.all([
    import("../adapters/node/Database.js"),
    import("../sql/SqlConfigRevisions.js"),
    import("../services/ConfigRevisions.js")
  ])
)

/** The newest revision in a server's database, also while it runs. */
const fromDatabase = (
  database: string
): Layer.Layer<ConfigSource, ConfigSourceError, FileSystem.FileSystem | Path.Path> => {
  const file = withoutPassword(database)
  const explain = ({ message }: { readonly message: string }) => new ConfigSourceError({ origin: file, message })
  return Layer.unwrapEffect(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      // It would be created otherwise.
      if (
        !isPostgres(database) &&
        (file === ":memory:" || !(yield* Effect.orElseSucceed(fs.exists(file), () => false)))
      ) {
        return yield* new ConfigSourceError({
          origin: file,
          message: `${file}: the config is in this database, which is not there: ask the running manager instead`
        })
      }
      const [Database, SqlConfigRevisions, ConfigRevisions] = yield* loadDatabase
      return ConfigRevisions.layerSource().pipe(
        Layer.provide(SqlConfigRevisions.layer()),
        Layer.provide(Database.layer(database)),
        Layer.mapError(explain)
      )
    })
  )
}

/** The config of a server. */
export const source = (
  settings: Settings
): Layer.Layer<ConfigSource, ConfigSourceError, FileSystem.FileSystem | Path.Path> =>
  settings.configSource === "revisions"
    ? fromDatabase(settings.database)
    : ConfigSourceFile.layer({ path: settings.config })

/**
 * What `manager.yml` says of groups. No node has called here, so it is as if all of them were there. A file that can't be
 * read is for the server to complain of.
 */
const topology = (settings: Settings) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const text = yield* ConfigFolder.locate(settings.config, settings.data).pipe(
        Effect.flatMap(({ manager }) => AuthRulesFile.read(manager)),
        Effect.orElseSucceed(() => undefined)
      )
      const parsed = parseManagerFile(text ?? "", "manager.yml")
      return Topology.layer(Either.isRight(parsed) ? parsed.right.topology : Topology.none).pipe(
        Layer.provide(NodeRegistry.layerMemory()),
        // A registry in memory has nothing that it could fail to read.
        Layer.orDie
      )
    })
  )

export const layer = (
  settings: Settings,
  key: Redacted.Redacted
): Layer.Layer<
  ConfigRenderer.ConfigRenderer,
  CommandTextError | ConfigSourceError,
  FileSystem.FileSystem | Path.Path
> =>
  ConfigRenderer.layer(renderOptions(settings, baseOf(settings))).pipe(
    Layer.provide(topology(settings)),
    Layer.provide(source(settings)),
    Layer.provide(Credentials.layer({ key, adminKey: settings.adminKey }))
  )
