/** Which fields of a node's config are the manager's own. */
import type { MediaMTXConfig } from "../../mediamtx/MediaMTXConfig.js"
import { authIsOurs, isPerPath, makeOurs, perPathHooks, type Settings, sample } from "./renderConfig.js"

/** Whether a field of a config, before our parts are put into it, gets its value from us. */
export const isOurField = (settings: Settings, config: MediaMTXConfig, field: ReadonlyArray<string>): boolean => {
  const [section = "", name = "", inPath] = field
  const { commands, refresh } = makeOurs(settings, sample.node, sample.token)
  const asks = authIsOurs(settings, config)
  if (section === "authMethod" || section === "authHTTPAddress") return asks
  if (section === "authHTTPExclude") {
    return asks && config.authHTTPExclude === undefined && settings.authHTTPExclude !== undefined
  }
  const defaults = config.pathDefaults ?? {}
  const isDefault = (of: string) =>
    Object.hasOwn(commands.path, of) && !isPerPath(of) && Reflect.get(defaults, of) === undefined
  if (section === "pathDefaults") return isDefault(name)
  if (section !== "paths") return Object.hasOwn(commands.global, section) && Reflect.get(config, section) === undefined
  if (inPath === undefined) return false
  const path = config.paths?.[name]
  if (path === undefined) return name === refresh?.name
  if (Object.hasOwn(perPathHooks(name, path ?? {}, defaults, commands), inPath)) return true
  return isDefault(inPath) && Reflect.get(path ?? {}, inPath) === undefined
}
