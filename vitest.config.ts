import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  // Examples import the package by its name; here that is the source, so that a test needs no build.
  resolve: {
    alias: [
      { find: /^@livecams\/mtx-manager$/, replacement: src("index.ts") },
      { find: /^@livecams\/mtx-manager\/testing$/, replacement: src("testing/index.ts") },
      { find: /^@livecams\/mtx-manager\/(.+)$/, replacement: src("$1.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    // vitest leaves a core free by itself, which on two cores is half of them.
    maxWorkers: 2,
    minWorkers: 1,
    testTimeout: 20_000,
    hookTimeout: 30_000
  }
})
