#!/usr/bin/env node
/**
 * The `mtx-manager` program. What it does is in Cli.ts, which is loaded only when there is more to do than to say the
 * version.
 */
import { packageVersion } from "./PackageVersion.js"

const [word, ...more] = process.argv.slice(2)
if (word === "--version" && more.length === 0) console.log(packageVersion())
else {
  const { main } = await import("./Cli.js")
  main(process.argv)
}
