/** Bundles a Worker as wrangler would: one ES module, Worker conditions, nothing of Node. */
import { fileURLToPath } from "node:url"
import { type BuildOptions, type BuildResult, build } from "esbuild"

const src = (path: string) => fileURLToPath(new URL(`../../../../src/${path}`, import.meta.url))

/** The package by its name is its source, so that a test needs no build. */
export const ourPackage = {
  "@livecams/mtx-manager/hono": src("hono.ts"),
  "@livecams/mtx-manager/storage": src("storage.workerd.ts"),
  "@livecams/mtx-manager/workers": src("workers.ts"),
  "@livecams/mtx-manager": src("index.ts")
}

export const bundle = async (
  entry: string,
  more: BuildOptions = {}
): Promise<{ readonly code: string; readonly metafile: NonNullable<BuildResult["metafile"]> }> => {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "neutral",
    mainFields: ["workerd", "browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    metafile: true,
    write: false,
    logLevel: "silent",
    alias: ourPackage,
    ...more
  })
  const code = result.outputFiles?.[0]?.text
  if (code === undefined || result.metafile === undefined) throw new Error(`nothing came out of ${entry}`)
  return { code, metafile: result.metafile }
}
