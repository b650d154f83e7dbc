/**
 * The version in package.json. Imports nothing but node:, so that `--version` is as quick as Node itself.
 */
import { readFileSync } from "node:fs"

/** The package's version; `unknown` when package.json is not where it was published. */
export const packageVersion = (): string => {
  try {
    const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version)
  } catch {
    // A bundle that left package.json behind: every other command works without it.
  }
  return "unknown"
}
