import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"

/** A folder that is gone with the scope. */
export const tempFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mtx-manager-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Path of a database file that does not exist yet. */
export const tempDatabase = Effect.map(tempFolder, (path) => join(path, "manager.sqlite"))
