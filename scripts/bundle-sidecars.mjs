// Bundles each src-sidecar/NAME/main.ts to one file, dist/sidecar/mtx-NAME.js, that needs nothing but Node.
//
//   node scripts/bundle-sidecars.mjs [--out FOLDER] [NAME...]
import { chmodSync, existsSync, readdirSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { deflateRawSync } from "node:zlib"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const sources = join(root, "src-sidecar")

const common = { bundle: true, format: "esm", platform: "node", target: "node20", minify: true, legalComments: "none" }

/**
 * What is imported dynamically is bundled apart and carried along as text, evaluated when it is asked for. Left to itself,
 * esbuild would wrap every module that both parts use, and none of those could be shaken any more: that alone would double
 * the memory of a process that never asks for the second part.
 */
const embedded = {
  name: "embedded",
  setup: (setup) => {
    setup.onResolve({ filter: /^\.\.?\// }, async ({ importer, kind, path, resolveDir, pluginData }) => {
      if (kind !== "dynamic-import" || !importer.startsWith(sources) || pluginData === "seen") return undefined
      const found = await setup.resolve(path, { kind: "import-statement", resolveDir, pluginData: "seen" })
      return found.errors.length > 0 ? found : { path: found.path, namespace: "embedded" }
    })
    setup.onLoad({ filter: /.*/, namespace: "embedded" }, async ({ path }) => {
      const { metafile, outputFiles } = await build({
        ...common,
        // It computes only. So packages give their plain ES modules, where for Node they might have something else.
        platform: "neutral",
        mainFields: ["module", "main"],
        external: ["node:*"],
        entryPoints: [path],
        write: false,
        metafile: true,
        outdir: "."
      })
      const [output] = Object.values(metafile.outputs)
      const packed = JSON.stringify(deflateRawSync(outputFiles[0].contents, { level: 9 }).toString("base64"))
      return {
        contents: [
          `import { inflateRawSync } from "node:zlib"`,
          `const text = inflateRawSync(Buffer.from(${packed}, "base64")).toString("base64")`,
          `const part = await import("data:text/javascript;base64," + text)`,
          ...output.exports.map((name) => `export const ${name} = part.${name}`)
        ].join("\n"),
        watchFiles: Object.keys(metafile.inputs)
      }
    })
  }
}

const args = process.argv.slice(2)
const out = args[0] === "--out" ? args.splice(0, 2)[1] : join(root, "dist", "sidecar")
const names = args.length > 0 ? args : readdirSync(sources).filter((name) => existsSync(join(sources, name, "main.ts")))

for (const name of names) {
  const outfile = join(out, `mtx-${name}.js`)
  await build({
    ...common,
    entryPoints: [join(sources, name, "main.ts")],
    outfile,
    plugins: [embedded],
    logLevel: "warning"
  })
  chmodSync(outfile, 0o755)
  process.stdout.write(`${relative(process.cwd(), outfile)}\n`)
}
