/** The sidecars in tests, as the processes they are: bundled from the source as it is now. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Asked } from "./ScriptedServer.js"

const script = fileURLToPath(new URL("../../scripts/bundle-sidecars.mjs", import.meta.url))

export interface BundledSidecar {
  readonly file: string
  readonly remove: () => void
}

/** Bundles one sidecar into a folder of its own. */
export const bundleSidecar = (name: string): BundledSidecar => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-sidecar-"))
  writeFileSync(join(folder, "package.json"), '{"type":"module"}')
  execFileSync(process.execPath, [script, "--out", folder, name])
  return {
    file: join(folder, `mtx-${name}.js`),
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}

/** A config as the manager renders it, with its last line. */
export const rendered = (body: string): string => `${body.trimEnd()}\n# end of mtx-manager config\n`

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** What the manager answers to a poll. */
export const giveConfig = (asked: Asked, response: ServerResponse, text: string): void => {
  const etag = `"${sha256(text)}"`
  if (asked.headers["if-none-match"] === etag) {
    response.writeHead(304, { etag }).end()
    return
  }
  response
    .writeHead(200, { "content-type": "text/yaml; charset=utf-8", "content-length": Buffer.byteLength(text), etag })
    .end(text)
}

/** What the manager answers to a heartbeat. */
export const giveReply = (
  response: ServerResponse,
  configHash: string | null,
  commands: ReadonlyArray<unknown> = []
) => {
  const body = JSON.stringify({ configHash, commands })
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body)
}
