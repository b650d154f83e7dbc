/**
 * The renderer of a server, without the server: what it gives to its nodes, from the data folder alone.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { CommandTextError } from "../mediamtx/CommandText.js"
import * as ConfigRenderer from "../services/ConfigRenderer.js"
import type { ConfigSourceError } from "../services/ConfigSource.js"
import * as ConfigSourceFile from "../services/ConfigSourceFile.js"
import * as Credentials from "../services/Credentials.js"
import { baseOf, renderOptions, type Settings } from "./Settings.js"

export const layer = (
  settings: Settings,
  key: Redacted.Redacted
): Layer.Layer<
  ConfigRenderer.ConfigRenderer,
  CommandTextError | ConfigSourceError,
  FileSystem.FileSystem | Path.Path
> =>
  ConfigRenderer.layer(renderOptions(settings, baseOf(settings))).pipe(
    Layer.provide(ConfigSourceFile.layer({ path: settings.config })),
    Layer.provide(Credentials.layer({ key, adminKey: settings.adminKey }))
  )
