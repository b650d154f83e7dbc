// Bundles src/cli/main.ts to dist/cli/mtx-manager.js and the chunks beside it, which is what `mtx-manager` runs: a thousand
// modules take Node twice as long to load as these few files. Commands and drivers stay chunks that are loaded when they are
// needed. All files are at the depth of the modules that look for package.json and the dashboard beside them.
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const outdir = join(root, "dist", "cli")

for (const name of readdirSync(outdir))
  if (/^(?:mtx-manager|chunk)-.*\.js(?:\.map)?$/.test(name)) rmSync(join(outdir, name))
await build({
  entryPoints: { "mtx-manager": join(root, "src", "cli", "main.ts") },
  outdir,
  entryNames: "[name]",
  chunkNames: "chunk-[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // Not minified, and with maps: a stack trace is to be read (NODE_OPTIONS=--enable-source-maps gives it lines of src).
  sourcemap: true,
  sourcesContent: false,
  // With native code; an optional peer; and one whose file is handed to a thread.
  external: ["better-sqlite3", "pg", "hash-wasm"],
  // What is CommonJS in the bundle asks for Node's modules.
  banner: {
    js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);'
  },
  logLevel: "warning"
})
