/** Bundles a Worker as wrangler would: one ES module, Worker conditions, nothing of Node. */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { type BuildOptions, type BuildResult, build, type Plugin } from "esbuild"
import { annotatePure } from "../../../../scripts/annotate-pure.mjs"

const src = (path: string) => fileURLToPath(new URL(`../../../../src/${path}`, import.meta.url))

/** The package by its name is its source, so that a test needs no build. */
export const ourPackage = {
  "@livecams/mtx-manager/hono": src("hono.ts"),
  "@livecams/mtx-manager/storage": src("storage.workerd.ts"),
  "@livecams/mtx-manager/workers": src("workers.ts"),
  "@livecams/mtx-manager": src("index.ts")
}

/** What `npm run build` does to the package's files. */
const annotated: Plugin = {
  name: "annotated",
  setup: (setup) => {
    setup.onLoad({ filter: /\.ts$/ }, async ({ path }) =>
      path.startsWith(src(""))
        ? { contents: annotatePure(path, await readFile(path, "utf8")), loader: "ts" }
        : undefined
    )
  }
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
    plugins: [annotated],
    ...more
  })
  const code = result.outputFiles?.[0]?.text
  if (code === undefined || result.metafile === undefined) throw new Error(`nothing came out of ${entry}`)
  return { code, metafile: result.metafile }
}
