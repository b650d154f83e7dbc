/**
 * Real servers of older releases: MEDIAMTX_BIN_OLD lists their programs, with commas between them. Optional: each builds from
 * MediaMTX's sources of its tag by `CGO_ENABLED=0 go build`, after its own `go generate`.
 */
import { execFileSync } from "node:child_process"
import { describe } from "@effect/vitest"
import type { MediaMTXVersion } from "../../src/mediamtx/ConfigField.js"
import { parseVersion } from "../../src/mediamtx/MediaMTXVersion.js"

export interface OldServer {
  readonly bin: string
  readonly version: MediaMTXVersion
}

const listed = (process.env["MEDIAMTX_BIN_OLD"] ?? "").split(",").filter((bin) => bin !== "")

const versionOf = (bin: string): MediaMTXVersion => {
  const version = parseVersion(execFileSync(bin, ["--version"], { encoding: "utf8" }).trim())
  if (version === undefined) throw new Error(`${bin} does not say its release`)
  return version
}

/** Like describe, once for each of the older servers; skipped with a loud line when there is none. */
export const describeOldMediaMTX = (name: string, body: (server: OldServer) => void): void => {
  if (listed.length === 0) {
    console.warn(`\n  SKIPPED: "${name}" needs older servers. Set MEDIAMTX_BIN_OLD=/path/to/one,/path/to/another.\n`)
    describe.skip(name, () => body({ bin: "", version: "1.15.0" }))
    return
  }
  for (const bin of listed) {
    const version = versionOf(bin)
    describe(`${name}: ${version}`, () => body({ bin, version }))
  }
}
