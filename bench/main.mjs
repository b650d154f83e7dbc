/**
 * `npm run bench`: the hot paths of the built server beside peers written by hand, in one run, as ratios.
 *
 * Each round runs every variant once, in alternating order; the figures are medians over the rounds. Load comes from a
 * process of its own. The table is printed and written into docs/BENCH.md between its markers.
 *
 * `node bench/main.mjs [--rounds N] [--seconds S] [--only NAME] [--no-write]`
 */
import { readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { configRows } from "./config.mjs"
import { honoRows } from "./hono.mjs"
import { hotRows } from "./hot.mjs"
import { nodeRows } from "./nodes.mjs"
import { playbackRows } from "./playback.mjs"
import { workerRows } from "./worker.mjs"

const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const options = {
  rounds: Number(argument("rounds", "5")),
  seconds: Number(argument("seconds", "3"))
}
const only = argument("only", undefined)
const parts = {
  hot: hotRows,
  hono: honoRows,
  config: configRows,
  nodes: nodeRows,
  playback: playbackRows,
  worker: workerRows
}

const rows = []
for (const [name, part] of Object.entries(parts)) {
  if (only !== undefined && only !== name) continue
  rows.push(...(await part(options)))
}

const table = [
  "| what | this | beside | ratio | reach | |",
  "| --- | --- | --- | --- | --- | --- |",
  ...rows.map(
    (row) =>
      `| ${row.what} | ${row.ours} | ${row.peer} | ${row.ratio} | ${row.reach} | ${row.met ? "met" : "**missed**"} |`
  )
].join("\n")
const where = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}, ${options.rounds} rounds of ${options.seconds} s, driver on the same machine, ${new Date().toISOString().slice(0, 10)}`
console.log(`\n${table}\n\n${where}`)

if (only === undefined && !process.argv.includes("--no-write")) {
  const file = new URL("../docs/BENCH.md", import.meta.url)
  const text = readFileSync(file, "utf8")
  const begin = "<!-- figures -->"
  const end = "<!-- /figures -->"
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error("docs/BENCH.md has lost its markers")
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n${table}\n\n${where}\n${text.slice(to)}`)
}
