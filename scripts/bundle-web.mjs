// Bundles src/web to one module, dist/web/assets.js, that holds the dashboard's files: the page, its script, its style.
//
//   node scripts/bundle-web.mjs [--out FILE]
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const sources = join(root, "src", "web")
const args = process.argv.slice(2)
const out = args[0] === "--out" ? args[1] : join(root, "dist", "web", "assets.js")

const common = { bundle: true, minify: true, write: false, legalComments: "none", logLevel: "warning" }
const script = await build({
  ...common,
  entryPoints: [join(sources, "main.tsx")],
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact"
})
const style = await build({
  ...common,
  stdin: {
    contents: `@import "uplot/dist/uPlot.min.css";\n@import "./app.css";`,
    loader: "css",
    resolveDir: sources
  },
  target: ["chrome123", "firefox120", "safari17.5"]
})

const files = {
  "index.html": { type: "text/html; charset=utf-8", text: readFileSync(join(sources, "index.html"), "utf8") },
  "app.js": { type: "text/javascript; charset=utf-8", text: script.outputFiles[0].text },
  "app.css": { type: "text/css; charset=utf-8", text: style.outputFiles[0].text }
}

const assets = Object.fromEntries(
  Object.entries(files).map(([name, { text, type }]) => {
    const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`
    return [name, { type, etag, text, gzip: gzipSync(text, { level: 9 }).toString("base64") }]
  })
)
mkdirSync(dirname(out), { recursive: true })
// Whole or not at all: a server may be about to read it.
writeFileSync(`${out}.new`, `export const assets = ${JSON.stringify(assets)}\n`)
renameSync(`${out}.new`, out)
const size = Object.values(assets).reduce((sum, { gzip }) => sum + Buffer.from(gzip, "base64").length, 0)
process.stdout.write(`${relative(process.cwd(), out)}: ${(size / 1024).toFixed(1)} KiB of gzip\n`)
