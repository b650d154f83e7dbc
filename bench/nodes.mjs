/** Start-up, and what a thousand nodes weigh. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startManager } from "./hot.mjs"
import { KEY, nodeToken } from "./peers/work.mjs"
import { median, startServer } from "./process.mjs"

const NODES = 4000

const firstConfig = async (server) => {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${server.port}/?node=first`, {
      headers: { authorization: `Bearer ${KEY}` }
    }).catch(() => undefined)
    if (response?.ok && (await response.text()).includes("# end of mtx-manager config")) {
      return performance.now() - server.begun
    }
  }
}

export const nodeRows = async ({ rounds }) => {
  const folder = mkdtempSync(join(tmpdir(), "mtx-bench-"))
  const baseYml = `paths:\n${Array.from({ length: 40 }, (_, i) => `  cams/${i}:\n    record: yes\n`).join("")}`
  try {
    const ours = []
    const raw = []
    for (let round = 0; round < rounds; round++) {
      const manager = await startManager(join(folder, `start-${round}`), baseYml)
      ours.push(await firstConfig(manager))
      await manager.stop()
      const peer = await startServer("./peers/raw.mjs", [join(folder, `raw-${round}.db`)])
      raw.push(await firstConfig(peer))
      await peer.stop()
    }

    const manager = await startManager(join(folder, "memory"), baseYml)
    const one = async (i) => {
      const node = `node-${i}`
      const headers = { authorization: `Bearer ${nodeToken(KEY, node)}` }
      const base = `http://127.0.0.1:${manager.port}`
      const config = await fetch(`${base}/?node=${node}&every=10`, { headers })
      await config.arrayBuffer()
      const hook = await fetch(`${base}/hooks?node=${node}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
        body: `event=available&path=cams/1&type=rtspSession&id=${i}&query=`
      })
      await hook.arrayBuffer()
      if (!config.ok || !hook.ok) throw new Error(`${node}: ${config.status} ${hook.status}`)
    }
    const wave = async (from, to) => {
      for (let i = from; i < to; i += 50) {
        await Promise.all(Array.from({ length: Math.min(50, to - i) }, (_, k) => one(i + k)))
      }
    }
    // The first thousand also warms the heap: what counts is the growth after it.
    await wave(0, 1000)
    const before = manager.rss()
    await wave(1000, 1000 + NODES)
    const after = manager.rss()
    await manager.stop()
    const growth = (after - before) / (NODES / 1000)
    return [
      {
        what: "from start to the first config served",
        ours: `${median(ours).toFixed(0)} ms`,
        peer: `node:http by hand: ${median(raw).toFixed(0)} ms`,
        ratio: (median(ours) / median(raw)).toFixed(1),
        reach: "–",
        met: true
      },
      {
        what: "resident memory with 1,000 nodes, each with a config, a stream and a publisher",
        ours: `${before.toFixed(0)} MiB; each further 1,000: ${growth.toFixed(1)} MiB`,
        peer: "–",
        ratio: "–",
        reach: "–",
        met: true
      }
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
