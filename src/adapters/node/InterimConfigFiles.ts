import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { parseConfigText } from "../../mediamtx/ConfigDocument.js"
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import * as ConfigSource from "../../services/ConfigSource.js"

const read = (file: string): MediaMTXConfig => {
  const parsed = parseConfigText(readFileSync(file, "utf8"), { file })
  if (Either.isLeft(parsed)) throw parsed.left
  return parsed.right.value as MediaMTXConfig
}

/** Stand-in until the watched source is there. */
export const layer = (path: string): Layer.Layer<ConfigSource.ConfigSource, ConfigSource.ConfigSourceError> =>
  Layer.effect(
    ConfigSource.ConfigSource,
    Effect.gen(function* () {
      const value = yield* Effect.try({
        try: () => {
          if (!statSync(path).isDirectory()) return { config: read(path) }
          let names: ReadonlyArray<string> = []
          try {
            names = readdirSync(join(path, "nodes"))
          } catch {
            // no overlays
          }
          return {
            config: read(join(path, "base.yml")),
            nodes: Object.fromEntries(
              names.filter((n) => n.endsWith(".yml")).map((n) => [n.slice(0, -4), read(join(path, "nodes", n))])
            )
          }
        },
        catch: (cause) =>
          new ConfigSource.ConfigSourceError({
            origin: path,
            message: String(cause instanceof Error ? cause.message : cause)
          })
      })
      return yield* ConfigSource.make(value).pipe(
        Effect.mapError((error) => new ConfigSource.ConfigSourceError({ origin: path, message: error.message }))
      )
    })
  )
