/** Bundles a Worker as wrangler would: one ES module, Worker conditions, nothing of Node. */
import { type BuildOptions, type BuildResult, build } from "esbuild"

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
    ...more
  })
  const code = result.outputFiles?.[0]?.text
  if (code === undefined || result.metafile === undefined) throw new Error(`nothing came out of ${entry}`)
  return { code, metafile: result.metafile }
}
