/**
 * `mtx-updater health`, for compose's `service_healthy`: whether a config that was checked is in place. It reads two small
 * files and asks nobody, so it answers the same while the manager is away.
 */
import { existsSync, readFileSync } from "node:fs"
import { hashOf, isWhole } from "./ConfigText.js"
import { stateOf } from "./Store.js"

/** Why MediaMTX must not start with the config in place; undefined when it may. */
export const unhealthy = (config: string): string | undefined => {
  if (!existsSync(config)) return `${config} is not there yet`
  try {
    const bytes = readFileSync(config)
    if (!isWhole(bytes.toString("utf8"))) return `${config} is not a whole config of the manager`
    if (!existsSync(stateOf(config))) return `${config} was not checked yet`
    const state: unknown = JSON.parse(readFileSync(stateOf(config), "utf8"))
    const checked =
      typeof state === "object" && state !== null && "checked" in state && Array.isArray(state.checked)
        ? state.checked
        : []
    return checked.includes(hashOf(bytes)) ? undefined : `${config} was changed by somebody, or was not checked yet`
  } catch (error) {
    return `${config} can't be judged: ${error instanceof Error ? error.message : String(error)}`
  }
}
